"""The ledger of a flow: what each stage was made from and what it left, so that nothing unchanged is made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.files import sha256, write_atomic
from chiasm.views import Views

__all__ = ["Ledger", "digest_of", "left_in"]

FILE = "flow.json"
FORMAT = 1
_MEDIA = ("image", "audio", "video")


class Ledger:
    """By stage what it was made from (digests by name), what it left (a digest of the files), and what it told.

    It lies as `flow.json` in the flow's folder. A stage is written into it when all of its files are on the disk, so a
    death leaves a stage that is done or one that is made again.
    """

    def __init__(self, folder: Path):
        self.file = folder / FILE
        self.stages: dict[str, dict[str, Any]] = {}
        if self.file.exists():
            try:
                held = json.loads(self.file.read_text(encoding="utf-8"))
                self.stages = dict(held["stages"])
                known = held["format"]
            except (ValueError, KeyError, TypeError):
                raise ChiasmError(f"{self.file} is damaged: remove it, and every stage is made again.") from None
            if known > FORMAT:
                raise ChiasmError(f"{self.file} is of a later Chiasm (format {known}): install that, or remove it.")

    def changed(self, stage: str, made_from: Mapping[str, str], folder: Path) -> str:
        """Why a stage has to be made (again), in words; "" where what it left is what it would leave."""
        held = self.stages.get(stage)
        if held is None:
            return "not made yet"
        before = held["from"]
        if other := [name for name in {**before, **made_from} if before.get(name) != made_from.get(name)]:
            return f"changed: {', '.join(other)}"
        return "" if held["left"] == left_in(folder) else "what it left is changed or gone"

    def record(self, stage: str, made_from: Mapping[str, str], folder: Path, told: Mapping[str, Any]) -> None:
        """Write down that a stage is done."""
        self.stages[stage] = {"from": dict(made_from), "left": left_in(folder), **told}
        text = json.dumps({"format": FORMAT, "stages": self.stages}, ensure_ascii=False, indent=1)
        write_atomic(self.file, [text.encode("utf-8", "surrogatepass")])


def left_in(folder: Path) -> str:
    """A digest of the names and bytes of all files in a folder but hidden ones; "" where there are none."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    told = [f"{path.relative_to(folder).as_posix()} {sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest() if told else ""


def digest_of(value: Any) -> str:
    """A digest of plain values, or of Views: of every item's bytes (media files are read), every id and fact."""
    if not isinstance(value, Views):
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    total = hashlib.sha256()
    for name, column in value.columns.items():
        total.update(f"{name} {column.modality} {column.index.tolist()}".encode("utf-8", "surrogatepass"))
        for position in column.used.tolist():
            total.update(_bytes(column.modality, column.items[position]))
    for name, values in {"ids": value.ids, **value.facts}.items():
        total.update(f"{name} {list(map(str, values.tolist()))}".encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _bytes(modality: str, item: Any) -> bytes:
    """What makes an item what it is, in 32 bytes."""
    if modality in _MEDIA and isinstance(item, str):
        try:
            return bytes.fromhex(sha256(Path(item)))
        except OSError:  # encoding tells which and why
            return bytes(32)
    whole = item if isinstance(item, bytes) else None
    if whole is None and hasattr(item, "shape"):
        whole = np.ascontiguousarray(item).tobytes()
    return hashlib.sha256(repr(item).encode("utf-8", "surrogatepass") if whole is None else whole).digest()
