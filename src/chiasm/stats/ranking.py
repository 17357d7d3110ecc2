"""Scores: functions of arrays. Ranks of retrieval, recall, average precision, chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import gammaln

from chiasm.errors import ChiasmError

__all__ = ["Change", "average_precision", "chance_recall", "energy", "ranks", "recall_at"]

_BLOCK = 1024

Change = Callable[[slice, np.ndarray], np.ndarray]
"""Which queries, and their scores `(q, g)` -> the scores that count instead."""


def ranks(
    queries: np.ndarray, gallery: np.ndarray, hits: np.ndarray, starts: np.ndarray, change: Change | None = None
) -> np.ndarray:
    """The rank (1 = first) of the best-placed hit of each query by inner product, ties counted against it.

    Args:
        queries: `(q, d)`. gallery: `(g, d)`.
        hits: gallery positions that are right answers, one query after another.
        starts: `(q,)` where each query's stretch of `hits` starts; every query has at least one.
        change: what re-ranks.

    Returns `(q,)` integers 1..g. A space in which everything is equal ranks every query last, not first.
    """
    if len(starts) and (np.diff(np.append(starts, len(hits))) < 1).any():
        raise ChiasmError("wanted at least one hit a query.")
    out = np.empty(len(queries), dtype=np.int64)
    stops = np.append(starts[1:], len(hits))
    for block, scores in _scores(queries, gallery, change):
        first = starts[block.start]
        mine = hits[first : stops[block.stop - 1]]
        row = np.repeat(np.arange(block.stop - block.start), stops[block] - starts[block])
        held = scores[row, mine]
        best = np.maximum.reduceat(held, starts[block] - first)
        ahead = (~(scores < best[:, None])).sum(axis=1)  # not "less": NaN stands ahead too, never first
        right = np.add.reduceat((~(held < best[row])).astype(np.int64), starts[block] - first)
        out[block] = 1 + ahead - right
    return out


def recall_at(ranks: np.ndarray, k: int) -> float:
    """The share of queries whose best hit is among the first k.

    >>> recall_at(np.array([1, 3, 8]), 5)
    0.6666666666666666
    """
    return float(np.mean(ranks <= k))


def chance_recall(hits: np.ndarray, gallery: int, k: int) -> float:
    """Recall@k of a random order: mean over queries of 1 - C(g - h, k) / C(g, k), for `(q,)` numbers of hits h.

    >>> round(chance_recall(np.array([1, 1]), 400, 10), 4)
    0.025
    """
    hits, k = np.asarray(hits, dtype=np.float64), min(k, gallery)
    free = gallery - hits
    possible = free >= k
    free = np.where(possible, free, k)
    log = gammaln(free + 1) - gammaln(free - k + 1) + gammaln(gallery - k + 1) - gammaln(gallery + 1)
    return float(np.mean(np.where(possible, 1 - np.exp(log), 1.0)))


def energy(draws: Sequence[np.ndarray], truth: np.ndarray) -> float:
    """The energy score of m >= 2 draws `(n, d)` each for true vectors `(n, d)`: 0 is best, and no hedging pays.

    The mean over rows of E|X - y| - E|X - X'| / 2, X and X' two draws for a row. Source: Gneiting & Raftery 2007.

    >>> energy([np.zeros((1, 2)), np.zeros((1, 2))], np.array([[3.0, 4.0]]))
    5.0
    """
    off = np.mean([np.linalg.norm(draw - truth, axis=1) for draw in draws])
    apart = [np.linalg.norm(one - other, axis=1) for i, one in enumerate(draws) for other in draws[:i]]
    return float(off - np.mean(apart) / 2)


def average_precision(
    queries: np.ndarray,
    gallery: np.ndarray,
    query_labels: np.ndarray,
    gallery_labels: np.ndarray,
    top: int | None = None,
    change: Change | None = None,
) -> np.ndarray:
    """Average precision of each query `(q,)` when a gallery item of the same label is right (mAP is the mean).

    With `top` (mAP@50) only the first so many count: their precisions where a right one stands, over as many right ones
    as could stand there.

    Items of equal score are in no order: they count by the expectation over all orders of theirs, so that a space in
    which everything is equal has the expectation of a random order. NaN is last. A query whose label the gallery lacks
    gives NaN. Source of the closed form: McSherry & Najork 2008.

    >>> flat = np.ones((1, 1))
    >>> average_precision(flat, np.ones((2, 1)), np.array(["a"]), np.array(["a", "b"])).tolist()
    [0.75]
    """
    out = np.empty(len(queries))
    for block, scores in _scores(queries, gallery, change):
        scores = np.where(np.isnan(scores), -np.inf, scores)
        order = np.argsort(-scores, axis=1, kind="stable")
        right = gallery_labels[order] == query_labels[block][:, None]
        ranked = np.take_along_axis(scores, order, axis=1)
        out[block] = _expected_precision(right, ranked[:, 1:] != ranked[:, :-1], top)
    return out


def _expected_precision(right: np.ndarray, falls: np.ndarray, top: int | None) -> np.ndarray:
    """`(q,)` expected average precision of ranked items, `(q, g)` right or not; ties end where `falls` `(q, g - 1)`.

    With p items ahead of t tied ones, q of those and r of these right, the i-th of the tied is right with chance r / t,
    and then expects q + 1 + (i - 1) (r - 1) / (t - 1) right ones up to itself, of p + i.
    """
    g = right.shape[1]
    edge = np.ones((len(right), 1), dtype=bool)
    place = np.arange(g)
    first = np.maximum.accumulate(np.where(np.concatenate([edge, falls], axis=1), place, 0), axis=1)
    last = np.where(np.concatenate([falls, edge], axis=1), place, g)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    before = np.concatenate([np.zeros((len(right), 1)), np.cumsum(right, axis=1)], axis=1)
    ahead = np.take_along_axis(before, first, axis=1)
    tied, mine = last - first + 1, np.take_along_axis(before, last + 1, axis=1) - ahead
    above = (place - first) * (mine - 1) / np.maximum(tied - 1, 1)
    gained = mine / tied * (ahead + 1 + above) / (place + 1)
    count = before[:, -1] if top is None else np.minimum(before[:, -1], top)
    found: np.ndarray = np.where(count > 0, gained[:, :top].sum(axis=1) / np.maximum(count, 1), np.nan)
    return found


def _scores(queries: np.ndarray, gallery: np.ndarray, change: Change | None) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(queries)))
        scores = queries[block] @ gallery.T
        yield block, scores if change is None else change(block, scores)
