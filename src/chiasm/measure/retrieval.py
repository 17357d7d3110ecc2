"""The scores of retrieval in a space, for every ordered pair of views: intervals, chance, a baseline's space beside."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from chiasm.stats.clusters import tail
from chiasm.stats.ranking import Change, average_precision, chance_recall, ranks
from chiasm.stats.relevance import relevance
from chiasm.stats.resample import bootstrap, interval, paired
from chiasm.views import Views, normalize

__all__ = ["directions"]

AT = (1, 5, 10)

Units = dict[str, np.ndarray]
Second = Callable[[str, str, np.ndarray], Change]


def directions(
    encoded: Views, space: Views, baseline: Views | None, seed: int, second: Second | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Score `space` (these rows in the shared space) and the baseline's: a table a direction, and a row a query.

    A gallery holds each distinct item of the rows once; a hit is any item of the query's id.

    Args:
        second: (view that asks, view that answers, positions of queries among its used items) -> what re-ranks.
    """
    ours = _units(space)
    theirs = None if baseline is None else _units(baseline)
    tables, rows = [], []
    for a, b in permutations(encoded.columns, 2):
        answers = relevance(encoded, a, b)
        if answers is None:
            continue
        change = None if second is None else second(a, b, answers[0])
        table, ranked = _direction(encoded, ours, theirs, a, b, answers, seed, change)
        tables.append(table)
        rows.extend(ranked)
    return tables, rows


def _units(space: Views) -> Units:
    return {name: normalize(column.items[column.used]) for name, column in space.columns.items()}


def _direction(
    encoded: Views,
    ours: Units,
    theirs: Units | None,
    a: str,
    b: str,
    answers: tuple[np.ndarray, ...],
    seed: int,
    change: Change | None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    queries, hits, starts = answers
    counts = np.diff(np.append(starts, len(hits)))
    gallery = len(ours[b])
    first = {name: encoded[name].first_rows for name in (a, b)}
    clusters = encoded.codes[first[a][queries]]
    rank = ranks(ours[a][queries], ours[b], hits, starts, change)
    precision = np.full(len(queries), np.nan)
    if encoded.label is not None:
        labels = {name: encoded.label[first[name]] for name in (a, b)}
        precision = average_precision(ours[a][queries], ours[b], labels[a][queries], labels[b], change=change)
    columns = [rank <= k for k in AT] + [precision]
    center, low, high = bootstrap(np.stack(columns, axis=1), clusters, seed=seed)
    direction: dict[str, Any] = {
        "from": a,
        "to": b,
        "from_modality": encoded[a].modality,
        "to_modality": encoded[b].modality,
        "queries": len(queries),
        "gallery": gallery,
    }
    for i, k in enumerate(AT):
        direction[f"R@{k}"] = interval(center[i], low[i], high[i]) if k <= gallery else None
    direction["median_rank"] = _median_rank(rank, clusters, seed)
    direction["mAP"] = None if np.isnan(center[3]) else interval(center[3], low[3], high[3])
    direction["chance"] = {f"R@{k}": round(chance_recall(counts, gallery, k), 6) for k in AT if k <= gallery}
    direction["baseline"] = None
    if theirs is not None:
        other = ranks(theirs[a][queries], theirs[b], hits, starts)
        direction["baseline"] = {
            "name": "ridge regression",
            **{f"R@{k}": round(float(np.mean(other <= k)), 6) for k in AT if k <= gallery},
            "difference": {"R@1": interval(*paired(rank <= 1, other <= 1, clusters, seed=seed))},
        }
    column = encoded[a]
    rows = [
        {"from": a, "to": b, "query": column.label(p), "id": str(encoded.ids[r]), "rank": int(n), "answers": int(c)}
        for p, r, n, c in zip(column.used[queries].tolist(), first[a][queries], rank, counts, strict=True)
    ]
    return direction, rows


def _median_rank(rank: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, float]:
    """Median rank with its 95 % interval, resampling ids."""
    code = np.unique(clusters, return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    groups = np.split(rank[order], np.flatnonzero(np.diff(code[order])) + 1)
    rng = np.random.default_rng(seed)
    single = len(groups) == len(rank)
    medians = []
    for _ in range(400):
        drawn = rng.integers(len(groups), size=len(groups))
        medians.append(np.median(rank[order][drawn] if single else np.concatenate([groups[g] for g in drawn])))
    out = tail(code)
    low, high = np.quantile(medians, [out, 1 - out], method="nearest")
    return interval(float(np.median(rank)), low, high, 2)
