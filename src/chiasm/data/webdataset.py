"""WebDataset shards as a table: tar files in which the files of one sample share a name (000017.jpg, 000017.txt)."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.data.cells import composed
from chiasm.data.folder import modality_of
from chiasm.data.notes import Noted
from chiasm.errors import ChiasmError
from chiasm.media.images import Note

__all__ = ["beside", "is_shard", "read_shards", "shards_of"]

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_MOST = 4 << 30
"""Bytes of all files, at most: what is kept is held in memory."""
_KINDS = {"txt": "text", "text": "text", "caption": "text", "cls": "class", "npy": "vector", "json": "json"}
_NUMBER = re.compile(r"\d+")


def is_shard(path: Path) -> bool:
    """Whether a file is a tar, packed or not, by its name."""
    return path.name.lower().endswith(_SUFFIXES) and path.is_file()


def shards_of(folder: Path) -> list[Path]:
    """The tar files of a folder that holds nothing else to read, in the order of their names and numbers."""
    try:
        lying = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
    tars = [path for path in lying if is_shard(path)]
    if not tars or any(path.is_dir() or modality_of(path.name) for path in lying):
        return []
    return sorted(tars, key=lambda path: _NUMBER.sub(lambda number: number[0].zfill(20), path.name))


def beside(folder: Path, shards: Sequence[Path]) -> list[Noted]:
    """A note on every other file of a folder of shards."""
    others = sorted(path.name for path in folder.iterdir() if path not in shards)
    return [("", name, Note("other_kind", "no tar", skipped=True)) for name in others]


def read_shards(shards: Sequence[Path], encoding: str = "utf-8") -> tuple[dict[str, list[Any]], list[Noted]]:
    """Tars as columns: id, image, audio and video (encoded bytes), text (.txt), class (.cls), vector (.npy), json.

    A sample is the files of one tar whose names are equal up to the first dot of the last part, which is its id; an id
    that another tar had before is told apart by its tar's name. What comes after the dot says what a file holds:
    "17.jpg" is its image, "17.mask.png" one more, in a column named mask. `json` holds objects: "json.caption" names a
    column of what lies in them. Nothing is unpacked to disk. Every file is in a row or in the notes.

    Raises a ChiasmError for a damaged tar, for one that holds more than 4 GiB, and for tars without a sample.

    Source: the layout of https://github.com/webdataset/webdataset.
    """
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    notes: list[Noted] = []
    left = _MOST
    for shard in shards:
        of_key: dict[str, dict[str, Any]] = {}
        for key, column, kind, name, content in _files(shard, left, notes):
            left -= len(content)
            row = of_key.setdefault(key, {"id": key})
            cell = Note("second", f"its sample has another {column} before it")
            if column not in row:
                cell = _cell(kind, content, encoding)
            if isinstance(cell, Note):
                message = f"{shard.name}: {name} passed over: {cell.message}"
                notes.append((column, "", Note(cell.code, message, skipped=True)))
                continue
            row[column] = cell
        found = [row for row in of_key.values() if len(row) > 1]
        for row in found:  # each shard may count from 0
            if row["id"] in taken:
                row["id"] = f"{shard.name}/{row['id']}"
        taken.update(row["id"] for row in found)
        rows += found
    if not rows:
        raise ChiasmError(f"{shards[0].name}: wanted samples such as 000.jpg with 000.txt, got none.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in columns}, notes


def _files(shard: Path, most: int, notes: list[Noted]) -> Iterator[tuple[str, str, str, str, bytes]]:
    """(key, column, kind, name, bytes) of each file of a tar that can be read; the others are noted."""
    try:
        with tarfile.open(shard, "r|*") as held:
            for member in held:
                if member.isdir():
                    continue
                name = composed(member.name)
                folder, _, last = name.removeprefix("./").rpartition("/")
                key, _, suffix = last.partition(".")
                field, _, suffix = suffix.rpartition(".")
                kind = _KINDS.get(suffix.lower()) or modality_of(f"a.{suffix}")
                hidden = any(part.startswith(".") for part in name.removeprefix("./").split("/"))
                most -= member.size  # what is passed over is unpacked too
                if most < 0:
                    raise ChiasmError(f"{shard.name}: the tars hold over {_MOST >> 30} GiB: read fewer at a time.")
                if kind is None or not key or hidden or not member.isreg():
                    what = Note("other_kind", "nothing that is read", skipped=True)
                    notes.append(("", f"{shard.name}/{name}", what))
                    continue
                file = held.extractfile(member)
                yield f"{folder}/{key}".lstrip("/"), field or kind, kind, name, file.read() if file else b""
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, PermissionError):
            raise ChiasmError(f"no permission to read {shard}.") from None
        raise ChiasmError(f"{shard.name} is damaged or is no tar ({str(error)[:80]}).") from None


def _cell(kind: str, content: bytes, encoding: str) -> Any:
    """What a file holds, or a note why it cannot be used."""
    try:
        if kind in ("text", "class"):
            return content.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding).strip() or None
        if kind == "json":
            held = json.loads(content)
            return held if isinstance(held, dict) else Note("damaged_cell", "wanted a JSON object")
        if kind == "vector":
            array = np.load(io.BytesIO(content), allow_pickle=False)
            return array.astype(np.float32).ravel() if array.dtype.kind in "fiu" else Note("broken", "no numbers")
    except UnicodeDecodeError:
        return Note("encoding", f"not {encoding} text: say encoding='gb18030' (or whichever it is)")
    except (ValueError, RecursionError, EOFError, OSError) as error:
        return Note("broken", f"damaged ({str(error)[:60]})")
    return content
