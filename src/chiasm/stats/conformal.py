"""Conformal rejection: from which score on to say "nothing here matches", with a promised rate of false alarms."""

from __future__ import annotations

import logging
import math

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["threshold"]

log = logging.getLogger(__name__)


def threshold(scores: np.ndarray, alpha: float = 0.05) -> float:
    """The largest t such that a new query that has a match is rejected (scores below t) with probability <= alpha.

    With k = floor(alpha (n + 1)), t is the k-th smallest of the n calibration scores. The false alarm rate is then
    k / (n + 1): at most alpha, and more than alpha - 1 / (n + 1) where no scores are equal (equal ones reject less).

    Choose it wherever a search may have no right answer. The promise holds for queries exchangeable with the
    calibration ones (drawn alike, none of them learned from), on average over calibrations; it says nothing about how
    many queries without a match get through.

    Args:
        scores: `(n,)` best scores of queries that do have a match, higher is better.
        alpha: the rate of false alarms, between 0 and 1.

    Returns -inf, which rejects nothing, where n is below 1 / alpha - 1 (and logs a warning that says so).
    Raises a ChiasmError for an alpha outside (0, 1) or scores that are NaN.

    >>> threshold(np.arange(1, 100), alpha=0.05)
    5.0

    Sources: Vovk, Gammerman & Shafer 2005; Angelopoulos & Bates 2021, arXiv 2107.07511.
    """
    if not 0 < alpha < 1:
        raise ChiasmError(f"wanted an alpha between 0 and 1 (a rate of false alarms such as 0.05), got {alpha}.")
    scores = np.asarray(scores, dtype=np.float64).ravel()
    if np.isnan(scores).any():
        raise ChiasmError(f"wanted numbers as scores, got {int(np.isnan(scores).sum())} NaN: leave such queries out.")
    k = math.floor(alpha * (len(scores) + 1) + 1e-9)  # 0.29 x 100 is 28.999999999999996
    if k < 1:
        least = math.ceil(1 / alpha - 1 - 1e-9)
        log.warning("%d calibration scores are too few to reject at alpha %g (at least %d): rejecting nothing",
                    len(scores), alpha, least)  # fmt: skip
        return -math.inf
    return float(np.partition(scores, k - 1)[k - 1])
