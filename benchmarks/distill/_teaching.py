"""Rows of which only some have a label, as the benchmarks of teaching ask for them."""

from __future__ import annotations

import numpy as np

SHARES = (5, 10, 25, 100)
"""Of the rows learned from, in %, those that have a label."""


def fewer(label: np.ndarray, learned: np.ndarray, share: int, seed: int) -> np.ndarray:
    """Labels of a share of the rows learned from, two of every class at least; None elsewhere."""
    order = np.random.default_rng(seed).permutation(learned)
    wanted = max(1, round(len(learned) * share / 100))
    first = np.concatenate([order[label[order] == name][:2] for name in np.unique(label[learned].astype(str))])
    kept = np.unique(np.concatenate([first, [r for r in order if r not in set(first.tolist())][: wanted - len(first)]]))
    out = np.full(len(label), None, dtype=object)
    out[kept.astype(int)] = label[kept.astype(int)]
    return out
