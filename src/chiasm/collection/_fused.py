"""How the scores of a file's picture, its caption and the text read in it become one.

Cosines of words with a picture and of words with a caption are not of one scale: each is taken as its distance from
the mean, in standard deviations, of what the query scores with up to 1,000 files of the whole collection. A filter
changes neither. Then, with p, c and w those of picture, caption and read text (benchmarks/search/hybrid.py, ocr.py):

- (p + c) / (1 + g) for a file with a caption, p for one without, as if its caption scored g p. g is twice the
  correlation of the two scores of this query over the files that have both, between 0 and 1: where captions say what
  pictures show, a picture stands for both; where they say other things, less. With g = 1, the mean of the two, half of
  the captions missing, as many are found where pictures are good, and fewer where they are poor.
- .6 (p + w) where that is more: read text often has nothing to do with what a picture shows, so it can only lift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from chiasm.collection._gallery import Gallery
from chiasm.collection._moments import item_of
from chiasm.index import Index
from chiasm.views import normalize

__all__ = ["LEAST", "SAMPLE", "Fused", "Scale", "agreement", "dot", "fused"]

LEAST = 20
"""Captions from which on they count by meaning: fewer do not say what is usual."""
SAMPLE = 1000
"""Files that say what is usual."""
LIFT = 0.6
"""Of the sum of a picture's standard score and of that of the text read in it: between their mean (.5) and what two
that are independent keep their spread with (.71)."""

_FIRST = 256


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


def agreement(pictures: np.ndarray, captions: np.ndarray) -> float:
    """g, 0..1, of one query: of its cosines with pictures and with captions `(m,)` of the same files."""
    apart = pictures - pictures.mean(), captions - captions.mean()
    both = float(np.sqrt((apart[0] ** 2).sum() * (apart[1] ** 2).sum()))
    return min(1.0, max(0.0, 2 * float((apart[0] * apart[1]).sum()) / both)) if both else 0.0


def fused(picture: np.ndarray, caption: np.ndarray, words: np.ndarray, agree: float) -> np.ndarray:
    """Standard scores of m files as one: of their pictures, their captions and the text read in them, NaN for none.

    >>> fused(np.array([2.0, 2.0, 2.0]), np.array([4.0, np.nan, np.nan]), np.array([np.nan, np.nan, 3.0]), 0.5).tolist()
    [4.0, 2.0, 3.0]
    """
    told = np.where(np.isnan(caption), picture, (picture + caption) / (1 + agree))
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
            found.append(self._hits(ranked, k, told))
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
        agree = 1.0
        if "caption" in asked:
            agree = agreement(dot(self._samples["beside"], vector), dot(self._samples["caption"], self._said[place]))
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
            total = fused(*three, agree)
            total[np.isnan(three[0])] = np.nan  # said of what is not there any more
            reach = -np.inf if np.isnan(last[""]) else _reach(last, agree)
            for at in np.argsort(-total, kind="stable").tolist():
                if np.isnan(total[at]) or total[at] < reach:
                    break
                if (key := int(keys[at])) not in given:
                    given.add(key)
                    told[key] = _why(float(three[0][at]), float(three[1][at]), float(three[2][at]), agree)
                    yield key, float(np.float32(scales[""].mean + scales[""].spread * total[at]))
            if reach == -np.inf:
                return
            wide *= 4


def dot(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """`(m,)` products of rows `(m, d)` with one: the same numbers in any company, which BLAS does not promise."""
    found: np.ndarray = (vectors * query.astype(np.float64)).sum(axis=1)
    return found


def _reach(last: Mapping[str, float], agree: float) -> float:
    """The most that a file may score which is in none of the lists, of which these were the last."""
    picture, caption, words = (np.array([last[name]]) for name in ("", "caption", "words"))
    return float(np.fmax(picture, fused(picture, caption, words, agree))[0])


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


def _why(picture: float, caption: float, words: float, agree: float) -> dict[str, Any]:
    """What counted beside the picture, and what share of the positive standard scores was its."""
    both = picture if np.isnan(caption) else (picture + caption) / (1 + agree)
    name, value = ("read", words) if LIFT * (picture + words) > both else ("caption", caption)
    if np.isnan(value):
        return {}
    mine, other = max(value, 0.0), max(picture, 0.0)
    return {"why": {name: {"share": round(mine / (mine + other), 3) if mine else 0.0}}}
