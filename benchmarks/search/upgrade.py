"""A new encoder for an index: what is kept of the new model's answers while nine files of ten are only mapped.

`python -m benchmarks.search.upgrade [PACK ...]`. Both models learn from the same 800 pairs; the folder holds the other
pictures, of which the new model has encoded a tenth, drawn at random. Queries are all captions of the folder. Told are,
as a share of the new model's with everything encoded, how often a caption finds its picture among the first 10
(`found`), and how many of its 10 nearest are the same (`nearest`); five re-drawn splits, intervals Nadeau & Bengio's.

`switched` is what `Collection.switch` does: a rotation learned from the tenth, from texts and from the pictures that
both models learned from, with as much of a ridge regression as held-out items of the tenth ask for; `half` the same
when half the folder is encoded. Beside it: the old model kept; a rotation learned from shuffled pairs (chance); and the
maps apart: rotation and ridge by the tenth alone, with texts, with the pictures learned from, with both. `stated` is
what a switch itself says, which knows the tenth alone (`nearest` by texts that the models hold, `found` by the captions
of the tenth), less the truth; `holds` how often its interval for `found` holds the truth.

Changes: effnet_image from 288 to 224 pixels (size); effnet_image to effnet2_image (encoder); texts from e5_text to
tfidf_text (words).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks._sets import pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, say
from chiasm.collection.mapping import Asked, Map, held_by_both, held_out, lost, texts_of
from chiasm.encode.effnet_image import EffnetImage
from chiasm.stats.resample import redrawn_interval
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views, normalize

PACKS = ("coco2k", "web_news_zh")
LEARNED, SPLITS, SAMPLE, NEAREST = 800, 5, 0.1, 10
PLAIN = ("holds", "share")
"""What is a mean over the splits and no more: whether an interval holds the truth, what ridge regression counts."""
CHANGES: dict[str, dict[str, Any]] = {
    "size": {"image": EffnetImage(size=224)},
    "encoder": {"image": "effnet2_image"},
    "words": {"text": "tfidf_text"},
}
WAYS = {
    "switched": "as `switch` does, a tenth encoded",
    "half": "as `switch` does, half encoded since",
    "old": "the old model kept",
    "chance": "by a map of shuffled pairs",
    "rotation.alone": "a rotation by the tenth alone",
    "rotation.texts": "a rotation by the tenth and texts",
    "rotation.learned": "a rotation by the tenth and the pictures learned from",
    "rotation.both": "a rotation by the tenth, texts and the pictures learned from",
    "ridge.alone": "ridge by the tenth alone",
    "ridge.texts": "ridge by the tenth and texts",
    "ridge.learned": "ridge by the tenth and the pictures learned from",
    "ridge.both": "ridge by the tenth, texts and the pictures learned from",
    "stated": "what the switch states, less the truth",
}
FIGURES = [
    Figure(
        f"{pack}.{change}.{way}.{what}",
        (pack, change, way, what),
        f"{pack}, {change}: {told}, {'captions that find their picture' if what == 'found' else 'the 10 nearest'}",
        "points" if way == "stated" else "%",
        "+.1f" if way == "stated" else ".1f",
        f"{SPLITS} splits",
        scale=100,
    )
    for pack in PACKS
    for change in CHANGES
    for way, told in WAYS.items()
    for what in ("found", "nearest")
] + [
    Figure(
        f"{pack}.{change}.holds",
        (pack, change, "stated", "holds"),
        f"{pack}, {change}: the stated interval of captions that find their picture holds the truth",
        "%",
        ".0f",
        f"{SPLITS} splits",
        scale=100,
    )
    for pack in PACKS
    for change in CHANGES
]


class Side:
    """A model and what it makes of a folder: pictures `(n, d)` one a row, captions `(q, d)`, pictures learned from."""

    def __init__(self, learned: Views, folder: Views, encoders: dict[str, Any]):
        self.model = Retrieve(encoders=encoders, baseline=False, allow_leaks=True).fit(learned)
        (self.words,) = (name for name, kind in self.model.views_.items() if kind == "text")
        (self.shown,) = (name for name, kind in self.model.views_.items() if kind == "image")
        self.rows, self.told, self.known = (
            self.placed(views, name)
            for views, name in ((folder, self.shown), (folder, self.words), (learned, self.shown))
        )

    def placed(self, views: Views, name: str) -> np.ndarray:
        """A view's rows, of length 1."""
        column = self.model.placed(name, views)[0]
        rows: np.ndarray = normalize(np.asarray(column.items)[column.index[column.index >= 0]])
        return rows

    def said(self, texts: list[str]) -> np.ndarray:
        """Texts in the space."""
        return self.placed(Views({self.words: Column("text", texts)}), self.words)


def trial(old: Side, new: Side, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """What every way keeps."""
    n, rng = len(old.rows), np.random.default_rng(seed)
    order = rng.permutation(n)
    tenth, half = order[: round(SAMPLE * n)], order[: n // 2]
    true = new.told @ new.rows.T
    first = np.argsort(-true, axis=1, kind="stable")[:, :NEAREST]
    own = np.arange(n)

    def kept(scores: np.ndarray) -> dict[str, float]:
        found = np.argsort(-scores, axis=1, kind="stable")[:, :NEAREST]
        same = [len(set(a) & set(b)) / NEAREST for a, b in zip(first.tolist(), found.tolist(), strict=True)]
        hits = [(one == own[:, None]).any(axis=1).mean() for one in (found, first)]
        return {"nearest": float(np.mean(same)), "found": float(hits[0] / hits[1])}

    def mapped(across: Map, encoded: np.ndarray = tenth) -> dict[str, float]:
        rows = across(old.rows)
        rows[encoded] = new.rows[encoded]
        return kept(new.told @ rows.T)

    rest, asked = texts_of((old.model, new.model), (), seed)
    sample = (old.rows[tenth], new.rows[tenth])
    besides = {
        "alone": (old.rows[:0], new.rows[:0]),
        "texts": (old.said(rest), new.said(rest)),
        "learned": held_by_both((old.model, new.model), old.shown, sample[0], seed),
    }
    besides["both"] = tuple(np.concatenate(one) for one in zip(besides["texts"], besides["learned"], strict=True))
    queries = Asked("texts", new.said(asked), np.full(len(asked), -1))
    for name, beside in besides.items():
        across = Map(*(np.concatenate([mine, more]) for mine, more in zip(sample, beside, strict=True)))
        for what, share in (("rotation", 0.0), ("ridge", 1.0)):
            across.share = share
            yield f"{what}.{name}", mapped(across)
        if name == "both":
            held = held_out(sample, beside, tenth, seed)
            across.share, loss = lost(sample[1], held, queries, n)
            yield "switched", (ours := mapped(across))
            yield "half", mapped(across, half)
            owners = Asked("captions", new.told[tenth], np.arange(len(tenth)))
            own_loss = lost(sample[1], held, owners, n)[1]["found"]
            yield (
                "stated",
                {
                    "nearest": loss["nearest"]["value"] - ours["nearest"],
                    "found": own_loss["value"] - ours["found"],
                    "holds": float(own_loss["low"] <= ours["found"] <= own_loss["high"]),
                    "share": across.share,
                },
            )
    shuffled = Map(sample[0], sample[1][rng.permutation(len(tenth))])
    yield "chance", mapped(shuffled, tenth[:0])
    yield "old", kept(old.told @ old.rows.T)
    yield "R@10", {"new": kept_at(true), "old": kept_at(old.told @ old.rows.T)}


def kept_at(scores: np.ndarray) -> float:
    """R@10 of captions whose pictures are of the same row."""
    own = scores[np.arange(len(scores)), np.arange(len(scores))]
    return float(((scores > own[:, None]).sum(axis=1) < NEAREST).mean())


def one(pack: str) -> dict[str, Any]:
    views = pictures(pack)
    views = views[np.logical_and.reduce([views.present(name) for name in views.names])]
    views = views[np.unique(np.asarray(views.ids).astype(str), return_index=True)[1]]  # one caption a picture
    runs: dict[str, dict[str, dict[str, list[float]]]] = {}
    rest = len(views) - LEARNED
    for seed, split in redrawn(views, {"train": LEARNED, "folder": rest}, SPLITS):
        learned, folder = views[split == "train"], views[split == "folder"]
        old = Side(learned, folder, {})
        for change, encoders in CHANGES.items():
            for way, values in trial(old, Side(learned, folder, encoders), seed):
                for what, value in values.items():
                    runs.setdefault(change, {}).setdefault(way, {}).setdefault(what, []).append(value)
            say(pack, seed, change, {w: [round(v[-1], 3) for v in of.values()] for w, of in runs[change].items()})
    return {
        change: {
            way: {
                what: float(np.mean(values)) if what in PLAIN else redrawn_interval(np.array(values), rest, LEARNED)
                for what, values in of.items()
            }
            for way, of in ways.items()
        }
        for change, ways in runs.items()
    }


def main() -> None:
    args = arguments(__doc__, PACKS).parse_args()
    warnings.simplefilter("ignore")
    finish({pack: one(pack) for pack in args.parts or PACKS}, FIGURES, args)


if __name__ == "__main__":
    main()
