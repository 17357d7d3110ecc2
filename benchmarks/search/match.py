"""Is this pair a pair? `Match` on photographs and their captions or texts, beside the plain cosine of the same space.

`python -m benchmarks.search.match`. coco2k (300 test pairs) and web_news_zh (497), each beside as many wrong pairs:
half dealt at random, half from rows that are alike. Besides, pairs broken in use: 5 % of the test rows get another
row's text, and rows are ranked by the probability under `prior=0.95`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish
from chiasm.stats.resample import Draws, interval_of
from chiasm.tasks.match import Match
from chiasm.views import Column, Views

BROKEN = 0.05
WORDS = {"coco2k": "caption", "web_news_zh": "text"}
KEPT = {
    "auc": (("auc",), "AUC", "", ".3f", 1),
    "cosine": (("cosine", "auc"), "AUC of the plain cosine of the same space", "", ".3f", 1),
    "gain": (("difference", "auc"), "AUC, less that of the cosine", "", "+.3f", 1),
    "ece": (("ece",), "calibration error", "%", ".1f", 100),
    "broken": (("5 % broken, AUROC",), "AUROC of 5 % broken pairs", "", ".3f", 1),
}
"""By figure: the keys, in words, unit, format, scale."""

N = "{pairs} pairs, as many dealt"
FIGURES = [
    Figure(f"{name}.{short}", (name, *at), f"{name}, is this pair a pair: {what}", unit, form, N, scale)
    for name in WORDS
    for short, (at, what, unit, form, scale) in KEPT.items()
]


def broken(views: Views, text: str, seed: int) -> tuple[Views, np.ndarray]:
    """The rows with some texts moved on to the next of them, and which `(n,)`."""
    rows = np.random.default_rng(seed).permutation(len(views))[: round(BROKEN * len(views))]
    column = views[text]
    index = column.index.copy()
    index[rows] = np.roll(index[rows], 1)
    mask = np.zeros(len(views), bool)
    mask[rows] = True
    return views.replace({**views.columns, text: Column(column.modality, column.items, index)}), mask


def measure(name: str, text: str) -> dict[str, Any]:
    """The table of a score, and how broken rows are found (mean of ten breakings)."""
    views = pictures(name, split="split")
    started = time.perf_counter()
    model = Match(prior=1 - BROKEN, allow_leaks=True).fit(views)  # rows that share an item are scored a second time
    seconds = time.perf_counter() - started
    test = views[views.split == "test"]
    score = model.score(test, split="test")
    print(score, flush=True)
    draws, found = Draws(test.clusters), []
    for seed in range(1, 11):
        rows, wrong = broken(test, text, seed)
        found.append(draws.auc(wrong, -model.outputs(rows)))
    areas = np.mean([area for area, _ in found]), np.mean([samples for _, samples in found], axis=0)
    keys = ("pairs", "wrong", "auc", "average_precision", "accuracy", "ece", "cosine", "difference", "against")
    return {
        **{key: score.table[key] for key in keys},
        "clean": score.table.get("clean", {}),
        "5 % broken, AUROC": interval_of(float(areas[0]), areas[1]),
        "seconds to fit": round(seconds, 1),
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish({name: measure(name, text) for name, text in WORDS.items()}, FIGURES, args)


if __name__ == "__main__":
    main()
