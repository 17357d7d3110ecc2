"""What makes an index whole: a note beside the catalog that outlives it, its model, and leftovers swept."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import recipe
from chiasm.collection import _alike, _passed
from chiasm.collection._asking import model_name
from chiasm.collection._catalog import Catalog, Item
from chiasm.collection._moments import item_of
from chiasm.collection._switch import Side
from chiasm.errors import ChiasmError
from chiasm.files import sync, write_atomic

__all__ = ["NOTED", "adopt", "make", "note", "noted", "strays", "sweep", "token", "unlike"]

NOTED = ("folder", "engine", "columns", "table", "windows", "encoding", "model")
"""The facts that no catalog can be made without."""

_NOTE = "about.json"
_FORMAT = 1
_OURS = re.compile(r"(model|vectors|said)-[0-9a-f]{8,12}(-\d+(-\w+)?)?")
_SPOT = 8
_ALIKE = 0.999
"""The cosine of one item placed twice by one model, at least; hub encoders on another machine differ a little."""


def token() -> str:
    """The name of a part, which no other index has."""
    return secrets.token_hex(4)


def note(home: Path, facts: Mapping[str, Any]) -> None:
    """Keep what no catalog can be made without; written only where it differs."""
    told = {"format": _FORMAT, **facts}
    try:
        same = json.loads((home / _NOTE).read_bytes()) == told
    except (OSError, ValueError):
        same = False
    if not same:
        write_atomic(home / _NOTE, [json.dumps(told, ensure_ascii=False, indent=1).encode()])


def noted(home: Path) -> dict[str, Any]:
    """What was noted; a ChiasmError where the note is damaged or missing too."""
    try:
        told = json.loads((home / _NOTE).read_bytes())
        if told["format"] == _FORMAT and set(NOTED) <= told.keys():
            return {name: told[name] for name in NOTED}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ChiasmError(f"{home} is no index, or its {_NOTE} is damaged as well: build it anew at another place.")


def make(home: Path, saved: Path, facts: Mapping[str, Any]) -> None:
    """The model and the empty catalog of an index in a folder that holds neither.

    Args:
        saved: where the model is. facts: as they were noted, without the model.
    """
    digest = recipe.digest_of(saved)
    if (place := home / model_name(digest)) != saved:
        adopt(saved, place)
    note(home, {name: {**facts, "model": digest}.get(name) for name in NOTED})
    draft = home / ".new-catalog"
    for apart in ("", "-wal", "-shm"):
        Path(f"{draft}{apart}").unlink(missing_ok=True)
    catalog = Catalog(draft, new=True, tables=_alike.TABLES + _passed.TABLES)
    catalog.set(model=digest, part=token(), **facts)
    catalog.close()
    for apart in ("-wal", "-shm"):
        Path(f"{home / 'catalog.sqlite'}{apart}").unlink(missing_ok=True)
    sync(draft)
    draft.replace(home / "catalog.sqlite")
    sync(home)


def adopt(saved: Path, place: Path) -> None:
    """A copy of a model inside an index, whole or not at all."""
    if place.is_dir():
        return
    draft = Path(tempfile.mkdtemp(prefix=".model-", dir=place.parent))
    try:
        shutil.copytree(saved, draft, dirs_exist_ok=True)
        for file in draft.rglob("*"):
            sync(file)
        draft.chmod(0o755)
        draft.replace(place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync(place.parent)


def strays(home: Path, keep: Sequence[tuple[str, str]]) -> list[Path]:
    """Folders of models and vectors that belong to none of the (part, digest of the model) that count."""
    models = {model_name(digest) for _, digest in keep}
    parts = tuple(f"{what}-{part}-" for part, _ in keep for what in ("vectors", "said"))
    return [
        one
        for one in sorted(home.iterdir())
        if one.name.startswith(".model-")
        or (_OURS.fullmatch(one.name) and one.name not in models and not one.name.startswith(parts))
    ]


def sweep(home: Path, keep: Sequence[tuple[str, str]]) -> None:
    """Remove what a switch that was broken off or is over has left."""
    for one in strays(home, keep):
        shutil.rmtree(one, ignore_errors=True)


def unlike(items: Sequence[Item], side: Side) -> list[str]:
    """Of a few items drawn at random, the names of those whose vectors are not what the model makes of the files."""
    few = [items[at] for at in np.random.default_rng().permutation(len(items))[:_SPOT].tolist()]
    here = {item.id: item.name for item in few if (side.folder / item.name).is_file()}
    made = side.placed([item for item in few if item.id in here])
    keys, vectors = side.vectors.vectors(made.keys)
    held = dict(zip(keys.tolist(), vectors, strict=True))
    wrong: dict[str, None] = {}
    for key, true in zip(made.keys.tolist(), made.vectors, strict=True):
        if key in held and (true.shape != held[key].shape or float(true @ held[key]) < _ALIKE):
            wrong[here[item_of(key)]] = None
    return list(wrong)
