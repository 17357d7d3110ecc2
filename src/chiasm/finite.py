"""Numbers at the door: what holds NaN, infinity or a number too large to square is refused by view and row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.frames import is_matrix
from chiasm.tokens import Tokens
from chiasm.views import Column, Views, as_views

__all__ = ["LARGEST", "check_array", "check_column", "check_varied", "checked"]

LARGEST = 1e15
"""The largest number that is taken; squares of larger ones, summed, leave the range of single precision."""
_LEAST = 1e-15
"""The least spread that is told from none, absolute and as a share of the largest number."""
_CHUNK = 4096


def checked(data: Any, names: Iterable[str] | None = None) -> Views:
    """`as_views`, every vector of it finite: the door of what learns from vectors or maps them.

    Args:
        names: the views that are looked at, one of which numbers without a name are; by default all.

    Raises a ChiasmError that names the view and the row. A row that is absent, or of an array wholly NaN, is no fault.
    """
    views = as_views(data, dict.fromkeys(names or (), "vector") if is_matrix(data) else None)
    for name, column in views.columns.items():
        if names is None or name in names:
            check_column(name, column)
    return views


def check_column(name: str, column: Column) -> None:
    """Raise a ChiasmError when an item that some row refers to is not finite, or beyond `LARGEST`; raw items pass."""
    if isinstance(column.items, Tokens):
        finite = column.items.finite()
        if wrong := [p for p in column.used.tolist() if not finite[p]]:
            raise _refused(f"view {name!r}, row {_row(column, wrong[0])}", "NaN or infinity", len(wrong))
    elif len(getattr(column.items, "shape", ())) == 2:
        used = column.used
        for start in range(0, len(used), _CHUNK):
            part = used[start : start + _CHUNK]
            values = np.asarray(column.items[part])
            if not _fine(values, name):
                place = _first(values)
                told = f"view {name!r}, row {_row(column, int(part[place]))}"
                raise _refused(told, _said(values[place]), _count(column))


def check_array(values: Any, what: str) -> np.ndarray:
    """`(n, d)` numbers, all finite and within `LARGEST`; a ChiasmError names `what` and the row otherwise."""
    try:
        found = np.asarray(values)
        if found.ndim != 2:
            raise ChiasmError(f"wanted {what} (n, d), got an array of shape {found.shape}.")
    except ValueError:
        raise ChiasmError(f"wanted {what} (n, d), got rows of different lengths.") from None
    if not _fine(found, what):
        place = _first(found)
        raise _refused(f"{what}, row {place}", _said(found[place]), sum(_wrong(found)))
    return found


def check_varied(views: Views) -> None:
    """Raise a ChiasmError for a view whose items are all the same numbers: there is nothing to tell apart."""
    for name, column in views.columns.items():
        used = column.used
        if len(used) < 2 or len(getattr(column.items, "shape", ())) != 2 or isinstance(column.items, Tokens):
            continue
        low = high = np.asarray(column.items[used[:1]]).astype(np.float64)[0]
        for start in range(0, len(used), _CHUNK):
            values = np.asarray(column.items[used[start : start + _CHUNK]])
            low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
            if (high - low).max(initial=0) > _LEAST * max(1.0, np.abs([low, high]).max(initial=0)):
                break
        else:
            held = "the same numbers" if (high == low).all() else f"numbers that differ by {(high - low).max():.1g}"
            raise ChiasmError(
                f"view {name!r} holds {held} in all of its {len(used)} items: wanted items that differ; leave the view "
                "out" + ("." if (high == low).all() else ", or scale it up.")
            )


def _fine(values: np.ndarray, what: str) -> bool:
    if values.dtype.kind not in "fiub":
        raise ChiasmError(f"wanted numbers in {what!r}, got {values.dtype}: convert them, or name their modality.")
    if not values.size:
        return True
    low, high = float(values.min()), float(values.max())  # NaN comes through both; half precision holds no LARGEST
    return bool(low >= -LARGEST and high <= LARGEST)


def _wrong(values: np.ndarray) -> list[bool]:
    far: np.ndarray = ~(np.abs(values.astype(np.float64)) <= LARGEST)
    return list(map(any, far.tolist()))


def _first(values: np.ndarray) -> int:
    return _wrong(values).index(True)


def _said(row: np.ndarray) -> str:
    """What is wrong with a row, in a word."""
    worst = row.astype(np.float64)[~(np.abs(row.astype(np.float64)) <= LARGEST)][0]
    return "NaN" if np.isnan(worst) else "infinity" if np.isinf(worst) else f"{worst:.3g}"


def _row(column: Column, item: int) -> int:
    return int(np.flatnonzero(column.index == item)[0])


def _count(column: Column) -> int:
    used = column.used
    parts = (used[start : start + _CHUNK] for start in range(0, len(used), _CHUNK))
    wrong = [item for part in parts for item, bad in zip(part, _wrong(column.items[part]), strict=True) if bad]
    return int(np.isin(column.index, wrong).sum())


def _refused(where: str, held: str, rows: int) -> ChiasmError:
    more = f" ({rows} such rows)" if rows > 1 else ""
    if held[0] not in "Ni":
        return ChiasmError(f"{where} holds {held}{more}: wanted numbers within +-{LARGEST:g}; scale the column.")
    return ChiasmError(f"{where} holds {held}{more}: wanted finite numbers; fill them in, or leave the row absent.")
