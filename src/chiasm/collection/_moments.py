"""Long sounds and videos of a collection: one file, a key in the index for each of its moments."""

from __future__ import annotations

import numpy as np

from chiasm.collection._catalog import Item
from chiasm.media.windows import starts
from chiasm.views import Views

__all__ = ["item_of", "key_of", "keys_of", "rows_of", "span_of"]

_BITS = 20


def key_of(id_: int, place: int) -> int:
    """The key of an item's moment: the item's own id for its first, or for the whole of it; others are below 0."""
    return -((id_ << _BITS) | place) if place else id_


def item_of(key: int) -> int:
    """The id of the item that a key is of."""
    return key if key >= 0 else -key >> _BITS


def keys_of(item: Item) -> list[int]:
    """All keys of an item, as it was taken in."""
    cut = item.facts.get("cut")
    return [key_of(item.id, place) for place in range(1 if cut is None else len(starts(cut[0], cut[1])))]


def span_of(item: Item, key: int) -> tuple[float, float] | None:
    """From where to where the moment of a key is, in seconds; None for an item that is whole."""
    cut = item.facts.get("cut")
    if cut is None:
        return None
    length, seconds = cut
    start = float(starts(length, seconds)[0 if key >= 0 else -key & ((1 << _BITS) - 1)])
    return start, start + seconds


def rows_of(views: Views, names: list[str]) -> list[list[int]]:
    """The rows of each file: one, or one a moment."""
    if "file" not in views.facts:
        return [[row] for row in range(len(names))]
    found: dict[str, list[int]] = {name: [] for name in names}
    for row, name in enumerate(np.asarray(views.facts["file"]).tolist()):
        found[name].append(row)
    return list(found.values())
