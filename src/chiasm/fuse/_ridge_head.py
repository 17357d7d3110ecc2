"""The head that fusers share: kernel ridge on the answers, calibrated, solved for every subset of its views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

import numpy as np

from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._kernel import Kernel, shared
from chiasm.fuse._spaces import Space, spaced
from chiasm.graph import Symbol, join
from chiasm.part import Part
from chiasm.scale import one_thread
from chiasm.stats.blocks import Blocks, patterns, presence, subsets
from chiasm.target import Target

__all__ = ["RidgeHead"]

COORDINATES = 1200
"""Of all kernels together, at most: what a system to solve has rows."""
_OF_ONE = 500

_RIDGE = 1.5e-3
_STEP = 10**0.5
_LEAST_WEIGHT = 1e-3
_LEAST_ROWS = 10


class RidgeHead(Part):
    """Ridge regression on the answers with the kernel sum_g w_g k_g, one k_g a view, its outputs calibrated.

    Gram matrices add over rows, and the block of them that belongs to a subset of the views is the Gram matrix of that
    subset. So one pass over the rows gives every fold's held-out answers (G - G_fold) and an exact answer for every
    subset of the views: a row that lacks a view is answered by what would have been learned without that view, with
    its own calibration.

    The weights w_g, and for each subset its ridge, are chosen by the log likelihood of held-out folds.

    Args:
        kind: of the answer, as in `Target`. kernel: "rbf" or "linear". order: 1, one kernel a view; 2, also the product
            of the kernels of every two views, which sees what two views say only together.
        weights: "learned" (they sum to 1) or "equal". seed: of the landmarks' draw.

    Learned: `weights_` by view (views of a product joined by " x "), `ridge_`, and the solutions.
    """

    def __init__(
        self,
        kind: str = "classes",
        kernel: str = "rbf",
        order: int = 1,
        weights: str = "learned",
        seed: int = 0,
    ):
        self.kind = kind
        self.kernel = kernel
        self.order = order
        self.weights = weights
        self.seed = seed

    def cross_fit(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Learn from blocks of n rows, their `(n, c)` truth and the `(n,)` fold of each row.

        Returns `(n, c)` the answer to every row by what was learned, and calibrated, without its fold.
        """
        return self.cross_fit_subsets(held, truth, folds, [])[()]

    def cross_fit_subsets(
        self, held: Blocks, truth: np.ndarray, folds: np.ndarray, asked: Sequence[tuple[int, ...]]
    ) -> dict[tuple[int, ...], np.ndarray]:
        """As `cross_fit`, also for rows of which only some views are looked at.

        Args:
            asked: the places of the views looked at, as `subsets` has them.

        Returns answers `(n, c)` by places, (): by all views of each row. A row that lacks one of the places is answered
        by the others, or by the training mean.
        """
        n = len(truth)
        self.views_ = list(held)
        groups = [g for size in range(1, self.order + 1) for g in combinations(self.views_, size)]
        groups = [g for g in groups if len(g) == 1 or shared(held, g).sum() >= _LEAST_ROWS]
        most = min(_OF_ONE, max(COORDINATES // len(groups), 1))
        with one_thread():  # on a busy machine the threads of small factorizations wait for one another
            self.kernels_ = [Kernel(g, self.kernel, coordinates=most, seed=self.seed).fit(held) for g in groups]
        self.prior_ = truth.mean(axis=0)
        space = spaced([kernel(held, n) for kernel in self.kernels_], truth, folds)
        with one_thread():
            scores = self._choose(space, truth, presence(held, self.views_, n), self._gaps(truth, folds))
        here = presence(held, self.views_, n)
        looked = {(): here} | {subset: here & np.isin(np.arange(len(self.views_)), subset) for subset in asked}
        needed = {key for seen in looked.values() for columns, _ in patterns(seen) for key in self._used(columns)}
        answers = {key: Calibrated(self.kind).crossed(scores[key], truth, folds) for key in needed}
        return {subset: self._by_pattern(seen, answers, n) for subset, seen in looked.items()}

    def _gaps(self, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """`(n, c)` by how much the mean without a row's fold differs from the whole mean; 0 for numbers.

        A fold with more of a class than its share leaves fewer of it to learn from: held-out scores that keep this say
        the opposite of the truth, and calibration would believe them where nothing else is to be had.
        """
        gaps = np.zeros_like(truth)
        for fold in np.unique(folds) if self.kind != "numbers" else ():
            gaps[folds == fold] = truth[folds != fold].mean(axis=0) - truth.mean(axis=0)
        return gaps

    def _choose(self, space: Space, truth: np.ndarray, here: np.ndarray, gaps: np.ndarray) -> dict[str, np.ndarray]:
        """Weights, and for every subset its ridge, solution and calibration; its held-out scores."""
        search = _Search(space, Target(self.kind), Calibrated(self.kind, spread=0), gaps)
        logs, self.ridge_ = search.run(learn=self.weights == "learned")
        names = [" x ".join(kernel.views) for kernel in self.kernels_]
        self.weights_ = dict(zip(names, (np.exp(logs) / np.exp(logs).sum()).tolist(), strict=True))
        self.solutions_, self.calibrations_ = {}, {}
        found = {}
        for subset in subsets(len(self.views_)):
            mine = self._groups(subset)
            rows = np.flatnonzero(here[:, subset].all(axis=1))
            if len(rows) < (_LEAST_ROWS if len(subset) > 1 else 1):
                continue
            key = _key(subset)
            ridge = search.ridge(logs, self.ridge_, mine, rows)
            scores = space.held_out(logs, ridge, mine) - gaps
            self.calibrations_[key] = Calibrated(self.kind).fit(scores[rows], truth[rows])
            self.solutions_[key] = space.solve(logs, ridge, mine)
            found[key] = scores
        return found

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

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As `answer` for rows that have just these views, written down in float64 from the kernels on."""
        answers = []
        for key in self._used([i for i, view in enumerate(self.views_) if view in rows]):
            one, groups = self.solutions_[key], self._groups(_subset(key))
            wide = join([self.kernels_[g].traced(rows) for g in groups]).wide()
            answers.append(
                self.calibrations_[key].traced((wide - one["center"]) @ one["coef"] + one["offset"]).narrow()
            )
        if not answers:
            return next(iter(rows.values())).constant(self.prior_)
        total = answers[0]
        for answer in answers[1:]:
            total = total + answer
        return total * (1 / len(answers))

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


class _Search:
    """The ridge and the kernels' weights by the held-out likelihood: one at a time, while it rises."""

    def __init__(self, space: Space, target: Target, calibrated: Calibrated, gaps: np.ndarray):
        self.space, self.target, self.calibrated, self.gaps = space, target, calibrated, gaps
        self.seen: dict[tuple[float, ...], np.ndarray] = {}

    def run(self, learn: bool) -> tuple[np.ndarray, float]:
        """(log of each kernel's weight, relative to equal ones; ridge, as a share of the weighted kernel's trace)."""
        logs = np.zeros(len(self.space.traces))
        ridge = self.ridge(logs, _RIDGE)
        if learn and len(logs) > 1:
            for factor in (4.0, 2.0):
                logs, ridge = self._weights(logs, ridge, np.log(factor))
        return logs, ridge

    def ridge(
        self, logs: np.ndarray, ridge: float, groups: Sequence[int] | None = None, rows: np.ndarray | None = None
    ) -> float:
        """The best ridge for some of the kernels (all) by the gain of some of the rows (all), looked for around one."""

        def value(ridge: float) -> float:
            gain = self._gain(logs, ridge, groups)
            return float((gain if rows is None else gain[rows]).mean())

        best = value(ridge)
        for step in (_STEP, 1 / _STEP):
            while 1e-7 < ridge * step < 1e3 and (tried := value(ridge * step)) > best:
                best, ridge = tried, ridge * step
        return ridge

    def _gain(self, logs: np.ndarray, ridge: float, groups: Sequence[int] | None = None) -> np.ndarray:
        """`(n,)` the held-out gain of every row."""
        groups = range(len(logs)) if groups is None else groups
        place = (*np.round(logs, 6).tolist(), round(np.log(ridge), 6), *groups)
        if place not in self.seen:
            scores = self.space.held_out(logs, ridge, groups) - self.gaps
            truth = self.space.truth
            self.seen[place] = self.target.gain(self.calibrated.fit(scores, truth)(scores), truth)
        return self.seen[place]

    def _weights(self, logs: np.ndarray, ridge: float, step: float) -> tuple[np.ndarray, float]:
        """Weights moved while a move gains more than half of its standard error.

        Each is judged at its own best ridge: a view of noise acts as a ridge, and would gain weight in place of one.
        """
        moved = True
        while moved:
            moved = False
            for g, sign in product(range(len(logs)), (-step, step)):
                tried = logs.copy()
                tried[g] += sign
                tried -= np.log(np.exp(tried).mean())  # only ratios count
                if np.exp(tried).min() < _LEAST_WEIGHT:
                    continue
                own = self.ridge(tried, ridge)
                gained = self._gain(tried, own) - self._gain(logs, ridge)
                if gained.mean() > 0.5 * gained.std() / np.sqrt(len(gained)) + 1e-12:
                    logs, ridge, moved = tried, own, True
        return logs, ridge


def _key(columns: Sequence[int]) -> str:
    return ",".join(map(str, columns))


def _subset(key: str) -> list[int]:
    return [int(i) for i in key.split(",")]
