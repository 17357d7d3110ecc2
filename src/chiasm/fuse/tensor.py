"""Tensor fusion: every axis of one view times every axis of another, learned in closed form from any number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import softmax

from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._kernel import Kernel
from chiasm.scale import one_thread
from chiasm.stats.blocks import Blocks, patterns, presence, subsets
from chiasm.stats.calibration import Temperature

__all__ = ["Tensor"]

_FEW = 2500
"""Rows up to which systems of rows are solved, with as many axes as the kernels have."""
_AXES = 500
_COORDINATES = 3720
"""Of all views and products together where rows are many: 60 axes of each of two views."""
_RIDGES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0, 30.0)
_FEW_OF_ONE = 20
"""Rows a class on average from which every class has a bias of its own in calibration."""
_CHUNK = 2048

Rows = dict[str, np.ndarray]
"""By view `(n, r)` its rows on its axes; zeros where it is absent."""


class Tensor(Fuser):
    """Ridge regression on 1, f_v and f_u x f_v, all products of the axes of every two views; one ridge for all of them.

    f_v are a view's first kernel principal axes (Gaussian kernel, at most 1,000 landmarks), centered, of mean square
    length 1. Up to 2,500 rows the axes are 500 a view and the products are never formed: their inner product is that of
    the axes, multiplied. Of more rows the axes are as many as make 3,720 coordinates, 60 of each of two views, and the
    sums over rows of their products are all that is kept. The ridge
    answers held-out folds best.

    Choose it where what one view says hangs on another, and rows or classes are many: a question about a picture.
    `bilinear` has the same kernel and learns how much every part of it counts, but keeps 400 landmark coordinates of a
    product, which are not enough for questions (easy_vqa: docs/ask.md), and its calibration takes minutes with hundreds
    of classes. Choose `early` where views only add: over six packs this is +0.4 points [-1.4, 2.1] less `early`, and
    -5.8 [-11.0, -0.3] on sound and lips alone (benchmarks/fuse/every_fuser.py).

    A row that lacks a view is answered by what is learned without it: the same sums, fewer of their rows and columns.

    Args:
        kind: "classes", "tags" or "numbers". seed: of folds and landmarks.

    Learned: `ridges_` by set of views.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 400, 2))
    >>> y = (a[:, 0] > 0) ^ (b[:, 0] > 0)
    >>> fused = Tensor().fit({"a": a[:300], "b": b[:300]}, y[:300])
    >>> fused.score({"a": a[300:], "b": b[300:]}, y[300:]) > 0.8
    True

    Sources: Zadeh et al. 2017 (tensor fusion); Schoelkopf, Smola & Mueller 1998 (kernel principal axes).
    """

    crosses_cheaply = True

    def __init__(self, kind: str = "classes", seed: int = 0):
        self.kind = kind
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        n = len(truth)
        self.views_ = list(held)
        self._stand(held, _AXES if n <= _FEW else _axes(len(held)))
        rows = self._turned(held, n)
        solver: Any = (_ByRows if n <= _FEW else _ByCoordinates)(rows, truth, folds)
        here = presence(held, self.views_, n)
        self.solutions_, self.ridges_, self.calibrations_ = {}, {}, {}
        out = np.tile(truth.mean(axis=0), (n, 1))
        self.known_ = rows if n <= _FEW else {}
        with one_thread():
            for subset in subsets(len(held)):
                mine, key = [self.views_[i] for i in subset], _key(subset)
                among = np.flatnonzero(here[:, subset].all(axis=1))
                if not len(among):
                    continue
                tried = solver.held_out(mine)
                best = int(np.argmin([self._lost(scores[among], truth[among]) for scores in tried]))
                self.ridges_[key] = _RIDGES[best]
                self.solutions_[key] = solver.solve(mine, _RIDGES[best])
                scores = tried[best]
                self.calibrations_[key] = self._calibrated(scores[among], truth[among])
                exact = np.flatnonzero((here == np.isin(np.arange(len(held)), subset)).all(axis=1))
                if len(exact):
                    out[exact] = self._crossed(scores[among], truth[among], folds[among])[np.isin(among, exact)]
        self.mean_ = truth.mean(axis=0)
        return out

    def _lost(self, scores: np.ndarray, truth: np.ndarray) -> float:
        """What the ridge makes least: of classes the share that is wrong, among equals and else the squared error."""
        error = float(np.square(scores - truth).mean())
        if self.kind != "classes":
            return error
        return float((scores.argmax(axis=1) != truth.argmax(axis=1)).mean()) + 1e-6 * error

    def _calibrated(self, scores: np.ndarray, truth: np.ndarray) -> Calibrated | Temperature:
        """From held-out scores; where classes have few rows a temperature alone, which leaves their order as it is."""
        if self.kind == "classes" and len(truth) < _FEW_OF_ONE * truth.shape[1]:
            return Temperature().fit(softmax(scores, axis=1), truth.argmax(axis=1))
        return Calibrated(self.kind, spread=0).fit(scores, truth)

    def _crossed(self, scores: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """`(n, c)` each fold's scores calibrated by the other folds."""
        out = np.empty_like(scores)
        for fold in np.unique(folds):
            inside, outside = folds != fold, folds == fold
            if inside.any():
                out[outside] = _likely(self._calibrated(scores[inside], truth[inside]), scores[outside])
            else:
                out[outside] = self.prior_
        return out

    def _stand(self, held: Blocks, most: int) -> None:
        """Learn the axes of each view."""
        self.kernels_, self.centers_, self.scales_ = {}, {}, {}
        for name, block in held.items():
            kernel = self.kernels_[name] = Kernel((name,), coordinates=most, seed=self.seed).fit(held)
            values = kernel(held, len(block.present))[block.present]
            self.centers_[name] = values.mean(axis=0)
            spread = float(np.square(values - self.centers_[name]).sum(axis=1).mean())
            self.scales_[name] = max(np.sqrt(spread), 1e-6)

    def _turned(self, held: Blocks, n: int) -> Rows:
        rows = {}
        for name in self.views_:
            rows[name] = np.zeros((n, self.kernels_[name].width), dtype=np.float32)
            if name in held:
                here = held[name].present
                values = self.kernels_[name](held, n)[here]
                rows[name][here] = (values - self.centers_[name]) / np.float32(self.scales_[name])
        return rows

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        rows, here = self._turned(held, n), presence(held, self.views_, n)
        out = np.tile(self.mean_, (n, 1))
        for columns, mine in patterns(here):
            whole = _key(columns)
            used = [whole] if whole in self.solutions_ else [_key([i]) for i in columns if _key([i]) in self.solutions_]
            if used:
                some = {name: values[mine] for name, values in rows.items()}
                out[mine] = np.mean([self._said(key, some) for key in used], axis=0)
        return out

    def _said(self, key: str, rows: Rows) -> np.ndarray:
        """The calibrated answers `(n, c)` of the solution for one set of views."""
        names = [self.views_[int(i)] for i in key.split(",")]
        coef, n = self.solutions_[key], len(rows[names[0]])
        found = np.empty((n, coef.shape[1]))
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            some = {name: rows[name][part] for name in names}
            wide = _likeness(some, self.known_, names) if self.known_ else _products(some, names)
            found[part] = wide @ coef + self.mean_
        return _likely(self.calibrations_[key], found)


def _likely(calibration: Calibrated | Temperature, scores: np.ndarray) -> np.ndarray:
    if isinstance(calibration, Temperature):
        return calibration.apply(softmax(scores, axis=1))
    return calibration(scores)


class _ByRows:
    """Systems of n rows: the kernel of products is a product of kernels."""

    def __init__(self, rows: Rows, truth: np.ndarray, folds: np.ndarray):
        self.rows, self.truth = rows, truth
        self.folds = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]

    def held_out(self, names: Sequence[str]) -> list[np.ndarray]:
        """`(n, c)` for each ridge: every row answered by the other folds."""
        kernel = _likeness(self.rows, self.rows, names)
        found = [np.empty_like(self.truth) for _ in _RIDGES]
        for inside, outside in self.folds:
            system, across = kernel[np.ix_(inside, inside)], kernel[np.ix_(outside, inside)]
            off = self.truth[inside] - self.truth[inside].mean(axis=0)
            for scores, ridge in zip(found, _RIDGES, strict=True):
                scores[outside] = across @ _solved(system, ridge, off) + self.truth.mean(axis=0)
        return found

    def solve(self, names: Sequence[str], ridge: float) -> np.ndarray:
        """`(n, c)` what each row counts."""
        kernel = _likeness(self.rows, self.rows, names)
        return _solved(kernel, ridge, self.truth - self.truth.mean(axis=0)).astype(np.float32)


class _ByCoordinates:
    """Systems of coordinates, whose sums over rows are formed some rows at a time."""

    def __init__(self, rows: Rows, truth: np.ndarray, folds: np.ndarray):
        self.rows, self.truth = rows, truth
        self.folds = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]

    def held_out(self, names: Sequence[str]) -> list[np.ndarray]:
        """`(n, c)` for each ridge: every row answered by the other folds."""
        sums = [self._sums(names, rows) for rows in self.folds]
        self.whole: list[np.ndarray] = [np.sum([one[i] for one in sums], axis=0, dtype=float) for i in range(3)]
        found = [np.empty_like(self.truth) for _ in _RIDGES]
        for rows, part in zip(self.folds, sums, strict=True):
            gram, cross = self._system([a - b for a, b in zip(self.whole, part, strict=True)], rows)
            coefs = [_solved(gram, ridge, cross) for ridge in _RIDGES]
            for start in range(0, len(rows), _CHUNK):
                some = rows[start : start + _CHUNK]
                wide = self._wide(names, some)
                for scores, coef in zip(found, coefs, strict=True):
                    scores[some] = wide @ coef + self.truth.mean(axis=0)
        return found

    def solve(self, names: Sequence[str], ridge: float) -> np.ndarray:
        """`(d, c)` the coefficients of the coordinates, after `held_out` of the same views."""
        gram, cross = self._system(self.whole, np.zeros(0, dtype=int))
        return _solved(gram, ridge, cross).astype(np.float32)

    def _sums(self, names: Sequence[str], rows: np.ndarray) -> list[np.ndarray]:
        """Of some rows: the products of coordinates, of coordinates with the truth, and the coordinates, summed."""
        total: list[Any] = [0.0, 0.0, 0.0]
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            wide = self._wide(names, some)
            truth = self.truth[some].astype(np.float32)
            for place, one in enumerate((wide.T @ wide, wide.T @ truth, wide.sum(axis=0))):
                total[place] = total[place] + one
        return [np.asarray(one) for one in total]

    def _system(self, sums: Sequence[np.ndarray], left_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The normal equations of the rows that are not left out, their truth centered."""
        gram, cross, total = sums
        mean = np.delete(self.truth, left_out, axis=0).mean(axis=0)
        return gram, cross - np.outer(total, mean)

    def _wide(self, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
        return _products({name: self.rows[name][rows] for name in names}, names)


def _axes(k: int) -> int:
    """The axes of each of k views that make `_COORDINATES` with their products; one view has `_AXES`."""
    pairs = k * (k - 1) / 2
    return _AXES if k == 1 else max(1, int((np.sqrt(k * k + 4 * pairs * _COORDINATES) - k) / (2 * pairs)))


def _products(rows: Rows, names: Sequence[str]) -> np.ndarray:
    """`(n, d)` float32: 1, the axes of the views, and all products of the axes of every two.

    Views that hang together make the mean of a product differ from 0, which the 1 is there for.
    """
    parts = [np.ones((len(rows[names[0]]), 1), dtype=np.float32), *(rows[name] for name in names)]
    for one, other in combinations(names, 2):
        parts.append((rows[one][:, :, None] * rows[other][:, None, :]).reshape(len(rows[one]), -1))
    return np.concatenate(parts, axis=1)


def _likeness(rows: Rows, others: Rows, names: Sequence[str]) -> np.ndarray:
    """`(n, m)` inner products of `_products`, which are not formed."""
    each = {name: (rows[name] @ others[name].T).astype(np.float64) for name in names}
    total: np.ndarray = 1 + np.sum(list(each.values()), axis=0)
    for one, other in combinations(names, 2):
        total += each[one] * each[other]
    return total


def _solved(system: np.ndarray, ridge: float, right: np.ndarray) -> np.ndarray:
    """(system + ridge I)^-1 right."""
    raised = np.array(system, dtype=np.float64)
    raised[np.diag_indices_from(raised)] += ridge * (1 + 1e-9) + 1e-9 * np.trace(raised) / len(raised)
    found: np.ndarray = cho_solve(cho_factor(raised, lower=True, overwrite_a=True, check_finite=False), right)
    return found


def _key(columns: Sequence[int]) -> str:
    return ",".join(map(str, columns))
