"""Intervals of any metric, and of the difference of two models, by drawing whole clusters of rows again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import stdtrit

from chiasm.errors import ChiasmError
from chiasm.stats.clusters import Drawn, limits, paired_shares, percentiles, ranked, same_top, share, shares
from chiasm.stats.weighted import auc, average_precision, mean_where, over

__all__ = [
    "Draws",
    "Sampled",
    "bootstrap",
    "difference",
    "interval",
    "interval_of",
    "paired",
    "redrawn_interval",
    "verdict",
]

Sampled = tuple[float, np.ndarray]
"""A metric of the rows as they are, and of each draw of them `(resamples,)`; NaN where a draw has no such figure.

The draws of a `Draws` know its clusters too (`chiasm.stats.clusters.Drawn`), and so does a difference of them."""

_CELLS = 2_000_000
"""Numbers of one block of draws: 16 MB."""


RESAMPLES = 1000


def interval(value: float, low: float, high: float, digits: int = 6) -> dict[str, float]:
    """A value with its 95 % interval as the tables hold it."""
    return {"value": round(float(value), digits), "low": round(float(low), digits), "high": round(float(high), digits)}


def bootstrap(
    values: np.ndarray, clusters: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 95 % interval of each column, resampling whole clusters (all queries of an id together).

    A column of zeros and ones is a share and has the interval of one (`chiasm.stats.clusters.share`), which is never
    empty; any other has the percentiles of the draws, as far out as so many clusters need (`tail`).

    Args:
        values: `(n, c)` or `(n,)`, one row a query; NaN rows of a column are left out of it.
        clusters: `(n,)` the id each row belongs to.

    Returns (mean, low, high), each `(c,)`. Source: Efron & Tibshirani 1993, ch. 13; clusters: Field & Welsh 2007.
    """
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    codes = np.unique(clusters, return_inverse=True)[1].ravel()
    found = np.full((3, values.shape[1]), np.nan)
    rest = np.ones(values.shape[1], dtype=bool)
    for column in range(values.shape[1]):
        if top := shares(values[:, column]):
            edges = share(values[:, column] / top, codes)
            found[:, column], rest[column] = (np.nanmean(values[:, column]), *(top * edge for edge in edges)), False
    if rest.any():
        found[:, rest] = percentiles(values[:, rest], codes, resamples, seed)
    center, low, high = found
    return center, low, high


def paired(a: np.ndarray, b: np.ndarray, clusters: np.ndarray, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean of a - b over the same queries and its 95 % interval, resampling whole clusters.

    Of hits and misses (both of zeros and ones) it is `chiasm.stats.clusters.paired_shares`.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    codes = np.unique(clusters, return_inverse=True)[1].ravel()
    if top := same_top(a, b):
        low, high = paired_shares((a - b) / top, codes)
        return float(np.nanmean(a - b)), top * low, top * high
    center, lows, highs = percentiles((a - b)[:, None], codes, RESAMPLES, seed)
    return float(center[0]), float(lows[0]), float(highs[0])


class Draws:
    """The cluster bootstrap: as many clusters as there are, drawn with replacement, `resamples` times.

    A draw is a weight for every cluster (how often it was drawn), and each metric is computed with these weights,
    which is equal to computing it on the repeated rows, and much faster. Everything that one `Draws` scores shares
    the draws, so two models on the same rows are compared in pairs (`difference`).

    Choose it for rows of one test set. It answers "how would the figure move with other rows of this kind", not "with
    other training rows"; for the latter train again on other splits (`redrawn_interval`).

    In simulation (`python -m benchmarks.stats.coverage`) 95 % intervals of an accuracy hold the truth 98 / 96 / 94 / 95
    times in 100 with 10 / 20 / 60 / 200 clusters, of a difference 99 / 97 / 96 / 95, of an AUC 98 / 96 / 95 / 95: with
    10 clusters they are wider than they need be. These are means; the least is 87, of an accuracy of .95 with 60
    clusters of very unequal sizes whose rows are much alike (a correlation of .4).

    Args:
        clusters: `(n,)` numbers or names; rows of an equal one (a patient, an id) are drawn together.
        resamples: how often. seed: of the draws.

    Every metric returns `Sampled`. Memory: clusters x resamples bytes, and about 100 MB while a metric is computed.

    >>> draws = Draws(np.arange(100))
    >>> interval_of(*draws.accuracy(np.zeros(100), np.arange(100) < 30))
    {'value': 0.7, 'low': 0.602403, 'high': 0.782298}

    Sources: Efron & Tibshirani 1993, ch. 13; clusters: Field & Welsh 2007.
    """

    def __init__(self, clusters: np.ndarray, *, resamples: int = 1000, seed: int = 0):
        self.codes = np.unique(clusters, return_inverse=True)[1].ravel()
        if not len(self.codes):
            raise ChiasmError("wanted at least one row to draw, got none.")
        self.clusters = int(self.codes.max()) + 1
        rng = np.random.default_rng(seed)
        # One byte is enough: how often a cluster is drawn is nearly Poisson(1), above 255 once in 1e500 draws.
        weights = np.ones((resamples + 1, self.clusters), dtype=np.uint8)
        for row in weights[1:]:
            row[:] = np.bincount(rng.integers(self.clusters, size=self.clusters), minlength=self.clusters)
        self._weights = np.ascontiguousarray(weights.T)  # row 0 of the draws: the rows as they are

    def repeated(self, metric: Callable[[np.ndarray], float]) -> Sampled:
        """Of any metric at all, one call a draw: `metric(rows)` gets row numbers `(m,)`, repeated as often as drawn.

        The slow way, for what has no method here: `draws.repeated(lambda rows: ece(true[rows], probabilities[rows]))`.
        """
        times = self._weights[self.codes].T
        found = np.array([metric(np.repeat(np.arange(len(self.codes)), row)) for row in times], dtype=np.float64)
        return float(found[0]), Drawn.of(found[1:], self.codes)

    def mean(self, values: np.ndarray) -> Sampled:
        """Of one number a row: whatever is a mean over rows (a loss, a hit) needs nothing more. NaN is left out."""
        values = self._rows(values, 1).astype(np.float64)
        known = np.flatnonzero(~np.isnan(values))
        keys = np.repeat([0, 1], len(known))
        both = np.concatenate([values[known], np.ones(len(known))])
        found = self._metric(keys, np.tile(known, 2), both, 2, lambda sums: over(sums[0], sums[1], np.nan))
        return found[0], Drawn.of(found[1], self.codes, values)

    def accuracy(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """The share of rows whose answer is the truth."""
        return self.mean(self._rows(true, 1) == self._rows(predicted, 1))

    def balanced_accuracy(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """The mean recall of the classes that stand in the truth of a draw."""
        return self._counted(true, predicted, lambda tp, p, t: mean_where(over(tp, t, 0.0), t > 0))

    def f1_macro(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """The mean F1 of the classes that stand in the truth or the predictions of a draw, for codes `(n,)`.

        For tags `(n, t)` of booleans the mean of all tags.
        """
        tags = np.ndim(true) == 2
        return self._counted(true, predicted, lambda tp, p, t: mean_where(over(2 * tp, p + t, 0.0), tags | (p + t > 0)))

    def f1_weighted(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """The mean F1 of the classes (codes `(n,)`) or tags (booleans `(n, t)`), weighed by their rows in the draw."""
        return self._counted(
            true, predicted, lambda tp, p, t: over((over(2 * tp, p + t, 0.0) * t).sum(axis=0), t.sum(axis=0), 0.0)
        )

    def f1_micro(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """F1 of all tags pooled, `(n, t)` booleans; of classes it is the accuracy."""
        return self._counted(true, predicted, lambda tp, p, t: over(2 * tp.sum(axis=0), (p + t).sum(axis=0), 0.0))

    def auc(self, true: np.ndarray, scores: np.ndarray) -> Sampled:
        """The area under the ROC curve of booleans `(n,)`, or the mean of those of tags `(n, t)`.

        NaN for a draw without a positive or without a negative; the mean is over the tags that have both.
        """
        return self._ranked(true, scores, auc)

    def auc_ovr(self, true: np.ndarray, probabilities: np.ndarray) -> Sampled:
        """The mean over classes of the AUC of each against the rest, for codes `(n,)` and probabilities `(n, c)`."""
        return self.auc(np.asarray(true)[:, None] == np.arange(np.shape(probabilities)[1]), probabilities)

    def average_precision(self, true: np.ndarray, scores: np.ndarray) -> Sampled:
        """Average precision of booleans `(n,)`, or the mean of those of tags `(n, t)` that have a positive."""
        return self._ranked(true, scores, average_precision)

    def r2(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """1 - sum (y - p)^2 / sum (y - mean y)^2, the mean being the draw's; NaN where a draw's truth is constant."""
        true, predicted = self._rows(true, 1).astype(np.float64), self._rows(predicted, 1).astype(np.float64)
        middle = true - true.mean()  # so that the sum of squares loses no digits
        values = np.concatenate([np.ones(len(true)), middle, middle**2, (true - predicted) ** 2])
        keys, rows = np.repeat(np.arange(4), len(true)), np.tile(np.arange(len(true)), 4)

        def finish(sums: np.ndarray) -> np.ndarray:
            spread = sums[2] - sums[1] ** 2 / sums[0]
            return 1 - over(sums[3], np.where(spread > 1e-12 * sums[2], spread, 0), np.nan)

        return self._metric(keys, rows, values, 4, finish)

    def mae(self, true: np.ndarray, predicted: np.ndarray) -> Sampled:
        """The mean absolute error, in the target's unit."""
        return self.mean(np.abs(self._rows(true, 1).astype(float) - self._rows(predicted, 1).astype(float)))

    def _rows(self, values: np.ndarray, dimensions: int) -> np.ndarray:
        values = np.asarray(values)
        if values.ndim != dimensions or len(values) != len(self.codes):
            raise ChiasmError(f"wanted {dimensions}-d values of the {len(self.codes)} rows drawn, got {values.shape}.")
        return values

    def _flags(self, values: np.ndarray, dimensions: int) -> np.ndarray:
        values = self._rows(values, dimensions)
        if values.dtype != bool and not np.isin(values, (0, 1)).all():
            raise ChiasmError(f"wanted yes or no (booleans, 0 and 1), got {np.unique(values)[:4].tolist()}.")
        return values.astype(bool)

    def _blocks(self) -> Iterator[np.ndarray]:
        """The weights `(clusters, draws)` as float64, some draws at a time."""
        step = max(1, _CELLS // self.clusters)
        for start in range(0, self._weights.shape[1], step):
            yield self._weights[:, start : start + step].astype(np.float64)

    def _metric(
        self,
        keys: np.ndarray,
        rows: np.ndarray,
        values: np.ndarray,
        size: int,
        finish: Callable[[np.ndarray], np.ndarray],
    ) -> Sampled:
        """`finish` of the weighted sums `(size, draws)`; sum `keys[i]` takes `values[i]`, weighed like `rows[i]`."""
        from scipy.sparse import coo_array

        table = coo_array((values, (keys, self.codes[rows])), shape=(size, self.clusters)).tocsr()
        found = np.concatenate([finish(table @ block) for block in self._blocks()])
        return float(found[0]), Drawn.of(found[1:], self.codes)

    def _counted(
        self,
        true: np.ndarray,
        predicted: np.ndarray,
        finish: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    ) -> Sampled:
        """`finish` of the weighted counts (both, predicted, true), each `(classes or tags, draws)`."""
        true, predicted = np.asarray(true), np.asarray(predicted)
        if true.ndim == 1:
            known, codes = np.unique(
                np.concatenate([self._rows(true, 1), self._rows(predicted, 1)]), return_inverse=True
            )
            size, rows = len(known), np.arange(len(true))
            true, predicted = codes[: len(true)], codes[len(true) :]
            right = np.flatnonzero(true == predicted)
            places = [(true[right], right), (predicted, rows), (true, rows)]
        else:
            true, predicted = self._flags(true, 2), self._flags(predicted, 2)
            size = true.shape[1]
            places = [(tag, row) for row, tag in map(np.nonzero, (true & predicted, predicted, true))]
        keys = np.concatenate([place + part * size for part, (place, _) in enumerate(places)])
        rows = np.concatenate([row for _, row in places])
        found = self._metric(keys, rows, np.ones(len(keys)), 3 * size, lambda s: finish(*s.reshape(3, size, -1)))
        return found[0], Drawn.of(found[1], self.codes, bounded=True)

    def _ranked(
        self, true: np.ndarray, scores: np.ndarray, finish: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> Sampled:
        """The mean over columns of `finish` of (positives at, negatives around) each different positive score."""
        dimensions = np.ndim(true)
        true, scores = self._flags(true, dimensions), self._rows(scores, dimensions)
        true, scores = true.reshape(len(true), -1), scores.reshape(len(scores), -1)
        if true.shape != scores.shape or np.isnan(scores).any():
            raise ChiasmError(f"wanted numbers as scores of {true.shape}, got {scores.shape} or NaN.")
        found = [self._column(true[:, j], scores[:, j], finish) for j in range(true.shape[1])]
        each = np.stack([np.append(value, samples) for value, samples in found])
        means = mean_where(np.nan_to_num(each), ~np.isnan(each))
        effective = float(np.mean([ranked(self.codes, column) for column in true.T]))
        return float(means[0]), Drawn.of(means[1:], self.codes, bounded=True, effective=effective)

    def _column(
        self, true: np.ndarray, scores: np.ndarray, finish: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> Sampled:
        """Only the order of positives among negatives matters, so a draw needs sums at and between positives alone.

        Of u different positive scores, ascending: keys 0..2u hold the negatives below the first, equal to it, between
        it and the second, ...; keys 2u+1.. the positives at each.
        """
        points = np.unique(scores[true])
        u = len(points)
        if not u:
            return float("nan"), np.full(self._weights.shape[1] - 1, np.nan)
        left, right = (np.searchsorted(points, scores, side) for side in ("left", "right"))
        keys = np.where(true, 2 * u + 1 + left, left + right)
        rows = np.arange(len(true))
        return self._metric(keys, rows, np.ones(len(true)), 3 * u + 1, lambda s: finish(s[2 * u + 1 :], s[: 2 * u + 1]))


def interval_of(value: float, samples: np.ndarray) -> dict[str, float | None]:
    """Value, low and high: the 95 % interval of a metric's draws, as the tables hold it.

    A share (`accuracy`, a `mean` of zeros and ones) has Wilson's interval for clusters (`chiasm.stats.clusters.share`),
    and so has what else lies in 0..1 (F1, AUC, average precision), for as many rows as would have the variance of its
    draws: never of width 0. Any other has percentiles, as far out as the clusters need (`tail`; of plain numbers 2.5
    and 97.5).

    Draws without the figure (NaN) are left out; where they are more than one in twenty, `left_out` says their share,
    and the interval is not to be trusted. All None where the rows themselves have no such figure.
    """
    missing = np.isnan(np.asarray(samples))
    if np.isnan(value) or missing.all():
        return {"value": None, "low": None, "high": None}
    low, high = limits(value, samples, missing)
    found: dict[str, float | None] = {**interval(value, low, high)}
    if missing.mean() > 0.05:
        found["left_out"] = round(float(missing.mean()), 3)
    return found


def difference(one: Sampled, other: Sampled) -> dict[str, float | None]:
    """How much more `one` has than `other`, with the paired interval: both must come from the same `Draws`.

    Of two shares of the same rows it is `chiasm.stats.clusters.paired_shares`, which is not empty where both are right
    on the very same rows; any other has the percentiles of the draws' differences, as `interval_of`.

    >>> draws, true = Draws(np.arange(200)), np.ones(200)
    >>> difference(draws.accuracy(true, np.arange(200) % 4 > 0), draws.accuracy(true, np.arange(200) % 2 > 0))
    {'value': 0.25, 'low': 0.188664, 'high': 0.311336}
    """
    a, b = one[1], other[1]
    if isinstance(a, Drawn) and isinstance(b, Drawn) and a.rows is not None and b.rows is not None:
        top = same_top(a.rows, b.rows)
        if top and a.codes is not None and b.codes is not None and np.array_equal(a.codes, b.codes):
            low, high = paired_shares((a.rows - b.rows) / top, a.codes)
            return {**interval(one[0] - other[0], top * low, top * high)}
    return interval_of(one[0] - other[0], a - b)


def redrawn_interval(differences: np.ndarray, test_share: float, train_share: float) -> dict[str, float]:
    """Mean difference over k re-drawn splits with its 95 % interval: would a new training set agree?

    mean +- t(k - 1, 97.5 %) sqrt((1 / k + test_share / train_share) s^2), s^2 the variance of the differences. The
    second term is there because the splits share rows; without it (1 / k alone) the interval is far too narrow, the
    more so the more splits. It is a rule of thumb: in simulation (60 rows, a line against the mean, 15 splits) it held
    the truth 90 times in 100, not 95 (`python -m benchmarks.stats.coverage redrawn`). For r times repeated k-fold
    cross-validation give all r k differences, test_share 1 and train_share k - 1.

    Args:
        differences: `(k,)` of one metric, one a split, k >= 2.
        test_share, train_share: rows (or things) of the two sides, as counts or shares.

    Sources: Nadeau & Bengio 2003, Machine Learning 52; for cross-validation Bouckaert & Frank 2004.

    >>> redrawn_interval(np.array([0.02, 0.04, 0.03, 0.01, 0.05]), 0.2, 0.8)
    {'value': 0.03, 'low': 0.000551, 'high': 0.059449}
    """
    differences = np.asarray(differences, dtype=np.float64).ravel()
    k = len(differences)
    if k < 2 or not train_share > 0 or not test_share > 0:
        raise ChiasmError(f"wanted 2 or more splits with rows on both sides, got {k}, {test_share} and {train_share}.")
    spread = float(stdtrit(k - 1, 0.975)) * np.sqrt((1 / k + test_share / train_share) * differences.var(ddof=1))
    mean = float(differences.mean())
    return interval(mean, mean - spread, mean + spread)


def verdict(
    view: str, others: str | Sequence[str], found: dict[str, float | None], rows: int, *, unit: str = "points"
) -> str:
    """In words, what a view adds over the others; an interval that holds 0 is never told as a gain or a loss.

    Args:
        view: whose part it is. others: what was there without it.
        found: how much better the answers are with it than without (`difference`; more must be better: of an error,
            without minus with).
        rows: how many were scored.
        unit: "points" shows fractions as hundredths; anything else is shown as it is, with that name.

    >>> verdict("image", ["text"], {"value": 0.018, "low": 0.004, "high": 0.031}, 560)
    'the image adds +1.8 points [0.4, 3.1] over text'
    >>> verdict("image", ["text", "price"], {"value": -0.002, "low": -0.01, "high": 0.006}, 560)
    'the image adds nothing that these 560 rows can show over text and price: -0.2 points [-1.0, 0.6]'
    """
    over = others if isinstance(others, str) else " and ".join(others)
    value, low, high = found["value"], found["low"], found["high"]
    if value is None or low is None or high is None:
        return f"{_these(rows)} cannot show what the {view} adds over {over}"
    amount = _amount(value, low, high, unit)
    if low > 0:
        return f"the {view} adds {amount} over {over}"
    if high < 0:
        return f"the {view} hurts: {amount} against {over} alone"
    return f"the {view} adds nothing that {_these(rows)} can show over {over}: {amount}"


def _these(rows: int) -> str:
    return "this one row" if rows == 1 else f"these {rows} rows"


def _amount(value: float, low: float, high: float, unit: str) -> str:
    """`+1.8 points [0.4, 3.1]`, with as many digits as keep a bound that is not 0 from being shown as 0."""
    value, low, high = (100 * v if unit == "points" else v for v in (value, low, high))
    bounds = [abs(v) for v in (low, high) if v]
    digits = next((d for d in range(1, 6) if all(round(b, d) for b in bounds)), 6)
    shown = [round(v, digits) + 0.0 for v in (value, low, high)]  # + 0.0: no -0.0
    return f"{shown[0]:+.{digits}f} {unit} [{shown[1]:.{digits}f}, {shown[2]:.{digits}f}]"
