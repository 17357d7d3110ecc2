"""Principal axes of what comes many a row: steps of time, words, patches."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from chiasm.fuse._kernel import Kernel
from chiasm.part import Part
from chiasm.stats.blocks import Block

__all__ = ["Axes"]

_CHUNK = 8192
"""Vectors in memory at a time, before they are on these axes."""


class Axes(Part):
    """Vectors, standardized and cut as by `Kernel`, on the last of their principal axes with a mean square of 1.

    Args:
        most: so many axes at most, those of the most variance.

    Learned: `kernel_`, `axes_` `(d, r)`.
    """

    kernel_: Kernel
    axes_: np.ndarray

    def __init__(self, most: int = 64):
        self.most = most

    def fit(self, block: Block, y: None = None) -> Axes:
        """Learn from the vectors of a block, one a row."""
        self.kernel_ = Kernel(("x",), "linear").fit({"x": block})
        gram, rows = np.zeros((self.kernel_.width, self.kernel_.width)), np.flatnonzero(block.present)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            seen = self.kernel_({"x": block.some(part)}, len(part)).astype(np.float64)
            gram += seen.T @ seen
        lengths, axes = eigh(gram, subset_by_index=[max(0, len(gram) - self.most), len(gram) - 1])
        scale = max(float(np.sqrt(max(lengths.mean(), 0) / len(rows))), 1e-30)
        self.axes_ = (axes / scale).astype(np.float32)
        return self

    @property
    def width(self) -> int:
        """r, the number of axes."""
        return int(self.axes_.shape[1])

    def __call__(self, block: Block) -> np.ndarray:
        """`(n, r)` float32 of n vectors; zero where a row is absent."""
        found: np.ndarray = self.kernel_(dict.fromkeys(self.kernel_.views, block), len(block.present)) @ self.axes_
        return found
