"""Ridge regression of what a teacher has on what a student sees, closed, with answers out of fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from chiasm.graph import Symbol
from chiasm.part import Part
from chiasm.stats.blocks import Blocks

__all__ = ["Regression"]

RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Of the mean of the squared spreads; from the middle on, in the direction in which held-out rows are told better."""
KEPT = 0.999
BLOCK = 512
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
            self.means_[name], self.spreads_[name] = _moments(here if block.present.all() else here[block.present])
        numbers = np.unique(folds)
        order = np.argsort(folds, kind="stable")
        edges = np.searchsorted(folds[order], numbers).tolist()
        slices = [slice(start, end) for start, end in zip(edges, [*edges[1:], len(order)], strict=True)]
        rows, middle = self._rows(held, order), targets.mean(axis=0, dtype=np.float64)
        wanted = (targets[order] - middle.astype(np.result_type(targets, np.float32))).astype(np.float32, copy=False)
        width = rows.shape[1]
        rows, span = _spanned(rows) if width > len(rows) else (rows, None)
        grams = [rows[one].T @ rows[one] for one in slices]
        crosses = [(wanted[one].T @ rows[one]).T for one in slices]  # in the order of memory that LAPACK reads
        gram, cross = _sum(grams), _sum(crosses)
        size = float(np.trace(gram)) / width or 1.0
        held_out: dict[tuple[float, int], np.ndarray] = {}

        def without(ridge: float, fold: int) -> np.ndarray:
            if (ridge, fold) not in held_out:
                held_out[ridge, fold] = _solved(gram - grams[fold], ridge * size, cross - crosses[fold])
            return held_out[ridge, fold]

        def lost(fold: int, weights: np.ndarray) -> tuple[float, np.ndarray]:
            """The squared error on a fold, less the squares of its targets; its Gram matrix times the weights."""
            shown = (weights.T @ grams[fold]).T  # in the same order of memory
            return float((weights * (shown - 2 * crosses[fold])).sum(dtype=np.float64)), shown

        def loss(ridge: float) -> float:
            return sum(lost(fold, without(ridge, fold))[0] for fold in range(min(JUDGED, len(numbers))))

        self.ridge_ = _least(loss)
        each, missed, spread, spreads = [], 0.0, 0.0, np.zeros((wanted.shape[1],) * 2, dtype=np.float32)
        for fold, one in enumerate(slices):
            rest = np.r_[0 : one.start, one.stop : len(rows)]
            each.append(self._refined(without(self.ridge_, fold), rows, wanted, rest))
            more, shown = lost(fold, each[-1])
            missed, spreads = missed + more, spreads + each[-1].T @ shown
            spread += float(np.square(wanted[one]).sum(dtype=np.float64))
        self.seen_, self.turn_ = round(-missed / (spread or 1.0), 6), _mixed(spreads)
        told = np.empty((len(rows), self.turn_.shape[1]), dtype=np.float32)
        for one, weights in zip(slices, each, strict=True):
            told[order[one]] = rows[one] @ (weights @ self.turn_)
        self.weights_ = self._refined(_solved(gram, self.ridge_ * size, cross), rows, wanted)
        self.weights_ = self.weights_ @ self.turn_ if span is None else span @ (self.weights_ @ self.turn_)
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

    def _rows(self, held: Blocks, order: np.ndarray | None = None) -> np.ndarray:
        """`(n, d)` the views side by side, each number with a spread of 1, in this order."""
        here = next(iter(held.values())).present
        parts = []
        for name in self.views_:
            if name not in held:
                parts.append(np.zeros((len(here), len(self.means_[name])), dtype=np.float32))
                continue
            values, present = np.asarray(held[name].values), held[name].present
            if order is not None:
                values, present = values[order], present[order]
            part = values.astype(np.float32, copy=order is None)
            part -= self.means_[name]
            part *= 1 / self.spreads_[name]
            part[~present] = 0
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(d,)` means and `(d,)` spreads of rows `(n, d)`, summed in float64 a block at a time."""
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.zeros(rows.shape[1])
    for start in range(0, len(rows), BLOCK):
        near = rows[start : start + BLOCK] - mean
        squares += np.square(near, out=near).sum(axis=0, dtype=np.float64)
    spread = np.sqrt(squares / len(rows))
    return mean, np.maximum(spread, 1e-6 * max(float(spread.max(initial=0.0)), 1e-12)).astype(np.float32)


def _sum(parts: list[np.ndarray]) -> np.ndarray:
    """Of arrays of one shape, without a copy of them all."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _solved(gram: np.ndarray, ridge: float, cross: np.ndarray) -> np.ndarray:
    """`(d, t)` weights of a Gram matrix `(d, d)` and products with targets `(d, t)`; both are overwritten."""
    gram[np.diag_indices_from(gram)] += ridge
    factor = cho_factor(gram.T, overwrite_a=True, check_finite=False)
    found: np.ndarray = cho_solve(factor, cross, overwrite_b=True, check_finite=False)
    return found


def _spanned(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """More numbers than rows `(n, d)`: the rows in their own span `(n, r)`, and its axes `(d, r)`; products stay."""
    values, basis = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    kept = values > 1e-9 * max(float(values[-1]), 1e-12)
    lengths = np.sqrt(values[kept])
    axes = (basis[:, kept] / lengths).astype(np.float32)
    return np.ascontiguousarray(basis[:, kept] * lengths, dtype=np.float32), rows.T @ axes


def _mixed(spreads: np.ndarray) -> np.ndarray:
    """`(t, w)` axes that hold `KEPT` of the variance of answers, mixed alike, so that each has its part of it.

    Args:
        spreads: `(t, t)`, the answers' products with one another.
    """
    values, basis = np.linalg.eigh(spreads)
    values, basis = np.maximum(values[::-1], 0), basis[:, ::-1]
    count = min(len(values), 1 + int(np.searchsorted(np.cumsum(values), KEPT * values.sum())))
    mix = np.linalg.qr(np.random.default_rng(0).normal(size=(count, count)))[0]
    return np.ascontiguousarray(basis[:, :count] @ mix, dtype=np.float32)


def _least(loss: Callable[[float], float]) -> float:
    """The ridge of least loss, from the middle of `RIDGES` on downhill, as losses that fall and then rise have it."""
    place = len(RIDGES) // 2
    least = loss(RIDGES[place])
    for step in (-1, 1):
        start = place
        while place + step in range(len(RIDGES)) and (next_one := loss(RIDGES[place + step])) < least:
            place, least = place + step, next_one
        if place != start:
            break
    return RIDGES[place]
