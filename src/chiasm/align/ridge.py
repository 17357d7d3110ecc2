"""Ridge regression of every view onto one: the simple baseline among aligners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import solve

from chiasm.align._aligner import Linear
from chiasm.align._select import Candidate, Maps, fit_moments
from chiasm.covariance import Covariance
from chiasm.errors import unknown
from chiasm.scale import one_thread
from chiasm.views import Views, as_views

__all__ = ["Ridge"]


class Ridge(Linear):
    """Every view is mapped into the (centered) space of one target view by regularized least squares.

    W_v = (S_v + ridge x mean eigenvalue x I)^-1 S_vt. The target maps to itself, so the shared width is its width.

    Choose it as the baseline that anything cleverer must beat. It shrinks what it predicts, so queries and gallery
    are spread unequally; CCA treats both sides alike and retrieves better (docs/log.md).

    Args:
        target: the view mapped onto; None: chosen by retrieval on validation rows.
        ridge: in units of the mean eigenvalue; None: chosen likewise among `ridges`.
        seed: of the validation cut, when `fit` is given no validation rows.

    Learned: `means_`, `weights_` by view, `chosen_`, `trials_`. Source: Hoerl & Kennard 1970.
    """

    def __init__(
        self,
        target: str | None = None,
        ridge: float | None = None,
        ridges: Sequence[float] = (1.0, 3.0, 0.3, 10.0, 0.1, 30.0),
        precision: str = "float32",
        seed: int = 0,
    ):
        self.target = target
        self.ridge = ridge
        self.ridges = ridges
        self.precision = precision
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Ridge:
        """Learn from the pairs of `views`; see `CCA.fit` for `val`. Raises a ChiasmError for fewer than two pairs."""
        views = as_views(views)
        if self.target is not None and self.target not in views.columns:
            raise unknown("view", self.target, views.columns)
        moments, self.chosen_, self.trials_ = fit_moments(
            views, val, self._candidates(views), _maps, precision=self.precision, seed=self.seed
        )
        self.weights_ = _solve(moments, self.chosen_)
        self.means_ = {name: moments.mean(name) for name in moments.shift}
        return self

    def _candidates(self, views: Views) -> list[Candidate]:
        targets = [self.target] if self.target is not None else views.names
        ridges = [self.ridge] if self.ridge is not None else list(self.ridges)
        return [{"target": target, "ridge": ridge} for target in targets for ridge in ridges]


def _solve(moments: Covariance, candidate: Candidate) -> dict[str, np.ndarray]:
    target = candidate["target"]
    weights = {}
    for name in moments.shift:
        if name == target:
            continue
        covariance = moments.auto(name)
        d = len(covariance)
        covariance[np.diag_indices(d)] += max(candidate["ridge"], 1e-9) * np.trace(covariance) / d
        with one_thread():
            weights[name] = solve(covariance, moments.cross(name, target), assume_a="pos")
    return weights


def _maps(moments: Covariance, candidate: Candidate) -> Maps:
    weights = _solve(moments, candidate)

    def mapper(name: str) -> Any:
        mean = moments.mean(name)
        return lambda rows: (rows - mean) @ weights[name] if name in weights else rows - mean

    return {name: mapper(name) for name in moments.shift}
