"""Partial least squares: the directions in which the views vary together the most."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh, solve, svd

from chiasm.align._hub import completed
from chiasm.align._moments import Closed, widths
from chiasm.align._select import Candidate
from chiasm.allowed import COUNT
from chiasm.stats.covariance import Covariance
from chiasm.views import Views

__all__ = ["PLS"]

_RIDGE = 1.0
"""Of the hub's covariance, in units of its mean eigenvalue, where two views are linked through a third."""


class PLS(Closed):
    """Orthonormal directions of each view whose covariance with the other views' is the largest.

    Two views: the singular vectors of the cross covariance, S_ab = U diag(s) V'; x maps to (x - mean) U. Three or more:
    the leading eigenvectors of the block matrix of cross covariances (zero diagonal), each view first scaled to mean
    variance 1; two views that seldom or never meet are linked through a third that meets both, as in `cca`. Unlike
    there nothing is whitened, so that directions of little variance are left alone and no ridge is needed.

    Choose it with very few pairs (a hundred or less), as it has no ridge to choose: with 100 pairs of captions and
    pictures its R@1 lay between 1.3 points below `cca`'s and .2 above (four packs, no interval), on lips and voices 15
    below. With more pairs choose `cca`. Directions are not scaled further: powers of s from -1/2 to 1/4 retrieved worse
    on real features.

    Args:
        k: the shared width; None: chosen by retrieval on validation rows among 16, 32, 64, 128, 256, 512.
        precision: of the products, "float32" or "float64".
        seed: of the choice, when `fit` is given no validation rows.

    Learned: `means_`, `weights_` by view, `covariances_` `(k,)` (s, falling; for three or more views the eigenvalues),
    `chosen_`, `trials_`, `moments_`. `partial_fit` without `fit` takes k 128 where it is left open.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> views = {"a": z @ [[1, 2, 0], [0, 1, 1]], "b": z @ [[3, 1], [1, 1]]}
    >>> model = PLS(k=2, precision="float64").fit(views)
    >>> bool(np.allclose(model.weights_["a"].T @ model.weights_["a"], np.eye(2)))
    True

    Sources: Wold 1975; Wegelin 2000 (the symmetric form, PLS-SVD); McIntosh et al. 1996 (PLS correlation).
    """

    covariances_: np.ndarray
    _free = ("k",)

    allowed: ClassVar = {"k": COUNT.or_none()}

    def __init__(self, k: int | None = None, precision: str = "float32", seed: int = 0):
        self.k = k
        self.precision = precision
        self.seed = seed

    def _candidates(self, views: Views) -> list[Candidate]:
        widest = min(widths(views).values())
        ks = [self.k] if self.k is not None else [k for k in (128, 64, 256, 32, 512, 16) if k < widest] + [widest]
        return [{"k": k} for k in ks]

    def _usual(self, moments: Covariance) -> dict[str, Any]:
        return {"k": self.k or 128}

    def _solve(
        self, moments: Covariance, candidate: Candidate, widths: Mapping[str, int]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        names = moments.names
        if len(names) == 2:
            a, b = names
            left, values, right = svd(moments.cross(a, b), full_matrices=False)
            parts = {a: left, b: right.T}
        else:
            scales = {name: np.sqrt(np.trace(moments.auto(name)) / widths[name]) for name in names}
            crosses = {(a, b): moments.cross(a, b) / scales[a] / scales[b] for a, b in combinations(names, 2)}

            def through(hub: str, left: np.ndarray, right: np.ndarray) -> np.ndarray:
                own = moments.auto(hub) / scales[hub] ** 2
                own[np.diag_indices(len(own))] += _RIDGE
                product: np.ndarray = left @ solve(own, right, assume_a="pos")
                return product

            starts = dict(zip(names, np.cumsum([0, *moments.widths.values()]), strict=False))
            whole = np.zeros((sum(moments.widths.values()),) * 2)
            for (a, b), block in completed(moments, crosses, through).items():
                rows, columns = (slice(starts[n], starts[n] + moments.widths[n]) for n in (a, b))
                whole[rows, columns], whole[columns, rows] = block, block.T
            r = min(moments.widths.values())
            values, vectors = eigh(whole, subset_by_index=[len(whole) - r, len(whole) - 1])
            values, vectors = values[::-1], vectors[:, ::-1] * np.sqrt(len(names))
            parts = {n: vectors[starts[n] : starts[n] + moments.widths[n]] / scales[n] for n in names}
        r = max(1, int((values > 1e-6 * values[0]).sum()))  # what lies below is rounding
        return {name: part[:, :r] for name, part in parts.items()}, values[:r]

    def _weights(self, solution: tuple[dict[str, np.ndarray], np.ndarray], candidate: Candidate) -> dict:
        return {name: matrix[:, : candidate["k"]] for name, matrix in solution[0].items()}

    def _record(self, solution: tuple[dict[str, np.ndarray], np.ndarray], candidate: Candidate) -> None:
        self.covariances_ = solution[1][: candidate["k"]]
