"""What the closed-form aligners share: choosing among candidates by retrieval on validation rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.covariance import Covariance
from chiasm.errors import ChiasmError
from chiasm.matching import recall_sum
from chiasm.trust import cut
from chiasm.views import Views, as_views

__all__ = ["Candidate", "Maps", "check_pairs", "choose", "fit_moments"]

log = logging.getLogger(__name__)

Candidate = Mapping[str, Any]
Maps = Mapping[str, Callable[[np.ndarray], np.ndarray]]

MOST_VALIDATION = 2000


def check_pairs(views: Views, least: int = 2) -> None:
    """Raise a ChiasmError unless there are two views and enough ids that have both."""
    if len(views.columns) < 2:
        raise ChiasmError(
            f"wanted at least two views that pair up, got only {', '.join(views.names)}: name a second column. "
            "Aligning needs some hundred captioned examples; with none, reuse an existing model (chiasm search --in)."
        )
    present = {name: np.unique(views.codes[views.present(name)]) for name in views.columns}
    for name, codes in present.items():
        if not len(codes):
            raise ChiasmError(f"view {name!r} is absent in every row: nothing to learn from it.")
    for name, codes in present.items():
        most = max(len(np.intersect1d(codes, other)) for view, other in present.items() if view != name)
        if most < least:
            raise ChiasmError(
                f"wanted at least {least} things that have {name!r} and another view, got {most}: pairs are what is "
                "learned from (some hundred are needed for a useful space)."
            )
        column = views[name]
        if len(column.used) < 2:
            raise ChiasmError(f"view {name!r} holds one and the same item in every row: it cannot tell things apart.")


def fit_moments(
    views: Views,
    val: Any,
    candidates: Sequence[Candidate],
    solve: Callable[[Covariance, Candidate], Maps],
    *,
    precision: str,
    seed: int,
) -> tuple[Covariance, dict[str, Any], list[dict[str, Any]]]:
    """The moments to learn from, the chosen candidate, and all candidates with their validation scores.

    A single candidate needs no choice. Without validation rows an eighth of the ids (at most 2,000) is set aside for
    the choice, and its rows are added to the moments afterwards.
    """
    check_pairs(views)
    if len(candidates) == 1:
        return Covariance(precision).add(views), dict(candidates[0]), []
    train, held = views, None if val is None else as_views(val)
    if held is not None and not _pairs(held):
        log.warning("the validation rows hold no pairs: choosing on an eighth of the training rows instead")
        held = None
    cut_here = held is None
    if held is None:
        share = min(1 / 8, MOST_VALIDATION / max(views.things, 1))
        names = cut(views, {"train": 1 - share, "val": share}, seed)
        train, held = views[names == "train"], views[names == "val"]
        check_pairs(train)
    moments = Covariance(precision).add(train)
    chosen, trials = choose(moments, held, solve, candidates)
    return (moments.add(held) if cut_here else moments), chosen, trials


def _pairs(views: Views) -> bool:
    """Whether any thing has two views."""
    codes = [np.unique(views.codes[views.present(name)]) for name in views.columns]
    return bool(len(codes)) and np.unique(np.concatenate(codes), return_counts=True)[1].max(initial=0) > 1


def choose(
    moments: Covariance, val: Views, solve: Callable[[Covariance, Candidate], Maps], candidates: Iterable[Candidate]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The candidate that retrieves best on `val` (first of equals), and the table of all with their scores."""
    table: list[dict[str, Any]] = []
    best: dict[str, Any] = {}
    rows = {name: column.items[column.used] for name, column in val.columns.items() if len(column.used)}
    for candidate in candidates:
        maps = solve(moments, candidate)
        score = recall_sum(val, {name: maps[name](values) for name, values in rows.items()})
        table.append({**candidate, "score": score})
        if not best or score > best["score"]:
            best = table[-1]
    log.info("chose %s among %d candidates on %d validation things", best, len(table), val.things)
    return {k: v for k, v in best.items() if k != "score"}, table
