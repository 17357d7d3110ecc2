"""The cells of a table as a column of Views: texts, media, vectors."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from chiasm.data.cells import EmptyError, is_missing, media_cell, shown, text_cell
from chiasm.data.notes import Noted, some
from chiasm.data.paths import NOWHERE, OddPathError, Places
from chiasm.errors import ChiasmError
from chiasm.media.images import Note
from chiasm.views import ABSENT, Column

__all__ = ["item_column", "vector_column"]

_WIDEST = 1 << 24


def item_column(
    modality: str, values: list[Any], name: str, places: Places, rows: list[int]
) -> tuple[Column, list[Noted]]:
    """A column of texts or media, and a note on each cell that names no file which may be read: it is absent.

    Args:
        values: a cell a row of the Views. name: the table's column. rows: the table's row of each, for a sentence.

    Raises a ChiasmError for a cell of another type, an `EmptyError` for a column without a value, or with paths none of
    which leads anywhere.
    """
    check = text_cell if modality == "text" else media_cell
    checked = [check(value, name, row) for row, value in zip(rows, values, strict=True)]
    if all(value is None for value in checked):
        raise EmptyError(f"column {name!r} is empty in all {len(values)} rows: nothing to read.")
    column = Column.from_cells(modality, checked)
    if modality == "text":
        return column, []
    items: list[Any] = []
    labels: list[str] = []
    odd: dict[int, OddPathError] = {}
    place = np.full(len(column.items) + 1, ABSENT)  # the last serves index -1
    some_there = False
    for i, cell in enumerate(column.items):
        try:
            means, there = places.find(cell) if isinstance(cell, str) else (cell, True)
        except OddPathError as error:
            odd[i] = error
            continue
        place[i] = len(items)
        items.append(means)
        labels.append(str(cell) if isinstance(means, str) else f"{modality} {i}")
        some_there |= there
    if not some_there:
        raise _nothing(column.items, odd, name, places, rows[int(column.first_rows[min(odd, default=0)])])
    of_row = {(rows[r], i): odd[i] for r, i in enumerate(column.index.tolist()) if i in odd}
    notes = [_told(name, row, str(column.items[i]), error.note) for (row, i), error in of_row.items()]
    return Column(modality, items, place[column.index], labels=labels), notes


def _nothing(cells: list[Any], odd: dict[int, OddPathError], name: str, places: Places, row: int) -> ChiasmError:
    """The error for a column no cell of which names a file that is there."""
    lost = [cell for i, cell in enumerate(cells) if i not in odd or odd[i].note.code == NOWHERE]
    if lost:
        return places.nowhere(lost, name)
    more = f" {len(odd) - 1} more of its cells cannot be used either." if len(odd) > 1 else ""
    return EmptyError(f"column {name!r}, row {row + 1}: {next(iter(odd.values()))}{more}")


def _told(name: str, row: int, cell: str, note: Note) -> Noted:
    return name, f"row {row + 1}: {shown(cell)}", note


def vector_column(values: list[Any], name: str, places: Places, rows: list[int]) -> tuple[Column, list[Noted]]:
    """A column of vectors, from lists of numbers or paths of .npy files, and notes on those that cannot be used.

    These are files that are not there, are damaged or may not be read, and numbers that are not finite. Raises a
    ChiasmError that tells every cell which is no vector, or is one of another length, and an `EmptyError` where none is
    left.
    """
    held: dict[int, np.ndarray] = {}
    wrong: list[tuple[int, str]] = []
    notes: list[Noted] = []
    for i, value in enumerate(values):
        if is_missing(value):
            continue
        made = _vector(value, places)
        if isinstance(made, Note):
            notes.append(_told(name, rows[i], value, made))
        elif isinstance(made, str):
            wrong.append((rows[i], made))
        else:
            held[i] = made
    if not held and not wrong and notes:
        told = some([f"{item} ({note.message})" for _, item, note in notes], 9)
        raise EmptyError(f"column {name!r}: wanted vectors or paths of .npy files, got {told}.")
    if not held and not wrong:
        raise EmptyError(f"column {name!r} is empty in all {len(values)} rows: nothing to read.")
    usual = Counter(map(len, held.values())).most_common(1)[0][0] if held else 0
    wrong += [(rows[i], f"{len(v)} numbers, not {usual},") for i, v in held.items() if len(v) != usual]
    if wrong:
        told = some([f"{what} in row {row + 1}" for row, what in sorted(dict(wrong).items())], 9)
        raise ChiasmError(
            f"column {name!r}: wanted lists of numbers of one length, or paths of .npy files, a list of numbers a row, "
            f"got {told}."
        )
    items = np.stack(list(held.values()))
    finite = np.isfinite(items).all(axis=1)
    if not finite.any():
        raise EmptyError(f"column {name!r}: wanted finite numbers, got NaN or infinity in every row.")
    index = np.full(len(values), ABSENT, dtype=np.int64)
    index[np.array(list(held))[finite]] = np.arange(finite.sum())
    if not finite.all():
        bad = some([str(rows[i] + 1) for i, good in zip(held, finite, strict=True) if not good])
        message = f"column {name!r}: {int((~finite).sum())} vectors that are not finite are left out (row {bad})"
        notes.append((name, "", Note("not_finite", message, skipped=True)))
    return Column("vector", items[finite], index), notes


def _vector(value: Any, places: Places) -> np.ndarray | str | Note:
    """A cell's numbers, `(d,)` float32; or what it holds instead; or why the file that it names cannot be used."""
    if isinstance(value, str):
        if not value.lower().endswith(".npy"):
            return shown(value, 40)
        try:
            path, there = places.find(value)
        except OddPathError as error:
            return error.note
        if not there:
            return Note("missing", "no such file", skipped=True)
        try:
            value = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            return Note("broken", "a file that is damaged or holds no plain array", skipped=True)
        value = value[0] if value.ndim == 2 and len(value) == 1 else value
    if not hasattr(value, "__len__"):
        return type(value).__name__
    try:
        made = np.array(value, dtype=np.float32)
    except (ValueError, TypeError):
        return shown(str(value), 40)
    return made if made.ndim == 1 and 0 < made.size <= _WIDEST else f"an array of shape {made.shape}"
