"""Conditions on what is known of items beside their vectors: "date>=2024-05", typed, never a string of SQL."""

from __future__ import annotations

import calendar
import datetime as dt
import math
import os
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, unknown

__all__ = ["TYPES", "Condition", "Typed", "columned", "fitting", "holds", "parse", "seconds", "shown", "typed"]

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
_DATE = re.compile(
    r"(\d{4})(?:(?P<sep>[-/])(\d{1,2})(?:(?P=sep)(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?)?)?",
    re.ASCII,
)
_CHINESE = re.compile(r"(\d{4})年(?:(\d{1,2})月(?:(\d{1,2})[日号])?)?", re.ASCII)
_LONG = 60
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
      `date<=2024-05` until its end. 2024/5/3 and 2024年5月3日 are the day, too.
    - category: = and !=, whatever the case.
    - text: ~ is "holds these letters", whatever the case; = and != compare the whole text.
    - path: = is the path itself or anything below that folder, exactly as it is written; ~ is "holds these letters",
      where A to Z are the same as a to z.

    Args:
        where: conditions, or as they are written. columns: name -> type of what is known.

    Raises a ChiasmError for a column that is not known, an operator that its type has not, and a value of another type.
    """
    given: Any = [where] if isinstance(where, str | Condition) else where or ()
    if isinstance(given, Mapping | bytes) or not isinstance(given, Iterable):
        raise ChiasmError(f"wanted conditions such as ['size>3', 'date>=2024-05'], got {shown(given)}.")
    return [_typed(parse(one) if isinstance(one, str) else _condition(one), columns) for one in given]


def _condition(one: Any) -> Condition:
    if not isinstance(one, list | tuple) or len(one) != 3 or not all(isinstance(part, str) for part in one[:2]):
        raise ChiasmError(f"wanted a condition as ('size', '>', 3) or as 'size>3', got {shown(one)}.")
    if not _plain(one[2]):
        raise ChiasmError(f"{one[0]}: wanted a number, a text or a date to compare with, got {shown(one[2])}.")
    return Condition(*one)


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
            raise ChiasmError(f"{one.column} holds numbers: wanted a number, got {shown(one.value)}.")
    elif kind == "date":
        value = _span(value)
        if value is None:
            raise ChiasmError(f"{one.column} holds dates: wanted 2024, 2024-05 or 2024-05-31, got {shown(one.value)}.")
    else:
        text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
        value = _spelled(text) if kind == "path" else _folded(text)
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
        absent = value is None or (isinstance(value, str) and not value) or _is_nan(value)
        if not absent and not _plain(value):
            raise ChiasmError(f"{column} holds a {kind} an item: wanted one, got {shown(value)} (item {place}).")
        if kind in ("number", "date"):
            found = math.nan if absent else _number(value) if kind == "number" else seconds(value)
            if found is None:
                raise ChiasmError(f"{column} holds a {kind} an item: wanted one, got {shown(value)} (item {place}).")
            made.append(found)
        else:
            text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            told = _spelled(text).removeprefix("./") if kind == "path" else _folded(text)
            made.append("" if absent else told)
    return np.array(made, dtype=np.float64 if kind in ("number", "date") else object)


def fitting(facts: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> dict[str, list[Any]]:
    """What is known of n items, by column, as an index takes it: None where a value is not of its column's type.

    >>> fitting([{"price": 3}, {"price": "three"}, {}], {"price": "number"})
    {'price': [3, None, None]}
    """
    listed = list(facts)
    return {name: [_fits(one.get(name), kind) for one in listed] for name, kind in columns.items()}


def _fits(value: Any, kind: str) -> Any:
    read = {"number": _number, "date": seconds}.get(kind)
    return value if read is None or read(value) is not None else None


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
    written = unicodedata.normalize("NFKC", str(value)).strip().removesuffix("Z")
    written = _CHINESE.sub(lambda found: "-".join(part for part in found.groups() if part), written)
    found = _DATE.fullmatch(written)
    if found is None:
        return None
    parts = found.group(1, 3, 4, 5, 6, 7)
    year, month, day, hour, minute, second = (None if part is None else int(part) for part in parts)
    try:
        first = (1 if month is None else month, 1 if day is None else day)
        start = dt.datetime(year or 0, *first, hour or 0, minute or 0, second or 0)
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
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _lowered(path: str) -> str:
    """A to Z in lower case and nothing else: what every database does alike."""
    return path.translate(_LOWER)


def _folded(text: str) -> str:
    return _spelled(text.casefold())


def _spelled(text: str) -> str:
    """Bytes of file names that are no UTF-8 are spelled out, since no database takes them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Any) -> bool:
    """Whether a value is a number, a text, a path or a date."""
    return isinstance(value, str | os.PathLike | int | float | np.number | np.bool_ | dt.date | np.datetime64)


def _is_nan(value: Any) -> bool:
    """Whether it is the number, or the moment, that is none."""
    return isinstance(value, float | np.floating | np.datetime64 | dt.date) and bool(value != value)


def shown(value: Any) -> str:
    """What came, for a sentence: not more of it than a line takes."""
    try:
        said = repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"an integer of {value.bit_length()} bits"
    return said if len(said) <= _LONG else f"{said[:_LONG]}..."
