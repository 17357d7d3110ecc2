"""Deep CCA, VICReg and Barlow Twins beside CCA and kernel CCA: halves of digits, and photographs with captions.

`python -m benchmarks.align.deep [PART ...] [--splits 5] [--method NAME ...]`.

`digits`: the 1,797 digits of scikit-learn, 8 x 8 pixels, of each the left and the right half; 1,200 learned from, the
others scored. *Correlation*: the sum of the correlations of the first 20 directions on rows that were not learned from.
*Wrong*: the share of left halves whose digit a logistic regression on the mapped left halves gets wrong, learned on the
rows learned from. R@1 is the mean of both directions. Published figures are of MNIST's 28 x 28 pixels and 50 directions
(28.0 CCA, 33.0 KCCA, 39.7 DCCA; Wang et al. 2015) and not comparable. `coco2k`: R@1 of 400, default encoders. Every
method chooses on rows learned from, at its defaults; those of `dcca` (rate, batch) were set after one split of digits.
Differences are paired over splits (Nadeau & Bengio 2003).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._sets import encoded, halves, pictures
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.align.cca import CCA
from chiasm.align.dcca import DCCA
from chiasm.align.kcca import KCCA
from chiasm.align.vicreg import VICReg
from chiasm.encoding import Encoding
from chiasm.views import Views

FIRST = 20
VICREG = {loss: (lambda seed, loss=loss: VICReg(loss=loss, seed=seed)) for loss in ("vicreg", "barlow")}
METHODS: dict[str, Any] = {
    "cca": lambda seed: CCA(seed=seed),
    "kcca": lambda seed: KCCA(seed=seed),
    "dcca": lambda seed: DCCA(seed=seed),
    "dcca from cca": lambda seed: DCCA(start="cca", seed=seed),
    "dcca, noise": lambda seed: DCCA(noise=0.2, seed=seed),
    **VICREG,
}
SHARES = {"digits": {"train": 1200 / 1797, "test": 597 / 1797}, "coco2k": {"train": 0.8, "test": 0.2}}
MEASURES = {
    "correlation": ("the correlations of 20 directions, summed", "", ".2f", 1),
    "wrong": ("digits that a linear classifier gets wrong", "%", ".1f", 100),
    "R@1": ("R@1", "%", ".1f", 100),
    "seconds": ("seconds to learn", "s", ".0f", 1),
}
ALL = ("correlation", "wrong", "R@1", "seconds")
KEPT = {"digits": ALL, "coco2k": ALL[2:]}


def _short(name: str) -> str:
    return name.replace(", ", ".").replace(" from ", ".from_")


FIGURES = [
    Figure(
        f"{part}.{_short(name)}.{measure.lower().replace('@', '')}",
        (part, "found", name, measure),
        f"{part}: {name}, {MEASURES[measure][0]}",
        MEASURES[measure][1],
        MEASURES[measure][2],
        "{n} splits",
        MEASURES[measure][3],
    )
    for part, kept in KEPT.items()
    for name in METHODS
    for measure in kept
] + [
    Figure(
        f"{part}.dcca.{measure.lower().replace('@', '')}.less_{peer}",
        (part, "dcca less", peer, measure),
        f"{part}: dcca less {peer}, {MEASURES[measure][0]}",
        "points" if MEASURES[measure][1] == "%" else "",
        "+" + MEASURES[measure][2],
        "{n} splits",
        MEASURES[measure][3],
    )
    for part, kept in KEPT.items()
    for peer in ("cca", "kcca", "vicreg", "barlow")
    for measure in kept[:-1]
]


def coco2k() -> tuple[Views, np.ndarray | None]:
    """Photographs and captions in default features."""
    return encoded(pictures("coco2k")), None


def scores(
    model: Any, learned: Views, held: Views, label: np.ndarray | None, marks: tuple[Any, Any]
) -> dict[str, float]:
    """What a fitted aligner does on rows that it did not learn from."""
    found = {"R@1": float(model.score(held))}
    if label is None:
        return found
    from sklearn.linear_model import LogisticRegression

    known, new = (model.transform(rows) for rows in (learned, held))
    a, b = (np.asarray(column.items)[column.index, :FIRST] for column in new.columns.values())
    apart_ = [rows - rows.mean(axis=0) for rows in (a, b)]
    spread = [np.sqrt((rows**2).sum(axis=0)) + 1e-12 for rows in apart_]
    left = [np.asarray(mapped["left"].items, float)[mapped["left"].index] for mapped in (known, new)]
    scale = left[0].std()
    linear = LogisticRegression(max_iter=3000, C=10).fit(left[0] / scale, label[marks[0]])
    return found | {
        "correlation": float(((apart_[0] * apart_[1]).sum(axis=0) / spread[0] / spread[1]).sum()),
        "wrong": 1 - float(linear.score(left[1] / scale, label[marks[1]])),
    }


def part(name: str, splits: int, methods: Sequence[str]) -> dict[str, Any]:
    """These methods over re-drawn splits."""
    views, label = {"digits": halves, "coco2k": coco2k}[name]()
    shares, runs = SHARES[name], Runs()
    for seed, split in redrawn(views, shares, splits, Encoding().twins(views), label):
        marks = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
        for method in methods:
            started = time.perf_counter()
            model = METHODS[method](seed).fit(views[marks[0]])
            seconds = time.perf_counter() - started
            runs.add(method, {**scores(model, views[marks[0]], views[marks[1]], label, marks), "seconds": seconds})
        say(name, seed, {measure: runs.last(measure, 3) for measure in KEPT[name]})
    less = {
        peer: {
            measure: apart(runs["dcca"][measure], runs[peer][measure], shares["test"], shares["train"])
            for measure in KEPT[name][:-1]
        }
        for peer in ("cca", "kcca", *VICREG)
        if {"dcca", peer} <= {*methods}
    }
    return {"found": runs.spreads(), "dcca less": less}


def main() -> None:
    parser = arguments(__doc__, KEPT)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--method", action="append", choices=METHODS, help="these alone; repeat it")
    args = parser.parse_args()
    methods = args.method or [*METHODS]
    finish({name: part(name, args.splits, methods) for name in args.parts or KEPT}, FIGURES, args)


if __name__ == "__main__":
    main()
