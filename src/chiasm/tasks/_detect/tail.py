"""From any figure to p, the share of normal rows that are as unusual: ranks, and beyond them an exponential tail."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Tail", "bulk_tail", "combined", "surprise", "tail"]

SHARE = 0.1
"""The share of normal rows beyond which the tail is taken to be exponential."""

MOST = 2000

Tail = dict[str, Any]


def tail(values: np.ndarray) -> Tail:
    """What normal rows score, as plain values: `ranks` (at most 2,001 of them, in order), `start` and `slope`.

    Args:
        values: `(n,)` figures of normal rows, each by what was learned without the row; NaN is left out.
    """
    values = np.sort(values[~np.isnan(values)])
    start = float(np.quantile(values, 1 - SHARE))
    beyond = values[values > start] - start
    slope = float(beyond.mean()) if len(beyond) else 0.0
    if len(values) > MOST:
        values = np.quantile(values, np.linspace(0, 1, MOST + 1))
    return {"ranks": values, "start": start, "slope": max(slope, 1e-9 * max(1.0, abs(start)))}


def bulk_tail(values: np.ndarray) -> Tail:
    """As `tail`, for rows of which a few may not be normal: the slope is that between the 70 and 90 % quantiles.

    An exponential tail gains log 3 slopes between these. Up to a tenth of unusual rows then does not make itself look
    usual, as it would by lengthening the tail. If normal rows' own tail is longer than that, p is too small: fit for
    signs that are compared, not for a rate that is promised.
    """
    known = tail(values)
    slope = (known["start"] - float(np.quantile(values[~np.isnan(values)], 0.7))) / np.log(3)
    return {**known, "slope": max(slope, 1e-9 * max(1.0, abs(known["start"])))}


def surprise(known: Tail, values: np.ndarray) -> np.ndarray:
    """`(n,)` -log p in nats, NaN where the figure is.

    p = (1 + how many normal rows reach the figure) / (1 + how many there are); above the 90th percentile t
    p = 0.1 exp(-(figure - t) / slope), the slope being the mean excess of normal rows (or see `bulk_tail`), so that
    figures which no normal row reaches keep their order.

    >>> known = tail(np.arange(100.0))
    >>> np.exp(-surprise(known, np.array([-1.0, 49.5]))).round(2).tolist()
    [1.0, 0.5]

    Source: Pickands 1975 (excesses over a threshold), with shape 0.
    """
    ranks = known["ranks"]
    share = (1 + len(ranks) - np.searchsorted(ranks, values, side="left")) / (1 + len(ranks))
    inner = -np.log(np.maximum(share, SHARE))
    out = np.where(values > known["start"], -np.log(SHARE) + (values - known["start"]) / known["slope"], inner)
    whole: np.ndarray = np.where(np.isnan(values), np.nan, out)
    return whole


def combined(surprises: np.ndarray) -> np.ndarray:
    """`(n,)` log of the mean of 1 / p over the signs `(n, c)` of a row, NaN left out; 0 where there is none.

    The harmonic mean p: one strong sign is hardly diluted by others that see nothing, and signs may depend on each
    other.

    >>> combined(np.array([[9.0, 0.7, 0.7], [3.0, 3.0, np.nan]])).round(1).tolist()
    [7.9, 3.0]

    Source: Wilson 2019, PNAS 116.
    """
    from scipy.special import logsumexp

    known = ~np.isnan(surprises)
    count = known.sum(axis=1)
    total = logsumexp(np.where(known, surprises, 0.0), b=known | (count == 0)[:, None], axis=1)
    mean: np.ndarray = np.where(count > 0, total - np.log(np.maximum(count, 1)), 0.0)
    return mean
