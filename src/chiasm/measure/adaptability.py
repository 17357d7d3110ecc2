"""The same frozen space on three tasks: retrieve, classify with a linear probe, cluster."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from chiasm.measure.sample import NO_LABELS, Sample, balanced, fit_probe, half, learnable
from chiasm.stats.ranking import chance_recall, ranks
from chiasm.stats.relevance import relevance
from chiasm.views import Views, normalize

__all__ = ["classify", "cluster", "retrieve"]

SHUFFLES = 100


def retrieve(space: Views, seed: int) -> dict[str, Any] | str:
    """Mean R@1 over the ordered pairs of views beside chance; or why it is not measured."""
    units = {name: normalize(np.asarray(column.items[column.used])) for name, column in space.columns.items()}
    hits: list[np.ndarray] = []
    groups, things, chances = [], [], []
    for a, b in permutations(space.columns, 2):
        found = relevance(space, a, b)
        if found is None:
            continue
        queries, answers, starts = found
        hits.append(ranks(units[a][queries], units[b], answers, starts) <= 1)
        groups.append(np.full(len(queries), len(hits)))
        things.append(space.codes[space[a].first_rows][queries])
        chances.append(chance_recall(np.diff(np.append(starts, len(answers))), len(units[b]), 1))
    if not hits:
        return "no thing has two views"
    recall = balanced(np.concatenate(hits), np.concatenate(groups), np.concatenate(things), seed)
    return {"R@1": recall, "chance": round(float(np.mean(chances)), 6)}


def classify(known: Sample, seed: int) -> dict[str, Any] | str:
    """A linear probe learned on each view of one half of the things, scored on each view of the other half.

    Macro F1 is the mean over the classes that the scored rows have.
    """
    from sklearn.metrics import f1_score

    if not len(known.row):
        return NO_LABELS
    learn = half(known.thing, seed)
    classes = np.unique(known.label)
    directions = []
    for a, name in enumerate(known.views):
        mine = known.where(learn).of(a)
        if not learnable(mine.label, mine.thing):
            continue
        probe = fit_probe(mine.vectors, mine.label, mine.thing, None, seed)
        for b, other in enumerate(known.views):
            held = known.where(~learn).of(b)
            if not len(held.row):
                continue
            guess = probe.predict(held.vectors)
            macro = {"labels": np.unique(held.label), "average": "macro", "zero_division": 0}
            common = np.full(len(guess), np.bincount(mine.label).argmax())
            directions.append(
                {
                    "from": name,
                    "to": other,
                    "C": probe.best_params_["C"],
                    "accuracy": balanced(guess == held.label, np.zeros(len(guess)), held.thing, seed),
                    "macro_f1": round(float(f1_score(held.label, guess, **macro)), 6),
                    "majority": round(float((common == held.label).mean()), 6),
                    "majority_f1": round(float(f1_score(held.label, common, **macro)), 6),
                }
            )
    if not directions:
        return "fewer than two classes have two things in the half that is learned from"
    return {"classes": len(classes), "directions": directions}


def cluster(known: Sample, seed: int) -> dict[str, Any] | str:
    """K-means with as many clusters as classes, on each view and on all together, beside shuffled labels."""
    from sklearn.cluster import KMeans

    if not len(known.row):
        return NO_LABELS
    if not learnable(known.label, known.thing):
        return "fewer than two classes have two things"
    rng = np.random.default_rng(seed)
    groups = [*((name, known.of(view)) for view, name in enumerate(known.views)), ("all views", known)]
    tables = []
    for name, items in groups:
        k = len(np.unique(items.label))
        if k < 2 or len(np.unique(items.vectors, axis=0)) < k:
            continue
        found = KMeans(k, n_init=10, random_state=seed).fit_predict(items.vectors)
        counts = _counts(found, items.label)
        hits = _names(counts)[found] == items.label
        _, first, thing = np.unique(items.thing, return_index=True, return_inverse=True)
        chance = []
        for _ in range(SHUFFLES):
            shuffled = _counts(found, rng.permutation(items.label[first])[thing])
            chance.append((_nmi(shuffled), shuffled[np.arange(len(shuffled)), _names(shuffled)].sum() / len(found)))
        by_nmi, by_accuracy = np.mean(chance, axis=0)
        tables.append(
            {
                "views": name,
                "NMI": round(_nmi(counts), 6),
                "shuffled_NMI": round(float(by_nmi), 6),
                "accuracy": balanced(hits, np.zeros(len(hits)), items.thing, seed),
                "shuffled_accuracy": round(float(by_accuracy), 6),
            }
        )
    return {"classes": len(np.unique(known.label)), "tables": tables}


def _counts(cluster: np.ndarray, label: np.ndarray) -> np.ndarray:
    """How many items of each class `(clusters, classes)` a cluster holds."""
    counts = np.zeros((cluster.max() + 1, label.max() + 1))
    np.add.at(counts, (cluster, label), 1)
    return counts


def _names(counts: np.ndarray) -> np.ndarray:
    """`(clusters,)` the class that names each cluster, one to one, for the most right items (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    return np.asarray(linear_sum_assignment(counts, maximize=True)[1])


def _nmi(counts: np.ndarray) -> float:
    """Mutual information of cluster and class over the mean of their entropies, 0..1."""
    joint = counts / counts.sum()
    own = [joint.sum(axis=axis) for axis in (0, 1)]
    entropies = [_entropy(share) for share in (*own, joint.ravel())]
    mean = (entropies[0] + entropies[1]) / 2
    return float((2 * mean - entropies[2]) / mean) if mean > 0 else 0.0


def _entropy(share: np.ndarray) -> float:
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())
