"""Bytes on disk, safely: atomic writes, a lock, and safetensors files that are memory-mapped."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["lock", "read_tensors", "sha256", "write_atomic", "write_tensors"]

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
_MAX_HEADER = 100_000_000


def write_atomic(path: Path, blocks: Iterable[bytes | memoryview]) -> str:
    """Write `blocks` so that a reader, a kill or a power cut sees the old file or the whole new one.

    New name in the same folder, fsync, rename, fsync of the folder. Returns the SHA-256 of what was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest.hexdigest()


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the one writer's lock of a folder; waits for another process to finish; freed by any death."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for leftover in folder.glob(".new-*"):  # of a writer that died: we hold the lock, so nobody writes them now
            leftover.unlink(missing_ok=True)
        yield


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
    Raises a ChiasmError that names the file when it is damaged.
    """
    size = os.stat(path).st_size
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _MAX_HEADER):
                raise ValueError("header length")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        spans = [entry["data_offsets"] for entry in header.values()]
        if 8 + length + max((end for _, end in spans), default=0) != size:
            raise ValueError("file size")
        raw = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length) if size > 8 + length else np.zeros(0, "u1")
        arrays = {}
        for name, entry in header.items():
            start, end = entry["data_offsets"]
            part = np.asarray(raw)[start:end].view(_DTYPES[entry["dtype"]])
            arrays[name] = part.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ChiasmError(f"{path} is damaged or is no safetensors file ({error}).") from None
    return arrays, metadata
