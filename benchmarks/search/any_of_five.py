"""Photographs with five captions each, searched and named without one pair (boxes_words, 159 photographs).

`python -m benchmarks.search.any_of_five`: `Retrieve` fitted on the pictures alone. Every caption is a query for its
picture; a picture finds any of its five. Then the same vectors name pictures: 80 words (the classes of COCO) are ranked
for each picture, and the mean average precision over pictures is told beside that of a random order and that of the
words in order of how often they occur, which nobody without labels knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import files, table
from benchmarks._trials import Figure, arguments, finish
from chiasm.stats.resample import bootstrap, interval
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

FIGURES = [
    *(
        Figure(
            f"{short}.r{k}",
            ("directions", way, f"R@{k}"),
            f"boxes_words without a pair, {way}, R@{k}",
            "%",
            n="{queries} queries, gallery {gallery}",
            scale=100,
        )
        for short, way in (("text", "text -> image"), ("image", "image -> text"))
        for k in (1, 5, 10)
    ),
    *(
        Figure(f"{short}.chance.r10", ("chance", way), f"boxes_words, {way}, R@10 by chance", "%", scale=100)
        for short, way in (("text", "text -> image"), ("image", "image -> text"))
    ),
    *(
        Figure(
            f"words.{key}", ("words", key), f"boxes_words, 80 words ranked for a picture, {what}: mAP", "%", scale=100
        )
        for key, what in (("names", "without a pair"), ("chance", "at random"), ("often", "by how often they occur"))
    ),
]


def run() -> dict[str, Any]:
    held, paths = table("boxes_words"), files("boxes_words", "image")
    ids = np.array(held["id"], dtype=object)
    captions = [list(five) for five in held["captions"]]
    model = Retrieve().fit(Views({"image": Column("image", paths)}, ids))
    of = np.repeat(np.arange(len(ids)), [len(five) for five in captions])
    texts = [text for five in captions for text in five]
    both = Views({"image": Column("image", paths, of), "text": Column("text", texts)}, ids[of])
    score = model.score(both)
    ways = {f"{d['from']} -> {d['to']}": d for d in score.table["directions"]}

    words = sorted({word for some in held["classes"] for word in some})
    truth = np.array([[word in set(some) for word in words] for some in held["classes"]])
    mapped = [
        model.transform(Views({name: Column(name, items)}))[name] for name, items in (("image", paths), ("text", words))
    ]
    likeness = mapped[0].items[mapped[0].index] @ mapped[1].items[mapped[1].index].T
    often = np.broadcast_to(truth.mean(axis=0), truth.shape)
    rng = np.random.default_rng(0)
    order = {"names": likeness, "often": often, "chance": rng.random(truth.shape)}
    shown = truth.any(axis=1)
    return {
        "pictures": len(ids),
        "directions": {way: {**d, "n": d["queries"]} for way, d in ways.items()},
        "chance": {way: d["chance"]["R@10"] for way, d in ways.items()},
        "words": {
            "n": len(words),
            **{name: precision(truth[shown], scores[shown]) for name, scores in order.items()},
        },
    }


def precision(truth: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Mean average precision over pictures, with its interval."""
    from sklearn.metrics import average_precision_score

    each = np.array([average_precision_score(t, s) for t, s in zip(truth, scores, strict=True)])
    value, low, high = bootstrap(each, np.arange(len(each)))
    return interval(value[0], low[0], high[0])


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish(run(), FIGURES, args)


if __name__ == "__main__":
    main()
