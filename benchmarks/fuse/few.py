"""How honest `early` is with few rows: log loss and calibration error at 12, 30, 100 and 1,000 labeled rows.

`python -m benchmarks.fuse.few [--splits 10]`: tweets (mvsa_single, 3 classes) and Chinese news (web_news_zh, 10), words
in e5_text and pictures in pixel_image. From the 1,700 rows that are looked at, each split draws the rows to learn from,
with every class among them, and 600 others to score. Beside it, what the shares of the classes alone would lose.
Bar: better than the shares at every size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import pictures
from benchmarks._trials import Figure, Runs, arguments, finish, say
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.stats.answers import ece, log_loss

PACKS = {"mvsa_single": "sentiment of tweets", "web_news_zh": "Chinese news"}
SIZES = (12, 30, 100, 1000)
ROWS, TEST = 1700, 600
MEASURES = (("loss", "log loss in nats", ".3f", "", 1), ("ece", "calibration error", ".1f", "%", 100))

FIGURES = [
    Figure(
        f"{name}.{n}.{short}",
        (name, f"{n} rows", said),
        f"{what}, {n} labeled rows: {said}",
        unit,
        form,
        "{n} splits",
        by,
    )
    for name, what in PACKS.items()
    for n in SIZES
    for short, said, form, unit, by in MEASURES
]


def run(name: str, splits: int) -> dict[str, Any]:
    """The spread of every figure over the splits, by number of rows."""
    raw = pictures(name, label="label")
    raw = raw[np.sort(np.random.default_rng(0).permutation(len(raw))[:ROWS])]
    views = Encoding({"image": "pixel_image"}).fit_transform(raw)
    classes, codes = np.unique(views.label.astype(str), return_inverse=True)
    scores = Runs()
    for n in SIZES:
        for seed in range(splits):
            learned, test = _drawn(codes, n, seed)
            found = Early(seed=seed).fit(views[learned]).predict_proba(views[test])
            shares = np.tile(np.bincount(codes[learned], minlength=len(classes)) / n, (len(test), 1))
            held = {
                "log loss in nats": log_loss(codes[test], found),
                "calibration error": ece(codes[test], found),
                "accuracy": float((found.argmax(axis=1) == codes[test]).mean()),
                "log loss of the shares": log_loss(codes[test], shares),
            }
            scores.add(f"{n} rows", held)
        say("few", name, n, scores.last("log loss in nats", 3))
    result: dict[str, Any] = scores.spreads()
    bar = {n: one["log loss in nats"]["mean"] < one["log loss of the shares"]["mean"] for n, one in result.items()}
    return {**result, "bar: better than the shares": bar}


def _drawn(codes: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, one of every class first, and rows to score."""
    order = np.random.default_rng(seed).permutation(len(codes))
    first = order[np.unique(codes[order], return_index=True)[1]]
    rest = order[~np.isin(order, first)]
    return np.concatenate([first, rest[: n - len(first)]]), rest[-TEST:]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    finish({name: run(name, args.splits) for name in PACKS}, FIGURES, args)


if __name__ == "__main__":
    main()
