"""What some vectors have in common that others have not, as a direction; and a query that is moved along such ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from chiasm.scale import one_thread

__all__ = ["Others", "mixed"]

RIDGE = 0.1
"""Of the mean variance, what is added to every direction's (benchmarks/search/teach.py chose it)."""


class Others:
    """Vectors that are usual `(m, d)`: from them directions are told apart, by them scores are scaled.

    Args:
        vectors: with fewer than two, directions are plain means.
        ridge: of the mean variance, what is added to every direction's; infinite: directions are differences of means.
    """

    def __init__(self, vectors: np.ndarray, ridge: float = RIDGE):
        self.vectors = np.asarray(vectors, dtype=np.float32)
        self.ridge = ridge

    @cached_property
    def center(self) -> np.ndarray:
        """`(d,)` their mean."""
        return self.vectors.mean(axis=0, dtype=np.float64) if len(self.vectors) > 1 else np.zeros(self.vectors.shape[1])

    @cached_property
    def _factor(self) -> Any:
        apart = self.vectors - self.center.astype(np.float32)
        covariance = (apart.T @ apart).astype(np.float64) / len(apart)
        raised = self.ridge * np.trace(covariance) / len(covariance) + 1e-12
        return cho_factor(covariance + raised * np.eye(len(covariance)))

    def directions(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """For each group of examples `(n_i, d)` the direction in which it differs most from these: `(groups, d)`.

        w = (S + r I)^-1 (mean of the examples - mean of these), S their covariance: what many of them share counts
        little, which is what one example cannot tell by itself. w is as long as makes their products with it have a
        standard deviation of 1, so that directions can be added.

        Source: Hariharan, Malik & Ramanan 2012, "Discriminative decorrelation for clustering and classification".
        """
        if not groups:
            return np.zeros((0, len(self.center)), np.float32)
        apart = np.stack([np.asarray(group, dtype=np.float64).mean(axis=0) for group in groups]) - self.center
        with one_thread():
            found = cho_solve(self._factor, apart.T).T if len(self.vectors) > 1 and np.isfinite(self.ridge) else apart
        rows = found.astype(np.float32)
        if len(self.vectors) < 2:
            return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows / np.maximum((self.vectors @ rows.T).std(axis=0)[:, None], 1e-9)

    def scaled(self, vector: np.ndarray, wide: np.ndarray | None = None) -> np.ndarray:
        """A vector `(d,)` over the standard deviation of these' products with it; over its length where there is none.

        Args:
            wide: `(m, e)` other numbers of the same items, where the vector is `(e,)`.
        """
        held = self.vectors if wide is None else wide
        far = float((held @ np.asarray(vector, dtype=np.float32)).std()) if len(held) > 1 else 0.0
        found: np.ndarray = vector / (far if far > 1e-6 else max(float(np.linalg.norm(vector)), 1e-12))
        return found


def mixed(query: np.ndarray, plus: np.ndarray, minus: np.ndarray, weights: tuple[float, float]) -> np.ndarray:
    """A query `(d,)` moved towards some directions `(p, d)` and away from others `(q, d)`, all scaled by `Others`.

    q + weights[0] * sum of plus - weights[1] * sum of minus.
    """
    found: np.ndarray = query + weights[0] * plus.sum(axis=0) - weights[1] * minus.sum(axis=0)
    return found
