"""Text and image encoders under the same aligner on coco2k: what pretrained features are worth.

`python -m benchmarks.align.encoders`: rsum (points of 600) over the 10 re-drawn splits of benchmarks/search/coco2k.py,
`cca` with default settings for each pair of encoders; differences to the default pair, split by split.
"""

from __future__ import annotations

from itertools import product

import chiasm
from benchmarks._shared import finish, pack, spread
from chiasm.align.cca import CCA
from chiasm.encoding import Encoding
from chiasm.splits import cut
from chiasm.stats.relevance import recall_sum

SHARES = {"train": 1497, "val": 200, "test": 300}
TEXTS, IMAGES = ("e5_text", "tfidf_text"), ("effnet_image", "pixel_image")


def main() -> None:
    views = chiasm.read(pack("coco2k") / "data.parquet", text="caption", image="image", id="id")
    scores: dict[str, list[float]] = {}
    for text, image in product(TEXTS, IMAGES):
        for seed in range(10):
            split = cut(views, SHARES, seed)
            encoded = Encoding({"caption": text, "image": image}).fit(views[split == "train"]).transform(views)
            model = CCA().fit(encoded[split == "train"], val=encoded[split == "val"])
            mapped = model.transform(encoded[split == "test"])
            used = {name: column.items[column.used] for name, column in mapped.columns.items()}
            scores.setdefault(f"{text} + {image}", []).append(600 * recall_sum(mapped, used))
        print(text, image, spread(scores[f"{text} + {image}"]), flush=True)
    best = scores["e5_text + effnet_image"]
    finish(
        {
            "rsum": {name: spread(values) for name, values in scores.items()},
            "default minus": {
                name: spread([a - b for a, b in zip(best, values, strict=True)]) for name, values in scores.items()
            },
            "chance": round(sum(100 * 2 * k / 300 for k in (1, 5, 10)), 1),
        }
    )


if __name__ == "__main__":
    main()
