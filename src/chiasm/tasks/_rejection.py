"""When to say that nothing here matches: what validation queries, which do have a match, score."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np

from chiasm.conformal import threshold
from chiasm.errors import ChiasmError
from chiasm.matching import relevance
from chiasm.metrics import normalize
from chiasm.views import Views

__all__ = ["Calibration", "calibrate", "lowest"]

Calibration = dict[str, dict[str, dict[str, np.ndarray]]]
"""By the query's view and the answer's: `best`, the scores `(n,)` of the first hits of n queries in the whole index;
`match`, of their true matches."""


def calibrate(held: Views, indexes: Mapping[str, Any]) -> Calibration:
    """The scores of held-out rows (in the shared space) against the indexes that hold everything."""
    found: Calibration = {name: {} for name in held.names}
    for a, b in permutations(held.names, 2):
        answers = relevance(held, a, b)
        if answers is None:
            continue
        queries, hits, starts = answers
        left, right = (normalize(held[name].items[held[name].used]) for name in (a, b))
        counts = np.diff(np.append(starts, len(hits)))
        true = np.einsum("ij,ij->i", left[np.repeat(queries, counts)], right[hits])
        best = indexes[b].search(left[queries], 1)[1][:, 0]
        found[a][b] = {
            "best": np.asarray(best, np.float64),
            "match": np.maximum.reduceat(true, starts).astype(np.float64),
        }
    return found


def lowest(calibration: Calibration, start: str, to: str, rate: float, elsewhere: bool) -> float:
    """The score from which on a first hit counts as a match, so that at most `rate` of true queries are rejected.

    In another gallery than the model's own the first hit scores at least what the true match does, so the threshold of
    the true matches keeps the promise there, with fewer rejections.

    Raises a ChiasmError when the model was fitted without validation rows.
    """
    if to not in calibration.get(start, {}):
        raise ChiasmError(
            f"wanted validation rows with {start!r} and {to!r} to know what a match scores, got a model that was "
            "fitted without: fit it with a split that has val rows, or search without --reject."
        )
    return threshold(calibration[start][to]["match" if elsewhere else "best"], rate)
