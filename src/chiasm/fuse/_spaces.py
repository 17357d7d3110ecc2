"""Ridge regression in feature spaces that add, with every fold's held-out answers: by rows, or by coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

__all__ = ["Dual", "Primal", "Space", "spaced"]

_LEAST = 1e-4
"""Of a map's spread, in kernels whose own is about 1: below it all is rounding."""

Solution = dict[str, Any]
"""x -> (x - center) coef + offset."""


class Space(Protocol):
    """Rows in the feature maps of some kernels, and what is to be answered of them.

    `logs` are the logarithms of the kernels' weights, `groups` the kernels that are used, `ridge` is a share of the
    weighted kernels' mean trace.
    """

    truth: np.ndarray
    traces: np.ndarray

    def held_out(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> np.ndarray:
        """`(n, c)` scores of every row by a solution without its fold."""

    def solve(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> Solution:
        """The solution on all rows."""


def spaced(maps: Sequence[np.ndarray], truth: np.ndarray, folds: np.ndarray) -> Space:
    """Whichever of the two is cheaper: systems of rows where they are fewer than coordinates."""
    wide = sum(values.shape[1] for values in maps)
    return (Dual if len(truth) <= wide else Primal)(maps, truth, folds)


def _traces(maps: Sequence[np.ndarray]) -> np.ndarray:
    """The mean squared distance from the mean in each map; of a constant view more than its rounding."""
    return np.array([max(float(np.var(values, axis=0, dtype=np.float64).sum()), _LEAST) for values in maps])


def _penalty(ridge: float, logs: np.ndarray, traces: np.ndarray, groups: Sequence[int], n: int) -> float:
    groups = list(groups)
    return ridge * float(np.exp(logs[groups]) @ traces[groups]) * n


class Dual:
    """Systems of n rows, from one `(n, n)` kernel a map."""

    def __init__(self, maps: Sequence[np.ndarray], truth: np.ndarray, folds: np.ndarray):
        self.maps, self.truth, self.traces = maps, truth, _traces(maps)
        self.kernels = [(values @ values.T).astype(np.float64) for values in maps]
        self.folds = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]

    def held_out(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> np.ndarray:
        """`(n, c)` scores of every row by a solution without its fold."""
        whole = sum(np.exp(logs[g]) * self.kernels[g] for g in groups)
        scores = np.empty_like(self.truth)
        for inside, outside in self.folds:
            kernel, mean = whole[np.ix_(inside, inside)], self.truth[inside].mean(axis=0)
            alpha = self._alpha(
                kernel, self.truth[inside] - mean, _penalty(ridge, logs, self.traces, groups, len(inside))
            )
            across = whole[np.ix_(outside, inside)]
            scores[outside] = (across - across.mean(axis=1, keepdims=True)) @ alpha - kernel.mean(axis=0) @ alpha + mean
        return scores

    def solve(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> Solution:
        """The solution on all rows."""
        n, mean = len(self.truth), self.truth.mean(axis=0)
        whole = sum(np.exp(logs[g]) * self.kernels[g] for g in groups)
        alpha = self._alpha(whole, self.truth - mean, _penalty(ridge, logs, self.traces, groups, n))
        coef = np.concatenate([np.exp(logs[g]) * (self.maps[g].T.astype(np.float64) @ alpha) for g in groups])
        center = np.concatenate([self.maps[g].mean(axis=0, dtype=np.float64) for g in groups])
        return {"center": center.astype(np.float32), "coef": coef.astype(np.float32), "offset": mean}

    @staticmethod
    def _alpha(kernel: np.ndarray, truth: np.ndarray, penalty: float) -> np.ndarray:
        """Weights of the rows, which sum to 0: that centers the map."""
        mean = kernel.mean(axis=0)
        system = kernel - mean - mean[:, None] + mean.mean()
        system[np.diag_indices_from(system)] += penalty
        alpha: np.ndarray = cho_solve(_factor(system), truth)
        return alpha - alpha.mean(axis=0)


class _Rows(NamedTuple):
    """What ridge regression needs of some rows."""

    n: int
    center: np.ndarray
    gram: np.ndarray
    """Centered, as is `cross`."""
    cross: np.ndarray
    mean: np.ndarray


class Primal:
    """Systems of coordinates, from Gram matrices that add over rows: any number of rows."""

    def __init__(self, maps: Sequence[np.ndarray], truth: np.ndarray, folds: np.ndarray):
        self.truth, self.traces = truth, _traces(maps)
        ends = np.cumsum([0, *(values.shape[1] for values in maps)])
        self.slices = [np.arange(a, b) for a, b in pairwise(ends)]
        self.wide = np.concatenate(maps, axis=1)
        self.folds = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
        sums = [self._sums(rows) for rows in self.folds]
        whole = [np.sum(parts, axis=0) for parts in zip(*sums, strict=True)]
        self.whole = _centered(len(truth), *whole)
        self.rest = [
            _centered(len(truth) - len(rows), *(a - b for a, b in zip(whole, part, strict=True)))
            for rows, part in zip(self.folds, sums, strict=True)
        ]

    def _sums(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        wide, truth = self.wide[rows], self.truth[rows]
        gram, cross = (wide.T @ wide).astype(float), (wide.T @ truth.astype(np.float32)).astype(float)
        return gram, wide.sum(axis=0, dtype=float), cross, truth.sum(axis=0)

    def held_out(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> np.ndarray:
        """`(n, c)` scores of every row by a solution without its fold."""
        scores = np.empty_like(self.truth)
        chosen = np.concatenate([self.slices[g] for g in groups])
        for rows, rest in zip(self.folds, self.rest, strict=True):
            one = self._solve(logs, ridge, groups, rest)
            wide = self.wide[rows] if len(chosen) == self.wide.shape[1] else self.wide[np.ix_(rows, chosen)]
            scores[rows] = (wide - one["center"]) @ one["coef"] + one["offset"]
        return scores

    def solve(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> Solution:
        """The solution on all rows."""
        return self._solve(logs, ridge, groups, self.whole)

    def _solve(self, logs: np.ndarray, ridge: float, groups: Sequence[int], rows: _Rows) -> Solution:
        chosen = np.concatenate([self.slices[g] for g in groups])
        scale = np.concatenate([np.full(len(self.slices[g]), np.exp(logs[g] / 2)) for g in groups])
        system = rows.gram[np.ix_(chosen, chosen)] if len(chosen) < len(rows.gram) else rows.gram.copy()
        system *= scale
        system *= scale[:, None]
        system[np.diag_indices_from(system)] += _penalty(ridge, logs, self.traces, groups, rows.n)
        coef = cho_solve(_factor(system), rows.cross[chosen] * scale[:, None]) * scale[:, None]
        return {"center": rows.center[chosen].astype(np.float32), "coef": coef.astype(np.float32), "offset": rows.mean}


def _factor(system: np.ndarray) -> tuple[np.ndarray, bool]:
    """Cholesky's factor; where rounding left a system of many equal rows indefinite, with the least that mends it."""
    for more in (0.0, *10.0 ** np.arange(-12, 0)):
        try:
            raised = system + more * max(np.diagonal(system).max(), _LEAST) * np.eye(len(system)) if more else system
            factor: tuple[np.ndarray, bool] = cho_factor(raised, lower=True, check_finite=False)
            return factor
        except LinAlgError:
            continue
    raise LinAlgError("wanted a kernel of finite numbers")


def _centered(n: int, gram: np.ndarray, total: np.ndarray, cross: np.ndarray, truth: np.ndarray) -> _Rows:
    center = total / n
    gram = gram - n * np.outer(center, center)
    return _Rows(n, center, gram, cross - np.outer(center, truth), truth / n)
