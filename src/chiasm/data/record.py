"""Cells -> records: the numbers and categories of a table's row as one item, a dict of field -> number or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.data.cells import MISSING as EMPTY
from chiasm.data.cells import EmptyError, is_missing, plain
from chiasm.data.checks import check_categories
from chiasm.data.dates import date_parts
from chiasm.data.notes import Noted, some
from chiasm.data.table import Cells
from chiasm.errors import ChiasmError
from chiasm.media.images import Note
from chiasm.moved import renamed
from chiasm.views import Column

__all__ = ["record_column"]


def record_column(
    cells: Cells,
    numbers: Mapping[str, str],
    categories: Mapping[str, str],
    rows: Sequence[int],
    notes: list[Noted] | None = None,
    dates: Mapping[str, str] | None = None,
    *,
    partial: bool = False,
) -> Column:
    """A column of records, one a row, absent where every field is empty; equal records are one item.

    Args:
        cells: a table's. numbers, categories: field -> column. rows: `(n,)` the table's row of each row.
        notes: is added what is odd about a column. dates: name -> column; each makes several fields
            (`chiasm.data.dates.PARTS`). partial: a column that is empty in every row is noted, as long as one is not.

    Raises a ChiasmError for texts that are no numbers (all of them told) or no dates, a list in a cell, and a field
    that is named twice; an `EmptyError` for a column that is empty in every row.
    """
    if twice := sorted(numbers.keys() & categories.keys()):
        raise ChiasmError(f"wanted {twice[0]!r} as a number or as a category, got both: name it once, or rename one.")
    fields: dict[str, list[Any]] = {}
    notes = [] if notes is None else notes
    wrong: list[str] = []
    empty: list[str] = []
    for name, column in {**numbers, **categories}.items():
        if name in numbers:
            fields[name] = [_number(value, column, row, wrong) for row, value in enumerate(cells[column])]
        else:
            fields[name] = [_category(value, column, row) for row, value in enumerate(cells[column])]
            notes += check_categories(fields[name], column)
        if not wrong and all(value is None for value in fields[name]):
            empty.append(column)
    if wrong:
        cell, what = ("the cell", "a number") if len(wrong) == 1 else ("the cells", f"numbers in {len(wrong)} cells")
        raise ChiasmError(
            f"{wrong[0].partition(': got')[0]}: wanted {what}, got {wrong[0].partition(': got ')[2]}"
            + (f" (also {some(wrong[1:], 9)})" if wrong[1:] else "")
            + f": write it as 1234.5, empty {cell}, or read the column as category='COL'."
        )
    told: list[str] = []
    for name, column in (dates or {}).items():
        try:
            parts = date_parts(cells[column], column, EMPTY)
        except ChiasmError as error:  # the next column may have wrong cells too
            told.append(str(error))
            continue
        if parts is None:
            empty.append(column)
            continue
        if twice := sorted({f"{name} {part}" for part in parts} & fields.keys()):
            raise ChiasmError(f"two fields would be named {twice[0]!r}: rename one.")
        fields |= {f"{name} {part}": values for part, values in parts.items()}
    if told:
        raise ChiasmError(" ".join(told))
    told = [f"column {column!r} is empty in all {len(cells[column])} rows: nothing to read." for column in empty]
    if told and not (partial and len(empty) < len(numbers) + len(categories) + len(dates or {})):
        raise EmptyError(told[0])
    notes += [("record", "", Note("nothing", one, skipped=True)) for one in told]
    records = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
    held = [record if any(value is not None for value in record.values()) else None for record in records]
    return Column.from_cells("record", [held[row] for row in rows])


def __getattr__(name: str) -> Any:
    return renamed(__name__, name)


def _number(value: Any, column: str, row: int, wrong: list[str]) -> float | None:
    """A cell of numbers; where it is none, that is added to `wrong`."""
    if value is None or (isinstance(value, str) and is_missing(value)):
        return None
    try:
        if (isinstance(value, str) and "_" in value) or _several(value):  # Python takes 2020_12 for a number
            raise ValueError
        number = float(value)
    except (ValueError, TypeError):
        wrong.append(f"column {column!r}, row {row + 1}: got {str(value)[:40]!r}")
        return None
    except OverflowError:
        number = float("inf")
    return None if number != number else number


def _category(value: Any, column: str, row: int) -> str | None:
    if _several(value):
        raise ChiasmError(
            f"column {column!r}, row {row + 1}: wanted one category, got {str(value)[:40]!r}: give each a column."
        )
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():  # 2 and an empty cell make a column of 2.0 and NaN
        value = int(value)
    return plain(value) or None


def _several(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)
