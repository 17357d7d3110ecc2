"""Bag of words: how often each of the commonest training words occurs, up to 4096-d, no pretrained weights.

Chinese counts characters and pairs of neighboring characters. Source: Harris, Distributional Structure, 1954; Salton
& Buckley 1988 (damped counts, length 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT
from chiasm.encode._encoder import Encoder
from chiasm.encode._words import commonest, counts, readable
from chiasm.errors import ChiasmError
from chiasm.media.images import Note
from chiasm.views import normalize

__all__ = ["BowText"]


class BowText(Encoder):
    """Damped word counts `(n, d)` float32 of length 1: 1 + ln(count) for a word that occurs, else 0.

    Choose it as the plainest baseline, and where every dimension has to have a name: `words_[j]` is column j's. Word
    order is lost and no two words are alike. Choose `tfidf_text` where width counts: an aligner solved in closed form
    takes time with the cube of d. A text without a known word is the zero vector.

    Args:
        most: the most words kept, the commonest first; d is this or the number of distinct training words.

    Learned: `words_`, the commonest first.

    >>> encoder = BowText().fit(["a red car", "a red bus", "红车"])
    >>> encoder.words_[:3]
    ['a', 'red', 'bus']
    >>> encoder.encode(["RED bus"]).round(2)[0, :3]
    array([0.  , 0.71, 0.71], dtype=float32)
    """

    modality = "text"
    near = 0.95

    allowed: ClassVar = {"most": COUNT}

    def __init__(self, most: int = 4096):
        self.most = most

    def fit(self, items: Sequence[Any]) -> BowText:
        """Learn the words of m training texts; a ChiasmError when they hold none."""
        self.words_ = list(commonest(readable(items)[0], self.most))
        if not self.words_:
            raise ChiasmError(f"bow_text: wanted training texts with words, got {len(items)} items without any.")
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Vectors of the texts; empty ones are noted as skipped."""
        self.check_fitted()
        texts, notes = readable(items)
        found = counts(texts, {word: i for i, word in enumerate(self.words_)})
        found.data = 1 + np.log(found.data)
        return normalize(found.toarray()), notes
