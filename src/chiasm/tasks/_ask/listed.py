"""Answers from a list, also such as were never learned: by their likeness to answers that were, and to the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from chiasm.part import Part
from chiasm.stats.resample import Draws, interval_of
from chiasm.tasks._ask.heads import Heads
from chiasm.tasks._ask.kinds import KINDS, kinds_of
from chiasm.views import Views, normalize

__all__ = ["Listed"]

_SHARP = (1.0, 2.0, 4.0, 8.0)
_NEAR = (0.0, 1.0, 2.0, 5.0, 10.0)


class Listed(Part):
    """P(a | list): of a learned answer what the heads say; of a new one u(row) times a share of how well it would fit.

    A new answer fits with exp(near cos(question, a)) sum_c P(c) exp(sharp (cos(c, a) - 1)), c the learned answers that
    are not yes or no, all cosines about the mean: the answer's vector is a third input beside question and picture.
    `sharp` and `near` put the answers of training rows highest among the learned ones (mean reciprocal rank), where a
    row's own answer is left out of what the heads say of it. u is what Good and Turing expect of new answers: the share
    of rows whose answer no other row has, among those that are not yes or no.

    Learned: `vectors_` `(C, d)` of length 1, `center_`, `about_` (the questions' mean), `sharp_`, `near_`, `new_`.

    Sources: Good 1953 (how many are new); Teney & van den Hengel 2016 (answers that were not learned).
    """

    def fit(self, heads: Heads, vectors: np.ndarray, answers: np.ndarray, questions: np.ndarray) -> Listed:
        """Learn from the vectors of the heads' answers `(C, d)`, the rows' answers `(n,)` and their questions `(n, d)`.

        Needs what the heads said out of fold.
        """
        self.center_, self.about_ = vectors.mean(axis=0), questions.mean(axis=0)
        self.vectors_ = normalize(vectors - self.center_)
        self.open_ = kinds_of(np.array(heads.names_, dtype=object)) != KINDS[0]
        place = {name: i for i, name in enumerate(heads.names_)}
        true = np.array([place[one] for one in answers])
        counts = np.bincount(true, minlength=len(place))
        rows = np.flatnonzero(self.open_[true])
        self.new_ = float(max((counts[true[rows]] == 1).sum(), 0.5) / max(len(rows), 1))  # never none at all
        self.sharp_, self.near_ = _SHARP[0], _NEAR[0]
        said, best = heads.crossed_.copy(), -1.0
        said[np.arange(len(said)), true] = 0
        for sharp in _SHARP if len(rows) else ():
            for near in _NEAR:
                fit = self._fits(said[rows], vectors, questions[rows], sharp, near)
                fit[:, ~self.open_] = -np.inf
                own = fit[np.arange(len(rows)), true[rows]]
                rank = float((1 / (1 + (fit > own[:, None]).sum(axis=1))).mean())
                if rank > best:
                    best, self.sharp_, self.near_ = rank, sharp, near
        return self

    def outputs(
        self, said: np.ndarray, learned: Sequence[int], vectors: np.ndarray, questions: np.ndarray
    ) -> np.ndarray:
        """`(n, m)` probabilities of the answers of a list.

        Args:
            said: `(n, C)` what the heads say. learned: `(m,)` the place of each answer among the C learned ones, -1 of
                a new one. vectors: `(m, d)` of the answers. questions: `(n, d)`.
        """
        place = np.asarray(learned)
        new = place < 0
        found = np.zeros((len(said), len(place)))
        found[:, ~new] = said[:, place[~new]]
        if new.any():
            expected = self.new_ * said[:, self.open_].sum(axis=1, keepdims=True)
            fit = self._fits(said, vectors[new], questions, self.sharp_, self.near_)
            found *= 1 - expected
            found[:, new] = expected * softmax(fit, axis=1)
        shares: np.ndarray = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-30)
        return shares

    def score(
        self,
        said: np.ndarray,
        learned: Sequence[int],
        vectors: np.ndarray,
        questions: np.ndarray,
        true: np.ndarray,
        rows: Views,
    ) -> dict[str, Any]:
        """Of rows whose answer was not learned: how often it comes first, and in the first ten, in a whole list;
        and among its new answers (`new`).

        Args:
            said, learned, vectors, questions: as in `outputs`. true: `(n,)` the place of each row's answer in the list.
        """
        place = np.asarray(learned)
        new = np.flatnonzero(place[true] < 0)
        found = self.outputs(said[new], learned, vectors, questions[new])
        draws = Draws(rows.clusters[new])

        def recall(found: np.ndarray) -> dict[str, Any]:
            rank = (found >= found[np.arange(len(new)), true[new]][:, None]).sum(axis=1) - 1
            within = {k: interval_of(*draws.mean((rank < k).astype(float))) for k in (1, 10)}
            return {"R@1": within[1], "R@10": within[10]}

        fresh = np.where(place < 0, found, -1.0)
        return {"listed": len(place), **recall(found), "new": {"listed": int((place < 0).sum()), **recall(fresh)}}

    def _fits(
        self, said: np.ndarray, vectors: np.ndarray, questions: np.ndarray, sharp: float, near: float
    ) -> np.ndarray:
        """`(n, m)` the logarithm of how well answers with these vectors would fit."""
        about = normalize(vectors - self.center_)
        like = np.exp(sharp * (self.vectors_[self.open_] @ about.T - 1))
        total = np.log(np.maximum(said[:, self.open_] @ like, 1e-12))
        total -= np.log(like.mean(axis=0))
        found: np.ndarray = total + near * (normalize(questions - self.about_) @ about.T)
        return found
