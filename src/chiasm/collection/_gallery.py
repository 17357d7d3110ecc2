"""What a collection holds of one view, as a search sees it: the index's keys as files that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.collection._catalog import Catalog, Item
from chiasm.index import Index, Where

__all__ = ["Gallery", "packed"]

_MORE = 24
"""Hits that are asked for beyond k, to pass some over."""
_CHUNK = 256


class Gallery:
    """Files that can be searched and that meet some conditions; equal ones are one hit.

    Args:
        index: of one view; its keys are ids of the catalog. folder: where the files lie. where: conditions.
    """

    def __init__(self, catalog: Catalog, index: Index, folder: Path, where: Where = None):
        self.index = index
        self._catalog = catalog
        self._folder = folder
        self._where = where

    def best(self, vectors: np.ndarray, k: int) -> list[list[dict[str, Any]]]:
        """The k best files of each query `(q, d)`; those of the same bytes are told as `copies` of the first."""
        if not len(self.index):
            return [[] for _ in vectors]
        keys, scores = self.index.search(vectors, k + _MORE, self._where)
        found = []
        for vector, row, values in zip(vectors, keys.tolist(), scores.tolist(), strict=True):
            hits = self._hits(zip(row, values, strict=True), k)
            if len(hits) < k and len(row) == k + _MORE:  # many were passed over: as far as it takes
                hits = self._hits(self.index.ranked(vector, self._where), k)
            found.append(hits)
        return found

    def _hits(self, ranked: Iterable[tuple[int, float]], k: int) -> list[dict[str, Any]]:
        hits: dict[bytes, dict[str, Any]] = {}
        for item, score in self._there(iter(ranked)):
            if item.content in hits:
                hits[item.content].setdefault("copies", []).append(item.name)
            elif len(hits) < k:
                hits[item.content] = _hit(item, score)
            else:
                break
        return list(hits.values())

    def _there(self, ranked: Iterator[tuple[int, float]]) -> Iterator[tuple[Item, float]]:
        """The ranked files that the ledger calls searchable and that have not gone since."""
        while some := [pair for _, pair in zip(range(_CHUNK), ranked, strict=False)]:
            items = self._catalog.by_id(key for key, _ in some)
            for key, score in some:
                item = items.get(key)
                if item is not None and item.state == "searchable" and (self._folder / item.name).exists():
                    yield item, score


def packed(names: np.ndarray, shares: np.ndarray) -> bytes:
    """An item's leading names and their shares, as the catalog keeps them."""
    return names.astype("<i4").tobytes() + shares.astype("<f4").tobytes()


def _hit(item: Item, score: float) -> dict[str, Any]:
    hit = {"score": score, "item": item.name, "id": item.name}
    hit |= {name: item.facts[name] for name in ("date", "caption") if item.facts.get(name)}
    if item.leading:
        half = len(item.leading) // 2
        hit["names"] = np.frombuffer(item.leading[:half], "<i4")
        hit["shares"] = np.frombuffer(item.leading[half:], "<f4")
    return hit
