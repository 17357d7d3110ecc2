"""How badly two views of a row fit each other, by what was learned without the row; wrong pairs among them or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.stats.dealing import deal, margins
from chiasm.views import Views, normalize

__all__ = ["LEAST", "Weights", "bank", "crossed", "disagreement", "key"]

LEAST = 20
"""Things with both views from which a disagreement is learned at all."""

MOST = 2000

Weights = dict[str, dict[str, Any]]
"""By pair of views ("a, b"): what each of four margins weighs, and their mean and spread."""


def key(a: str, b: str) -> str:
    """How a pair of views is called in what is learned and shown."""
    return f"{a}, {b}"


def crossed(
    views: Views, folds: np.ndarray, aligner: Callable[[], Any], seed: int
) -> tuple[dict[str, np.ndarray], Weights, dict[str, int]]:
    """By pair, `(n,)` each row's disagreement by what was learned without its fold (NaN where a view is absent).

    An aligner is learned from the other folds, a few wrong pairs among them or not: what 95 % of the pairs say, the
    others do not change much, and none speaks for itself. The held-out rows' margins (by how much the two items are
    nearer than known rivals) become one number by a logistic regression against the same rows dealt at random.

    Returns these, the weights learned from all folds, and by view the number of known items to compare with.

    Args:
        views: encoded rows. folds: `(n,)` integers. aligner: makes a new one.
    """
    pairs = [p for p in combinations(views.names, 2) if _things(views, p) >= LEAST]
    if not pairs:
        return {}, {}, {}
    names = [name for name in views.names if any(name in pair for pair in pairs)]
    views = _only(views, names)
    sizes = {
        name: min(MOST, *(len(views[name][folds != fold].used) for fold in np.unique(folds))) for name in views.names
    }
    right = {pair: np.full((len(views), 4), np.nan) for pair in pairs}
    wrong: dict[tuple[str, str], list[np.ndarray]] = {pair: [] for pair in pairs}
    places: dict[tuple[str, str], list[np.ndarray]] = {pair: [] for pair in pairs}
    for fold in np.unique(folds):
        learn, held = views[folds != fold], views[folds == fold]
        model = registry.fit(aligner(), learn)
        known, space = model.transform(learn), model.transform(held)
        banks = {name: bank(known, name, size, seed) for name, size in sizes.items()}
        for pair in pairs:
            two = _only(space, pair)
            right[pair][folds == fold] = margins(two, banks)
            dealt, kinds = deal(_only(held, pair), seed)
            dealt = model.transform(dealt[kinds == 1])
            if len(dealt):
                wrong[pair].append(margins(dealt, banks))
                places[pair].append(np.full(len(dealt), fold))
    found: dict[str, np.ndarray] = {}
    weights: Weights = {}
    for pair in pairs:
        if len(wrong[pair]) < 2:  # nothing could be dealt in all folds but one
            continue
        false, of = np.concatenate(wrong[pair]), np.concatenate(places[pair])
        out = np.full(len(views), np.nan)
        for fold in np.unique(folds):
            rows = (folds == fold) & ~np.isnan(right[pair]).any(axis=1)
            if rows.any():
                one = _logistic(right[pair][folds != fold], false[of != fold])
                out[rows] = _odds(one, right[pair][rows])
        found[key(*pair)] = out
        weights[key(*pair)] = _logistic(right[pair], false)
    return found, weights, sizes


def disagreement(space: Views, banks: Mapping[str, np.ndarray], weights: Weights) -> dict[str, np.ndarray]:
    """By pair, `(n,)` the log odds that a row's two items are of different things; NaN where one is absent."""
    found = {}
    for a, b in combinations(space.names, 2):
        if one := weights.get(key(a, b)):
            values = margins(_only(space, (a, b)), banks)
            out = np.full(len(space), np.nan)
            here = ~np.isnan(values).any(axis=1)
            out[here] = _odds(one, values[here])
            found[key(a, b)] = out
    return found


def bank(space: Views, name: str, size: int, seed: int) -> np.ndarray:
    """`(size, k)` known items of a view, of length 1, drawn at random."""
    used = space[name].used
    chosen = np.sort(np.random.default_rng(seed).permutation(used)[:size])
    return normalize(space[name].items[chosen])


def _things(views: Views, pair: tuple[str, str]) -> int:
    both = views.present(pair[0]) & views.present(pair[1])
    return len(np.unique(views.codes[both]))


def _only(views: Views, names: Any) -> Views:
    return views.replace({name: views.columns[name] for name in names})


def _logistic(right: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    """Mean, spread, weights and offset of the log odds of being wrong, at a base rate of one half."""
    from sklearn.linear_model import LogisticRegression

    right = right[~np.isnan(right).any(axis=1)]
    features = np.concatenate([right, wrong])
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    truth = np.arange(len(features)) >= len(right)
    model = LogisticRegression(max_iter=1000, class_weight="balanced").fit((features - mean) / spread, truth)
    return {"mean": mean, "spread": spread, "weights": model.coef_[0], "offset": float(model.intercept_[0])}


def _odds(one: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
    odds: np.ndarray = (values - one["mean"]) / one["spread"] @ one["weights"] + one["offset"]
    return odds
