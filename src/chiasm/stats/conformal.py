"""Conformal rejection: from which score on to say "nothing here matches", with a promised rate of false alarms."""

from __future__ import annotations

import logging
import math

import numpy as np
from scipy.special import bdtr

from chiasm.errors import ChiasmError

__all__ = ["fewest", "threshold"]

log = logging.getLogger(__name__)


def threshold(scores: np.ndarray, alpha: float = 0.05, sure: float | None = None) -> float:
    """The largest t such that a new query that has a match is rejected (scores below t) with probability <= alpha.

    With k = floor(alpha (n + 1)), t is the k-th smallest of the n calibration scores. The false alarm rate is then
    k / (n + 1): at most alpha, and more than alpha - 1 / (n + 1) where no scores are equal (equal ones reject less).

    That is on average over calibrations: of 100 scores and alpha 0.1, one calibration in twenty rejects more than 15 in
    100 for good. With `sure`, k is the largest for which that share of calibrations rejects alpha or less: k or more of
    the n scores lie below the true alpha-quantile with at least that probability (binomial).

    Choose it wherever a search may have no right answer. The promise holds for queries exchangeable with the
    calibration ones (drawn alike, none of them learned from); with `sure`, for calibration queries independent of one
    another. It says nothing about how many queries without a match get through.

    Args:
        scores: `(n,)` best scores of queries that do have a match, higher is better.
        alpha: the rate of false alarms, between 0 and 1.
        sure: the share of calibrations that keep to alpha, between 0 and 1; left out, alpha holds on average.

    Returns -inf, which rejects nothing, where n is too small (below 1 / alpha - 1; with `sure`, where
    (1 - alpha)^n > 1 - sure: below 22 for 0.1 and 0.9), and logs a warning that says so.
    Raises a ChiasmError for an alpha or a `sure` outside (0, 1) or scores that are NaN.

    >>> threshold(np.arange(1, 100), alpha=0.05)
    5.0
    >>> threshold(np.arange(1, 101), alpha=0.1), threshold(np.arange(1, 101), alpha=0.1, sure=0.9)
    (10.0, 6.0)

    Sources: Vovk, Gammerman & Shafer 2005; Angelopoulos & Bates 2021, arXiv 2107.07511; `sure`: Vovk 2012 (conditional
    validity of inductive conformal predictors), the tolerance bound of Wilks 1941.
    """
    _check(alpha, sure)
    scores = np.asarray(scores, dtype=np.float64).ravel()
    if np.isnan(scores).any():
        raise ChiasmError(f"wanted numbers as scores, got {int(np.isnan(scores).sum())} NaN: leave such queries out.")
    if sure is None:
        k = math.floor(alpha * (len(scores) + 1) + 1e-9)  # 0.29 x 100 is 28.999999999999996
    else:
        k = int((bdtr(np.arange(len(scores)), len(scores), alpha) <= 1 - sure + 1e-12).sum())
    if k < 1:
        log.warning("%d calibration scores are too few to reject at alpha %g (at least %d): rejecting nothing",
                    len(scores), alpha, fewest(alpha, sure))  # fmt: skip
        return -math.inf
    return float(np.partition(scores, k - 1)[k - 1])


def fewest(alpha: float, sure: float | None = None) -> int:
    """The least number of calibration scores from which on `threshold` rejects anything.

    >>> fewest(0.1), fewest(0.1, 0.9), fewest(0.05, 0.9)
    (9, 22, 45)
    """
    _check(alpha, sure)
    if sure is None:
        return math.ceil(1 / alpha - 1 - 1e-9)
    return math.ceil(math.log(1 - sure) / math.log(1 - alpha) - 1e-9)


def _check(alpha: float, sure: float | None) -> None:
    if not 0 < alpha < 1:
        raise ChiasmError(f"wanted an alpha between 0 and 1 (a rate of false alarms such as 0.05), got {alpha}.")
    if sure is not None and not 0 < sure < 1:
        raise ChiasmError(f"wanted a share of calibrations between 0 and 1 that keep to alpha, got {sure}.")
