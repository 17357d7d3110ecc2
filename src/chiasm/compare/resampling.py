"""Resampling: ids and seeds drawn with replacement together, the same draws for everything that is compared."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from chiasm.stats.clusters import Drawn, tail
from chiasm.stats.resample import Draws, Sampled, interval

__all__ = ["Redrawn", "Resampling", "spread"]


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

        Returns `(resamples + 1, c)`; NaN where a resample happened to draw nothing that was scored. They know the
        things of the queries (`chiasm.stats.clusters.Drawn`).
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
        means = np.where(weight > 0, total, np.nan) / np.maximum(weight, 1)
        return Drawn.of(means, self.codes(things))

    def codes(self, things: Sequence[np.ndarray]) -> np.ndarray:
        """The numbers 0, 1, ... of the things of these queries, in one row."""
        found: np.ndarray = np.searchsorted(self.things, np.concatenate(things))
        return found


class Redrawn:
    """The same two levels for any metric that `Draws` knows: clusters and seeds drawn with replacement together.

    `by_seed[s]` are the draws of the rows that seed s scores: a cluster is drawn equally often in every seed. `over`
    makes one figure of a metric's figures by seed. All that is compared shares the draws.

    Args:
        clusters: by seed, `(q,)` the cluster of each row that it scores. resamples: how often. seed: of the draws.
    """

    def __init__(self, clusters: Sequence[np.ndarray], *, resamples: int = 1000, seed: int = 0):
        known = np.unique(np.concatenate(clusters))
        whole = Draws(known, resamples=resamples, seed=seed)
        self.by_seed = []
        for of_seed in clusters:
            draws = copy.copy(whole)
            draws.codes = np.searchsorted(known, of_seed)
            self.by_seed.append(draws)
        rng = np.random.default_rng([seed, len(clusters)])
        self.seeds = np.stack([np.ones(len(clusters)), *(_drawn(rng, len(clusters)) for _ in range(resamples))], axis=1)

    def over(self, found: Sequence[Sampled]) -> Sampled:
        """The mean over seeds, as drawn, of a metric's figures by seed; a seed without the figure is left out."""
        values = np.stack([np.append(value, samples) for value, samples in found])
        weights = self.seeds * ~np.isnan(values)
        total = weights.sum(axis=0)
        means = np.where(total > 0, (weights * np.nan_to_num(values)).sum(axis=0) / np.maximum(total, 1), np.nan)
        bounded = all(getattr(samples, "bounded", False) for _, samples in found)
        return float(means[0]), Drawn.of(means[1:], np.concatenate([d.codes for d in self.by_seed]), bounded=bounded)


def spread(means: np.ndarray, digits: int = 6) -> dict[str, float]:
    """Value and 95 % interval of one column of `Resampling.means`, `(resamples + 1,)`: as wide as few things need."""
    codes = getattr(means, "codes", None)
    out = 0.025 if codes is None else tail(codes)
    low, high = np.nanquantile(np.asarray(means[1:]), (out, 1 - out))
    return interval(means[0], low, high, digits)


def _drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    """How often each of n is drawn when n are drawn with replacement."""
    counts: np.ndarray = np.bincount(rng.integers(n, size=n), minlength=n)
    return counts
