"""Character n-grams hashed into 2048 signed buckets: learns nothing, needs no weights, and suits any language.

Source: Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log
from typing import Any, ClassVar
from zlib import crc32

import numpy as np

from chiasm.allowed import COUNT
from chiasm.encode._encoder import Encoder
from chiasm.encode._words import fold, readable
from chiasm.media.images import Note
from chiasm.views import normalize

__all__ = ["HashedText"]


class HashedText(Encoder):
    """Hashed n-gram counts `(n, dimensions)` float32 of length 1.

    An n-gram that occurs c times adds s (1 + ln c) to bucket h, where h and the sign s = -1 or 1 come from its CRC-32.
    Signs make the inner product of two texts an unbiased estimate of that of their n-gram counts; its error falls with
    the square root of `dimensions`.

    Choose it where nothing may be learned from the texts or kept between runs (streams, private texts), and for codes
    and names. Choose `tfidf_text` when there are training texts: it weighs rare n-grams up, and long texts, whose
    n-grams crowd 2048 buckets, retrieve far better by it (benchmarks/align/text_encoders.py). The buckets of a text
    are the same in every process and on every machine.

    Args:
        dimensions: buckets, the width.
        longest: the longest n-gram; they run from one character, within what stands between spaces (a Chinese clause
            counts as a word), whose ends count as a space.

    >>> vectors = HashedText().encode(["红色的汽车", "红色汽车", "a red car"])
    >>> (vectors @ vectors.T).round(1)[0]
    array([1. , 0.6, 0. ], dtype=float32)
    """

    modality = "text"
    near = 0.95

    allowed: ClassVar = {"dimensions": COUNT, "longest": COUNT}

    def __init__(self, dimensions: int = 2048, longest: int = 4):
        self.dimensions = dimensions
        self.longest = longest

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Vectors of the texts; empty ones are noted as skipped."""
        texts, notes = readable(items)
        out = np.zeros((len(texts), self.dimensions))
        for row, text in zip(out, texts, strict=True):
            for gram, count in _grams(text, self.longest).items():
                code = crc32(gram.encode("utf-8", "surrogatepass"))
                row[(code >> 1) % self.dimensions] += (1 + log(count)) * (1 - 2 * (code & 1))
        return normalize(out), notes


def _grams(text: str, longest: int) -> Counter[str]:
    """How often each n-gram of 1 to `longest` characters occurs; a space alone is none."""
    found: Counter[str] = Counter()
    for word in fold(text).split():
        found.update(word)
        word = f" {word} "
        for n in range(2, longest + 1):
            found.update(word[i : i + n] for i in range(len(word) - n + 1))
    return found
