"""The second look: the best hits of a query re-ordered by a score of pairs, where held-out pairs gain by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.errors import ChiasmError
from chiasm.index import Index
from chiasm.splits import cut
from chiasm.stats.blocks import in_means
from chiasm.stats.ranking import Change, ranks
from chiasm.stats.relevance import relevance
from chiasm.stats.reranking import BEST, best, blended, reordered
from chiasm.tasks._retrieve.hits import Gallery, Hit, Table, hit_of
from chiasm.tokens import Packed, Tokens
from chiasm.views import Column, Views, normalize

__all__ = [
    "Look",
    "SecondLook",
    "again",
    "check_enough",
    "kept",
    "learned",
    "lone",
    "made",
    "said",
    "second",
    "tokens_of",
]

SHARES = (0.1, 0.2, 0.4)
"""Candidates of what a second look counts beside the first score, in standard deviations over a query's candidates."""

FEWEST = 40
"""The least pairs."""

_AT = (1, 5, 10)
_HELD = 600
"""The most held-out things that it is judged on."""

Look = tuple[str, np.ndarray]
"""A query's view and its tokens `(t, k)`."""


def made(wanted: Any, seed: int) -> Any:
    """The part that scores pairs, to fit; a ChiasmError for an aligner that does not."""
    part = registry.make("align", wanted, seed=seed)
    if not (hasattr(part, "met") and hasattr(part, "unpooled")):
        raise ChiasmError(f"wanted an aligner that scores pairs to re-rank by (coattention), got {wanted!r}.")
    return part


def check_enough(paired: int) -> None:
    """Raise a ChiasmError for fewer pairs than a second look is learned from."""
    if paired < FEWEST:
        raise ChiasmError(f"wanted at least {FEWEST} pairs to learn re-ranking from, got {paired}: leave rerank out.")


def share_of(
    part: Any, fit: Callable[[Views, Views | None], Any], train: Views, val: Views | None, seed: int
) -> dict[str, Any]:
    """What the second look counts: the share that held-out pairs gain most by, 0 unless by over a standard error.

    Without validation rows an eighth of the training things is held out, and all is fitted on the others for that.

    Args:
        part: a new one that scores pairs. fit: (rows, validation rows) -> a fitted aligner, of rows of vectors.

    Returns share, gain and its standard error (points of mean R@1, 5, 10 over held-out things), and how many these are.
    """
    rows, held = train, val
    if held is None:
        names = cut(train, {"learn": 7.0, "held": 1.0}, seed)
        rows, held = train[names == "learn"], train[names == "held"]
    aligner = fit(in_means(rows), None if val is None else in_means(val))
    registry.fit(part, rows, val=val)
    some = np.random.default_rng(seed).permutation(held.things)[:_HELD]
    held = held[np.isin(held.codes, some)]
    flat = in_means(held)
    space, tokens = aligner.transform(flat), part.unpooled(held)
    unit = {name: normalize(column.items[column.used]) for name, column in space.columns.items()}
    gains: dict[float, list[np.ndarray]] = {share: [] for share in SHARES}
    things: list[np.ndarray] = []
    for a, b in permutations(flat.columns, 2):
        if (answers := relevance(flat, a, b)) is None:
            continue
        queries, hits, starts = answers
        before = ranks(unit[a][queries], unit[b], hits, starts)
        things.append(flat.codes[flat[a].first_rows[queries]])
        for share in SHARES:
            change = second(part, share, tokens, flat, a, b, queries)
            after = ranks(unit[a][queries], unit[b], hits, starts, change)
            gains[share].append(np.mean([(after <= k) * 1.0 - (before <= k) for k in _AT], axis=0))
    told = {share: _mean(np.concatenate([np.zeros(0), *each]), things) for share, each in gains.items()}
    share = max(told, key=lambda one: told[one][0])
    gain, error, n = told[share]
    return {"share": share if sure(gain, error) else 0.0, "tried": share, "gain": gain, "error": error, "things": n}


def learned(
    part: Any, own: tuple[Any, Any, Mapping[str, Any]], train: Views, val: Views | None, seed: int
) -> tuple[Any, dict[str, Any]]:
    """What scores pairs, fitted, or None where it does not pay, and what was found of that (`share_of`).

    Args:
        part: a new one, or None. own: the aligner as it was asked for, the fitted one, and what else it is fitted on.
    """
    if part is None:
        return None, {}
    wanted, fitted, more = own

    def fit(rows: Views, held: Views | None) -> Any:
        return fitted if held is not None else registry.fit(registry.make("align", wanted, seed=seed), rows, **more)

    chosen = share_of(part, fit, train, val, seed)
    if not chosen["share"]:
        return None, chosen
    return (part if val is not None else registry.fit(part, train)).slim(), chosen


def sure(gain: float, error: float) -> bool:
    """Whether a gain is above its standard error; where one thing alone gains, both are equal but for rounding."""
    return gain > error * (1 + 1e-9)


def _mean(gains: np.ndarray, things: Sequence[np.ndarray]) -> tuple[float, float, int]:
    """Mean over things of what their queries gain, in points, its standard error, and how many things."""
    code = np.unique(np.concatenate([np.zeros(0, int), *things]), return_inverse=True)[1]
    each = np.bincount(code, gains) / np.maximum(np.bincount(code), 1)
    if len(each) < 2:
        return 0.0, 0.0, len(each)
    return 100 * float(each.mean()), 100 * float(each.std(ddof=1) / np.sqrt(len(each))), len(each)


def second(part: Any, share: float, tokens: Views, views: Views, a: str, b: str, queries: np.ndarray) -> Change:
    """What the second look does to a block of scores `(q, g)` of items of view a with all used ones of b.

    Args:
        tokens: the views as `part.unpooled` gives them. views: the same of one vector an item.
        queries: `(n,)` positions among a's used items, of all blocks.
    """
    asked = tokens[a].items.some(views[a].used[queries])
    held = tokens[b].items.some(views[b].used)

    def change(block: slice, scores: np.ndarray) -> np.ndarray:
        places = best(scores)
        values = np.zeros(places.shape)
        for row, some in enumerate(places):
            query = asked.batch([block.start + row])[0][0]
            values[row] = blended(scores[row, some], part.met(a, query, b, held.some(some)), share)
        return reordered(scores, places, values)

    return change


def tokens_of(part: Any, name: str, column: Column) -> list[np.ndarray]:
    """The tokens `(t, k)` of each row of an encoded column, all of them there; none where no part looks again."""
    if part is None:
        return []
    found = part.unpooled(Views({name: column}))[name]
    return [found.items.batch([place])[0][0] for place in found.index.tolist()]


def lone(
    questions: Sequence[Sequence[tuple[float, str, Any]]], looks: Mapping[str, Sequence[np.ndarray | None]]
) -> list[Look | None]:
    """Of each question the view and tokens of its one term; None where it has several, or one without tokens."""
    nexts, told = dict.fromkeys(looks, 0), list[Look | None]()
    for terms in questions:
        found: list[Look | None] = []
        for _, view, _ in terms:
            tokens = looks[view][nexts[view]] if looks[view] else None
            nexts[view] += 1
            found.append(None if tokens is None else (view, tokens))
        told.append(found[0] if len(found) == 1 else None)
    return told


class SecondLook(Gallery):
    """A gallery whose `best` looks at the first 20 of each query again.

    Args:
        index, table: as of a gallery. part, share: what scores pairs, and what that counts.
        to: the view of the items. tokens: of all of them, by the index's keys.
        asked: of each query its view and tokens; None: it is answered as at first, as is one of the view searched.
    """

    def __init__(
        self, index: Index, table: Table, part: Any, share: float, to: str, tokens: Tokens, asked: Sequence[Look | None]
    ):
        super().__init__(index, table)
        self._part, self._share, self._to, self._tokens, self._asked = part, share, to, tokens, asked

    def best(self, vectors: np.ndarray, k: int) -> list[list[Hit]]:
        """As the base has it, the first 20 re-ordered; a hit keeps its score, so that these need not fall.

        Moments that hide each other are not looked at again.
        """
        if "start" in self.table:
            return super().best(vectors, k)
        keys, scores = self.index.search(vectors, max(k, BEST))
        found = []
        for look, row, own in zip(self._asked, keys, scores, strict=True):
            places, held = row[:BEST].astype(np.int64), own[:BEST]
            order = np.arange(len(row))
            if look is not None and look[0] != self._to and len(places):
                met = self._part.met(*look, self._to, self._tokens.some(places))
                order[: len(places)] = np.argsort(-blended(held, met, self._share), kind="stable")
            found.append([hit_of(self.table, int(row[i]), float(own[i])) for i in order[:k]])
        return found


def kept(tokens: Views, views: Views) -> dict[str, dict[str, np.ndarray]]:
    """By view the tokens of its used items as plain arrays, to save; `views`: the same of one vector an item."""
    packs = {name: tokens[name].items.some(column.used).pack() for name, column in views.columns.items()}
    return {name: {"values": pack.values, "offsets": pack.offsets} for name, pack in packs.items()}


def again(held: Mapping[str, np.ndarray]) -> Tokens:
    """What `kept` keeps of a view."""
    return Tokens.whole(Packed(held["values"], held["offsets"]))


def said(name: Any, chosen: Mapping[str, Any]) -> str:
    """In a sentence whether hits are looked at again, and why."""
    what = name if isinstance(name, str) else type(name).__name__
    gain = f"{chosen['gain']:+.1f} points of mean R@1, 5, 10 (standard error {chosen['error']:.1f})"
    on = f"on {chosen['things']} held-out things"
    if chosen["share"]:
        return f"the best {BEST} hits are looked at again by {what}: {gain} {on}"
    return f"no hit is looked at again: {what} gains {gain} {on}, which is not above its standard error"
