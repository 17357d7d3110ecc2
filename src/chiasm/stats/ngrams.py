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
    cut: Any
    """`(m, v)` the same with every count cut at one, over the same lengths."""
    lengths: np.ndarray
    """`(m,)` pairs of words."""

    def some(self, rows: np.ndarray) -> Grammed:
        """Some of the captions."""
        return Grammed(self.vectors[rows], self.cut[rows], self.lengths[rows])


class Ngrams:
    """CIDEr-D of every caption against every other: a product of rows, times the gap in length.

    Exact where no n-gram is repeated in a reference: the counts of a caption are cut at one.

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

        rows, columns, values, counts = [], [], [], []
        lengths = np.zeros(len(texts))
        for row, text in enumerate(texts):
            told = words(text)
            lengths[row] = max(0, len(told) - 1)
            weighed: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
            told_of = grams(told)
            for gram, count in told_of.items():
                weighed[len(gram) - 1][gram] = count * self.known.weight(gram)
            for vector in weighed:
                norm = np.sqrt(sum(value * value for value in vector.values()))
                for gram, value in vector.items():
                    if norm and (place := self.places.get(gram)) is not None:
                        rows.append(row)
                        columns.append(place)
                        values.append(0.5 * value / norm)
                        counts.append(told_of[gram])
        shape = (len(texts), max(1, len(self.places)))
        whole = csr_array((values, (rows, columns)), shape=shape, dtype=np.float64)
        cut = csr_array((np.array(values) / np.array(counts), (rows, columns)), shape=shape, dtype=np.float64)
        return Grammed(whole, cut, lengths)

    def alike(self, references: Grammed, captions: Grammed) -> np.ndarray:
        """`(m, k)` what each of k captions scores against each of m references, from 0 to 10."""
        gaps = near(references.lengths, captions.lengths)
        found: np.ndarray = 10 * (references.vectors @ captions.cut.T).toarray() * gaps
        return found


def near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`(m, k)` what CIDEr-D makes of a gap in length: exp(-gap^2 / 72)."""
    found: np.ndarray = np.exp(-np.square(one[:, None] - other[None, :]) / (2 * SIGMA**2))
    return found
