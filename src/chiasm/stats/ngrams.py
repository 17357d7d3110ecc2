"""Captions as vectors of their n-grams: how like many are to many, in one product of sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.stats.captions import ORDERS, SIGMA, Frequencies, frequencies, grams, words

__all__ = ["Grammed", "Ngrams"]


class Grammed(NamedTuple):
    """m captions."""

    vectors: Any
    """`(m, v)` sparse rows: the tf-idf vectors of the four orders side by side, each of length 1/2."""
    lengths: np.ndarray
    """`(m,)` words."""


class Ngrams:
    """CIDEr without the cut of counts, of every caption with every other: a product of rows, times the gap in length.

    Args:
        references: a list of captions a thing: what document frequencies and the known n-grams come from.

    >>> space = Ngrams([["a red bus"], ["a blue car"], ["two dogs"]])
    >>> one = space.of(["a red bus", "two dogs"])
    >>> space.alike(one, one).round(2).tolist()
    [[7.5, 0.0], [0.0, 5.0]]
    """

    def __init__(self, references: Sequence[Sequence[str]]):
        self.known: Frequencies = frequencies(references)
        self.places = {gram: place for place, gram in enumerate(self.known.counts)}

    def of(self, texts: Sequence[str]) -> Grammed:
        """Captions as vectors; n-grams that the references lack count in the length of a vector alone."""
        from scipy.sparse import csr_array

        rows, columns, values = [], [], []
        lengths = np.zeros(len(texts))
        for row, text in enumerate(texts):
            told = words(text)
            lengths[row] = max(0, len(told) - 1)
            weighed: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
            for gram, count in grams(told).items():
                weighed[len(gram) - 1][gram] = count * self.known.weight(gram)
            for vector in weighed:
                norm = np.sqrt(sum(value * value for value in vector.values()))
                for gram, value in vector.items():
                    if norm and (place := self.places.get(gram)) is not None:
                        rows.append(row)
                        columns.append(place)
                        values.append(0.5 * value / norm)
        shape = (len(texts), max(1, len(self.places)))
        return Grammed(csr_array((values, (rows, columns)), shape=shape, dtype=np.float64), lengths)

    def alike(self, one: Grammed, other: Grammed) -> np.ndarray:
        """`(m, k)` from 0 to 10."""
        found: np.ndarray = 10 * (one.vectors @ other.vectors.T).toarray() * near(one.lengths, other.lengths)
        return found


def near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`(m, k)` what CIDEr-D makes of a gap in length: exp(-gap^2 / 72)."""
    found: np.ndarray = np.exp(-np.square(one[:, None] - other[None, :]) / (2 * SIGMA**2))
    return found
