"""The default: canonical directions and likeness to known pairs in one space, corrected for hubs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.align._aligner import Aligner, centered
from chiasm.align._bridge import bridged, made, trace_bridged
from chiasm.align._folded import Folded, trace_inverted_softmax
from chiasm.align._held import (
    Fold,
    Sims,
    anchored,
    canonical_maps,
    few,
    likeliest,
    likeness,
    mixed,
    principal,
    shown,
    trace_likeness,
)
from chiasm.align._moments import spans, turned, widths
from chiasm.align._select import folds, views_each
from chiasm.allowed import COUNT, NOT_NEGATIVE, POSITIVE, SEED, SHARE
from chiasm.errors import ChiasmWarning
from chiasm.graph import Symbol, join
from chiasm.known import KnownPairs, Names
from chiasm.stats.covariance import Covariance
from chiasm.stats.hubness import inverted_softmax
from chiasm.stats.relevance import check_pairs
from chiasm.views import Column, Views, as_views, normalize

__all__ = ["Auto"]

STRENGTH = 2 / 3
"""Of the temperature under which held-out pairs are likeliest; the whole of it over-corrects (docs/log.md)."""

HELD = 600
"""The most things of a fold that candidates are judged on."""

USUAL = {"ridge": 10.0, "temperature": 5.0}
"""Where there is nothing to choose on: fewer than some six pairs."""

FURTHEST = 4
"""Ridges run over so many half decades to both sides of 1."""

BRIDGES = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
"""What the bridges may count beside the rest, besides nothing and alone."""

ALONE = {"bridge": 1.0, "kernel": 0.0, "temperature": 14.0}
"""Of the bridges alone, where there are fewer than `FEWEST` pairs."""

FEWEST = 10

ENOUGH = 30
"""The least pairs among validation rows that say what bridges count."""

SURE_FROM = 50
"""Pairs from which on the bridges count only where that is shown; below it the likeliest weight is taken, and
of a space that encoders share all."""

SHOWN = 1.645
"""By so many standard errors must held-out pairs be likelier with the bridges than without: 5 % by luck."""

CLEARLY = 3.0
"""The same of kernel canonical directions."""

BETTER = 1.0
"""The same of a space that encoders share: by so many must they be likelier with what pairs say beside it."""

CURVED_FROM = 200
"""Pairs from which on what no linear map finds is looked for."""

CURVED = tuple({"bandwidth": width, "ridge": ridge, "k": 64} for width in (1.0, 2.0) for ridge in (0.1, 0.01))
"""Candidates of kernel canonical directions; the others are tried where the first gains a little already."""

NAMES = 100.0
"""What all names together count among the known queries."""

DOUBT = 100.0
"""So many known queries correct half as much as they say, in a space that encoders share already (docs/align.md)."""


class Auto(Folded):
    """Closed forms in one space, each as strong as held-out pairs say.

    1. *Canonical directions* (see `cca`), each scaled by its correlation rho: u(x), of length 1. What is linear.
    2. *Likeness to known pairs* (see `asif`): powers of positive cosines to at most `anchors` known pairs, of length
       1, reduced to 512 dimensions: r(x). What is local: the same event, the same product line.
    3. *Hubs*: an item that is near every query answers none. With s = (u.u' + w r.r') / (1 + w), the score of gallery
       item g for query q is s(q, g) - b(g), b(g) = log mean exp(t s(q', g)) / t over at most `anchors` known queries q'
       (inverted softmax, see `corrected`), folded into extra coordinates, so that search costs what it did.
    4. *Names* (see `Bridge`): where an encoder brings a classifier with names, these are pairs that cost nothing. They
       are weighed like the rest, and are all there is where there are fewer than ten pairs. From 50 pairs on they count
       only where held-out pairs are likelier with them by more than 1.6 standard errors.
    5. *A space that the encoders share* (CLIP): it is all that counts, unless there are 50 pairs and held-out ones are
       likelier by a standard error with 1 and 2 beside it. Of 3 it takes n / (n + 100), where n queries are known: all
       of what a few say would do harm.

    6. *Kernel canonical directions* (see `kcca`) beside 1 to 3, for what no linear map finds: from 200 pairs on, where
       nothing is known as in 4 and 5, and only where held-out pairs are likelier with them by more than three standard
       errors: on digits, not on photographs with captions (docs/align.md).

    One ridge a view (where one view tells the other exactly, the best ones differ a hundredfold), the weight w, the
    power of the likeness and the temperature t are chosen by the likelihood of held-out pairs, softmax(t s), which
    still tells candidates apart when ten pairs are held out; t is then taken at 2/3 of its likeliest value.

    Choose it unless you need a map that is linear, `partial_fit`, or the smallest model: then `cca`.

    Args:
        shares: candidates of w, besides 0, which leaves the anchors out. powers: candidates of the cosines' power.
        anchors: the most known pairs, and the most known queries, that are kept; drawn at random where there are more.
        seed: of that draw and of the folds.
        kernels: candidates of what kernel canonical directions count, rising, up to 1; none leaves them out.

    Learned: `means_`, `weights_` `(d, k)`, `anchors_` `(n, d)`, `banks_` by view; `basis_` `(n, 512)`; `bridges_`;
    `curved_` (a `KCCA`, or None); `chosen_` (ridge by view, share, power, temperature; bridge, the share of the names,
    0..1; kernel, that of `curved_`), `trials_` (with the mean -log likelihood of held-out pairs).

    >>> z = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = Auto().fit({"a": z @ [[1, 2, 0], [0, 1, 1], [1, 0, 1]], "b": z @ [[3, 1, 0], [1, 1, 0], [0, 0, 1]]})
    >>> {"bridge", "kernel", "power", "ridge", "share", "temperature"} <= set(model.chosen_)
    True

    Sources: Hotelling 1936; Norelli et al. 2022 (2); Smith et al. 2017, arXiv 1702.03859 (3).
    """

    allowed: ClassVar = {
        "shares": NOT_NEGATIVE.each(0),
        "powers": POSITIVE.each(),
        "anchors": COUNT,
        "seed": SEED,
        "kernels": SHARE.each(0),
    }

    def __init__(
        self,
        shares: Sequence[float] = (0.5, 1.0, 2.0, 4.0),
        powers: Sequence[float] = (2.0, 4.0, 8.0),
        anchors: int = 2000,
        seed: int = 0,
        kernels: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    ):
        self.shares = shares
        self.powers = powers
        self.kernels = kernels
        self.anchors = anchors
        self.seed = seed

    bridges_: list[Any]
    means_: dict[str, np.ndarray]
    weights_: dict[str, np.ndarray]
    anchors_: dict[str, np.ndarray]
    basis_: np.ndarray
    curved_: Any
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    def fit(self, views: Any, y: None = None, *, val: Any = None, known: KnownPairs | None = None) -> Auto:
        """Learn from the pairs of `views`; choose on `val`, or on folds of `views` (see `cca`).

        Rows without a partner count in their view's own covariance and among the known queries.

        Args:
            known: by (view that speaks, view that shows) what their encoders know of each other, a classifier's names
                or a space that both share: with it no pair is needed.

        Raises a ChiasmError for fewer than two views, and for fewer than two pairs of views that no names join.
        """
        views = as_views(views)
        self.bridges_ = made(known, views)
        joined = {name for bridge in self.bridges_ for name in (bridge.speaks, bridge.shows)}
        alone = joined == set(views.names) and (views_each(views) > 1).sum() < FEWEST
        if not alone:
            check_pairs(views)
        self.trials_ = []
        self.anchors_, self.basis_, self.curved_ = {}, np.zeros((0, 0), np.float32), None
        if alone:
            self.chosen_ = dict(ALONE)
            self.means_ = {name: np.zeros(column.width) for name, column in views.columns.items()}
            self.weights_ = {name: np.zeros((column.width, 0), np.float32) for name, column in views.columns.items()}
        else:
            self._learn(views, self._worth(None if val is None else as_views(val), views))
        if not self.chosen_["bridge"]:
            self.bridges_ = []
        names = {one.speaks: (one.known.vectors, NAMES) for one in self.bridges_ if isinstance(one.known, Names)}
        doubt = DOUBT if self._shared else 0.0
        self.bridges_ = [bridge.narrowed(views) for bridge in self.bridges_]
        self._keep(views, self.anchors, self.seed, names, doubt)
        return self

    @property
    def _shared(self) -> bool:
        """Whether what joins views is a space of their encoders, and no names."""
        return bool(self.bridges_) and not any(isinstance(one.known, Names) for one in self.bridges_)

    def _worth(self, val: Views | None, views: Views) -> Views | None:
        """Validation rows, unless a handful of their pairs would say what bridges count: then folds say it."""
        if val is None or not self.bridges_:
            return val
        held, learned = (int((views_each(rows) > 1).sum()) for rows in (val, views))
        return val if held >= min(ENOUGH, learned) else None

    def _learn(self, views: Views, val: Views | None) -> None:
        """What pairs say."""
        bases = spans(views, val)
        rows = turned(views, bases)
        self._choose(rows, None if val is None else turned(val, bases), views, val)
        moments = Covariance("float64" if bases else "float32").add(rows)
        self.means_, self.weights_ = {}, {}
        for name, (mean, matrix) in canonical_maps(moments, self.chosen_["ridge"], widths(views)).items():
            if name in bases:
                mean, matrix = bases[name].center + bases[name].basis @ mean, bases[name].basis @ matrix
            self.means_[name], self.weights_[name] = mean, matrix.astype(np.float32)
        if self.chosen_["kernel"]:
            self.curved_ = self._curved(views, self.chosen_["curved"])
        if self.chosen_["share"]:
            self.anchors_ = anchored(few(views, len(views.names), self.anchors, self.seed), self.means_)
            self.basis_ = principal([likeness(rows, rows, self.chosen_["power"]) for rows in self.anchors_.values()])

    def _choose(self, views: Views, val: Views | None, plain: Views, plain_val: Views | None) -> None:
        """Keep the candidate under which held-out pairs are likeliest: ridges, how local to be, what bridges count.

        Args:
            plain, plain_val: the same rows in the coordinates that bridges read.
        """
        known = widths(plain)
        found = [(self._fold(views, mask, held, known), mask) for mask, held in folds(views, val, self.seed)]
        found = [(cut, mask) for cut, mask in found if cut.answers]
        cuts = [cut for cut, _ in found]
        self.chosen_ = {
            **USUAL,
            "ridge": dict.fromkeys(known, USUAL["ridge"]),
            "share": 0.0,
            "power": 2.0,
            "bridge": 0.0,
            "kernel": 0.0,
        }
        if not cuts:
            self.chosen_["bridge"] = 1.0 if self.bridges_ else 0.0
            return
        best = self._climb(cuts, list(known))
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
        self.chosen_ = {**best, "temperature": STRENGTH * best["temperature"], "bridge": 0.0, "kernel": 0.0}
        del self.chosen_["loss"]
        paired = int((views_each(plain) > 1).sum())
        if self.kernels and paired >= CURVED_FROM and not self.bridges_:
            self._curve([(cut, *self._raw(plain, plain_val, mask)) for cut, mask in found])
        if self.bridges_:
            self._weigh([(cut, *self._raw(plain, plain_val, mask)) for cut, mask in found], paired)

    def _curve(self, cuts: Sequence[tuple[Fold, Views, Views]]) -> None:
        """What kernel canonical directions count: nothing, unless held-out pairs are shown to be likelier with them."""
        chosen = {key: self.chosen_[key] for key in ("ridge", "share", "power")}
        own = [one for cut, _, _ in cuts for one in cut.chosen(**chosen)]
        plain = self._try(own, {**chosen, "kernel": 0.0})
        best: dict[str, Any] = {}
        for place, candidate in enumerate(CURVED):
            far = [one for cut, train, held in cuts for one in cut.mapped(self._curved(train, candidate), held)]
            sims = [(mine, theirs, *right) for (mine, *right), theirs in zip(own, far, strict=True)]
            for share in self.kernels:
                tried = self._try(mixed(sims, share), {**chosen, "kernel": share, "curved": candidate})
                if not place and share == self.kernels[0] and not shown(sims, plain, tried, SHOWN, "kernel"):
                    return
                if tried["loss"] < best.get("loss", np.inf):
                    best, clear = tried, shown(sims, plain, tried, CLEARLY, "kernel")
                elif share > best["kernel"]:
                    break
        if clear:
            self.chosen_ |= {key: best[key] for key in ("kernel", "curved")}
            self.chosen_["temperature"] = STRENGTH * best["temperature"]

    def _curved(self, views: Views, candidate: Mapping[str, Any]) -> Aligner:
        made: Aligner = registry.make("align", "kcca", seed=self.seed, **candidate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChiasmWarning)  # of a k that nobody asked for
            return made.fit(few(views, 2, self.anchors, self.seed))

    def _weigh(self, cuts: Sequence[tuple[Fold, Views, Views]], paired: int) -> None:
        """What the bridges count: the weight under which held-out pairs are likeliest among many candidates."""
        chosen = {key: self.chosen_[key] for key in ("ridge", "share", "power")}
        known = {(bridge.speaks, bridge.shows): bridge.known for bridge in self.bridges_}
        sims = [one for cut, train, held in cuts for one in cut.beside(**chosen, known=known, train=train, held=held)]
        tried = []
        for weight in (0.0, *BRIDGES, np.inf):
            share = weight / (1 + weight) if np.isfinite(weight) else 1.0
            tried.append(self._try(mixed(sims, share), {**chosen, "bridge": share}))
        best = min(tried, key=lambda trial: trial["loss"])
        if self._shared:
            sure = paired >= SURE_FROM and best is not tried[-1] and shown(sims, tried[-1], best, BETTER, "bridge")
            best = best if sure else tried[-1]
        if best["bridge"] and (self._shared or paired < SURE_FROM or shown(sims, tried[0], best, SHOWN, "bridge")):
            self.chosen_ |= {"bridge": best["bridge"], "temperature": STRENGTH * best["temperature"]}

    def _fold(self, views: Views, mask: np.ndarray | None, held: Views, widths: Mapping[str, int]) -> Fold:
        train = views if mask is None else views[~mask]
        some = few(train, len(views.names), self.anchors, self.seed)
        return Fold(train, some, few(held, 2, HELD, self.seed), widths)

    def _raw(self, views: Views, val: Views | None, mask: np.ndarray | None) -> tuple[Views, Views]:
        """The rows of a fold to learn from and those held out, as `_fold` takes them."""
        held = val if mask is None else views[mask]
        assert held is not None
        return views if mask is None else views[~mask], few(held, 2, HELD, self.seed)

    def _climb(self, cuts: Sequence[Fold], names: Sequence[str]) -> dict[str, Any]:
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
        temperature, loss = likeliest(sims)
        self.trials_.append({**candidate, "temperature": temperature, "loss": loss})
        return self.trials_[-1]

    def named(self, name: str, rows: np.ndarray) -> np.ndarray | None:
        """`(n, m)` how much of encoded rows each of `names_` is, where names joined this view to another."""
        found = (bridge.named(name, rows) for bridge in vars(self).get("bridges_", []))
        return next((shares for shares in found if shares is not None), None)

    @property
    def names_(self) -> list[str]:
        """The names that join views; none where they do not count."""
        return next((list(one.names_) for one in vars(self).get("bridges_", []) if len(one.names_)), [])

    def _unit(self, name: str, rows: np.ndarray) -> np.ndarray:
        """All likenesses of rows `(m, d)` side by side `(m, w)`, of length 1 or a little less."""
        bridge = self.chosen_.get("bridge", 0.0)
        over = [bridged(self.bridges_, name, rows) * np.float32(np.sqrt(bridge))] if bridge else []
        if bridge == 1:
            return over[0]
        near = centered(rows, self.means_[name])
        own = normalize(near @ self.weights_[name])
        if share := self.chosen_["share"]:
            local = likeness(normalize(near), self.anchors_[name], self.chosen_["power"]) @ self.basis_
            own = np.concatenate([own, np.sqrt(share) * local], axis=1) / np.float32(np.sqrt(1 + share))
        if kernel := self.chosen_.get("kernel", 0.0):
            curved = normalize(self.curved_.transform(Views({name: Column("vector", rows)}))[name].items)
            own = np.concatenate([own * np.float32(np.sqrt(1 - kernel)), curved * np.float32(np.sqrt(kernel))], axis=1)
        return np.concatenate([own * np.float32(np.sqrt(1 - bridge)), *over], axis=1) if over else own

    def _widths(self) -> dict[str, int]:
        return {name: len(mean) for name, mean in self.means_.items()}

    def _bias(self, rows: np.ndarray, bank: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        return inverted_softmax(rows, bank, self.chosen_["temperature"], counts)

    def _trace_unit(self, name: str, rows: Symbol) -> Symbol:
        bridge = self.chosen_.get("bridge", 0.0)
        over = [trace_bridged(self.bridges_, name, rows) * np.sqrt(bridge)] if bridge else []
        if bridge == 1:
            return over[0]
        near = rows.centered(self.means_[name])
        own = (near @ self.weights_[name]).unit()
        if share := self.chosen_["share"]:
            local = trace_likeness(near.unit(), self.anchors_[name], self.chosen_["power"]) @ self.basis_
            own = join([own, local * np.sqrt(share)]) * (1 / np.sqrt(1 + share))
        if kernel := self.chosen_.get("kernel", 0.0):
            own = join([own * np.sqrt(1 - kernel), self.curved_.traced(name, rows).unit() * np.sqrt(kernel)])
        return join([own * np.sqrt(1 - bridge), *over]) if over else own

    def _trace_bias(self, rows: Symbol, bank: np.ndarray, counts: np.ndarray | None) -> Symbol:
        return trace_inverted_softmax(rows, bank, self.chosen_["temperature"], counts)
