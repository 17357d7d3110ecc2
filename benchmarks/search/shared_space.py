"""What captions add to a space that two encoders share already (CLIP's kind): never less than the space itself?

`python -m benchmarks.search.shared_space [SET ...]`. No such encoders are at hand, so the space is learned: canonical
directions of e5_text's and effnet_image's features, whose vectors are then what two encoders would give, with nothing
said but that they share a space (`chiasm.known.Same`).

- boxes: learned from the 159 photographs of boxes_words (those that coco2k has too are left out) and their captions;
  coco2k is searched. A space of other data, rather poor.
- coco2k, ikea, web_news_zh: learned from 900 rows of the pack, which are then gone; the others are searched. Good.

`auto` with n pairs, and with n captions beside all pictures, those that are scored too: what it adds to the rsum of
the space's own cosines, over ten re-drawn splits; and what the same pairs give without the space. rsum = R@1 + R@5 +
R@10 both ways, in points of 600; gallery 300 rows (200 of news). The share of the correction for hubs (n / (n + 100)),
the least of 50 pairs and the one standard error were chosen on the splits of boxes, coco2k and ikea; web_news_zh was
not looked at. Intervals are Nadeau & Bengio's, with the ratio of scored rows to those that pairs are drawn from: at
small n that may be too narrow.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import encoded, pack, pictures, table
from benchmarks._trials import Figure, apart, arguments, finish, redrawn, say, spread
from chiasm.align.auto import Auto
from chiasm.align.cca import CCA
from chiasm.known import KnownPairs, Same
from chiasm.stats.relevance import recall_sum
from chiasm.views import ABSENT, Column, Views

SETS = {"boxes": ("coco2k", 300), "coco2k": ("coco2k", 300), "ikea": ("ikea", 300), "web_news_zh": ("web_news_zh", 200)}
"""What is searched, and the rows of its gallery."""

PAIRS = (10, 30, 50, 100, 300)
LEARNED, SPLITS = 900, 10

FIGURES = [
    Figure(f"{name}.own", (name, "own"), f"{name}: rsum of 600 of the shared space itself", n="{n} splits")
    for name in SETS
] + [
    Figure(f"{name}.{n}.{how}{suffix}", (name, str(n), how, *key), f"{name}, {n} {what}{more}", n="{n} splits", **form)
    for name in SETS
    for n in PAIRS
    for how, what in (
        ("pairs", "pairs: added to the space"),
        ("beside", "captions beside all pictures: added to the space"),
        ("without", "pairs without the space, less the space itself"),
    )
    for suffix, key, more, form in (
        ("", (), "", {"format": "+.1f"}),
        (".least", ("least",), ", the least of a split", {"format": "+.1f"}),
    )
]


def captioned(name: str) -> Views:
    """Rows of one text and one picture, in the default encoders' features, as views words and image."""
    views = encoded(pictures(name))
    view = next(one for one in views.names if views[one].modality == "image")
    (words,) = (one for one in views.names if one != view)
    both = views[views.present(words) & views.present(view)]
    return both.replace({"words": _vectors(both, words), "image": _vectors(both, view)})


def boxes() -> Views:
    """boxes_words without the photographs that coco2k has, a row a caption."""
    twice = {str(i) for i, held in zip(*(table("boxes_words")[c] for c in ("id", "in_coco2k")), strict=True) if held}
    raw = chiasm.read(pack("boxes_words") / "data.parquet", text={"words": "captions"}, image="image", id="id")
    views = encoded(raw[~np.isin(raw.ids.astype(str), list(twice))])
    return views.replace({name: _vectors(views, name) for name in views.names})


def _vectors(views: Views, name: str) -> Column:
    return Column("vector", np.asarray(views[name].items), views[name].index)


def spaces(name: str) -> Iterator[tuple[int, Views, np.ndarray, np.ndarray]]:
    """(seed, all rows in the shared space, rows to learn from, rows to score) of each split."""
    pack_, gallery = SETS[name]
    views = captioned(pack_)
    others = CCA().fit(boxes()) if name == "boxes" else None
    first = 0 if others else LEARNED
    shares = {"space": first, "train": views.things - first - gallery, "test": gallery}
    for seed, split in redrawn(views, {part: n for part, n in shares.items() if n}, SPLITS):
        shared = (others or CCA().fit(views[split == "space"])).transform(views)
        yield seed, shared, split == "train", split == "test"


def one(name: str) -> dict[str, Any]:
    found: dict[str, list[float]] = {}
    others = 0
    for seed, shared, train, test in spaces(name):
        others = int(train.sum())
        known: KnownPairs = {("words", "image"): Same(shared["image"].items.shape[1])}
        rows = shared[test]
        found.setdefault("own", []).append(_rsum(rows, rows))
        order = np.random.default_rng(seed).permutation(np.flatnonzero(train))
        kept = np.flatnonzero(train | test)
        seen = shared[kept]
        for n in PAIRS:
            pairs = np.sort(order[:n])
            index = np.where(np.isin(kept, pairs), seen["words"].index, ABSENT)
            beside = seen.replace({"words": _at(seen["words"], index), "image": seen["image"]})
            asked = {"pairs": (shared[pairs], known), "beside": (beside, known), "without": (shared[pairs], None)}
            for how, (learned, offered) in asked.items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = Auto().fit(learned, known=offered)
                found.setdefault(f"{n} {how}", []).append(_rsum(rows, model.transform(rows)))
        say(name, seed, {what: round(values[-1] - found["own"][-1], 1) for what, values in found.items()})
    own = found.pop("own")
    result: dict[str, Any] = {"own": spread(own)}
    for what, values in found.items():
        n, how = what.split()
        result.setdefault(n, {})[how] = apart(values, own, SETS[name][1], others)
        result[n][how]["least"] = round(float(np.subtract(values, own).min()), 1)
    return result


def _rsum(rows: Views, mapped: Views) -> float:
    return 600 * recall_sum(rows, {name: column.items[column.used] for name, column in mapped.columns.items()})


def _at(column: Column, index: np.ndarray) -> Column:
    return Column(column.modality, np.asarray(column.items), index)


def main() -> None:
    args = arguments(__doc__, SETS).parse_args()
    finish({name: one(name) for name in args.parts or SETS}, FIGURES, args)


if __name__ == "__main__":
    main()
