"""The default: canonical directions and likeness to known pairs in one space, corrected for hubs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

from chiasm.align._aligner import centered
from chiasm.align._canonical import canonical
from chiasm.align._folded import Folded
from chiasm.align._moments import means_by_id, spans, turned, widths
from chiasm.align._select import folds, views_each
from chiasm.allowed import COUNT, NOT_NEGATIVE, POSITIVE, SEED
from chiasm.scale import one_thread
from chiasm.stats.covariance import Covariance
from chiasm.stats.hubness import inverted_softmax
from chiasm.stats.relevance import check_pairs, relevance
from chiasm.views import Views, as_views, normalize

__all__ = ["Auto"]

STRENGTH = 2 / 3
"""Of the temperature under which held-out pairs are likeliest; the whole of it over-corrects (docs/log.md)."""

HELD = 600
"""The most things of a fold that candidates are judged on."""

RANK = 512

USUAL = {"ridge": 10.0, "temperature": 5.0}
"""Where there is nothing to choose on: fewer than some six pairs."""

FURTHEST = 4
"""Ridges run over so many half decades to both sides of 1."""

Pair = tuple[str, str]

Sims = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
"""For each ordered pair of views of a fold: similarities `(queries, items)`, the right items, where they start."""

Maps = dict[str, tuple[np.ndarray, np.ndarray]]
"""By view, a mean `(d,)` and weights `(d, k)`."""


class Auto(Folded):
    """Three closed forms in one space, each as strong as held-out pairs say.

    1. *Canonical directions* (see `cca`), each scaled by its correlation rho: u(x), of length 1. What is linear.
    2. *Likeness to known pairs* (see `asif`): powers of positive cosines to at most `anchors` known pairs, of length
       1, reduced to 512 dimensions: r(x). What is local: the same event, the same product line.
    3. *Hubs*: an item that is near every query answers none. With s = (u.u' + w r.r') / (1 + w), the score of gallery
       item g for query q is s(q, g) - b(g), b(g) = log mean exp(t s(q', g)) / t over at most `anchors` known queries q'
       (inverted softmax, see `corrected`), folded into extra coordinates, so that search costs what it did.

    One ridge a view (where one view tells the other exactly, the best ones differ a hundredfold), the weight w, the
    power of the likeness and the temperature t are chosen by the likelihood of held-out pairs, softmax(t s), which
    still tells candidates apart when ten pairs are held out; t is then taken at 2/3 of its likeliest value.

    Choose it unless you need a map that is linear, `partial_fit`, or the smallest model: then `cca`.

    Args:
        shares: candidates of w, besides 0, which leaves the anchors out. powers: candidates of the cosines' power.
        anchors: the most known pairs, and the most known queries, that are kept; drawn at random where there are more.
        seed: of that draw and of the folds.

    Learned: `means_`, `weights_` `(d, k)`, `anchors_` `(n, d)`, `banks_` by view; `basis_` `(n, 512)`; `chosen_`
    (ridge by view, share, power, temperature), `trials_` (with the mean -log likelihood of held-out pairs).

    >>> z = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = Auto().fit({"a": z @ [[1, 2, 0], [0, 1, 1], [1, 0, 1]], "b": z @ [[3, 1, 0], [1, 1, 0], [0, 0, 1]]})
    >>> sorted(model.chosen_)
    ['power', 'ridge', 'share', 'temperature']

    Sources: Hotelling 1936; Norelli et al. 2022 (2); Smith et al. 2017, arXiv 1702.03859 (3).
    """

    allowed: ClassVar = {"shares": NOT_NEGATIVE.each(0), "powers": POSITIVE.each(), "anchors": COUNT, "seed": SEED}

    def __init__(
        self,
        shares: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
        powers: Sequence[float] = (2.0, 4.0, 8.0),
        anchors: int = 2000,
        seed: int = 0,
    ):
        self.shares = shares
        self.powers = powers
        self.anchors = anchors
        self.seed = seed

    means_: dict[str, np.ndarray]
    weights_: dict[str, np.ndarray]
    anchors_: dict[str, np.ndarray]
    basis_: np.ndarray
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Auto:
        """Learn from the pairs of `views`; choose on `val`, or on folds of `views` (see `cca`).

        Rows without a partner count in their view's own covariance and among the known queries. Raises a ChiasmError
        for fewer than two views or fewer than two pairs.
        """
        views = as_views(views)
        check_pairs(views)
        val = None if val is None else as_views(val)
        bases = spans(views, val)
        rows = turned(views, bases)
        self._choose(rows, None if val is None else turned(val, bases), widths(views))
        maps = _canonical(Covariance("float64" if bases else "float32").add(rows), self.chosen_["ridge"], widths(views))
        self.means_, self.weights_ = {}, {}
        for name, (mean, matrix) in maps.items():
            if name in bases:
                mean, matrix = bases[name].center + bases[name].basis @ mean, bases[name].basis @ matrix
            self.means_[name], self.weights_[name] = mean, matrix.astype(np.float32)
        self.anchors_, self.basis_ = {}, np.zeros((0, 0), np.float32)
        if self.chosen_["share"]:
            self.anchors_ = _anchors(_few(views, len(views.names), self.anchors, self.seed), self.means_)
            self.basis_ = _principal([_likeness(rows, rows, self.chosen_["power"]) for rows in self.anchors_.values()])
        self._keep(views, self.anchors, self.seed)
        return self

    def _choose(self, views: Views, val: Views | None, widths: Mapping[str, int]) -> None:
        """Keep the candidate under which held-out pairs are likeliest: first the ridges, then how local to be."""
        cuts = [self._fold(views, mask, held, widths) for mask, held in folds(views, val, self.seed)]
        cuts = [cut for cut in cuts if cut.answers]
        self.trials_ = []
        self.chosen_ = {**USUAL, "ridge": dict.fromkeys(widths, USUAL["ridge"]), "share": 0.0, "power": 2.0}
        if not cuts:
            return
        best = self._climb(cuts, list(widths))
        local = all(cut.anchors for cut in cuts)
        linear = [list(cut.linear(best["ridge"])) for cut in cuts]
        for power in self.powers if local else ():
            near = [cut.local(power) for cut in cuts]
            for share in self.shares:
                both = [
                    ((far + share * close[pair]) / (1 + share), *right)
                    for one, close in zip(linear, near, strict=True)
                    for pair, far, right in one
                ]
                self._try(both, {"ridge": best["ridge"], "share": share, "power": power})
        best = min(self.trials_, key=lambda trial: trial["loss"])
        self.chosen_ = {**best, "temperature": STRENGTH * best["temperature"]}
        del self.chosen_["loss"]

    def _fold(self, views: Views, mask: np.ndarray | None, held: Views, widths: Mapping[str, int]) -> _Fold:
        train = views if mask is None else views[~mask]
        few = _few(train, len(views.names), self.anchors, self.seed)
        return _Fold(train, few, _few(held, 2, HELD, self.seed), widths)

    def _climb(self, cuts: Sequence[_Fold], names: Sequence[str]) -> dict[str, Any]:
        """The likeliest ridges, one a view: from the best equal ones uphill by half decades, a view at a time."""
        seen: dict[tuple[int, ...], dict[str, Any]] = {}

        def at(place: tuple[int, ...]) -> float:
            if place not in seen:
                ridge = {name: float(10 ** (e / 2)) for name, e in zip(names, place, strict=True)}
                sims = [(far, *right) for cut in cuts for _, far, right in cut.linear(ridge)]
                seen[place] = self._try(sims, {"ridge": ridge, "share": 0.0, "power": 2.0})
            loss: float = seen[place]["loss"]
            return loss

        place = min(((e,) * len(names) for e in (1, -1, -3)), key=at)
        while True:
            moves = [
                (*place[:i], place[i] + step, *place[i + 1 :])
                for i in range(len(names))
                for step in (1, -1, 2, -2)
                if abs(place[i] + step) <= FURTHEST
            ]
            nearest = min(moves, key=at)
            if not at(nearest) < at(place):
                return seen[place]
            place = nearest

    def _try(self, sims: Sims, candidate: dict[str, Any]) -> dict[str, Any]:
        temperature, loss = _likeliest(sims)
        self.trials_.append({**candidate, "temperature": temperature, "loss": loss})
        return self.trials_[-1]

    def _unit(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Both likenesses of rows `(m, d)` side by side `(m, w)`, of length 1 or a little less."""
        near = centered(rows, self.means_[name])
        linear = normalize(near @ self.weights_[name])
        share = self.chosen_["share"]
        if not share:
            return linear
        local = _likeness(normalize(near), self.anchors_[name], self.chosen_["power"]) @ self.basis_
        return np.concatenate([linear, np.sqrt(share) * local], axis=1) / np.float32(np.sqrt(1 + share))

    def _widths(self) -> dict[str, int]:
        return {name: len(mean) for name, mean in self.means_.items()}

    def _bias(self, rows: np.ndarray, bank: np.ndarray) -> np.ndarray:
        return inverted_softmax(rows, bank, self.chosen_["temperature"])


class _Fold:
    """Rows to learn from and rows held out: how near the held-out items of each ordered pair of views are."""

    def __init__(self, train: Views, few: Views, held: Views, widths: Mapping[str, int]):
        self.widths = widths
        self.items = {n: np.asarray(c.items[c.used]) for n, c in held.columns.items() if len(c.used)}
        self.moments = Covariance("float32").add(train)
        self.means = {name: self.moments.mean(name) for name in self.items}
        self.anchors = _anchors(few, self.means)
        chosen = [(a, b) for a, b in permutations(self.items, 2) if len(self.items[b]) > 1]  # one item is no choice
        pairs = {(a, b): relevance(held, a, b) for a, b in chosen}
        self.answers = {pair: found for pair, found in pairs.items() if found}

    def linear(self, ridge: Mapping[str, float]) -> Iterator[tuple[Pair, np.ndarray, tuple[np.ndarray, np.ndarray]]]:
        """Each pair of views, its similarities `(queries, items)` in canonical directions, and what is right."""
        maps = _canonical(self.moments, ridge, self.widths)
        unit = {n: normalize(centered(rows, maps[n][0]) @ maps[n][1]) for n, rows in self.items.items()}
        for (a, b), (queries, hits, starts) in self.answers.items():
            yield (a, b), unit[a][queries] @ unit[b].T, (hits, starts)

    def local(self, power: float) -> dict[Pair, np.ndarray]:
        """By pair of views, the similarities by likeness to anchors."""
        near = {
            n: _likeness(normalize(centered(rows, self.means[n])), self.anchors[n], power)
            for n, rows in self.items.items()
        }
        return {(a, b): near[a][queries] @ near[b].T for (a, b), (queries, *_) in self.answers.items()}


def _canonical(moments: Covariance, ridge: Mapping[str, float], widths: Mapping[str, int]) -> Maps:
    """Canonical directions, each scaled by its correlation."""
    with one_thread():
        weights, correlations = canonical(moments, ridge, widths)
    return {name: (moments.mean(name), matrix * correlations) for name, matrix in weights.items()}


def _few(views: Views, least: int, most: int, seed: int) -> Views:
    """The rows of at most `most` ids, drawn at random among those that have `least` views or more."""
    able = np.flatnonzero(views_each(views) >= least)
    kept = able if len(able) <= most else np.random.default_rng(seed).permutation(able)[:most]
    few: Views = views[np.isin(views.codes, kept)]
    return few


def _anchors(views: Views, means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The things that have every view, by view `(n, d)`, centered and of length 1; none when they are not ten."""
    found = {name: means_by_id(views, name) for name in means}
    whole = np.logical_and.reduce([held for _, held in found.values()])
    if whole.sum() < 10:
        return {}
    return {name: normalize(rows[whole] - means[name]) for name, (rows, _) in found.items()}


def _likeness(rows: np.ndarray, anchors: np.ndarray, power: float) -> np.ndarray:
    """Powers of the positive cosines `(m, n)` of unit rows to unit anchors, of length 1."""
    return normalize(np.maximum(rows @ anchors.T, 0) ** np.float32(power))


def _principal(likenesses: Sequence[np.ndarray]) -> np.ndarray:
    """The leading directions `(n, r)` of the views' likenesses: inner products stay nearly what they are."""
    n = likenesses[0].shape[1]
    if n <= RANK:
        return np.eye(n, dtype=np.float32)
    gram = np.sum([rows.T @ rows for rows in likenesses], axis=0)
    with one_thread():
        return np.ascontiguousarray(eigh(gram, subset_by_index=[n - RANK, n - 1])[1][:, ::-1], dtype=np.float32)


def _likeliest(sims: Sims) -> tuple[float, float]:
    """The temperature t under which the right answers are likeliest by softmax(t s), and their mean -log likelihood."""

    def loss(log: float) -> float:
        t, total, count = np.exp(log), 0.0, 0
        for scores, hits, starts in sims:
            scaled = t * (scores - scores.max(axis=1, keepdims=True))
            row = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(hits))))
            right = np.add.reduceat(np.exp(scaled[row, hits]), starts)
            total += float((np.log(np.exp(scaled).sum(axis=1)) - np.log(np.maximum(right, 1e-30))).sum())
            count += len(starts)
        return total / count

    found = minimize_scalar(loss, bounds=(-1.0, 4.5), method="bounded", options={"xatol": 0.05})
    return float(np.exp(found.x)), float(found.fun)
