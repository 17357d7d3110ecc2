"""Whether two collections can be linked by their shapes alone: a test against collections that belong to neither."""

from __future__ import annotations

import numpy as np

from chiasm.stats.filtering import Pairs
from chiasm.tasks._link.assigning import by_shape, objective
from chiasm.views import normalize

__all__ = ["linkable"]

DRAWN = 19
"""Collections to compare with: where none of them fits as well, chance does so at most once in 20 (p <= .05)."""

TESTED = 300
"""Linked items that the test looks at, at most; its time grows with their cube."""

NEAR = 10


def linkable(x: np.ndarray, y: np.ndarray, links: Pairs, known: int, seed: int) -> bool:
    """Whether links that `by_shape` found between `(n, d_x)` and `(m, d_y)` rest on more than a rough likeness.

    Any two collections have some order in which they look alike, more so where both have a few large clusters. So
    the linked items are linked again, then 19 times with y replaced by a collection of about the same density whose
    items belong to no item of x. A Monte Carlo test: True if none of these fits x as well as y does, for which the
    chance is about .05 where nothing of y belongs to an item of x (benchmarks/search/linkable.py).

    Args:
        known: so many first items of both sides belong together for sure; they are not moved.
    """
    rng = np.random.default_rng(seed)
    free = np.flatnonzero((links.left >= known) & (links.right >= known))
    free = rng.permutation(free)[: max(TESTED - known, 0)]
    seeds = np.arange(known)
    x = x[np.append(seeds, links.left[free])]
    y = y[np.append(seeds, rng.permutation(links.right[free]))]
    ours = _fit(x, y, known, seed)
    return all(_fit(x, _moved(y, known, rng), known, seed + turn) < ours for turn in range(1, DRAWN + 1))


def _fit(x: np.ndarray, y: np.ndarray, known: int, seed: int) -> float:
    return objective(x, y, by_shape(x, y, known, seed))


def _moved(y: np.ndarray, known: int, rng: np.random.Generator) -> np.ndarray:
    """Items of about the density of y, which none of y is: a smoothed bootstrap.

    What an item and one of its nearest differ by from the mean of all its nearest is mixed, with weights whose squares
    sum to 1, so that items lie as far apart as before. (Items that are drawn to a neighbor lie closer, in which case
    the test called clouds with common clusters linkable far too often.)
    """
    unit = normalize(y - y.mean(axis=0))
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, : min(NEAR, len(y) - 1)]
    middle = y[nearest].mean(axis=1)
    other = nearest[np.arange(len(y)), rng.integers(0, nearest.shape[1], len(y))]
    turn = rng.uniform(np.pi / 6, np.pi / 3, (len(y), 1))
    moved = middle + np.cos(turn) * (y - middle) + np.sin(turn) * (y[other] - middle)
    moved[:known] = y[:known]
    return np.asarray(moved, dtype=y.dtype)
