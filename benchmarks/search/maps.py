"""Where a word points to in a picture, by leaving patches out behind the encoder: pointing game, IoU, deletion.

`python -m benchmarks.search.maps [pasted boxes]`: `Retrieve` with its defaults, fitted on coco2k's training and
validation rows, and its `maps`. Every picture counts, whether its words score well or not.

- pasted: 300 ikea products pasted into test photographs, asked for by their type. boxes: photographs that have a box of
  a class once (boxes_words), asked for by the class; they are not in coco2k. Both as in `benchmarks.search.regions`.
- point: does the largest cell's middle lie in the box? iou: of the box and the connected cells around the largest one
  that reach a share of the map's range; the share is chosen on the other half of the pictures, and so is the size of
  the box in the middle. Beside the map: the middle, a random place, the map of another picture's word (what sticks out
  whatever the word), and `occlusion` without its test by random blobs, by its costliest segment (the middle where none
  lowers the score), which encodes eight times.
- deletion (pasted): what the cosine loses when the nine largest cells are covered by the mean color and the picture is
  encoded anew, and when a random blob of equal area is.

The window of nine patches was chosen on 120 other pastings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import label

from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish, say
from benchmarks.search._pasting import SIDE, Box, boxed, center, inside, overlap, pasted, placed
from chiasm.explain._cells import blob, spread
from chiasm.explain.occlusion import Occlusion
from chiasm.stats.resample import bootstrap, interval, paired
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

PARTS = {"pasted": "pasted ikea products", "boxes": "boxes_words"}
SHARES, SIZES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
COVERED, FRESH, RANDOM = 9, 3, 200
WAYS = {
    "map": "the map",
    "middle": "the middle",
    "random": "a random place",
    "other": "the map of another word",
    "occlusion": "the costliest segment",
}
Trial = tuple[np.ndarray, str, Box]
"""A picture, a word, and where it is."""

SHARE: dict[str, Any] = {"unit": "%", "scale": 100, "n": "{n} pictures"}

FIGURES = [
    *(
        Figure(f"{part}.{way}.{key}", (part, way, key), f"{where}: {words}, {what}", **SHARE)
        for part, where in PARTS.items()
        for way, words in WAYS.items()
        for key, what in (("point", "in the box"), ("iou", "IoU with the box"))
        if not (way == "random" and key == "iou")
    ),
    *(
        Figure(
            f"{part}.over_{way}.{key}",
            (part, f"map less {way}", key),
            f"{where}: {what}, the map less {words}",
            "points",
            "+.1f",
            "{n} pictures",
            100,
        )
        for part, where in PARTS.items()
        for way, words in WAYS.items()
        for key, what in (("point", "in the box"), ("iou", "IoU with the box"))
        if way in ("middle", "other", "occlusion")
    ),
    *(
        Figure(f"drop.{key}", ("pasted", "drop", key), f"pasted ikea products, {words}", format=".3f", n="{n} pictures")
        for key, words in (
            ("told", "what the cosine loses when the map's nine largest cells are covered"),
            ("random", "when random blobs of equal area are"),
            ("more", "the cells less the blobs, in pairs"),
        )
    ),
]


def told(found: np.ndarray, share: float) -> Box:
    """The box of the connected cells around the largest one that reach a share of a map's range."""
    bar = found.min() + share * (found.max() - found.min())
    parts, _ = label(found >= bar)
    rows, columns = np.nonzero(parts == parts[np.unravel_index(found.argmax(), found.shape)])
    side = len(found)
    return columns.min() / side, rows.min() / side, (columns.max() + 1) / side, (rows.max() + 1) / side


def top(found: np.ndarray) -> tuple[float, float]:
    """The middle of a map's largest cell."""
    y, x = (np.array(np.unravel_index(found.argmax(), found.shape)) + 0.5) / len(found)
    return float(x), float(y)


def chosen(boxes: Callable[[float], Sequence[Box]], among: Sequence[float], truth: Sequence[Box]) -> np.ndarray:
    """`(n,)` IoU of each picture's box, by what does best on the other half of the pictures."""
    table = np.array([[overlap(a, b) for a, b in zip(boxes(one), truth, strict=True)] for one in among])
    halves = np.arange(len(truth)) % 2
    best = [int(table[:, halves != half].mean(axis=1).argmax()) for half in (0, 1)]
    return np.where(halves == 0, table[best[0]], table[best[1]])


def mean(values: Any) -> dict[str, float]:
    values = np.asarray(values, dtype=np.float64)
    value, low, high = bootstrap(values, np.arange(len(values)))
    return interval(value[0], low[0], high[0])


def pointing(model: Retrieve, trials: Sequence[Trial]) -> dict[str, Any]:
    shown, asked, truth = ([trial[i] for trial in trials] for i in range(3))

    def mapped(words: Sequence[str]) -> list[np.ndarray]:
        found = [model.maps({"caption": [w]}, {"image": [p]})[0] for w, p in zip(words, shown, strict=True)]
        return [one for one in found if one is not None]

    maps = mapped(asked)
    away = [next(w for w in np.roll(asked, -i - 1).tolist() if w != asked[i]) for i in range(len(asked))]
    others = mapped(away)
    say(len(maps), "maps")
    pairs = Views({"caption": Column("text", list(asked)), "image": Column("image", list(shown))})
    segments = [one.get("region") for one in Occlusion(blobs=0).explain(model, pairs)["image"].items]
    say(sum(one is not None for one in segments), "segments")
    middle = (0.5, 0.5)
    places = {
        "map": [top(one) for one in maps],
        "middle": [middle] * len(truth),
        "other": [top(one) for one in others],
        "occlusion": [center(one["mask"]) if one else middle for one in segments],
    }
    point = {way: [inside(at, b) for at, b in zip(held, truth, strict=True)] for way, held in places.items()}
    chance = np.random.default_rng(0).random((RANDOM, 2)).tolist()
    point["random"] = [float(np.mean([inside((x, y), b) for x, y in chance])) for b in truth]
    iou = {
        "map": chosen(lambda share: [told(one, share) for one in maps], SHARES, truth),
        "middle": chosen(lambda size: [placed(*middle, size, size)] * len(truth), SIZES, truth),
        "other": chosen(lambda share: [told(one, share) for one in others], SHARES, truth),
        "occlusion": chosen(
            lambda size: [one["box"] if one else placed(*middle, size, size) for one in segments], SIZES, truth
        ),
    }
    rows = np.arange(len(truth))
    found: dict[str, Any] = {"n": len(truth)}
    for way in WAYS:
        found[way] = {"point": mean(point[way])} | ({"iou": mean(iou[way])} if way in iou else {})
    for way in ("middle", "other", "occlusion"):
        held = ((key, of["map"], of[way]) for key, of in (("point", point), ("iou", iou)))
        found[f"map less {way}"] = {
            key: interval(*paired(np.asarray(a, dtype=float), np.asarray(b, dtype=float), rows)) for key, a, b in held
        }
    return found | {"maps": maps}


def deletion(
    model: Retrieve, trials: Sequence[tuple[np.ndarray, str, Box]], maps: Sequence[np.ndarray]
) -> dict[str, Any]:
    """What covering the largest cells costs, beside random blobs."""
    pairs = []
    for row, ((photo, word, _), found) in enumerate(zip(trials, maps, strict=True)):
        rng = np.random.default_rng(row)
        best = found >= np.sort(found, axis=None)[-COVERED]
        masks = [best, *(blob(len(found), int(best.sum()), rng) for _ in range(FRESH))]
        color = photo.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
        altered = [photo, *(np.where(spread(mask, SIDE)[..., None], color, photo) for mask in masks)]
        scores = model.pair_scores({"caption": [word]}, Views({"image": Column("image", altered)}))
        pairs.append((float(scores[0] - scores[1]), float((scores[0] - scores[2:]).mean())))
    lost = np.array(pairs)
    more = interval(*paired(lost[:, 0], lost[:, 1], np.arange(len(lost))))
    return {"told": mean(lost[:, 0]), "random": mean(lost[:, 1]), "more": more}


def run(parts: Sequence[str]) -> dict[str, Any]:
    model = Retrieve(baseline=False).fit(pictures("coco2k", split="split"))
    found = {}
    for part, trials in (("pasted", pasted), ("boxes", boxed)):
        if parts and part not in parts:
            continue
        rows = list(trials())
        found[part] = pointing(model, rows)
        maps = found[part].pop("maps")
        if part == "pasted":
            found[part]["drop"] = deletion(model, rows, maps)
    return found


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish(run(args.parts), FIGURES, args)


if __name__ == "__main__":
    main()
