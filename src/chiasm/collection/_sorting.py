"""What files are sorted by: their value in a column, of its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.collection._catalog import Catalog
from chiasm.errors import unknown
from chiasm.where import columned, fitting

__all__ = ["ordered"]

_MANY = 500


def ordered(catalog: Catalog, hits: Sequence[dict[str, Any]], column: str) -> list[Any]:
    """The values of hits in a column: numbers, seconds of dates, texts in lower case; None where it is not known.

    Raises a ChiasmError for a column that is not known.
    """
    kinds: dict[str, str] = catalog.fact("columns")
    if column not in kinds:
        raise unknown("column to sort by", column, kinds)
    names = [hit["item"] for hit in hits]
    facts: dict[str, dict[str, Any]] = {}
    for start in range(0, len(names), _MANY):
        some = names[start : start + _MANY]
        marks = ", ".join("?" * len(some))
        facts |= {item.name: item.facts for item in catalog.items(f"name IN ({marks})", some)}
    known = fitting((facts.get(name, {}) for name in names), {column: kinds[column]})
    values = columned(known[column], kinds[column], column).tolist()
    return [None if value == "" or (isinstance(value, float) and np.isnan(value)) else value for value in values]
