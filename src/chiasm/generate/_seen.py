"""Several views as one row of numbers, so that things can be compared by all that is there of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chiasm.part import Part
from chiasm.stats.blocks import Block, Blocks, means
from chiasm.views import normalize

__all__ = ["Seen"]


class Seen(Part):
    """Each view less its mean, to length 1 (tokens: their mean), side by side; zeros where a view is absent.

    A product of two rows is then the sum of the views' cosines, each times its weight.

    Learned: `means_` by view, `weights_` by view (1, unless someone chooses others).
    """

    means_: dict[str, np.ndarray]
    weights_: dict[str, float]

    def fit(self, held: Mapping[str, Block], y: None = None) -> Seen:
        """Learn the means of blocks."""
        self.means_ = {name: means(block)[block.present].mean(axis=0) for name, block in held.items()}
        self.weights_ = dict.fromkeys(held, 1.0)
        return self

    def rows(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, d)` float32 of blocks of n rows; views may be missing."""
        found = []
        for name, mean in self.means_.items():
            rows = np.zeros((n, len(mean)), dtype=np.float32)
            if name in held:
                there = held[name].present
                rows[there] = normalize(means(held[name])[there] - mean) * np.float32(self.weights_[name] ** 0.5)
            found.append(rows)
        return np.concatenate(found, axis=1)
