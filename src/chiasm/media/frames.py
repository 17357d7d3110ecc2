"""Raw frames as they come from a camera or a pipe: bytes -> gray pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from chiasm.media.clips import encoded_kind
from chiasm.media.images import MediaError

__all__ = ["gray_frames"]


def gray_frames(stream: BinaryIO, width: int, height: int) -> Iterator[np.ndarray]:
    """Frames `(height, width)` uint8 of a stream of gray pixels, row by row, until it ends.

    Then a MediaError is raised where nothing came at all [empty], or half a frame is left [cut_short]; and at once
    where the stream begins as an encoded film or picture does [encoded].

    >>> import io
    >>> [frame.tolist() for frame in gray_frames(io.BytesIO(b"abcdef"), 3, 1)]
    [[[97, 98, 99]], [[100, 101, 102]]]
    """
    count = 0
    while len(raw := stream.read(width * height)) == width * height:
        if not count:
            _check(raw, width, height)
        count += 1
        yield np.frombuffer(raw, np.uint8).reshape(height, width)
    if raw:
        if not count:
            _check(raw, width, height)
        raise MediaError(
            "cut_short", f"the stream ended inside frame {count + 1}: is each frame {width} x {height} gray pixels?"
        )
    if not count:
        raise MediaError("empty", "no frames came")


def _check(raw: bytes, width: int, height: int) -> None:
    """A MediaError where the first bytes are those of an encoded film or picture."""
    if kind := encoded_kind(raw):
        raise MediaError(
            "encoded",
            f"this is {kind}, not raw frames: make some by ffmpeg -i - -f rawvideo -pix_fmt gray -s {width}x{height} -",
        )
