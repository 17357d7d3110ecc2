"""How likely each hit of a search is the true one, learned from queries whose true match is known."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit, logsumexp

from chiasm.errors import ChiasmError

__all__ = ["NEAR", "learn_odds", "match_odds"]

NEAR = 200
"""The nearest items of a query that compete for being its match."""

_FIRST = 10
_EPS = 1e-9


def match_odds(scores: np.ndarray, near: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """`(n,)` the probability that an item is what one query means, supposing that one item of the gallery is.

    p = sigma(a logit(exp(b s) / sum over the nearest of exp(b s')) + c): the share of the item among all that are near,
    and Platt's line through its log odds. So a rival that is nearly as near halves it, and so does a second copy.

    Args:
        scores: `(n,)` of items. near: `(m,)` the scores of the query's nearest in the whole gallery, `NEAR` where there
            are so many. odds: `(3,)` b, a, c, as `learn_odds` found them.

    >>> match_odds(np.array([0.9, 0.5]), np.array([0.9, 0.5, 0.5]), np.array([5.0, 1.0, 0.0])).round(2)
    array([0.79, 0.11])
    """
    steep, slope, shift = (float(one) for one in odds)
    share = np.exp(np.minimum(steep * np.asarray(scores, np.float64) - logsumexp(steep * near), 0))
    found: np.ndarray = expit(slope * logit(np.clip(share, _EPS, 1 - _EPS)) + shift)
    return found


def learn_odds(match: np.ndarray, others: np.ndarray) -> np.ndarray:
    """`(3,)` b, a, c of `match_odds`, from queries whose match is known: first b, then the line through the first ten.

    Choose it for a gallery that these queries were searched in: there it holds, whatever the size and the kind of the
    gallery. A temperature alone (b) holds only in galleries of things like the known ones; scores alone, without what
    is near, in none of another size (docs/log.md). The line is held to a = 1, c = 0 by a penalty worth one candidate.

    Args:
        match: `(n,)` scores of the true matches. others: `(n, m)` of the items nearest to each query that are no match,
            -inf where there are fewer.

    Raises a ChiasmError without queries or others.

    Sources: Guo et al. 2017, arXiv 1706.04599 (the temperature); Platt 1999.
    """
    match, others = np.asarray(match, np.float64), np.asarray(others, np.float64)
    if not len(match) or others.ndim != 2 or len(others) != len(match) or not others.shape[1]:
        raise ChiasmError(f"wanted scores of n >= 1 matches and (n, m) others, got {match.shape} and {others.shape}.")
    every = np.concatenate([match[:, None], others], axis=1)
    below = every - every.max(axis=1, keepdims=True)

    def missed(log_steep: float) -> float:
        steep = np.exp(log_steep)
        return float((np.log(np.exp(steep * below).sum(axis=1)) - steep * below[:, 0]).mean())

    steep = float(np.exp(minimize_scalar(missed, bounds=(0, 7), method="bounded", options={"xatol": 1e-3}).x))
    order = np.argsort(-below, axis=1, kind="stable")[:, :_FIRST]
    first = np.take_along_axis(below, order, axis=1)
    there = np.isfinite(first)
    share = np.exp(steep * first) / np.exp(steep * below).sum(axis=1, keepdims=True)
    odds = logit(np.clip(share, _EPS, 1 - _EPS))[there]
    true = (order == 0)[there].astype(np.float64)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        told = line[0] * odds + line[1]
        gap = expit(told) - true
        held = line - (1.0, 0.0)
        value = (np.logaddexp(0, told) - true * told).sum() + (held**2).sum() / 2
        return float(value), np.array([gap @ odds, gap.sum()]) + held

    line = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.01, None), (None, None)]).x
    return np.array([steep, *line])
