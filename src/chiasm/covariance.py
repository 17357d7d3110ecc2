"""Streamed first and second moments of several columns: add, subtract, merge. The closed forms share it.

Every id weighs 1. For an id with p items of view a and q of view b (five captions, two photographs), each of its p q
pairs weighs 1/(p q); the cross moment of the id is then the outer product of its two means, so pairs are never listed.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.views import Views

__all__ = ["Covariance"]


class Covariance:
    """First and second moments of the vector columns of Views, in one pass, memory constant in the rows.

    Products run in float32 per chunk on rows shifted by the first chunk's mean (so that no digits are lost to a large
    mean) and are summed in float64; `precision="float64"` runs them in float64 too. With the same shift, moments of
    shards add: `merge` is exact, `subtract` undoes `add`.

    Args:
        precision: "float32" (default; 2 x faster) or "float64".
        chunk: rows a product.
    """

    def __init__(self, precision: str = "float32", chunk: int = 4096):
        if precision not in ("float32", "float64"):
            raise ChiasmError(f"wanted precision 'float32' or 'float64', got {precision!r}.")
        self.precision = precision
        self.chunk = chunk
        self.shift: dict[str, np.ndarray] = {}
        self._sums: dict[tuple[str, ...], list[Any]] = {}

    def add(self, views: Views, sign: int = 1) -> Covariance:
        """Add rows (every id wholly in one call); `sign=-1` subtracts rows that were added before."""
        dtype = np.dtype(self.precision)
        names = list(views.columns)
        for part in views.chunks(self.chunk):
            rows: dict[str, tuple[np.ndarray, np.ndarray | None, np.ndarray]] = {}
            for name in names:
                items, weights, ids = _items(part, name, dtype)
                if name not in self.shift:
                    self.shift[name] = items.mean(axis=0, dtype=np.float64) if len(items) else np.zeros(items.shape[1])
                items -= self.shift[name].astype(dtype)
                rows[name] = (items, weights, ids)
                self._add_one(name, items, weights, sign)
            for a, b in combinations(names, 2):
                self._add_pair(a, b, rows[a], rows[b], sign)
        return self

    def subtract(self, views: Views) -> Covariance:
        """Take rows out again that `add` put in."""
        return self.add(views, sign=-1)

    def merge(self, other: Covariance) -> Covariance:
        """Add another shard's moments (same shift). Returns self."""
        if any(n not in other.shift or not np.array_equal(self.shift[n], other.shift[n]) for n in self.shift):
            raise ChiasmError("wanted moments with the same shift: make the second with empty_like() of the first.")
        self.shift = self.shift or dict(other.shift)
        for key, sums in other._sums.items():
            mine = self._sums.setdefault(key, [np.zeros_like(s) for s in sums])
            for i, value in enumerate(sums):
                mine[i] = mine[i] + value
        return self

    def empty_like(self) -> Covariance:
        """No rows yet, the same columns, shift and precision: what another shard starts from."""
        fresh = Covariance(self.precision, self.chunk)
        fresh.shift = dict(self.shift)
        return fresh

    def mean(self, name: str) -> np.ndarray:
        """`(d,)` mean of a view, each id weighing 1."""
        count, total, _ = self._sums[(name,)]
        return self.shift[name] + np.asarray(total) / count

    def auto(self, name: str) -> np.ndarray:
        """`(d, d)` covariance of a view (divided by the number of ids)."""
        count, total, product = self._sums[(name,)]
        center = np.asarray(total) / count
        return np.asarray(product) / count - np.outer(center, center)

    def cross(self, a: str, b: str) -> np.ndarray:
        """`(d_a, d_b)` covariance between two views over the ids that have both."""
        if (a, b) not in self._sums:
            return self.cross(b, a).T if (b, a) in self._sums else np.zeros((len(self.shift[a]), len(self.shift[b])))
        count, total_a, total_b, product = self._sums[(a, b)]
        return np.asarray(product) / count - np.outer(np.asarray(total_a) / count, np.asarray(total_b) / count)

    def _add_one(self, name: str, items: np.ndarray, weights: np.ndarray | None, sign: int) -> None:
        d = items.shape[1]
        sums = self._sums.setdefault((name,), [0.0, np.zeros(d), np.zeros((d, d))])
        if not len(items):
            return
        if weights is not None:
            roots = np.sqrt(weights).astype(items.dtype)[:, None]
            count, total, items = float(weights.sum()), items.T @ weights, items * roots
        else:
            count, total = float(len(items)), _sum(items)
        if not np.isfinite(total).all():
            raise ChiasmError(f"view {name!r} holds values that are not finite: leave such rows absent.")
        sums[0] += sign * count
        sums[1] += sign * total
        _accumulate(sums[2], items.T @ items, sign)

    def _add_pair(self, a: str, b: str, left: tuple, right: tuple, sign: int) -> None:
        (x, wx, ix), (y, wy, iy) = left, right
        sums = self._sums.setdefault(
            (a, b), [0.0, np.zeros(x.shape[1]), np.zeros(y.shape[1]), np.zeros((x.shape[1], y.shape[1]))]
        )
        if wx is not None or wy is not None or len(ix) != len(iy) or not np.array_equal(ix, iy):
            x, ix = _means(x, wx, ix)
            y, iy = _means(y, wy, iy)
            both, left_at, right_at = np.intersect1d(ix, iy, assume_unique=True, return_indices=True)
            x, y, ix = x[left_at], y[right_at], both
        if not len(ix):
            return
        sums[0] += sign * float(len(ix))
        sums[1] += sign * _sum(x)
        sums[2] += sign * _sum(y)
        _accumulate(sums[3], x.T @ y, sign)


def _items(part: Views, name: str, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """A chunk's distinct (id, item) rows `(m, d)`, their weights (None: all 1) and their id codes, ascending."""
    column = part[name]
    _ = column.width
    mask = column.present
    ids, index = part.codes[mask], column.index[mask]
    if len(ids) and not np.all(ids[1:] > ids[:-1]):
        ids, index = np.unique(np.stack([ids, index], axis=1), axis=0).T
    items = np.asarray(column.items[index], dtype=dtype)  # an integer index copies: the caller may write into it
    if len(ids) < 2 or np.all(ids[1:] > ids[:-1]):
        return items, None, ids
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    return items, 1.0 / counts[inverse], ids


def _means(items: np.ndarray, weights: np.ndarray | None, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean item of each id, from rows sorted by id."""
    if weights is None or not len(ids):
        return items, ids
    starts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1))
    return np.add.reduceat(items * weights.astype(items.dtype)[:, None], starts, axis=0), ids[starts]


def _sum(items: np.ndarray) -> np.ndarray:
    """Column sums as one matrix-vector product (the rows are shifted: float32 loses nothing that counts)."""
    return (np.ones(len(items), items.dtype) @ items).astype(np.float64)


def _accumulate(total: np.ndarray, product: np.ndarray, sign: int) -> None:
    if sign > 0:
        total += product
    else:
        total -= product
