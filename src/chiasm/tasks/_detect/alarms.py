"""From a score now and then to alarms: a running mean, a level that starts one and a lower level that ends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.media.windows import overlap_of

__all__ = ["SLACK", "Alarm", "Alarms", "found_spans", "levels"]

SLACK = 4.0
"""By how much more often than it starts an alarm normal time may keep one going."""


@dataclass
class Alarm:
    """Something unusual: from `start` to `end` (None: it goes on), in seconds."""

    start: float
    end: float | None
    score: float
    """The highest running mean of the surprise, in nats; it has no upper end, so that alarms can be ranked."""
    raised: float
    """When it was known."""
    event: str | None = None
    """What it is, of the descriptions that were given."""
    sure: float | None = None
    """The probability or likeness of that description."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, rounded."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Alarms:
    """Scores in, in order of time, alarms out; of the past only the last `smooth` seconds are kept.

    The score is the mean of those of the last `smooth` seconds, and stands for the middle of these. An alarm starts
    when it reaches `high`, and is dated back to when it passed `low`; it ends when it falls below `low`. Two levels
    keep a score that trembles around one from ringing again and again (a Schmitt trigger).

    Args:
        high, low: levels; see `levels`. smooth: seconds.

    >>> bell = Alarms(high=3.0, low=1.0)
    >>> [len(bell.push(float(t), score)) for t, score in enumerate([0.0, 2, 4, 2, 0, 0])]
    [0, 0, 1, 0, 1, 0]

    Source: Schmitt 1938 (the trigger).
    """

    def __init__(self, high: float, low: float, smooth: float = 0.0):
        if not low <= high or smooth < 0:
            raise ChiasmError(f"wanted low <= high and smooth >= 0 seconds, got {low}, {high} and {smooth}.")
        self.high, self.low, self.smooth = high, low, smooth
        self.mean = 0.0
        """The running mean."""
        self.at = 0.0
        """The time that it stands for."""
        self.since: float | None = None
        """Since when it has been at `low` or above."""
        self.alarm: Alarm | None = None
        """The one that goes on."""
        self._recent: deque[tuple[float, float, float]] = deque()
        self._last = 0.0

    def push(self, at: float, score: float, now: float | None = None, told: float | None = None) -> list[Alarm]:
        """The alarm that this score starts (its `end` is None) or ends, if any.

        Args:
            at: the time that the score stands for, in seconds; later than the one before. now: when it is known.
            told: what counts for the alarm's score, where `score` itself was limited.
        """
        self._recent.append((at, score, score if told is None else told))
        while self._recent[0][0] < at - self.smooth - 1e-9:
            self._recent.popleft()
        self.at, self.mean, whole = (float(value) for value in np.mean(self._recent, axis=0))
        now = at if now is None else now
        if self.mean < self.low:
            self.since = None
            return self.finish()
        self.since = self.at if self.since is None else self.since
        self._last = self.at
        if self.alarm is not None:
            self.alarm.score = max(self.alarm.score, whole)
            return []
        if self.mean < self.high:
            return []
        self.alarm = Alarm(self.since, None, whole, now)
        return [self.alarm]

    def finish(self) -> list[Alarm]:
        """End the alarm that goes on, if any: at the last time that the score was `low` or above."""
        if self.alarm is None:
            return []
        ended, self.alarm = self.alarm, None
        ended.end = max(self._last, ended.start)
        return [ended]


def levels(normal: Sequence[tuple[np.ndarray, np.ndarray]], rate: float, smooth: float) -> tuple[float, float]:
    """The levels (high, low) that normal time reaches for shares `rate` and 4 x `rate` (at most a half) of it.

    So at most a share `rate` of normal time starts or drives an alarm. What it is learned from must be scored by what
    was not learned from it.

    Args:
        normal: times and scores, `(t,)` each, of each normal stretch. smooth: seconds.
    """
    if not 0 < rate < 1 or not len(normal):
        raise ChiasmError(f"wanted normal stretches and a rate between 0 and 1, got {len(normal)} and {rate}.")
    means = []
    for times, scores in normal:
        bell = Alarms(np.inf, np.inf, smooth)
        for at, score in zip(times.tolist(), scores.tolist(), strict=True):
            bell.push(at, score)
            means.append(bell.mean)
    high, low = np.quantile(means, [1 - rate, 1 - min(0.5, SLACK * rate)])
    return float(high), float(low)


def found_spans(alarms: Sequence[Alarm], truth: Sequence[tuple[float, float]], iou: float) -> dict[str, Any]:
    """How many alarms are true spans and how many spans have one, one to one, the highest scores first.

    Also `pairs`, (alarm, span) positions.
    """
    pairs: list[tuple[int, int]] = []
    free = set(range(len(truth)))
    for i in sorted(range(len(alarms)), key=lambda i: -alarms[i].score):
        end = alarms[i].end
        span = (alarms[i].start, alarms[i].start if end is None else end)
        best = max(free, key=lambda j: overlap_of(span, truth[j]), default=None)
        if best is not None and overlap_of(span, truth[best]) >= iou:
            free.remove(best)
            pairs.append((i, best))
    return {"alarms": len(alarms), "spans": len(truth), "right": len(pairs), "pairs": pairs}
