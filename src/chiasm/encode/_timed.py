"""What every encoder of audio and video shares: one decode, features over time, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chiasm import scale
from chiasm.encode._encoder import Encoder, packed
from chiasm.media.clips import Decoded, Wants, decode_many, runs
from chiasm.media.images import MediaError, Note
from chiasm.tokens import Tokens

__all__ = ["Steps", "Timed", "finite", "parts"]


class Steps(NamedTuple):
    """Features over time, in order: `values` `(t, d)`; `start` and `end` `(t,)` in seconds from the clip's start."""

    values: np.ndarray
    start: np.ndarray
    end: np.ndarray


class Timed(Encoder):
    """An encoder of audio or video. A file implements `wants` and `over_time`; the rest follows.

    The constructor has a parameter `steps`. 0: a clip's features over time are pooled, `(n, d')`. T: the clip is cut
    into T equal parts, and the mean of each is a token, T of width d in order of time (`chiasm.tokens.Tokens`). Heads
    over time read them as `(n, T, d)`, other methods side by side as `(n, T * d)`.
    """

    steps: int
    batch = 32
    version = 2  # films are turned, and channels mixed, otherwise than before

    @property
    def wants(self) -> Wants:
        """What has to be decoded."""
        raise NotImplementedError

    def over_time(self, decoded: Decoded) -> Steps:
        """Features over time of a decoded clip; a MediaError where there is nothing to describe."""
        raise NotImplementedError

    def pool(self, values: np.ndarray) -> np.ndarray:
        """One vector of `(t, d)` features: their means and standard deviations, `(2 d,)`."""
        return np.concatenate([values.mean(axis=0), values.std(axis=0)])

    def describe(self, decoded: Decoded) -> np.ndarray:
        """The vector `(d',)` of a decoded clip; with `steps` its tokens `(T, d)`."""
        return self._vector(self.over_time(decoded), decoded.seconds)

    def describe_shots(self, decoded: Decoded, shots: Sequence[tuple[int, int]]) -> np.ndarray:
        """As `describe`, of a clip of one or more shots: what compares frames compares none of different shots.

        Args:
            shots: of each the first gray frame and the one after the last.

        Raises a MediaError where there is nothing to describe, or the features are not finite numbers.
        """
        return finite(self._of_shots(decoded, shots))

    def _of_shots(self, decoded: Decoded, shots: Sequence[tuple[int, int]]) -> np.ndarray:
        if not self.wants.gray:
            return self.describe(decoded)
        held = [replace(decoded, gray=decoded.gray[a:b], gray_times=decoded.gray_times[a:b]) for a, b in shots]
        if len(held) == 1:
            return self.describe(held[0])
        joined = (np.concatenate(one) for one in zip(*map(self.over_time, held), strict=True))
        return self._vector(Steps(*joined), decoded.seconds)

    def _vector(self, steps: Steps, seconds: float) -> np.ndarray:
        if not len(steps.values):
            raise MediaError("too_short", "too short for one step of features")
        return parts(steps, seconds, self.steps) if self.steps else self.pool(steps.values)

    def pack(self, described: Sequence[np.ndarray | None]) -> np.ndarray | Tokens:
        """What was described of n clips, as a column holds it; a clip that is None is a row that means nothing."""
        width = next((len(one) for one in described if one is not None), 0)
        values: np.ndarray | Tokens = packed(described, None if self.steps else width)
        return values

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Decode and describe on all cores, near moments of one file in one pass; what cannot be read is skipped."""
        wants = self.wants

        def run(positions: list[int]) -> list[tuple[int, np.ndarray | None, list[Note]]]:
            made: list[tuple[int, np.ndarray | None, list[Note]]] = []
            for i, found in zip(positions, decode_many([items[i] for i in positions], wants), strict=True):
                try:
                    if isinstance(found, MediaError):
                        raise found
                    made.append((i, finite(np.asarray(self.describe(found), np.float32)), found.notes))
                except MediaError as error:
                    made.append((i, None, [error.note]))
            return made

        vectors: dict[int, np.ndarray] = {}
        notes = {}
        for made in scale.threads(run, runs(items)):
            for i, vector, told in made:
                if vector is not None:
                    vectors[i] = vector
                if told:
                    notes[i] = told
        return self.pack([vectors.get(i) for i in range(len(items))]), notes

    @property
    def in_parts(self) -> bool:
        """Whether an item is several vectors, one a step."""
        return bool(self.steps)


def finite(vector: np.ndarray) -> np.ndarray:
    """The vector; a MediaError where a number in it is none."""
    if not np.isfinite(vector).all():
        raise MediaError("not_finite", "its features are not finite numbers")
    return vector


def parts(steps: Steps, seconds: float, count: int) -> np.ndarray:
    """The mean of the features in each of `count` equal parts of a clip, `(count, d)`; where one is empty, the nearest.

    >>> parts(Steps(np.array([[1.0], [3.0], [5.0]]), np.array([0.0, 1, 2]), np.array([1.0, 2, 3])), 3.0, 2).tolist()
    [[1.0], [4.0]]
    """
    middle = (steps.start + steps.end) / 2
    place = np.clip((middle / max(seconds, 1e-9) * count).astype(int), 0, count - 1)
    held = np.bincount(place, minlength=count)
    mean = np.zeros((count, steps.values.shape[1]))
    np.add.at(mean, place, steps.values)
    mean /= np.maximum(held, 1)[:, None]
    centers = (np.arange(count) + 0.5) * seconds / count
    for i in np.flatnonzero(held == 0):
        mean[i] = steps.values[np.abs(middle - centers[i]).argmin()]
    return mean
