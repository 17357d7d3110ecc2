"""The captions that are known, and what each can be expected to score for a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.stats.ngrams import Grammed, Ngrams

__all__ = ["Candidates"]

SHORT = 200
"""Captions that are compared exactly, after a first pass over all."""


class Candidates:
    """The captions of all things, to be told what each can be expected to score for a row.

    Args:
        references: of each thing its captions.
    """

    def __init__(self, references: Sequence[Sequence[str]]):
        self.space = Ngrams(references)
        self.texts = [text for mine in references for text in mine]
        self.thing = np.repeat(np.arange(len(references)), [len(mine) for mine in references])
        self.share = 1 / np.array([len(mine) for mine in references])[self.thing]
        self.told = self.space.of(self.texts)
        _, self.distinct = np.unique(np.array(self.texts, dtype=object).astype(str), return_index=True)

    def expected(self, votes: np.ndarray, told: Grammed) -> np.ndarray:
        """`(m,)` what m captions can be expected to score for a row with these votes `(things,)`."""
        found: np.ndarray = (votes[self.thing] * self.share) @ self.space.alike(self.told, told)
        return found

    def best(self, votes: np.ndarray, k: int = SHORT) -> tuple[np.ndarray, np.ndarray]:
        """The k known captions that can be expected to score highest, the best first, and what they would score.

        A first pass over all leaves the gaps in length out; the best of it are compared exactly.
        """
        middle = self.told.vectors.T @ (votes[self.thing] * self.share)
        rough = np.asarray(self.told.cut[self.distinct] @ middle).ravel()
        short = self.distinct[np.argsort(-rough, kind="stable")[: max(k, SHORT)]]
        scores = self.expected(votes, self.told.some(short))
        order = np.argsort(-scores, kind="stable")[:k]
        return short[order], scores[order]
