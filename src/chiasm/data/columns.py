"""The cells of a table as a column of Views: texts, media, vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.data.cells import is_missing, media_cell, shown, text_cell
from chiasm.data.notes import Noted, some
from chiasm.data.paths import Places
from chiasm.errors import ChiasmError
from chiasm.media.images import LinkError, Note
from chiasm.views import ABSENT, Column

__all__ = ["item_column", "vector_column"]

_WIDEST = 1 << 24


def item_column(
    modality: str, values: list[Any], name: str, places: Places, rows: list[int]
) -> tuple[Column, list[Noted]]:
    """A column of texts or media, and a note on each path that a link leads out of the root, which is absent then.

    Args:
        values: a cell a row of the Views. name: the table's column. rows: the table's row of each, for a sentence.

    Raises a ChiasmError for a cell of another type, a column without a value, and paths none of which leads anywhere.
    """
    check = text_cell if modality == "text" else media_cell
    checked = [check(value, name, row) for row, value in zip(rows, values, strict=True)]
    if all(value is None for value in checked):
        raise ChiasmError(f"column {name!r} is empty in all {len(values)} rows: nothing to read.")
    column = Column.from_cells(modality, checked)
    if modality == "text":
        return column, []
    cells: list[Any] = []
    items: list[Any] = []
    there: list[bool] = []
    led: dict[str, LinkError] = {}
    moved = np.full(len(column.items) + 1, ABSENT)  # the last serves index -1
    for place, cell in enumerate(column.items):
        try:
            means, is_there = places.find(cell) if isinstance(cell, str) else (cell, True)
        except LinkError as error:
            led[cell] = error
            continue
        moved[place] = len(items)
        cells.append(cell)
        items.append(means)
        there.append(is_there)
    if not items:
        raise next(iter(led.values()))
    if not any(there):
        raise places.nowhere(cells, name)
    labels = [
        str(cell) if isinstance(means, str) else f"{modality} {i}"
        for i, (cell, means) in enumerate(zip(cells, items, strict=True))
    ]
    return Column(modality, items, moved[column.index], labels=labels), _left_out(name, led)


def vector_column(values: list[Any], name: str, places: Places, rows: list[int]) -> tuple[Column, list[Noted]]:
    """A column of vectors, from lists of numbers or paths of .npy files, and notes on those that are left out.

    These are not finite, or a link leads to them out of the root.

    Raises a ChiasmError that tells every cell which is no vector, or is one of another length.
    """
    held: dict[int, np.ndarray] = {}
    led: dict[str, LinkError] = {}
    wrong: list[tuple[int, str]] = []
    for i, value in enumerate(values):
        if is_missing(value):
            continue
        try:
            made = _vector(value, places)
        except LinkError as error:
            led[value] = error
            continue
        if isinstance(made, str):
            wrong.append((rows[i], made))
        else:
            held[i] = made
    if led and not held and not wrong:
        raise next(iter(led.values()))
    if not held and not wrong:
        raise ChiasmError(f"column {name!r} is empty in all {len(values)} rows: nothing to read.")
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
        raise ChiasmError(f"column {name!r}: wanted finite numbers, got NaN or infinity in every row.")
    index = np.full(len(values), ABSENT, dtype=np.int64)
    index[np.array(list(held))[finite]] = np.arange(finite.sum())
    notes = _left_out(name, led)
    if not finite.all():
        bad = some([str(rows[i] + 1) for i, good in zip(held, finite, strict=True) if not good])
        message = f"column {name!r}: {int((~finite).sum())} vectors that are not finite are left out (row {bad})"
        notes.append((name, "", Note("not_finite", message, skipped=True)))
    return Column("vector", items[finite], index), notes


def _left_out(name: str, led: Mapping[str, LinkError]) -> list[Noted]:
    """A note on each cell whose path a link leads out of the root."""
    return [(name, cell, Note("link", str(error).rstrip("."), skipped=True)) for cell, error in led.items()]


def _vector(value: Any, places: Places) -> np.ndarray | str:
    """A cell's numbers, `(d,)` float32; or what it holds instead."""
    if isinstance(value, str):
        if not value.lower().endswith(".npy"):
            return shown(value, 40)
        path, there = places.find(value)
        if not there:
            return f"no file {shown(value)}"
        try:
            value = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            return f"a damaged {shown(value)}"
        value = value[0] if value.ndim == 2 and len(value) == 1 else value
    if not hasattr(value, "__len__"):
        return type(value).__name__
    try:
        made = np.array(value, dtype=np.float32)
    except (ValueError, TypeError):
        return shown(str(value), 40)
    return made if made.ndim == 1 and 0 < made.size <= _WIDEST else f"an array of shape {made.shape}"
