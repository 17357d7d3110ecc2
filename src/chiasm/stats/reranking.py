"""A second look at the first few: which candidates it is given, how both scores blend, what they learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

__all__ = ["BEST", "Lists", "best", "blended", "likelihoods", "reordered", "weigh"]

BEST = 20
"""The candidates of a query that are looked at again."""


def best(scores: np.ndarray, most: int = BEST) -> np.ndarray:
    """`(q, m)` the places of the largest scores of each row `(q, g)`, the largest first, m at most `most`.

    >>> best(np.array([[0.1, 0.9, 0.5]]), 2).tolist()
    [[1, 2]]
    """
    most = min(most, scores.shape[1])
    if not most:
        return np.zeros((len(scores), 0), dtype=np.int64)
    some = np.argpartition(-scores, most - 1, axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    found: np.ndarray = np.take_along_axis(some, order, axis=1)
    return found


def blended(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """`(m,)` first + share * second, each in standard deviations over these candidates; 0 leaves the first's order.

    >>> blended(np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 9.0]), 0.0).argsort().tolist()
    [2, 1, 0]
    """
    return _standard(first) + share * _standard(second)


def reordered(scores: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Scores `(q, g)` of which those at some places `(q, m)` are dealt anew, so that they fall as `values` do.

    A ranking by them has the candidates in their new order, and all else where it was.

    >>> reordered(np.array([[0.9, 0.8, 0.1]]), np.array([[0, 1]]), np.array([[1.0, 2.0]])).tolist()
    [[0.8, 0.9, 0.1]]
    """
    held = -np.sort(-np.take_along_axis(scores, places, axis=1), axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    dealt = scores.copy()
    np.put_along_axis(dealt, np.take_along_axis(places, order, axis=1), held, axis=1)
    return dealt


class Lists(NamedTuple):
    """The candidates of n queries, m of each."""

    first: np.ndarray
    """`(n, m)` what they score."""
    more: np.ndarray
    """`(n, m, p)` what else is known of each pair."""
    right: np.ndarray
    """`(n, m)` boolean; in every list at least one is."""

    def bare(self) -> Lists:
        """The same without what else is known."""
        return self._replace(more=self.more[:, :, :0])


def weigh(lists: Sequence[Lists], ridge: float) -> tuple[float, np.ndarray]:
    """(t, w `(p,)`) under which the right candidates are likeliest, softmax(t first + more w) over each list.

    The wrong ones of a list are hard: a first ranking has put them there. Convex where one of a list is right; w is
    drawn to 0 by `ridge`, t is not. Source: McFadden 1974 (the conditional logit).
    """
    p, n = lists[0].more.shape[2], sum(len(one.first) for one in lists)
    known = [(np.concatenate([one.first[..., None], one.more], axis=2, dtype=np.float64), one.right) for one in lists]

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = ridge / 2 * float(v[1:] @ v[1:]), np.concatenate([[0.0], ridge * v[1:]])
        for z, right in known:
            log, odds, own = _odds(z @ v, right)
            total -= float(log.sum()) / n
            slope += np.einsum("nm,nmp->p", odds - own, z) / n
        return total, slope

    found = minimize(loss, np.concatenate([[10.0], np.zeros(p)]), jac=True, method="L-BFGS-B").x
    return float(found[0]), found[1:]


def likelihoods(lists: Lists, t: float, weights: np.ndarray) -> np.ndarray:
    """`(n,)` the log likelihood of what is right in each list."""
    return _odds(t * lists.first + lists.more @ weights, lists.right)[0]


def _odds(z: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log of what the right ones of each list have together, softmax(z) over all, and over the right ones alone."""
    odds = np.exp(z - z.max(axis=1, keepdims=True))
    own = np.where(right, odds, 0.0)
    whole, mine = odds.sum(axis=1, keepdims=True), np.maximum(own.sum(axis=1, keepdims=True), 1e-300)
    return np.log(mine / whole)[:, 0], odds / whole, own / mine


def _standard(values: np.ndarray) -> np.ndarray:
    """Less their mean, over their standard deviation; 0 where all are equal."""
    off = np.asarray(values, dtype=np.float64) - (np.mean(values) if len(values) else 0.0)
    spread = float(off.std()) if len(off) else 0.0
    return off / spread if spread > 1e-9 else np.zeros_like(off)
