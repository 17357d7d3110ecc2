"""How alike two partitions of the same rows are: adjusted Rand index and normalized mutual information."""

from __future__ import annotations

import numpy as np

__all__ = ["adjusted_rand", "mutual_information"]


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """The share of pairs of rows that both partitions treat alike, less chance, over the most that it can be; 1: equal.

    0 is what partitions of these sizes have in the mean when rows are dealt at random, and what one cluster of all has.

    Args:
        one, other: `(n,)` integers from 0.

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0

    Source: Hubert & Arabie 1985.
    """
    table = _table(one, other)
    both, rows, columns = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    chance = rows * columns / max(_pairs(np.array([len(one)])), 1e-300)
    most = (rows + columns) / 2
    return 1.0 if most == chance else float((both - chance) / (most - chance))


def mutual_information(one: np.ndarray, other: np.ndarray) -> float:
    """What each partition tells of the other, over the mean of their entropies, 0 to 1; not corrected for chance.

    Args:
        one, other: `(n,)` integers from 0.

    >>> mutual_information(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    0.0

    Source: Strehl & Ghosh 2002, over the arithmetic mean.
    """
    table = _table(one, other) / len(one)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    entropies = _entropy(rows) + _entropy(columns)
    shared = entropies - _entropy(table.ravel())
    return 1.0 if entropies == 0 else float(max(0.0, 2 * shared / entropies))


def _table(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    width = int(other.max()) + 1
    counts = np.bincount(one * width + other, minlength=(int(one.max()) + 1) * width)
    table: np.ndarray = counts.reshape(-1, width).astype(np.float64)
    return table


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1) / 2).sum())


def _entropy(shares: np.ndarray) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())
