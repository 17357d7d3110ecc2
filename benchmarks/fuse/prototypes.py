"""A handful of rows a class: class means (prototypes) against logistic regression and `early`.

`python -m benchmarks.fuse.prototypes [PART ...] [--splits 10]`: 1, 5 and 20 rows of each class to learn from, at most
1,000 others to score: tweets (mvsa_single, 3 classes), Chinese news (web_news_zh, 10), types of product from picture
and description (ikea: those of three products more than are learned from; a series of products is on one side). Frozen
default features; nothing is chosen on the rows that are scored.

- prototypes: every view less its mean, each row of length 1; the class whose mean has the highest cosine, summed over
  views (Snell et al. 2017; centered and normalized as by Wang et al. 2019). It chooses nothing.
- logistic: regression on the standardized views side by side, its C by cross-validation; "logistic, same rows" on what
  prototypes see, side by side, with C = 1, which works with one row a class, too.
- early: as it is; it wants two rows of some class, so it has no figure at one.

Differences draw by draw; their intervals are Student's t over the draws, which share many of the rows scored.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, Runs, arguments, drawn, finish, gap, say
from chiasm.compare.baselines import Concat
from chiasm.fuse.early import Early
from chiasm.stats.blocks import blocks
from chiasm.views import Views, normalize

PARTS = {"mvsa_single": "tweets", "web_news_zh": "Chinese news", "ikea": "types of product"}
SIZES = (1, 5, 20)
SAME = "logistic, same rows"
METHODS = {"prototypes": "prototypes", "logistic_same": SAME, "logistic": "logistic", "early": "early"}
"""By figure: the method."""
MORE, TEST = 3, 1000

FIGURES = [
    Figure(
        f"{name}.{m}.{short}",
        (name, f"{m} rows a class", "accuracy %", method),
        f"{what}, {m} rows a class: {method}",
        "%",
        n="{n} draws",
    )
    for name, what in PARTS.items()
    for m in SIZES
    for short, method in METHODS.items()
]
FIGURES += [
    Figure(
        f"{name}.{m}.less_{short}",
        (name, f"{m} rows a class", "prototypes less", other),
        f"{what}, {m} rows a class: prototypes less {other}",
        "points",
        "+.1f",
        "{n} draws",
        interval="95 %, Student's t over draws",
    )
    for name, what in PARTS.items()
    for m in SIZES
    for short, other in METHODS.items()
    if other != "prototypes"
]
FIGURES += [
    Figure(
        f"ikea.{m}.classes",
        ("ikea", f"{m} rows a class", "classes"),
        f"types of product with {m} rows each",
        format=".0f",
    )
    for m in SIZES
]


def unit(learned: Views, test: Views) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """By view rows less the mean of those learned from, of length 1, `(n, d)`; zero where absent."""
    seen, asked = blocks(learned), blocks(test)
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for name, block in seen.items():
        mean = block.values[block.present].mean(axis=0)
        for one, rows in zip((block, asked[name]), found, strict=True):
            rows.append(normalize(one.values - mean) * one.present[:, None])
    return found


def prototypes(learned: Views, test: Views) -> np.ndarray:
    """`(n,)` the class whose mean is nearest."""
    classes = np.unique(learned.label)
    alike = np.zeros((len(test), len(classes)))
    for rows, new in zip(*unit(learned, test), strict=True):
        alike += new @ normalize(np.stack([rows[learned.label == one].sum(axis=0) for one in classes])).T
    return classes[alike.argmax(axis=1)]


def logistic(learned: Views, test: Views) -> np.ndarray:
    """`(n,)` classes by logistic regression, C = 1, on the same rows side by side."""
    from sklearn.linear_model import LogisticRegression

    rows, new = (np.concatenate(parts, axis=1) for parts in unit(learned, test))
    found: np.ndarray = LogisticRegression(max_iter=1000).fit(rows, learned.label).predict(new)
    return found


def run(name: str, splits: int) -> dict[str, Any]:
    more = {"group": "name"} if name == "ikea" else {}
    whole = encoded(pictures(name, label="label" if name != "ikea" else "type", **more))
    result: dict[str, Any] = {"rows": len(whole)}
    for m in SIZES:
        counts, scores = Counter(whole.label), Runs()
        views = whole[np.isin(whole.label, [one for one, count in counts.items() if count >= m + MORE])]
        for seed in range(splits):
            learned, test = (views[rows] for rows in drawn(views, m, seed, TEST))
            said = {"prototypes": prototypes(learned, test), SAME: logistic(learned, test)}
            if m > 1:
                said["logistic"] = Concat(seed=seed).fit(learned).predict(test)
                said["early"] = Early(seed=seed).fit(learned).predict(test)
            for method, found in said.items():
                scores.add(method, {"accuracy": 100 * float((found == test.label).mean())})
        say(name, m, {method: round(float(np.mean(of["accuracy"])), 1) for method, of in scores.items()})
        result[f"{m} rows a class"] = {
            "classes": len(np.unique(views.label)),
            "accuracy %": {method: of["accuracy"] for method, of in scores.spreads().items()},
            "prototypes less": {
                method: gap(scores["prototypes"]["accuracy"], of["accuracy"])
                for method, of in scores.items()
                if method != "prototypes"
            },
        }
    return result


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    with threadpool_limits(1):
        finish({name: run(name, args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
