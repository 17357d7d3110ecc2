"""Files and answers of a collection as they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.serve import schemas as s

__all__ = ["LEVELS", "hit_of", "item_of"]

LEVELS = {"copies": "same_bytes", "same_picture": "same_picture", "burst": "burst"}
"""How near-duplicates are called in the collection, and here."""


def item_of(item: Mapping[str, Any], paths: bool) -> s.Item:
    """What is known of a file; its path for who may see paths."""
    width, height = _size(item)
    return s.Item(
        id=item["key"],
        state=item["state"],
        kind=item.get("kind") or item["view"],
        code=item["code"],
        path=item["item"] if paths else None,
        date=item.get("date"),
        caption=item.get("caption"),
        width=width,
        height=height,
    )


def hit_of(hit: Mapping[str, Any], keys: Mapping[str, int], paths: bool) -> s.Hit:
    """An answer; `keys` has those of the files that are nearly it, by their names."""
    alike = {
        told: [keys[name] for name in hit[level] if name in keys] for level, told in LEVELS.items() if level in hit
    }
    width, height = _size(hit)
    return s.Hit(
        id=hit["key"],
        rank=hit["rank"],
        score=round(hit["score"], 4),
        probability=hit.get("probability"),
        kind=hit.get("kind", ""),
        path=hit.get("file", hit["item"]) if paths else None,
        date=hit.get("date"),
        caption=hit.get("caption"),
        width=width,
        height=height,
        start=hit.get("start"),
        end=hit.get("end"),
        alike={level: ids for level, ids in alike.items() if ids},
        why=hit.get("why", {}),
    )


def _size(told: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Width and height of a file, where they are known. (In an older index of a table it may be a column's value.)"""
    pixels = told.get("pixels")
    return (int(pixels[0]), int(pixels[1])) if isinstance(pixels, list) else (None, None)
