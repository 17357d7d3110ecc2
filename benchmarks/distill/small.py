"""A small encoder in a large one's space: hashed letters instead of e5_text, learned from texts alone.

`python -m benchmarks.distill.small [--splits 3]`: coco2k, the splits of `benchmarks.search.coco2k`; rsum of 600, chance
11. The large encoder of texts is e5_text, the small one hashed_text (no network, no weights); pictures in effnet_image.
Ridge regression (`align/ridge`, its ridge chosen on a part of its texts) tells e5's vectors from hashed ones, and a
space that was made with e5 is searched by the small one.

- with pairs: `large` is `cca` (ridge 3) on 1,497 pairs by e5, `small` the same pairs by hashed_text. `told` is the
  space of `large` asked through the regression, learned from the captions of these pairs; `told more`: from 20,000
  texts of other packs as well.
- without any pair: `auto` by the names that effnet_image knows and unpaired pictures (`benchmarks.search.no_captions`),
  by e5 (`large`), and by hashed letters told from those 20,000 texts (`told`). A small encoder alone has no such space.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import COCO2K, encoded, pictures, table, texts
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.align.auto import Auto
from chiasm.align.cca import CCA
from chiasm.align.ridge import Ridge
from chiasm.encoding import Encoding
from chiasm.stats.relevance import recall_sum
from chiasm.views import ABSENT, Column, Views

OTHERS, CHOOSE = 20_000, 2_000
"""Texts of other packs, and of these how many choose the ridge."""
WAYS = {
    "large": "e5_text",
    "small": "hashed_text alone",
    "told": "hashed_text, told from the captions",
    "told more": "hashed_text, told from 20,000 other texts too",
    "unpaired large": "e5_text, no pair",
    "unpaired told": "hashed_text told from 20,000 texts, no pair",
}

FIGURES = [
    *(
        Figure(name.replace(" ", "_"), ("rsum", name), f"coco2k, {words}: rsum of 600", n="{splits} splits")
        for name, words in WAYS.items()
    ),
    *(
        Figure(
            f"{name.replace(' ', '_')}.gain",
            ("less small", name),
            f"coco2k, {WAYS[name]}, less hashed_text alone: rsum of 600",
            format="+.1f",
            n="{splits} splits",
        )
        for name in ("told", "told more")
    ),
]


def hashed(texts: Column) -> np.ndarray:
    found = Encoding({"text": "hashed_text"}).fit_transform(Views({"text": texts}))["text"]
    return np.asarray(found.take(found.index), dtype=np.float32)


def teacher(small: np.ndarray, large: np.ndarray, val: int) -> Ridge:
    """Large vectors from small ones; the last `val` rows choose the ridge, the rest is learned from."""

    def rows(part: slice) -> Views:
        return Views({"small": Column("vector", small[part]), "large": Column("vector", large[part])})

    return Ridge(target="large").fit(rows(slice(None, -val)), val=rows(slice(-val, None)))


def told(ridge: Ridge, small: np.ndarray) -> np.ndarray:
    """Large vectors of rows that have small ones."""
    mapped = ridge.transform(Views({"small": Column("vector", small)}))["small"].items
    found: np.ndarray = np.asarray(mapped) + ridge.means_["large"]
    return found.astype(np.float32)


def run(splits: int) -> dict[str, Any]:
    raw = pictures("coco2k")
    names = Encoding().fit(raw).known()
    views = encoded(raw)
    large, image = (np.asarray(views[name].items)[views[name].index] for name in ("caption", "image"))
    small = hashed(Column("text", [raw["caption"].items[at] for at in raw["caption"].index]))
    own = set(table("coco2k")["caption"])
    other = Column("text", [text for text in texts()["text"].items[: 2 * OTHERS] if text not in own][:OTHERS])
    more = encoded(Views({"text": other}))["text"]
    other_large, other_small = np.asarray(more.items)[more.index], hashed(other)
    without = teacher(other_small, other_large, CHOOSE)
    say("texts told")
    runs = Runs()
    for seed, split in redrawn(views, COCO2K, splits):
        learned, test = np.flatnonzero(split == "train"), split == "test"

        def rsum(space: Any, words: np.ndarray, test: np.ndarray = test) -> dict[str, float]:
            asked = Views({"caption": Column("vector", words[test]), "image": Column("vector", image[test])})
            mapped = space.transform(asked)
            used = {name: column.items[column.used] for name, column in mapped.columns.items()}
            return {"rsum": 600 * recall_sum(asked, used)}

        spaces = {
            name: CCA(ridge=3.0, seed=0).fit(
                Views({"caption": Column("vector", words[learned]), "image": Column("vector", image[learned])})
            )
            for name, words in (("large", large), ("small", small))
        }
        val = len(learned) // 8
        mine = teacher(small[learned], large[learned], val)
        every = [np.concatenate([b, a[learned]]) for a, b in ((small, other_small), (large, other_large))]
        both = teacher(*every, val)
        known = np.flatnonzero(~test)
        t = len(known)
        index = np.concatenate([np.arange(t), np.full(t, ABSENT)])
        unpaired = Views(
            {"caption": Column("vector", large[known], index), "image": Column("vector", image[known], index[::-1])}
        )
        free = Auto().fit(unpaired, known=names)
        for name, space, words in (
            ("large", spaces["large"], large),
            ("small", spaces["small"], small),
            ("told", spaces["large"], told(mine, small)),
            ("told more", spaces["large"], told(both, small)),
            ("unpaired large", free, large),
            ("unpaired told", free, told(without, small)),
        ):
            runs.add(name, rsum(space, words))
        say(seed, runs.last("rsum"))
    sizes = COCO2K["test"], COCO2K["train"]
    return {
        "splits": splits,
        "rsum": {name: of["rsum"] for name, of in runs.spreads().items()},
        "less small": {
            name: apart(runs[name]["rsum"], runs["small"]["rsum"], *sizes) for name in ("told", "told more")
        },
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=3)
    args = parser.parse_args()
    finish(run(args.splits), FIGURES, args)


if __name__ == "__main__":
    main()
