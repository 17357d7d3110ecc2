"""What a collection holds of one view, as a search sees it: the index's keys as files that are there."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Self

import numpy as np

from chiasm.collection._alike import keys, others
from chiasm.collection._catalog import Catalog, Item
from chiasm.collection._moments import item_of, span_of
from chiasm.collection._passed import beside
from chiasm.collection._sorting import ordered
from chiasm.index import Index, Where
from chiasm.media.windows import HIDDEN, overlap_of
from chiasm.views import normalize

__all__ = ["Gallery", "packed"]

_MORE = 24
"""Hits that are asked for beyond k, to pass some over."""
_CHUNK = 256
_FEW = 2048
"""Files that count for a query: where they are fewer, nobody looks on once all are found."""


class Gallery:
    """Files that can be searched and that meet some conditions; those of a group are one hit.

    Args:
        index: of one view; its keys are ids of the catalog. folder: where the files lie. where: conditions.
        grouped: whether equal files, the same picture and a burst are one hit; else every file is one.
    """

    def __init__(self, catalog: Catalog, index: Index, folder: Path, where: Where = None, grouped: bool = True):
        self.index = index
        self._grouped = grouped
        self._catalog = catalog
        self._folder = folder
        self._where = where
        self._bar: tuple[np.ndarray, np.ndarray | None] | None = None

    def accepting(self, least: np.ndarray, own: np.ndarray | None = None) -> Self:
        """The same files, of which each query finds only those that count for it, however they are ranked.

        Args:
            least: `(q,)` the cosines that count, from which on. own: `(q, d)` by which they are judged; None: those
                that are asked with. A hit's is put into it as `judged`, where hits are not ranked by it.
        """
        made = copy.copy(self)
        made._bar = (least, own)
        return made

    def best(self, vectors: np.ndarray, k: int) -> list[list[dict[str, Any]]]:
        """The k best files of each query `(q, d)`; the others of a hit's group are named in it, by level."""
        if not len(self.index):
            return [[] for _ in vectors]
        found = []
        if self._bar is not None and self._bar[1] is not None:
            for place, vector in enumerate(vectors):
                told: dict[int, dict[str, Any]] = {}
                ranked = self._accepted(self.index.ranked(vector, self._where), place, vectors, told)
                found.append(self._hits(ranked, k, told))
            return found
        found_keys, scores = self.index.search(vectors, k + _MORE, self._where)
        for vector, row, values in zip(vectors, found_keys.tolist(), scores.tolist(), strict=True):
            hits = self._hits(zip(row, values, strict=True), k)
            if len(hits) < k and len(row) == k + _MORE:  # many were passed over: as far as it takes
                hits = self._hits(self.index.ranked(vector, self._where), k)
            found.append(hits)
        return found

    def values(self, hits: list[dict[str, Any]], column: str) -> list[Any]:
        """What is known of the files of hits in a column, None where it is not known, as it is to be sorted."""
        return ordered(self._catalog, hits, column)

    @property
    def parts(self) -> tuple[Catalog, Index, Path, Where, bool]:
        """What it was made of."""
        return self._catalog, self.index, self._folder, self._where, self._grouped

    def _accepted(
        self, ranked: Iterable[tuple[int, float]], place: int, vectors: np.ndarray, told: dict[int, dict[str, Any]]
    ) -> Iterator[tuple[int, float]]:
        """Those of a query's ranked (key, score) that count for it; what they are judged by is put into `told`.

        Args:
            place: of the query among all `vectors` that are asked with.
        """
        if self._bar is None:
            yield from ranked
            return
        least, rows = float(self._bar[0][place]), vectors if self._bar[1] is None else self._bar[1]
        (own,) = normalize(rows[place : place + 1])
        nearest = self.index.ranked(own, self._where) if least < np.inf else iter(())
        count = sum(1 for _ in islice(takewhile(lambda pair: pair[1] >= least - 1e-6, nearest), _FEW))
        left, found = iter(ranked if count else ()), 0
        while (count == _FEW or found < count) and (some := list(islice(left, _CHUNK))):
            keys, held = self.index.vectors([key for key, _ in some])
            judged = dict(zip(keys.tolist(), (held @ own).tolist(), strict=True))
            for key, score in some:
                if judged.get(key, -np.inf) >= least:
                    told[key] = {**told.get(key, {}), "judged": judged[key]}
                    found += 1
                    yield key, score

    def _hits(
        self, ranked: Iterable[tuple[int, float]], k: int, told: Mapping[int, dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        """The k best of ranked (key, score), with what more is told of a key."""
        found: list[tuple[Item, int, float]] = []
        spans: dict[Any, list[tuple[float, float]]] = {}
        for item, key, score, group in self._there(iter(ranked), k + 1):
            span = span_of(item, key)
            taken = spans.get(group)
            if taken is not None and (span is None or any(overlap_of(span, one) > HIDDEN for one in taken)):
                continue
            if len(found) == k:
                break
            spans.setdefault(group, []).append(span or (0.0, float("inf")))
            found.append((item, key, score))
        items = [item for item, _, _ in found]
        named = others(self._catalog, self._folder, items) if self._grouped else {}
        near = beside(self._catalog, self._folder, items)
        more = told or {}
        return [
            {**_hit(item, key, score), **named.get(item.id, {}), **near[item.id], **more.get(key, {})}
            for item, key, score in found
        ]

    def _there(self, ranked: Iterator[tuple[int, float]], first: int) -> Iterator[tuple[Item, int, float, Any]]:
        """The ranked files that the ledger calls searchable and that have not gone since: key, score and group.

        Args:
            first: how many are looked up at first; often no more are needed.
        """
        count, within = min(first, _CHUNK), str(self._folder)
        while some := list(islice(ranked, count)):
            count = _CHUNK
            items = self._catalog.by_id(item_of(key) for key, _ in some)
            groups = keys(self._catalog, list(items.values())) if self._grouped else {}
            for key, score in some:
                item = items.get(item_of(key))
                if item is not None and item.state == "searchable" and os.path.exists(os.path.join(within, item.name)):
                    yield item, key, score, groups.get(item.id, item.id)


def packed(names: np.ndarray, shares: np.ndarray) -> bytes:
    """An item's leading names and their shares, as the catalog keeps them."""
    return names.astype("<i4").tobytes() + shares.astype("<f4").tobytes()


def _hit(item: Item, key: int, score: float) -> dict[str, Any]:
    hit: dict[str, Any] = {"score": score, "item": item.name, "id": item.name, "key": item.id}
    hit |= {"kind": item.facts["kind"]} if "kind" in item.facts else {}
    if span := span_of(item, key):
        hit |= {"item": f"{item.name} {span[0]:.1f}-{span[1]:.1f} s", "file": item.name}
        hit |= {"start": span[0], "end": span[1]}
    hit |= {name: item.facts[name] for name in ("date", "caption", "words", "pixels") if item.facts.get(name)}
    hit |= {"row": item.facts["row"]} if "row" in item.facts else {}
    if item.leading:
        half = len(item.leading) // 2
        hit["names"] = np.frombuffer(item.leading[:half], "<i4")
        hit["shares"] = np.frombuffer(item.leading[half:], "<f4")
    return hit
