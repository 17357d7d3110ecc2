"""The CP decomposition of a tensor: a sum of few outer products of vectors, one an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["composed", "cp"]

ROUNDS = 200
STILL = 1e-6
"""The change of the share of the tensor that is explained, below which rounds end."""
DAMP = 1e-6
"""What is added to the normal equations, in units of their mean eigenvalue: terms that all but cancel stay finite."""


def cp(tensor: np.ndarray, k: int, *, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Weights `(k,)`, falling, and by axis `(d, k)` columns of length 1: the tensor is about the `composed` of these.

    Alternating least squares: the vectors of all axes but one are held, those of the one solve a least squares problem,
    and so on in turn until nothing changes. It begins with the leading singular vectors of each axis' unfolding (drawn
    at random where k is more than these). Of three axes and more the terms are unique under mild conditions (Kruskal),
    not only the spaces that they span; of two they are not: take an SVD. A local optimum may be found; best k terms
    are no part of best k + 1.

    Args:
        tensor: `(d_1, ..., d_m)`, m of 3 or more. k: how many terms. seed: of what is drawn.

    >>> a, b, c = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 5, 2)))[0]
    >>> weights, factors = cp(composed(np.array([3.0, 1.0]), [a, b, c]), 2)
    >>> weights.round(3), np.abs(factors[0].T @ a).round(3).diagonal()
    (array([3., 1.]), array([1., 1.]))

    Sources: Carroll & Chang 1970; Harshman 1970; Kolda & Bader 2009 (section 3.4).
    """
    unfolded = [np.moveaxis(tensor, axis, 0).reshape(d, -1) for axis, d in enumerate(tensor.shape)]
    rng = np.random.default_rng(seed)
    factors = [_leading(rows, k, rng) for rows in unfolded]
    whole = float(np.square(tensor).sum())
    explained, weights = 0.0, np.zeros(k)
    for _ in range(ROUNDS):
        for axis, rows in enumerate(unfolded):
            others = [factor for place, factor in enumerate(factors) if place != axis]
            gram = np.prod([factor.T @ factor for factor in others], axis=0)
            crossed = rows @ _products(others)
            damped = gram + DAMP * np.eye(k) * np.trace(gram) / k
            found = np.linalg.solve(damped, crossed.T).T
            weights = np.linalg.norm(found, axis=0)
            factors[axis] = np.where(weights > 0, found / np.where(weights > 0, weights, 1), factors[axis])
        last, explained = explained, float(2 * (found * crossed).sum() - (found @ gram * found).sum())
        if abs(explained - last) <= STILL * whole:
            break
    order = np.argsort(-weights, kind="stable")
    return weights[order], [factor[:, order] for factor in factors]


def composed(weights: np.ndarray, factors: Sequence[np.ndarray]) -> np.ndarray:
    """The tensor `(d_1, ..., d_m)` of k terms: the sum of weight x the outer product of the k-th columns."""
    first, *others = factors
    found: np.ndarray = (first * weights) @ _products(others).T
    return found.reshape([len(factor) for factor in factors])


def _products(factors: Sequence[np.ndarray]) -> np.ndarray:
    """`(d_1 d_2 ..., k)` columnwise Kronecker products (Khatri & Rao's), the last axis running fastest."""
    found = factors[0]
    for factor in factors[1:]:
        found = (found[:, None, :] * factor[None, :, :]).reshape(-1, found.shape[1])
    return found


def _leading(rows: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """`(d, k)` the leading left singular vectors of an unfolding, then drawn ones."""
    vectors = np.linalg.eigh(rows @ rows.T)[1][:, ::-1][:, :k]
    drawn = rng.normal(size=(len(rows), k - vectors.shape[1]))
    return np.concatenate([vectors, drawn / np.linalg.norm(drawn, axis=0)], axis=1)
