"""Where trained heads start: regression on the frozen vectors, with a penalty, a solution for each fold left out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, softmax

from chiasm.target import Target

__all__ = ["Start", "started"]

_STRENGTHS = (0.1, 0.3, 1.0, 3.0)
"""1 / penalty, as scikit-learn's C has it, on vectors of total variance 1; a sharper head has no errors left to learn
from."""
_LEAST_LIKELY = -8.0
"""The log probability of a class that no row outside a fold has."""


class Start(NamedTuple):
    """Linear heads, one for each fold, learned without it."""

    weight: np.ndarray
    """`(k, d, c)` float32."""
    offset: np.ndarray
    """`(k, 1, c)`."""
    strength: float
    """That whose answers to left-out rows are best."""


def started(x: np.ndarray, truth: np.ndarray, folds: np.ndarray, kind: str) -> Start:
    """Logistic regression (of tags each on its own), or of numbers ridge regression.

    Args:
        x: `(n, d)` centered, of total variance 1. truth: `(n, c)`, of numbers in units of their spread. folds: `(n,)`
            from 0 on.
    """
    found: list[tuple[float, Start]] = []
    for strength in _STRENGTHS:
        heads = [_head(x[folds != fold], truth[folds != fold], kind, strength) for fold in range(folds.max() + 1)]
        weight, offset = (np.stack(part).astype(np.float32) for part in zip(*heads, strict=True))
        out = (x[:, None] @ weight[folds] + offset[folds])[:, 0].astype(np.float64)
        gain = float(Target(kind).gain(_likely(out, kind), truth).mean())
        found.append((gain, Start(weight, offset, strength)))
    return max(found, key=lambda one: one[0])[1]


def _likely(out: np.ndarray, kind: str) -> np.ndarray:
    """Raw outputs `(n, c)` as probabilities; numbers as they are."""
    if kind == "numbers":
        return out
    found: np.ndarray = expit(out) if kind == "tags" else softmax(out, axis=-1)
    return found


def _head(x: np.ndarray, truth: np.ndarray, kind: str, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights `(d, c)` and offsets `(1, c)`."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if kind == "numbers":
        model: Any = Ridge(1 / strength).fit(x, truth)
        return model.coef_.reshape(truth.shape[1], -1).T, np.reshape(model.intercept_, (1, -1))
    weight, offset = np.zeros((x.shape[1], truth.shape[1])), np.full((1, truth.shape[1]), _LEAST_LIKELY)
    if kind == "tags":
        for tag, there in enumerate(truth.T):
            if 0 < there.mean() < 1:
                model = LogisticRegression(C=strength, max_iter=300).fit(x, there)
                weight[:, tag], offset[0, tag] = model.coef_[0], model.intercept_[0]
            elif there.all():
                offset[0, tag] = -_LEAST_LIKELY
        return weight, offset
    there = np.flatnonzero(truth.any(axis=0))
    if len(there) == 1:  # a fold has all of the others
        offset[0, there] = 0
        return weight, offset
    model = LogisticRegression(C=strength, max_iter=300).fit(x, truth.argmax(axis=1))
    if len(model.classes_) == 2:
        half, bias = model.coef_[0] / 2, model.intercept_[0] / 2
        weight[:, model.classes_], offset[0, model.classes_] = np.stack([-half, half], axis=1), (-bias, bias)
    else:
        weight[:, model.classes_], offset[0, model.classes_] = model.coef_.T, model.intercept_
    return weight, offset
