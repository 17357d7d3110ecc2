"""TF-IDF of words and character n-grams, reduced by SVD: learned from the training texts, no pretrained weights.

Character n-grams need no word boundaries, so Chinese works as it is. Source: Salton & Buckley 1988 (TF-IDF);
Deerwester et al. 1990 (latent semantic analysis).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT
from chiasm.checks import is_unseen
from chiasm.encode._encoder import Encoder
from chiasm.errors import ChiasmError
from chiasm.media.images import Note

__all__ = ["TfidfText"]

requires = ("sklearn",)


class TfidfText(Encoder):
    """Latent semantic vectors `(n, d)` of length 1; d is at most `dimensions`, fewer for few texts.

    Choose it as the weight-free baseline, and for codes and jargon. It knows nothing that the training texts lack:
    a query without a single known n-gram is the zero vector.

    Args:
        dimensions: the most SVD directions kept.
        longest: the longest character n-gram; n-grams run from 1 within words (a Chinese clause counts as a word).
        most: the most n-grams kept, the commonest first.
    """

    modality = "text"
    near = 0.96

    allowed: ClassVar = {"dimensions": COUNT, "longest": COUNT, "most": COUNT}

    def __init__(self, dimensions: int = 256, longest: int = 4, most: int = 50_000):
        self.dimensions = dimensions
        self.longest = longest
        self.most = most

    def fit(self, items: Sequence[Any]) -> TfidfText:
        """Learn the n-grams, their weights and the SVD from m training texts (m >= 2)."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = [item for item in items if isinstance(item, str) and not is_unseen(item)]
        if len(texts) < 2:
            raise ChiasmError(f"tfidf_text: wanted at least 2 training texts, got {len(texts)}.")
        self.vectorizer_ = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(1, self.longest),
            sublinear_tf=True,
            max_features=self.most,
            min_df=2 if len(texts) > 50 else 1,
        )
        counts = self.vectorizer_.fit_transform(texts)
        d = max(1, min(self.dimensions, counts.shape[0] - 1, counts.shape[1] - 1))
        self.svd_ = TruncatedSVD(d, random_state=0, algorithm="randomized").fit(counts)
        self.svd_.components_ = np.ascontiguousarray(self.svd_.components_)  # the same bits before and after saving
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Vectors of the texts; empty ones are noted as skipped."""
        self.check_fitted()
        notes = {}
        texts = []
        for i, item in enumerate(items):
            good = isinstance(item, str) and not is_unseen(item)
            texts.append(item[:20_000] if good else "")
            if not good:
                notes[i] = [Note("empty", "a text without a visible character", skipped=True)]
        counts = self.vectorizer_.transform(texts)
        out = counts @ self.svd_.components_.T
        length = np.linalg.norm(out, axis=1, keepdims=True)
        return (out / np.where(length > 0, length, 1)).astype(np.float32), notes
