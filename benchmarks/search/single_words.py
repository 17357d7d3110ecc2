"""Single words asked with `reject`: how many are told that nothing matches though a picture does, and the other way.

`python -m benchmarks.search.single_words`. `Retrieve` by default learns from 70 % of coco2k's photographs and captions
(without its test rows; 15 % say what a match scores, all are indexed), five cuts. Asked are the 80 object words of
boxes_words, whose boxes tell which photographs have one: in the model's own index (words that a caption of it has), in
the 156 photographs of boxes_words that are not in coco2k, and there without all photographs of the object asked for.
Beside them the photographs' five captions each, and there without the photograph. Shares at 10 %, means over the cuts;
95 % intervals resample words, or photographs.

`captions`: judged as the library does, by captions that are held out. `words`: by the single words of these captions
(found in at least two, and in 5 % at most, of all), whose matches are the held-out photographs with such a caption.
`best`: the bar at which one in ten right words is rejected, looked up in the answers: the most that any bar can do.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from benchmarks._sets import files, pictures, table, without_test
from benchmarks._trials import Figure, arguments, finish, redrawn, say
from chiasm.stats.conformal import threshold
from chiasm.stats.resample import bootstrap, interval
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views, normalize

RATE, SURE, CUTS, COMMON = 0.1, 0.9, 5, 0.05
WORD = re.compile(r"[^\W\d_]{3,}")
ASKED = {
    "own": "object words, in the model's own index",
    "there": "object words, boxes_words",
    "gone": "object words, boxes_words without the object's photographs",
    "caption.there": "captions, boxes_words",
    "caption.gone": "captions, boxes_words without their photograph",
}

FIGURES = [
    Figure(f"{asked}.{by}", (asked, by), f"{told}, rejected at 10 % by {by}", "%", ".1f", "5 cuts", interval="95 %")
    for asked, told in ASKED.items()
    for by in (("captions",) if "caption" in asked else ("captions", "words"))
] + [
    Figure("gone.best", ("gone", "best"), f"{ASKED['gone']}, rejected at the best bar", "%", ".1f", "5 cuts"),
    Figure("first", ("first", "first"), "object words whose first photograph has the object", "%", ".1f", "5 cuts"),
]  # fmt: skip


def placed(model: Retrieve, view: str, items: list[Any]) -> np.ndarray:
    """Items of a view in the shared space, of length 1."""
    views = Views({view: Column(model.views_[view], items)})
    return normalize(np.asarray(model.transform(views)[view].items))


def run() -> dict[str, Any]:
    views = without_test("coco2k", pictures("coco2k"))
    captions = [str(views["caption"].items[i]) for i in views["caption"].index]
    said = [{word.lower() for word in WORD.findall(caption)} for caption in captions]
    often = Counter(word for words in said for word in words)
    boxes = table("boxes_words")
    fresh = [i for i, known in enumerate(boxes["in_coco2k"]) if not known]
    photos, has = [files("boxes_words", "image")[i] for i in fresh], [set(boxes["classes"][i]) for i in fresh]
    five = [(row, text) for row, i in enumerate(fresh) for text in boxes["captions"][i]]
    own = np.array([row for row, _ in five])
    words = sorted(set().union(*has))
    there = [any(re.search(rf"\b{re.escape(word)}s?\b", text.lower()) for text in captions) for word in words]
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for seed, split in redrawn(views, {"train": 0.7, "val": 0.15, "test": 0.15}, CUTS):
        model = Retrieve(seed=seed, baseline=False).fit(Views(views.columns, views.ids, {"split": split}))
        known, index = model.calibration_["caption"]["image"], model.indexes_["image"]
        val = np.flatnonzero(split == "val")
        single = sorted({w for i in val for w in said[i] if 2 <= often[w] <= COMMON * len(said)})
        asked, objects = placed(model, "caption", single), placed(model, "caption", words)
        held = placed(model, "image", [views["image"].items[views["image"].index[i]] for i in val])
        match = np.where([[w in said[i] for i in val] for w in single], asked @ held.T, -1).max(axis=1)
        gallery, texts = placed(model, "image", photos), placed(model, "caption", [text for _, text in five])

        def owed(vectors: np.ndarray, aligner: Any = model.aligner_) -> np.ndarray:
            return np.asarray(aligner.owed("caption", "image", vectors))

        def nearest(vectors: np.ndarray, pictures_of: np.ndarray = gallery) -> np.ndarray:
            return np.asarray((vectors @ pictures_of.T).max(axis=1))

        scores, of_texts = objects @ gallery.T, texts @ gallery.T
        lacks = ~np.array([[word in held for held in has] for word in words])
        alone = np.where(lacks, scores, -1).max(axis=1) + owed(objects)
        full = scores.max(axis=1) + owed(objects)
        without = of_texts.copy()
        without[np.arange(len(own)), own] = -1
        inside = {
            "captions": known["best"] + known["owed"],
            "words": index.search(asked, 1)[1][:, 0] + owed(asked),
        }
        outside = {
            "captions": np.maximum(known["match"], nearest(known["queries"])) + known["owed"],
            "words": np.maximum(match, nearest(asked)) + owed(asked),
        }
        for by in ("captions", "words"):
            bar, other = (threshold(one[by], RATE, SURE) for one in (inside, outside))
            first = index.search(objects, 1)[1][:, 0] + owed(objects)
            found.setdefault(("own", by), []).append((first < bar)[there])
            found.setdefault(("there", by), []).append(full < other)
            found.setdefault(("gone", by), []).append(alone < other)
            if by == "captions":
                found.setdefault(("caption.there", by), []).append(of_texts.max(axis=1) + owed(texts) < other)
                found.setdefault(("caption.gone", by), []).append(without.max(axis=1) + owed(texts) < other)
        found.setdefault(("gone", "best"), []).append(alone < np.quantile(full, RATE))
        found.setdefault(("first", "first"), []).append(~lacks[np.arange(len(words)), scores.argmax(axis=1)])
        say(seed, len(single), {" ".join(key): round(100 * float(one[-1].mean()), 1) for key, one in found.items()})
    told: dict[str, Any] = {"words": len(words), "in captions": int(np.sum(there)), "captions": len(five)}
    for (asked_as, by), each in found.items():
        rows = 100 * np.mean(np.array(each, dtype=float), axis=0)
        groups = own if asked_as.startswith("caption") else np.arange(len(rows))
        (value,), (low,), (high,) = bootstrap(rows, groups)
        told.setdefault(asked_as, {})[by] = interval(value, low, high)
    return told


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish(run(), FIGURES, args)


if __name__ == "__main__":
    main()
