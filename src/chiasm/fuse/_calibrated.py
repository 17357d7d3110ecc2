"""Raw scores -> probabilities, by the likelihood of held-out rows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax

from chiasm.graph import Symbol
from chiasm.part import Part

__all__ = ["Calibrated"]

_SURE, _SHARES, _FEW = 0.4, 1.0, 100
"""Prior standard deviations of a temperature, and of a bias around its class's share; the number of rows at which the
prior of A counts twice. With few rows answers stay near the shares; with a thousand nothing moves by more than .005
nats (benchmarks/fuse/few.py)."""


class Calibrated(Part):
    """Scores `(n, c)` of held-out rows -> probabilities.

    Classes: softmax((s - m)(t I + A) + b), a temperature t, a bias a class and a matrix A with a normal prior (matrix
    scaling, which falls back to a temperature where rows are few). Tags: sigmoid(t_j (s_j - m_j) + b_j) each (Platt
    1999). Numbers: as they are. By the largest posterior likelihood: t is at least 0, and t and b have normal priors
    too, so that a handful of rows gives answers near the shares of the classes. Source: Guo et al. 2017.

    Args:
        kind: of the answer, as in `Target`.
        spread: the prior standard deviation of A, what one class's score says about another class, in units of the
            scores' spread; 0: no A. One half has the best likelihood on rows left out again, with 3 to 50 classes
            (mvsa_single, web_news_zh, ikea; docs/log.md).
    """

    def __init__(self, kind: str = "classes", spread: float = 0.5):
        self.kind = kind
        self.spread = spread

    def fit(self, scores: np.ndarray, truth: np.ndarray) -> Calibrated:
        """Learn from scores of rows that the scoring method did not learn from, and their `(n, c)` truth."""
        n, c = scores.shape
        self.center_ = scores.mean(axis=0)
        if self.kind == "numbers":
            return self
        s = scores - self.center_
        spread = max(float(s.std()), 1e-6)  # below it is the rounding of single precision
        s = s / spread
        rate = np.clip(truth.mean(axis=0), 0.5 / n, 1 - 0.5 / n)
        if self.kind == "tags":
            start = np.concatenate([np.ones(c), np.log(rate / (1 - rate))])
            bounds = [(0, None)] * c + [(None, None)] * c
            best = minimize(_tag_loss, start, (s, truth, start[c:]), jac=True, method="L-BFGS-B", bounds=bounds).x
            self.matrix_, self.bias_ = np.diag(best[:c]) / spread, best[c:]
            return self
        best = _best(s, truth, np.log(rate), self.spread)
        if self.spread and best[0] <= 0:  # scores that say nothing of their own class say nothing of another
            best = _best(s, truth, np.log(rate), 0)
        matrix = best[1 + c :].reshape(c, c) if len(best) > 1 + c else 0
        self.matrix_ = (best[0] * np.eye(c) + matrix) / spread
        self.bias_ = best[1 : 1 + c]
        return self

    def crossed(self, scores: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """`(n, c)` each fold's scores calibrated by the other folds: what no row's own label has touched."""
        out = np.empty_like(scores)
        for fold in np.unique(folds):
            inside, outside = folds != fold, folds == fold
            out[outside] = Calibrated(self.kind, self.spread).fit(scores[inside], truth[inside])(scores[outside])
        return out

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """`(n, c)` probabilities, or numbers as they came."""
        if self.kind == "numbers":
            return scores
        logits = (scores - self.center_) @ self.matrix_ + self.bias_
        found: np.ndarray = expit(logits) if self.kind == "tags" else softmax(logits, axis=1)
        return found

    def traced(self, scores: Symbol) -> Symbol:
        """As a call, written down."""
        if self.kind == "numbers":
            return scores
        logits = (scores - self.center_) @ self.matrix_ + self.bias_
        return logits.sigmoid() if self.kind == "tags" else logits.softmax()


def _best(s: np.ndarray, truth: np.ndarray, shares: np.ndarray, spread: float) -> np.ndarray:
    """t, b `(c,)` and, with a spread, A row by row: the likeliest."""
    start = np.concatenate([[1.0], shares, np.zeros(shares.size**2 if spread else 0)])
    bounds = [(0, None)] + [(None, None)] * (len(start) - 1)
    more = {"jac": True, "method": "L-BFGS-B", "bounds": bounds, "options": {"maxiter": 200}}
    found: np.ndarray = minimize(_class_loss, start, (s, truth, shares, spread), **more).x
    return found


def _class_loss(
    p: np.ndarray, s: np.ndarray, truth: np.ndarray, shares: np.ndarray, spread: float
) -> tuple[float, np.ndarray]:
    """Mean negative log posterior of matrix scaling and its gradient; `shares` are logarithms."""
    n, c = s.shape
    matrix = p[1 + c :].reshape(c, c) if spread else None
    log = log_softmax(p[0] * s + p[1 : 1 + c] + (0 if matrix is None else s @ matrix), axis=1)
    off = (np.exp(log) * truth.sum(axis=1, keepdims=True) - truth) / n
    sure, apart = p[0] / (n * _SURE**2), (p[1 : 1 + c] - shares) / (n * _SHARES**2)
    loss = -(truth * log).sum() / n + p[0] * sure / 2 + (p[1 : 1 + c] - shares) @ apart / 2
    slope = [np.array([(off * s).sum() + sure]), off.sum(axis=0) + apart]
    if matrix is not None:
        prior = (1 + _FEW / n) / (n * spread**2)
        loss += prior / 2 * np.square(matrix).sum()
        slope.append((s.T @ off + prior * matrix).ravel())
    return float(loss), np.concatenate(slope)


def _tag_loss(p: np.ndarray, s: np.ndarray, truth: np.ndarray, shares: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log posterior of Platt scaling of every tag and its gradient; `shares` are log-odds."""
    n, c = s.shape
    logits = s * p[:c] + p[c:]
    off = (expit(logits) - truth) / n
    apart = np.concatenate([p[:c] / _SURE**2, (p[c:] - shares) / _SHARES**2]) / n
    loss = -(truth * log_expit(logits) + (1 - truth) * log_expit(-logits)).sum() / n
    loss += apart @ np.concatenate([p[:c], p[c:] - shares]) / 2
    return float(loss), np.concatenate([(off * s).sum(axis=0), off.sum(axis=0)]) + apart
