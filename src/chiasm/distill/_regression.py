"""Ridge regression of what a teacher has on what a student sees, closed, with answers out of fold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from chiasm.graph import Symbol
from chiasm.part import Part
from chiasm.stats.blocks import Blocks

__all__ = ["Regression"]

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Of the mean of the squared spreads; from the middle on, in the direction in which held-out rows are told better."""
KEPT = 0.999
JUDGED = 2
"""Folds that a ridge is judged on."""


class Regression(Part):
    """Views side by side, each number with a spread of 1, absent ones at their mean -> what they show of targets.

    Gram matrices add over rows, so one pass gives every fold's answers by what was learned without it. Answers are
    turned onto axes `(n, w)` that share their variance evenly: a fuser scales every number to a spread of 1, and would
    blow up what the views hardly show.

    Learned: `views_`, `means_`, `spreads_` by view, `weights_` `(d, w)`, `turn_` `(t, w)` (the axes), `ridge_`;
    `seen_`, the share of the targets' variance that rows show out of fold (below 0: less than their mean does).
    """

    means_: dict[str, np.ndarray]
    spreads_: dict[str, np.ndarray]

    def cross_fit(self, held: Blocks, targets: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Learn from blocks of n rows, their `(n, t)` targets and folds `(n,)`; `(n, w)` out-of-fold answers."""
        self.views_ = list(held)
        self.means_, self.spreads_ = {}, {}
        for name, block in held.items():
            here = np.asarray(block.values)
            here = here if block.present.all() else here[block.present]
            self.means_[name] = here.mean(axis=0, dtype=np.float64).astype(np.float32)
            spread = here.std(axis=0, dtype=np.float64)
            self.spreads_[name] = np.maximum(spread, 1e-6 * max(float(spread.max(initial=0.0)), 1e-12)).astype(
                np.float32
            )
        rows, wanted = self._rows(held), (targets - targets.mean(axis=0, dtype=np.float64)).astype(np.float32)
        width = rows.shape[1]
        rows, span = _spanned(rows) if width > len(rows) else (rows, None)
        numbers = np.unique(folds)
        order = np.argsort(folds, kind="stable")
        rows, wanted, edges = rows[order], wanted[order], np.searchsorted(folds[order], numbers).tolist()
        slices = [slice(start, end) for start, end in zip(edges, [*edges[1:], len(rows)], strict=True)]
        parts = {fold: (rows[one], wanted[one]) for fold, one in zip(numbers.tolist(), slices, strict=True)}
        grams = {fold: part.T @ part for fold, (part, _) in parts.items()}
        crosses = {fold: part.T @ truth for fold, (part, truth) in parts.items()}
        gram, cross = np.sum(list(grams.values()), axis=0), np.sum(list(crosses.values()), axis=0)
        size = float(np.trace(gram)) / width or 1.0

        def solved(ridge: float, fold: int | None) -> np.ndarray:
            left = gram if fold is None else gram - grams[fold]
            right = cross if fold is None else cross - crosses[fold]
            factor = cho_factor(_raised(left, ridge * size).T, overwrite_a=True, check_finite=False)
            found: np.ndarray = cho_solve(factor, right, check_finite=False)
            return found

        def loss(ridge: float) -> float:
            total = 0.0
            for fold in numbers.tolist()[:JUDGED]:
                weights = solved(ridge, fold)
                total += float((weights * (grams[fold] @ weights - 2 * crosses[fold])).sum(dtype=np.float64))
            return total

        self.ridge_ = _least(loss)
        self.weights_ = self._refined(solved(self.ridge_, None), rows, wanted)
        out = np.zeros_like(wanted)
        for (fold, (part, _)), one in zip(parts.items(), slices, strict=True):
            rest = np.r_[0 : one.start, one.stop : len(rows)]
            out[one] = part @ self._refined(solved(self.ridge_, fold), rows, wanted, rest)
        spread = float(np.square(wanted, dtype=np.float64).sum()) or 1.0
        self.seen_ = round(1 - float(np.square(wanted - out, dtype=np.float64).sum()) / spread, 6)
        self.turn_ = _mixed(out)
        self.weights_ = self.weights_ @ self.turn_ if span is None else span @ (self.weights_ @ self.turn_)
        told = np.empty((len(out), self.turn_.shape[1]), dtype=np.float32)
        told[order] = out @ self.turn_
        return told

    def _refined(
        self, weights: np.ndarray, rows: np.ndarray, wanted: np.ndarray, some: np.ndarray | None = None
    ) -> np.ndarray:
        """`(d, t)` better weights, by rows `(n, d)` and targets `(n, t)`, or `some` of them: here as they are."""
        return weights

    def answer(self, held: Blocks) -> np.ndarray:
        """`(n, w)` for blocks of n rows; views may be missing."""
        found: np.ndarray = self._rows(held) @ self.weights_
        return found

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As `answer`, written down."""
        found, start = None, 0
        for name, mean in self.means_.items():
            if name in rows:
                part = rows[name].centered(mean) @ (
                    self.weights_[start : start + len(mean)] / self.spreads_[name][:, None]
                )
                found = part if found is None else found + part
            start += len(mean)
        assert found is not None
        return found

    def _rows(self, held: Blocks) -> np.ndarray:
        n = len(next(iter(held.values())).present)
        parts = []
        for name in self.views_:
            if name not in held:
                part = np.zeros((n, len(self.means_[name])), dtype=np.float32)
            else:
                part = (np.asarray(held[name].values, dtype=np.float32) - self.means_[name]) * (1 / self.spreads_[name])
                part[~held[name].present] = 0
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _spanned(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """More numbers than rows `(n, d)`: the rows in their own span `(n, r)`, and its axes `(d, r)`; products stay."""
    values, basis = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    kept = values > 1e-9 * max(float(values[-1]), 1e-12)
    lengths = np.sqrt(values[kept])
    axes = (basis[:, kept] / lengths).astype(np.float32)
    return np.ascontiguousarray(basis[:, kept] * lengths, dtype=np.float32), rows.T @ axes


def _mixed(rows: np.ndarray) -> np.ndarray:
    """`(t, w)` axes that hold `KEPT` of the variance of rows `(n, t)`, mixed alike, so that each has its part of it."""
    values, basis = np.linalg.eigh(rows.T @ rows)
    values, basis = np.maximum(values[::-1], 0), basis[:, ::-1]
    count = min(len(values), 1 + int(np.searchsorted(np.cumsum(values), KEPT * values.sum())))
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(count, count)))[0]
    return np.ascontiguousarray(basis[:, :count] @ mix, dtype=np.float32)


def _raised(matrix: np.ndarray, by: float) -> np.ndarray:
    raised = matrix.copy()
    raised[np.diag_indices_from(raised)] += by
    return raised


def _least(loss: object) -> float:
    """The ridge of least loss, from the middle of `RIDGES` on downhill."""
    assert callable(loss)
    found: dict[int, float] = {}

    def at(place: int) -> float:
        if place not in found:
            found[place] = loss(RIDGES[place]) if 0 <= place < len(RIDGES) else float("inf")
        return found[place]

    place = len(RIDGES) // 2
    while (better := min((place - 1, place + 1), key=at)) in range(len(RIDGES)) and at(better) < at(place):
        place = better
    return RIDGES[place]
