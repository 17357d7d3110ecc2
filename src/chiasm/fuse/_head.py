"""The head that fusers share: kernel ridge on the answers, calibrated, solved for every subset of its views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise, product
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from chiasm.errors import unknown
from chiasm.fuse._blocks import Blocks, patterns, presence, subsets
from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._kernel import Kernel, shared
from chiasm.fuse._target import Target
from chiasm.part import Part

__all__ = ["Head"]

COORDINATES = 1200
"""Nystrom coordinates of all kernels together, at most."""

_RIDGE = 1.5e-3
_STEP = 10**0.5
_LEAST_WEIGHT = 1e-3
_LEAST_ROWS = 10


class Head(Part):
    """Ridge regression on the answers with the kernel sum_g w_g k_g, one k_g a view, its outputs calibrated.

    Gram matrices add over rows, and the block of them that belongs to a subset of the views is the Gram matrix of that
    subset. So one pass over the rows gives every fold's held-out answers (G - G_fold) and an exact answer for every
    subset of the views: a row that lacks a view is answered by what would have been learned without that view, with
    its own calibration.

    The ridge and the weights w_g are chosen by the log likelihood of held-out folds.

    Args:
        kind: of the answer, as in `Target`. kernel: "rbf" or "linear". order: 1, one kernel a view; 2, also the product
            of the kernels of every two views, which sees what two views say only together.
        weights: "learned" (they sum to 1) or "equal". landmarks: a kernel, at most. seed: of their draw.

    Learned: `weights_` by view (views of a product joined by " x "), `ridge_`, and the solutions.
    """

    def __init__(
        self,
        kind: str = "classes",
        kernel: str = "rbf",
        order: int = 1,
        weights: str = "learned",
        landmarks: int = 500,
        seed: int = 0,
    ):
        self.kind = kind
        self.kernel = kernel
        self.order = order
        self.weights = weights
        self.landmarks = landmarks
        self.seed = seed

    def fit(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> Head:
        """Learn from blocks of n rows, their `(n, c)` truth and the `(n,)` fold of each row.

        `held_out` is then the calibrated answer to every row by what was learned without its fold.
        """
        if self.weights not in ("learned", "equal"):
            raise unknown("way to weigh views", self.weights, ("learned", "equal"))
        if self.kernel not in ("rbf", "linear"):
            raise unknown("kernel", self.kernel, ("rbf", "linear"))
        n = len(truth)
        self.views_ = list(held)
        groups = [g for size in range(1, self.order + 1) for g in combinations(self.views_, size)]
        groups = [g for g in groups if len(g) == 1 or shared(held, g).sum() >= _LEAST_ROWS]
        most = min(self.landmarks, max(COORDINATES // len(groups), 1))
        self.kernels_ = [Kernel(g, self.kernel, most, self.seed).fit(held) for g in groups]
        self.prior_ = truth.mean(axis=0)
        space = _Space([kernel(held, n) for kernel in self.kernels_], truth, folds)
        search = _Search(space, Target(self.kind), Calibrated(self.kind))
        logs, self.ridge_ = search.run(learn=self.weights == "learned")
        names = [" x ".join(kernel.views) for kernel in self.kernels_]
        self.weights_ = dict(zip(names, (np.exp(logs) / np.exp(logs).sum()).tolist(), strict=True))
        self.solutions_, self.calibrations_ = {}, {}
        here = presence(held, self.views_, n)
        answers = {}
        for subset in subsets(len(self.views_)):
            mine = self._groups(subset)
            scores = space.held_out(logs, self.ridge_, mine)
            rows = here[:, subset].all(axis=1)
            if rows.sum() < _LEAST_ROWS:
                continue
            key = _key(subset)
            self.calibrations_[key] = Calibrated(self.kind).fit(scores[rows], truth[rows])
            self.solutions_[key] = space.solve(logs, self.ridge_, mine)
            answers[key] = self.calibrations_[key](scores)
        self.held_out = self._by_pattern(here, answers, n)
        return self

    def answer(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, c)` probabilities or numbers; a row with every view absent gets the training mean."""
        maps = [kernel(held, n) for kernel in self.kernels_]
        here = presence(held, self.views_, n)
        needed = {key for columns, _ in patterns(here) for key in self._used(columns)}
        answers = {}
        for key in needed:
            one = self.solutions_[key]
            wide = np.concatenate([maps[g] for g in self._groups(_subset(key))], axis=1)
            answers[key] = self.calibrations_[key]((wide - one["center"]) @ one["coef"] + one["offset"])
        return self._by_pattern(here, answers, n)

    def _groups(self, subset: Sequence[int]) -> list[int]:
        """The kernels that read nothing but these views."""
        names = {self.views_[i] for i in subset}
        return [g for g, kernel in enumerate(self.kernels_) if names.issuperset(kernel.views)]

    def _used(self, columns: Sequence[int]) -> list[str]:
        """The solutions that answer rows with just these views: their own, or else those of each alone."""
        whole = _key(columns)
        if whole in self.solutions_:
            return [whole]
        return [_key([i]) for i in columns if _key([i]) in self.solutions_]

    def _by_pattern(self, here: np.ndarray, answers: dict[str, np.ndarray], n: int) -> np.ndarray:
        out = np.tile(self.prior_, (n, 1))
        for columns, rows in patterns(here):
            if used := self._used(columns):
                out[rows] = np.mean([answers[key][rows] for key in used], axis=0)
        return out


class _Fold(NamedTuple):
    """A fold's sums."""

    rows: np.ndarray
    gram: np.ndarray
    total: np.ndarray
    cross: np.ndarray
    truth: np.ndarray


class _Space:
    """Rows in their feature maps, and the Gram matrices of each fold."""

    def __init__(self, maps: Sequence[np.ndarray], truth: np.ndarray, folds: np.ndarray):
        self.truth = truth
        ends = np.cumsum([0, *(values.shape[1] for values in maps)])
        self.slices = [np.arange(a, b) for a, b in pairwise(ends)]
        self.wide = np.concatenate(maps, axis=1)
        self.folds = [self._sums(np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
        sums = [np.sum(parts, axis=0) for parts in zip(*(fold[1:] for fold in self.folds), strict=True)]
        self.whole = _Fold(np.arange(len(truth)), *sums)
        spread = np.diag(self.whole.gram) / len(truth) - np.square(self.whole.total / len(truth))
        self.trace = max(float(spread.sum()), 1e-12)

    def _sums(self, rows: np.ndarray) -> _Fold:
        wide, truth = self.wide[rows], self.truth[rows]
        cross = wide.T @ truth.astype(np.float32)
        return _Fold(
            rows, (wide.T @ wide).astype(float), wide.sum(axis=0, dtype=float), cross.astype(float), truth.sum(axis=0)
        )

    def held_out(self, logs: np.ndarray, ridge: float, groups: Sequence[int]) -> np.ndarray:
        """`(n, c)` scores of every row by a solution without its fold, using these kernels only."""
        scores = np.empty_like(self.truth)
        chosen = np.concatenate([self.slices[g] for g in groups])
        for fold in self.folds:
            one = self.solve(logs, ridge, groups, fold)
            wide = self.wide[fold.rows] if len(chosen) == self.wide.shape[1] else self.wide[np.ix_(fold.rows, chosen)]
            scores[fold.rows] = (wide - one["center"]) @ one["coef"] + one["offset"]
        return scores

    def solve(
        self, logs: np.ndarray, ridge: float, groups: Sequence[int], without: _Fold | None = None
    ) -> dict[str, Any]:
        """Ridge regression with an intercept: x -> (x - center) coef + offset, on all rows but a fold's."""
        n, gram, total, cross, truth = len(self.truth), *self.whole[1:]
        if without is not None:
            n -= len(without.rows)
            gram, total, cross, truth = (a - b for a, b in zip((gram, total, cross, truth), without[1:], strict=True))
        chosen = np.concatenate([self.slices[g] for g in groups])
        scale = np.concatenate([np.full(len(self.slices[g]), np.exp(logs[g] / 2)) for g in groups])
        center = total[chosen] / n
        block = gram[np.ix_(chosen, chosen)] if len(chosen) < len(total) else gram
        system = (block - n * np.outer(center, center)) * np.outer(scale, scale)
        system[np.diag_indices_from(system)] += ridge * self.trace * n
        right = (cross[chosen] - np.outer(center, truth)) * scale[:, None]
        coef = cho_solve(cho_factor(system, lower=True, overwrite_a=True, check_finite=False), right) * scale[:, None]
        return {"center": center.astype(np.float32), "coef": coef.astype(np.float32), "offset": truth / n}


class _Search:
    """The ridge and the kernels' weights by the held-out likelihood: one at a time, while it rises."""

    def __init__(self, space: _Space, target: Target, calibrated: Calibrated):
        self.space, self.target, self.calibrated = space, target, calibrated
        self.seen: dict[tuple[float, ...], np.ndarray] = {}

    def run(self, learn: bool) -> tuple[np.ndarray, float]:
        """(log of each kernel's weight, relative to equal ones; ridge)."""
        logs = np.zeros(len(self.space.slices))
        ridge = self._ridge(logs, _RIDGE)
        if learn and len(logs) > 1:
            for factor in (4.0, 2.0):
                logs = self._weights(logs, ridge, np.log(factor))
            ridge = self._ridge(logs, ridge)
        return logs, ridge

    def _gain(self, logs: np.ndarray, ridge: float) -> np.ndarray:
        """`(n,)` the held-out gain of every row."""
        place = (*np.round(logs, 6).tolist(), round(np.log(ridge), 6))
        if place not in self.seen:
            scores = self.space.held_out(logs, ridge, range(len(logs)))
            truth = self.space.truth
            self.seen[place] = self.target.gain(self.calibrated.fit(scores, truth)(scores), truth)
        return self.seen[place]

    def _ridge(self, logs: np.ndarray, ridge: float) -> float:
        best = self._gain(logs, ridge).mean()
        for step in (_STEP, 1 / _STEP):
            while 1e-7 < ridge * step < 1e3 and (value := self._gain(logs, ridge * step).mean()) > best:
                best, ridge = value, ridge * step
        return ridge

    def _weights(self, logs: np.ndarray, ridge: float, step: float) -> np.ndarray:
        """Weights moved while a move gains more than its standard error."""
        moved = True
        while moved:
            moved = False
            for g, sign in product(range(len(logs)), (-step, step)):
                tried = logs.copy()
                tried[g] += sign
                tried -= np.log(np.exp(tried).mean())  # only ratios count
                if np.exp(tried).min() < _LEAST_WEIGHT:
                    continue
                gained = self._gain(tried, ridge) - self._gain(logs, ridge)
                if gained.mean() > gained.std() / np.sqrt(len(gained)) + 1e-12:
                    logs, moved = tried, True
        return logs


def _key(columns: Sequence[int]) -> str:
    return ",".join(map(str, columns))


def _subset(key: str) -> list[int]:
    return [int(i) for i in key.split(",")]
