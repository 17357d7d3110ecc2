"""What an explainer promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.contracts._probe import Probe, Promise, hold, reloaded, stateless
from chiasm.explain import Explainer
from chiasm.media.images import decode_image
from chiasm.views import ABSENT, Column, Views

__all__ = ["BASE", "PROMISES"]

BASE = Explainer

SIDE = 96
ROWS = 4
"""The generated pictures: gray noise, a red square in one quarter of each."""


class Reddest:
    """A part that scores pairs by how red a picture is, and how often a text says red; `deaf`: by nothing."""

    def __init__(self, deaf: bool = False):
        self.deaf = deaf

    def pair_scores(self, query: Views, candidates: Views) -> np.ndarray:
        """`(n,)`, whichever column is asked about."""
        (column,) = candidates.columns.values()
        items = column.take(column.index)
        return np.array([0.0 if self.deaf else self._red(item) for item in items])

    def _red(self, item: Any) -> float:
        if isinstance(item, str):
            return float(item.split().count("red"))
        pixels = np.asarray(decode_image(item, SIDE)[0], dtype=np.float64)
        return float((pixels[..., 0] - pixels[..., 1:].max(axis=-1)).clip(50).mean())


def gives_rows_and_columns_back(on: Probe) -> None:
    """The same rows and columns come back, a dict an item, and what is absent stays absent."""
    index = np.array([0, ABSENT, 2, 3])
    views = _views()
    views = views.replace({"text": views["text"], "picture": views["picture"].at(index)})
    told = on.make().explain(Reddest(), views)
    hold(told.names == views.names and len(told) == len(views), f"of {views!r} it makes {told!r}")
    for name in told.names:
        there = told.present(name).tolist()
        hold(there == [True, False, True, True], f"{name}: of four rows, the second not whole, it tells {there}")
        each = [told[name].items[i] for i in told[name].index if i != ABSENT]
        hold(all(_found(one) or isinstance(one.get("withheld"), str) for one in each), f"{name}: it tells {each[:1]}")


def beats_random_deletion(on: Probe) -> None:
    """What it tells is worth more than random blobs of equal area, and the word that counts more than any other."""
    told, views, part = _told(on), _views(), Reddest()
    rng = np.random.default_rng(0)
    for row, one in enumerate(told["picture"].items):
        region = one.get("region")
        hold(region, f"picture {row}: a red square decides, and it tells {one}")
        mask = np.array([[cell == "1" for cell in line] for line in region["mask"]])
        picture = views["picture"].items[row]

        def lost(mask: np.ndarray, picture: np.ndarray = picture) -> float:
            at = np.arange(SIDE) * len(mask) // SIDE
            less = np.where(mask[np.ix_(at, at)][..., None], np.uint8(128), picture)
            whole, left = part.pair_scores(views, Views({"picture": Column("image", [picture, less])}))
            return float(whole - left)

        random = np.mean([lost(np.roll(mask, tuple(rng.integers(len(mask), size=2)), (0, 1))) for _ in range(20)])
        hold(lost(mask) > 2 * random, f"picture {row}: its region costs {lost(mask):.2f}, random ones {random:.2f}")
    for row, one in enumerate(told["text"].items):
        words = one.get("words") or []
        best = max(words, key=lambda word: word["share"], default=None)
        hold(best and best["word"] == "red" and best["share"] > 0.5, f"text {row}: red decides, and it tells {one}")


def tells_nothing_of_chance(on: Probe) -> None:
    """A score that depends on nothing in an item is told nothing of: it is withheld, with a reason."""
    told = on.make().explain(Reddest(deaf=True), _views())
    for name in told.names:
        for one in told[name].items:
            hold("withheld" in one and not _found(one), f"{name}: every score is 0, and it tells {one}")


def tells_the_same_twice(on: Probe) -> None:
    """The same pair is told the same twice."""
    again = on.make().explain(Reddest(), _views())
    hold(_items(again) == _items(_told(on)), "it tells otherwise the second time: draw by a seed")


def keeps_nothing_of_a_call(on: Probe) -> None:
    """No state of the last call: explaining leaves nothing on it."""
    explainer, views = on.make(), _views()
    stateless(on, explainer, *(lambda some=some: explainer.explain(Reddest(), some) for some in (views, views[:1])))


def comes_back_from_disk(on: Probe) -> None:
    """Saved and loaded it tells the same."""
    with reloaded(on, on.make()) as again:
        hold(_items(again.explain(Reddest(), _views())) == _items(_told(on)), "it tells otherwise")


def _views() -> Views:
    rng = np.random.default_rng(0)
    pictures = []
    for row in range(ROWS):
        picture = np.repeat(rng.integers(60, 200, (SIDE, SIDE, 1), dtype=np.uint8), 3, axis=-1)
        top, left = SIDE // 2 * (row // 2), SIDE // 2 * (row % 2)
        picture[top + 4 : top + 40, left + 4 : left + 40] = (230, 10, 10)
        pictures.append(picture)
    texts = ["a red bus", "the bus that is red", "red paint", "no bus so red as this"]
    return Views({"text": Column("text", texts), "picture": Column("image", pictures)})


def _told(on: Probe) -> Views:
    told: Views = on.once("told", lambda: on.make().explain(Reddest(), _views()))
    return told


def _items(told: Views) -> dict[str, Any]:
    return {name: told[name].items for name in told.names}


def _found(one: Any) -> bool:
    return bool(one.get("words") or one.get("region"))


PROMISES = tuple(
    Promise.of(keep)
    for keep in (
        gives_rows_and_columns_back,
        beats_random_deletion,
        tells_nothing_of_chance,
        tells_the_same_twice,
        keeps_nothing_of_a_call,
        comes_back_from_disk,
    )
)
