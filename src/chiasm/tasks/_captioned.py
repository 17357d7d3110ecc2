"""Whether things are found by what is said of them, judged by an aligner that learned from other things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.errors import ChiasmError
from chiasm.stats.ranking import ranks
from chiasm.stats.resample import Draws, interval_of
from chiasm.views import ABSENT, Column, Views, normalize

__all__ = ["consistency"]

FOLDS = 5
LEAST = 60
"""Things with which an aligner can be judged by."""


def consistency(whole: Views, spoken: Mapping[str, np.ndarray], clusters: np.ndarray, *, seed: int) -> dict[str, Any]:
    """By who speaks the share of things whose own is first, and among ten, of those of its fold (R@1, R@10).

    In five folds that cut no cluster an aligner (`auto`) learns from what people say of the things of the other folds;
    by it each of the fold's captions is searched among the fold's things. So nothing that it judges by was learned from
    the captions judged, nor from the captioner's training rows.

    Args:
        whole: encoded things, a row each; the first view is searched. spoken: vectors `(n, d)`, that of "people" first.
    """
    view = whole.names[0]
    there = np.flatnonzero(whole.present(view))
    if len(there) < LEAST:
        return {"skipped": f"{len(there)} things have {view}: an aligner to judge by wants {LEAST}"}
    codes = np.unique(clusters, return_inverse=True)[1]
    fold = (np.random.default_rng(seed).permutation(codes.max() + 1) % FOLDS)[codes]
    rank = {name: np.full(len(whole), np.nan) for name in spoken}
    for number in range(FOLDS):
        learn, held = there[fold[there] != number], there[fold[there] == number]
        if not len(held):
            continue
        try:
            pairs = _paired(whole, view, spoken["people"], learn)
            aligner = registry.fit(registry.make("align", "auto", seed=seed), pairs)
        except ChiasmError as error:
            return {"skipped": f"no aligner to judge by can be learned: {error}"}
        for name, vectors in spoken.items():
            space = aligner.transform(_paired(whole, view, vectors, held))
            said, seen = (normalize(np.asarray(space[one].items)) for one in ("said", "seen"))
            rank[name][held] = ranks(said, seen, np.arange(len(held)), np.arange(len(held)))
    draws = Draws(clusters[there], seed=seed)
    found: dict[str, Any] = {"view": view, "among": round(len(there) / FOLDS)}
    for name, one in rank.items():
        found[name] = {f"R@{k}": interval_of(*draws.mean(1.0 * (one[there] <= k))) for k in (1, 10)}
    return found


def _paired(whole: Views, view: str, said: np.ndarray, rows: np.ndarray) -> Views:
    """What is said beside what is seen."""
    column = whole[view]
    seen = np.asarray(column.take(column.index[rows]), dtype=np.float32)
    index = np.arange(len(rows))
    silent = np.where(np.any(said[rows] != 0, axis=1), index, ABSENT)
    return Views({"said": Column("vector", said[rows], silent), "seen": Column("vector", seen, index)})
