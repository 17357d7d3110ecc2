"""Encoded items on disk, found again by encoder fingerprint + item bytes; checksummed, fsynced, memory-mapped.

A shelf (one folder an encoder fingerprint) holds immutable segments: safetensors files of keys `(m, 16)`, values
`(m, d)` float32, or tokens `(total, d)` float16 with offsets `(m + 1,)`, and a checksum. A segment is written under
the shelf's lock to a new name, fsynced and renamed, so an item is either wholly there or not there at all, whatever
dies in between; nothing is ever rewritten in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.files import lock, read_tensors, write_tensors
from chiasm.tokens import Packed, Tokens

__all__ = ["Cache", "Scratch", "Shelf", "SideBySide", "Stored", "folder", "key_of"]

T = TypeVar("T")

KEY_BYTES = 16
_MERGE_BYTES = 2 << 20
_MERGE_COUNT = 24
_MERGED_BYTES = 4 << 20


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
        return [Shelf(path) for path in self._folders()]

    def _folders(self) -> list[Path]:
        base = self.root / "encoded"
        return sorted(path for path in base.iterdir() if path.is_dir()) if base.is_dir() else []

    def info(self) -> dict[str, Any]:
        """Items and bytes of each shelf."""
        return {"folder": str(self.root), "shelves": [shelf.info() for shelf in self.shelves()]}

    def verify(self) -> dict[str, Any]:
        """Read everything: checksums and an order-free digest of the set of (key, vector), a shelf at a time."""
        return {"folder": str(self.root), "shelves": [_verify(path) for path in self._folders()]}

    def clear(self) -> int:
        """Delete the cached items and derived models; returns the bytes freed. Only the cache's own folders go."""
        freed = 0
        for name in ("encoded", "models", "demo", "reports"):
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
        _undisturbed(self._read_segments)

    def _read_segments(self) -> None:
        self.segments: list[np.ndarray | Packed] = []
        self.bytes = 0
        self.where: dict[bytes, tuple[int, int]] = {}
        self.notes: dict[bytes, dict[str, str]] = {}
        for path in sorted(self.path.glob("*.seg")):
            self._adopt(path)

    def _adopt(self, path: Path, raw: bytes = b"") -> None:
        """Take in a segment; `raw` are its keys where they are at hand, so that no page of the map is touched."""
        keys, values, notes = _read_segment(path)
        number = len(self.segments)
        self.segments.append(values)
        self.bytes += path.stat().st_size
        raw = raw or keys.tobytes()
        for row in range(len(keys)):
            self.where.setdefault(raw[row * KEY_BYTES : (row + 1) * KEY_BYTES], (number, row))
        self.notes.update((raw[row * KEY_BYTES : (row + 1) * KEY_BYTES], note) for row, note in notes.items())

    def __contains__(self, key: bytes) -> bool:
        return key in self.where

    def __len__(self) -> int:
        return len(self.where)

    def add(
        self, keys: list[bytes], values: np.ndarray | Tokens, notes: dict[int, dict[str, str]] | None = None
    ) -> None:
        """Append items; when this returns they survive `kill -9` and power loss (fsync of file and folder).

        Args:
            keys: m keys of 16 bytes. values: `(m, d)`, stored as float32; or the tokens of m items, stored as float16.
            notes: plain facts of item i (cut, ...).
        """
        if not keys:
            return
        with lock(self.path):
            raw = b"".join(keys)
            held = values.pack() if isinstance(values, Tokens) else np.ascontiguousarray(values, dtype=np.float32)
            path = self._write(np.frombuffer(raw, "u1").reshape(-1, KEY_BYTES), held, notes or {})
            self._adopt(path, raw)

    def _write(self, keys: np.ndarray, held: np.ndarray | Packed, notes: dict[int, dict[str, str]]) -> Path:
        arrays = {"keys": keys, **(held._asdict() if isinstance(held, Packed) else {"values": held})}
        last = max((int(p.stem) for p in self.path.glob("*.seg")), default=-1)
        path = self.path / f"{last + 1:08d}.seg"
        told = json.dumps(notes)
        write_tensors(path, arrays, {"notes": told, "check": _check(arrays, told)})
        return path

    def merge(self) -> None:
        """Rewrite many small segments as few (the small ones go only when the whole is on disk)."""
        if len(list(self.path.glob("*.seg"))) < _MERGE_COUNT:
            return
        with lock(self.path):
            sizes = {path: path.stat().st_size for path in sorted(self.path.glob("*.seg"))}
            small = {path: size for path, size in sizes.items() if size < _MERGE_BYTES}
            if len(small) < _MERGE_COUNT:
                return
            group: list[Path] = []
            for path in small:
                if sum(small[p] for p in group) + small[path] > _MERGED_BYTES:
                    self._merge(group)
                    group = []
                group.append(path)
            self._merge(group)
        self._open()

    def _merge(self, group: list[Path]) -> None:
        if len(group) < 2:
            return
        held, notes, offset = [], {}, 0
        for path in group:
            try:
                keys, values, told = _read_segment(path, check=True)
            except ChiasmError:
                continue  # a damaged segment stays as it is, for verify to tell
            held.append((path, keys, values))
            notes.update({offset + row: note for row, note in told.items()})
            offset += len(keys)
        if len(held) < 2:
            return
        self._write(np.concatenate([keys for _, keys, _ in held]), _joined([values for *_, values in held]), notes)
        for path, *_ in held:
            path.unlink()

    def stored(self, keys: Iterable[bytes]) -> Stored | Tokens:
        """The items with these keys in their order, left on disk until asked for: `(m, d)` read-only, or tokens."""
        places = np.array([self.where[key] for key in keys], dtype=np.int64).reshape(-1, 2)
        packs = [segment for segment in self.segments if isinstance(segment, Packed)]
        if packs:
            return Tokens(packs, places)
        return Stored([segment for segment in self.segments if not isinstance(segment, Packed)], places)

    def info(self) -> dict[str, Any]:
        """Fingerprint, items, bytes."""
        return {
            "encoder": self.path.name,
            "items": len(self),
            "bytes": self.bytes,
            "segments": len(self.segments),
        }

    def verify(self) -> dict[str, Any]:
        """Recompute every checksum; `digest` is the sum (mod 2^256) of a hash of each distinct (key, vector)."""
        return _verify(self.path)


class Scratch(Shelf):
    """A shelf in memory, for encoders that learned from the very rows at hand: nobody will ask for these again."""

    def __init__(self) -> None:
        self.segments, self.bytes, self.where, self.notes = [], 0, {}, {}

    def add(
        self, keys: list[bytes], values: np.ndarray | Tokens, notes: dict[int, dict[str, str]] | None = None
    ) -> None:
        """Append items, to be kept as long as this object."""
        for row, key in enumerate(keys):
            self.where.setdefault(key, (len(self.segments), row))
        self.segments.append(
            values.pack() if isinstance(values, Tokens) else np.ascontiguousarray(values, dtype=np.float32)
        )
        self.notes.update({keys[row]: note for row, note in (notes or {}).items()})

    def merge(self) -> None:
        """Nothing to do."""


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


class SideBySide:
    """Arrays `(m, d_i)` as one `(m, sum of d_i)` float32 array, each divided by its scale, read where it is indexed.

    Args:
        arrays: of m rows each: ndarrays or `Stored`. scales: a number an array.

    >>> both = SideBySide([np.eye(3), np.ones((3, 1))], [2.0, 1.0])
    >>> both.shape, both[1].tolist()
    ((3, 4), [0.0, 0.5, 0.0, 1.0])
    """

    dtype = np.dtype(np.float32)

    def __init__(self, arrays: Sequence[Any], scales: Sequence[float]):
        self.arrays = arrays
        self.scales = scales
        self.shape = (len(arrays[0]), sum(array.shape[1] for array in arrays))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        pairs = zip(self.arrays, self.scales, strict=True)
        return np.concatenate([np.asarray(array[rows], np.float32) / scale for array, scale in pairs], axis=-1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[np.arange(len(self))]
        return whole if dtype is None else whole.astype(dtype)


def _read_segment(path: Path, check: bool = False) -> tuple[np.ndarray, np.ndarray | Packed, dict[int, dict[str, str]]]:
    """Keys, values and notes by row of a segment, with `check` its checksum recomputed; a ChiasmError when damaged."""
    try:
        arrays, metadata = read_tensors(path)
        keys, values, told = arrays["keys"], arrays["values"], metadata["notes"]
        count = len(arrays["offsets"]) - 1 if "offsets" in arrays else len(values)
        if keys.dtype != np.uint8 or values.ndim != 2 or keys.shape != (count, KEY_BYTES):
            raise ValueError
        if check and metadata["check"] != _check(arrays, told):
            raise ValueError
        held = Packed(values, np.array(arrays["offsets"])) if "offsets" in arrays else values
        return keys, held, {int(row): dict(note) for row, note in json.loads(told).items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):  # a ChiasmError is a ValueError
        raise ChiasmError(
            f"{path} is damaged: delete it (its items are encoded again), or run 'chiasm cache clear'."
        ) from None


def _joined(held: Sequence[np.ndarray | Packed]) -> np.ndarray | Packed:
    """The segments of one shelf as one."""
    packs = [Tokens.whole(one) for one in held if isinstance(one, Packed)]
    return Tokens.stack(packs).pack() if packs else np.concatenate([np.asarray(one) for one in held])


def _verify(folder: Path) -> dict[str, Any]:
    """The report of a shelf's folder, which needs no shelf that opens."""

    def read() -> dict[str, Any]:
        damaged, total, seen = [], 0, set()
        for path in sorted(folder.glob("*.seg")):
            try:
                keys, values, _ = _read_segment(path, check=True)
            except ChiasmError:
                damaged.append(str(path))
                continue
            for row, key in enumerate(keys):
                if (name := key.tobytes()) not in seen:
                    seen.add(name)
                    whole = hashlib.blake2b(name + _bytes_of(values, row), digest_size=32).digest()
                    total += int.from_bytes(whole, "big")
        return {"encoder": folder.name, "items": len(seen), "digest": f"{total % 2**256:064x}", "damaged": damaged}

    return _undisturbed(read)


def _undisturbed(read: Callable[[], T]) -> T:
    """Read again where another process merged segments between our listing and our opening."""
    for _ in range(4):
        with contextlib.suppress(FileNotFoundError):
            return read()
    return read()


def _bytes_of(held: np.ndarray | Packed, row: int) -> bytes:
    """An item's numbers."""
    if isinstance(held, Packed):
        return np.asarray(held.values[held.offsets[row] : held.offsets[row + 1]]).tobytes()
    return bytes(held[row].tobytes())


def _check(arrays: Mapping[str, np.ndarray], notes: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in ("keys", "values", "offsets"):
        if name in arrays:
            digest.update(memoryview(np.ascontiguousarray(arrays[name])))  # type: ignore[arg-type]
    digest.update(notes.encode())
    return digest.hexdigest()
