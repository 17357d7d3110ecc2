"""The canonical directions of two or more views, from their moments: what CCA and kernel CCA solve."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular

from chiasm.align._hub import completed
from chiasm.errors import ChiasmError
from chiasm.stats.covariance import Covariance

__all__ = ["Canonical", "canonical"]

Canonical = tuple[dict[str, np.ndarray], np.ndarray]
"""Weights by view `(d, r)` and the correlations `(r,)`, falling."""

_LEAST = 1e-6
"""A correlation below this is rounding."""


def canonical(moments: Covariance, ridge: float | Mapping[str, float], widths: Mapping[str, int]) -> Canonical:
    """Canonical weights and correlations for the largest possible r.

    Args:
        ridge: one for all or one a view, in units of a view's mean eigenvalue: trace / its width in `widths`, which
            may be larger than in `moments` (rows in the coordinates of their span).
    """
    names = moments.names
    ridges = ridge if isinstance(ridge, Mapping) else dict.fromkeys(names, ridge)
    roots = {name: _root(moments.auto(name), ridges[name], name, widths[name]) for name in names}
    crosses = {(a, b): _whiten(moments.cross(a, b), roots[a], roots[b]) for a, b in combinations(names, 2)}
    if len(names) == 2:
        a, b = names
        left, correlations, right = _singular(crosses[a, b])
        whitened = {a: left, b: right}
    else:
        crosses = completed(moments, crosses, lambda hub, left, right: left @ right)
        blocks = [[crosses[a, b] if (a, b) in crosses else crosses[b, a].T for b in names if b != a] for a in names]
        for i, name in enumerate(names):
            blocks[i].insert(i, np.eye(len(roots[name])))
        whole: np.ndarray = np.block(blocks)
        r = min(len(root) for root in roots.values())
        values, vectors = eigh(whole, subset_by_index=[len(whole) - r, len(whole) - 1])
        correlations = np.clip(values[::-1] - 1, 0, None) / (len(names) - 1)
        parts = np.split(vectors[:, ::-1], np.cumsum([len(roots[name]) for name in names])[:-1])
        whitened = {name: part * np.sqrt(len(names)) for name, part in zip(names, parts, strict=True)}
    r = max(1, int((correlations > _LEAST).sum()))
    weights = {name: solve_triangular(roots[name], whitened[name][:, :r], lower=True, trans="T") for name in names}
    return weights, correlations[:r]


def _singular(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, s, V of `(d_a, d_b)` = U diag(s) V', through the smaller Gram matrix: twice as fast as an SVD.

    Values near 1 come out to rounding; only those below `_LEAST`, which nothing uses, are blurred.
    """
    if matrix.shape[0] < matrix.shape[1]:
        right, values, left = _singular(matrix.T)
        return left, values, right
    squares, vectors = eigh(matrix.T @ matrix, driver="evd", check_finite=False)
    values, vectors = np.sqrt(np.clip(squares[::-1], 0, None)), vectors[:, ::-1]
    return (matrix @ vectors) / np.maximum(values, _LEAST), values, vectors


def _root(covariance: np.ndarray, ridge: float, name: str, width: int) -> np.ndarray:
    """The lower Cholesky factor of a covariance plus ridge x its mean eigenvalue."""
    d = len(covariance)
    if np.trace(covariance) <= 0:
        raise ChiasmError(f"view {name!r} is constant: wanted items that differ; leave the view out.")
    covariance[np.diag_indices(d)] += ridge * np.trace(covariance) / width
    try:
        if ridge <= 0 and d < width:
            raise LinAlgError
        return cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        raise ChiasmError(
            f"the covariance of view {name!r} is singular (fewer pairs than its {width} dimensions, or constant "
            f"columns): wanted a ridge above 0, got {ridge}."
        ) from None


def _whiten(cross: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    half = solve_triangular(left, cross, lower=True, check_finite=False)
    return solve_triangular(right, half.T, lower=True, check_finite=False).T
