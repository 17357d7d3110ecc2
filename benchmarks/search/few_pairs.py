"""What the names of an image classifier are worth beside 0 to 1,497 pairs, on photographs and where they know nothing.

`python -m benchmarks.search.few_pairs [SET ...]`. `auto` with the names of effnet_image and without, on the same pairs;
five seeds draw the pairs and the scored rows anew, and everything is chosen inside the n pairs. Twice: with nothing but
the n pairs; and as a user grows a folder, n captions beside all pictures, those that are scored too, of
which no caption is seen (0 pairs: none at all). rsum = R@1 + R@5 + R@10 both ways, in points of 600; intervals of
differences are Nadeau & Bengio's over the five draws, with the ratio of scored rows to the others: draws of n pairs
share few rows, and at small n that may be too narrow.

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

BESIDE = 100
"""The most captions that are put beside all pictures."""

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
        (".beside", ("beside",), "rsum of 600 of `auto` with names, all pictures known without captions", {}),
        (".grown", ("grown",), "what these captions add to the rsum of none", {"format": "+.1f"}),
        (".grown.least", ("grown", "least"), "the least that they add in a draw", {"format": "+.1f"}),
        (".without", ("without",), "rsum of 600 of `auto` without names", {}),
        (".gain", ("gain",), "what names add to the rsum", {"format": "+.1f"}),
        (".least", ("gain", "least"), "the least that they add in a draw", {"format": "+.1f"}),
        (".weight", ("weight",), "what names count of the score", {"format": ".2f"}),
    )
    if n or suffix == ".beside"
]


def shown(views: Views) -> str:
    """The view of pictures."""
    return next(name for name in views.names if views[name].modality == "image")


def captioned(views: Views, rows: np.ndarray) -> Views:
    """All pictures, and the words of some rows."""
    view = shown(views)
    (words,) = (name for name in views.names if name != view)
    index = np.full(len(views), ABSENT)
    index[rows] = views[words].index[rows]
    some = Column(views[words].modality, np.asarray(views[words].items), index)
    return views.replace({words: some, view: views[view]})


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
            here = found.setdefault(str(n), {"with names": [], "without": [], "beside": [], "weight": []})
            pairs = np.sort(order[:n])
            asked = {"beside": (captioned(views, pairs), known)} if n <= BESIDE else {}
            asked |= {"with names": (views[pairs], known), "without": (views[pairs], None)} if n else {}
            for what, (rows, offered) in asked.items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = Auto().fit(rows, known=offered)
                mapped = model.transform(test)
                here[what].append(600 * recall_sum(test, {v: c.items[c.used] for v, c in mapped.columns.items()}))
                if what == ("with names" if n else "beside"):
                    here["weight"].append(model.chosen_["bridge"])
        say(name, seed, {n: [round(v[-1], 2) for v in one.values() if v] for n, one in found.items()})
    table: dict[str, Any] = {}
    for n, values in found.items():
        table[n] = {what: spread(each) for what, each in values.items() if each}
        if values["without"]:
            gap = np.subtract(values["with names"], values["without"])
            table[n]["gain"] = apart(values["with names"], values["without"], gallery, len(views) - gallery)
            table[n]["gain"]["least"] = round(float(gap.min()), 1)
        if values["beside"] and n != "0":
            grown = np.subtract(values["beside"], found["0"]["beside"])
            table[n]["grown"] = apart(values["beside"], found["0"]["beside"], gallery, len(views) - gallery)
            table[n]["grown"]["least"] = round(float(grown.min()), 1)
    return table


def main() -> None:
    args = arguments(__doc__, SETS).parse_args()
    finish({name: one(name) for name in args.parts or SETS}, FIGURES, args)


if __name__ == "__main__":
    main()
