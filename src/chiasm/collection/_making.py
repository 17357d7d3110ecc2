"""How a collection begins: its model, how a table is read, how long a moment is, and the folder that holds it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chiasm import recipe
from chiasm.collection._catalog import MEDIA
from chiasm.collection._table import Plan, planned
from chiasm.collection._whole import make
from chiasm.data.cells import composed
from chiasm.data.read import names_of
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.files import lock

__all__ = ["begin", "plan_of", "saved_at", "windows_of"]

_BEGUN = re.compile(r"\.model-.*|model-[0-9a-f]{12}|about\.json|\.new-.*")
"""What there is of an index before its catalog is there."""


def saved_at(model: Any, scratch: Path) -> Path:
    """Where a model that searches is saved, saved to a new folder first where it is not."""
    saved = Path(model).expanduser() if isinstance(model, str | os.PathLike) else scratch / "model"
    if saved == scratch / "model":
        recipe.save(model, saved)
    elif not hasattr(part := recipe.load(saved), "placed"):
        raise ChiasmError(
            f"wanted a model that searches, got {model}, which is a {type(part).__name__.lower()} model: fit one with "
            "the task retrieve."
        )
    return saved


def plan_of(saved: Path, table: Path, column: str | None, own: Mapping[str, str], encoding: str | None) -> Plan:
    """How a table is read: of the model's media those whose column it has, or the one that is named."""
    part = recipe.load(saved)
    source = Source.of(part)
    media = {view: kind for view, kind in part.views_.items() if kind in MEDIA}
    if column is not None:
        if len(media) > 1:
            raise ChiasmError(f"wanted no column where a model has several views of media: {', '.join(media)}.")
        paths = {composed(column): kind for kind in media.values()}
    else:
        paths = {names_of(getattr(source, kind)).get(view, view): kind for view, kind in media.items()}
    return planned(table, paths, own, encoding or source.encoding)


def windows_of(saved: Path, window: float | None) -> dict[str, float]:
    """How long a moment is, in seconds, by view of sounds or videos."""
    part = recipe.load(saved)
    timed = [view for view, kind in part.views_.items() if kind in ("audio", "video")]
    if window is not None and (not timed or not window > 0):
        asked = "seconds above 0" if timed else "no window of a model that reads neither sounds nor videos"
        raise ChiasmError(f"wanted {asked}, got window={window}.")
    usual = getattr(part, "seconds_", {})
    return {view: seconds for view in timed if (seconds := window or usual.get(view))}


def begin(at: Path, saved: Path, facts: Mapping[str, Any]) -> None:
    """The folder of a new collection; what a death left of an earlier beginning is gone on with.

    Args:
        saved: where its model is. facts: what its catalog begins with.
    """
    if at.exists() and not at.is_dir():
        raise ChiasmError(f"{at} is a file: name a place that is new or empty.")
    new, held = not at.exists(), _begun(at)
    at.mkdir(parents=True, exist_ok=True)
    with lock(at, f"another process is building {at}: wait for it."):
        if (at / "catalog.sqlite").exists():
            return
        try:
            make(at, saved, facts)
        except BaseException:
            if new or not held:
                shutil.rmtree(at, ignore_errors=True)
            raise


def _begun(at: Path) -> list[str]:
    """What an earlier beginning has left at a place; a ChiasmError where something else is there."""
    held = [one.name for one in at.iterdir() if one.name != ".lock"] if at.exists() else []
    if any(name.startswith(("vectors-", "said-")) for name in held) and "about.json" in held:
        raise ChiasmError(f"{at} lacks its catalog.sqlite: rebuild the index, or name another place.")
    if not all(_BEGUN.fullmatch(name) for name in held):
        raise ChiasmError(f"{at} holds something else than an index: name a place that is new or empty.")
    return held
