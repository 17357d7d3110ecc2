"""Matching: which items of one view are right answers to the items of another, and how well a space finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.stats.ranking import ranks
from chiasm.views import Views, normalize

__all__ = ["check_pairs", "pairs", "recall_sum", "reciprocal_rank", "relevance"]


def pairs(views: Views, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of a present item of view a and one of view b that share an id.

    Returns (left, right, ids, weights), each `(p,)`: positions in `views[a].items` and `views[b].items`, id codes
    (ascending) and weights 1 / (pairs of that id), so that every id weighs 1.
    """
    (ida, ita), (idb, itb) = _items(views, a), _items(views, b)
    first, last = np.searchsorted(idb, ida, "left"), np.searchsorted(idb, ida, "right")
    count = last - first
    left, ids = np.repeat(ita, count), np.repeat(ida, count)
    offset = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    right = itb[np.repeat(first, count) + offset]
    weights = 1.0 / np.bincount(ids, minlength=1)[ids] if len(ids) else np.zeros(0)
    return left, right, ids, weights


def _items(views: Views, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The distinct (id code, item position) of a view, sorted."""
    column = views[name]
    mask = column.present
    found: np.ndarray = np.unique(np.stack([views.codes[mask], column.index[mask]], axis=1), axis=0)
    return found[:, 0], found[:, 1]


def recall_sum(views: Views, vectors: Mapping[str, np.ndarray], at: tuple[int, ...] = (1, 5, 10)) -> float:
    """Mean over ordered pairs of views of the mean R@k, 0..1.

    Args:
        vectors: by view, `(m, k)` for the view's used items in order.
    """
    return _mean(views, vectors, lambda rank: float(np.mean([np.mean(rank <= k) for k in at])))


def reciprocal_rank(views: Views, vectors: Mapping[str, np.ndarray]) -> float:
    """Mean over ordered pairs of views of the mean of 1 / rank, 0..1: what choosing maximizes.

    It still tells candidates apart where a handful of held-out things makes R@10 always 1.
    """
    return _mean(views, vectors, lambda rank: float(np.mean(1 / rank)))


def _mean(views: Views, vectors: Mapping[str, np.ndarray], measure: Callable[[np.ndarray], float]) -> float:
    scores = []
    unit = {name: normalize(values) for name, values in vectors.items()}
    for a, b in permutations(unit, 2):
        if found := relevance(views, a, b):
            queries, hits, starts = found
            scores.append(measure(ranks(unit[a][queries], unit[b], hits, starts)))
    return float(np.mean(scores)) if scores else 0.0


def relevance(views: Views, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Which used items of view b are right answers to each used item of view a: those that share an id with it.

    Returns (queries, hits, starts): positions among a's used items that have an answer, and for each its stretch of
    positions among b's used items; None when no id has both views.
    """
    left, right, _, _ = pairs(views, a, b)
    if not len(left):
        return None
    joined = np.stack([np.searchsorted(views[a].used, left), np.searchsorted(views[b].used, right)], axis=1)
    joined = np.unique(joined, axis=0)
    queries, starts = np.unique(joined[:, 0], return_index=True)
    return queries, joined[:, 1], starts


def check_pairs(views: Views, least: int = 2) -> None:
    """Raise a ChiasmError unless there are two views and enough ids that have both."""
    if len(views.columns) < 2:
        raise ChiasmError(
            f"wanted at least two views that pair up, got only {', '.join(views.names)}: name a second column. "
            "Aligning needs some hundred captioned examples; with none, search with a model of other data."
        )
    present = {name: np.unique(views.codes[views.present(name)]) for name in views.columns}
    for name, codes in present.items():
        if not len(codes):
            raise ChiasmError(f"view {name!r} is absent in every row: nothing to learn from it.")
    for name, codes in present.items():
        most = max(len(np.intersect1d(codes, other)) for view, other in present.items() if view != name)
        if most < least:
            things = "thing that has" if least == 1 else "things that have"
            raise ChiasmError(
                f"wanted at least {least} {things} {name!r} and another view, got {most}: pairs are what is "
                "learned from (some hundred are needed for a useful space)."
            )
        column = views[name]
        if len(column.used) < least:
            raise ChiasmError(f"view {name!r} holds one and the same item in every row: it cannot tell things apart.")
