"""Encoded items on disk, found again by encoder fingerprint + item bytes; checksummed, fsynced, memory-mapped.

A shelf (one folder an encoder fingerprint) holds immutable segments: safetensors files of keys `(m, 16)`, values
`(m, d)` float32 and a checksum. A segment is written under the shelf's lock to a new name, fsynced and renamed, so an
item is either wholly there or not there at all, whatever dies in between; nothing is ever rewritten in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.files import lock, read_tensors, write_tensors

__all__ = ["Cache", "Shelf", "Stored", "folder", "key_of"]

KEY_BYTES = 16
_MERGE_BYTES = 8 << 20
_MERGE_COUNT = 24


def folder() -> Path:
    """Where the cache lives: `CHIASM_CACHE`, else `$XDG_CACHE_HOME/chiasm`, else `~/.cache/chiasm`."""
    if named := os.environ.get("CHIASM_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "chiasm"


def key_of(content: bytes) -> bytes:
    """The key of an item: 16 bytes of BLAKE2b over its bytes."""
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()


class Cache:
    """The cache as a whole: one shelf an encoder fingerprint.

    Args:
        root: its folder; left out, `folder()`.
    """

    def __init__(self, root: str | Path | None = None):
        self.root = Path(root) if root is not None else folder()

    def shelf(self, fingerprint: str) -> Shelf:
        """The shelf of an encoder, created when first written to."""
        return Shelf(self.root / "encoded" / fingerprint)

    def models(self) -> Path:
        """The folder for models derived from packages' weights (ONNX files)."""
        return self.root / "models"

    def shelves(self) -> list[Shelf]:
        """Every shelf that exists."""
        base = self.root / "encoded"
        return [Shelf(path) for path in sorted(base.iterdir()) if path.is_dir()] if base.is_dir() else []

    def info(self) -> dict[str, Any]:
        """Items and bytes of each shelf."""
        return {"folder": str(self.root), "shelves": [shelf.info() for shelf in self.shelves()]}

    def verify(self) -> dict[str, Any]:
        """Read everything: checksums and an order-free digest of the set of (key, vector), a shelf at a time."""
        return {"folder": str(self.root), "shelves": [shelf.verify() for shelf in self.shelves()]}

    def clear(self) -> int:
        """Delete the cached items and derived models; returns the bytes freed. Only the cache's own folders go."""
        freed = 0
        for name in ("encoded", "models", "demo"):
            base = self.root / name
            freed += sum(f.stat().st_size for f in base.rglob("*") if f.is_file())
            shutil.rmtree(base, ignore_errors=True)
        return freed


class Shelf:
    """The cached items of one encoder."""

    def __init__(self, path: Path):
        self.path = path
        self._open()

    def _open(self) -> None:
        for attempt in range(5):  # another process may merge segments between our listing and our opening
            try:
                self._read_segments()
                return
            except FileNotFoundError:
                if attempt == 4:
                    raise

    def _read_segments(self) -> None:
        self.segments: list[np.ndarray] = []
        self.files: list[Path] = []
        self.where: dict[bytes, tuple[int, int]] = {}
        self.notes: dict[bytes, dict[str, str]] = {}
        for path in sorted(self.path.glob("*.seg")):
            self._adopt(path)

    def _adopt(self, path: Path) -> None:
        arrays, metadata = read_tensors(path)
        try:
            keys, values, notes = arrays["keys"], arrays["values"], json.loads(metadata["notes"])
        except (KeyError, ValueError):
            raise ChiasmError(
                f"{path} is damaged: run 'chiasm cache clear' (the cache is rebuilt when needed)."
            ) from None
        number = len(self.segments)
        self.segments.append(values)
        self.files.append(path)
        raw = keys.tobytes()
        for row in range(len(values)):
            self.where.setdefault(raw[row * KEY_BYTES : (row + 1) * KEY_BYTES], (number, row))
        self.notes.update((raw[int(row) * KEY_BYTES : (int(row) + 1) * KEY_BYTES], note) for row, note in notes.items())

    def __contains__(self, key: bytes) -> bool:
        return key in self.where

    def __len__(self) -> int:
        return len(self.where)

    def add(self, keys: list[bytes], values: np.ndarray, notes: dict[int, dict[str, str]] | None = None) -> None:
        """Append items; when this returns they survive `kill -9` and power loss (fsync of file and folder).

        Args:
            keys: m keys of 16 bytes. values: `(m, d)`, stored as float32. notes: plain facts of item i (cut, ...).
        """
        if not keys:
            return
        with lock(self.path):
            self._adopt(self._write(np.frombuffer(b"".join(keys), "u1").reshape(-1, KEY_BYTES), values, notes or {}))

    def _write(self, keys: np.ndarray, values: np.ndarray, notes: dict[int, dict[str, str]]) -> Path:
        values = np.ascontiguousarray(values, dtype=np.float32)
        last = max((int(p.stem) for p in self.path.glob("*.seg")), default=-1)
        path = self.path / f"{last + 1:08d}.seg"
        metadata = {"notes": json.dumps(notes), "check": _check(keys, values)}
        write_tensors(path, {"keys": keys, "values": values}, metadata)
        return path

    def merge(self) -> None:
        """Rewrite many small segments as one (the small ones go only when the whole is on disk)."""
        small = [p for p in self.path.glob("*.seg") if p.stat().st_size < _MERGE_BYTES]
        if len(small) < _MERGE_COUNT:
            return
        with lock(self.path):
            small = sorted(p for p in self.path.glob("*.seg") if p.stat().st_size < _MERGE_BYTES)
            held = [read_tensors(path) for path in small]
            notes, offset = {}, 0
            for arrays, metadata in held:
                notes.update({offset + int(row): note for row, note in json.loads(metadata["notes"]).items()})
                offset += len(arrays["keys"])
            keys = np.concatenate([arrays["keys"] for arrays, _ in held])
            self._write(keys, np.concatenate([arrays["values"] for arrays, _ in held]), notes)
            for path in small:
                path.unlink()
        self._open()

    def stored(self, keys: Iterable[bytes]) -> Stored:
        """A read-only `(m, d)` array of the items with these keys, in their order, left on disk until asked for."""
        places = np.array([self.where[key] for key in keys], dtype=np.int64).reshape(-1, 2)
        return Stored(self.segments, places)

    def info(self) -> dict[str, Any]:
        """Fingerprint, items, bytes."""
        size = sum(path.stat().st_size for path in self.files)
        return {"encoder": self.path.name, "items": len(self), "bytes": size, "segments": len(self.files)}

    def verify(self) -> dict[str, Any]:
        """Recompute every checksum; `digest` is the sum (mod 2^256) of a hash of each distinct (key, vector)."""
        damaged, total, seen = [], 0, set()
        for path in sorted(self.path.glob("*.seg")):
            try:
                arrays, metadata = read_tensors(path)
                keys, values = arrays["keys"], arrays["values"]
                if metadata.get("check") != _check(keys, values):
                    raise ChiasmError("checksum")
            except (ChiasmError, KeyError):
                damaged.append(str(path))
                continue
            for key, value in zip(keys, values, strict=True):
                if (name := key.tobytes()) not in seen:
                    seen.add(name)
                    total += int.from_bytes(hashlib.blake2b(name + value.tobytes(), digest_size=32).digest(), "big")
        return {"encoder": self.path.name, "items": len(seen), "digest": f"{total % 2**256:064x}", "damaged": damaged}


class Stored:
    """Cached items as an `(m, d)` float32 array that is read from disk where it is indexed.

    `stored[rows]` copies those rows out of the memory maps; memory does not grow with m.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, segments: list[np.ndarray], places: np.ndarray):
        self.segments = segments
        self.places = places
        self.shape = (len(places), segments[int(places[0, 0])].shape[1] if len(places) else 0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        places = self.places[rows]
        if places.ndim == 1:
            return np.asarray(self.segments[places[0]][places[1]])
        out = np.empty((len(places), self.shape[1]), dtype=np.float32)
        for number in np.unique(places[:, 0]):
            mine = places[:, 0] == number
            out[mine] = self.segments[number][places[mine, 1]]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[np.arange(len(self))]
        return whole if dtype is None else whole.astype(dtype)


def _check(keys: np.ndarray, values: np.ndarray) -> str:
    digest = hashlib.blake2b(memoryview(np.ascontiguousarray(keys)), digest_size=16)  # type: ignore[arg-type]
    digest.update(memoryview(np.ascontiguousarray(values)))  # type: ignore[arg-type]
    return digest.hexdigest()
