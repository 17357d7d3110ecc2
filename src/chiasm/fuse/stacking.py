"""Stacking: a learner on top of a learner a view and one of all views, which trusts each as far as the row allows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from chiasm.finite import checked
from chiasm.fuse._alone import Opinions, answers, evidence, learn, outputs, scaled, surprise
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.stats.blocks import Blocks, blocks
from chiasm.target import Target

__all__ = ["Stacking"]

_STRENGTHS = (0.1, 0.3, 1.0)
"""Prior standard deviations of how much a weight may move with a row's features, of which one is chosen."""
_START = float(np.log(np.expm1(0.5)))
_LOOSE = 2.0
"""The prior standard deviation of a weight itself, around a half."""
_TINY = 1e-12


class Stacking(Fuser):
    """Heads h (one a view, one of all views) whose evidence is added up with weights a_h(x) >= 0 that vary by row.

    With E_h(x) = log(p_h / prior) (of tags the log odds less the prior's, of numbers y_h - mean) the answer is
    prior * exp(sum_h a_h(x) E_h(x)), normalized, and a_h(x) = log(1 + exp(a_h + b_h' f(x))). The features f(x) of a
    row are the views that it has, how unsure each head is (its mean entropy), and how right each head can be expected
    to be in such a row: the probability that it gave to the truth, learned from all views by kernel ridge regression.
    So a view that is noise in some rows, which something in the views gives away, loses its weight in these alone.

    Choose it where views are good in different rows (a bad microphone, empty texts, several sources) and hundreds of
    rows are labeled; it takes two or three times as long as `early`. Where the same views are good everywhere it falls
    back to one weight a head: the b_h are kept only if they gain more than the standard error. What two views say only
    together it cannot see; `bilinear` can. (A head of products of views gained nothing on a tweet and a news pack.)

    Out of fold throughout: the upper learner sees outputs for rows that neither a head nor its calibration has learned
    from, the expected rightness is out-of-fold as well, and the strength of the b_h is chosen by cross-validation. The
    upper learner is a logistic regression whose weights all classes share, which scikit-learn's has not.

    Args:
        kind: "classes", "tags" or "numbers". seed: of folds and landmarks.

    Learned: `mix_` `(1 + features, heads)`, a_h above b_h; `strength_`, the prior standard deviation of the b_h (0: one
    weight a head); `weights_` by view, the mean of `row_weights` over training rows; the heads.

    >>> rng = np.random.default_rng(0)
    >>> y, broken = rng.integers(0, 2, 400), rng.random(400) < 0.5
    >>> a = rng.normal(size=(400, 3)) + 3 * np.where(broken, rng.integers(0, 2, 400), y)[:, None]
    >>> quality = rng.normal(size=(400, 1)) - 5 * broken[:, None]
    >>> views = {"a": a, "b": rng.normal(size=(400, 3)) + y[:, None], "quality": quality}
    >>> weights = Stacking().fit(views, y).row_weights(views)[:, 0]
    >>> bool(weights[broken].mean() < weights[~broken].mean() / 2)
    True

    Sources: Wolpert 1992 (stacking); Ting & Witten 1999 (on probabilities); Sill et al. 2009 (weights that are linear
    in features of the row).
    """

    def __init__(self, kind: str = "classes", seed: int = 0):
        self.kind = kind
        self.seed = seed

    mix_: np.ndarray
    crosses_cheaply = True

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.heads_, alone = learn(held, truth, folds, self.kind, self.seed)
        self.joint_ = RidgeHead(self.kind, seed=self.seed)
        opinions = _with(alone, self.joint_.cross_fit(held, truth, folds))
        noise = _noise(opinions, truth, self.kind)
        right = _rightness(opinions, truth, noise, self.kind)
        self.expected_ = RidgeHead("numbers", weights="equal", seed=self.seed)
        raw = _features(opinions, self.expected_.cross_fit(held, right, folds), self.kind)
        spread = raw.std(axis=0)
        self.center_, self.scale_ = raw.mean(axis=0), np.where(spread > 1e-9, spread, np.inf)
        prior = truth.mean(axis=0)
        upper = _Upper(evidence(opinions.values, prior, self.kind), self._standard(raw), truth, noise, self.kind)
        self.strength_, crossed = upper.choose(folds)
        self.mix_ = upper.mix(self.strength_)
        self.weights_ = dict(zip(held, self._shares(opinions, raw, prior).mean(axis=0).tolist(), strict=True))
        return crossed

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        opinions, raw = self._read(held, n)
        said = evidence(opinions.values, self.prior_, self.kind)
        return outputs(_total(said, _weights(self.mix_, self._standard(raw))), self.prior_, self.kind)

    def row_weights(self, views: Any) -> np.ndarray:
        """`(n, k)` each view's share of what was said about a row, in the order of `widths_`; rows sum to 1.

        A head's part is a_h(x) times the root mean square of E_h(x); the part of the head of all views is shared out
        by its own weights of the views that are there. All 0 in a row that has no view.
        """
        self.check_fitted()
        views = checked(views, self.widths_)
        return self._shares(*self._read(blocks(views, list(self.widths_)), len(views)), self.prior_)

    def _read(self, held: Blocks, n: int) -> tuple[Opinions, np.ndarray]:
        """What the heads say about new rows, and the rows' features."""
        alone = answers(self.heads_, list(self.widths_), held, self.prior_, n)
        opinions = _with(alone, self.joint_.answer(held, n))
        return opinions, _features(opinions, self.expected_.answer(held, n), self.kind)

    def _standard(self, raw: np.ndarray) -> np.ndarray:
        standard: np.ndarray = (raw - self.center_) / self.scale_
        return standard

    def _shares(self, opinions: Opinions, raw: np.ndarray, prior: np.ndarray) -> np.ndarray:
        said = evidence(opinions.values, prior, self.kind)
        parts = _weights(self.mix_, self._standard(raw)) * np.sqrt(np.square(said).mean(axis=2)).T
        names, here = list(self.widths_), opinions.present[:, :-1]
        within = np.array([self.joint_.weights_[name] for name in names])
        found = here * parts[:, :-1] + parts[:, -1:] * scaled(here * within)
        return scaled(np.where(found.any(axis=1, keepdims=True), found, here))


class _Upper:
    """The learner on top: evidence `(h, n, c)` of heads and features `(n, r)` -> weights of heads by row."""

    def __init__(self, said: np.ndarray, features: np.ndarray, truth: np.ndarray, noise: np.ndarray, kind: str):
        self.said, self.features, self.truth, self.noise, self.kind = said, features, truth, noise, kind

    def choose(self, folds: np.ndarray) -> tuple[float, np.ndarray]:
        """How much weights may vary, and the out-of-fold answers with that: not at all unless it is clearly better."""
        out = {strength: self._held_out(strength, folds) for strength in (0.0, *_STRENGTHS)}
        best = max(_STRENGTHS, key=lambda strength: Target(self.kind).gain(out[strength], self.truth).mean())
        strength = best if _clearly(out[best], out[0.0], self.truth, self.kind) else 0.0
        return strength, out[strength]

    def _held_out(self, strength: float, folds: np.ndarray) -> np.ndarray:
        out = np.empty_like(self.truth)
        for fold in np.unique(folds):
            inside, outside = folds != fold, folds == fold
            rest = _Upper(self.said[:, inside], self.features[inside], self.truth[inside], self.noise, self.kind)
            total = _total(self.said[:, outside], _weights(rest.mix(strength), self.features[outside]))
            out[outside] = outputs(total, rest.truth.mean(axis=0), self.kind)
        return out

    def mix(self, strength: float) -> np.ndarray:
        """`(1 + r, h)` of highest likelihood times normal priors: a_h, and below it b_h, 0 where strength is 0."""
        n, prior = len(self.truth), self.truth.mean(axis=0)
        features = self.features if strength else self.features[:, :0]
        start = np.zeros((1 + features.shape[1], len(self.said)))
        start[0] = _START
        width = np.full((len(start), 1), strength)
        width[0] = _LOOSE

        def missed(place: np.ndarray) -> tuple[float, np.ndarray]:
            mix = place.reshape(start.shape)
            found = outputs(_total(self.said, _weights(mix, features)), prior, self.kind)
            off = (found - self.truth) / self.noise
            if self.kind == "numbers":
                lost = float(((found - self.truth) * off).sum() / 2)
            else:
                lost = n * surprise(found, self.truth, self.kind)
            slopes = np.einsum("hnc,nc->nh", self.said, off) * expit(mix[0] + features @ mix[1:])
            bent = (mix - start) / width
            slope = np.concatenate([slopes.sum(axis=0)[None], features.T @ slopes]) + bent / width
            return (lost + float(np.square(bent).sum()) / 2) / n, slope.ravel() / n

        found = minimize(missed, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
        mix = np.zeros((1 + self.features.shape[1], len(self.said)))
        mix[: len(start)] = found.reshape(start.shape)
        return mix


def _weights(mix: np.ndarray, features: np.ndarray) -> np.ndarray:
    """`(n, h)` log(1 + exp(a_h + b_h' f)): no head is ever believed the opposite of what it says."""
    weights: np.ndarray = np.logaddexp(0, mix[0] + features @ mix[1:])
    return weights


def _total(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total: np.ndarray = np.einsum("nh,hnc->nc", weights, said)
    return total


def _with(alone: Opinions, joint: np.ndarray) -> Opinions:
    """The opinions of the heads of one view, and as the last that of the head of all views."""
    present = np.concatenate([alone.present, alone.present.any(axis=1, keepdims=True)], axis=1)
    return Opinions(np.concatenate([alone.values, joint[None]]), present)


def _noise(opinions: Opinions, truth: np.ndarray, kind: str) -> np.ndarray:
    """`(c,)` the variance of numbers around the best head's; 1 for probabilities."""
    if kind != "numbers":
        return np.ones(truth.shape[1])
    left: np.ndarray = np.square(opinions.values - truth).mean(axis=1).min(axis=0)
    return np.maximum(left, _TINY)


def _rightness(opinions: Opinions, truth: np.ndarray, noise: np.ndarray, kind: str) -> np.ndarray:
    """`(n, h)` the probability that each head gave to the truth; a head's mean where it has no opinion."""
    scale = np.sqrt(2 * noise * len(noise)) if kind == "numbers" else np.ones_like(noise)
    gains = [Target(kind).gain(values / scale, truth / scale) for values in opinions.values]
    right = np.exp(np.stack(gains, axis=1))
    known = np.maximum(opinions.present.sum(axis=0), 1)
    return np.where(opinions.present, right, (right * opinions.present).sum(axis=0) / known)


def _features(opinions: Opinions, expected: np.ndarray, kind: str) -> np.ndarray:
    """`(n, r)` a row's views, each head's expected rightness, and how unsure it is (its mean entropy)."""
    parts = [opinions.present[:, :-1], expected]
    if kind != "numbers":
        p = np.clip(opinions.values, _TINY, 1 - _TINY)
        parts.append(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean(axis=2).T)
    return np.concatenate(parts, axis=1)


def _clearly(one: np.ndarray, other: np.ndarray, truth: np.ndarray, kind: str) -> bool:
    """Whether outputs gain more than the standard error of the gain over other outputs."""
    gained = Target(kind).gain(one, truth) - Target(kind).gain(other, truth)
    return bool(gained.mean() > gained.std() / np.sqrt(len(gained)))
