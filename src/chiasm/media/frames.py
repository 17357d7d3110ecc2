"""Raw frames as they come from a camera or a pipe: bytes -> gray pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from chiasm.media.images import MediaError

__all__ = ["gray_frames"]


def gray_frames(stream: BinaryIO, width: int, height: int) -> Iterator[np.ndarray]:
    """Frames `(height, width)` uint8 of a stream of gray pixels, row by row, until it ends.

    Then a MediaError is raised where nothing came at all [empty], or half a frame is left [cut_short].

    >>> import io
    >>> [frame.tolist() for frame in gray_frames(io.BytesIO(b"abcdef"), 3, 1)]
    [[[97, 98, 99]], [[100, 101, 102]]]
    """
    count = 0
    while len(raw := stream.read(width * height)) == width * height:
        count += 1
        yield np.frombuffer(raw, np.uint8).reshape(height, width)
    if raw:
        raise MediaError("cut_short", f"the stream ended inside frame {count + 1}")
    if not count:
        raise MediaError("empty", "no frames came")
