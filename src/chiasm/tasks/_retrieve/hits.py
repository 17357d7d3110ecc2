"""From an index to hits: dicts a query, overlapping moments passed over, several views' hits merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from chiasm.errors import unknown
from chiasm.index import Index
from chiasm.media.windows import suppress
from chiasm.views import Column, Views

__all__ = ["Gallery", "Hit", "described", "hit_of", "merged", "numbered"]

Table = Mapping[str, np.ndarray]
"""What is known of each item of a gallery, by name: `(m,)` arrays; the index's keys are places in them."""
Hit = dict[str, Any]


class Gallery:
    """Items of one view that can be searched: an index, whose keys are places in a table of what is known of each.

    Another one keeps `index` and says what `best` is. Where it ranks by something else than cosines with the query, it
    has `accepting`, which says what counts.
    """

    def __init__(self, index: Index, table: Table):
        self.index = index
        self.table = table

    def best(self, vectors: np.ndarray, k: int) -> list[list[Hit]]:
        """The k best hits of each query `(q, d)`: score and what the table knows.

        Where the table knows moments (`file`, `start`, `end`), a hit hides what overlaps it.
        """
        if "start" in self.table:
            return [_moments(self.index, self.table, vector, k) for vector in vectors]
        keys, scores = self.index.search(vectors, k)
        return [
            [hit_of(self.table, key, score) for key, score in zip(row, row_scores, strict=True)]
            for row, row_scores in zip(keys.tolist(), scores.tolist(), strict=True)
        ]

    def values(self, hits: list[Hit], column: str) -> list[Any]:
        """What hits are known by in a column, None where it is not known, to sort by."""
        columns = [name for name in self.table if name not in ("names", "shares")]
        if column not in columns:
            raise unknown("column to sort by", column, columns)
        return [hit.get(column) for hit in hits]


def described(column: Column, views: Views, rows: np.ndarray) -> dict[str, np.ndarray]:
    """What is known of the used items of a column, which some rows refer to first; of moments their file and times."""
    table = {
        "item": np.array([column.label(p) for p in column.used.tolist()], dtype=object),
        "id": np.array([str(i) for i in views.ids[rows]], dtype=object),
    }
    if "start" in views.facts:
        table |= {fact: views.facts[fact][rows] for fact in ("file", "start", "end")}
    return table


def merged(each: Mapping[str, list[list[Hit]]], k: int, skip: int = 0) -> list[list[Hit]]:
    """The k best of several views' hits less the first `skip`, each told its `view`; by view, of the same queries."""
    together: list[list[Hit]] = []
    for rows in zip(*each.values(), strict=True):
        found = [
            {"score": hit["score"], "view": view, **hit} for view, row in zip(each, rows, strict=True) for hit in row
        ]
        together.append(sorted(found, key=lambda hit: -hit["score"])[skip:k])
    return together


def numbered(found: list[list[Hit]], skip: int = 0) -> list[list[Hit]]:
    """The hits with their `rank`, 1 is the best, of which the first `skip` were passed over."""
    return [[{"rank": rank, **hit} for rank, hit in enumerate(row, skip + 1)] for row in found]


def _moments(index: Index, table: Table, vector: np.ndarray, k: int) -> list[Hit]:
    """The k best moments that do not overlap, asked for one after the other."""
    seen: list[tuple[int, float]] = []

    def spans() -> Iterator[tuple[Any, float, float]]:
        for key, score in index.ranked(vector):
            seen.append((key, score))
            yield table["file"][key], float(table["start"][key]), float(table["end"][key])

    return [hit_of(table, *seen[place]) for place in suppress(spans(), k)]


def hit_of(table: Table, key: int, score: float) -> Hit:
    """What is known of the item of a key, and its score."""
    return {"score": score, **{name: _value(values[key]) for name, values in table.items()}}


def _value(value: Any) -> Any:
    """A plain value of an array's."""
    return value.item() if isinstance(value, np.generic) else value
