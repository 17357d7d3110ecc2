"""Raw scores -> probabilities, by the likelihood of held-out rows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax

from chiasm.part import Part

__all__ = ["Calibrated"]


class Calibrated(Part):
    """Scores `(n, c)` of held-out rows -> probabilities.

    Classes: softmax((s - m)(t I + A) + b), a temperature t, a bias a class and a matrix A with a normal prior (matrix
    scaling, which falls back to a temperature where rows are few). Tags: sigmoid(t_j (s_j - m_j) + b_j) each (Platt
    1999). Numbers: as they are. All by maximum likelihood. Source: Guo et al. 2017.

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
        spread = max(float(s.std()), 1e-9)
        s = s / spread
        rate = np.clip(truth.mean(axis=0), 0.5 / n, 1 - 0.5 / n)
        if self.kind == "tags":
            start = np.concatenate([np.ones(c), np.log(rate / (1 - rate))])
            best = minimize(_tag_loss, start, (s, truth), jac=True, method="L-BFGS-B").x
            self.matrix_, self.bias_ = np.diag(best[:c]) / spread, best[c:]
            return self
        start = np.concatenate([[1.0], np.log(rate), np.zeros(c * c if self.spread else 0)])
        more = {"jac": True, "method": "L-BFGS-B", "options": {"maxiter": 200}}
        best = minimize(_class_loss, start, (s, truth, self.spread), **more).x
        self.matrix_ = (best[0] * np.eye(c) + (best[1 + c :].reshape(c, c) if self.spread else 0)) / spread
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


def _class_loss(p: np.ndarray, s: np.ndarray, truth: np.ndarray, spread: float) -> tuple[float, np.ndarray]:
    """Mean negative log posterior of matrix scaling and its gradient."""
    n, c = s.shape
    matrix = p[1 + c :].reshape(c, c) if spread else None
    log = log_softmax(p[0] * s + p[1 : 1 + c] + (0 if matrix is None else s @ matrix), axis=1)
    off = (np.exp(log) * truth.sum(axis=1, keepdims=True) - truth) / n
    loss = -(truth * log).sum() / n
    slope = [np.array([(off * s).sum()]), off.sum(axis=0)]
    if matrix is not None:
        prior = 1 / (n * spread**2)
        loss += prior / 2 * np.square(matrix).sum()
        slope.append((s.T @ off + prior * matrix).ravel())
    return float(loss), np.concatenate(slope)


def _tag_loss(p: np.ndarray, s: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log likelihood of Platt scaling of every tag, with a weak prior, and its gradient."""
    n, c = s.shape
    logits = s * p[:c] + p[c:]
    off = (expit(logits) - truth) / n
    loss = -(truth * log_expit(logits) + (1 - truth) * log_expit(-logits)).sum() / n + np.square(p).sum() / (200 * n)
    return float(loss), np.concatenate([(off * s).sum(axis=0), off.sum(axis=0)]) + p / (100 * n)
