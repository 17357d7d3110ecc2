"""Streamed first and second moments of several columns: add, subtract, merge. The closed forms share it.

Every id weighs 1. For an id with p items of view a and q of view b (five captions, two photographs), each of its p q
pairs weighs 1/(p q); the cross moment of the id is then the outer product of its two means, so pairs are never listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.views import Views

__all__ = ["Covariance", "check_narrow"]

WIDEST = 32_768
"""Numbers an item at most: the product of a view with itself then takes 4 GiB in float32."""


def check_narrow(widths: Mapping[str, int]) -> None:
    """Raise a ChiasmError that names the first view too wide for its products `(d, d)` to be held."""
    for name, width in widths.items():
        if width > WIDEST:
            raise ChiasmError(
                f"view {name!r}: wanted at most {WIDEST:,} numbers an item, as their products with one another are "
                f"held, got {width:,}: encode it as pooled features, or in fewer steps, patches or words side by side."
            )


class Covariance(Part):
    """First and second moments of the vector columns of Views, in one pass, memory constant in the rows.

    Products run in float32 per chunk on rows shifted by the mean of a view's first chunk (so that no digits are lost to
    a large mean) and are summed in float64; `precision="float64"` runs them in float64 too. Moments add: `merge` of
    shards is the whole, whatever their shifts, and `subtract` undoes `add`. A part: it is saved with what it holds.

    Args:
        precision: "float32" (default; 2 x faster) or "float64".
        chunk: rows a product.

    Learned: `shift_` `(d,)` by view; `alone_` by view: [number of ids, sum `(d,)`, sum of products `(d, d)`] of the
    shifted rows; `pairs_` by the two views in alphabetical order: [number of ids, sums, sum of products `(d_a, d_b)`].
    """

    def __init__(self, precision: str = "float32", chunk: int = 4096):
        self.precision = precision
        self.chunk = chunk
        self.shift_: dict[str, np.ndarray] = {}
        self.alone_: dict[str, list[Any]] = {}
        self.pairs_: dict[str, dict[str, list[Any]]] = {}

    def add(self, views: Views, sign: int = 1) -> Covariance:
        """Add rows (every id wholly in one call); `sign=-1` subtracts rows that were added before."""
        if self.precision not in ("float32", "float64"):
            raise ChiasmError(f"wanted precision 'float32' or 'float64', got {self.precision!r}.")
        dtype = np.dtype(self.precision)
        self._check({name: column.width for name, column in views.columns.items()})
        for part in views.chunks(self.chunk):
            rows: dict[str, tuple[np.ndarray, np.ndarray | None, np.ndarray]] = {}
            for name in views.columns:
                items, weights, ids = _items(part, name)
                if not len(ids):
                    continue
                if name not in self.shift_:
                    self.shift_[name] = items.mean(axis=0, dtype=np.float64)
                items = (items - self.shift_[name]).astype(dtype)  # in float64: an offset costs no digits
                rows[name] = (items, weights, ids)
                self._add_one(name, items, weights, sign)
            for a, b in combinations(sorted(rows), 2):
                self._add_pair(a, b, rows[a], rows[b], sign)
        return self

    def subtract(self, views: Views) -> Covariance:
        """Take rows out again that `add` put in."""
        return self.add(views, sign=-1)

    def merge(self, other: Covariance, sign: int = 1) -> Covariance:
        """Add another shard's moments; `sign=-1` takes them out. Returns self.

        Another shift is translated exactly: with x - s = (x - t) + u, the sum of (x - s)(y - r)' is P + p v' + u q' +
        n u v'. Raises a ChiasmError when a view has another width there.
        """
        self._check(other.widths)
        for name, shift in other.shift_.items():
            self.shift_.setdefault(name, shift)
        moved = {name: shift - self.shift_[name] for name, shift in other.shift_.items()}
        for name, (count, total, product) in other.alone_.items():
            gap = moved[name]
            product = _translated(count, total, total, product, gap, gap)
            _accumulate(self.alone_.setdefault(name, _zeros(product)), [count, total + count * gap, product], sign)
        for a, inner in other.pairs_.items():
            for b, (count, left, right, product) in inner.items():
                product = _translated(count, left, right, product, moved[a], moved[b])
                sums = [count, left + count * moved[a], right + count * moved[b], product]
                _accumulate(self.pairs_.setdefault(a, {}).setdefault(b, _zeros(product, pair=True)), sums, sign)
        return self

    def empty_like(self) -> Covariance:
        """No rows yet, the same columns, shift and precision."""
        fresh = Covariance(self.precision, self.chunk)
        fresh.shift_ = dict(self.shift_)
        return fresh

    @property
    def names(self) -> list[str]:
        """The views that had rows, in the order in which they came."""
        return list(self.shift_)

    @property
    def widths(self) -> dict[str, int]:
        """By view, its width d."""
        return {name: len(shift) for name, shift in self.shift_.items()}

    def count(self, a: str, b: str | None = None) -> int:
        """The number of ids that have view a, or both views."""
        sums = self.alone_.get(a) if b is None else self.pairs_.get(min(a, b), {}).get(max(a, b))
        return round(sums[0]) if sums else 0

    def mean(self, name: str) -> np.ndarray:
        """`(d,)` mean of a view, each id weighing 1."""
        count, total, _ = self._one(name)
        return self.shift_[name] + np.asarray(total) / count

    def auto(self, name: str) -> np.ndarray:
        """`(d, d)` covariance of a view (divided by the number of ids)."""
        count, total, product = self._one(name)
        center = np.asarray(total) / count
        return np.asarray(product) / count - np.outer(center, center)

    def cross(self, a: str, b: str) -> np.ndarray:
        """`(d_a, d_b)` covariance between two views over the ids that have both; zeros when there is no such id."""
        if a > b:
            return self.cross(b, a).T
        if not self.count(a, b):
            return np.zeros((len(self.shift_[a]), len(self.shift_[b])))
        count, left, right, product = self.pairs_[a][b]
        return np.asarray(product) / count - np.outer(np.asarray(left) / count, np.asarray(right) / count)

    def _one(self, name: str) -> list[Any]:
        if not self.count(name):
            raise ChiasmError(f"wanted rows that have view {name!r}, got none: it has no mean and no covariance.")
        return self.alone_[name]

    def _check(self, widths: dict[str, int]) -> None:
        check_narrow(widths)
        for name, width in widths.items():
            if width != self.widths.get(name, width):
                raise ChiasmError(
                    f"view {name!r} was {self.widths[name]} wide, got {width}: its encoder must stay the same."
                )

    def _add_one(self, name: str, items: np.ndarray, weights: np.ndarray | None, sign: int) -> None:
        if weights is not None:
            roots = np.sqrt(weights).astype(items.dtype)[:, None]
            count, total, items = round(weights.sum()), items.T @ weights, items * roots
        else:
            count, total = len(items), _sum(items)
        if not np.isfinite(total).all():
            raise ChiasmError(f"view {name!r} holds values that are not finite: leave such rows absent.")
        product = items.T @ items
        _accumulate(self.alone_.setdefault(name, _zeros(product)), [count, total, product], sign)

    def _add_pair(self, a: str, b: str, left: tuple, right: tuple, sign: int) -> None:
        (x, wx, ix), (y, wy, iy) = left, right
        if wx is not None or wy is not None or len(ix) != len(iy) or not np.array_equal(ix, iy):
            x, ix = _means(x, wx, ix)
            y, iy = _means(y, wy, iy)
            both, left_at, right_at = np.intersect1d(ix, iy, assume_unique=True, return_indices=True)
            x, y, ix = x[left_at], y[right_at], both
        if not len(ix):
            return
        product = x.T @ y
        sums = self.pairs_.setdefault(a, {}).setdefault(b, _zeros(product, pair=True))
        _accumulate(sums, [len(ix), _sum(x), _sum(y), product], sign)


def _items(part: Views, name: str) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """A chunk's distinct (id, item) rows `(m, d)`, their weights (None: all 1) and their id codes, ascending."""
    column = part.columns[name]
    mask = column.present
    ids, index = part.codes[mask], column.index[mask]
    if len(ids) and not np.all(ids[1:] > ids[:-1]):
        ids, index = np.unique(np.stack([ids, index], axis=1), axis=0).T
    items = np.asarray(column.items[index])
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


def _zeros(product: np.ndarray, pair: bool = False) -> list[Any]:
    """Sums of no rows: count, one sum of rows (two for a pair) and the sum of products."""
    left, right = product.shape
    return [0, *([np.zeros(left), np.zeros(right)] if pair else [np.zeros(left)]), np.zeros((left, right))]


def _translated(
    count: int, left: np.ndarray, right: np.ndarray, product: np.ndarray, gap_left: np.ndarray, gap_right: np.ndarray
) -> np.ndarray:
    """The sum of products of rows, each moved by its gap."""
    if not gap_left.any() and not gap_right.any():
        return product
    moved = left + count * gap_left
    out: np.ndarray = product + np.outer(moved, gap_right) + np.outer(gap_left, right)
    return out


def _accumulate(sums: list[Any], more: list[Any], sign: int) -> None:
    """Add (or subtract) a count and arrays, in place unless they came from a file."""
    sums[0] += sign * more[0]
    change = np.add if sign > 0 else np.subtract
    for i, value in enumerate(more[1:], 1):
        sums[i] = change(sums[i], value, out=sums[i] if sums[i].flags.writeable else None)
