"""Cells: the outcome of one method at one setting and seed, kept on disk so that a killed comparison goes on."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.files import lock, read_tensors, write_tensors

__all__ = ["Cell", "Store", "code_of", "fingerprint"]

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cell:
    """What one fit answered on the held-out rows, what it took and how many candidates it tried."""

    outcomes: Mapping[str, np.ndarray]
    """By direction `(q,)` integers, one number a query; of a fuser "outputs" `(n, c)`, a row a held-out row."""
    seconds: float
    tried: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is to be told of the fit, plain values."""


class Store:
    """Cells in a folder, a file each, which is there whole or not at all; and the log of looks at the test rows.

    Args:
        folder: where; made when first written to.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.found = 0
        """cells that were on disk already."""
        self.made = 0
        """cells that were computed."""

    def cell(self, name: str, key: str, make: Callable[[], Cell]) -> Cell:
        """The cell of this name and fingerprint: from disk, or made now and on disk when this returns."""
        path = self.folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[:80]}-{key}.safetensors"
        known = _read(path)
        if known is not None:
            self.found += 1
            return known
        cell = make()
        with lock(self.folder):
            told = {"seconds": repr(cell.seconds), "tried": str(cell.tried), "facts": json.dumps(dict(cell.facts))}
            write_tensors(path, cell.outcomes, told)
        self.made += 1
        return cell

    def opened(self, look: Mapping[str, Any]) -> int:
        """Append a look at the test rows to `final.log`, a JSON line; returns how many stood there before."""
        path = self.folder / "final.log"
        with lock(self.folder), open(path, "a+b") as file:
            file.seek(0)
            before = len(file.read().splitlines())
            file.write(json.dumps(look, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return before


def _read(path: Path) -> Cell | None:
    """A cell from disk; None where there is none, or a damaged one, which is then computed again."""
    try:
        arrays, told = read_tensors(path)
        copied = {k: np.array(v) for k, v in arrays.items()}
        return Cell(copied, float(told["seconds"]), int(told["tried"]), json.loads(told.get("facts", "{}")))
    except (FileNotFoundError, KeyError, ValueError):  # a ChiasmError is a ValueError
        return None


def fingerprint(*pieces: Any) -> str:
    """16 hexadecimal digits that change when a piece changes: bytes, arrays (by their bytes), or anything's `repr`.

    >>> fingerprint("cca", 3) == fingerprint("cca", 3) != fingerprint("cca", 4)
    True
    """
    digest = hashlib.blake2b(digest_size=8)
    for piece in pieces:
        if isinstance(piece, np.ndarray) and piece.dtype != object:
            raw = repr((piece.dtype.str, piece.shape)).encode() + np.ascontiguousarray(piece).tobytes()
        else:
            raw = piece if isinstance(piece, bytes) else repr(piece).encode("utf-8", "backslashreplace")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def code_of(part: Any) -> str:
    """A fingerprint of the source that decides what a part does: its file and all of Chiasm that it imports in turn.

    Where one of these files asks the registry, the parts of its folder count that stand by name as a string in one of
    them or among the parameters. A class that was typed in at a prompt has no file: its cells are never found again.
    Parts among its parameters count too.
    """
    try:
        own = Path(inspect.getfile(type(part)))
    except (TypeError, OSError):
        own = Path()
    if not own.is_file():  # typed in at a prompt: nothing on disk tells one version from another
        return fingerprint(os.urandom(16))
    values = [
        v for value in part.get_params().values() for v in (value if isinstance(value, list | tuple) else [value])
    ]
    seen: dict[Path, bytes] = {}
    names = {name for value in values if isinstance(value, str) for name in re.findall(r"\w+", value)}
    folders: set[Path] = set()
    waiting = [own]
    while waiting:
        path = waiting.pop()
        if path not in seen and path.is_file():
            seen[path] = path.read_bytes()
            waiting += _imports(seen[path])
            names |= _strings(seen[path])
            if _ROOT / "registry.py" in _imports(seen[path]):
                folders.add(path.parent)
        if not waiting:
            waiting += [
                one for folder in folders for one in folder.glob("*.py") if one.stem in names and one not in seen
            ]
    inner = [code_of(value) for value in values if hasattr(value, "get_params") and not isinstance(value, type)]
    return fingerprint(*(seen[path] for path in sorted(seen)), *inner)


@cache
def _imports(source: bytes) -> tuple[Path, ...]:
    """The files of this package that a source file imports."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    ours = [name.split(".")[1:] for name in found if name.startswith("chiasm.")]
    places = [_ROOT.joinpath(*parts) for parts in ours]
    return tuple(path for place in places for path in (place.with_suffix(".py"), place / "__init__.py"))


@cache
def _strings(source: bytes) -> frozenset[str]:
    """The strings that a source file holds."""
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return frozenset(node.value for node in nodes if isinstance(node.value, str))
