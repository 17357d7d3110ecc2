"""Metrics from weighted counts, one figure a draw: what `chiasm.stats.resample.Draws` computes with."""

from __future__ import annotations

import numpy as np

__all__ = ["auc", "average_precision", "mean_where", "over"]


def auc(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Mann-Whitney by draw, from positives `(u, draws)` at and negatives `(2u + 1, draws)` around their scores."""
    below = np.cumsum(negative, axis=0)[:-1:2] + negative[1::2] / 2
    pairs = positive.sum(axis=0) * negative.sum(axis=0)
    return over((positive * below).sum(axis=0), pairs, np.nan)


def average_precision(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Sum of precision times the rise of recall, by draw; a threshold at each positive score."""
    found = np.cumsum(positive[::-1], axis=0)
    wrong = np.cumsum(negative[::-1], axis=0)[1::2]  # above and equal to each positive score, from the top
    gained = positive[::-1] * over(found, found + wrong, 0.0)
    return over(gained.sum(axis=0), found[-1], np.nan)


def over(top: np.ndarray, bottom: np.ndarray, empty: float) -> np.ndarray:
    """top / bottom, and `empty` where bottom is 0."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), empty)


def mean_where(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The mean over axis 0 of the values that count, NaN where none does."""
    keep = np.broadcast_to(keep, values.shape)
    return over((values * keep).sum(axis=0), keep.sum(axis=0), np.nan)
