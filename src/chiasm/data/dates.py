"""Dates -> parts of a record that a linear model can use: how late it is, and where in the year, week and day."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from math import cos, pi, sin
from typing import Any, NamedTuple

from chiasm.column import missing
from chiasm.data.notes import some
from chiasm.errors import ChiasmError

__all__ = ["PARTS", "date_parts"]

PARTS = ("days", "year", "month", "weekday", "hour", "year sin", "year cos", "day sin", "day cos")
"""The fields of a date, each named after it: `when days`."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LATE = ("pm", "下午", "晚上", "傍晚")
_EARLY = ("am", "上午", "凌晨", "早上")

_TIME = (
    r"(?:[T\s,]*(?P<half>上午|下午|晚上|傍晚|凌晨|早上|中午)?\s*(?P<H>\d{1,2})\s*(?:[:时點点])\s*(?:(?P<M>\d{1,2})\s*分?)?"
    r"(?::?\s*(?P<S>\d{1,2})(?:[.,]\d+)?\s*秒?)?\s*(?P<ampm>[ap]\.?m\.?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_NAMED = r"(?:[a-z]{3,9}\.?,?\s+)?"
_FORMS = [
    re.compile(form + _TIME, re.IGNORECASE)
    for form in (
        r"(?P<y>\d{4})\s*年\s*(?P<m>\d{1,2})\s*月(?:\s*(?P<d>\d{1,2})\s*[日号號])?",
        r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?!\d)",
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?!\d)",
        r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4})",
        _NAMED + r"(?P<d>\d{1,2})(?:st|nd|rd|th)?[\s-]+(?P<name>[a-z]{3,9})\.?,?[\s-]+(?P<y>\d{4})",
        _NAMED + r"(?P<name>[a-z]{3,9})\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})",
    )
]


class _Found(NamedTuple):
    """A date as it was written: with slashes, day and month may stand either way round."""

    year: int
    first: int
    second: int
    sure: bool
    """Whether `first` is the month; else the column decides."""
    time: tuple[int, int, int] | None


def date_parts(values: Sequence[Any], column: str, empty: Sequence[str] = ("",)) -> dict[str, list[Any]] | None:
    """The parts of each cell of a column by name (`PARTS`), None where it is missing; None where all are.

    `days` are days since 1970 with their fraction (scaled by what was learned, as every number of a record is, these
    tell how late a row is among the training rows), `year` and `month` numbers, `weekday` a category, `hour` 0 to 24;
    `year sin`, `year cos`, `day sin`, `day cos` the place in the year and in the day on a circle, on which December
    lies beside January. A date without a time of day has no hour. Times are taken as they are written, whatever their
    zone.

    Args:
        values: dates as texts (ISO 8601, 2024/3/5, 20240305, 5 March 2024, Mar 5, 2024, 2024年3月5日 下午3点), or
            objects of datetime, NumPy or pandas. 5.3.2024 is day first; of 5/3/2024 the column decides, where some row
            can only be read one way. column: its name, for errors. empty: texts that stand for no date.

    Raises a ChiasmError for a cell that is no date, and for dates that can be read two ways.

    >>> parts = date_parts(["2024-03-05 12:00", "2024年3月5日", None], "when")
    >>> parts["days"], parts["weekday"], parts["hour"]
    ([19787.5, 19787.0, None], ['Tuesday', 'Tuesday', None], [12.0, None, None])
    """
    found: list[_Found | None] = []
    wrong: list[int] = []
    for row, value in enumerate(values):
        try:
            found.append(_found(value, empty))
        except ValueError:
            found.append(None)
            wrong.append(row)
    if not wrong and all(one is None for one in found):
        return None
    try:
        day_first = _day_first(found, values, column)
    except ChiasmError:
        if wrong:
            raise _wrong(values, wrong, column) from None
        raise
    parts: dict[str, list[Any]] = {name: [] for name in PARTS}
    for row, one in enumerate(found):
        told: dict[str, Any] = {}
        if one is not None:
            month, day = (one.second, one.first) if day_first and not one.sure else (one.first, one.second)
            try:
                told = _parts(dt.datetime(one.year, month, day, *(one.time or (0, 0, 0))), one.time is not None)
            except ValueError:
                wrong.append(row)
        for name in PARTS:
            parts[name].append(told.get(name))
    if wrong:
        raise _wrong(values, sorted(wrong), column)
    return parts


def _parts(when: dt.datetime, timed: bool) -> dict[str, Any]:
    date, start = when.date(), dt.date(when.year, 1, 1)
    hour = when.hour + when.minute / 60 + when.second / 3600
    year = 2 * pi * (date - start).days / 366
    told: dict[str, Any] = {
        "days": date.toordinal() - dt.date(1970, 1, 1).toordinal() + hour / 24,
        "year": float(when.year),
        "month": float(when.month),
        "weekday": WEEKDAYS[when.weekday()],
        "year sin": sin(year),
        "year cos": cos(year),
    }
    day = 2 * pi * hour / 24
    return told | ({"hour": hour, "day sin": sin(day), "day cos": cos(day)} if timed else {})


def _found(value: Any, empty: Sequence[str]) -> _Found | None:
    """A cell as a date, None where it is empty; a ValueError where it is something else."""
    if missing(value) or (isinstance(value, str) and value.strip().lower() in empty):
        return None
    if hasattr(value, "astype"):  # of NumPy
        value = value.astype("datetime64[s]").item() if value.dtype.kind == "M" else value.item()
    if isinstance(value, dt.datetime):
        return _Found(value.year, value.month, value.day, True, (value.hour, value.minute, value.second))
    if isinstance(value, dt.date):
        return _Found(value.year, value.month, value.day, True, None)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        text = unicodedata.normalize("NFKC", value).strip()
        for form in _FORMS:
            if match := form.fullmatch(text):
                return _read(match.groupdict())
    raise ValueError


def _read(part: dict[str, str | None]) -> _Found:
    year = int(part["y"] or 0)
    time = _time(part)
    if part.get("a"):
        if part["sep"] == ".":
            return _Found(year, int(part["b"] or 0), int(part["a"] or 0), True, time)
        return _Found(year, int(part["a"] or 0), int(part["b"] or 0), part["a"] == part["b"], time)
    if name := part.get("name"):
        if name[:3].lower() not in _MONTHS:
            raise ValueError
        return _Found(year, _MONTHS.index(name[:3].lower()) + 1, int(part["d"] or 0), True, time)
    return _Found(year, int(part["m"] or 0), int(part.get("d") or 1), True, time)


def _time(part: dict[str, str | None]) -> tuple[int, int, int] | None:
    if not part["H"]:
        return None
    hour, half = int(part["H"]), part["half"] or (part["ampm"] or "").lower().replace(".", "")
    if half in _LATE and hour < 12:
        hour += 12
    elif half in _EARLY and hour == 12:
        hour = 0
    elif half == "中午" and hour < 3:
        hour += 12
    return hour, int(part["M"] or 0), int(part["S"] or 0)


def _day_first(found: Sequence[_Found | None], values: Sequence[Any], column: str) -> bool:
    """Whether the day stands first in dates with slashes; an error where the column does not tell."""
    open_ = [(row, one) for row, one in enumerate(found) if one is not None and not one.sure]
    days = next((row for row, one in open_ if one.first > 12), None)
    months = next((row for row, one in open_ if one.second > 12), None)
    if open_ and (days is None) == (months is None):
        row, why = open_[0][0], "does the day or the month stand first? No row tells"
        if days is not None and months is not None:
            row, why = max(days, months), "in other rows day and month stand the other way round"
        said = str(values[row])[:40]
        raise ChiasmError(f"column {column!r}, row {row + 1}: wanted a date, got {said!r}: {why}. Write 2024-03-05.")
    return days is not None


def _wrong(values: Sequence[Any], rows: Sequence[int], column: str) -> ChiasmError:
    """The error of the cells of these rows, which are no dates."""
    told = [f"row {row + 1}: got {str(values[row])[:40]!r}" for row in rows]
    what, it, cell = "a date", "it", "the cell"
    if len(rows) > 1:
        what, it, cell = f"dates in {len(rows)} cells", "each", "the cells"
    also = f" (also {some(told[1:])})" if told[1:] else ""
    return ChiasmError(
        f"column {column!r}, row {rows[0] + 1}: wanted {what}, got {str(values[rows[0]])[:40]!r}{also}: write {it} as "
        f"2024-03-05 or 2024-03-05 14:30, or empty {cell}."
    )
