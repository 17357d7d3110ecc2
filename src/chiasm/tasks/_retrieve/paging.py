"""The hits that are told: a page of the ranking, or of those that are accepted in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.tasks._retrieve.hits import Hit

__all__ = ["Order", "checked_skip", "page", "read_order"]

_FIRST = 64

Rows = list[list[Hit]]


class Order(NamedTuple):
    """How accepted hits are sorted."""

    column: str
    falling: bool
    among: int | None
    """The most that are accepted, the best ones; None: as many as score enough."""


def read_order(sort: str | None, among: int | None, reject: float | None) -> Order | None:
    """`"-date"`: by date, the latest first. None where nothing is to be sorted.

    Raises a ChiasmError where it is not said what is accepted, and for a number that is none.
    """
    if among is not None and (isinstance(among, bool) or not isinstance(among, int | np.integer) or among < 1):
        raise ChiasmError(f"wanted among of at least 1, got {among!r}.")
    if sort is None:
        if among is not None:
            raise ChiasmError("wanted sort together with among, which says how many of the best are sorted.")
        return None
    column = str(sort).removeprefix("-").strip()
    if not isinstance(sort, str) or not column:
        raise ChiasmError(f"wanted the name of a column to sort by, such as date or -date, got {sort!r}.")
    if among is None and reject is None:
        raise ChiasmError(
            f"wanted to know what is accepted before it is sorted by {column}: reject=0.1, what does match, or "
            "among=50, the best fifty."
        )
    return Order(column, sort.startswith("-"), among)


def checked_skip(skip: Any) -> int:
    """How many hits are passed over; a ChiasmError for what is no whole number of at least 0."""
    if not isinstance(skip, int | np.integer) or isinstance(skip, bool) or skip < 0:
        raise ChiasmError(f"wanted skip of at least 0, got {skip!r}.")
    return int(skip)


def page(
    gallery: Any,
    vectors: np.ndarray,
    k: int,
    skip: int = 0,
    order: Order | None = None,
    least: np.ndarray | None = None,
) -> Rows:
    """k hits of each query `(q, d)` beyond the first `skip`, by rank, or in an order among those that are accepted.

    Pages of one k never share a hit and leave none out, whatever the index: where it may miss some, what a page holds
    is decided by the pages before it.

    Args:
        gallery: has `best(vectors, k)`, an `index`, and, for an order, `values(hits, column)`. least: `(q,)` the scores
            from which on hits are accepted.
    """
    if order is not None:
        if order.among is None and least is not None and np.isneginf(least).any():
            raise ChiasmError(
                "wanted enough validation rows to know what is accepted (45 ids at reject=0.1), got fewer: sort the "
                "best ones, among=50."
            )
        return [
            _sorted(gallery, hits, order)[skip : skip + k] for hits in _accepted(gallery, vectors, order.among, least)
        ]
    if not skip:
        found: Rows = gallery.best(vectors, k)
        return found
    if getattr(gallery.index, "is_exact", False):
        return [row[skip:] for row in gallery.best(vectors, skip + k)]
    before: Rows = [[] for _ in vectors]
    for wide in [*range(k, skip + k, k), skip + k]:
        for held, row in zip(before, gallery.best(vectors, wide), strict=True):
            there = {_key(hit) for hit in held}
            held += [hit for hit in row if _key(hit) not in there][: wide - len(held)]
    return [row[skip:] for row in before]


def _accepted(gallery: Any, vectors: np.ndarray, among: int | None, least: np.ndarray | None) -> Rows:
    """The best hits of each query `(q, d)`: at most `among`, and of those that score enough.

    All queries are asked together each time: a gallery may know more of each of them than its vector.
    """
    wide = min(among or _FIRST, _FIRST)
    while True:
        rows: Rows = gallery.best(vectors, wide)
        ends = np.full(len(rows), -np.inf) if least is None else least
        enough = [[hit for hit in row if hit["score"] >= end] for row, end in zip(rows, ends.tolist(), strict=True)]
        if wide == among or all(
            len(row) < wide or len(some) < len(row) for row, some in zip(rows, enough, strict=True)
        ):
            return enough
        wide = min(4 * wide, among or 4 * wide)


def _sorted(gallery: Any, hits: list[Hit], order: Order) -> list[Hit]:
    """By a column; of equal ones the better first, those of which nothing is known last."""
    values: Sequence[Any] = gallery.values(hits, order.column)
    known = [(value, i) for i, value in enumerate(values) if value is not None]
    ranked = sorted(known, key=lambda pair: pair[0], reverse=order.falling)  # stable either way
    return [hits[i] for _, i in ranked] + [hit for hit, value in zip(hits, values, strict=True) if value is None]


def _key(hit: Hit) -> tuple[Any, ...]:
    return hit["item"], hit["id"], hit.get("start")
