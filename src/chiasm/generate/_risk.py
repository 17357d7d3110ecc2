"""What a caption of a row can be expected to score, from ridge regression on the captions that are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import eigh

from chiasm.generate._seen import Seen
from chiasm.part import Part
from chiasm.stats.blocks import Blocks
from chiasm.stats.ngrams import Ngrams

__all__ = ["Risk"]

RIDGES = (1.0, 3.0, 10.0, 30.0)
JUDGED = 1500
"""Things that the ridge is judged on, at most."""


class Risk(Part):
    """A row -> a weight for every known thing, by which its captions vote on what a new caption would score.

    The weights are those of ridge regression, w(x) = x A' (A A' + r I)^-1 with the rest spread evenly; what caption c
    can be expected to score is the sum over things i of w_i(x) CIDEr(c, captions of i), linear in x: no caption needs
    to have been scored before.

    Learned: `seen_`, `weights_` `(d, n)`, `ridge_`.
    """

    seen_: Seen
    weights_: np.ndarray
    ridge_: float

    def fit(self, held: Blocks, references: Sequence[Sequence[str]], folds: np.ndarray, seed: int) -> Risk:
        """Learn from things with captions; the ridge is chosen by what is picked for things of a fold left out."""
        n = len(references)
        self.seen_ = Seen().fit(held)
        rows = self.seen_.rows(held, n).astype(np.float64)
        some = np.sort(np.random.default_rng(seed).permutation(n)[:JUDGED])
        self.ridge_ = _chosen(rows[some], [references[i] for i in some.tolist()], folds[some])
        self.weights_ = (_inverse(rows @ rows.T)(self.ridge_) @ rows).T.astype(np.float32)
        return self

    def votes(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, things)` the weights of n rows, which sum to 1."""
        return _whole(self.seen_.rows(held, n) @ self.weights_)


def _chosen(rows: np.ndarray, references: Sequence[Sequence[str]], folds: np.ndarray) -> float:
    space = Ngrams(references)
    first = space.of([mine[0] for mine in references])
    alike = space.alike(first, first)
    products = rows @ rows.T
    scores = np.zeros(len(RIDGES))
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(inside) < 2:
            continue
        inverse = _inverse(products[np.ix_(inside, inside)])
        for place, ridge in enumerate(RIDGES):
            votes = _whole(products[np.ix_(outside, inside)] @ inverse(ridge))
            picked = inside[(votes @ alike[np.ix_(inside, inside)]).argmax(axis=1)]
            scores[place] += alike[outside, picked].sum()
    return RIDGES[int(scores.argmax())]


def _inverse(products: np.ndarray) -> Callable[[float], np.ndarray]:
    """(A A' + r I)^-1 as a function of r, from one decomposition."""
    values, vectors = eigh(products)

    def at(ridge: float) -> np.ndarray:
        found: np.ndarray = (vectors / (np.maximum(values, 0) + ridge)) @ vectors.T
        return found

    return at


def _whole(votes: np.ndarray) -> np.ndarray:
    """The rest up to 1 spread evenly."""
    found: np.ndarray = votes + (1 - votes.sum(axis=1, keepdims=True)) / votes.shape[1]
    return found
