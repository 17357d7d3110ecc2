"""Resampling: ids and seeds drawn with replacement together, the same draws for everything that is compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.score import interval

__all__ = ["Resampling", "spread"]


class Resampling:
    """The two-level bootstrap: how much a mean would move with other things scored and other pairs drawn to learn from.

    Each of the resamples draws as many seeds as there are and as many things (ids) as there are, with replacement, and
    takes the mean over its seeds of the mean over its things' queries. All that is compared shares the draws, so a
    difference of two is paired by thing and by seed. With few seeds (5) the part of the seeds is a little too small
    (by 1 / seeds of their variance); with one seed the intervals speak of the things alone.

    Args:
        things: numbers of the things that are scored. seeds: how many there are.
        resamples: how often to draw. seed: of the draws.

    Sources: Owen 2007 (The pigeonhole bootstrap); Field & Welsh 2007 (clusters).
    """

    def __init__(self, things: np.ndarray, seeds: int, *, resamples: int = 1000, seed: int = 0):
        self.things = np.unique(things)
        rng = np.random.default_rng(seed)
        self.ids = np.ones((resamples + 1, len(self.things)), dtype=np.float32)
        self.seeds = np.ones((resamples + 1, seeds))
        for row in range(1, resamples + 1):
            self.ids[row] = _drawn(rng, len(self.things))
            self.seeds[row] = _drawn(rng, seeds)

    def means(self, values: Sequence[np.ndarray], things: Sequence[np.ndarray]) -> np.ndarray:
        """Row 0: the mean over seeds of the mean over queries; row r: the same in resample r.

        Args:
            values: by seed, `(q, c)`, a row a query. things: by seed, `(q,)`, the thing that each query is about.

        Returns `(resamples + 1, c)`; NaN where a resample happened to draw nothing that was scored.
        """
        total = np.zeros((len(self.ids), values[0].shape[1]))
        weight = np.zeros((len(self.ids), 1))
        for seed, (rows, about) in enumerate(zip(values, things, strict=True)):
            place = np.searchsorted(self.things, about)
            sums = np.zeros((len(self.things), rows.shape[1]), dtype=np.float32)
            np.add.at(sums, place, rows)
            counts = np.bincount(place, minlength=len(self.things)).astype(np.float32)
            queries = (self.ids @ counts)[:, None].astype(np.float64)
            drawn = self.seeds[:, [seed]] * (queries > 0)
            total += drawn * (self.ids @ sums) / np.maximum(queries, 1)
            weight += drawn
        return np.where(weight > 0, total, np.nan) / np.maximum(weight, 1)


def spread(means: np.ndarray, digits: int = 6) -> dict[str, float]:
    """Value and 95 % percentile interval of one column of `Resampling.means`, `(resamples + 1,)`."""
    low, high = np.nanquantile(means[1:], (0.025, 0.975))
    return interval(means[0], low, high, digits)


def _drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    """How often each of n is drawn when n are drawn with replacement."""
    counts: np.ndarray = np.bincount(rng.integers(n, size=n), minlength=n)
    return counts
