"""Canonical correlation analysis, regularized and correlation-weighted, exact and streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.align._canonical import Canonical, canonical
from chiasm.align._moments import Closed, widths
from chiasm.align._select import Candidate
from chiasm.allowed import COUNT, NOT_NEGATIVE
from chiasm.stats.covariance import Covariance
from chiasm.views import Views

__all__ = ["CCA"]


class CCA(Closed):
    """Linear maps under which the views of a thing correlate the most; each direction scaled by sqrt(its correlation).

    With S_a, S_b the views' covariances (each plus ridge x its mean eigenvalue on the diagonal) and S_ab the cross
    covariance, two views are solved by the SVD of S_a^-1/2 S_ab S_b^-1/2; three or more by the generalized eigenproblem
    of the block matrix (MCCA: the sum of pairwise correlations), which for two views is the same. Scaling by sqrt(rho)
    makes the inner product weigh a direction by its correlation, so that a large k does no harm.

    Two views that never or seldom occur together meet through a third that pairs with both, their hub: with a table of
    image-text pairs and one of audio-text pairs (`Views.stack`), image and audio are taken to depend on each other
    through text alone, S_ia = S_it S_t^-1 S_ta, so that images find sounds. Rows without a partner still count in their
    view's own covariance.

    Choose it first: closed form, a second for thousands of pairs, hard to beat with few pairs on frozen features.
    Choose something trained when there are very many pairs and validation says so.

    Args:
        k: the shared width; None: chosen by retrieval on validation rows among 32, 64, 128, 256, 512.
        ridge: regularization in units of the mean eigenvalue; None: chosen likewise among `ridges`. Held-out
            correlation would choose far too much ridge, retrieval does not.
        ridges: the candidates; of equals the first is taken, so what is right most often stands first.
        precision: of the products, "float32" (summed in float64 over chunks of shifted rows) or "float64".
        seed: of the choice, when `fit` is given no validation rows, and of `permutation_test`.

    Learned: `means_`, `weights_` by view, `correlations_` `(k,)` (regularized), `chosen_`, `trials_`, `moments_`.
    `partial_fit` without `fit` takes ridge 3 and k 256 where they are left open.

    `fit` raises a ChiasmError for fewer than two views, fewer than two pairs, or a ridge of 0 with too few rows.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> views = {"a": z @ [[1, 2, 0], [0, 1, 1]], "b": z @ [[3, 1], [1, 1]]}
    >>> CCA(k=2, ridge=1e-6).fit(views).correlations_.round(3)
    array([1., 1.])
    >>> first, second = ({name: rows[part] for name, rows in views.items()} for part in (slice(80), slice(80, 200)))
    >>> CCA(k=2, ridge=1e-6).partial_fit(first).merge(CCA().partial_fit(second)).correlations_.round(3)
    array([1., 1.])

    Sources: Hotelling 1936; Kettenring 1971 (MCCA); Li et al. 2024, arXiv 2410.07610 (weighting by correlation, CSA);
    Dempster 1972 (a covariance completed by conditional independence).
    """

    correlations_: np.ndarray
    _free = ("k",)

    allowed: ClassVar = {"k": COUNT.or_none(), "ridge": NOT_NEGATIVE.or_none(), "ridges": NOT_NEGATIVE.each()}

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

    def _candidates(self, views: Views) -> list[Candidate]:
        widest = min(widths(views).values())
        ks = [self.k] if self.k is not None else [k for k in (32, 64, 128, 256, 512) if k < widest] + [widest]
        ridges = [self.ridge] if self.ridge is not None else list(self.ridges)
        return [{"ridge": ridge, "k": k} for ridge in ridges for k in ks]

    def _usual(self, moments: Covariance) -> dict[str, Any]:
        return {"ridge": 3.0 if self.ridge is None else self.ridge, "k": self.k or 256}

    def _solve(self, moments: Covariance, candidate: Candidate, widths: Mapping[str, int]) -> Canonical:
        return canonical(moments, float(candidate["ridge"]), widths)

    def _weights(self, solution: Canonical, candidate: Candidate) -> dict[str, np.ndarray]:
        weights, correlations = solution
        scale = np.sqrt(correlations[: candidate["k"]])
        return {name: matrix[:, : candidate["k"]] * scale for name, matrix in weights.items()}

    def _record(self, solution: Canonical, candidate: Candidate) -> None:
        self.correlations_ = solution[1][: candidate["k"]]
