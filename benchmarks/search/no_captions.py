"""coco2k searched without one pair, by the names that the image encoder knows: rsum of 600 over ten re-drawn splits.

`python -m benchmarks.search.no_captions`: the splits of benchmarks/search/coco2k.py. `auto` with the names of
effnet_image (e5_text for the texts) and, besides: nothing; the searched pictures, which is what fitting a folder is;
all pictures and captions of the other rows, taken apart. Captions of the 300 searched things are asked with, never
learned from. The constants of `auto` were fixed with coco2k in sight (docs/align.md). Chance is 11; ridge regression
from 1,497 pairs is in benchmarks/search/coco2k.py. Bars: 275, 295, 310.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from benchmarks._sets import COCO2K, encoded, pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, say, spread
from benchmarks._trials import apart as difference
from chiasm.align.auto import Auto
from chiasm.encoding import Encoding
from chiasm.stats.relevance import recall_sum
from chiasm.views import ABSENT, Column, Views

BARS = {"names": 275, "searched": 295, "unpaired": 310}
WHAT = {
    "names": "names alone",
    "searched": "names and the searched pictures",
    "unpaired": "names, and pictures and captions of other things, apart",
}
FIGURES = [
    Figure(short, (short,), f"coco2k without a pair, {what}: rsum of 600", n="{n} splits")
    for short, what in WHAT.items()
] + [
    Figure(
        f"{short}.gain",
        (short, "gain"),
        f"coco2k without a pair, {WHAT[short]}, less {WHAT[before]}: rsum of 600",
        n="{n} splits",
        format="+.1f",
    )
    for before, short in itertools.pairwise(WHAT)
]


def apart(texts: np.ndarray, images: np.ndarray) -> Views:
    """Rows of one text or one picture each."""
    t, i = len(texts), len(images)
    return Views(
        {
            "caption": Column("vector", texts, np.concatenate([np.arange(t), np.full(i, ABSENT)])),
            "image": Column("vector", images, np.concatenate([np.full(t, ABSENT), np.arange(i)])),
        }
    )


def run() -> dict[str, Any]:
    raw = pictures("coco2k")
    names = Encoding().fit(raw).known()
    views = encoded(raw)
    texts, images = (np.asarray(views[name].items)[views[name].index] for name in ("caption", "image"))
    found: dict[str, list[float]] = {short: [] for short in WHAT}
    for seed, split in redrawn(views, COCO2K, 10):
        test = split == "test"
        known = {
            "names": apart(texts[:0], images[:0]),
            "searched": apart(texts[:0], images[test]),
            "unpaired": apart(texts[~test], images[~test]),
        }
        for short, rows in known.items():
            mapped = Auto().fit(rows, known=names).transform(views[test])
            used = {name: column.items[column.used] for name, column in mapped.columns.items()}
            found[short].append(600 * recall_sum(views[test], used))
        say(seed, {short: round(values[-1], 1) for short, values in found.items()})
    means: dict[str, Any] = {short: spread(values) for short, values in found.items()}
    for before, short in itertools.pairwise(WHAT):
        means[short]["gain"] = difference(found[short], found[before], COCO2K["test"], len(views) - COCO2K["test"])
    return {**means, "bars reached": {short: means[short]["mean"] >= bar for short, bar in BARS.items()}}


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish(run(), FIGURES, args)


if __name__ == "__main__":
    main()
