"""Tensor canonical correlation analysis: directions in which three or more views vary together, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh

from chiasm.align._aligner import Linear
from chiasm.align._canonical import canonical
from chiasm.align._moments import means_by_id, widths
from chiasm.align._select import Map, chosen, views_each
from chiasm.allowed import COUNT, NOT_NEGATIVE, SEED
from chiasm.errors import ChiasmError
from chiasm.scale import one_thread
from chiasm.stats.covariance import Covariance, check_narrow
from chiasm.stats.cp import cp
from chiasm.stats.relevance import check_pairs
from chiasm.views import Views, as_views

__all__ = ["TCCA"]

_SIZE = 2**18
"""Numbers of the tensor at most: 64 axes of each of three views, 22 of four."""
_LEAST = 1e-9
"""The variance along an axis, in units of the largest, below which it is rounding."""
_CHUNK = 1024
_FEWEST = 3
"""Things of three views and more: centered rows of two things have no third moment."""

Solution = tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]
"""By view mean `(d,)` and weights `(d, k)`; the comoments `(k,)`."""


class TCCA(Linear):
    """Linear maps under which the product of all views' values, averaged over things, is the largest.

    Each view is turned to its leading principal axes (64 of three views, 22 of four) and whitened, each axis divided by
    the root of its variance plus ridge x the view's mean eigenvalue. The covariance tensor, the mean over things of the
    outer product of their whitened rows, is decomposed into k outer products (CP, `stats.cp`): u_r of one view, v_r of
    the next ... and how much they vary together, lambda_r. A view maps to its k projections, each scaled by
    |lambda_r|^(1/m) for m views. Signs are those under which views are most alike. Of two views the tensor is a matrix:
    this is `cca` of the same k and ridge.

    Choose it for research, where three views depend on each other in a way that no two of them show: z_3 = z_1 z_2 with
    random signs leaves every pair uncorrelated, `cca` blind, and is found here (tested). What three views share
    symmetrically about its mean has no third moment and is not found. To find things it loses: R@1 less `cca` on three
    feature sets of digits -11.9 [-13.4, -10.4], on ikea's types, descriptions and pictures -26.7 [-28.3, -25.2]; as
    features for the digits' classes no difference is shown (docs/align.md).

    Things that lack a view count in the covariances of those that they have, not in the tensor.

    Args:
        k: the shared width; None: chosen by retrieval on held-out things among 8, 16, 32, 64.
        ridge: in units of the mean eigenvalue; None: chosen likewise among 1, 10, 0.1.
        seed: of the choice.

    Learned: `means_`, `weights_` by view, `comoments_` `(k,)` (lambda, which has a sign where the number of views is
    even; of two views the correlations), `chosen_`, `trials_`.

    `fit` raises a ChiasmError for fewer than two views, and for fewer than two things that have all of them.

    >>> first, second = np.tile([[1, 1, -1, -1], [1, -1, 1, -1]], 50)
    >>> views = {"a": first[:, None], "b": second[:, None], "c": (first * second)[:, None]}
    >>> TCCA(k=1, ridge=0).fit(views).comoments_.round(3)
    array([1.])

    Source: Luo et al. 2015, "Tensor canonical correlation analysis for multi-view dimension reduction".
    """

    comoments_: np.ndarray
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {"k": COUNT.or_none(), "ridge": NOT_NEGATIVE.or_none(), "seed": SEED}

    def __init__(self, k: int | None = None, ridge: float | None = None, seed: int = 0):
        self.k = k
        self.ridge = ridge
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> TCCA:
        """Learn from the things of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), every id weighing the same.

        What is left open is chosen on `val`, or without it on things of `views`, which are learned from in the end.
        """
        views = as_views(views)
        check_pairs(views)
        check_narrow(widths(views))
        complete = views_each(views) == len(views.names)
        if complete.sum() < 2:
            raise ChiasmError(
                f"wanted at least 2 things that have all {len(views.names)} views ({', '.join(views.names)}), got "
                f"{complete.sum()}: tcca reads what all of them do at once; fit with cca, which goes by pairs."
            )
        most = min(_axes(len(views.names)), *widths(views).values()) if len(views.names) > 2 else 64
        ks = [self.k] if self.k is not None else [k for k in (8, 16, 32) if k < most] + [most]
        ridges = (1.0, 10.0, 0.1) if self.ridge is None else (self.ridge,)
        if len(views.names) > 2 and complete.sum() < _FEWEST:
            raise ChiasmError(
                f"wanted at least {_FEWEST} things that have all {len(views.names)} views, got {complete.sum()}: the "
                "mean product of fewer says nothing; fit with cca, which goes by pairs."
            )
        self.chosen_, self.trials_ = chosen(
            views[complete[views.codes]],
            val,
            "ridge",
            {ridge: self._maker(ridge, ks[-1]) for ridge in ridges},
            ks,
            self.seed,
        )
        self.means_, self.weights_, self.comoments_ = self._learn(views, self.chosen_["ridge"], self.chosen_["k"])
        self.chosen_["k"] = len(self.comoments_)
        if not np.abs(self.comoments_).max() > _LEAST:
            raise ChiasmError(
                "wanted views whose product is not 0 on average, got such as lie symmetrically about their means: tcca "
                "finds nothing there; fit with cca."
            )
        return self

    def _maker(self, ridge: float, k: int) -> Callable[[Views], Map]:
        def learn(views: Views) -> Map:
            means, weights, _ = self._learn(views, ridge, k)
            return lambda name, rows, width: (rows - means[name]) @ weights[name][:, :width]

        return learn

    def _learn(self, views: Views, ridge: float, k: int) -> Solution:
        moments = Covariance().add(views)
        means = {name: moments.mean(name) for name in moments.names}
        with one_thread():
            if len(means) == 2:
                weights, strength = canonical(moments, ridge, widths(views))
                scale = np.sqrt(strength[:k])
                return means, {name: matrix[:, :k] * scale for name, matrix in weights.items()}, strength[:k]
            turns = {n: _whitening(moments.auto(n), ridge, _axes(len(means))) for n in means}
            rows = _whitened(views, means, turns)
            strength, factors = cp(_tensor(rows), min(k, *(turn.shape[1] for turn in turns.values())), seed=self.seed)
        signs = _signs([values @ factor for values, factor in zip(rows, factors, strict=True)])
        if len(rows) % 2:  # all signs turned at once change nothing but that of the product
            signs = signs * signs.prod(axis=0)
        scale = strength ** (1 / len(rows))
        weights = {
            name: turn @ factor * sign * scale
            for (name, turn), factor, sign in zip(turns.items(), factors, signs, strict=True)
        }
        return means, weights, strength * signs.prod(axis=0)


def _axes(views: int) -> int:
    """The axes of each of so many views."""
    return max(1, int(_SIZE ** (1 / views) + 1e-9))


def _whitening(covariance: np.ndarray, ridge: float, most: int) -> np.ndarray:
    """`(d, r)` the leading axes, each over the root of its variance and the ridge."""
    values, vectors = eigh(covariance)
    r = max(1, min(most, int((values > _LEAST * values[-1]).sum())))
    values, vectors = values[::-1][:r], vectors[:, ::-1][:, :r]
    found: np.ndarray = vectors / np.sqrt(values + ridge * np.trace(covariance) / len(covariance))
    return found


def _whitened(views: Views, means: Mapping[str, np.ndarray], turns: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """By view `(things, r)`, of the things that have every view, centered among them."""
    found: list[list[np.ndarray]] = []
    for part in views.chunks(_CHUNK):
        held = {name: means_by_id(part, name) for name in turns}
        complete = np.all([mask for _, mask in held.values()], axis=0)
        found.append([(values[complete] - means[name]) @ turns[name] for name, (values, _) in held.items()])
    whole = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return [values - values.mean(axis=0) for values in whole]


def _tensor(rows: Sequence[np.ndarray]) -> np.ndarray:
    """`(r_1, r_2, ...)` the mean outer product of rows `(n, r_v)`."""
    first, *others = rows
    total = np.zeros((first.shape[1], int(np.prod([values.shape[1] for values in others]))))
    for start in range(0, len(first), _CHUNK):
        wide = np.ones((len(first[start : start + _CHUNK]), 1))
        for values in others:
            wide = (wide[:, :, None] * values[start : start + _CHUNK, None, :]).reshape(len(wide), -1)
        total += first[start : start + _CHUNK].T @ wide
    return (total / len(first)).reshape([values.shape[1] for values in rows])


def _signs(rows: Sequence[np.ndarray]) -> np.ndarray:
    """`(m, k)` of 1 and -1, by which the products of every two views' values `(n, k)` sum to the most; the first is 1.

    A term of the tensor says what its signs multiply to and leaves the rest open.
    """
    tried = np.array([(1, *rest) for rest in product((1, -1), repeat=len(rows) - 1)])
    alike = np.stack([np.square(np.tensordot(signs, np.stack(rows), 1)).sum(axis=0) for signs in tried])
    found: np.ndarray = tried[alike.argmax(axis=0)].T
    return found
