"""Read a user's data into Views: tables, vectors, a folder of pictures with captions or class folders."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.data.cells import EmptyError, composed, is_missing, plain
from chiasm.data.checks import check_groups, check_ids, check_labels
from chiasm.data.columns import item_column, vector_column
from chiasm.data.folder import modality_of
from chiasm.data.notes import sentences, some
from chiasm.data.paths import Places
from chiasm.data.record import record_column
from chiasm.data.table import Cells, read_table
from chiasm.data.webdataset import is_shard
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.media.images import Note
from chiasm.splits import split_name
from chiasm.views import ABSENT, Column, Views

__all__ = ["Names", "names_of", "read", "read_split"]

Name = str | int
"""A column; DataFrames that nobody named the columns of have numbers for names."""
Names = Name | Sequence[Name] | Mapping[Name, Name] | None
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
    id: Name | None = None,
    split: Name | None = None,
    label: Name | Sequence[Name] | None = None,
    group: Name | None = None,
    where: Mapping[Any, str] | None = None,
    root: str | os.PathLike[str] | None = None,
    encoding: str = "utf-8",
    partial: bool = False,
    answers: bool = False,
) -> Views:
    """Views from a table (csv, tsv, jsonl, json, Parquet, npy), a folder of pictures, sounds or videos, or a DataFrame.

    A table: name its columns by modality; `text="caption"` makes a view named caption, `{"words": "caption"}` renames.
    A cell may hold a list (five captions; in csv as JSON): it is spread over rows of one id. Empty cells are absent.
    Columns of numbers and of categories make one view together, named record: `number="age"` makes a field of it.
    Several views may come of one column: `video={"scene": "file", "motion": "file"}`; one decode serves them all.
    A folder: pictures with same-named .txt files (a caption a line), or one subfolder a class, or pictures alone; or
    sounds, or videos, in the same ways; or several of these, where same-named files are one row. Names of subfolders
    are labels; captions only where they are asked for (`text="class", image="image"`).
    Every file and row is used or told: what was passed over, and what looks odd, is in `notes` of the Views, and warned
    of as a `ChiasmWarning`, one sentence a reason.
    What is in memory (a DataFrame of pandas or polars, an Arrow table, a dict of columns, a list of rows) is a table
    whose paths are below the working directory.

    Args:
        data: a path, or what is in memory.
        text, image, audio, video, vector: column name(s), or new name -> column. Images, audio and video are paths
            below `root`, encoded bytes, or base64. "a.b" names what lies as b in a column of objects a.
        number: column name(s), or field -> column: numbers, also as text ("37.5"). Empty, NaN, NA, N/A, null, none,
            ? and a dash are missing, here and among paths and vectors; any other text is an error.
        category: column name(s), or field -> column: anything, as text. Only an empty cell is missing ("NA" is a
            category).
        date: column name(s), or name -> column: dates, also as text (2024-03-05 14:30, 2024/3/5, 2024年3月5日): each is
            several fields, such as its year, month and weekday (`chiasm.data.dates.date_parts`).
        id: the column of what rows are about; left out: the path where exactly one column holds paths, else the row.
        split: a column of train / val / test. label: a column of classes, numbers or lists of tags;
            several make one label a row, a JSON object of their values (the slots of `talk`).
        group: a column of what rows belong to (a patient, a film): rows of equal group are not parted by any split; an
            empty cell, or a word for one ("NaN"), is a row on its own.
        where: keep the rows in which each column has the given value.
        root: the folder that paths are relative to and may not leave, by links neither; left out, that of `data`. Where
            it holds `data`, what is not there is looked for beside `data` too.
        encoding: of text files (Chinese ones are often "gb18030"): a table that is not is refused, a caption told.
        partial: a column of which nothing can be used is told and absent, as long as another one is there.
        answers: labels are answers to questions (`ask`): whatever their case they are one, and "none" is one too.

    Raises a ChiasmError for a wrong column, mixed types, and a column of paths none of which leads to a file. A cell
    that names no file that may be read (a URL, a path out of the root) is told and absent.
    """
    place = Path(data).expanduser() if isinstance(data, str | os.PathLike) else None
    in_folder = place is not None and (place.is_dir() or is_shard(place))
    key, part_of, grouped = (None if name is None or name == "" else _name(name) for name in (id, split, group))
    labelled = _named(label)
    labels = [labelled] if isinstance(labelled, str) else labelled
    kept = {_name(column): value for column, value in (where or {}).items()}
    given = {"text": text, "image": image, "audio": audio, "video": video, "vector": vector}
    wanted = {name: (kind, column) for kind, one in given.items() for name, column in names_of(one).items()}
    numbers, categories, dates = names_of(number), names_of(category), names_of(date)
    fields = [*numbers.values(), *categories.values(), *dates.values()]
    facts_of = [*labels, *(c for c in (key, part_of, grouped) if c), *kept]
    named = [c for _, c in wanted.values()] + fields
    named += facts_of + ["text"] * (in_folder and not named)  # of a folder all is read where nothing is named
    cells, base, notes = read_table(data, encoding, named, root)
    data = data if isinstance(data, str | os.PathLike) else f"the {type(data).__name__}"
    if fields and "record" in wanted:
        raise ChiasmError(f"two views would be named 'record': rename the {wanted['record'][0]} (NAME=record).")
    if not wanted and not fields:
        if not in_folder and list(cells) != ["vector"]:
            raise ChiasmError(
                "say which columns hold what: text='COL', image='COL', audio='COL', video='COL', vector='COL', "
                f"number='COL', category='COL' or date='COL'. {data} has {', '.join(cells)}."
            )
        if "path" in cells:
            kind = str(modality_of(cells["path"][0]))
            wanted = {kind: (kind, "path")}
        else:
            wanted = {kind: (kind, kind) for kind in ("image", "audio", "video", "vector") if kind in cells}
        wanted |= {"text": ("text", "text")} if "text" in cells else {}
        if "class" in cells and labelled != "class":
            notes.append(("class", "", _no_captions(cells["class"], wanted)))
    if in_folder:
        key = key or "id"
        labelled = labelled or ("class" if "class" in cells else [])
    used = [column for _, column in wanted.values()] + fields
    labels = [labelled] if isinstance(labelled, str) else labelled
    for column in used + labels + [c for c in (key, part_of, grouped) if c] + list(kept):
        if column not in cells:
            if in_folder and column == "class":
                raise ChiasmError(f"{data} tells no classes: wanted a subfolder for each, or a table with labels.")
            raise unknown(f"column in {data}", column, cells)
    total = len(next(iter(cells.values()), []))
    if kept:
        keep = [all(plain(cells[c][r]) == plain(v) for c, v in kept.items()) for r in range(total)]
        cells = {c: [v for v, k in zip(values, keep, strict=True) if k] for c, values in cells.items()}
        total = sum(keep)
    if not total:
        asked = " and ".join(f"{column} is {value!r}" for column, value in kept.items())
        raise ChiasmError(f"{data} has no rows{f' where {asked}' if asked else ''}.")
    source = _rows(cells, [column for modality, column in wanted.values() if modality != "vector"], total)
    places = Places.of(base, None if root is None else Path(root), in_folder)
    rows = [r for r, _ in source]
    columns: dict[str, Column] = {}
    nothing: dict[str, EmptyError] = {}
    for name, (modality, column) in wanted.items():
        held = [cells[column][r] if part is None else _at(cells[column][r], part) for r, part in source]
        try:
            if modality == "vector":
                columns[name], told = vector_column(held, column, places, rows)
            else:
                columns[name], told = item_column(modality, held, column, places, rows)
            notes += told
        except EmptyError as error:
            nothing[name] = error
    if fields:
        try:
            columns["record"] = record_column(cells, numbers, categories, rows, notes, dates, partial=partial)
        except EmptyError as error:
            nothing["record"] = error
    if nothing and not (partial and columns):
        raise next(iter(nothing.values()))
    notes += [(name, "", Note("nothing", str(error), skipped=True)) for name, error in nothing.items()]
    facts = {}
    if part_of:
        facts["split"] = np.array([_split(cells[part_of][r], part_of, r) for r in rows], dtype=object)
    if isinstance(labelled, str):
        facts["label"] = np.array([plain(cells[labelled][r]) for r in rows], dtype=object)
    elif labels:
        several = [{c: plain(cells[c][r]) or None for c in labels} for r in rows]
        facts["label"] = np.array([json.dumps(one, ensure_ascii=False) for one in several], dtype=object)
    for one in labels:
        notes += check_labels([v if isinstance(v, int | float) else plain(v) for v in cells[one]], one, answers=answers)
    if grouped:
        notes += check_groups([plain(value) for value in cells[grouped]], grouped)
        of_group = ["" if is_missing(value) else plain(value) for value in cells[grouped]]
        facts["group"] = np.array([of_group[r] for r in rows], dtype=object)
    ids, of = _ids(cells, key, rows, wanted, columns)
    if of and not in_folder:
        first = np.flatnonzero(np.diff(rows, prepend=-1))  # a row of the table may be several here
        notes += check_ids(ids[first].tolist(), of, path=of != key)
    views = Views(columns, ids, facts)
    views.has_ids = not all(str(i).startswith("row ") for i in ids)  # else numbers of rows
    views.notes = notes
    for sentence in sentences(notes):
        warnings.warn(sentence, ChiasmWarning, stacklevel=2)
    return views


def read_split(path: str | os.PathLike[str], views: Views) -> np.ndarray:
    """`(n,)` split names from a csv of `id,split`, as `chiasm fit --write-split` writes it."""
    cells = read_table(path, named=("id", "split")).cells
    for column in ("id", "split"):
        if column not in cells:
            raise unknown(f"column in {path}", column, cells)
    known = {plain(i): split_name(str(s)) for i, s in zip(cells["id"], cells["split"], strict=True)}
    ids = [plain(i) for i in views.ids]
    missing = [i for i in ids if i not in known]
    if missing:
        raise ChiasmError(f"{path} lacks the split of {len(missing)} ids, for example {missing[0]!r}.")
    return np.array([known[i] for i in ids], dtype=object)


def names_of(given: Names) -> dict[str, str]:
    """Name -> column of what was given.

    >>> names_of(["title", "words=caption"])
    {'title': 'title', 'words': 'caption'}
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {_name(name): _name(column) for name, column in given.items()}
    names = {}
    named = _named(given)
    for one in [named] if isinstance(named, str) else named:
        name, _, column = one.rpartition("=")
        names[name or column] = column
    return names


def _named(given: Name | Sequence[Name] | None) -> str | list[str]:
    """One column, or several."""
    if given is None or isinstance(given, list | tuple):
        return [_name(one) for one in given or ()]
    return _name(given)


def _name(given: Any) -> str:
    if not isinstance(given, str | int | np.integer):
        raise ChiasmError(f"wanted the name of a column, got {type(given).__name__}: {str(given)[:60]!r}.")
    return composed(str(given))


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


def _ids(
    cells: Cells, id_: str | None, rows: list[int], wanted: Mapping[str, tuple[str, str]], columns: Mapping[str, Column]
) -> tuple[np.ndarray, str]:
    """`(n,)` ids, and the column that they come of; "" where they are the numbers of the rows."""
    media = {source: name for name, (kind, source) in wanted.items() if kind in ("image", "audio", "video")}
    if id_:
        values = cells[id_]
        if empty := [str(r + 1) for r in dict.fromkeys(rows) if plain(values[r]) == ""]:
            raise ChiasmError(
                f"column {id_!r}: wanted an id, got nothing in {len(empty)} of {len(set(rows))} rows "
                f"(row {some(empty, 9)}): fill them, name another id='COL', or leave id out: each file is a "
                "thing then, or else each row."
            )
        return np.array([plain(values[r]) for r in rows], dtype=object), id_
    ids = [f"row {r + 1}" for r in rows]
    if len(media) != 1:
        return np.array(ids, dtype=object), ""
    ((source, name),) = media.items()
    column, values = columns.get(name), cells[source]  # none where nothing of it can be used
    for i, r in enumerate(rows):
        place = ABSENT if column is None else int(column.index[i])
        path = place == ABSENT or column is None or isinstance(column.items[place], str)
        if isinstance(values[r], str) and not is_missing(values[r]) and path:
            ids[i] = plain(values[r])
    return np.array(ids, dtype=object), source


def _no_captions(classes: Sequence[str], media: Mapping[str, tuple[str, str]]) -> Note:
    """What to say of the subfolders of a folder without captions: they may be years, or names of people."""
    names = [name for name in dict.fromkeys(classes) if name]
    takes = ", ".join(f"{kind}={kind!r}" for kind in media)
    message = f"{len(names)} names of folders ({some(names)}) are labels, not captions: text='class', {takes} take them"
    return Note("folder_names", f"{message} for captions")


def _split(value: Any, name: str, row: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ChiasmError(f"column {name!r}, row {row + 1}: wanted train, val or test, got {value!r}.")
    return split_name(value)
