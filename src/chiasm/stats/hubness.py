"""Hubness: some items are near to every query. Corrections as one bias a gallery item, learned from a bank of queries.

score'(q, g) = q . g - b_g with unit q and g, so every correction folds into the vectors as one more coordinate and
costs a query nothing (`align/_folded.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["csls", "inverted_softmax"]

NEIGHBORS = 10
_CELLS = 8_000_000


def inverted_softmax(
    gallery: np.ndarray, bank: np.ndarray, beta: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """b_g = log(mean over the bank of exp(beta q . g)) / beta: how near an item is to queries in general.

    Ranking by q . g - b_g is ranking by exp(beta q . g) / sum over the bank of exp(beta q' . g).

    Choose it where one gallery is searched and some hundred queries of the same kind are at hand (the training ones);
    a larger beta listens to the nearest queries alone. Useless for a one-to-one assignment of two equally large
    collections, which no bias can change. A gallery item whose own query stands in the bank is punished for it; in a
    gallery of training and new items that is as it should be, since what was learned from is near everything asked
    like it (docs/log.md).

    Args:
        gallery: `(g, d)` unit vectors. bank: `(m, d)` unit vectors of queries, not those that are asked later.
        beta: above 0, in units of 1 / cosine. weights: `(m,)` what each query counts; all the same if left out.

    Returns `(g,)` float32.

    >>> hub, other = np.array([0.6, 0.8]), np.array([0.0, 1.0])
    >>> inverted_softmax(np.stack([hub, other]), np.array([[1.0, 0.0], [0.0, 1.0]]), beta=10).round(2)
    array([0.74, 0.93], dtype=float32)

    Sources: Smith et al. 2017, arXiv 1702.03859; Bogolin et al. 2022 (QB-Norm), arXiv 2112.12777.
    """
    if not beta > 0:
        raise ChiasmError(f"wanted a beta above 0, got {beta}.")
    shares = np.full(len(bank), 1 / max(len(bank), 1)) if weights is None else weights / weights.sum()
    out = np.empty(len(gallery), np.float32)
    for block, scores in _scores(gallery, bank):
        scores *= beta
        most = scores.max(axis=1, keepdims=True)
        out[block] = (most[:, 0] + np.log(np.exp(scores - most) @ shares.astype(scores.dtype))) / beta
    return out


def csls(gallery: np.ndarray, bank: np.ndarray, neighbors: int = NEIGHBORS) -> np.ndarray:
    """b_g = half of the mean cosine to the nearest `neighbors` bank queries.

    The query's own half is one constant a query and changes no ranking. Choose it where the scale of the cosines is
    not known; see `inverted_softmax` for the arguments and the result.

    Source: Conneau et al. 2018, arXiv 1710.04087.
    """
    if neighbors < 1:
        raise ChiasmError(f"wanted at least 1 neighbor, got {neighbors}.")
    out = np.empty(len(gallery), np.float32)
    take = min(neighbors, len(bank))
    for block, scores in _scores(gallery, bank):
        out[block] = np.partition(scores, len(bank) - take, axis=1)[:, len(bank) - take :].mean(axis=1) / 2
    return out


def _scores(gallery: np.ndarray, bank: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of gallery rows and their cosines to the bank `(rows, m)`, in the bank's precision."""
    if not len(bank):
        raise ChiasmError("wanted a bank of at least one query, got none: correct without, or give training queries.")
    size = max(1, _CELLS // len(bank))
    for start in range(0, len(gallery), size):
        block = slice(start, min(start + size, len(gallery)))
        yield block, np.asarray(gallery[block], dtype=bank.dtype) @ bank.T  # a bank is large: it is not converted
