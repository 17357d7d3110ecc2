"""Calibration: probabilities that mean what they say, and thresholds from which a tag is given.

Learned from answers to rows that the model did not learn from (out-of-fold or held-out rows): on the rows that it
learned from, a model is surer than it will be again. Nothing here changes which class a temperature ranks first.
"""

from __future__ import annotations

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.part import Part

__all__ = ["BCTS", "Platt", "Temperature", "Thresholds"]

_EPS = float(np.finfo(np.float64).eps)

_STEEPEST = 20.0
"""Bound of 1 / T and T: a handful of rows that are all right would otherwise ask for certainty."""


class Temperature(Part):
    """Temperature scaling: p' = softmax(log p / T), one T > 0 that makes the log loss of held-out rows least.

    Choose it for the probabilities of classes (`classification.ece` tells): one number cannot overfit, and the class
    that is ranked first, so the accuracy, stays. T above 1 means that the model was too sure. It cannot mend classes
    that are forecast too often (`BCTS`).

    Learns `temperature_`, between 0.05 and 20.

    Source: Guo et al. 2017, arXiv 1706.04599.

    >>> sure = np.tile([0.99, 0.01], (10, 1))  # right only 8 times in 10
    >>> model = Temperature().fit(sure, np.repeat([0, 1], [8, 2]))
    >>> model.apply(sure)[0].round(3).tolist()
    [0.8, 0.2]
    """

    temperature_: float

    def fit(self, probabilities: np.ndarray, true: np.ndarray) -> Temperature:
        """Learn T from probabilities `(n, c)` of held-out rows and their classes' codes `(n,)`."""
        from scipy.optimize import minimize_scalar

        logs, true = _answers(probabilities, true)

        def loss(log_t: float) -> float:
            scaled = logs * np.exp(-log_t)
            return float(np.mean(_logsumexp(scaled) - scaled[np.arange(len(true)), true]))

        limit = np.log(_STEEPEST)
        found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-6})
        self.temperature_ = float(np.exp(found.x))
        return self

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The probabilities `(n, c)` that T makes of these."""
        self.check_fitted()
        return _softmax(_logs(probabilities) / self.temperature_)


class BCTS(Part):
    """Bias-corrected temperature scaling: p' = softmax(log p / T + b), a T and a bias for each class.

    Choose it where classes are forecast too often or too seldom (a model trained on balanced rows, other shares of
    classes now), with some dozens of held-out rows a class; with fewer take `Temperature`. It may change which class
    is first. Each bias is held by a penalty b^2 / 2n on the mean loss (worth one row), so that a class which the
    held-out rows lack keeps a finite one; the biases sum to 0.

    Learns `temperature_` (between 0.05 and 20) and `bias_` `(c,)`.

    Source: Alexandari, Kundaje & Shrikumar 2020, arXiv 1901.06852 (without the penalty).
    """

    temperature_: float
    bias_: np.ndarray

    def fit(self, probabilities: np.ndarray, true: np.ndarray) -> BCTS:
        """Learn T and b from probabilities `(n, c)` of held-out rows and their classes' codes `(n,)`."""
        from scipy.optimize import minimize

        logs, true = _answers(probabilities, true)
        n, c = logs.shape
        rows = np.arange(n)
        share = np.bincount(true, minlength=c) / n

        def loss(place: np.ndarray) -> tuple[float, np.ndarray]:
            scaled = logs * place[0] + place[1:]
            soft = _softmax(scaled)
            value = np.mean(_logsumexp(scaled) - scaled[rows, true]) + (place[1:] ** 2).sum() / (2 * n)
            slope = np.mean((soft * logs).sum(axis=1) - logs[rows, true])
            return float(value), np.append(slope, soft.mean(axis=0) - share + place[1:] / n)

        start = np.append(1.0, np.zeros(c))
        bounds = [(1 / _STEEPEST, _STEEPEST)] + [(None, None)] * c
        options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-8}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        self.temperature_, self.bias_ = float(1 / found.x[0]), found.x[1:] - found.x[1:].mean()
        return self

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The probabilities `(n, c)` that T and b make of these."""
        self.check_fitted()
        return _softmax(_logs(probabilities) / self.temperature_ + self.bias_)


class Platt(Part):
    """Platt scaling of each tag: p' = sigmoid(a logit(p) + b) with the a >= 0 and b of least log loss.

    The targets are (P + 1) / (P + 2) for the P rows that have the tag and 1 / (N + 2) for the N that lack it, not 1
    and 0: a tag of few rows is not made certain. Choose it for the probabilities of tags. a is kept from turning
    negative, so no ranking is reversed; a tag whose probabilities say nothing gets its share of rows for all.

    Learns `slope_` and `intercept_`, `(t,)`.

    Sources: Platt 1999; Lin, Lin & Weng 2007, Machine Learning 68.
    """

    slope_: np.ndarray
    intercept_: np.ndarray

    def fit(self, probabilities: np.ndarray, true: np.ndarray) -> Platt:
        """Learn from probabilities `(n, t)` of held-out rows and their tags, booleans `(n, t)`."""
        probabilities, true = _tags(probabilities, true)
        found = [_platt(_logit(probabilities[:, j]), true[:, j]) for j in range(true.shape[1])]
        self.slope_, self.intercept_ = np.array(found).T.copy()
        return self

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The probabilities `(n, t)` that the slopes and intercepts make of these."""
        self.check_fitted()
        from scipy.special import expit

        mapped: np.ndarray = expit(_logit(np.asarray(probabilities, float)) * self.slope_ + self.intercept_)
        return mapped


class Thresholds(Part):
    """From which probability on a tag is given: for each tag the threshold of the highest F1 on held-out rows.

    Exact: F1 can only change at a row's probability, and all are tried; among equal ones the highest is taken, halfway
    to the next lower probability. Choose it where tags are judged by F1 and answered with yes or no; 0.5 gives rare
    tags to nobody. Calibrated probabilities have their best threshold at half of the best F1. Where a tag's
    probabilities say nothing the best F1 gives the tag to every row (Lipton et al. 2014), and with few rows that have
    it (under about 10) the threshold is mostly chance. A tag that no row has is never given (threshold infinite).

    Learns `thresholds_` `(t,)`.

    Source: Lipton, Elkan & Narayanaswamy 2014, arXiv 1402.1892.

    >>> model = Thresholds().fit(np.array([[0.1], [0.2], [0.3], [0.4]]), np.array([[0], [1], [0], [1]]))
    >>> model.apply(np.array([[0.1], [0.2], [0.3]])).ravel().tolist()
    [False, True, True]
    """

    thresholds_: np.ndarray

    def fit(self, probabilities: np.ndarray, true: np.ndarray) -> Thresholds:
        """Learn from probabilities (or any scores) `(n, t)` of held-out rows and their tags, booleans `(n, t)`."""
        probabilities, true = _tags(probabilities, true)
        found = [_best_threshold(probabilities[:, j], true[:, j]) for j in range(true.shape[1])]
        self.thresholds_ = np.array(found)
        return self

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """The tags given, booleans `(n, t)`."""
        self.check_fitted()
        given: np.ndarray = np.asarray(probabilities, float) >= self.thresholds_
        return given


def _platt(scores: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of one tag from log-odds `(n,)`."""
    from scipy.optimize import minimize
    from scipy.special import expit

    positive = int(true.sum())
    target = np.where(true, (positive + 1) / (positive + 2), 1 / (len(true) - positive + 2))

    def loss(place: np.ndarray) -> tuple[float, np.ndarray]:
        odds = place[0] * scores + place[1]
        missed = expit(odds) - target
        return float(np.mean(np.logaddexp(0, odds) - target * odds)), np.array([missed @ scores, missed.sum()]) / len(
            odds
        )

    start = np.array([0.0, np.log(target.mean() / (1 - target.mean()))])
    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)], options=options)
    return float(found.x[0]), float(found.x[1])


def _best_threshold(scores: np.ndarray, true: np.ndarray) -> float:
    """The threshold of the highest F1 of one tag."""
    if not true.any():
        return float("inf")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    right = np.cumsum(true[order])[ends]
    at = int(ends[np.argmax(2 * right / (ends + 1 + true.sum()))])
    if at + 1 == len(ranked):
        return float(ranked[at])
    middle = (ranked[at] + ranked[at + 1]) / 2
    return float(middle if middle > ranked[at + 1] else ranked[at])


def _answers(probabilities: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logs, true = _logs(probabilities), np.asarray(true)
    if true.shape != logs.shape[:1] or not len(true):
        raise ChiasmError(f"wanted a class code for each of {len(logs)} rows, got {true.shape}.")
    if true.dtype.kind not in "iu" or true.min() < 0 or true.max() >= logs.shape[1]:
        raise ChiasmError(f"wanted codes 0..{logs.shape[1] - 1}, got {np.unique(true)[:6].tolist()}.")
    return logs, true


def _tags(probabilities: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, true = np.asarray(probabilities, dtype=np.float64), np.asarray(true)
    if probabilities.ndim != 2 or probabilities.shape != true.shape or not len(true):
        raise ChiasmError(
            f"wanted probabilities and tags of one shape (n, t), got {probabilities.shape}, {true.shape}."
        )
    if np.isnan(probabilities).any() or not np.isin(true, (0, 1)).all():
        raise ChiasmError("wanted probabilities without NaN and tags of yes and no, got others: leave such rows out.")
    return probabilities, true.astype(bool)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or not (probabilities >= 0).all() or not np.isfinite(probabilities).all():
        raise ChiasmError(f"wanted probabilities (n, c), none negative or NaN, got {probabilities.shape}.")
    return np.log(np.maximum(probabilities, _EPS))


def _logit(probabilities: np.ndarray) -> np.ndarray:
    kept = np.clip(probabilities, _EPS, 1 - _EPS)
    odds: np.ndarray = np.log(kept) - np.log1p(-kept)
    return odds


def _logsumexp(values: np.ndarray) -> np.ndarray:
    top = values.max(axis=1)
    total: np.ndarray = top + np.log(np.exp(values - top[:, None]).sum(axis=1))
    return total


def _softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    soft: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return soft
