"""Raw scores -> probabilities, by the likelihood of held-out rows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax

from chiasm.part import Part

__all__ = ["Calibrated"]

_SPREAD = 2.0
"""The prior standard deviation of what one class's score says about another class."""


class Calibrated(Part):
    """Scores `(n, c)` of held-out rows -> probabilities.

    Classes: softmax((s - m)(t I + A) + b), a temperature t, a bias a class and a matrix A with a normal prior (matrix
    scaling, which falls back to a temperature where rows are few). Tags: sigmoid(t_j (s_j - m_j) + b_j) each (Platt
    1999). Numbers: as they are. All by maximum likelihood. Source: Guo et al. 2017.

    Args:
        kind: of the answer, as in `Target`.
    """

    def __init__(self, kind: str = "classes"):
        self.kind = kind

    def fit(self, scores: np.ndarray, truth: np.ndarray) -> Calibrated:
        """Learn from scores of rows that the scoring method did not learn from, and their `(n, c)` truth."""
        n, c = scores.shape
        self.center_ = scores.mean(axis=0)
        if self.kind == "numbers":
            return self
        s = scores - self.center_
        spread = max(float(s.std()), 1e-9)
        s = s / spread
        rate = np.clip(truth.mean(axis=0), 0.5 / n, 1 - 0.5 / n)
        if self.kind == "tags":
            start = np.concatenate([np.ones(c), np.log(rate / (1 - rate))])
            best = minimize(_tag_loss, start, (s, truth), jac=True, method="L-BFGS-B").x
            self.matrix_, self.bias_ = np.diag(best[:c]) / spread, best[c:]
            return self
        start = np.concatenate([[1.0], np.zeros(c * c), np.log(rate)])
        best = minimize(_class_loss, start, (s, truth), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
        self.matrix_ = (best[0] * np.eye(c) + best[1 : 1 + c * c].reshape(c, c)) / spread
        self.bias_ = best[1 + c * c :]
        return self

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """`(n, c)` probabilities, or numbers as they came."""
        if self.kind == "numbers":
            return scores
        logits = (scores - self.center_) @ self.matrix_ + self.bias_
        found: np.ndarray = expit(logits) if self.kind == "tags" else softmax(logits, axis=1)
        return found


def _class_loss(p: np.ndarray, s: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log posterior of matrix scaling and its gradient."""
    n, c = s.shape
    matrix = p[1 : 1 + c * c].reshape(c, c)
    log = log_softmax(s @ matrix + p[0] * s + p[1 + c * c :], axis=1)
    off = (np.exp(log) * truth.sum(axis=1, keepdims=True) - truth) / n
    prior = 1 / (n * _SPREAD**2)
    loss = -(truth * log).sum() / n + prior / 2 * np.square(matrix).sum()
    slope = [[(off * s).sum()], (s.T @ off + prior * matrix).ravel(), off.sum(axis=0)]
    return float(loss), np.concatenate(slope)


def _tag_loss(p: np.ndarray, s: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log likelihood of Platt scaling of every tag, with a weak prior, and its gradient."""
    n, c = s.shape
    logits = s * p[:c] + p[c:]
    off = (expit(logits) - truth) / n
    loss = -(truth * log_expit(logits) + (1 - truth) * log_expit(-logits)).sum() / n + np.square(p).sum() / (200 * n)
    return float(loss), np.concatenate([(off * s).sum(axis=0), off.sum(axis=0)]) + p / (100 * n)
