"""Late fusion: a learner a view, their answers combined: average, weighted sum or weighted product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize, nnls
from scipy.special import softmax

from chiasm.allowed import choice
from chiasm.fuse._alone import Opinions, answers, evidence, learn, outputs, scaled, surprise
from chiasm.fuse._fuser import Fuser
from chiasm.stats.blocks import Blocks, patterns, subsets

__all__ = ["Late"]

_COMBINE = ("average", "weighted", "product")
_STEEPEST = 4.0
"""Bound of a weight's logarithm: no view is without any weight, for a row may have nothing else."""
_LEAST_ROWS = 10

Exponents = dict[str, dict[str, float]]


class Late(Fuser):
    """A calibrated kernel ridge head a view, their outputs p_v combined by one of three formulas.

    Choose it where views come from different people or at different times (a view is learned from the rows that have
    it, and comes or goes without the others), or where each view's own answer is wanted; else `early`, one model, is as
    good or better. Like `early` it cannot see what two views say only together.

    - "average": sum_v p_v / k.
    - "weighted": sum_v w_v p_v, the w_v >= 0 that sum to 1 and have the least log loss. A mixture of calibrated answers
      is always too unsure.
    - "product": prior * prod_v (p_v / prior)^e_v, normalized, the e_v >= 0 of least log loss. Exponents that sum to 1
      are the weighted geometric mean (the prior cancels out), all 1 are naive Bayes: between the two lies how much of
      what the views say is said twice.

    Of tags every tag is combined alone, in the product its odds. Of numbers "weighted" is least squares, and "product"
    is mean + sum_v e_v (y_v - mean), also by least squares. What is learned is learned from out-of-fold outputs, never
    from fitted ones. In a row that lacks views the weights of the others are scaled to sum to 1; exponents are learned
    for every set of views; a view alone keeps its own answer.

    "product" is the default by out-of-fold answers to training rows of tweets (3 classes) and news (10). Log loss of
    average / weighted / product: .676 / .664 / .627 and .748 / .534 / .516; accuracy .728 / .729 / .737 and .803 / .806
    / .809; expected calibration error .08 / .05 / .01 and .20 / .02 / .03.

    Args:
        kind: "classes", "tags" or "numbers". combine: as above. seed: of folds and landmarks.

    Learned: `weights_` by view, of a product the share e_v * (spread of view v's evidence log(p_v / prior)), since
    noise that is calibrated says next to nothing at any exponent; `exponents_` by set of views ("a + b"); `heads_`.
    Raises a ChiasmError for an unknown way to combine.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> views = {"a": rng.normal(size=(300, 3)) + y[:, None], "b": rng.normal(size=(300, 4)) + y[:, None] / 2}
    >>> fused = Late().fit(views, y)
    >>> fused.weights_["a"] > fused.weights_["b"], fused.predict_proba({"b": views["b"][:1]}).shape
    (True, (1, 2))

    Sources: Genest & Zidek 1986 (pools of opinions); Hinton 2002 (products of experts); Ranjan & Gneiting 2010 (why a
    mixture is too unsure).
    """

    allowed: ClassVar = {"combine": choice(*_COMBINE)}

    def __init__(self, kind: str = "classes", combine: str = "product", seed: int = 0):
        self.kind = kind
        self.combine = combine
        self.seed = seed

    weights_: dict[str, float]
    exponents_: Exponents
    crosses_cheaply = True

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.heads_, opinions = learn(held, truth, folds, self.kind, self.seed)
        weights, self.exponents_ = self._weigh(opinions, truth)
        self.weights_ = dict(zip(held, weights.tolist(), strict=True))
        return self._crossed(opinions, truth, folds)

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        opinions = answers(self.heads_, list(self.weights_), held, self.prior_, n)
        return self._combined(opinions, self.prior_, np.array(list(self.weights_.values())), self.exponents_)

    def _crossed(self, opinions: Opinions, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        out = np.empty_like(truth)
        for fold in np.unique(folds):
            inside, outside = folds != fold, folds == fold
            learned = self._weigh(opinions.of(inside), truth[inside])
            out[outside] = self._combined(opinions.of(outside), truth[inside].mean(axis=0), *learned)
        return out

    def _combined(self, opinions: Opinions, prior: np.ndarray, weights: np.ndarray, exponents: Exponents) -> np.ndarray:
        """`(n, c)` by the formula of the class; the prior where there is no opinion."""
        if self.combine != "product":
            shares = scaled(opinions.present * weights)
            none = ~opinions.present.any(axis=1, keepdims=True)
            mixed: np.ndarray = np.einsum("nk,knc->nc", shares, opinions.values) + none * prior
            return mixed
        said = evidence(opinions.values, prior, self.kind)
        found = np.einsum("nk,knc->nc", self._powers(opinions.present, exponents), said)
        return outputs(found, prior, self.kind)

    def _powers(self, present: np.ndarray, exponents: Exponents) -> np.ndarray:
        """`(n, k)` exponents by row; a set of views for which none were learned has its geometric mean."""
        powers = present / np.maximum(present.sum(axis=1, keepdims=True), 1)
        for columns, rows in patterns(present):
            if learned := exponents.get(self._key(columns)):
                powers[rows[:, None], np.array(columns)] = list(learned.values())
        return powers

    def _weigh(self, opinions: Opinions, truth: np.ndarray) -> tuple[np.ndarray, Exponents]:
        """`(k,)` weights, and of a product the exponents of every set of views, of least loss."""
        known = np.asarray(opinions.present.any(axis=0))
        even = known / known.sum() if known.any() else np.full(len(known), 1 / len(known))
        if self.combine == "average" or known.sum() < 2:
            return even, {}
        prior = truth.mean(axis=0)
        if self.combine == "weighted":

            def missed(place: np.ndarray) -> float:
                return surprise(self._combined(opinions, prior, softmax(place) * known, {}), truth, self.kind)

            best = minimize(
                missed, np.zeros(len(known)), method="L-BFGS-B", bounds=[(-_STEEPEST, _STEEPEST)] * len(known)
            )
            weights = softmax(best.x) * known
            return weights / weights.sum(), {}
        said = evidence(opinions.values, prior, self.kind)
        exponents, names = {}, list(self.widths_)
        for subset in subsets(len(known)):
            rows = opinions.present[:, subset].all(axis=1)
            if len(subset) > 1 and rows.sum() >= _LEAST_ROWS:
                found = _exponents(said[list(subset)][:, rows], truth[rows], prior, self.kind)
                exponents[self._key(subset)] = dict(zip((names[v] for v in subset), found.tolist(), strict=True))
        spread = np.array(
            [said[v, opinions.present[:, v]].std(axis=0).mean() if known[v] else 0 for v in range(len(known))]
        )
        several = opinions.present[opinions.present.sum(axis=1) > 1]
        shares = scaled(self._powers(several, exponents) * spread)
        return (shares.mean(axis=0) if shares.any() else even), exponents

    def _key(self, columns: Sequence[int]) -> str:
        names = list(self.widths_)
        return " + ".join(names[i] for i in columns)


def _exponents(said: np.ndarray, truth: np.ndarray, prior: np.ndarray, kind: str) -> np.ndarray:
    """`(k,)` the numbers >= 0 by which to multiply evidence `(k, n, c)` before it is added up: a convex problem."""
    if kind == "numbers":
        spread = np.maximum(truth.std(axis=0), 1e-12)
        found: np.ndarray = nnls((said / spread).reshape(len(said), -1).T, ((truth - prior) / spread).ravel())[0]
        return found

    def missed(powers: np.ndarray) -> tuple[float, np.ndarray]:
        found = outputs(np.tensordot(powers, said, 1), prior, kind)
        slope = np.einsum("knc,nc->k", said, found - truth) / len(truth)
        return surprise(found, truth, kind), slope

    best: np.ndarray = minimize(
        missed, np.ones(len(said)), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(said)
    ).x
    return best
