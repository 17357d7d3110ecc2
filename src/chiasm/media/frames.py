"""Raw frames as they come from a camera or a pipe: bytes -> gray pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

__all__ = ["gray_frames"]


def gray_frames(stream: BinaryIO, width: int, height: int) -> Iterator[np.ndarray]:
    """Frames `(height, width)` uint8 of a stream of gray pixels, row by row, until it ends; half a frame is dropped.

    >>> import io
    >>> [frame.tolist() for frame in gray_frames(io.BytesIO(b"abcdefg"), 3, 1)]
    [[[97, 98, 99]], [[100, 101, 102]]]
    """
    while len(raw := stream.read(width * height)) == width * height:
        yield np.frombuffer(raw, np.uint8).reshape(height, width)
