"""Hubness: some items are near to every query. Corrections as one bias a gallery item, learned from a bank of queries.

score'(q, g) = q . g - b_g with unit q and g, so every correction folds into an inner-product index as ONE more
coordinate (`fold_gallery`, `fold_queries`) and costs a query nothing. Centering is the exception that needs not even
that: it shifts the vectors before they are normalized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError, unknown
from chiasm.metrics import normalize, ranks, recall_at

__all__ = [
    "apply",
    "center",
    "choose_correction",
    "csls",
    "fold_gallery",
    "fold_queries",
    "inverted_softmax",
    "shared_ids",
]

Same = tuple[np.ndarray, np.ndarray]
"""(gallery positions, bank positions): the entries that are one thing and must not speak about each other."""

NAMES = ("none", "centering", "inverted_softmax", "csls")
BETAS = (0.5, 1.0, 1.5, 2.0)
NEIGHBORS = 10
_CELLS = 8_000_000


def inverted_softmax(gallery: np.ndarray, bank: np.ndarray, beta: float, *, same: Same | None = None) -> np.ndarray:
    """b_g = log(mean over the bank of exp(beta q . g)) / beta: how near an item is to queries in general.

    Ranking by q . g - b_g is ranking by exp(beta q . g) / sum over the bank of exp(beta q' . g).

    Choose it where one gallery is searched and some hundred queries of the same kind are at hand (the training ones);
    a larger beta listens to the nearest queries alone. Useless for a one-to-one assignment of two equally large
    collections, which no bias can change.

    Args:
        gallery: `(g, d)` unit vectors. bank: `(m, d)` unit vectors of queries, not those that are asked later.
        beta: above 0, in units of 1 / cosine.
        same: pairs to leave out: a training item's own query would punish it. See `shared_ids`.

    Returns `(g,)` float32. An item with no query left gets the mean of the others' biases.

    >>> hub, other = np.array([0.6, 0.8]), np.array([0.0, 1.0])
    >>> inverted_softmax(np.stack([hub, other]), np.array([[1.0, 0.0], [0.0, 1.0]]), beta=10).round(2)
    array([0.74, 0.93], dtype=float32)

    Sources: Smith et al. 2017, arXiv 1702.03859; Bogolin et al. 2022 (QB-Norm), arXiv 2112.12777.
    """
    if not beta > 0:
        raise ChiasmError(f"wanted a beta above 0, got {beta}.")
    out = np.empty(len(gallery))
    for block, scores in _scores(gallery, bank, same):
        scores *= beta
        most = scores.max(axis=1, keepdims=True)
        most[~np.isfinite(most)] = 0
        count = np.isfinite(scores).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[block] = (most[:, 0] + np.log(np.exp(scores - most).sum(axis=1) / count)) / beta
    return _known(out)


def csls(gallery: np.ndarray, bank: np.ndarray, neighbors: int = NEIGHBORS, *, same: Same | None = None) -> np.ndarray:
    """b_g = half of the mean cosine to the nearest `neighbors` bank queries.

    The query's own half is one constant a query and changes no ranking. Choose it where the scale of the cosines is
    not known; see `inverted_softmax` for the arguments and the result.

    Source: Conneau et al. 2018, arXiv 1710.04087.
    """
    if neighbors < 1:
        raise ChiasmError(f"wanted at least 1 neighbor, got {neighbors}.")
    out = np.empty(len(gallery))
    take = min(neighbors, len(bank))
    for block, scores in _scores(gallery, bank, same):
        near = np.partition(scores, len(bank) - take, axis=1)[:, len(bank) - take :]
        known = np.isfinite(near)
        with np.errstate(invalid="ignore"):
            out[block] = np.where(known, near, 0).sum(axis=1) / known.sum(axis=1) / 2
    return _known(out)


def center(vectors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Unit vectors `(n, d)` less the mean `(d,)` of their modality's unit vectors, made unit again.

    Choose it for one index over several modalities, whose clouds stand apart; within one modality it can do harm.
    Source: Liang et al. 2022 (the modality gap), arXiv 2203.02053.
    """
    return normalize(normalize(vectors) - mean)


def shared_ids(gallery_ids: np.ndarray, bank_ids: np.ndarray) -> Same:
    """The pairs to leave out, from one id (code) an item and one a bank query.

    >>> shared_ids(np.array([7, 8, 9]), np.array([9, 9, 7]))
    (array([0, 2, 2]), array([2, 0, 1]))
    """
    order = np.argsort(bank_ids, kind="stable")
    sorted_ids = np.asarray(bank_ids)[order]
    first, last = (np.searchsorted(sorted_ids, gallery_ids, side) for side in ("left", "right"))
    count = last - first
    left = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
    return left, order[np.repeat(first, count) + within]


def fold_gallery(gallery: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """`(g, d + 1)`: the vectors with -bias as one more coordinate."""
    return np.concatenate([gallery, -np.asarray(bias, gallery.dtype)[:, None]], axis=1)


def fold_queries(queries: np.ndarray) -> np.ndarray:
    """`(q, d + 1)`: the vectors with 1 as one more coordinate, to be searched by inner product."""
    return np.concatenate([queries, np.ones((len(queries), 1), queries.dtype)], axis=1)


def apply(
    correction: Mapping[str, Any],
    queries: np.ndarray,
    gallery: np.ndarray,
    bank: np.ndarray,
    *,
    same: Same | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Queries `(q, d + 1)` and gallery `(g, d + 1)` whose inner products are the corrected scores.

    Args:
        correction: what `choose_correction` returned, or as little as `{"name": "inverted_softmax", "beta": 20}`.
        queries, gallery, bank: vectors of any length; they are made unit here. same: as for `inverted_softmax`.
    """
    queries, gallery, bank = normalize(queries), normalize(gallery), normalize(bank)
    name = correction["name"]
    bias = np.zeros(len(gallery), np.float32)
    if name == "centering":
        queries, gallery = center(queries, bank.mean(axis=0)), center(gallery, gallery.mean(axis=0))
    elif name == "inverted_softmax":
        bias = inverted_softmax(gallery, bank, correction["beta"], same=same)
    elif name == "csls":
        bias = csls(gallery, bank, correction.get("neighbors", NEIGHBORS), same=same)
    elif name != "none":
        raise unknown("correction", name, NAMES)
    return fold_queries(queries), fold_gallery(gallery, bias)


def choose_correction(
    queries: np.ndarray,
    gallery: np.ndarray,
    hits: np.ndarray,
    starts: np.ndarray,
    bank: np.ndarray,
    *,
    same: Same | None = None,
    betas: Sequence[float] = BETAS,
    neighbors: int = NEIGHBORS,
) -> dict[str, Any]:
    """The correction that retrieves best on validation queries: the mean of R@1, 5, 10. "none" wins ties.

    So the validated score never falls; on other queries it may, by as much as the choice is luck.

    Args:
        queries: `(q, d)` validation queries. gallery: `(g, d)`. hits, starts: as `metrics.ranks` takes them.
        bank: `(m, d)` other queries, of the training rows.
        betas: of the inverted softmax, in units of 1 / the standard deviation of the bank's cosines to the gallery.

    Returns plain values: "name" (none, centering, inverted_softmax, csls), "beta" or "neighbors" where it has one,
    "score", "score_without", and "trials", all candidates with their scores.
    """
    if not len(bank):
        raise ChiasmError("wanted a bank of at least one query, got none: correct without, or give training queries.")
    scale = _spread(normalize(gallery), normalize(bank))
    candidates: list[dict[str, Any]] = [{"name": "none"}, {"name": "centering"}]
    candidates += [{"name": "inverted_softmax", "beta": float(f"{beta / scale:.4g}")} for beta in betas]
    candidates += [{"name": "csls", "neighbors": neighbors}]
    for candidate in candidates:
        found = ranks(*apply(candidate, queries, gallery, bank, same=same), hits, starts)
        candidate["score"] = float(np.mean([recall_at(found, k) for k in (1, 5, 10)]))
    best = max(candidates, key=lambda candidate: candidate["score"])  # the first of equals
    return {**best, "score_without": candidates[0]["score"], "trials": candidates}


def _scores(gallery: np.ndarray, bank: np.ndarray, same: Same | None) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of gallery rows and their cosines to the bank `(rows, m)`; -inf where the two are one thing."""
    if not len(bank):
        raise ChiasmError("wanted a bank of at least one query, got none: correct without, or give training queries.")
    left, right = (np.asarray(part) for part in same) if same is not None else (np.zeros(0, int),) * 2
    order = np.argsort(left, kind="stable")
    left, right = left[order], right[order]
    size = max(1, _CELLS // len(bank))
    for start in range(0, len(gallery), size):
        block = slice(start, min(start + size, len(gallery)))
        scores = gallery[block] @ bank.T
        first, last = np.searchsorted(left, [block.start, block.stop])
        scores[left[first:last] - start, right[first:last]] = -np.inf
        yield block, scores


def _known(bias: np.ndarray) -> np.ndarray:
    """The biases with the mean of the known ones where there is none."""
    known = np.isfinite(bias)
    return np.where(known, bias, bias[known].mean() if known.any() else 0.0).astype(np.float32)


def _spread(gallery: np.ndarray, bank: np.ndarray) -> float:
    """The standard deviation of the cosines, over at most 2,000 items and queries, evenly taken."""
    some = [part[:: -(-len(part) // 2000)] for part in (gallery, bank)]
    return float(max((some[0] @ some[1].T).std(), 1e-6))
