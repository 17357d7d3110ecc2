"""How often 95 % intervals hold the truth: simulated, with 10, 20, 60 and 200 clusters.

`python -m benchmarks.stats.coverage [PART ...]`. Clusters of one row, of six, of geometric and of lognormal sizes (most
times the mean: two and ten); rows of a cluster are alike (a correlation of 0 to .4 within it). Accuracy: shares .6, .8
and .95 (beta). Difference: two models on the same rows (normal thresholds, right on the same rows more or less), with
no difference and with 4 or 5 points. AUC: .75 and .95, classes mixed within clusters or one a cluster. R@1: ids with
several queries each in one gallery. Each figure is the mean over the conditions, in brackets the least and the most.
`redrawn`: Nadeau & Bengio's interval over 5, 15 and 50 re-drawn splits of 60 rows, a line against the mean.
The bar: 93 or more with 20 clusters, in the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from scipy.special import ndtri

from benchmarks._trials import Figure, arguments, finish, say
from chiasm.stats.resample import Draws, Sampled, bootstrap, difference, interval_of, redrawn_interval

CLUSTERS = (10, 20, 60, 200)
TRIALS = {"accuracy": 1000, "difference": 500, "auc": 120, "r1": 400, "redrawn": 1000}
WHAT = {"accuracy": "accuracy", "difference": "a difference of two accuracies", "auc": "AUC", "r1": "R@1"}
DRAWN = (("one", 0.0), ("six", 0.1), ("geometric", 0.1), ("geometric", 0.4), ("lognormal", 0.1), ("lognormal", 0.4))
PAIRS = ((0.6, 0.6, 0.5), (0.65, 0.6, 0.8), (0.8, 0.8, 0.5), (0.85, 0.8, 0.8), (0.95, 0.95, 0.9), (0.97, 0.93, 0.8))
SPLITS = (5, 15, 50)
FIGURES = [
    Figure(
        f"{part}.{clusters}",
        (part, str(clusters)),
        f"95 % intervals of {what} hold the truth, {clusters} clusters",
        "%",
        ".1f",
        "{trials} trials of each of {conditions} conditions",
        interval="least and most over conditions",
    )
    for part, what in WHAT.items()
    for clusters in CLUSTERS
] + [
    Figure(
        f"redrawn.{splits}",
        ("redrawn", str(splits)),
        f"95 % intervals over {splits} re-drawn splits hold the expected difference",
        "%",
        ".1f",
        "{trials} trials",
    )
    for splits in SPLITS
]

Interval = dict[str, float | None]


def clusters_of(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """`(n,)` the cluster of each row."""
    sizes = {
        "one": lambda: np.ones(count, int),
        "six": lambda: np.full(count, 6),
        "geometric": lambda: rng.geometric(1 / 6, count),
        "lognormal": lambda: np.maximum(1, np.round(np.exp(rng.normal(1.3, 1, count)))).astype(int),
    }
    return np.repeat(np.arange(count), sizes[kind]())


def normals(codes: np.ndarray, alike: float, rng: np.random.Generator) -> np.ndarray:
    """Standard normal, with that correlation within a cluster."""
    return np.sqrt(alike) * rng.normal(size=codes.max() + 1)[codes] + np.sqrt(1 - alike) * rng.normal(size=len(codes))


def accuracy(count: int, trials: int, rng: np.random.Generator) -> Iterator[float]:
    """Shares of intervals that hold the truth, a condition each."""
    for (kind, alike), share in product(DRAWN, (0.6, 0.8, 0.95)):
        held = 0
        for _ in range(trials):
            codes = clusters_of(kind, count, rng)
            if alike:
                rest = 1 / alike - 1
                chance = rng.beta(share * rest, (1 - share) * rest, count)[codes]
            else:
                chance = np.full(len(codes), share)
            right = rng.random(len(codes)) < chance
            held += _holds(interval_of(*Draws(codes, resamples=1).accuracy(np.ones(len(codes)), right)), share)
        yield held / trials


def two_models(count: int, trials: int, rng: np.random.Generator) -> Iterator[float]:
    """As `accuracy`, of the difference of two models on the same rows."""
    for (kind, alike), (one, other, same) in product(DRAWN, PAIRS):
        held = 0
        for _ in range(trials):
            codes = clusters_of(kind, count, rng)
            common, truth = normals(codes, alike, rng), np.ones(len(codes))
            draws, found = Draws(codes, resamples=1), []
            for share in (one, other):
                hard = np.sqrt(same) * common + np.sqrt(1 - same) * normals(codes, alike, rng)
                found.append(draws.accuracy(truth, hard < ndtri(share)))
            held += _holds(difference(*found), one - other)
        yield held / trials


def auc(count: int, trials: int, rng: np.random.Generator) -> Iterator[float]:
    """As `accuracy`, of AUCs; the truth is the mean over the trials."""
    for (kind, alike), whole, area in product((DRAWN[0], DRAWN[2], DRAWN[3]), (False, True), (0.75, 0.95)):
        if kind == "one" and whole:
            continue
        found: list[Sampled] = []
        while len(found) < trials:
            codes = clusters_of(kind, count, rng)
            true = (rng.random(count) < 0.4)[codes] if whole else rng.random(len(codes)) < 0.4
            if 0 < true.sum() < len(true):
                scores = np.sqrt(2) * ndtri(area) * true + normals(codes, alike, rng)
                found.append(Draws(codes, seed=len(found)).auc(true, scores))
        truth = float(np.mean([value for value, _ in found]))
        yield float(np.mean([_holds(interval_of(*one), truth) for one in found]))


def r1(count: int, trials: int, rng: np.random.Generator) -> Iterator[float]:
    """As `accuracy`, of R@1 among as many things as there are ids; the truth is the mean over the trials."""
    for (kind, alike), noise in product((DRAWN[0], DRAWN[2], DRAWN[3]), (0.5, 0.8)):
        values, edges = [], []
        for _ in range(trials):
            codes = clusters_of(kind, count, rng)
            things = rng.normal(size=(count, 16))
            shared = np.sqrt(alike) * rng.normal(size=(count, 16))[codes]
            asked = things[codes] + noise * 1.5 * (shared + np.sqrt(1 - alike) * rng.normal(size=(len(codes), 16)))
            near = asked @ things.T - np.square(things).sum(axis=1) / 2
            center, low, high = bootstrap((near.argmax(axis=1) == codes).astype(float), codes)
            values.append(center[0])
            edges.append((low[0], high[0]))
        truth = np.mean(values)
        yield float(np.mean([low <= truth <= high for low, high in edges]))


def redrawn(splits: int, trials: int, rng: np.random.Generator) -> float:
    """The share of intervals that hold the expected difference of two methods that learn from 48 of 60 rows."""
    found = np.empty((trials, splits))
    for trial in range(trials):
        x = rng.normal(size=60)
        y = 0.5 * x + rng.normal(size=60)
        order = rng.permuted(np.tile(np.arange(60), (splits, 1)), axis=1)
        (a, c), (b, d) = ((v[order[:, :48]], v[order[:, 48:]]) for v in (x, y))
        middle, level = a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True)
        slope = ((a - middle) * (b - level)).sum(axis=1) / np.square(a - middle).sum(axis=1)
        line = level + slope[:, None] * (c - middle)
        found[trial] = (np.square(d - level) - np.square(d - line)).mean(axis=1)
    truth = float(found.mean())
    return float(np.mean([_holds(redrawn_interval(row, 12, 48), truth) for row in found]))


def _holds(found: Any, truth: float) -> bool:
    return bool(found["low"] - 1e-6 <= truth <= found["high"] + 1e-6)  # tables hold six digits


PARTS: dict[str, Callable[[int, int, np.random.Generator], Iterator[float]]] = {
    "accuracy": accuracy,
    "difference": two_models,
    "auc": auc,
    "r1": r1,
}


def main() -> None:
    args = arguments(__doc__, (*PARTS, "redrawn")).parse_args()
    result: dict[str, Any] = {}
    for part, simulate in PARTS.items():
        if args.parts and part not in args.parts:
            continue
        for count in CLUSTERS:
            trials = TRIALS[part] if count < 200 else TRIALS[part] // 2
            shares = 100 * np.array(list(simulate(count, trials, np.random.default_rng(count))))
            cell = {"value": shares.mean(), "low": shares.min(), "high": shares.max()}
            result.setdefault(part, {})[str(count)] = {
                **{key: round(float(value), 2) for key, value in cell.items()},
                "by_condition": shares.round(1).tolist(),
                "trials": trials,
                "conditions": len(shares),
            }
            say(part, count, {key: round(float(value), 1) for key, value in cell.items()})
    if not args.parts or "redrawn" in args.parts:
        trials = TRIALS["redrawn"]
        result["redrawn"] = {
            str(k): {"value": round(100 * redrawn(k, trials, np.random.default_rng(k)), 2), "trials": trials}
            for k in SPLITS
        }
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
