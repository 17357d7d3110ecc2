"""What the rows hold that a model learns from: how many things have which views, what is absent, what has no label."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.column import missing
from chiasm.views import Views

__all__ = ["coverage", "told"]


def coverage(views: Views, learn: np.ndarray) -> dict[str, Any]:
    """Plain counts of encoded rows: an item that could not be read is absent.

    Args:
        views: all rows. learn: `(n,)` mask of those that are learned from.

    Returns rows, things, absent (rows by view), unlabeled (rows, where there are labels), whole (things with two views
    or more, all and learned from) and pairs (by two views the things that have both, all and learned from).

    >>> from chiasm.views import Column
    >>> rows = Views({"a": Column("text", ["x", "y", "z"]), "b": Column.from_cells("text", ["u", None, "v"])})
    >>> found = coverage(rows, np.array([True, True, False]))
    >>> found["absent"], found["pairs"]
    ({'a': 0, 'b': 1}, {'a + b': {'all': 2, 'learned': 1}})
    """
    codes, things = views.codes, views.things
    have = {name: _things(codes[views.present(name)], things) for name in views.names}
    mine = {name: _things(codes[views.present(name) & learn], things) for name in views.names}
    found: dict[str, Any] = {
        "rows": len(views),
        "things": things,
        "absent": {name: int((~views.present(name)).sum()) for name in views.names},
        "whole": {"all": _whole(have), "learned": _whole(mine)},
        "pairs": {
            f"{a} + {b}": {"all": int((have[a] & have[b]).sum()), "learned": int((mine[a] & mine[b]).sum())}
            for a, b in combinations(views.names, 2)
        },
    }
    if views.label is not None:
        found["unlabeled"] = sum(missing(one) or (isinstance(one, str) and not one) for one in views.label.tolist())
    return found


def told(counts: Mapping[str, Any], *, pairs: bool = False) -> list[str]:
    """What a person should know of `coverage`, a sentence a line; nothing where nothing is absent.

    Args:
        counts: what `coverage` gave. pairs: whether pairs are what is learned from; they are told then too.
    """
    rows, lines = counts["rows"], []
    if pairs:
        lines = [
            f"pairs: {one['all']} of {counts['things']} things have {name}, {one['learned']} of them learned from"
            for name, one in counts["pairs"].items()
            if one["all"] < counts["things"]
        ]
    lines += [f"{name}: absent in {n} of {rows} rows" for name, n in counts["absent"].items() if n]
    if n := counts.get("unlabeled"):
        lines.append(f"label: absent in {n} of {rows} rows")
    return lines


def _things(codes: np.ndarray, n: int) -> np.ndarray:
    mask = np.zeros(n, dtype=bool)
    mask[codes] = True
    return mask


def _whole(have: Mapping[str, np.ndarray]) -> int:
    return int((np.sum(list(have.values()), axis=0) > 1).sum())
