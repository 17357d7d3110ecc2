"""Word vectors learned from the training texts (PPMI and SVD), averaged with rare words weighing more: 256-d.

Sources: Levy & Goldberg, Neural Word Embedding as Implicit Matrix Factorization, NIPS 2014; Levy, Goldberg & Dagan,
TACL 2015 (smoothed contexts, square root of the singular values); Arora et al., ICLR 2017 (the weighted mean).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT, FLAG, SIZE
from chiasm.encode._encoder import Encoder, each, every, first_words
from chiasm.encode._words import commonest, counts, readable, words
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, Note
from chiasm.views import normalize

__all__ = ["WordvecText"]

requires = ("sklearn",)

SMOOTHING = 0.75
"""Power of the context counts: keeps rare contexts from taking the largest weights."""

RARITY = 1e-3
"""a of the weight a / (a + p): words commoner than this share of all words weigh less than half."""

OWN = 0.5
"""Added to a word's information about itself: keeps words of equal company apart, and too little to keep them far."""


class WordvecText(Encoder):
    """Weighted means of word vectors, `(n, d)` float32 of length 1; d is at most `dimensions`.

    Words that keep the same company get near vectors. Over pairs of words that stand at most `window` apart,
    PPMI(w, c) = max(0, ln P(w, c) / (P(w) P'(c))) with P'(c) proportional to count(c)^0.75. U S^1/2 of the truncated
    SVD of PPMI + I/2 = U S V' are the word vectors. A text is the mean of its words' vectors, each times
    a / (a + P(w)), a = 0.001.

    Choose it to see what the captions alone teach about words: synonyms that stand in equal captions are found, with
    no pretrained weights. Hundreds of texts teach little; `e5_text` knows more words than any table of captions, and
    `tfidf_text` keeps names and codes apart. A text without a known word is the zero vector.

    Args:
        dimensions: the most SVD directions kept.
        window: how many words to each side are a word's company; in Chinese, where each character and each pair of
            neighbors is a word, 10 of them are 5 characters.
        most: the most words kept, the commonest first.
        pooled: False gives the vectors of a text's known words in order, `(t_i, d)`, as `chiasm.tokens.Tokens`: the
            embedding layer of a recurrent head. steps: then so many of them, the first ones, zeros behind a shorter
            text's end; 0: as many as the text has.

    Learned: `words_`, their `vectors_` `(len(words_), d)` and `rarity_` `(len(words_),)`, the weights.

    >>> texts = ["a cat sleeps here", "a kitten sleeps here", "the bus stops there"]
    >>> cat, kitten, bus = WordvecText().fit(texts).encode(["cat", "kitten", "bus"])
    >>> bool(cat @ kitten > 0.5 > cat @ bus)
    True
    """

    modality = "text"
    near = 0.995
    later: ClassVar = {"pooled": True, "steps": 0}

    allowed: ClassVar = {"dimensions": COUNT, "window": COUNT, "most": COUNT, "pooled": FLAG, "steps": SIZE}

    def __init__(
        self, dimensions: int = 256, window: int = 10, most: int = 20_000, pooled: bool = True, steps: int = 0
    ):
        self.dimensions = dimensions
        self.window = window
        self.most = most
        self.pooled = pooled
        self.steps = steps

    def fit(self, items: Sequence[Any]) -> WordvecText:
        """Learn words and vectors from m training texts; a ChiasmError when they hold no words."""
        from scipy.sparse import eye_array
        from sklearn.utils.extmath import randomized_svd

        texts = readable(items)[0]
        common = commonest(texts, self.most)
        if not common:
            raise ChiasmError(f"wordvec_text: wanted training texts with words, got {len(items)} items without any.")
        self.words_ = list(common)
        occurrences = np.array(list(common.values()), dtype=np.float64)
        matrix = ppmi(company(texts, self.words_, self.window)) + OWN * eye_array(len(common))
        matrix = matrix.astype(np.float32)
        k = min(self.dimensions, len(self.words_))
        _, values, right = randomized_svd(matrix, k, n_iter=2, random_state=0)
        kept = values > 1e-3 * values[0]
        self.vectors_ = np.ascontiguousarray(matrix @ (right[kept].T / np.sqrt(values[kept])))  # U S^1/2
        self.rarity_ = (RARITY / (RARITY + occurrences / occurrences.sum())).astype(np.float32)
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Vectors of the texts, or of their words; empty ones are noted as skipped."""
        self.check_fitted()
        if self.in_parts:
            return each(self._words(), items, None)
        texts, notes = readable(items)
        found = counts(texts, {word: i for i, word in enumerate(self.words_)})
        found.data *= self.rarity_[found.indices]
        return normalize(found @ self.vectors_), notes

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The vectors of each text's known words, n float32 arrays `(t_i, d)`.

        Raises a ChiasmError that names the first text that cannot be read.
        """
        self.check_fitted()
        return every(self._words(), items, "text")

    def _words(self) -> Callable[[Any], tuple[np.ndarray, list[Note]]]:
        """What gives the vectors of a text's known words, and notes."""
        place = {word: i for i, word in enumerate(self.words_)}

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            (text,), found = readable([item])
            notes = found.get(0, [])
            if notes and notes[0].skipped:
                raise MediaError(notes[0].code, notes[0].message)
            known = np.array([place[word] for word in words(text) if word in place], dtype=np.int64)
            tokens, cut = first_words(self.vectors_[known], self.steps)
            return tokens, notes + cut

        return one


def company(texts: Iterable[str], vocabulary: Sequence[str], window: int, chunk: int = 4096) -> Any:
    """How often two known words stand at most `window` known words apart: sparse, symmetric `(v, v)` float64."""
    from scipy.sparse import coo_array, csr_array

    place = {word: i for i, word in enumerate(vocabulary)}
    shape = (len(place), len(place))
    total = csr_array(shape, dtype=np.float64)
    for block in _chunks(texts, chunk):
        rows = [np.array([place[word] for word in words(text) if word in place], dtype=np.int32) for text in block]
        ids = np.concatenate(rows)
        owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        for step in range(1, min(window + 1, len(ids))):
            same = owner[step:] == owner[: len(owner) - step]
            left, right = ids[: len(ids) - step][same], ids[step:][same]
            total += coo_array((np.ones(len(left)), (left, right)), shape=shape).tocsr()
    return total + total.T


def ppmi(together: Any) -> Any:
    """Positive pointwise mutual information of co-occurrence counts, contexts smoothed; sparse `(v, v)`."""
    from scipy.sparse import coo_array

    cells = together.tocoo()
    of_word = together.sum(axis=1)
    smooth = of_word**SMOOTHING
    row, column = cells.coords
    ratio = cells.data * smooth.sum() / (of_word[row] * smooth[column])
    above = ratio > 1
    return coo_array((np.log(ratio[above]), (row[above], column[above])), shape=together.shape).tocsr()


def _chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(texts)
    while block := list(islice(remaining, size)):
        yield block
