"""Cells -> records: the numbers and categories of a table's row as one item, a dict of field -> number or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.data.dates import date_parts
from chiasm.data.table import Cells
from chiasm.errors import ChiasmError
from chiasm.views import Column

__all__ = ["MISSING", "record_column"]

MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?", "-", "–", "—")
"""What stands for no number in a column of numbers, in small or capital letters."""


def record_column(
    cells: Cells,
    numbers: Mapping[str, str],
    categories: Mapping[str, str],
    rows: Sequence[int],
    dates: Mapping[str, str] | None = None,
) -> Column:
    """A column of records, one a row, absent where every field is empty; equal records are one item.

    Args:
        cells: a table's. numbers, categories: field -> column. rows: `(n,)` the table's row of each row.
        dates: name -> column; each makes several fields (`chiasm.data.dates.PARTS`).

    Raises a ChiasmError for a text that is no number or no date, a list in a cell, a column that is empty in every
    row, and a field that is named twice.
    """
    if twice := sorted(numbers.keys() & categories.keys()):
        raise ChiasmError(f"wanted {twice[0]!r} as a number or as a category, got both: name it once, or rename one.")
    fields: dict[str, list[Any]] = {}
    for name, column in {**numbers, **categories}.items():
        cell = _number if name in numbers else _category
        fields[name] = [cell(value, column, row) for row, value in enumerate(cells[column])]
        if all(value is None for value in fields[name]):
            raise ChiasmError(f"column {column!r} is empty in all {len(fields[name])} rows: nothing to read.")
    for name, column in (dates or {}).items():
        parts = date_parts(cells[column], column, MISSING)
        if parts is None:
            raise ChiasmError(f"column {column!r} is empty in all {len(cells[column])} rows: nothing to read.")
        if twice := sorted({f"{name} {part}" for part in parts} & fields.keys()):
            raise ChiasmError(f"two fields would be named {twice[0]!r}: rename one.")
        fields |= {f"{name} {part}": values for part, values in parts.items()}
    records = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
    held = [record if any(value is not None for value in record.values()) else None for record in records]
    return Column.from_cells("record", [held[row] for row in rows])


def _number(value: Any, column: str, row: int) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return None
    try:
        if (isinstance(value, str) and "_" in value) or _several(value):  # Python takes 2020_12 for a number
            raise ValueError
        number = float(value)
    except (ValueError, TypeError):
        raise ChiasmError(
            f"column {column!r}, row {row + 1}: wanted a number, got {str(value)[:40]!r}: write it as 1234.5, empty "
            "the cell, or read the column as category='COL'."
        ) from None
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
    return str(value).strip() or None


def _several(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)
