"""Ridge regression of every view onto one: the simple baseline among aligners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import solve

from chiasm.align._moments import Closed, Spans
from chiasm.align._select import Candidate
from chiasm.allowed import NOT_NEGATIVE, TEXT
from chiasm.errors import ChiasmError, unknown
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import pairs
from chiasm.views import Views, as_views

__all__ = ["Ridge"]


class Ridge(Closed):
    """Every view is mapped into the (centered) space of one target view by regularized least squares.

    W_v = (S_v + ridge x mean eigenvalue x I)^-1 S_vt. The target maps to itself, so the shared width is its width.
    `r2` tells how much of the target a view explains.

    Choose it as the baseline that anything cleverer must beat. It shrinks what it predicts, so queries and gallery
    are spread unequally; CCA treats both sides alike and retrieves better (docs/log.md). The target must occur together
    with every other view; the others need not meet.

    Args:
        target: the view mapped onto; None: chosen by retrieval on validation rows among those that pair with all.
        ridge: in units of the mean eigenvalue; None: chosen likewise among `ridges`.
        precision: of the products, "float32" or "float64".
        seed: of the choice, when `fit` is given no validation rows.

    Learned: `means_`, `weights_` by view, `chosen_`, `trials_`, `moments_`. `partial_fit` without `fit` takes ridge 3
    and the first view that pairs with all where they are left open. Source: Hoerl & Kennard 1970.

    >>> import numpy as np
    >>> a = np.random.default_rng(0).normal(size=(200, 3))
    >>> b = a @ [[1, 2], [0, 1], [1, 0]]
    >>> model = Ridge(target="b", ridge=1e-4).fit({"a": a[:150], "b": b[:150]})
    >>> round(model.r2({"a": a[150:], "b": b[150:]})["a"], 3)
    1.0
    """

    allowed: ClassVar = {"target": TEXT.or_none(), "ridge": NOT_NEGATIVE.or_none(), "ridges": NOT_NEGATIVE.each()}

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

    def r2(self, views: Any) -> dict[str, float]:
        """By view, the share of the target's variance on these rows that its map explains; 1 is all, 0 the mean's.

        R^2 = 1 - sum |y - f(x)|^2 / sum |y - mean y|^2 over all pairs of a view's item and the target's, every id
        weighing 1. Meant for rows that were not learned from; below 0 the map is worse than the rows' own mean. Views
        without two such pairs are left out.
        """
        views = as_views(views)
        mapped, target = self.transform(views), self.chosen_["target"]
        if target not in mapped.columns:
            raise ChiasmError(f"wanted rows with the target {target!r} to compare with, got {', '.join(views.names)}.")
        found = {}
        for name in mapped.names:
            left, right, ids, weights = pairs(mapped, name, target)
            if name == target or len(np.unique(ids)) < 2:
                continue
            truth = mapped[target].items[right].astype(np.float64)
            error = weights @ ((truth - mapped[name].items[left]) ** 2).sum(axis=1)
            spread = weights @ ((truth - weights @ truth / weights.sum()) ** 2).sum(axis=1)
            found[name] = float(1 - error / spread)
        return found

    def _candidates(self, views: Views) -> list[Candidate]:
        codes = {name: np.unique(views.codes[views.present(name)]) for name in views.columns}
        able = [a for a in codes if all(len(np.intersect1d(codes[a], codes[b])) > 1 for b in codes)]
        ridges = [self.ridge] if self.ridge is not None else list(self.ridges)
        return [{"target": target, "ridge": ridge} for target in self._targets(able, codes) for ridge in ridges]

    def _usual(self, moments: Covariance) -> dict[str, Any]:
        names = moments.names
        able = [a for a in names if all(a == b or moments.count(a, b) > 1 for b in names)]
        return {"target": self._targets(able, names)[0], "ridge": 3.0 if self.ridge is None else self.ridge}

    def _targets(self, able: Sequence[str], views: Any) -> Sequence[str]:
        if self.target is not None and self.target not in views:
            raise unknown("view", self.target, views)
        if not able or self.target not in (None, *able):
            raise ChiasmError(
                "wanted a target view that occurs together with every other view, got "
                f"{'none such' if self.target is None else repr(self.target)}: choose another, or cca."
            )
        return able if self.target is None else [self.target]

    def _solve(self, moments: Covariance, candidate: Candidate, widths: Mapping[str, int]) -> dict[str, np.ndarray]:
        target, weights = candidate["target"], {}
        for name in moments.names:
            if name == target:
                continue
            covariance = moments.auto(name)
            step = max(candidate["ridge"], 1e-9) * np.trace(covariance) / widths[name]
            covariance[np.diag_indices(len(covariance))] += step
            weights[name] = solve(covariance, moments.cross(name, target), assume_a="pos")
        return weights

    def _weights(self, solution: dict[str, np.ndarray], candidate: Candidate) -> dict[str, np.ndarray]:
        return solution

    def _lift(self, weights: dict[str, np.ndarray], bases: Spans) -> dict[str, np.ndarray]:
        target = self.chosen_["target"]
        lifted = super()._lift(weights, bases)
        return {name: w @ bases[target].basis.T for name, w in lifted.items()} if target in bases else lifted
