"""Bytes on disk, safely: atomic writes, a lock, and safetensors files that are memory-mapped."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chiasm.errors import BusyError, ChiasmError

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "database",
    "lock",
    "new_folder",
    "read_tensors",
    "replacing",
    "sha256",
    "sync",
    "transaction",
    "write_atomic",
    "write_tensors",
]

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_READ = {**_DTYPES, "BF16": "<u2"}
"""What can be read: numpy has no bfloat16, which is the first half of a float32."""
_UNREAD = {"F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E8M0"}
"""Other kinds that safetensors files may hold."""
_MAX_HEADER = 100_000_000
_AGAIN = 0.05
"""Seconds until a lock that another one holds is tried again."""


def write_atomic(path: Path, blocks: Iterable[bytes | memoryview], mode: int = 0o644) -> str:
    """Write `blocks` so that a reader, a kill or a power cut sees the old file or the whole new one.

    Returns the SHA-256 of what was written.
    """
    digest = hashlib.sha256()
    with replacing(path, mode) as draft, open(draft, "wb") as file:
        for block in blocks:
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A new file in `path`'s folder to write to. When the block ends well: fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        yield Path(name)
        os.fsync(handle)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    finally:
        os.close(handle)
    sync(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path` to write to, which takes its place when the block ends well.

    `path` is not there yet or an empty folder. A reader, a kill or a power cut sees nothing there, or all files.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        yield draft
        for place, _, names in os.walk(draft, topdown=False):
            for name in names:
                sync(Path(place, name))
            sync(Path(place))
        os.chmod(draft, 0o755)
        os.replace(draft, path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """What was written to a file or a folder is on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock(folder: Path, busy: str = "", wait: float = 0.0) -> Iterator[None]:
    """Hold the one writer's lock of a folder; waits for another process to finish; freed by any death.

    Args:
        busy: the error (`BusyError`) to raise instead of waiting; "": wait. wait: seconds before it is raised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+b") as file:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise BusyError(busy) from None
                time.sleep(_AGAIN)
        for leftover in folder.glob(".new-*"):  # of a writer that died: we hold the lock, so nobody writes them now
            leftover.unlink(missing_ok=True)
        yield


def database(file: Path, wait: float = 60.0) -> sqlite3.Connection:
    """A SQLite file, opened; only to be read where it or its folder may not be written, and then nothing is written.

    Where what SQLite keeps apart (`-wal`) lies beside a file that may not be written, its own notes (`-shm`) must too.

    Args:
        wait: seconds to wait for another process that writes.
    """
    import sqlite3

    asked, uri = str(file), False
    if not os.access(file.parent, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        apart = file.with_name(f"{file.name}-wal")
        whole = not apart.exists() or not apart.stat().st_size
        asked, uri = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if whole else ''}", True
    return sqlite3.connect(asked, timeout=wait, isolation_level=None, check_same_thread=False, uri=uri)


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All of what is done in a SQLite database inside the block, or nothing.

    Args:
        db: a connection that begins no transaction by itself (`isolation_level=None`). kind: "DEFERRED" to read one
            state throughout, without keeping others from writing.
    """
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tensors(path: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """Write arrays as one safetensors file, atomically; returns its SHA-256. Readable by the safetensors package."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    offset = 0
    plain = {}
    held = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in sorted(held.items(), key=lambda pair: -pair[1].dtype.itemsize):  # widest first: all stay aligned
        plain[name] = array
        if array.dtype not in _NAMES:
            raise ChiasmError(f"array {name!r}: wanted numbers, got dtype {array.dtype}.")
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)

    def blocks() -> Iterator[bytes | memoryview]:
        yield len(text).to_bytes(8, "little") + text
        for array in plain.values():
            if array.size:
                yield memoryview(array).cast("B")  # type: ignore[arg-type]

    return write_atomic(path, blocks())


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a safetensors file, memory-mapped read-only, and its metadata.

    The file's size is checked against its header first, since reading a map past a truncated end kills the process.
    Arrays in bfloat16 are copied, to float32. Raises a ChiasmError that names the file when it is damaged, or holds
    numbers that numpy has no kind for.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _MAX_HEADER):
                raise ValueError("header length")
            header = json.loads(file.read(length))
            metadata = header.pop("__metadata__", {})
            _check_header(path, header, metadata, size - 8 - length)
            raw = np.zeros(0, np.uint8)
            if size > 8 + length:
                raw = np.asarray(np.memmap(file, dtype=np.uint8, mode="r", offset=8 + length))
        arrays = {}
        for name, entry in header.items():
            start, end = entry["data_offsets"]
            values = raw[start:end].view(_READ[entry["dtype"]]).reshape(entry["shape"])
            arrays[name] = _whole(values) if entry["dtype"] == "BF16" else values
    except ChiasmError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ChiasmError(f"{path} is damaged or is no safetensors file ({error}).") from None
    return arrays, metadata


def _whole(halves: np.ndarray) -> np.ndarray:
    """Numbers in bfloat16, given as 16 bits each, in float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _check_header(path: Path, header: dict[str, Any], metadata: dict[str, str], size: int) -> None:
    """Refuse a header that does not describe `size` bytes exactly: every byte one array's, every array its shape's."""
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("metadata")
    if odd := {entry["dtype"] for entry in header.values()} & _UNREAD:
        raise ChiasmError(
            f"{path} holds numbers that are not read here ({', '.join(sorted(odd))}): save it in float32."
        )
    place = 0
    for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"]):
        start, end = entry["data_offsets"]
        numbers = [start, end, *entry["shape"]]
        if any(type(number) is not int or number < 0 for number in numbers) or start != place:
            raise ValueError("offsets")
        if end - start != math.prod(entry["shape"]) * np.dtype(_READ[entry["dtype"]]).itemsize:
            raise ValueError("shape")
        place = end
    if place != size:
        raise ValueError("file size")
