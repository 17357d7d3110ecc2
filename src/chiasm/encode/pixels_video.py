"""Gray pixels of every frame on a grid, and how much each changed: appearance over time, weight-free.

Source: Bregler & Konig, "Eigenlips" for robust speech recognition, ICASSP 1994 (pixels of the mouth, their principal
components and changes, read beside the sound).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from chiasm.allowed import COUNT, POSITIVE, SIZE, choice
from chiasm.encode._timed import Steps, Timed
from chiasm.errors import ChiasmError, unknown
from chiasm.media.clips import Decoded, Wants
from chiasm.media.images import MediaError

__all__ = ["PixelsVideo"]


class PixelsVideo(Timed):
    """What each cell of a grid shows and how it changes, by frame: `(n, 2 d')` pooled or `(n, T * d')` with steps=T.

    d' = height x width x parts. "pixels" is the gray value, 0..1; "change" its absolute difference from the frame
    before (the first frame takes the second's). Pooled: the mean and standard deviation of each over time.

    Choose it with `steps` as many as the clips have frames and the aligner `synchronous`, which learns where to look:
    lips show in appearance rather than in motion alone. It needs a camera that stands still, and things that stay about
    where they are (a face in the middle). Choose `motion_video` for what moves wherever it is, and `frames_video` for
    what is to be seen.

    Args:
        height, width: cells of the grid; each is the mean of its pixels. Narrow things need a fine one.
        fps: frames a second that are read at most.
        parts: any of "pixels" and "change".
        steps: 0 pools; T gives T parts side by side (see `Timed`).

    Raises a ChiasmError for an unknown part, none, or a grid without cells.

    >>> gray = np.array([[[0, 0]], [[0, 51]]], np.uint8)  # two frames of one line: the right cell lights up
    >>> decoded = Decoded(seconds=0.08, gray=gray, gray_times=np.array([0.0, 0.04]))
    >>> PixelsVideo(height=1, width=2).over_time(decoded).values.round(1)
    array([[0. , 0. , 0. , 0.2],
           [0. , 0.2, 0. , 0.2]], dtype=float32)
    """

    modality = "video"

    allowed: ClassVar = {
        "height": COUNT,
        "width": COUNT,
        "fps": POSITIVE,
        "parts": choice("pixels", "change").each(),
        "steps": SIZE,
    }

    def __init__(
        self,
        height: int = 24,
        width: int = 32,
        fps: float = 25.0,
        parts: tuple[str, ...] = ("pixels", "change"),
        steps: int = 0,
    ):
        self.height = height
        self.width = width
        self.fps = fps
        self.parts = parts
        self.steps = steps

    @property
    def wants(self) -> Wants:
        """Every frame as gray, on the grid."""
        if not self.parts:
            raise ChiasmError(f"wanted one part of the pixels or more, got none: {', '.join(_PARTS)}.")
        for part in self.parts:
            if part not in _PARTS:
                raise unknown("part of the pixels", part, _PARTS)
        if min(self.height, self.width) < 1:
            raise ChiasmError(f"wanted a grid of at least one cell, got {self.height} x {self.width}.")
        return Wants(gray=(self.height, self.width), fps=self.fps)

    def over_time(self, decoded: Decoded) -> Steps:
        """A frame's cells, row by row, part after part, `(t, d')`; a frame lasts until the next one."""
        if not len(decoded.gray):
            raise MediaError("no_picture", "no frame could be read")
        gray = decoded.gray.reshape(len(decoded.gray), -1).astype(np.float32) / 255
        values = np.concatenate([_PARTS[part](gray) for part in self.parts], axis=1)
        start = decoded.gray_times
        return Steps(values, start, np.append(start[1:], max(decoded.seconds, start[-1])))


def _change(gray: np.ndarray) -> np.ndarray:
    if len(gray) < 2:
        return np.zeros_like(gray)
    moved = np.abs(np.diff(gray, axis=0))
    return np.concatenate([moved[:1], moved])


_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pixels": lambda gray: gray, "change": _change}
