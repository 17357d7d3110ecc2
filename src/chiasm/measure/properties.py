"""Three properties of a shared space: it forgets the modality, keeps the meaning, and serves several tasks unchanged.

Everything is measured on held-out rows; a probe learns from one half of their ids and is scored on the other half.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.measure.adaptability import classify, cluster, retrieve
from chiasm.measure.sample import NO_LABELS, Sample, balanced, fit_probe, half, sample
from chiasm.stats.ranking import average_precision
from chiasm.stats.resample import interval, paired
from chiasm.views import Views

__all__ = ["properties", "statistics_space"]

STATISTICS = {"text": "tfidf_text", "image": "pixel_image"}
"""By modality, the encoder that knows nothing but the statistics of characters or pixels."""

NEIGHBORS = 10
SHUFFLES = 100


def properties(space: Views, statistics: Views | None = None, *, seed: int = 0) -> dict[str, Any]:
    """Measure a fitted space on held-out rows: a table of plain values; `lines` prints it.

    `modality`: the accuracy of two classifiers that guess an item's view from its unit vector, as it is and after
    subtracting each view's mean: logistic regression, and the 10 nearest neighbors. 1 / views is best: nothing of the
    modality is left. Centering always brings logistic regression there, since equal means are all that a linear
    classifier can see; the neighbors also see views that lie around one mean in different ways. `gap`: the distance
    between the means of two views, beside its mean when the items' views are shuffled.

    `semantics`: class mAP from view to view (a gallery item of the query's label is right), beside the space of plain
    statistics on the same rows (`statistics_space`) and chance, the mean share of the query's class.

    `adaptability`: the same frozen vectors on three tasks. `retrieve`: mean R@1. `classify`: a logistic regression
    learned on one view and scored on each (from one to another: no label of the other view was seen), beside the
    majority class. `cluster`: k-means with as many clusters as classes: normalized mutual information, and accuracy
    after the best one-to-one naming, beside the means for shuffled labels.

    Args:
        space: rows in the shared space, columns `(m, k)` of one width; none that anything was fitted on.
        statistics: the same rows in the space of plain statistics, or None.
        seed: of the halves, folds, clusters and shuffles.

    Parts that cannot be measured are None, and `reasons` says why by the part's name. Every item weighs 1 within its
    view and every view the same; intervals resample ids. Raises a ChiasmError for fewer than 10 things, or for columns
    of different widths (vectors that were not mapped).

    Sources: Liang et al. 2022 (modality gap); Alain & Bengio 2016 (linear probes); Strehl & Ghosh 2002 (NMI).
    """
    items = sample(space)
    known = items.where(items.label >= 0)
    parts = {
        "modality": _modality(items, seed),
        "semantics": _semantics(known, statistics, seed),
        "retrieve": retrieve(space, seed),
        "classify": classify(known, seed),
        "cluster": cluster(known, seed),
    }
    found = {name: None if isinstance(part, str) else part for name, part in parts.items()}
    return {
        "task": "properties",
        "rows": len(space),
        "views": items.views,
        "seed": seed,
        "modality": found.pop("modality"),
        "semantics": found.pop("semantics"),
        "adaptability": found,
        "reasons": {name: part for name, part in parts.items() if isinstance(part, str)},
    }


def statistics_space(train: Views, held: Views, aligner: Any, *, val: Views | None = None) -> Views | None:
    """The held rows in a space of plain statistics: what pretrained features must beat to be called meaning.

    Character n-grams (tfidf_text) and pixel statistics (pixel_image), mapped by an aligner of the given one's class and
    parameters that is fitted on `train` (and `val`): the training rows of the model that it is compared with. All are
    raw views. None where a view is neither raw text nor raw images.
    """
    columns = train.columns.values()
    if any(hasattr(column.items, "shape") or column.modality not in STATISTICS for column in columns):
        return None
    encoding = Encoding({column.modality: STATISTICS[column.modality] for column in columns}).fit(train)
    fresh = type(aligner)(**copy.deepcopy(aligner.get_params(deep=False)))
    registry.fit(fresh, encoding.transform(train), val=None if val is None else encoding.transform(val))
    mapped: Views = fresh.transform(encoding.transform(held))
    return mapped


def _modality(items: Sample, seed: int) -> dict[str, Any] | str:
    from sklearn.neighbors import KNeighborsClassifier

    learn = half(items.thing, seed)
    parts = [items.view[learn], items.view[~learn]]
    if len(items.views) < 2 or any(np.bincount(p, minlength=len(items.views)).min() < 2 for p in parts):
        return "fewer than two views have two items in each half of the rows"
    centered = items.vectors.copy()
    for view in range(len(items.views)):
        mine = items.view == view
        centered[mine] -= items.vectors[mine & learn].mean(axis=0)
    found: dict[str, Any] = {"best": 1 / len(items.views), "k": min(NEIGHBORS, int(learn.sum()))}
    for name, vectors in (("plain", items.vectors), ("centered", centered)):
        mine, held = vectors[learn], vectors[~learn]
        linear = fit_probe(mine, items.view[learn], items.thing[learn], "balanced", seed)
        near = KNeighborsClassifier(found["k"]).fit(mine, items.view[learn])
        hits = {kind: m.predict(held) == items.view[~learn] for kind, m in (("linear", linear), ("neighbors", near))}
        found[name] = {k: balanced(hit, items.view[~learn], items.thing[~learn], seed) for k, hit in hits.items()}
    found["gap"] = [_gap(items, a, b, seed) for a, b in combinations(range(len(items.views)), 2)]
    return found


def _gap(items: Sample, a: int, b: int, seed: int) -> dict[str, Any]:
    both = items.where((items.view == a) | (items.view == b))
    mine = np.where(both.view == a, 1 / (both.view == a).sum(), -1 / (both.view == b).sum())
    shuffled = np.random.default_rng(seed).permuted(np.tile(mine, (SHUFFLES, 1)), axis=1)
    return {
        "views": [items.views[a], items.views[b]],
        "distance": round(float(np.linalg.norm(mine @ both.vectors)), 6),
        "shuffled": round(float(np.linalg.norm(shuffled @ both.vectors, axis=1).mean()), 6),
    }


def _semantics(known: Sample, statistics: Views | None, seed: int) -> dict[str, Any] | str:
    if not len(known.row):
        return NO_LABELS
    ours = _queries(known)
    if not ours:
        return "no class has items of two views"
    theirs: dict[tuple[str, str], _Queries] = {}
    if statistics is not None:
        plain = sample(statistics)
        theirs = _queries(plain.where(plain.label >= 0))
    directions = []
    for (a, b), mine in ours.items():
        direction = {"from": a, "to": b, "mAP": _map([mine], seed), "statistics": None, "difference": None}
        if (a, b) in theirs:
            other = theirs[a, b]
            _, left, right = np.intersect1d(mine.row, other.row, return_indices=True)
            difference = paired(mine.precision[left], other.precision[right], mine.thing[left], seed=seed)
            direction |= {"statistics": _map([other], seed), "difference": interval(*difference)}
        directions.append({**direction, "chance": round(mine.chance, 6)})
    return {
        "mAP": _map(list(ours.values()), seed),
        "statistics": _map(list(theirs.values()), seed) if theirs else None,
        "chance": round(float(np.mean([mine.chance for mine in ours.values()])), 6),
        "directions": directions,
    }


@dataclass(frozen=True)
class _Queries:
    """The labeled queries of one direction whose class the gallery has."""

    precision: np.ndarray
    thing: np.ndarray
    row: np.ndarray
    chance: float
    """The mean share of the query's class in the gallery."""


def _queries(known: Sample) -> dict[tuple[str, str], _Queries]:
    found = {}
    for a, b in permutations(range(len(known.views)), 2):
        queries, gallery = known.of(a), known.of(b)
        if not len(gallery.row):
            continue
        precision = average_precision(queries.vectors, gallery.vectors, queries.label, gallery.label)
        queries, precision = queries.where(~np.isnan(precision)), precision[~np.isnan(precision)]
        if len(precision):
            share = np.bincount(gallery.label, minlength=int(known.label.max()) + 1) / len(gallery.label)
            chance = float(share[queries.label].mean())
            found[known.views[a], known.views[b]] = _Queries(precision, queries.thing, queries.row, chance)
    return found


def _map(directions: list[_Queries], seed: int) -> dict[str, float]:
    """Mean average precision, every direction weighing the same."""
    group = np.repeat(np.arange(len(directions)), [len(d.row) for d in directions])
    precision, thing = (np.concatenate([getattr(d, name) for d in directions]) for name in ("precision", "thing"))
    return balanced(precision, group, thing, seed)
