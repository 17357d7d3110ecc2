"""What a fitted part is asked about, as its views are: numbers in the order that was learned, as many of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from chiasm.column import Column
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.views import Views

__all__ = ["check_width", "features_of", "in_order"]


def features_of(views: Views) -> dict[str, list[str]]:
    """By view of vectors what the caller calls its numbers, where they have names: the columns of a DataFrame."""
    return {name: list(column.names) for name, column in views.columns.items() if column.names}


def in_order(views: Views, features: Mapping[str, Sequence[str]]) -> Views:
    """The views with the numbers of each vector in the order of `features`, where both have names.

    Numbers of other names are left out with a warning. An array has no names: its numbers are taken by their place, and
    so are those of a DataFrame that nobody named the columns of. Raises a ChiasmError for numbers that lack a name.
    """
    columns = {}
    for name, column in views.columns.items():
        known, given = list(features.get(name, ())), list(column.names or ())
        if not known or not given or given == known or _unnamed(known, given):
            continue
        if lacks := [one for one in known if one not in given]:
            raise ChiasmError(
                f"view {name!r}: wanted the columns {_listed(known)}, which were learned from, got {_listed(given)}: "
                f"{_listed(lacks)} {'is' if len(lacks) == 1 else 'are'} missing. Name them alike, or pass an array, "
                "whose numbers are taken by their place."
            )
        if more := [one for one in given if one not in known]:
            warnings.warn(
                f"view {name!r}: not looked at, the model has learned from no such columns: {_listed(more)}",
                ChiasmWarning,
                stacklevel=4,
            )
        place = np.array([given.index(one) for one in known])
        items = np.asarray(column.items)[:, place]
        columns[name] = Column(column.modality, items, column.index, labels=column.labels, names=known)
    return views.replace({**views.columns, **columns}) if columns else views


def check_width(name: str, got: int, width: int) -> None:
    """Raise a ChiasmError unless the vectors of a view have as many numbers as those that were learned from."""
    if got != width:
        raise ChiasmError(f"view {name!r}: wanted vectors of {width} numbers, got {got}: encode it as for fit.")


def _unnamed(*names: Sequence[str]) -> bool:
    """Whether some of them, and not all, are the numbers that pandas gives where nobody named the columns."""
    plain = [list(one) == [str(i) for i in range(len(one))] for one in names]
    return any(plain) and len({len(one) for one in names}) == 1 and set(names[0]) != set(names[1])


def _listed(names: Sequence[str], most: int = 9) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
