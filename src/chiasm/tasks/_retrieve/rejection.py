"""When to say that nothing here matches: what validation queries, which do have a match, score."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.stats.conformal import threshold
from chiasm.stats.relevance import relevance
from chiasm.views import Views, normalize

__all__ = ["Calibration", "calibrate", "least_scores", "no_pairs", "rejected"]

MOST = 2000
"""The most known queries that are kept of an ordered pair of views."""

SURE = 0.9
"""The share of fits that reject no more true queries than allowed."""

Calibration = dict[str, dict[str, dict[str, np.ndarray]]]
"""By the query's view and the answer's: n `queries` `(n, k)` in the shared space, the cosines `(n,)` of their `best`
hits in the whole index and of their true `match`, and what each `owed` `(n,)`."""


def calibrate(held: Views, indexes: Mapping[str, Any], aligner: Any) -> Calibration:
    """What held-out rows (in the shared space) score in the indexes that hold everything.

    One query an id, since those of one thing score alike, and at most 2,000.
    """
    found: Calibration = {name: {} for name in held.names}
    for a, b in permutations(held.names, 2):
        answers = relevance(held, a, b)
        if answers is None:
            continue
        queries, hits, starts = answers
        left, right = (normalize(held[name].items[held[name].used]) for name in (a, b))
        counts = np.diff(np.append(starts, len(hits)))
        true = np.einsum("ij,ij->i", left[np.repeat(queries, counts)], right[hits])
        mixed = np.random.default_rng(0).permutation(len(queries))
        things = held.codes[held[a].first_rows[queries[mixed]]]
        kept = mixed[np.sort(np.unique(things, return_index=True)[1])][:MOST]
        vectors = left[queries[kept]]
        found[a][b] = {
            "queries": vectors,
            "best": indexes[b].search(vectors, 1)[1][:, 0],
            "match": np.maximum.reduceat(true, starts)[kept],
            "owed": aligner.owed(a, b, vectors),
        }
    return found


def rejected(
    calibration: Calibration,
    aligner: Any,
    start: str,
    to: str,
    vectors: np.ndarray,
    scores: np.ndarray,
    rate: float,
    gallery: Any = None,
) -> np.ndarray:
    """`(q,)` mask of the queries whose first hits, of these `scores`, are too far for a match; see `least_scores`."""
    mask: np.ndarray = scores < least_scores(calibration, aligner, start, to, vectors, rate, gallery)
    return mask


def least_scores(
    calibration: Calibration,
    aligner: Any,
    start: str,
    to: str,
    vectors: np.ndarray,
    rate: float,
    gallery: Any = None,
) -> np.ndarray:
    """`(q,)` what a hit has to score to be a match: the first hits of at most `rate` of the queries with one have less.

    Nine of ten fits keep to it (`threshold`, `sure`); fewer than 22 known queries reject nothing at 0.1, and warn.
    A known query would score in another gallery what its true match does, or a nearer item there: the same promise.

    Args:
        vectors: `(q, k)` queries in the shared space.
        gallery: the index that was searched, where it is not the model's own.

    Raises a ChiasmError when the model was fitted without validation rows.
    """
    known = calibration.get(start, {}).get(to)
    if known is None:
        raise ChiasmError(
            f"wanted validation rows with {start!r} and {to!r} to know what a match scores, got a model that was "
            "fitted without: fit it with a split that has val rows, or search without rejecting."
        )
    best = known["best"]
    if gallery is not None:
        best = np.maximum(known["match"], gallery.search(known["queries"], 1)[1][:, 0])
    least: np.ndarray = threshold(best + known["owed"], rate, SURE) - aligner.owed(start, to, vectors)
    return least


def no_pairs() -> ChiasmError:
    """Why a model that learned from names alone rejects nothing: of 300 captions of coco2k they would reject all."""
    return ChiasmError(
        "wanted pairs to know what a match scores, got a model that learned from none: names score higher than "
        "sentences do, so they cannot tell it. Fit with some captions, or search without rejecting."
    )
