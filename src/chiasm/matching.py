"""Matching: which items of one view are right answers to the items of another, and how well a space finds them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np

from chiasm.metrics import normalize, ranks
from chiasm.views import Views

__all__ = ["recall_sum", "relevance"]


def recall_sum(views: Views, vectors: Mapping[str, np.ndarray], at: tuple[int, ...] = (1, 5, 10)) -> float:
    """Mean over ordered pairs of views of the mean R@k: what validation maximizes, 0..1.

    Args:
        vectors: by view, `(m, k)` for the view's used items in order.
    """
    scores = []
    unit = {name: normalize(values) for name, values in vectors.items()}
    for a, b in permutations(unit, 2):
        found = relevance(views, a, b)
        if found is None:
            continue
        queries, hits, starts = found
        rank = ranks(unit[a][queries], unit[b], hits, starts)
        scores.append(np.mean([np.mean(rank <= k) for k in at]))
    return float(np.mean(scores)) if scores else 0.0


def relevance(views: Views, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Which used items of view b are right answers to each used item of view a: those that share an id with it.

    Returns (queries, hits, starts): positions among a's used items that have an answer, and for each its stretch of
    positions among b's used items; None when no id has both views.
    """
    pairs = []
    for name in (a, b):
        column = views[name]
        mask = column.present
        place = np.searchsorted(column.used, column.index[mask])
        pairs.append(np.unique(np.stack([views.codes[mask], place], axis=1), axis=0))
    (ida, ita), (idb, itb) = (p.T for p in pairs)
    first, last = np.searchsorted(idb, ida, "left"), np.searchsorted(idb, ida, "right")
    count = last - first
    if not count.sum():
        return None
    query = np.repeat(ita, count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    joined = np.unique(np.stack([query, itb[np.repeat(first, count) + offset]], axis=1), axis=0)
    queries, starts = np.unique(joined[:, 0], return_index=True)
    return queries, joined[:, 1], starts
