"""Read a user's data into Views: csv, tsv, jsonl, Parquet, a folder of pictures with captions or class folders."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.data.record import record_column
from chiasm.data.table import Cells, modality_of, table
from chiasm.errors import ChiasmError, unknown
from chiasm.media.images import check_path
from chiasm.splits import split_name
from chiasm.views import ABSENT, Column, Views

__all__ = ["Names", "is_empty", "names_of", "read", "read_split"]

log = logging.getLogger(__name__)

Names = str | Sequence[str] | Mapping[str, str] | None
"""A column, several ("words=caption" renames), or new name -> column."""


def read(
    data: Any,
    *,
    text: Names = None,
    image: Names = None,
    audio: Names = None,
    video: Names = None,
    vector: Names = None,
    number: Names = None,
    category: Names = None,
    date: Names = None,
    id: str | None = None,
    split: str | None = None,
    label: str | Sequence[str] | None = None,
    group: str | None = None,
    where: Mapping[str, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    encoding: str = "utf-8",
) -> Views:
    """Views from a table (csv, tsv, jsonl, Parquet), a folder of pictures, sounds or videos, or a DataFrame.

    A table: name its columns by modality; `text="caption"` makes a view named caption, `{"words": "caption"}` renames.
    A cell may hold a list (five captions; in csv as JSON): it is spread over rows of one id. Empty cells are absent.
    Columns of numbers and of categories make one view together, named record: `number="age"` makes a field of it.
    Several views may come of one column: `video={"scene": "file", "motion": "file"}`; one decode serves them all.
    A folder: pictures with same-named .txt files (a caption a line), or one subfolder a class, or pictures alone; or
    sounds, or videos, in the same ways; or several of these, where same-named files are one row.
    What is in memory (a DataFrame of pandas or polars, an Arrow table, a dict of columns, a list of rows) is a table
    whose paths are below the working directory.

    Args:
        data: a path, or what is in memory.
        text, image, audio, video, vector: column name(s), or new name -> column. Images, audio and video are paths
            below `root`, or encoded bytes.
        number: column name(s), or field -> column: numbers, also as text ("37.5"). Empty, NaN, NA, N/A, null, none,
            ? and a dash are missing; any other text is an error.
        category: column name(s), or field -> column: anything, as text. Only an empty cell is missing ("NA" is a
            category).
        date: column name(s), or name -> column: dates, also as text (2024-03-05 14:30, 2024/3/5, 2024年3月5日): each is
            several fields, such as its year, month and weekday (`chiasm.data.dates.date_parts`).
        id: the column of what rows are about; left out: the path where exactly one column holds paths, else the row.
        split: a column of train / val / test. label: a column of classes, numbers or lists of tags;
            several make one label a row, a JSON object of their values (the slots of `talk`).
        group: a column of what rows belong to (a patient, a film): rows of equal group are not parted by any split; an
            empty cell is a row on its own.
        where: keep the rows in which each column has the given value.
        root: the folder that paths are relative to and may not leave; left out, that of `data`.
        encoding: of text files; a file that is not is refused (Chinese files are often "gb18030").

    Raises a ChiasmError for a wrong column, mixed types, a URL, or a path that leaves the root.
    """
    cells, base = table(data, encoding)
    folder_given = isinstance(data, str | os.PathLike) and Path(data).expanduser().is_dir()
    data = data if isinstance(data, str | os.PathLike) else f"the {type(data).__name__}"
    wanted = {
        name: (modality, column)
        for modality, given in (
            ("text", text),
            ("image", image),
            ("audio", audio),
            ("video", video),
            ("vector", vector),
        )
        for name, column in names_of(given).items()
    }
    numbers, categories, dates = names_of(number), names_of(category), names_of(date)
    fields = [*numbers.values(), *categories.values(), *dates.values()]
    if fields and "record" in wanted:
        raise ChiasmError(f"two views would be named 'record': rename the {wanted['record'][0]} (NAME=record).")
    if not wanted and not fields:
        if not folder_given:
            raise ChiasmError(
                "say which columns hold what: text='COL', image='COL', audio='COL', video='COL', vector='COL', "
                f"number='COL', category='COL' or date='COL'. {data} has {', '.join(cells)}."
            )
        if "path" in cells:
            kind = str(modality_of(cells["path"][0]))
            wanted = {kind: (kind, "path")}
        else:
            wanted = {kind: (kind, kind) for kind in ("image", "audio", "video") if kind in cells}
        wanted |= {"text": ("text", "text")} if "text" in cells else {}
        wanted |= {"class": ("text", "class")} if "class" in cells and label != "class" else {}
    if folder_given:
        id = id or "id"
        label = label or ("class" if "class" in cells else None)
    used = [column for _, column in wanted.values()] + fields
    labels = [label] if isinstance(label, str) else list(label or ())
    for column in used + labels + [c for c in (id, split, group) if c] + list(where or {}):
        if column not in cells:
            raise unknown(f"column in {data}", column, cells)
    total = len(next(iter(cells.values()), []))
    if where:
        keep = [all(_plain(cells[c][r]) == v for c, v in where.items()) for r in range(total)]
        cells = {c: [v for v, k in zip(values, keep, strict=True) if k] for c, values in cells.items()}
        total = sum(keep)
    if not total:
        raise ChiasmError(f"{data} has no rows" + (f" where {dict(where)}." if where else "."))
    source = _rows(cells, [column for modality, column in wanted.values() if modality != "vector"], total)
    folder = Path(root) if root is not None else base
    rows = [r for r, _ in source]
    columns = {
        name: _column(
            modality,
            [cells[column][r] if part is None else _at(cells[column][r], part) for r, part in source],
            column,
            folder,
            rows,
        )
        for name, (modality, column) in wanted.items()
    }
    if fields:
        columns["record"] = record_column(cells, numbers, categories, rows, dates)
    facts = {}
    if split:
        facts["split"] = np.array([_split(cells[split][r], split, r) for r in rows], dtype=object)
    if isinstance(label, str):
        facts["label"] = np.array([_plain(cells[label][r]) for r in rows], dtype=object)
    elif labels:
        several = [{c: _plain(cells[c][r]) or None for c in labels} for r in rows]
        facts["label"] = np.array([json.dumps(one, ensure_ascii=False) for one in several], dtype=object)
    if group:
        held = [None if is_empty(value) else value for value in cells[group]]
        facts["group"] = np.array([_plain(held[r]).strip() for r in rows], dtype=object)
    return Views(columns, _ids(cells, id, rows, wanted), facts)


def read_split(path: str | os.PathLike[str], views: Views) -> np.ndarray:
    """`(n,)` split names from a csv of `id,split`, as `chiasm fit --write-split` writes it."""
    cells, _ = table(path)
    for column in ("id", "split"):
        if column not in cells:
            raise unknown(f"column in {path}", column, cells)
    known = {str(i): split_name(str(s)) for i, s in zip(cells["id"], cells["split"], strict=True)}
    missing = [str(i) for i in views.ids if str(i) not in known]
    if missing:
        raise ChiasmError(f"{path} lacks the split of {len(missing)} ids, for example {missing[0]!r}.")
    return np.array([known[str(i)] for i in views.ids], dtype=object)


def names_of(given: Names) -> dict[str, str]:
    """Name -> column of what was given.

    >>> names_of(["title", "words=caption"])
    {'title': 'title', 'words': 'caption'}
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    names = {}
    for one in [given] if isinstance(given, str) else given:
        name, _, column = one.rpartition("=")
        names[name or column] = column
    return names


def _rows(cells: Cells, columns: Sequence[str], total: int) -> list[tuple[int, int | None]]:
    """(table row, place in its lists) of every row of the Views: a list of m items makes m rows of one id."""
    source: list[tuple[int, int | None]] = []
    for r in range(total):
        length = max((len(cells[c][r]) for c in columns if isinstance(cells[c][r], list | tuple)), default=-1)
        source += [(r, None)] if length < 1 else [(r, i) for i in range(length)]
    return source


def _at(cell: Any, place: int) -> Any:
    """Item `place` of a list; nothing beyond its end (pairs go by id, not by row); a single cell in every row."""
    if isinstance(cell, list | tuple) and not (cell and isinstance(cell[0], int | float)):
        return cell[place] if place < len(cell) else None
    return cell


def _column(modality: str, values: list[Any], name: str, root: Path, rows: list[int]) -> Column:
    """A column of what the cells hold; `rows` are the table's, for a sentence to name."""
    if modality == "vector":
        return _vectors(values, name)
    check = _text_cell if modality == "text" else _media_cell
    checked = [check(value, name, row) for row, value in zip(rows, values, strict=True)]
    if all(value is None for value in checked):
        raise ChiasmError(f"column {name!r} is empty in all {len(values)} rows: nothing to read.")
    if modality == "text":
        return Column.from_cells("text", checked)
    column = Column.from_cells(modality, checked)
    column.labels = [item if isinstance(item, str) else f"{modality} {i}" for i, item in enumerate(column.items)]
    column.items = [str(check_path(item, root)) if isinstance(item, str) else item for item in column.items]
    return column


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, or nothing in it."""
    return value is None or (
        value != value if isinstance(value, float) else hasattr(value, "__len__") and not len(value)
    )


def _text_cell(value: Any, name: str, row: int) -> str | None:
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise ChiasmError(
            f"column {name!r}, row {row + 1}: wanted text, got {type(value).__name__} ({str(value)[:40]})."
        )
    return value if value.strip() else None


def _media_cell(value: Any, name: str, row: int) -> str | bytes | None:
    if isinstance(value, dict):  # the layout in which Hugging Face datasets keep images in Parquet
        value = value.get("bytes") or value.get("path")
    if is_empty(value):
        return None
    if not isinstance(value, str | bytes):
        raise ChiasmError(
            f"column {name!r}, row {row + 1}: wanted a path or encoded bytes, "
            f"got {type(value).__name__} ({str(value)[:40]})."
        )
    return value


def _vectors(values: list[Any], name: str) -> Column:
    present = [i for i, value in enumerate(values) if not is_empty(value)]
    if not present:
        raise ChiasmError(f"column {name!r} is empty in all {len(values)} rows: nothing to read.")
    try:
        items = np.array([values[i] for i in present], dtype=np.float32)
    except (ValueError, TypeError):
        raise ChiasmError(f"column {name!r}: wanted lists of numbers of one length.") from None
    if items.ndim != 2:
        raise ChiasmError(f"column {name!r}: wanted a list of numbers a row, got {type(values[present[0]]).__name__}.")
    finite = np.isfinite(items).all(axis=1)
    index = np.full(len(values), ABSENT, dtype=np.int64)
    index[np.array(present)[finite]] = np.arange(finite.sum())
    if not finite.all():
        log.warning("column %r: %d vectors that are not finite are left out", name, int((~finite).sum()))
    if not finite.any():
        raise ChiasmError(f"column {name!r}: wanted finite numbers, got NaN or infinity in every row.")
    return Column("vector", items[finite], index)


def _ids(cells: Cells, id_: str | None, rows: list[int], wanted: Mapping[str, tuple[str, str]]) -> np.ndarray:
    media = {source for modality, source in wanted.values() if modality in ("image", "audio", "video")}
    if id_:
        values = cells[id_]
        empty = next((r for r in rows if values[r] is None or values[r] == ""), None)
        if empty is not None:
            raise ChiasmError(f"column {id_!r}, row {empty + 1}: wanted an id, got nothing.")
        return np.array([_plain(values[r]) for r in rows], dtype=object)
    if len(media) == 1:
        values = cells[media.pop()]
        return np.array(
            [values[r] if isinstance(values[r], str) and values[r] else f"row {r + 1}" for r in rows], dtype=object
        )
    return np.array([f"row {r + 1}" for r in rows], dtype=object)


def _split(value: Any, name: str, row: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ChiasmError(f"column {name!r}, row {row + 1}: wanted train, val or test, got {value!r}.")
    return split_name(value)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return "" if value is None or value != value else str(value)
