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

NEAR = 5


def linkable(x: np.ndarray, y: np.ndarray, links: Pairs, known: int, seed: int) -> bool:
    """Whether links that `by_shape` found between `(n, d_x)` and `(m, d_y)` rest on more than a rough likeness.

    Any two collections have some order in which they look alike, more so where both have a few large clusters. So
    the linked items are linked again, then 19 times with y replaced by a collection of the same density whose items
    belong to no item of x: each item moved about half the way to one of its nearest. A Monte Carlo test: False once
    one of these fits x as well as y does, for which the chance is at most .05 if nothing of y belongs to an item of x.
    Moved items lie closer together than drawn ones, so that they fit rather better: the test errs to False.

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
    """Items of about the density of y: each moved to between itself and one of its nearest (a smoothed bootstrap)."""
    unit = normalize(y - y.mean(axis=0))
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    nearest = np.argsort(-alike, axis=1, kind="stable")[:, : min(NEAR, len(y) - 1)]
    other = nearest[np.arange(len(y)), rng.integers(0, nearest.shape[1], len(y))]
    moved = y + rng.uniform(0.3, 0.7, (len(y), 1)) * (y[other] - y)
    moved[:known] = y[:known]
    return np.asarray(moved, dtype=y.dtype)
