"""How wide a 95 % interval must be when few clusters were seen: t quantiles, shares near 0 and 1, paired shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

__all__ = ["Drawn", "limits", "paired_shares", "percentiles", "ranked", "same_top", "share", "shares", "tail", "units"]


class Drawn(np.ndarray):
    """A figure in each draw `(resamples,)`, with what its interval needs to know of the rows behind it.

    `codes` `(n,)` are the rows' clusters (a difference of two figures keeps them). `rows` `(n,)` are the 0 and `top`
    whose mean it is, where it is a share. `bounded` says that it lies in 0..1 by its definition, `effective` how many
    effective clusters it rests on, where that is not those of all rows.
    """

    codes: np.ndarray | None
    rows: np.ndarray | None
    top: float
    bounded: bool
    effective: float | None

    def __array_finalize__(self, other: Any) -> None:
        self.codes = getattr(other, "codes", None)
        self.rows, self.top, self.bounded, self.effective = None, 1.0, False, None

    @classmethod
    def of(
        cls,
        samples: np.ndarray,
        codes: np.ndarray | None,
        rows: np.ndarray | None = None,
        *,
        bounded: bool = False,
        effective: float | None = None,
    ) -> Drawn:
        """Samples with what is known of them; `rows` are kept where they are two-valued, 0 and one number above."""
        made = np.asarray(samples).view(cls)
        made.codes, made.bounded, made.effective = codes, bounded, effective
        if rows is not None and (top := shares(rows)) is not None:
            made.rows, made.top = rows, top
        return made


def shares(values: np.ndarray) -> float | None:
    """1 for values of 0 and 1, 100 for 0 and 100, and so on: what a mean of them is a share of. None for others."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    top = float(known.max()) or 1.0
    return top if top > 0 and ((known == 0) | (known == top)).all() else None


def ranked(codes: np.ndarray, true: np.ndarray) -> float:
    """The effective clusters of an AUC: the harmonic mean of those of the positives `(n,)` and of the negatives."""
    return 2 / sum(1 / units(codes[true == side])[1] for side in (True, False)) if 0 < true.sum() < len(true) else 1.0


def units(codes: np.ndarray) -> tuple[int, float]:
    """(clusters, effective clusters): as many of equal size would tell as much, (sum n)^2 / sum n^2.

    Source: Carter, Schnepel & Steigerwald 2017 (with rows of a cluster wholly alike).
    """
    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0].astype(np.float64)
    return len(sizes), float(sizes.sum() ** 2 / np.square(sizes).sum())


def tail(codes: np.ndarray) -> float:
    """Which share of the draws to leave out at each end: 0.025 for many clusters, less for few.

    The quantile is moved out as far as a t interval is wider than a normal one, and by what a bootstrap of G clusters
    is too narrow (the root of G / (G - 1)). Source: Hesterberg 2015, section 5.3 (expanded percentile).
    """
    clusters, effective = units(codes)
    if clusters < 2:
        return 0.0
    return float(ndtr(-np.sqrt(clusters / (clusters - 1)) * _t(effective)))


def limits(value: float, samples: np.ndarray, missing: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a figure by its draws, those left out that are `missing`."""
    known = np.asarray(samples)[~missing]
    if not isinstance(samples, Drawn) or samples.codes is None:
        low, high = np.quantile(known, (0.025, 0.975))
        return float(low), float(high)
    if samples.rows is not None:
        low, high = share(samples.rows / samples.top, samples.codes)
        return samples.top * low, samples.top * high
    if samples.bounded:
        clusters, effective = units(samples.codes)
        effective = effective if samples.effective is None else samples.effective
        variance = float(known.var()) * clusters / max(clusters - 1, 1)
        return _wilson(value, value * (1 - value) / variance if variance > 0 else 0.0, effective)
    out = tail(samples.codes)
    low, high = np.quantile(known, (out, 1 - out))
    return float(low), float(high)


def share(values: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of zeros and ones `(n,)` over clusters, NaN left out; never of width 0.

    Wilson's, for as many independent rows as would have the variance that leaving out one cluster at a time shows (no
    more than there are rows), with a t quantile for the effective clusters. Where all are right, or all wrong, nothing
    tells how alike the rows of a cluster are, and each cluster counts as one row: 20 of 20 are [0.82, 1].

    Sources: Wilson 1927; Korn & Graubard 1998 (effective rows); Dean & Pagano 2015 (compared).
    """
    mean, variance, rows, effective = _spread(values, codes)
    n = mean * (1 - mean) / variance if variance > 0 else 0.0
    return _wilson(mean, min(n, rows), effective)


def _wilson(mean: float, n: float, effective: float) -> tuple[float, float]:
    """Wilson's interval of a figure in 0..1 that is as sure as one of n rows; 0: of as many as effective clusters."""
    z, n = _t(effective), n or effective
    middle = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(mean * (1 - mean) / n + z**2 / (4 * n**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def paired_shares(gaps: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a difference of two shares of the same rows, from each row's -1, 0 or 1 `(n,)`.

    A t interval for the effective clusters, of the variance that leaving out one cluster at a time shows and of one row
    more that the two tell apart: were they right on the very same rows, the interval would still not be empty.

    Source: Agresti & Min 2005 and Bonett & Price 2012 (a pseudo-row for paired shares), here for clusters.
    """
    mean, variance, rows, effective = _spread(gaps, codes)
    alone = (float(np.nanmean(np.square(gaps))) - mean**2) / rows
    n = rows * alone / variance if alone > 0 and variance > 0 else effective
    half = _t(effective) * np.sqrt(variance + 1 / n**2)
    return max(-1.0, float(mean - half)), min(1.0, float(mean + half))


def percentiles(
    values: np.ndarray, codes: np.ndarray, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, low, high) of each column of `(n, c)`, from draws of whole clusters; NaN left out by column."""
    known = ~np.isnan(values)
    sums = np.zeros((codes.max() + 1, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, codes, np.where(known, values, 0))
    np.add.at(counts, codes, known)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    block = max(1, 4_000_000 // len(sums))
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(0, resamples, block):
            size = min(block, resamples - start)
            drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=size)
            means[start : start + size] = (drawn @ sums) / (drawn @ counts)
        center = sums.sum(axis=0) / counts.sum(axis=0)
    low, high = np.full((2, values.shape[1]), np.nan)
    for column in np.flatnonzero(~np.isnan(center)):
        out = tail(codes[known[:, column]])
        low[column], high[column] = np.nanquantile(means[:, column], (out, 1 - out))
    return center, low, high


def same_top(a: np.ndarray, b: np.ndarray) -> float | None:
    """What both are shares of, where they are; one that is 0 everywhere may be a share of what the other is."""
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)) or np.isnan(a).all():
        return None
    return shares(np.concatenate([a, b]))


def _t(effective: float) -> float:
    return float(stdtrit(max(effective - 1, 1), 0.975))


def _spread(values: np.ndarray, codes: np.ndarray) -> tuple[float, float, int, float]:
    """(mean, variance, rows, effective clusters): the jackknife's variance, no less than that of independent rows."""
    known = ~np.isnan(values)
    values, codes = values[known].astype(np.float64), codes[known]
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    sums, counts = sums[counts > 0], counts[counts > 0]
    clusters, effective = units(codes)
    mean = float(values.mean())
    alone = float(values.var()) / len(values)
    if clusters < 2:
        return mean, alone, len(values), effective
    without = (sums.sum() - sums) / (counts.sum() - counts)
    variance = (clusters - 1) / clusters * float(np.square(without - mean).sum())
    return mean, max(variance, alone), len(values), effective
