"""Files one after the other, without a question: in the order in which they were seen or by their dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from chiasm.collection._catalog import Catalog, Item
from chiasm.errors import ChiasmError, unknown
from chiasm.index import Where
from chiasm.where import Typed, columned, fitting, holds, seconds, typed

__all__ = ["ORDERS", "listed"]

ORDERS = ("", "date", "-date")
"""As they were seen; the oldest first; the newest first."""

_CHUNK = 1000


def listed(
    catalog: Catalog, columns: Mapping[str, str], state: str, after: int, k: int, where: Where, sort: str
) -> list[Item]:
    """The first k files of a state that meet the conditions and follow one, by its key; -1: from the first on.

    Args:
        columns: what is known of files, with types. state: left out, all. sort: one of `ORDERS`; what has no date
            comes last.

    Raises a ChiasmError for another order, conditions that are none, and for a key to go on from that is not there.
    """
    if sort not in ORDERS:
        raise unknown("order", sort, ORDERS[1:])
    conditions = typed(where, columns)
    found = _dated(catalog, state, after, sort) if sort else _seen(catalog, state, after, k)
    met = (item for some in found for item in _meeting(some, conditions, columns))
    return list(islice(met, k))


def _seen(catalog: Catalog, state: str, after: int, k: int) -> Iterator[list[Item]]:
    """All that follow by key, some at a time."""
    count = k
    while some := catalog.items("id > ? AND ? IN ('', state)", [after, state], count):
        yield some
        after, count = some[-1].id, _CHUNK


def _dated(catalog: Catalog, state: str, after: int, sort: str) -> Iterator[list[Item]]:
    """All that follow by date, some at a time."""
    told = catalog.read("SELECT id, json_extract(facts, '$.date') FROM items WHERE ? IN ('', state)", (state,))
    sign, last = (-1.0 if sort.startswith("-") else 1.0), float("inf")
    dates = {id_: last if (at := seconds(date or "")) is None else sign * at for id_, date in told}
    order = sorted(dates, key=lambda id_: (dates[id_], id_))
    if after >= 0 and after not in dates:
        raise ChiasmError(f"wanted a file that is here to go on from, got {after}, which is not: begin anew.")
    start = order.index(after) + 1 if after >= 0 else 0
    for at in range(start, len(order), _CHUNK):
        held = catalog.by_id(order[at : at + _CHUNK])
        yield [held[id_] for id_ in order[at : at + _CHUNK] if id_ in held]


def _meeting(items: Sequence[Item], conditions: Sequence[Typed], columns: Mapping[str, str]) -> list[Item]:
    """Those of which all conditions hold."""
    if not conditions:
        return list(items)
    kinds = {one.column: columns[one.column] for one in conditions}
    values = fitting((item.facts for item in items), kinds)
    table = {name: columned(values[name], kind, name) for name, kind in kinds.items()}
    return [items[i] for i in np.flatnonzero(holds(conditions, table, len(items))).tolist()]
