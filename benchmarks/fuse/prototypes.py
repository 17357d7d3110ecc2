"""A handful of rows a class: class means (prototypes) against logistic regression and `early`.

`python -m benchmarks.fuse.prototypes [PART ...] [--splits 10]`: 1, 5 and 20 rows of each class to learn from, at most
1,000 others to score: tweets (mvsa_single, 3 classes), Chinese news (web_news_zh, 10), types of product from picture
and description (ikea: those of three products more than are learned from; a series of products is on one side). Frozen
default features; nothing is chosen on the rows that are scored.

- prototypes: every view less its mean, each row of length 1; the class whose mean has the highest cosine, summed over
  views (Snell et al. 2017; centered and normalized as by Wang et al. 2019). It chooses nothing.
- logistic: regression on the standardized views side by side, its C by cross-validation; with one row a class, which
  cannot be held out, C = 1.
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
METHODS = ("prototypes", "logistic", "early")
MORE, TEST = 3, 1000

FIGURES = [
    Figure(
        f"{name}.{m}.{method}",
        (name, f"{m} rows a class", "accuracy %", method),
        f"{what}, {m} rows a class: {method}",
        "%",
        n="{n} draws",
    )
    for name, what in PARTS.items()
    for m in SIZES
    for method in METHODS
]
FIGURES += [
    Figure(
        f"{name}.{m}.less_{other}",
        (name, f"{m} rows a class", "prototypes less", other),
        f"{what}, {m} rows a class: prototypes less {other}",
        "points",
        "+.1f",
        "{n} draws",
        interval="95 %, Student's t over draws",
    )
    for name, what in PARTS.items()
    for m in SIZES
    for other in METHODS[1:]
]
FIGURES += [
    Figure(f"ikea.{m}.classes", ("ikea", f"{m} rows a class", "classes"), f"types of product with {m} rows each")
    for m in SIZES
]


def prototypes(learned: Views, test: Views) -> np.ndarray:
    """`(n,)` the class whose mean is nearest."""
    classes = np.unique(learned.label)
    alike = np.zeros((len(test), len(classes)))
    seen, asked = blocks(learned), blocks(test)
    for name, block in seen.items():
        mean = block.values[block.present].mean(axis=0)
        rows, new = (normalize(one.values - mean) * one.present[:, None] for one in (block, asked[name]))
        alike += new @ normalize(np.stack([rows[learned.label == one].sum(axis=0) for one in classes])).T
    return classes[alike.argmax(axis=1)]


def logistic(learned: Views, test: Views) -> np.ndarray:
    """`(n,)` classes by logistic regression, C = 1, on the standardized views side by side."""
    from sklearn.linear_model import LogisticRegression

    wide = []
    for name, block in blocks(learned).items():
        mean, spread = block.values.mean(axis=0), block.values.std(axis=0)
        spread = np.where(spread > 1e-6, spread, np.inf)
        wide.append([(values - mean) / spread for values in (block.values, blocks(test)[name].values)])
    known, asked = (np.concatenate(parts, axis=1) for parts in zip(*wide, strict=True))
    found: np.ndarray = LogisticRegression(max_iter=1000).fit(known, learned.label).predict(asked)
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
            said = {"prototypes": prototypes(learned, test)}
            if m > 1:
                said |= {"logistic": Concat(seed=seed).fit(learned).predict(test)}
                said |= {"early": Early(seed=seed).fit(learned).predict(test)}
            else:
                said |= {"logistic": logistic(learned, test)}
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
