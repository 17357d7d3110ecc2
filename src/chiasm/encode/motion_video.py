"""Motion of video: how much changes and where, and which way things go; no weights, no learning.

Sources: Bobick & Davis 2001 (frame differences as description); Dalal, Triggs & Schmid 2006 (statistics of
displacement and of its boundaries); Tuzel, Porikli & Meer 2006 (products of local features).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from chiasm.allowed import POSITIVE, SIZE, choice
from chiasm.encode._motion import change_summary, changes, direction_summary, displacement_summary, thinned
from chiasm.encode._timed import Steps, Timed
from chiasm.errors import unknown
from chiasm.media.clips import Decoded, Wants
from chiasm.media.images import MediaError

__all__ = ["MotionVideo"]

_STREAMS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "both": lambda gray, times: np.concatenate([change_summary(gray), displacement_summary(gray, times)], axis=1),
    "differences": lambda gray, times: change_summary(gray),
    "displacement": displacement_summary,
    "direction": direction_summary,
    "grid": lambda gray, times: np.log1p(changes(gray)).reshape(len(gray) - 1, -1),
}


class MotionVideo(Timed):
    """What moves in a video, and how: statistics of each moment, pooled `(n, 231)` float32.

    Choose it where what happens counts and what is seen does not (a fight, a gesture, how much is going on), beside
    `frames_video`, which sees the things and not their motion. A moment is the time between two frames. Where in the
    picture it happens makes no difference, nor does mirroring; for the place (lips, a door) choose stream "grid", for
    which way things go "direction".
    Pooled: mean, standard deviation and 90 % quantile over time.

    Args:
        stream: "differences" (18 numbers a moment: how much changes, how suddenly, how spread), "displacement" (59:
            speeds, how parts move against one another, what bends), "both", "direction" (4: down and right
            with their signs, and where), or "grid" (192: the change in each of 12 x 16 cells, the plainest).
        steps: 0, or the number of equal parts of the clip whose means stand side by side.
        fps: frames compared a second, at most. Lower sees slower things; speeds are by seconds whatever it is.

    >>> still = Decoded(1.0, gray=np.zeros((3, 96, 128), np.uint8), gray_times=np.arange(3) / 3)
    >>> MotionVideo().over_time(still).values.shape, MotionVideo("grid", steps=4).describe(still).shape
    ((2, 77), (4, 192))
    """

    modality = "video"

    allowed: ClassVar = {"stream": choice(*_STREAMS), "steps": SIZE, "fps": POSITIVE}

    def __init__(self, stream: str = "both", steps: int = 0, fps: float = 15.0):
        self.stream = stream
        self.steps = steps
        self.fps = fps

    @property
    def wants(self) -> Wants:
        """Every frame as gray, 96 x 128 (aspect not kept)."""
        return Wants(gray=(96, 128))

    def over_time(self, decoded: Decoded) -> Steps:
        """A step between every two frames. A single frame stands still for the length of the clip.

        Raises a MediaError (no_picture) where there is no frame at all.
        """
        if self.stream not in _STREAMS:
            raise unknown("stream of motion", self.stream, _STREAMS)
        if not len(decoded.gray):
            raise MediaError("no_picture", "it has no picture that could be read")
        kept = thinned(decoded.gray_times, self.fps)
        gray, times = decoded.gray[kept], decoded.gray_times[kept]
        if len(gray) == 1:
            gray, times = np.repeat(gray, 2, axis=0), np.array([times[0], max(decoded.seconds, times[0] + 1e-3)])
        return Steps(_STREAMS[self.stream](gray, times).astype(np.float32), times[:-1], times[1:])

    def pool(self, values: np.ndarray) -> np.ndarray:
        """Mean, standard deviation and 90 % quantile over time, `(3 d,)`."""
        return np.concatenate([values.mean(axis=0), values.std(axis=0), np.quantile(values, 0.9, axis=0)])
