"""The k nearest by a cheap first pass with a bound on its error: what it cannot rule out is compared exactly.

A block's vectors x are m + r, and r is kept as whole numbers R of 8 bits times a step s. Before that r and the query
are turned alike (`_Turn`): their product stays, and their coordinates become about equally large, so that the steps are
small. (As they come, some of a thousand are many times as large as the others.) For a query q, kept as Q times t,

    q . x  =  q . m  +  t s (Q . R)  +  what is lost,      |what is lost| <= |t Q| |r - s R| + |q - t Q| |r|

by Cauchy and Schwarz; Q . R is exact in integers. The k-th greatest lower bound of all is a score that k vectors reach,
so that every vector whose upper bound is below it is out, whatever the vectors are. The rest, some dozens, is compared
in double precision, which makes a score the same number in any company. Where the package for products of 8 bits is
missing, and for few queries, the first pass is a product in single precision with the bound of its rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

__all__ = ["BLOCK", "Coarse", "nearest", "rescored"]

BLOCK = 16_384
_SPREAD = 64
_PART = 256
"""Rows that are turned and rounded at a time: they stay in the processor's cache."""
_GROUP = 32
_QUERIES = 128
_AT_ONCE = 1 << 21
"""Scores that are looked at in one go."""
_RESCORED = 8_192
_WIDE = 16
"""A query of which more than one row in so many is left is looked for again by products."""

Pass = Callable[[np.ndarray], "Iterator[Scored]"]
"""Queries `(q, d)` -> the scores of one block after the other."""


class Scored(NamedTuple):
    """The rough scores of some blocks of b rows: the true one is `rough * weight + offset`, within `slack`."""

    start: int
    """The first row."""
    rough: np.ndarray
    """`(q, blocks, b)`, whole numbers or single precision; beyond the last row the least number that there is."""
    weight: np.ndarray
    """`(q, blocks)`."""
    offset: np.ndarray
    """`(q, 1)`."""
    slack: np.ndarray
    """`(q, blocks)`."""


class _Packed(NamedTuple):
    rows: int
    step: float
    lost: float
    """The greatest |r - s R|."""
    wide: float
    """The greatest |r|."""
    values: Any


class _Turn:
    """A fixed rotation that spreads every coordinate over 64: random signs, then Hadamard's matrix.

    Coordinates that follow each other go to different groups of 64, since the large ones often stand together.

    Args:
        width: coordinates that come in; the least multiple of 64 that holds them goes out.
    """

    def __init__(self, width: int):
        from scipy.linalg import hadamard

        self.groups = -(-width // _SPREAD)
        self.out = _SPREAD * self.groups
        self.signs = np.random.default_rng(0).choice(np.array([-1, 1], dtype=np.float32), width)
        self.matrix = hadamard(_SPREAD).astype(np.float32) / np.float32(_SPREAD**0.5)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """`(n, d)` -> `(n, 64 * groups)` of the same lengths and products."""
        padded = np.zeros((len(rows), self.out), dtype=np.float32)
        padded[:, : rows.shape[1]] = rows * self.signs
        parted = padded.reshape(len(rows), _SPREAD, self.groups).swapaxes(1, 2)
        turned: np.ndarray = (parted.reshape(-1, _SPREAD) @ self.matrix).reshape(len(rows), -1)
        return turned


class Coarse:
    """Unit vectors as whole numbers of 8 bits, block by block.

    `rows`: how many it covers, from the first on.

    Args:
        vectors: `(n, d)` float32.
    """

    def __init__(self, vectors: np.ndarray):
        self.center = np.asarray(vectors[:BLOCK], dtype=np.float64).mean(axis=0).astype(np.float32)
        self.turn = _Turn(vectors.shape[1])
        self.blocks: list[_Packed] = []
        self._take(vectors)

    @staticmethod
    def there() -> bool:
        """Whether the package that multiplies whole numbers is installed."""
        try:
            import numkong  # noqa: F401
        except ImportError:
            return False
        return True

    def grown(self, vectors: np.ndarray) -> Coarse:
        """One that covers what was appended since, too; what was there before has not changed."""
        more = copy(self)
        more._take(vectors)
        return more

    def _take(self, vectors: np.ndarray) -> None:
        import numkong

        blocks = [block for block in self.blocks if block.rows == BLOCK]
        held = np.empty((min(BLOCK, len(vectors)), self.turn.out), dtype=np.float32)
        for start in range(len(blocks) * BLOCK, len(vectors), BLOCK):
            some = vectors[start : start + BLOCK]
            rest, whole = held[: len(some)], np.empty((len(some), self.turn.out), dtype=np.int8)
            parts = [slice(at, at + _PART) for at in range(0, len(some), _PART)]
            top = wide = lost = 0.0
            for part in parts:
                rest[part] = turned = self.turn(np.asarray(some[part]) - self.center)
                top = max(top, float(np.abs(turned).max()))
                wide = max(wide, float(np.einsum("ij,ij->i", turned, turned).max()))
            step = max(top / 127, 1e-30)
            for part in parts:
                rounded = np.rint(rest[part] * np.float32(1 / step))
                whole[part] = rounded
                left = rest[part] - np.float32(step) * rounded
                lost = max(lost, float(np.einsum("ij,ij->i", left, left).max()))
            blocks.append(_Packed(len(some), step, lost**0.5, wide**0.5, numkong.dots_pack(whole)))
        self.blocks, self.rows = blocks, len(vectors)

    def __call__(self, queries: np.ndarray) -> Iterator[Scored]:
        """The scores of one block after the other."""
        import numkong

        turned = self.turn(queries)
        step = np.maximum(np.abs(turned).max(axis=1) / 127, np.float32(1e-30))
        whole = np.rint(turned / step[:, None]).astype(np.int8)
        kept = step[:, None] * whole
        lost, wide = np.linalg.norm(turned - kept, axis=1), np.linalg.norm(kept, axis=1)
        offset = (queries @ self.center)[:, None]
        several = max(1, _AT_ONCE // (len(queries) * BLOCK))
        for start in range(0, len(self.blocks), several):
            blocks = self.blocks[start : start + several]
            products = [np.asarray(numkong.dots_packed(whole, block.values)) for block in blocks]
            rough = products[0][:, None]
            if several > 1:
                rough = np.empty((len(queries), len(blocks), BLOCK), dtype=np.int32)
                rough[:, -1] = _lowest(rough.dtype)  # the last may be shorter
                for place, product in enumerate(products):
                    rough[:, place, : product.shape[1]] = product
            lost_, wide_, steps = (np.array([getattr(b, name) for b in blocks]) for name in ("lost", "wide", "step"))
            slack = 1.001 * (wide[:, None] * lost_ + lost[:, None] * wide_) + 2 * _rounding(queries.shape[1])
            yield Scored(start * BLOCK, rough, step[:, None] * steps, offset, slack)


def _products(vectors: np.ndarray, first: int = 0) -> Pass:
    def scored(queries: np.ndarray) -> Iterator[Scored]:
        ones, zeros = np.ones((len(queries), 1)), np.zeros((len(queries), 1))
        for start in range(first, len(vectors), BLOCK):
            block = np.asarray(vectors[start : start + BLOCK])
            rough = (block @ queries[0])[None] if len(queries) == 1 else queries @ block.T
            yield Scored(start, rough[:, None], ones, zeros, zeros + _rounding(queries.shape[1]))

    return scored


def _both(vectors: np.ndarray, coarse: Coarse) -> Pass:
    """Of what came after the whole numbers were made, products."""
    late = _products(vectors, coarse.rows)
    return lambda queries: chain(coarse(queries), late(queries))


def _lowest(kind: np.dtype) -> Any:
    """The least number of a type."""
    return np.iinfo(kind).min if kind.kind == "i" else -np.inf


def _rounding(width: int) -> float:
    """The most that a product of unit vectors of so many numbers is off in single precision, and some."""
    return float(width) * 2.0**-23


def nearest(
    vectors: np.ndarray, queries: np.ndarray, k: int, allowed: np.ndarray | None = None, coarse: Coarse | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows with the greatest products, of equal ones the first: rows `(q, k)` and scores `(q, k)`, falling.

    Args:
        vectors: `(n, d)` float32 of length 1 (or 0). queries: `(q, d)`, likewise. k: at most as many as are allowed.
        allowed: `(n,)` mask of the rows that may be found; None: all. coarse: of the vectors, or of the first
            of them, to be quicker.
    """
    rows = np.empty((len(queries), k), dtype=np.int64)
    scores = np.empty((len(queries), k), dtype=np.float32)
    scan: Pass = _products(vectors) if coarse is None else _both(vectors, coarse)
    for first in range(0, len(queries), _QUERIES):
        some = queries[first : first + _QUERIES]
        for place, found in enumerate(_candidates(scan, some, len(vectors), k, allowed), first):
            if coarse is not None and _WIDE * (len(found) - k) > len(vectors):
                # whole numbers do not tell these apart: products in single precision leave a few of them
                found = _candidates(_products(vectors), queries[place : place + 1], len(vectors), k, allowed)[0]
            values = rescored(vectors, found, queries[place])
            order = np.lexsort((found, -values))[:k]
            rows[place], scores[place] = found[order], values[order]
    return rows, scores


def rescored(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The products of some rows with a query, in double precision: the same number whatever the other rows are."""
    asked, values = query.astype(np.float64), np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _RESCORED):
        some = slice(start, start + _RESCORED)
        values[some] = np.asarray(vectors[rows[some]]).astype(np.float64) @ asked
    return values


def _candidates(scan: Pass, queries: np.ndarray, n: int, k: int, allowed: np.ndarray | None) -> list[np.ndarray]:
    """Of each query the rows, rising, that may be among its k nearest."""
    group = max(1, min(_GROUP, n // (4 * k)))
    reached = np.full((len(queries), k), -np.inf)  # the greatest lower bounds so far, of k rows
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for start, rough, weight, offset, slack in scan(queries):
        q, blocks, wide = rough.shape
        lowest = _lowest(rough.dtype)
        if allowed is not None:
            mask = np.zeros((blocks, wide), dtype=bool)
            some = allowed[start : start + blocks * wide]
            mask.ravel()[: len(some)] = some
            rough = np.where(mask, rough, lowest)
        if wide % group:
            rough = np.pad(rough, ((0, 0), (0, 0), (0, group - wide % group)), constant_values=lowest)
        parts = rough.reshape(q, blocks, -1, group)
        best = parts.max(axis=3)
        low = best * weight[..., None] + (offset - slack)[..., None]
        reached = _greatest(np.concatenate([reached, low.reshape(q, -1)], axis=1), k)
        needed = (reached.min(axis=1, keepdims=True) - offset - slack) / weight
        if rough.dtype.kind == "i":  # no row that is not allowed reaches it
            least = np.floor(np.maximum(needed, lowest + 2.0)).astype(rough.dtype)
        else:
            least = np.maximum(np.nextafter(needed.astype(rough.dtype), -np.inf), np.finfo(rough.dtype).min)
        query, block, part = np.nonzero(best >= least[..., None])
        place, within = np.nonzero(parts[query, block, part] >= least[query, block, None])
        query, block, column = query[place], block[place], part[place] * group + within
        upper = rough[query, block, column] * weight[query, block] + (offset + slack)[query, block]
        held.append((query, start + block * wide + column, upper))
    query, row, upper = (np.concatenate(parts) for parts in zip(*held, strict=True))
    stays = upper >= reached.min(axis=1)[query]
    query, row = query[stays], row[stays]
    order = np.argsort(query, kind="stable")
    edges = np.searchsorted(query[order], np.arange(1, len(queries)))
    return np.split(row[order], edges)


def _greatest(values: np.ndarray, k: int) -> np.ndarray:
    if values.shape[1] <= k:
        return values
    return np.partition(values, values.shape[1] - k, axis=1)[:, -k:]
