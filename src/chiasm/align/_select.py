"""What aligners share: choosing among candidates by retrieval on validation rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.splits import cut
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import check_pairs, reciprocal_rank
from chiasm.views import Views, as_views

__all__ = ["Candidate", "Map", "Maps", "chosen", "fit_moments", "folds", "views_each"]

log = logging.getLogger(__name__)

Candidate = Mapping[str, Any]
Maps = Mapping[str, Callable[[np.ndarray], np.ndarray]]
Map = Callable[[str, np.ndarray, int], np.ndarray]
"""Maps rows `(m, d)` of a view to `(m, k)`, for any k."""

MOST_HELD = 2000


def folds(views: Views, val: Any, seed: int) -> list[tuple[np.ndarray | None, Views]]:
    """What to choose on: (mask `(n,)` of the rows of `views` that are held out, the held rows) a fold.

    With validation rows that hold pairs: one fold, they are held and the mask is None. Without: few paired things are
    cut in five folds, so that every pair is held once; 500 and more in two folds of an eighth, 3,000 and more in one of
    at most 2,000. No id is cut, and rows whose id has no pair are held nowhere: there is nothing to score on them.
    """
    held = None if val is None else as_views(val)
    if held is not None and _pairs(held):
        return [(None, held)]
    if held is not None:
        log.warning("the validation rows hold no pairs: choosing on parts of the training rows instead")
    seen = views_each(views)
    paired = seen[views.codes] > 1
    things = int((seen > 1).sum())
    if things < 500:
        parts = dict.fromkeys("01234", 0.2)
    else:
        share = min(1 / 8, MOST_HELD / things)
        parts = {"0": share, "1": share, "": 1 - 2 * share} if things < 3000 else {"0": share, "": 1 - share}
    names = np.full(len(views), "", dtype=object)
    names[paired] = cut(views[paired], parts, seed)
    masks = [names == part for part in parts if part]
    return [(mask, views[mask]) for mask in masks if _pairs(views[mask]) and _learnable(views[~mask])]


def views_each(views: Views) -> np.ndarray:
    """`(things,)` how many views each id has, in the order of `views.codes`."""
    seen = np.zeros(views.things, int)
    for column in views.columns.values():
        seen[np.unique(views.codes[column.present])] += 1
    return seen


def fit_moments(
    views: Views,
    val: Any,
    candidates: Sequence[Candidate],
    solve: Callable[[Covariance, Candidate], Maps],
    *,
    precision: str,
    seed: int,
) -> tuple[Covariance, dict[str, Any], list[dict[str, Any]]]:
    """The moments of `views`, the chosen candidate, and all candidates with their mean score over `folds`.

    A single candidate needs no choice. The moments of a fold are added once and subtracted from the whole, so that
    choosing reads the rows once.
    """
    check_pairs(views)
    if len(candidates) == 1:
        return Covariance(precision).add(views), dict(candidates[0]), []
    cuts = folds(views, val, seed)
    rest = np.ones(len(views), bool)
    parts = []
    for mask, _ in cuts:
        if mask is not None:
            parts.append(Covariance(precision).add(views[mask]))
            rest &= ~mask
    moments = Covariance(precision).add(views[rest])
    for part in parts:
        moments.merge(part)
    table: list[dict[str, Any]] = [{**candidate, "score": 0.0} for candidate in candidates]
    for i, (_, held) in enumerate(cuts):
        train = moments.empty_like().merge(moments).merge(parts[i], sign=-1) if parts else moments
        rows = {name: column.items[column.used] for name, column in held.columns.items() if len(column.used)}
        for row, candidate in zip(table, candidates, strict=True):
            maps = solve(train, candidate)
            mapped = {name: maps[name](values) for name, values in rows.items()}
            row["score"] += reciprocal_rank(held, mapped) / len(cuts)
    best = max(table, key=lambda row: row["score"])  # the first of equals
    log.info("chose %s among %d candidates on %d folds", best, len(table), len(cuts))
    return moments, {k: v for k, v in best.items() if k != "score"}, table


def chosen(
    views: Views,
    val: Any,
    name: str,
    makers: Mapping[Any, Callable[[Views], Map]],
    widths: Sequence[int],
    seed: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The hyperparameter of this name and the k under which held-out items find each other best, and every trial.

    Args:
        makers: by value of the hyperparameter, what learns a map from views. widths: the candidates for k.
    """
    pairs = [(value, k) for value in makers for k in widths]
    if len(pairs) == 1:
        return {name: pairs[0][0], "k": pairs[0][1]}, []
    scores = np.zeros(len(pairs))
    cuts = folds(views, val, seed)
    for mask, held in cuts:
        maps = {value: make(views if mask is None else views[~mask]) for value, make in makers.items()}
        items = {view: np.asarray(column.items[column.used]) for view, column in held.columns.items()}
        for place, (value, k) in enumerate(pairs):
            scores[place] += reciprocal_rank(held, {view: maps[value](view, rows, k) for view, rows in items.items()})
    trials = [
        {name: value, "k": k, "score": float(score) / max(len(cuts), 1)}
        for (value, k), score in zip(pairs, scores, strict=True)
    ]
    value, k = pairs[int(scores.argmax())]
    return {name: value, "k": k}, trials


def _pairs(views: Views) -> bool:
    """Whether any thing has two views."""
    codes = [np.unique(views.codes[views.present(name)]) for name in views.columns]
    return bool(len(codes)) and np.unique(np.concatenate(codes), return_counts=True)[1].max(initial=0) > 1


def _learnable(views: Views) -> bool:
    try:
        check_pairs(views)
    except ChiasmError:
        return False
    return True
