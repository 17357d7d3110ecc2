"""Patches as a language model reads them: on their first principal axes, those of a row in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.part import Part
from chiasm.stats.blocks import Block
from chiasm.tokens import Tokens

__all__ = ["Look", "Looks", "chosen", "repeated"]

AXES = 64
SAMPLE = 200
"""Items whose patches the axes are learned from, at most."""

Look = tuple[np.ndarray, np.ndarray]
"""Patches `(n, p, r)` and booleans `(n, p)`: those that are there."""


class Looks(Part):
    """The first view of tokens among blocks -> its patches of some rows, on axes with a mean square of 1.

    Learned: `view_` ("" where no view has tokens), `mean_`, `axes_` `(e, r)`.
    """

    view_: str
    mean_: np.ndarray
    axes_: np.ndarray

    def fit(self, held: Mapping[str, Block], y: None = None) -> Looks:
        """Learn the axes."""
        views = [name for name, block in held.items() if isinstance(block.values, Tokens)]
        self.view_ = views[0] if views else ""
        if self.view_:
            block = held[self.view_]
            some = np.flatnonzero(block.present)[:SAMPLE]
            values, there = block.values.batch(some)  # type: ignore[union-attr]
            rows = values[there].astype(np.float64)
            self.mean_ = rows.mean(axis=0).astype(np.float32)
            _, vectors = np.linalg.eigh((rows - self.mean_).T @ (rows - self.mean_))
            axes = vectors[:, ::-1][:, :AXES]
            spread = np.sqrt(np.square((rows - self.mean_) @ axes).mean())
            self.axes_ = (axes / max(float(spread), 1e-12)).astype(np.float32)
        return self

    @property
    def width(self) -> int:
        """Numbers of a patch; 0 where there are none."""
        return self.axes_.shape[1] if self.view_ else 0

    def of(self, held: Mapping[str, Block], rows: np.ndarray) -> Look | None:
        """The patches of some rows; None where none are read. A row without is all masked."""
        if not self.view_:
            return None
        if self.view_ not in held:
            return np.zeros((len(rows), 1, self.width), np.float32), np.zeros((len(rows), 1), bool)
        block = held[self.view_]
        values, there = block.values.batch(np.where(block.present[rows], rows, -1))  # type: ignore[union-attr]
        if not values.shape[1]:
            return np.zeros((len(rows), 1, self.width), np.float32), np.zeros((len(rows), 1), bool)
        return (values - self.mean_) @ self.axes_, there


def repeated(look: Look | None, row: int, times: int) -> Look | None:
    """The patches of one row, so many times."""
    if look is None:
        return None
    values, there = look
    return np.repeat(values[row : row + 1], times, axis=0), np.repeat(there[row : row + 1], times, axis=0)


def chosen(look: Look | None, rows: Any) -> Look | None:
    """The patches of some of the rows."""
    return None if look is None else (look[0][rows], look[1][rows])
