"""Whether the words and the region that `occlusion` tells are what a score rests on, and what a person means.

`python -m benchmarks.search.regions`: `Retrieve` with its defaults, fitted on coco2k's training and validation rows.

- deletion: the test photographs, each beside its own caption and beside another's. How often the region is withheld;
  of those told, what the score loses when the region is out of focus (it was chosen by the mean color), and when random
  connected blobs of equal area are, drawn anew. Of the words, the share of the one that counts most.
- pasted: ikea products, cut out of their white ground, pasted at a random place of a test photograph, 30 to 60 % of its
  side long. The query is the product's type, "pendant lamp". The pointing game: does the region's center lie in the
  product's box? IoU is that of the boxes. Beside them: the picture's center (and a box there), and a random place of
  the same size, for the same pictures.
- boxes: the same for photographs that have a box of a class once (boxes_words), the class as query, one a photograph,
  boxes of 1 to 50 % of the area. Those photographs are not in coco2k.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish, say
from benchmarks.search._pasting import SIDE, Box, boxed, center, inside, overlap, pasted, placed
from chiasm.explain._cells import blob, spread
from chiasm.explain.occlusion import Occlusion
from chiasm.media.images import decode_image
from chiasm.stats.resample import bootstrap, interval, paired
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

FRESH, RANDOM = 20, 200
PARTS = {"deletion": "own captions", "pasted": "pasted ikea products", "boxes": "boxes_words"}
SHARE: dict[str, Any] = {"unit": "%", "scale": 100}

FIGURES = [
    *(
        Figure(
            f"withheld.{short}", ("deletion", short, "withheld"), f"coco2k, region withheld, {what}", n="{n}", **SHARE
        )
        for short, what in (("own", "a photograph and its caption"), ("other", "a photograph and another's caption"))
    ),
    *(
        Figure(f"{what}.drop.{key}", ("deletion", "own", what, key), f"coco2k, {words}", format=".3f", n="{n}")
        for what, key, words in (
            ("region", "told", "what the cosine loses when the region is out of focus"),
            ("region", "random", "what it loses by random blobs of equal area"),
            ("region", "more", "the region less the blobs, in pairs"),
        )
    ),
    *(
        Figure(
            f"words.{key}", ("deletion", "own", "words", key), f"coco2k, share of a caption's {what}", n="{n}", **SHARE
        )
        for key, what in (("best", "word that counts most"), ("even", "words if all counted alike"))
    ),
    *(
        Figure(
            f"words.withheld.{short}", ("deletion", short, "words withheld"), f"coco2k, words withheld, {what}", **SHARE
        )
        for short, what in (("own", "a photograph and its caption"), ("other", "a photograph and another's caption"))
    ),
    *(
        Figure(f"{part}.{key}", (part, *key.split(".")), f"{where}: {words}", n="{n}", **SHARE)
        for part, where in PARTS.items()
        if part != "deletion"
        for key, words in (
            ("withheld", "region withheld"),
            ("region.point", "the region's center lies in the box"),
            ("center.point", "the picture's center does"),
            ("random.point", "a random place does"),
            ("region.iou", "IoU of region and box"),
            ("center.iou", "IoU of a box of that size in the middle"),
            ("random.iou", "IoU of a box of that size at random"),
            ("all.point", "the center of the costliest segment, if none were withheld for random blobs"),
        )
    ),
]


def run(parts: Sequence[str] = ()) -> dict[str, Any]:
    raw = pictures("coco2k", split="split")
    model = Retrieve(baseline=False).fit(raw)
    found: dict[str, Any] = {}
    if not parts or "deletion" in parts:
        found["deletion"] = deletion(model, raw[(raw.split == "test") & raw.present("caption")])
    for part, trials in (("pasted", pasted), ("boxes", boxed)):
        if not parts or part in parts:
            found[part] = pointing(model, list(trials()), part)
    return found


def explained(model: Retrieve, asked: Sequence[str], shown: Sequence[Any], **options: Any) -> dict[str, list[Any]]:
    """What is told of each text and of each picture of some pairs."""
    pairs = Views({"caption": Column("text", list(asked)), "image": Column("image", list(shown))})
    told = Occlusion(**options).explain(model, pairs)
    return {name: told[name].items for name in told.names}


def mean(values: Any) -> dict[str, float]:
    """A mean with its interval, over rows of their own."""
    values = np.asarray(values, dtype=np.float64)
    value, low, high = bootstrap(values, np.arange(len(values)))
    return interval(value[0], low[0], high[0])


# ---- deletion ----
def deletion(model: Retrieve, rows: Views) -> dict[str, Any]:
    """Captions and photographs, each with its own and with the one seven rows on."""
    captions = [rows["caption"].items[p] for p in rows["caption"].index]
    photos = [np.asarray(decode_image(rows["image"].items[p], SIDE)[0]) for p in rows["image"].index]
    found = {}
    for name, step in (("own", 0), ("other", 7)):
        asked = list(np.roll(np.array(captions, dtype=object), step))
        told = explained(model, asked, photos)
        regions = [i for i, one in enumerate(told["image"]) if "region" in one]
        say(name, len(regions), "regions of", len(photos))
        pairs = np.array([blurred(model, asked[i], photos[i], told["image"][i]["region"]["mask"], i) for i in regions])
        words = [[w["share"] for w in one["words"]] for one in told["caption"] if "words" in one]
        found[name] = {
            "n": f"{len(photos)} pairs, {len(regions)} told",
            "withheld": mean(["region" not in one for one in told["image"]]),
            "words withheld": mean(["words" not in one for one in told["caption"]]),
            "words": {
                "n": f"{len(words)} captions",
                "best": mean([max(s) for s in words]),
                "even": mean([1 / len(s) for s in words]),
            },
            "region": {
                "told": mean(pairs[:, 0]),
                "random": mean(pairs[:, 1]),
                "more": interval(*paired(pairs[:, 0], pairs[:, 1], np.arange(len(pairs)))),
            },
        }
    return found


def blurred(model: Retrieve, asked: str, photo: np.ndarray, mask: Sequence[str], seed: int) -> tuple[float, float]:
    """What the cosine loses when a region is out of focus, and when random blobs of its area are, on average."""
    region = np.array([[cell == "1" for cell in line] for line in mask])
    vague = np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(SIDE / 12)))
    rng = np.random.default_rng(1000 + seed)
    masks = [region, *(blob(len(region), int(region.sum()), rng) for _ in range(FRESH))]
    altered = [photo, *(np.where(spread(one, SIDE)[..., None], vague, photo) for one in masks)]
    scores = model.pair_scores({"caption": [asked]}, Views({"image": Column("image", altered)}))
    return float(scores[0] - scores[1]), float((scores[0] - scores[2:]).mean())


# ---- pointing ----
def pointing(model: Retrieve, trials: list[tuple[np.ndarray, str, Box]], part: str) -> dict[str, Any]:
    """Where the region lies, in the box or not, beside the middle and a random place of the same size."""
    shown, asked = [trial[0] for trial in trials], [trial[1] for trial in trials]
    told = explained(model, asked, shown)["image"]
    free = explained(model, asked, shown, blobs=0)["image"]
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[float, float]]] = {"region": [], "center": [], "random": []}
    for one, (_, _, box) in zip(told, trials, strict=True):
        if "region" not in one:
            continue
        mine = one["region"]["box"]
        wide, high = mine[2] - mine[0], mine[3] - mine[1]
        rows["region"].append((float(inside(center(one["region"]["mask"]), box)), overlap(mine, box)))
        rows["center"].append((float(inside((0.5, 0.5), box)), overlap(placed(0.5, 0.5, wide, high), box)))
        places = rng.uniform((wide / 2, high / 2), (1 - wide / 2, 1 - high / 2), (RANDOM, 2)).tolist()
        rows["random"].append(
            (
                float(np.mean([inside((x, y), box) for x, y in places])),
                float(np.mean([overlap(placed(x, y, wide, high), box) for x, y in places])),
            )
        )
    every = [
        inside(center(f["region"]["mask"]), box) for f, (_, _, box) in zip(free, trials, strict=True) if "region" in f
    ]
    say(part, len(rows["region"]), "regions of", len(trials))
    return {
        "n": f"{len(trials)} pictures, {len(rows['region'])} told",
        "withheld": mean(["region" not in one for one in told]),
        "all": {"n": f"{len(every)} pictures that score above a blank one", "point": mean(every)},
        **{name: {"point": mean([p for p, _ in of]), "iou": mean([i for _, i in of])} for name, of in rows.items()},
    }


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish(run(args.parts), FIGURES, args)


if __name__ == "__main__":
    main()
