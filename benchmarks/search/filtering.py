"""coco2k: candidate pairs by cosine, distance or correlation, then each filter: precision, recall, F1.

`python -m benchmarks.search.filtering`. Encoders and cca with default settings, fitted on training rows; the vectors
are those of the shared space, ten candidates an item; the threshold is chosen by F1 on validation rows. Mean over 5
re-drawn 1,197/200/300 splits of the given train + val rows, then the given split once, which decides nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, spread
from chiasm.align.cca import CCA
from chiasm.stats.filtering import filter_table
from chiasm.stats.relevance import pairs
from chiasm.views import Views

SHARES = {"train": 1197, "val": 200, "test": 300}
MEASURES = ("precision", "recall", "f1")
K = 10
FILTERS = ("candidates", "threshold", "mutual_best", "one_to_one")
FIGURES = [
    Figure(
        f"{score}.{kind}.{measure}",
        ("rows", f"{score}, {kind}", measure),
        f"coco2k, ten candidates an item by {score}, {kind.replace('_', ' ')}: {measure}",
        "%",
        n="{n} splits",
        scale=100,
    )
    for score in ("cosine", "euclidean", "pearson")
    for kind in FILTERS
    for measure in MEASURES
]


def placed(space: Views, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The distinct items of both views among these rows, in the shared space, and the true pairs."""
    part = space[rows]
    left, right, _, _ = pairs(part, "caption", "image")
    used = {name: part[name].used for name in ("caption", "image")}
    truth = (np.searchsorted(used["caption"], left), np.searchsorted(used["image"], right))
    return part["caption"].take(used["caption"]), part["image"].take(used["image"]), truth


def tabled(views: Views, split: np.ndarray, seed: int) -> list[dict[str, Any]]:
    """Fit on the training rows, choose on val, score test."""
    model = CCA(seed=seed).fit(views[split == "train"], val=views[split == "val"])
    space = model.transform(views)
    a, b, truth = placed(space, split == "test")
    return filter_table(a, b, truth, placed(space, split == "val"), k=K)


def main() -> None:
    args = arguments(__doc__).parse_args()
    views = encoded(pictures("coco2k", split="split"))
    pool = views[views.split != "test"]
    runs = [tabled(pool, split, seed) for seed, split in redrawn(pool, SHARES, 5)]
    given = tabled(views, views.split, 0)
    head = [f"{name:>16}" for name in ("precision %", "recall %", "F1 %")]
    print(f"{'score':10} {'filter':12} {'pairs':>6} {' '.join(head)}   given test P/R/F1 %")
    rows = {}
    for i, last in enumerate(given):
        found = {m: spread([run[i][m] for run in runs]) for m in MEASURES}
        count = spread([run[i]["pairs"] for run in runs])
        cells = [f"{100 * found[m]['mean']:9.1f} ± {100 * found[m]['sd']:.1f}" for m in MEASURES]
        once = " / ".join(f"{100 * last[m]:.1f}" for m in MEASURES)
        shown = " ".join(f"{cell:>16}" for cell in cells)
        print(f"{last['score']:10} {last['filter']:12} {count['mean']:6.0f} {shown}   {once}")
        rows[f"{last['score']}, {last['filter']}"] = {"pairs": count, **found, "given test": last}
    finish({"candidates an item": K, "rows": rows}, FIGURES, args)


if __name__ == "__main__":
    main()
