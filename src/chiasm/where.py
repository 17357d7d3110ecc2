"""Conditions on what is known of items beside their vectors: "date>=2024-05", typed, never a string of SQL."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, unknown

__all__ = ["TYPES", "Condition", "Typed", "columned", "holds", "parse", "seconds", "typed"]

TYPES = ("text", "number", "date", "category", "path")
"""What a column of metadata may hold."""

_ORDERED = ("=", "!=", "<", "<=", ">", ">=")
_ALLOWED = {
    "text": ("=", "!=", "~"),
    "number": _ORDERED,
    "date": _ORDERED,
    "category": ("=", "!="),
    "path": ("=", "!=", "~"),
}
_WRITTEN = re.compile(r"\s*(?P<column>[^=!<>~]+?)\s*(?P<op>>=|<=|!=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?)?)?")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_EPOCH = dt.datetime(1970, 1, 1)


class Condition(NamedTuple):
    """A column, one of = != < <= > >= ~ and a value, as it was asked."""

    column: str
    op: str
    value: Any


class Typed(NamedTuple):
    """A condition whose value is what its column holds: text in lower case, a path, a number, a date's span."""

    column: str
    type: str
    op: str
    value: Any


def parse(written: str) -> Condition:
    """A condition as it is written: `size>3`, `date>=2024-05`, `path=holiday/2024`, `caption~dog`.

    Raises a ChiasmError for what is none.

    >>> parse("date >= 2024-05")
    Condition(column='date', op='>=', value='2024-05')
    """
    found = _WRITTEN.fullmatch(written)
    if found is None or not found["value"]:
        raise ChiasmError(
            f"wanted a condition such as size>3, date>=2024-05, path=holiday/2024 or caption~dog, got {written!r}."
        )
    return Condition(found["column"], found["op"], found["value"])


def typed(where: Iterable[Condition | str] | str | None, columns: Mapping[str, str]) -> list[Typed]:
    """Conditions, all of which are to hold, with values of their columns' types.

    - number: = != < <= > >=.
    - date: the same; a date may be a year, a month, a day or a moment: `date=2024-05` is any time in that month,
      `date<=2024-05` until its end.
    - category: = and !=, whatever the case.
    - text: ~ is "holds these letters", whatever the case; = and != compare the whole text.
    - path: = is the path itself or anything below that folder, exactly as it is written; ~ is "holds these letters",
      where A to Z are the same as a to z.

    Args:
        where: conditions, or as they are written. columns: name -> type of what is known.

    Raises a ChiasmError for a column that is not known, an operator that its type has not, and a value of another type.
    """
    given = [where] if isinstance(where, str | Condition) else list(where or ())
    return [_typed(parse(one) if isinstance(one, str) else Condition(*one), columns) for one in given]


def _typed(one: Condition, columns: Mapping[str, str]) -> Typed:
    if one.column not in columns:
        if not columns:
            raise ChiasmError(f"wanted no condition, got one on {one.column!r}: nothing is known beside the vectors.")
        raise unknown("column", one.column, columns)
    kind = columns[one.column]
    if one.op not in _ALLOWED[kind]:
        raise ChiasmError(f"{one.column} holds {kind}: wanted one of {' '.join(_ALLOWED[kind])}, got {one.op!r}.")
    value: Any = one.value
    if kind == "number":
        value = _number(value)
        if value is None:
            raise ChiasmError(f"{one.column} holds numbers: wanted a number, got {one.value!r}.")
    elif kind == "date":
        value = _span(value)
        if value is None:
            raise ChiasmError(f"{one.column} holds dates: wanted 2024, 2024-05 or 2024-05-31, got {one.value!r}.")
    else:
        value = str(value) if kind == "path" else _folded(str(value))
        if kind == "path":
            value = _lowered(value) if one.op == "~" else value.removeprefix("./").rstrip("/")
    return Typed(one.column, kind, one.op, value)


def columned(values: Sequence[Any], kind: str, column: str) -> np.ndarray:
    """What is known of n items as a column of the type `(n,)`: float64 (NaN: not known), or text ("": not known).

    Dates are seconds since 1970. Text and categories are kept in lower case: they are only compared.

    Raises a ChiasmError for a value that is not of the type, by its place.
    """
    made: list[Any] = []
    for place, value in enumerate(values):
        absent = value is None or value == "" or (isinstance(value, float) and math.isnan(value))
        if kind in ("number", "date"):
            found = math.nan if absent else _number(value) if kind == "number" else seconds(value)
            if found is None:
                raise ChiasmError(f"{column} holds a {kind} an item: wanted one, got {value!r} (item {place}).")
            made.append(found)
        else:
            made.append("" if absent else str(value).removeprefix("./") if kind == "path" else _folded(str(value)))
    return np.array(made, dtype=np.float64 if kind in ("number", "date") else object)


def holds(conditions: Iterable[Typed], table: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """`(count,)` the items of which all conditions hold; of what is not known none does."""
    mask = np.ones(count, dtype=bool)
    for one in conditions:
        mask &= _holds(one, table[one.column])
    return mask


def _holds(one: Typed, values: np.ndarray) -> np.ndarray:
    found: np.ndarray
    if one.type in ("number", "date"):
        low, high = one.value if one.type == "date" else (one.value, np.nextafter(one.value, np.inf))
        found = {
            "=": (values >= low) & (values < high),
            "!=": (values < low) | (values >= high),
            "<": values < low,
            "<=": values < high,
            ">": values >= high,
            ">=": values >= low,
        }[one.op]
        return found
    if one.op == "~":
        fold = _lowered if one.type == "path" else str
        return np.fromiter((one.value in fold(value) for value in values), bool, len(values))
    same = values == one.value
    if one.type == "path":
        below = f"{one.value}/"
        same |= np.fromiter((value.startswith(below) for value in values), bool, len(values))
    found = (same if one.op == "=" else ~same) & (values != "")
    return found


def seconds(value: Any) -> float | None:
    """A date as seconds since 1970, as it is written, whatever its zone; of a span its start. None for no date."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, dt.datetime):
        return (value.replace(tzinfo=None) - _EPOCH).total_seconds()
    if isinstance(value, dt.date):
        value = value.isoformat()
    span = _span(value)
    return None if span is None else span[0]


def _span(value: Any) -> tuple[float, float] | None:
    """The `[low, high)` seconds of a year, month, day, minute or second; None for what is no date."""
    found = _DATE.fullmatch(str(value).strip().removesuffix("Z"))
    if found is None:
        return None
    year, month, day, hour, minute, second = (None if part is None else int(part) for part in found.groups())
    try:
        start = dt.datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
    except ValueError:
        return None
    if month is None:
        length = dt.timedelta(days=366 if calendar.isleap(start.year) else 365)
    elif day is None:
        length = dt.timedelta(days=calendar.monthrange(start.year, start.month)[1])
    else:
        length = dt.timedelta(days=1) if hour is None else dt.timedelta(seconds=60 if second is None else 1)
    low = (start - _EPOCH).total_seconds()
    return low, low + length.total_seconds()


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _lowered(path: str) -> str:
    """A to Z in lower case and nothing else: what every database does alike."""
    return path.translate(_LOWER)


def _folded(text: str) -> str:
    return text.casefold()
