"""A picture as a grid of cells: likely segments of it, and random blobs to compare them with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["blob", "box", "colors", "features", "neighbors", "segments", "spread"]

GRID = 9
"""Cells a side where an encoder has no patches."""


def features(patches: Any, picture: np.ndarray) -> np.ndarray:
    """`(g, g, d)` of a picture's patches `(t, d)`; where there are none that fill a square, its cells' colors."""
    side = 0 if patches is None else math.isqrt(len(patches))
    if patches is None or side < 3 or side * side != len(patches):
        return colors(picture, GRID)
    return np.asarray(patches, dtype=np.float64).reshape(side, side, -1)


def colors(picture: np.ndarray, side: int) -> np.ndarray:
    """`(side, side, 6)` mean and spread of red, green and blue of each cell of a picture `(h, w, 3)`."""
    rows, columns = (np.array_split(np.arange(n), side) for n in picture.shape[:2])
    cells = [[picture[np.ix_(r, c)].reshape(-1, 3).astype(np.float64) for c in columns] for r in rows]
    return np.array([[np.concatenate([cell.mean(axis=0), cell.std(axis=0)]) for cell in row] for row in cells])


def neighbors(side: int) -> list[list[int]]:
    """Of each cell of a square grid, numbered row by row, those that share an edge with it."""
    found = []
    for row in range(side):
        for column in range(side):
            near = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            found.append([r * side + c for r, c in near if 0 <= r < side and 0 <= c < side])
    return found


def segments(values: np.ndarray, count: int, place: float = 0.3) -> np.ndarray:
    """`(g, g)` numbers of connected segments, at most `count`, of cells `(g, g, d)` that are alike.

    Cells that touch are merged two at a time, those first that add least to the squared distances of cells from their
    segments' means (Ward, 1963). Distances are taken between standardized directions, cosines that is, and between
    places, weighted by `place`.
    """
    side = len(values)
    flat = values.reshape(side * side, -1)
    flat = flat - flat.mean(axis=0)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    where = np.stack(np.meshgrid(*[np.linspace(-1, 1, side)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    means = dict(enumerate(np.concatenate([flat, math.sqrt(place) * where], axis=1)))
    sizes = dict.fromkeys(means, 1)
    touching = {cell: set(near) for cell, near in enumerate(neighbors(side))}
    label = np.arange(side * side)

    def cost(a: int, b: int) -> float:
        gap = means[a] - means[b]
        return float(sizes[a] * sizes[b] / (sizes[a] + sizes[b]) * (gap @ gap))

    costs = {(a, b): cost(a, b) for a in means for b in touching[a] if a < b}
    while len(means) > count:
        a, b = min(costs, key=lambda pair: (costs[pair], pair))
        means[a] = (sizes[a] * means[a] + sizes[b] * means.pop(b)) / (sizes[a] + sizes[b])
        sizes[a] += sizes.pop(b)
        label[label == b] = a
        touching[a] = (touching[a] | touching.pop(b)) - {a, b}
        for near in touching[a]:
            touching[near] = (touching[near] - {b}) | {a}
        costs = {pair: value for pair, value in costs.items() if not {a, b} & set(pair)}
        costs |= {(min(a, near), max(a, near)): cost(a, near) for near in touching[a]}
    return np.unique(label, return_inverse=True)[1].reshape(side, side)


def blob(side: int, area: int, rng: np.random.Generator) -> np.ndarray:
    """`(side, side)` mask of a random connected blob of `area` cells, grown from a random cell a neighbor at a time."""
    near = neighbors(side)
    held = {int(rng.integers(side * side))}
    while len(held) < area:
        edge = [cell for mine in held for cell in near[mine] if cell not in held]  # often seen, more often drawn: round
        held.add(edge[int(rng.integers(len(edge)))])
    mask = np.zeros(side * side, dtype=bool)
    mask[sorted(held)] = True
    return mask.reshape(side, side)


def box(mask: np.ndarray) -> list[float]:
    """Left, top, right and bottom of a mask `(g, g)`, each 0 to 1."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    ends = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return [round(float(end) / len(mask), 4) for end in ends]


def spread(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask `(g, g)` over a picture of `side` pixels a side."""
    at = np.arange(side) * len(mask) // side
    return mask[np.ix_(at, at)]
