"""Notes (EXIF) and size of HEIC and AVIF pictures, read from their boxes without a decoder."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["exif_of", "size_of"]

_BOXES = 1000
"""The most boxes that are looked through in a row."""
_PIECES = 10_000
"""The most pieces of items that are looked through: a piece may take no byte of the list."""
_META, _EXIF = 4 << 20, 1 << 20
"""Bytes that the box of facts and the camera's notes may have."""


def exif_of(file: BinaryIO) -> bytes:
    """The EXIF notes of a HEIC or AVIF file, as they begin a TIFF; empty where it has none.

    Nothing is decoded, so this is safe in any process and needs no package.

    Raises a struct.error, IndexError or OSError for a file whose boxes are damaged.

    Source: ISO/IEC 14496-12 (boxes meta, iinf, iloc), ISO/IEC 23008-12 annex A (EXIF).
    """
    return _noted(file, _meta(file))


def size_of(file: BinaryIO) -> tuple[int, int]:
    """Width and height of the picture of a HEIC or AVIF file, as it is shown; zeros where the file does not tell.

    Raises as `exif_of` does.

    Source: ISO/IEC 14496-12 (pitm, iprp), ISO/IEC 23008-12 section 6.5 (ispe, irot).
    """
    held = dict(_inner(_meta(file), 4))
    properties = dict(_inner(held.get(b"iprp", b""), 0))
    kept = list(_inner(properties.get(b"ipco", b""), 0))
    main, width, height = held.get(b"pitm", b""), 0, 0
    if not main or b"ipma" not in properties:
        return 0, 0
    (wanted,) = struct.unpack_from(">I" if main[0] else ">H", main, 4)
    for place in _properties(properties[b"ipma"], wanted):
        kind, one = kept[place - 1] if 0 < place <= len(kept) else (b"", b"")
        if kind == b"ispe":
            width, height = struct.unpack_from(">II", one, 4)
        elif kind == b"irot" and one[0] & 1:
            width, height = height, width
    return width, height


def _properties(held: bytes, wanted: int) -> list[int]:
    """The places, from 1 on, of the properties of an item."""
    version, wide = held[0], held[3] & 1
    (items,) = struct.unpack_from(">I", held, 4)
    at = 8
    for _ in range(min(items, _PIECES)):
        number, count = struct.unpack_from(">IB" if version else ">HB", held, at)
        at += 5 if version else 3
        if number == wanted:
            each = struct.unpack_from(f">{count}{'H' if wide else 'B'}", held, at)
            return [one & (0x7FFF if wide else 0x7F) for one in each]
        at += count * (2 if wide else 1)
    return []


def _meta(file: BinaryIO) -> bytes:
    """The box of facts; empty where there is none."""
    size = os.fstat(file.fileno()).st_size
    for kind, start, end in _boxes(file, 0, size):
        if kind == b"meta" and end - start <= _META:
            file.seek(start)
            return file.read(end - start)
    return b""


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, where it ends) of the boxes of a file."""
    for _ in range(_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        begins = start + 8
        if length == 1:
            (length,), begins = struct.unpack(">Q", head[8:16]), start + 16
        stop = end if length == 0 else start + length
        if stop < begins or stop > end:
            return
        yield kind, begins, stop
        start = stop


def _inner(held: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """(kind, content) of the boxes within one, from a place on."""
    while at + 8 <= len(held):
        length, kind = struct.unpack_from(">I4s", held, at)
        if length < 8 or at + length > len(held):
            return
        yield kind, held[at + 8 : at + length]
        at += length


def _noted(file: BinaryIO, meta: bytes) -> bytes:
    found = {kind: held for kind, held in _inner(meta, 4) if kind in (b"iinf", b"iloc", b"idat")}
    wanted = _exif_item(found.get(b"iinf", b""))
    if wanted is None:
        return b""
    whole = b""
    for inside, start, length in _extents(found.get(b"iloc", b""), wanted):
        if length > _EXIF or len(whole) > _EXIF:
            return b""
        if inside:
            whole += found.get(b"idat", b"")[start : start + length]
        else:
            file.seek(start)
            whole += file.read(length)
    begins = 4 + struct.unpack_from(">I", whole)[0]
    return whole[begins:].removeprefix(b"Exif\0\0")


def _exif_item(held: bytes) -> int | None:
    """The number of the item that holds EXIF."""
    if not held:
        return None
    for kind, one in _inner(held, 6 if held[0] == 0 else 8):
        if kind == b"infe" and one[0] in (2, 3):
            number, _, what = struct.unpack_from(">HH4s" if one[0] == 2 else ">IH4s", one, 4)
            if what == b"Exif":
                return int(number)
    return None


def _extents(held: bytes, wanted: int) -> Iterator[tuple[bool, int, int]]:
    """(whether it lies in the box itself, where, how long) of each piece of an item."""
    if not held:
        return
    version, at = held[0], 4
    sizes = [held[4] >> 4, held[4] & 15, held[5] >> 4, held[5] & 15 if version else 0]
    at, wide = 6, 4 if version == 2 else 2

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(held):
            raise IndexError
        at += size
        return int.from_bytes(held[at - size : at], "big")

    pieces = 0
    for _ in range(number(wide)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(sizes[2])
        for _ in range(number(2)):
            pieces += 1
            if pieces > _PIECES:
                raise IndexError
            number(sizes[3])
            start, length = number(sizes[0]), number(sizes[1])
            if item == wanted and method in (0, 1):
                yield method == 1, base + start, length
