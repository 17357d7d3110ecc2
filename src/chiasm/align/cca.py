"""Canonical correlation analysis, regularized and correlation-weighted, exact and streamed: the default aligner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular, svd

from chiasm.align._aligner import Linear
from chiasm.align._select import Candidate, Maps, fit_moments
from chiasm.covariance import Covariance
from chiasm.errors import ChiasmError
from chiasm.scale import one_thread
from chiasm.views import Views, as_views

__all__ = ["CCA"]


class CCA(Linear):
    """Linear maps under which the views of a thing correlate the most; each direction scaled by sqrt(its correlation).

    With S_a, S_b the views' covariances (each plus ridge x its mean eigenvalue on the diagonal) and S_ab the cross
    covariance, two views are solved by the SVD of S_a^-1/2 S_ab S_b^-1/2; three or more by the generalized eigenproblem
    of the block matrix (MCCA: the sum of pairwise correlations), which for two views is the same. Scaling by sqrt(rho)
    makes the inner product weigh a direction by its correlation, so that a large k does no harm.

    Choose it first: closed form, a second for thousands of pairs, hard to beat with few pairs on frozen features.
    Choose something trained when there are very many pairs and validation says so.

    Args:
        k: the shared width; None: chosen by retrieval on validation rows among 32, 64, 128, 256, 512.
        ridge: regularization in units of the mean eigenvalue; None: chosen likewise among `ridges`. Held-out
            correlation would choose far too much ridge, retrieval does not.
        ridges: the candidates; of equals the first is taken, so what is right most often stands first.
        precision: of the products, "float32" (summed in float64 over chunks of shifted rows) or "float64".
        seed: of the validation cut, when `fit` is given no validation rows.

    Learned: `means_`, `weights_` by view, `correlations_` `(k,)` (regularized), `chosen_`, `trials_`.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> views = {"a": z @ [[1, 2, 0], [0, 1, 1]], "b": z @ [[3, 1], [1, 1]]}
    >>> CCA(k=2, ridge=1e-6).fit(views).correlations_.round(3)
    array([1., 1.])

    Sources: Hotelling 1936; Kettenring 1971 (MCCA); Li et al. 2024, arXiv 2410.07610 (weighting by correlation, CSA).
    """

    def __init__(
        self,
        k: int | None = None,
        ridge: float | None = None,
        ridges: Sequence[float] = (1.0, 3.0, 0.3, 10.0, 0.1, 30.0),
        precision: str = "float32",
        seed: int = 0,
    ):
        self.k = k
        self.ridge = ridge
        self.ridges = ridges
        self.precision = precision
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> CCA:
        """Learn from the pairs of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), every id weighing the same.

        With k or ridge left open they are chosen on `val`; without `val` an eighth of the ids is set aside for the
        choice and learned from afterwards.

        Raises a ChiasmError for fewer than two views, fewer than two pairs, or a ridge of 0 with too few rows.
        """
        views = as_views(views)
        moments, self.chosen_, self.trials_ = fit_moments(
            views, val, self._candidates(views), _Solver(), precision=self.precision, seed=self.seed
        )
        weights, correlations = _solve(moments, float(self.chosen_["ridge"]))
        k = min(int(self.chosen_["k"]), len(correlations))
        scale = np.sqrt(correlations[:k])
        self.correlations_ = correlations[:k]
        self.means_ = {name: moments.mean(name) for name in weights}
        self.weights_ = {name: np.ascontiguousarray(matrix[:, :k] * scale) for name, matrix in weights.items()}
        return self

    def _candidates(self, views: Views) -> list[Candidate]:
        widest = min(column.width for column in views.columns.values())
        ks = [self.k] if self.k is not None else [k for k in (32, 64, 128, 256, 512) if k < widest] + [widest]
        ridges = [self.ridge] if self.ridge is not None else list(self.ridges)
        return [{"ridge": ridge, "k": k} for ridge in ridges for k in ks]


class _Solver:
    """Maps for a candidate; candidates that differ in k alone share one solution."""

    def __init__(self) -> None:
        self.last: tuple[float, Any] | None = None

    def __call__(self, moments: Covariance, candidate: Candidate) -> Maps:
        if self.last is None or self.last[0] != candidate["ridge"]:
            self.last = (candidate["ridge"], _solve(moments, candidate["ridge"]))
        weights, correlations = self.last[1]
        scale = np.sqrt(correlations[: candidate["k"]])

        def mapper(name: str) -> Any:
            matrix, mean = weights[name][:, : candidate["k"]] * scale, moments.mean(name)
            return lambda rows: (rows - mean) @ matrix

        return {name: mapper(name) for name in weights}


def _solve(moments: Covariance, ridge: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Canonical weights by view `(d, r)` and correlations `(r,)`, falling, for the largest possible r."""
    names = list(moments.shift)
    with one_thread():
        return _decompose(moments, names, ridge)


def _decompose(moments: Covariance, names: list[str], ridge: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    roots = {name: _root(moments.auto(name), ridge, name) for name in names}
    if len(names) == 2:
        a, b = names
        left, correlations, right = svd(_whiten(moments.cross(a, b), roots[a], roots[b]), full_matrices=False)
        whitened = {a: left, b: right.T}
    else:
        blocks: list[list[Any]] = [[np.eye(len(roots[a])) if a == b else None for b in names] for a in names]
        for (i, a), (j, b) in combinations(enumerate(names), 2):
            blocks[i][j] = _whiten(moments.cross(a, b), roots[a], roots[b])
            blocks[j][i] = blocks[i][j].T
        whole: np.ndarray = np.block(blocks)
        r = min(len(root) for root in roots.values())
        values, vectors = eigh(whole, subset_by_index=[len(whole) - r, len(whole) - 1])
        correlations = (values[::-1] - 1) / (len(names) - 1)
        parts = np.split(vectors[:, ::-1], np.cumsum([len(roots[name]) for name in names])[:-1])
        whitened = {name: part * np.sqrt(len(names)) for name, part in zip(names, parts, strict=True)}
    correlations = np.clip(correlations, 0, None)
    r = max(1, int((correlations > 1e-7).sum()))
    weights = {name: solve_triangular(roots[name], whitened[name][:, :r], lower=True, trans="T") for name in names}
    return weights, correlations[:r]


def _root(covariance: np.ndarray, ridge: float, name: str) -> np.ndarray:
    """The lower Cholesky factor of a covariance plus ridge x its mean eigenvalue."""
    d = len(covariance)
    covariance = covariance.copy()
    covariance[np.diag_indices(d)] += ridge * np.trace(covariance) / d
    try:
        return cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        raise ChiasmError(
            f"the covariance of view {name!r} is singular (fewer pairs than its {d} dimensions, or constant columns): "
            f"wanted a ridge above 0, got {ridge}."
        ) from None


def _whiten(cross: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    half = solve_triangular(left, cross, lower=True, check_finite=False)
    return solve_triangular(right, half.T, lower=True, check_finite=False).T
