"""What the names of an image classifier are worth beside 0 to 1,497 pairs, on photographs and where they know nothing.

`python -m benchmarks.search.few_pairs [SET ...]`. `auto` with the names of effnet_image and without, on the same pairs;
five seeds draw the pairs and the scored rows anew, and everything is chosen inside the n pairs. Without a pair the
scored pictures themselves are fitted, as a folder is. rsum = R@1 + R@5 + R@10 both ways, in points of 600; intervals of
differences are Nadeau & Bengio's over the five draws.

Sets: coco2k (photographs), web_news_zh (photographs, Chinese), ikea (products), openmoji_en and openmoji_zh (drawings,
names), covid_cxr (X-rays and notes: no name knows them). Gallery: 300 rows; 200 of news, 100 of X-rays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._sets import encoded, openmoji, pictures
from benchmarks._trials import Figure, apart, arguments, finish, redrawn, say, spread
from benchmarks._xrays import xrays
from chiasm.align.auto import Auto
from chiasm.encoding import Encoding
from chiasm.known import KnownPairs
from chiasm.stats.relevance import recall_sum
from chiasm.views import ABSENT, Column, Views

PAIRS = {"coco2k": (20, 50, 100, 300, 1000, 1497), "covid_cxr": (20, 50, 100, 300)}
SOME = (20, 100, 300)
SEEDS = 5


def _xrays() -> Views:
    views = xrays(False)[0]
    both = views[views.present("notes") & views.present("image")]
    return both.replace({"notes": both["notes"], "image": both["image"]})


SETS: dict[str, tuple[Callable[[], Views], int]] = {
    "coco2k": (lambda: pictures("coco2k"), 300),
    "web_news_zh": (lambda: pictures("web_news_zh"), 200),
    "ikea": (lambda: pictures("ikea"), 300),
    "openmoji_en": (openmoji, 300),
    "openmoji_zh": (lambda: openmoji("zh"), 300),
    "covid_cxr": (_xrays, 100),
}
FIGURES = [
    Figure(f"{name}.{n}{suffix}", (name, str(n), *key), f"{name}, {n} pairs: {what}", n=f"{SEEDS} draws", **how)
    for name in SETS
    for n in (0, *PAIRS.get(name, SOME))
    for suffix, key, what, how in (
        ("", ("with names",), "rsum of 600 of `auto` with names", {}),
        (".without", ("without",), "rsum of 600 of `auto` without names", {}),
        (".gain", ("gain",), "what names add to the rsum", {"format": "+.1f"}),
        (".least", ("gain", "least"), "the least that they add in a draw", {"format": "+.1f"}),
        (".weight", ("weight",), "what names count of the score", {"format": ".2f"}),
    )
    if n or suffix == ""
]


def shown(views: Views) -> str:
    """The view of pictures."""
    return next(name for name in views.names if views[name].modality == "image")


def silent(views: Views) -> Views:
    """The same pictures without their words."""
    view = shown(views)
    (words,) = (name for name in views.names if name != view)
    none = Column(views[words].modality, np.asarray(views[words].items), np.full(len(views), ABSENT))
    return views.replace({words: none, view: views[view]})


def one(name: str) -> dict[str, Any]:
    raw, gallery = SETS[name][0](), SETS[name][1]
    known: KnownPairs = Encoding().fit(raw).known()
    twins = Encoding().twins(raw)
    views = encoded(raw)
    found: dict[str, dict[str, list[float]]] = {}
    for seed, split in redrawn(views, {"train": len(views) - gallery, "test": gallery}, SEEDS, twins):
        test, train = views[split == "test"], np.flatnonzero(split == "train")
        order = np.random.default_rng(seed).permutation(train)
        for n in (0, *PAIRS.get(name, SOME)):
            rows = views[np.sort(order[:n])] if n else silent(test)
            here = found.setdefault(str(n), {"with names": [], "without": [], "weight": []})
            for what, offered in (("with names", known), ("without", None)):
                if not n and offered is None:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = Auto().fit(rows, known=offered)
                mapped = model.transform(test)
                here[what].append(600 * recall_sum(test, {v: c.items[c.used] for v, c in mapped.columns.items()}))
                if offered:
                    here["weight"].append(model.chosen_["bridge"])
        say(name, seed, {n: [round(v[-1], 2) for v in one.values() if v] for n, one in found.items()})
    table: dict[str, Any] = {}
    for n, values in found.items():
        table[n] = {what: spread(each) for what, each in values.items() if each}
        if values["without"]:
            gap = np.subtract(values["with names"], values["without"])
            table[n]["gain"] = apart(values["with names"], values["without"], gallery, len(views) - gallery)
            table[n]["gain"]["least"] = round(float(gap.min()), 1)
    return table


def main() -> None:
    args = arguments(__doc__, SETS).parse_args()
    finish({name: one(name) for name in args.parts or SETS}, FIGURES, args)


if __name__ == "__main__":
    main()
