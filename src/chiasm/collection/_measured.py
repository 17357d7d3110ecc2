"""How well a taught name is found, from its own examples: each searched for by a name taught by the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.stats.prototypes import Others
from chiasm.stats.resample import bootstrap, interval

__all__ = ["left_out", "luck", "measured", "note"]

_FIRST = 10
"""Held-out examples are counted among so many first files."""

_SETS = 100
"""Sets of files drawn at random that the ranks are compared with."""

_LUCK = 0.05
"""The share of such sets that are found as well, from which on a name is said to be found by luck."""

_LEAST = 20
"""Files that it takes to tell luck."""


def left_out(others: Others, examples: np.ndarray) -> np.ndarray:
    """`(n, w)` for each of n examples, two at least, the direction of all the others."""
    return others.directions([np.delete(examples, i, axis=0) for i in range(len(examples))])


def luck(others: Others, files: np.ndarray, examples: np.ndarray, seed: int = 0) -> float | None:
    """The share of sets of as many files `(m, w)` at random whose members find each other as well as the examples do.

    As well: the mean logarithm of the ranks among the files is as low. None where there are too few files to tell.
    """
    n, rng = len(examples), np.random.default_rng(seed)
    if len(files) < max(_LEAST, 2 * n):
        return None
    drawn = [rng.choice(len(files), n, replace=False) for _ in range(_SETS)]
    left = left_out(others, examples)
    own = _ranks(left @ files.T, (left * examples).sum(axis=1))
    groups = [np.delete(rows, i) for rows in drawn for i in range(n)]
    scores = others.directions([files[rows] for rows in groups]) @ files.T
    held = np.concatenate(drawn)
    for row, rows in enumerate(groups):
        scores[row, rows] = -np.inf  # the others of a set are not among the files that it is compared with
    chance = _ranks(scores, scores[np.arange(len(held)), held]).reshape(_SETS, n)
    return float((1 + (chance.mean(axis=1) <= own.mean()).sum()) / (1 + _SETS))


def measured(ranks: list[int], of: int, share: float | None) -> dict[str, Any] | None:
    """What the ranks of held-out examples among `of` files and themselves say; `share` as `luck` gives it.

    None among fewer files than are counted as the first ones: every example is among them, whatever was learned.
    """
    if of < _FIRST:
        return None
    (value,), (low,), (high,) = bootstrap(np.array([rank <= _FIRST for rank in ranks]), np.arange(len(ranks)))
    return {
        "ranks": ranks,
        "of": of,
        "median_rank": float(np.median(ranks)),
        "first_10": interval(value, low, high),
        "chance": round(min(1.0, _FIRST / (of + 1)), 6),
        "by_luck": None if share is None else share > _LUCK,
    }


def note(name: str, found: dict[str, Any] | None) -> str:
    """What the measurement means, in a sentence; nothing where it is well."""
    if found is None:
        return f"how well {name!r} is found is unmeasured: that takes two files, and {_FIRST} that are not taught."
    if found["by_luck"]:
        return f"{name!r} is not found better than by chance: the model sees nothing that its files have in common."
    return ""


def _ranks(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """`(n,)` logarithms of the ranks of own scores `(n,)` among others `(n, m)`."""
    return np.log1p((scores > own[:, None]).sum(axis=1))
