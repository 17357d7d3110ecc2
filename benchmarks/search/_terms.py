"""What benchmarks/search/compound.py asks of: two packs, their attributes and words, and each draw's shared space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks._sets import encoded, files, pictures, table
from benchmarks._trials import redrawn, say
from chiasm.align.auto import Auto
from chiasm.encoding import Encoding
from chiasm.views import Column, Views, normalize

__all__ = ["COLORS", "DRAWS", "LEAST", "Drawn", "coco", "drawn", "ikea", "pairs", "precision"]

SHARES = {"train": 0.5, "val": 0.25, "test": 0.25}
DRAWS = 6
COLORS = ("white", "black", "grey", "beige", "green", "blue", "red", "pink", "yellow", "turquoise", "orange", "brown")
SAID, LEAST, TOGETHER = 20, 5, (0.12, 0.7)
PLAIN = set(
    "a an the of on in with and is at to are it its that his her their for by from up next some two three near while "
    "over front top down out into has this there he she one other very as be being around off through under behind "
    "which them they all s each several many lots".split()
)


class Drawn(NamedTuple):
    """One draw: everything in the shared space, of length 1, without the correction for hubs."""

    parts: np.ndarray
    items: np.ndarray
    words: np.ndarray
    owed: np.ndarray
    """What each item owes to being near everything, by texts."""
    space: Callable[[Sequence[str]], np.ndarray]


def drawn(views: Views, raw: Views, shown: str, said: str, words: Sequence[str]) -> Iterator[Drawn]:
    """Draws of a pack in which `shown` are pictures and `said` are texts."""
    encoding = Encoding().fit(raw)
    names = encoding.known()

    def texts(some: Sequence[str]) -> np.ndarray:
        listed = sorted(set(some))
        found = np.asarray(encoding.transform(Views({said: Column("text", listed)}))[said].items)
        place = {text: i for i, text in enumerate(listed)}
        return found[[place[text] for text in some]]

    told = texts(words)
    for seed, parts in redrawn(views, SHARES, DRAWS):
        model = Auto(seed=seed).fit(views[parts == "train"], val=views[parts == "val"], known=names)
        pictures_ = views[shown]
        mapped = model.transform({shown: np.asarray(pictures_.items)[pictures_.index]})[shown].items

        def space(rows: np.ndarray, model: Auto = model) -> np.ndarray:
            return normalize(model.without_correction(model.transform({said: rows})[said].items))

        bare = model.without_correction(mapped)
        asks = model.transform({said: told[:1]})[said].items
        correction = (
            ((mapped - bare) @ asks[0])
            / np.linalg.norm(bare, axis=1).mean()
            / np.linalg.norm(model.without_correction(asks))
        )
        say(seed, model.choices()["bridge"])
        yield Drawn(
            parts, normalize(bare), space(told), correction - correction.mean(), lambda some, s=space: s(texts(some))
        )


def precision(scores: np.ndarray, right: np.ndarray) -> float:
    """Average precision of a ranking `(n,)`, given which are right."""
    found = right[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())


def ikea() -> tuple[Views, Views, np.ndarray, np.ndarray, list[str]]:
    """Raw and encoded products, which color each has, its type and its own words."""
    facts = table("ikea", "items.parquet")
    has = np.array([[one in (colors or "").lower().split(",") for one in COLORS] for colors in facts["color"]])
    cards = [f"{(c or '').replace(',', ', ')} {t}".strip() for c, t in zip(facts["color"], facts["type"], strict=True)]
    paths = files("ikea", "image", "items.parquet")
    raw = Views({"card": Column.from_cells("text", cards), "picture": Column("image", paths)})
    return raw, encoded(raw), has, np.array(facts["type"], dtype=object), cards


def coco() -> tuple[Views, Views, np.ndarray, list[str]]:
    """Raw and encoded photographs, and which words their captions hold `(n, m)`."""
    raw = pictures("coco2k")
    captions = [str(raw["caption"].items[p]).lower() for p in raw["caption"].index]
    held = [set(re.findall("[a-z]+", caption)) - PLAIN for caption in captions]
    often = Counter(word for words in held for word in words)
    vocabulary = sorted(word for word, n in often.items() if n >= SAID)
    return raw, encoded(raw), np.array([[word in words for word in vocabulary] for words in held]), vocabulary


def pairs(has: np.ndarray) -> list[tuple[int, int]]:
    """Words that are said together often enough to ask for the one without the other."""
    both, count = has.T.astype(int) @ has.astype(int), has.sum(axis=0)
    share = both / np.maximum(count, 1)[:, None]
    able = (both >= LEAST) & (share >= TOGETHER[0]) & (share <= TOGETHER[1]) & (count[:, None] - both >= LEAST)
    np.fill_diagonal(able, False)
    return [(int(a), int(b)) for a, b in zip(*np.nonzero(able), strict=True)]
