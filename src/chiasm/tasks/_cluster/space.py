"""Several views side by side, each of equal weight: the vectors that things are grouped by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.stats.blocks import Block, Blocks
from chiasm.views import Views

__all__ = ["Space", "learn", "place", "things"]

AXES = 64
"""The most principal axes of a view."""

Space = dict[str, dict[str, Any]]
"""By view `mean` and `scale` `(d,)`, `middle` `(d,)`, `axes` `(d, r)`, and whether rows are `directions`."""


def things(views: Views) -> Blocks:
    """By view the mean item of each id `(things, d)`, zeros where it has none."""
    found = {}
    for name, column in views.columns.items():
        mask = column.present
        pairs = np.unique(np.stack([views.codes[mask], column.index[mask]], axis=1), axis=0)
        sums, counts = np.zeros((views.things, column.width)), np.bincount(pairs[:, 0], minlength=views.things)
        np.add.at(sums, pairs[:, 0], np.asarray(column.items[pairs[:, 1]], dtype=np.float64))
        found[name] = Block(sums / np.maximum(counts, 1)[:, None], counts > 0)
    return found


def learn(held: Mapping[str, Block], *, directions: bool = True) -> Space:
    """What makes views comparable: what varies more than most is tamed, and views vary as much as each other.

    Each number less its mean is divided by its standard deviation, or by the median one where that is larger: what
    varies little is not blown up to noise, as it is by standardizing. Rows then lie on at most 64 principal axes, over
    their root mean square. A view that does not vary is left out. (Set on ikea and on scikit-learn's wine, iris, breast
    cancer and digits: `benchmarks.fuse.cluster` has other rows.)

    Args:
        directions: rows of length 1, which suits groups around means; without, shapes stay what they are (rings).
    """
    found: Space = {}
    for name, block in held.items():
        rows = np.asarray(block.values[block.present], dtype=np.float64)
        if len(rows) < 2:
            continue
        mean, spread = rows.mean(axis=0), rows.std(axis=0)
        varied = spread > 1e-9 * max(float(np.abs(mean).max(initial=0)), float(spread.max(initial=0)), 1e-300)
        if not varied.any():
            continue
        scale = np.where(varied, np.maximum(spread, np.median(spread[varied])), np.inf)
        unit = (rows - mean) / scale
        unit = _unit(unit) if directions else unit
        middle = unit.mean(axis=0)
        _, lengths, turn = np.linalg.svd(unit - middle, full_matrices=False)
        kept = max(1, min(AXES, int((lengths > 1e-9 * lengths[0]).sum())))
        size = np.sqrt(np.square(lengths[:kept]).sum() / len(rows)) or 1.0
        found[name] = {
            "mean": mean,
            "scale": 1 / scale,
            "middle": middle,
            "axes": turn[:kept].T / size,
            "directions": directions,
        }
    return found


def place(space: Space, held: Mapping[str, Block]) -> Blocks:
    """Blocks on the axes of the space, zeros where absent; views that it does not know are left out."""
    found = {}
    for name, one in space.items():
        if name in held:
            block = held[name]
            unit = (np.asarray(block.values, dtype=np.float64) - one["mean"]) * one["scale"]
            unit = _unit(unit) if one["directions"] else unit
            found[name] = Block(
                np.where(block.present[:, None], (unit - one["middle"]) @ one["axes"], 0), block.present
            )
    return found


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: np.ndarray = rows / np.where(lengths > 0, lengths, 1)
    return found
