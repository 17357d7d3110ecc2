"""Answers from a list, also such as were never learned: by their likeness to those that were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.part import Part
from chiasm.stats.resample import Draws, interval_of
from chiasm.tasks._ask.heads import Heads
from chiasm.views import Views

__all__ = ["Listed"]

_SHARP = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Listed(Part):
    """s(a) = sum_c P(c) k(c, a), k(c, a) = exp(-sharpness |c - a|^2 / m), the answer's vector a third factor.

    The heads are ridge regressions on indicators of answers; with k on the answers' side they are the same regression
    under the kernel k(question) k(picture) k(answer), which has a value for an answer that no row had. m is the median
    squared distance between learned answers; the sharpness is the one that puts the answers of training rows highest
    among all learned answers, on average over rows (mean reciprocal rank), where their own answer is *left out* of what
    was learned: what will be asked of answers that are new.

    Learned: `vectors_` `(C, d)`, `middle_`, `sharpness_`.

    Source: Alvarez, Rosasco & Lawrence 2012 (kernels with a side for outputs).
    """

    def fit(self, vectors: np.ndarray, heads: Heads, answers: np.ndarray) -> Listed:
        """Learn from the learned answers' vectors `(C, d)`, the heads' out-of-fold outputs and the rows' answers."""
        self.vectors_ = np.asarray(vectors, dtype=np.float32)
        apart = _distances(self.vectors_, self.vectors_)
        some = apart[apart > 1e-9]
        self.middle_ = float(np.median(some)) if len(some) else 1.0
        place = {name: i for i, name in enumerate(heads.names_)}
        true = np.array([place[one] for one in answers])
        said = heads.crossed_.copy()
        said[np.arange(len(said)), true] = 0
        ranks = []
        for sharp in _SHARP:
            scores = said @ np.exp(-sharp * apart / self.middle_)
            ranks.append((1 / (1 + (scores > scores[np.arange(len(true)), true][:, None]).sum(axis=1))).mean())
        self.sharpness_ = _SHARP[int(np.argmax(ranks))]
        return self

    def outputs(self, said: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """`(n, m)` shares of the answers of a list that has these vectors `(m, d)`; rows sum to 1."""
        apart = _distances(self.vectors_, np.asarray(vectors, dtype=np.float32))
        found = said @ np.exp(-self.sharpness_ * apart / self.middle_)
        shares: np.ndarray = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-30)
        return shares

    def score(self, said: np.ndarray, names: Sequence[str], vectors: np.ndarray, rows: Views) -> dict[str, Any]:
        """Of the rows whose answer is not learned: how often it comes first, and in the first ten, in a whole list."""
        answers = np.asarray(rows.label)
        new = np.flatnonzero(~np.isin(answers, self._known(names, vectors)))
        place = {name: i for i, name in enumerate(names)}
        true = np.array([place[one] for one in answers[new]], dtype=np.int64)
        found = self.outputs(said[new], vectors)
        rank = (found > found[np.arange(len(new)), true][:, None]).sum(axis=1)
        draws = Draws(rows.clusters[new])
        return {
            "listed": len(names),
            "chance": round(1 / len(names), 6),
            "R@1": interval_of(*draws.mean((rank < 1).astype(float))),
            "R@10": interval_of(*draws.mean((rank < 10).astype(float))),
        }

    def _known(self, names: Sequence[str], vectors: np.ndarray) -> list[str]:
        """The names of a list whose vectors are learned answers'."""
        apart = _distances(np.asarray(vectors, dtype=np.float32), self.vectors_)
        return [name for name, near in zip(names, apart.min(axis=1), strict=True) if near < 1e-9]


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    apart: np.ndarray = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    return np.maximum(apart, 0)
