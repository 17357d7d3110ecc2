"""Text and image encoders under the same aligner on coco2k: what pretrained features are worth.

`python -m benchmarks.align.encoders`: rsum (points of 600) over the 10 re-drawn splits of benchmarks/search/coco2k.py,
`cca` with default settings for each pair of encoders; differences to the default pair, split by split.
"""

from __future__ import annotations

from itertools import product

from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, spread
from chiasm.align.cca import CCA
from chiasm.encoding import Encoding
from chiasm.stats.relevance import recall_sum

SHARES = {"train": 1497, "val": 200, "test": 300}
TEXTS, IMAGES = ("e5_text", "tfidf_text"), ("effnet_image", "pixel_image")
PAIRS = [f"{text} + {image}" for text, image in product(TEXTS, IMAGES)]
FIGURES = [
    Figure(
        pair.replace(" ", ""),
        ("rsum", pair),
        f"rsum of coco2k under `cca`, {pair}",
        "of 600",
        n="{n} splits",
    )
    for pair in PAIRS
]
FIGURES.append(Figure("chance", ("chance",), "rsum of coco2k by chance", "of 600"))


def main() -> None:
    args = arguments(__doc__).parse_args()
    views = pictures("coco2k")
    scores: dict[str, list[float]] = {}
    for text, image in product(TEXTS, IMAGES):
        for _, split in redrawn(views, SHARES, 10):
            encoded = Encoding({"caption": text, "image": image}).fit(views[split == "train"]).transform(views)
            model = CCA().fit(encoded[split == "train"], val=encoded[split == "val"])
            mapped = model.transform(encoded[split == "test"])
            used = {name: column.items[column.used] for name, column in mapped.columns.items()}
            scores.setdefault(f"{text} + {image}", []).append(600 * recall_sum(mapped, used))
        print(text, image, spread(scores[f"{text} + {image}"]), flush=True)
    best = scores["e5_text + effnet_image"]
    result = {
        "rsum": {name: spread(values) for name, values in scores.items()},
        "default minus": {
            name: spread([a - b for a, b in zip(best, values, strict=True)]) for name, values in scores.items()
        },
        "chance": round(sum(100 * 2 * k / 300 for k in (1, 5, 10)), 1),
    }
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
