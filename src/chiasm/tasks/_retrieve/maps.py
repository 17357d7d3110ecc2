"""Maps: where in a picture a score comes from, by leaving some of its patches out of what it is the mean of."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["left_out"]

REACH = 1
"""Patches around each that are left out with it: nine together (chosen on pictures that no figure is of)."""


def left_out(patches: np.ndarray, score: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
    """`(g, g)` what a score loses when a patch and its neighbors are left out of the mean; None for no square grid.

    An encoder whose vector is the mean of its patches need not encode again: the vector of what is left is the mean of
    the others. At the edge fewer are left out.

    Args:
        patches: `(g * g, d)`, row by row. score: vectors `(m, d)` -> what each scores `(m,)`.

    Source: Zeiler & Fergus 2014 (cover and look), here behind the encoder instead of before it.

    >>> told = left_out(np.eye(25), lambda vectors: vectors[:, 12])  # how much there is of the patch in the middle
    >>> bool(told[2, 2] > 0 > told[0, 0])
    True
    """
    side = math.isqrt(len(patches))
    if side < 2 * REACH + 1 or side * side != len(patches):
        return None
    grid = np.asarray(patches, dtype=np.float64).reshape(side, side, -1)
    sums = np.pad(grid, ((1, 0), (1, 0), (0, 0))).cumsum(axis=0).cumsum(axis=1)
    first, last = np.maximum(np.arange(side) - REACH, 0), np.minimum(np.arange(side) + REACH + 1, side)
    out = sums[last][:, last] - sums[first][:, last] - sums[last][:, first] + sums[first][:, first]
    count = np.outer(last - first, last - first)[..., None]
    rest = ((sums[-1, -1] - out) / (side * side - count)).reshape(side * side, -1)
    whole, *each = score(np.concatenate([grid.mean(axis=(0, 1))[None], rest]).astype(np.float32)).tolist()
    return np.asarray(whole - np.array(each)).reshape(side, side)
