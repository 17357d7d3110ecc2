"""A table of files as a collection sees it: each row's file, and the row's other cells, typed, to choose by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chiasm.collection._scan import Found, stamp
from chiasm.data.cells import composed, is_missing, media_cell, plain
from chiasm.data.notes import Noted
from chiasm.data.paths import OddPathError, Places
from chiasm.data.table import read_table
from chiasm.errors import ChiasmError
from chiasm.media.images import Note
from chiasm.where import seconds

__all__ = ["Plan", "planned", "scan_table"]

_FEW, _SHARE, _LONG = 20, 0.05, 40
"""Texts are categories where there are at most 20 of them, or 5 % of the rows, and none is longer than 40."""
_NEARLY = 0.9
"""The share of values that are numbers, or dates, from which on a column holds such: others are slips."""
_KEPT = ("cut", "odd", "pixels", "row", "said")
"""Names under which more is kept of a file."""
_SLASHED = re.compile(r"\d{4}/\d{1,2}(/\d{1,2})?\b")


class Plan(NamedTuple):
    """How a table is read, now and at every later look."""

    table: str
    """Where it lies."""
    paths: dict[str, str]
    """Column -> modality of the files that it names."""
    facts: dict[str, str]
    """Column -> the name under which it can be chosen by."""
    types: dict[str, str]
    """That name -> its type."""
    encoding: str


def planned(table: Path, paths: Mapping[str, str], own: Mapping[str, str], encoding: str) -> Plan:
    """What the columns of a table are: those of paths as named, the others by their values.

    A column of numbers is a number, of dates (2024-05-01, also with slashes) a date, where at least 90 % of its values
    are; of few short texts a category, of others a text; one without any value is left out. A column that is called as
    what is known of every file takes its place where it is of its type, and is else called `table.NAME`.

    Args:
        paths: column -> modality. own: what is known of every file, name -> type.

    Raises a ChiasmError for a table that cannot be read, or has none of the columns.
    """
    cells = read_table(table, encoding, list(paths)).cells
    here = {column: kind for column, kind in paths.items() if column in cells}
    if not here:
        raise ChiasmError(
            f"{table.name} has no column {' or '.join(map(repr, paths))}, from which the model read its files: say "
            f"which of its columns holds paths (column='COL'): {', '.join(cells)}."
        )
    facts, types = {}, {}
    for column, values in cells.items():
        kind = None if column in here else _type(values)
        if kind is None:
            continue
        free = column not in (*own, *_KEPT) or (column in ("date", "caption") and kind in (own[column], "category"))
        name = column if free else f"table.{column}"
        facts[column] = name
        types[name] = own.get(name, kind)
    return Plan(str(table), here, facts, types, encoding)


def scan_table(plan: Plan, folder: Path) -> tuple[list[Found], list[Noted], dict[str, dict[str, Any]]]:
    """The files of the rows, sorted by name; notes on rows without one, and on cells that are none of their column's
    type; and by name what its row says.

    Raises a ChiasmError for a table that is not there any more, or lacks its columns of paths.
    """
    table = Path(plan.table)
    if not table.is_file():
        raise ChiasmError(f"the table {table} is not there: put it back, or build another index.")
    cells, base, _ = read_table(table, plan.encoding, list(plan.paths))
    if lost := [column for column in plan.paths if column not in cells]:
        raise ChiasmError(f"{table} has no column {lost[0]!r} any more, in which its files were named.")
    places = Places.of(base, folder, False)
    found: dict[str, Found] = {}
    rows: dict[str, dict[str, Any]] = {}
    notes: list[Noted] = []
    for column, kind in plan.paths.items():
        for row, cell in enumerate(cells[column]):
            told = _placed(places, folder, cell, column, row)
            if isinstance(told, str) and told in found:
                told = Note("repeated", f"names {told}, as a row before it does", skipped=True)
            if isinstance(told, Note):
                notes.append(("", f"row {row + 1}, {column}", told))
                continue
            rows[told] = {}
            for c, name in ((c, name) for c, name in plan.facts.items() if c in cells):
                rows[told][name] = value = _value(cells[c][row], plan.types[name])
                if value is None and not is_missing(cells[c][row]):
                    said = f"is no {plan.types[name]}: {_shown(cells[c][row])} is not known of {told}"
                    notes.append(("", f"row {row + 1}, {c}", Note("odd_cell", said)))
            mark = hashlib.blake2b(json.dumps(rows[told]).encode(), digest_size=8).hexdigest()
            found[told] = Found(told, kind, f"{stamp(folder / told)}+{mark}", None)
    return sorted(found.values()), notes, rows


def _placed(places: Places, folder: Path, cell: Any, column: str, row: int) -> str | Note:
    """A cell's file as a name below the folder, or why it has none."""
    held = media_cell(cell, column, row)
    if held is None:
        return Note("empty_cell", "names no file", skipped=True)
    try:
        where = places.find(held)[0] if isinstance(held, str) else held
    except OddPathError as error:
        return error.note
    if isinstance(where, bytes):
        return Note("embedded", "holds the medium itself: save it as a file", skipped=True)
    return Path(where).relative_to(folder).as_posix()


def _shown(value: Any) -> str:
    """A cell, for a sentence."""
    text = str(value)
    return repr(text if len(text) <= _LONG else f"{text[:_LONG]}...")


def _type(values: Sequence[Any]) -> str | None:
    """What a column holds, by all its values; None where it has none."""
    held = [value for value in values if not is_missing(value)]
    if not held:
        return None
    for kind in ("number", "date"):
        if sum(_value(value, kind) is not None for value in held) >= _NEARLY * len(held):
            return kind
    texts = {plain(value) for value in held}
    short = max(map(len, texts)) <= _LONG
    return "category" if short and len(texts) <= max(_FEW, _SHARE * len(held)) else "text"


def _value(value: Any, kind: str) -> Any:
    """A cell as a value of its column's type, None where it is none; what JSON keeps."""
    if is_missing(value):
        return None
    if kind == "number":
        try:
            found = None if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            return None
        return found if found is not None and abs(found) < float("inf") else None
    if kind == "date":
        text = str(value).strip()
        text = text.replace("/", "-") if _SLASHED.match(text) else text
        return text if seconds(text) is not None else None
    return composed(plain(value)) or None
