"""What `auto` is chosen on: held-out pairs among further candidates, and how likely they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

from chiasm.align._aligner import Aligner, centered
from chiasm.align._bridge import bridged, made
from chiasm.align._canonical import canonical
from chiasm.align._moments import means_by_id
from chiasm.align._select import views_each
from chiasm.graph import Symbol
from chiasm.known import KnownPairs
from chiasm.scale import one_thread
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import relevance
from chiasm.views import Views, normalize

__all__ = [
    "Fold",
    "Maps",
    "Sims",
    "anchored",
    "canonical_maps",
    "few",
    "likeliest",
    "likeness",
    "mixed",
    "principal",
    "shown",
    "trace_likeness",
    "unlikely",
]

RANK = 512

FURTHER = 2000
"""The most training items among which held-out ones are looked for, where a bridge is weighed."""

Pair = tuple[str, str]

Right = tuple[np.ndarray, np.ndarray]

Sims = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
"""For each ordered pair of views of a fold: similarities `(queries, items)`, the right items, where they start."""

Maps = dict[str, tuple[np.ndarray, np.ndarray]]
"""By view, a mean `(d,)` and weights `(d, k)`."""


class Fold:
    """Rows to learn from and rows held out: how near the held-out items of each ordered pair of views are."""

    def __init__(self, train: Views, some: Views, held: Views, widths: Mapping[str, int]):
        self.widths, self.train = widths, train
        self.items = {n: np.asarray(c.items[c.used]) for n, c in held.columns.items() if len(c.used)}
        self.moments = Covariance("float32").add(train)
        self.means = {name: self.moments.mean(name) for name in self.items}
        self.anchors = anchored(some, self.means)
        chosen = [(a, b) for a, b in permutations(self.items, 2) if len(self.items[b]) > 1]  # one item is no choice
        pairs = {(a, b): relevance(held, a, b) for a, b in chosen}
        self.answers = {pair: found for pair, found in pairs.items() if found}

    def linear(self, ridge: Mapping[str, float]) -> Iterator[tuple[Pair, np.ndarray, Right]]:
        """Each pair of views, its similarities `(queries, items)` in canonical directions, and what is right."""
        maps = canonical_maps(self.moments, ridge, self.widths)
        unit = {n: normalize(centered(rows, maps[n][0]) @ maps[n][1]) for n, rows in self.items.items()}
        for (a, b), (queries, hits, starts) in self.answers.items():
            yield (a, b), unit[a][queries] @ unit[b].T, (hits, starts)

    def local(self, power: float) -> dict[Pair, np.ndarray]:
        """By pair of views, the similarities by likeness to anchors."""
        near = {
            n: likeness(normalize(centered(rows, self.means[n])), self.anchors[n], power)
            for n, rows in self.items.items()
        }
        return {(a, b): near[a][queries] @ near[b].T for (a, b), (queries, *_) in self.answers.items()}

    def chosen(
        self, ridge: Mapping[str, float], share: float, power: float
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Each pair of views: similarities by canonical directions and anchors, and what is right."""
        near = self.local(power) if share else {}
        return [
            ((far + share * near[pair]) / (1 + share) if share else far, *right)
            for pair, far, right in self.linear(ridge)
        ]

    def mapped(self, aligner: Aligner, held: Views) -> list[np.ndarray]:
        """Each pair of views: the cosines under an aligner. held: the same rows in the coordinates that it reads."""
        unit = {name: normalize(column.items) for name, column in aligner.transform(held).columns.items()}
        unit = {name: rows[held[name].used] for name, rows in unit.items()}
        return [unit[a][queries] @ unit[b].T for (a, b), (queries, *_) in self.answers.items()]

    def beside(
        self,
        ridge: Mapping[str, float],
        share: float,
        power: float,
        known: KnownPairs,
        train: Views,
        held: Views,
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Each pair of views: similarities as chosen and those of the bridges, among training items too; what is right.

        Args:
            train, held: the same rows in the coordinates that bridges read; bridges know the training items alone.
        """
        bridges = made(known, train)
        maps = canonical_maps(self.moments, ridge, self.widths)
        rng = np.random.default_rng(0)
        own, over = {}, {}
        for name, items in self.items.items():
            more = rng.permutation(len(train[name].used))[:FURTHER]
            rows = np.concatenate([items, _at(self.train, name, more)])
            plain = np.concatenate([np.asarray(held[name].items[held[name].used]), _at(train, name, more)])
            own[name] = normalize(centered(rows, maps[name][0]) @ maps[name][1])
            if share:
                close = likeness(normalize(centered(rows, self.means[name])), self.anchors[name], power)
                own[name] = np.concatenate([own[name], np.sqrt(share) * close], axis=1) / np.sqrt(1 + share)
            over[name] = bridged(bridges, name, plain)
        for (a, b), (queries, hits, starts) in self.answers.items():
            yield own[a][queries] @ own[b].T, over[a][queries] @ over[b].T, hits, starts


def _at(views: Views, name: str, places: np.ndarray) -> np.ndarray:
    column = views[name]
    return np.asarray(column.items[column.used[places]])


def canonical_maps(moments: Covariance, ridge: Mapping[str, float], widths: Mapping[str, int]) -> Maps:
    """Canonical directions, each scaled by its correlation."""
    with one_thread():
        weights, correlations = canonical(moments, ridge, widths)
    return {name: (moments.mean(name), matrix * correlations) for name, matrix in weights.items()}


def few(views: Views, least: int, most: int, seed: int) -> Views:
    """The rows of at most `most` ids, drawn at random among those that have `least` views or more."""
    able = np.flatnonzero(views_each(views) >= least)
    kept = able if len(able) <= most else np.random.default_rng(seed).permutation(able)[:most]
    few: Views = views[np.isin(views.codes, kept)]
    return few


def anchored(views: Views, means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The things that have every view, by view `(n, d)`, centered and of length 1; none when they are not ten."""
    found = {name: means_by_id(views, name) for name in means}
    whole = np.logical_and.reduce([held for _, held in found.values()])
    if whole.sum() < 10:
        return {}
    return {name: normalize(rows[whole] - means[name]) for name, (rows, _) in found.items()}


def likeness(rows: np.ndarray, anchors: np.ndarray, power: float) -> np.ndarray:
    """Powers of the positive cosines `(m, n)` of unit rows to unit anchors, of length 1."""
    return normalize(np.maximum(rows @ anchors.T, 0) ** np.float32(power))


def trace_likeness(rows: Symbol, anchors: np.ndarray, power: float) -> Symbol:
    """As `likeness`, written down."""
    return ((rows @ anchors.T).at_least(0) ** power).unit()


def principal(likenesses: Sequence[np.ndarray]) -> np.ndarray:
    """The leading directions `(n, r)` of the views' likenesses: inner products stay nearly what they are."""
    n = likenesses[0].shape[1]
    if n <= RANK:
        return np.eye(n, dtype=np.float32)
    gram = np.sum([rows.T @ rows for rows in likenesses], axis=0)
    with one_thread():
        return np.ascontiguousarray(eigh(gram, subset_by_index=[n - RANK, n - 1])[1][:, ::-1], dtype=np.float32)


def likeliest(sims: Sims) -> tuple[float, float]:
    """The temperature t under which the right answers are likeliest by softmax(t s), and their mean -log likelihood."""
    bounds = (-1.0, 4.5)
    found = minimize_scalar(
        lambda log: float(unlikely(sims, np.exp(log)).mean()), bounds=bounds, method="bounded", options={"xatol": 0.05}
    )
    return float(np.exp(found.x)), float(found.fun)


def unlikely(sims: Sims, t: float) -> np.ndarray:
    """The -log likelihood of each query's right answers by softmax(t s)."""
    found = []
    for scores, hits, starts in sims:
        scaled = t * (scores - scores.max(axis=1, keepdims=True))
        row = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(hits))))
        right = np.add.reduceat(np.exp(scaled[row, hits]), starts)
        found.append(np.log(np.exp(scaled).sum(axis=1)) - np.log(np.maximum(right, 1e-30)))
    return np.concatenate(found)


def mixed(sims: Sequence[tuple[np.ndarray, ...]], share: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of two similarities beside each other the second with this share, the first with the rest."""
    return [((1 - share) * own + share * over, hits, starts) for own, over, hits, starts in sims]


def shown(
    sims: Sequence[tuple[np.ndarray, ...]], plain: Mapping[str, Any], best: Mapping[str, Any], errors: float, part: str
) -> bool:
    """Whether held-out pairs are likelier with the best weight of a part than with a plain one, by luck's measure.

    Args:
        errors: by so many standard errors. part: "bridge" or "kernel".
    """
    each = [unlikely(mixed(sims, trial[part]), trial["temperature"]) for trial in (plain, best)]
    gain = each[0] - each[1]
    return bool(gain.mean() > errors * gain.std(ddof=1) / np.sqrt(len(gain)))
