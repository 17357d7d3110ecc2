"""Co-attention over tokens: an aligner of pooled tokens, and a score of pairs whose tokens look at each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any, ClassVar

import numpy as np

from chiasm.align._aligner import Aligner, Linear
from chiasm.align._held import few
from chiasm.align._select import views_each
from chiasm.align._trained import again, closed
from chiasm.allowed import PART, SEED
from chiasm.asked import check_width, in_order
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.finite import checked
from chiasm.graph import Symbol
from chiasm.nn.attention import coattend, pool
from chiasm.nn.blocks import ArrayOps
from chiasm.splits import cut
from chiasm.stats.blocks import grouped, in_means, tokenless
from chiasm.stats.relevance import check_pairs, reciprocal_rank, relevance
from chiasm.stats.reranking import Lists, best, likelihoods, weigh
from chiasm.tokens import Tokens
from chiasm.views import Column, Views, as_views, normalize

__all__ = ["Coattention"]

POWERS = (0.0, 1.0, 2.0, 4.0)
SHARPNESS = 12.0
MOST = 16
"""Tokens of an item that look at others; of more, each is the mean of neighbors."""

_FOLDS = 4
_LEAST = 40
"""Things with two views from which on anything is learned beside the start."""
_HELD = 500
"""The most things of a fold."""
_RIDGE = 1e-2
_CHUNK = 256
_OPS = ArrayOps()


class Coattention(Aligner):
    """Tokens (patches, words, frames) in one space: pooled to search by, and met in pairs to look again.

    *Pooled.* A token is mapped as the closed form maps the mean of an item's tokens, u = (x - mean) W, and an item is
    the mean of its tokens weighed by |u|^p: what views share counts more. p is one of 1, 2, 4 where folds are better
    retrieved by more than a standard error; with 0, and on plain vectors, it is `start` exactly. The pooling of a view
    reads no other view.

    *Met* (`pair_scores`). c is the cosine of two pooled items. Their tokens look at each other by their cosines s_ij:
    x_i reads softmax(12 s_i.) and is matched by a_i, the mean of s_i. so weighed; y_j likewise. A pair scores
    c + w . f, where f has for each way the mean of a_i less c, and that weighed by softmax(12 a), the token that is met
    best, less c. w is learned from hard negatives: for held-out items the best 20 by c, from a form that has not seen
    them; under w the right one is likeliest (`chiasm.stats.reranking.weigh`). It stays 0 unless left-out lists are
    likelier by more than a standard error. So at first, and of plain vectors, a pair scores its cosine.

    Choose it where a caption's word names one of many regions, which their mean blurs (planted: R@1 far above `cca`
    on means, tested); to re-rank with, `Retrieve(rerank="coattention")`. On photographs with captions
    no gain is shown (docs/search.md); choose `auto` there.

    Args:
        start: the linear aligner that maps tokens, or its name. seed: of folds and draws.

    Learned: `form_` (the start on means), `power_`, `looks_` by view and view `(4,)`, `chosen_`.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(60, 2))
    >>> patches = Tokens.of([np.stack([row, rng.normal(size=2)]) @ [[1, 2, 0], [0, 1, 1]] for row in z])
    >>> views = Views({"words": Column("vector", z), "picture": Column("image", patches)})
    >>> model = Coattention().fit(views)
    >>> pictures = Views({"picture": views["picture"][:5]})
    >>> model.transform(pictures)["picture"].width, model.pair_scores({"words": z[:1]}, pictures).shape
    (2, (5,))

    Sources: Lu et al. 2016, arXiv 1606.00061 (co-attention); Khattab & Zaharia 2020, arXiv 2004.12832 (late
    interaction); Lee et al. 2018, arXiv 1803.08024 (stacked cross attention of words and regions).
    """

    form_: Linear
    power_: float
    looks_: dict[str, dict[str, np.ndarray]]
    chosen_: dict[str, Any]

    allowed: ClassVar = {"start": PART, "seed": SEED}

    def __init__(self, start: Any = "cca", seed: int = 0):
        self.start = start
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Coattention:
        """Learn from the pairs of `views`; the start chooses on `val`, the rest is learned from folds of `views`.

        Raises a ChiasmError for fewer than two views, fewer than two pairs, and a start that is not linear.
        """
        views = as_views(views)
        means = in_means(views)
        check_pairs(means)
        self.form_ = closed(self.start, None, means, None if val is None else in_means(as_views(val)))
        self.power_, self.looks_ = 0.0, {}
        several = any(isinstance(column.items, Tokens) for column in views.columns.values())
        if several and (views_each(means) > 1).sum() >= _LEAST:
            parts = cut(views, dict.fromkeys(map(str, range(_FOLDS)), 1.0), self.seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ChiasmWarning)  # of a k that fewer rows do not have
                folds = [
                    (again(self.form_, means[parts != one]), few(views[parts == one], 2, _HELD, self.seed))
                    for one in np.unique(parts)
                ]
            self._choose_power(folds)
            self._learn_looks(folds)
        self.chosen_ = {**self.form_.choices(), "power": self.power_, "met": bool(self.looks_)}
        return self

    def transform(self, views: Any) -> Views:
        """As the base has it; a column of tokens comes out as one vector an item, absent where it has no token."""
        return self._mapped(views, pooled=True)

    def unpooled(self, views: Any) -> Views:
        """The views as tokens in the shared space, which `met` reads: first the pooled item, then at most 16 of it.

        All are of length 1; an item without any token is absent.
        """
        return self._mapped(views, pooled=False)

    def pair_scores(self, query: Any, candidates: Any) -> np.ndarray:
        """`(n,)` what one query scores beside n candidates of another view, met in pairs.

        Args:
            query: encoded Views of one row and one view. candidates: of n rows and one view, all of them there.
        """
        (a, asked), (b, held) = (self._one(part) for part in (query, candidates))
        if len(asked) != 1 or not (asked.present.all() and held.present.all()):
            raise ChiasmError("wanted one query and candidates that are there: leave absent ones out.")
        return self.met(a, asked.items.batch(asked.index)[0][0], b, held.items.some(held.index))

    def met(self, a: str, query: np.ndarray, b: str, candidates: Tokens) -> np.ndarray:
        """`(n,)` what an item of view a scores beside n items of view b, as `unpooled` gives them.

        Args:
            query: its tokens `(t, k)`.
        """
        first, more = _features(query, candidates, a > b)
        low, high = sorted((a, b))
        weights = self.looks_.get(low, {}).get(high)
        scores: np.ndarray = first if weights is None else first + more @ weights
        return scores

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`, of plain vectors."""
        return self.form_.traced(name, rows)

    def _widths(self) -> dict[str, int]:
        return self.form_.reads

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return self.form_._map(name, rows)

    def _one(self, data: Any) -> tuple[str, Column]:
        views = self.unpooled(data)
        if len(views.columns) != 1:
            raise ChiasmError(f"wanted items of one view, got {', '.join(views.names)}: name one.")
        return next(iter(views.columns.items()))

    def _mapped(self, views: Any, *, pooled: bool, form: Linear | None = None) -> Views:
        self.check_fitted()
        form = form or self.form_
        views = in_order(checked(views), vars(self).get("features_", {}))
        columns = {}
        for name, column in views.columns.items():
            if not isinstance(column.items, Tokens):
                columns[name] = found = form.transform(views.replace({name: column}))[name]
                if not pooled:
                    whole = normalize(found.items)
                    columns[name] = Column(column.modality, Tokens.of(list(np.stack([whole, whole], 1))), column.index)
                continue
            if name not in form.reads:
                raise unknown("fitted view", name, form.reads)
            check_width(name, column.items.width, form.reads[name])
            items = (self._pool if pooled else self._tokens)(name, column.items, form)
            columns[name] = Column(
                column.modality, items, tokenless(column), labels=column.labels, digests=column.digests
            )
        return views.replace(columns)

    def _pool(self, name: str, items: Tokens, form: Linear) -> np.ndarray:
        """`(m, k)` the mapped tokens of each item in one vector; 0 of an item without any."""
        found = np.zeros((len(items), form._mapped_width(name)), np.float32)
        for rows, values, mask in _chunks(form, name, items):
            found[rows] = _weighed(values, mask, self.power_)
        return found

    def _tokens(self, name: str, items: Tokens, form: Linear) -> Tokens:
        """As `unpooled`."""
        told: list[np.ndarray] = [np.zeros((0, form._mapped_width(name)), np.float32)] * len(items)
        for rows, values, mask in _chunks(form, name, items):
            whole = normalize(_weighed(values, mask, self.power_))[:, None]
            few, there = grouped(values[mask], mask.sum(axis=1), MOST)
            for row, first, own, here in zip(rows.tolist(), whole, few, there, strict=True):
                told[row] = np.concatenate([first, normalize(own[here])])
        return Tokens.of(told)

    def _choose_power(self, folds: list[tuple[Linear, Views]]) -> None:
        """The power of lengths under which held-out items find each other best; 0 unless by over a standard error."""
        scores = []
        for form, held in folds:
            flat = in_means(held)
            used = {name: flat[name].used for name in flat.columns}
            ways: list[dict[str, np.ndarray]] = [{} for _ in POWERS]
            for name, column in held.columns.items():
                if not isinstance(column.items, Tokens):
                    one = form._map(name, np.asarray(column.items[used[name]]))
                    ways = [{**way, name: one} for way in ways]
                    continue
                parts = [
                    [_weighed(values, mask, power) for power in POWERS]
                    for _, values, mask in _chunks(form, name, column.items.some(used[name]))
                ]
                pools = [np.concatenate(each) for each in zip(*parts, strict=True)]
                ways = [{**way, name: pools[i]} for i, way in enumerate(ways)]
            scores.append([reciprocal_rank(flat, way) for way in ways])
        gains = np.array(scores) - np.array(scores)[:, :1]
        top = int(gains.mean(axis=0).argmax())
        error = gains[:, top].std(ddof=1) / np.sqrt(len(gains))
        self.power_ = POWERS[top] if gains[:, top].mean() > error else 0.0

    def _learn_looks(self, folds: list[tuple[Linear, Views]]) -> None:
        """By two views, what their tokens' meeting counts: from lists of hard negatives, where left-out ones gain."""
        known = [self._mapped(held, pooled=False, form=form) for form, held in folds]
        for a, b in combinations(sorted(self._widths()), 2):
            found = [[_lists(tokens, *way) for way in permutations((a, b))] for tokens in known]
            cuts = [[one for one in ways if one is not None] for ways in found]
            gains = []
            for place, left_out in enumerate(cuts):
                if rest := [one for other, lists in enumerate(cuts) if other != place for one in lists]:
                    with_it, without = weigh(rest, _RIDGE), weigh([one.bare() for one in rest], _RIDGE)
                    gains += [likelihoods(one, *with_it) - likelihoods(one.bare(), *without) for one in left_out]
            gain = np.concatenate([np.zeros(0), *gains])
            if len(gain) > 1 and gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
                t, weights = weigh([one for lists in cuts for one in lists], _RIDGE)
                self.looks_.setdefault(a, {})[b] = (weights / t).astype(np.float32)


def _lists(known: Views, a: str, b: str) -> Lists | None:
    """What each item of a finds first among those of b by their pooled cosine; tokens as `unpooled` has them."""
    if a not in known.columns or b not in known.columns or (answers := relevance(known, a, b)) is None:
        return None
    left, right = (known[name].items.some(known[name].used) for name in (a, b))
    whole = [one.batch(np.arange(len(one)))[0][:, 0] for one in (left, right)]
    queries, hits, starts = answers
    stops = np.append(starts[1:], len(hits))
    places = best(whole[0][queries] @ whole[1].T)
    told = [np.isin(row, hits[start:stop]) for row, start, stop in zip(places, starts, stops, strict=True)]
    rows = [i for i, mine in enumerate(told) if mine.any() and not mine.all()]
    if not rows:
        return None
    met = [_features(left.batch(queries[i : i + 1])[0][0], right.some(places[i]), a > b) for i in rows]
    first, more = (np.stack(part) for part in zip(*met, strict=True))
    return Lists(first, more, np.stack([told[i] for i in rows]))


def _chunks(form: Linear, name: str, items: Tokens) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Places `(b,)` of items with tokens, their mapped tokens `(b, t, k)` and which are there `(b, t)`."""
    there = np.flatnonzero(items.lengths)
    for start in range(0, len(there), _CHUNK):
        rows = there[start : start + _CHUNK]
        values, mask = items.batch(rows)
        yield rows, form._map(name, values.reshape(-1, values.shape[2])).reshape(*values.shape[:2], -1), mask


def _weighed(values: np.ndarray, mask: np.ndarray, power: float) -> np.ndarray:
    """`(b, k)` the mean of tokens `(b, t, k)` that are there `(b, t)`, weighed by a power of their lengths."""
    weights = np.where(mask, np.linalg.norm(values, axis=2) ** np.float32(power), np.float32(0))
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), np.float32(1e-30))
    found: np.ndarray = (weights[:, None] @ values)[:, 0]
    return found


def _features(query: np.ndarray, candidates: Tokens, turned: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of a query `(1 + t, k)` beside n candidates: pooled cosines `(n,)`, and what meeting adds to them `(n, 4)`.

    Args:
        turned: whether the query's view is the later one by name: then the two ways stand the other way round.
    """
    values, there = candidates.batch(np.arange(len(candidates)))
    if not len(values):
        return np.zeros(0, np.float32), np.zeros((0, 4), np.float32)
    first = values[:, 0] @ query[0]
    x, y, there = query[None, 1:], values[:, 1:], there[:, 1:]
    here = np.ones((1, x.shape[1]), dtype=bool)
    sharp = np.eye(x.shape[2], dtype=np.float32) * np.float32(SHARPNESS * np.sqrt(x.shape[2]))
    sides = coattend(sharp, x, y, here, there, _OPS)
    cosines = x @ y.swapaxes(-1, -2)
    more: list[np.ndarray] = []
    for weights, sims, mask in ((sides[0], cosines, here), (sides[1], cosines.swapaxes(-1, -2), there)):
        matched = np.where(mask, (weights * sims).sum(axis=-1), 0)
        mean = matched.sum(axis=-1) / np.maximum(mask.sum(axis=-1), 1)
        _, most = pool(
            matched[..., None], np.full((1, 1), SHARPNESS, np.float32), np.broadcast_to(mask, matched.shape), _OPS
        )
        more.append(np.stack([mean - first, (most * matched).sum(axis=-1) - first], axis=1))
    return first, np.concatenate(more[::-1] if turned else more, axis=1)
