"""How the scores of a file's picture, its caption and the text read in it become one.

Cosines of words with a picture and of words with a caption are not of one scale: each is taken as its distance from
the mean, in standard deviations, of what the query scores with up to 1,000 files of the whole collection. A filter
changes neither. Then, with p, c and r those of picture, caption and read text (benchmarks/search/hybrid.py, ocr.py):

- (v p + c) / (v + g) for a file with a caption, p for one without, as if its caption scored g p.
- v, the weight of pictures, is the square of how far the best picture of all stands out, over how far the best caption
  does: of the two the one that knows an answer to this query counts. With v = 1, seven points of R@1 are lost to
  captions alone on Chinese news, whose pictures say little; with this v two.
- g is twice the correlation of the two scores of this query over the files that have both, between 0 and 1: where
  captions say what pictures show, a picture stands for both; where they say other things, for less. No fixed g was
  good on all sets.
- .6 (p + r) where that is more: read text often has nothing to do with what a picture shows, so it can only lift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from chiasm.collection._gallery import Gallery
from chiasm.collection._moments import item_of
from chiasm.index import Index
from chiasm.views import normalize

__all__ = ["CARRIED", "LEAST", "SAMPLE", "Fused", "Scale", "Terms", "carried", "dot", "fused"]

LEAST = 20
"""Captions from which on they count by meaning: fewer do not say what is usual."""
SAMPLE = 1000
"""Files that say what is usual."""
LIFT = 0.6
"""Of the sum of a picture's standard score and of that of the text read in it: between their mean (.5) and what two
that are independent keep their spread with (.71)."""

CARRIED = 2 / 3
"""Of a hit's standard scores what a caption or read text has to have for its picture to count as a small part."""

_FIRST = 256
_LEAST_BEST = 0.5
"""Standard deviations that the best stands out by at least."""


class Scale(NamedTuple):
    """What a query usually scores."""

    mean: float
    spread: float

    @classmethod
    def of(cls, cosines: np.ndarray) -> Scale:
        """Of the cosines `(m,)` of one query with a sample."""
        return cls(float(np.mean(cosines)), max(float(np.std(cosines)), 1e-6))

    def standard(self, cosines: np.ndarray) -> np.ndarray:
        """`(m,)` cosines as distances from the mean in standard deviations."""
        return (np.asarray(cosines, dtype=np.float64) - self.mean) / self.spread


class Terms(NamedTuple):
    """On what terms a picture and a caption are added for one query; without captions, of no effect."""

    weight: float = 1.0
    """v: of pictures, captions having 1."""
    agree: float = 1.0
    """g: of a picture's score, what a caption that is not there is taken to score."""

    @classmethod
    def of(cls, picture: float, caption: float, pictures: np.ndarray, captions: np.ndarray) -> Terms:
        """Of a query's best standard scores, and of its cosines `(m,)` with pictures and captions of the same files."""
        apart = pictures - pictures.mean(), captions - captions.mean()
        both = float(np.sqrt((apart[0] ** 2).sum() * (apart[1] ** 2).sum()))
        alike = float((apart[0] * apart[1]).sum()) / both if both else 0.0
        weight = (max(picture, _LEAST_BEST) / max(caption, _LEAST_BEST)) ** 2
        return cls(weight, min(1.0, max(0.0, 2 * alike)))

    def added(self, picture: Any, caption: Any) -> Any:
        """Standard scores of a picture and its caption as one that stands beside those of pictures alone."""
        return (self.weight * picture + caption) / (self.weight + self.agree)


def fused(picture: np.ndarray, caption: np.ndarray, words: np.ndarray, terms: Terms) -> np.ndarray:
    """Standard scores of m files as one: of their pictures, their captions and the text read in them, NaN for none.

    >>> none = np.nan
    >>> fused(np.array([2.0, 2, 2]), np.array([4.0, none, none]), np.array([none, none, 3.0]), Terms(1.0, 0.5)).tolist()
    [4.0, 2.0, 3.0]
    """
    told = np.where(np.isnan(caption), picture, terms.added(picture, caption))
    return np.fmax(told, LIFT * (picture + words))


class Fused(Gallery):
    """Files ranked by their pictures and by what is said of them, those that hold some words alone.

    A hit's score is a cosine: its picture's own, and where a caption or read text counted, what a picture's cosine
    would have to be to stand out as much. `why` then tells what share of the standard scores was its.

    Args:
        beside: the gallery of pictures. texts: "caption" and "words", as far as there are any: an index of the same
            keys. samples: of "" (the pictures) and each of `texts`, the vectors `(m, d)` that say what is usual.
        said: `(q, d)` the queries as the vectors of texts are; None where there are no `texts`.
        exact: for each query the keys that it may find; None: all.
    """

    def __init__(
        self,
        beside: Gallery,
        texts: Mapping[str, Index],
        samples: Mapping[str, np.ndarray],
        said: np.ndarray | None,
        exact: list[np.ndarray | None],
    ):
        super().__init__(*beside.parts)
        self._texts = texts
        self._samples = samples
        self._said = None if said is None else normalize(said)
        self._exact = exact

    def best(self, vectors: np.ndarray, k: int) -> list[list[dict[str, Any]]]:
        """As the gallery of pictures has it; row by row of `said` and `exact`."""
        if not len(self.index):
            return [[] for _ in vectors]
        found = []
        for place, vector in enumerate(normalize(vectors)):
            told: dict[int, dict[str, Any]] = {}
            ranked = self._ranked(vector, place, told) if self._texts else self._alone(vector, place)
            found.append(self._hits(self._accepted(ranked, place, vectors, told), k, told))
        return found

    def _alone(self, vector: np.ndarray, place: int) -> Iterator[tuple[int, float]]:
        """(key, cosine) of the pictures that the query may find, the nearest first."""
        exact = self._exact[place]
        if exact is None:
            yield from self.index.ranked(vector, self._where)
        elif len(exact):
            keys, scores = self.index.search(vector, len(self.index), self._where)
            kept = np.isin(_items(keys[0]), exact)
            yield from zip(keys[0][kept].tolist(), scores[0][kept].tolist(), strict=True)

    def _ranked(self, vector: np.ndarray, place: int, told: dict[int, dict[str, Any]]) -> Iterator[tuple[int, float]]:
        """(key, score), the best first, for as long as it is asked; why is put into `told`.

        As many of each index are looked at as it takes: one that none of them has given yet cannot score higher than
        the last of each together (Fagin's threshold algorithm).
        """
        assert self._said is not None
        exact = self._exact[place]
        asked = {"": (self.index, vector), **{name: (index, self._said[place]) for name, index in self._texts.items()}}
        scales = {name: Scale.of(dot(self._samples[name], query)) for name, (_, query) in asked.items()}
        terms = Terms()
        if "caption" in asked:
            first = [index.search(query, 1)[1][0, 0] for index, query in (asked[""], asked["caption"])]
            picture, caption = (float(scales[of].standard(one)) for of, one in zip(("", "caption"), first, strict=True))
            beside = dot(self._samples["beside"], vector)
            terms = Terms.of(picture, caption, beside, dot(self._samples["caption"], self._said[place]))
        wide, given = _FIRST if exact is None else len(self.index), set[int]()
        while True:
            found, last = [], dict.fromkeys(("", "caption", "words"), np.nan)
            for name, (index, query) in asked.items():
                keys, scores = index.search(query, wide, self._where)
                found.append(keys[0])
                if len(keys[0]) == wide < len(index):
                    last[name] = float(scales[name].standard(scores[0, -1]))
            keys = np.unique(np.concatenate(found))
            if exact is not None:
                keys = keys[np.isin(_items(keys), exact)]
            parts = {
                name: scales[name].standard(_cosines(*asked[name], _items(keys) if name else keys)) for name in asked
            }
            none = np.full(len(keys), np.nan)
            three = (parts[""], parts.get("caption", none), parts.get("words", none))
            total = fused(*three, terms)
            total[np.isnan(three[0])] = np.nan  # said of what is not there any more
            reach = -np.inf if np.isnan(last[""]) else _reach(last, terms)
            for at in np.argsort(-total, kind="stable").tolist():
                if np.isnan(total[at]) or total[at] < reach:
                    break
                if (key := int(keys[at])) not in given:
                    given.add(key)
                    told[key] = _why(float(three[0][at]), float(three[1][at]), float(three[2][at]), terms)
                    yield key, float(np.float32(scales[""].mean + scales[""].spread * total[at]))
            if reach == -np.inf:
                return
            wide *= 4


def carried(hits: Iterable[dict[str, Any]]) -> None:
    """Withhold the names of each hit that its caption or read text carried, in place: they tell of its picture."""
    for hit in hits:
        why = hit.get("why", {})
        by = next((name for name in ("caption", "read") if why.get(name, {}).get("share", 0.0) > CARRIED), None)
        if by and "names" in why:
            left = {name: told for name, told in why.items() if name != "names"}
            text = "the caption" if by == "caption" else "the text read in it"
            said = f"{text} carried this hit, and names tell of the picture, whose share is {1 - why[by]['share']:.2f}"
            hit["why"] = {**left, "withheld": {**why.get("withheld", {}), "names": said}}


def dot(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """`(m,)` products of rows `(m, d)` with one: the same numbers in any company, which BLAS does not promise."""
    found: np.ndarray = (vectors * query.astype(np.float64)).sum(axis=1)
    return found


def _reach(last: Mapping[str, float], terms: Terms) -> float:
    """The most that a file may score which is in none of the lists, of which these were the last."""
    picture, caption, words = (np.array([last[name]]) for name in ("", "caption", "words"))
    return float(np.fmax(picture, fused(picture, caption, words, terms))[0])


def _items(keys: np.ndarray) -> np.ndarray:
    """The files that keys of pictures are of: of a long medium each moment has a key, and texts are of the whole."""
    return np.array([item_of(key) for key in keys.tolist()], dtype=np.int64)


def _cosines(index: Index, query: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """`(m,)` cosines of a query with some keys `(m,)`; NaN where the index has none."""
    asked, places = np.unique(keys, return_inverse=True)
    found, vectors = index.vectors(asked)
    cosines = np.full(len(asked), np.nan)
    if len(found):
        cosines[np.searchsorted(asked, found)] = dot(vectors, query)
    return cosines[places]


def _why(picture: float, caption: float, words: float, terms: Terms) -> dict[str, Any]:
    """What counted beside the picture, and what share of the positive standard scores was its."""
    both = picture if np.isnan(caption) else terms.added(picture, caption)
    name, value = ("read", words) if LIFT * (picture + words) > both else ("caption", caption)
    if np.isnan(value):
        return {}
    mine = max(value, 0.0)
    other = max(picture, 0.0) * (terms.weight if name == "caption" else 1)
    return {"why": {name: {"share": round(mine / (mine + other), 3) if mine else 0.0}}}
