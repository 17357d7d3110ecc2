"""The cells of a user's table or folder by column: csv, tsv, JSON, Parquet, arrays of NumPy, folders of media."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm import frames
from chiasm.data.cells import composed
from chiasm.data.folder import modality_of, read_folder
from chiasm.data.json_table import json_lines, json_table, nested
from chiasm.data.notes import Noted
from chiasm.data.text_file import as_text, checked_encoding
from chiasm.data.webdataset import beside, is_shard, read_shards, shards_of
from chiasm.errors import ChiasmError

__all__ = ["A_FILE", "TABLES", "Cells", "Table", "modality_of", "read_table", "table"]

Cells = dict[str, list[Any]]

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".npy", ".tar")
_PACKED = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
A_FILE = {"image": "a picture", "audio": "a sound", "video": "a film"}
"""What a file of a modality is, in a sentence."""
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".sav", ".dta", ".feather", ".arrow", ".xml", ".html")
_SEPARATORS = ",;\t|"
_MARK = re.compile(r"sep=(.)[\r\n]*")
_MOST = 1 << 30
"""Bytes that a packed table may unpack to."""


class Table(NamedTuple):
    """A table's cells by column, the folder that its paths are relative to, and what was passed over or read oddly."""

    cells: Cells
    base: Path
    notes: list[Noted]


def table(data: Any, encoding: str = "utf-8") -> tuple[Cells, Path]:
    """The cells of a table or folder by column, and the folder that its paths are relative to; see `read_table`."""
    return read_table(data, encoding)[:2]


def read_table(
    data: Any,
    encoding: str = "utf-8",
    named: Sequence[str] = (),
    root: str | os.PathLike[str] | None = None,
) -> Table:
    """A table or folder as cells by column.

    Args:
        data: csv, tsv, jsonl, ndjson or JSON, also packed (.gz); Parquet; .npy (one column, vector); WebDataset's tars,
            one or a folder of them; a folder; or what is in memory (a DataFrame, a dict of columns, a list of rows),
            whose paths are below the working directory.
        encoding: of text files. named: columns that the caller will ask for: of several separators that a csv may have,
            the one that finds them is taken; "a.b" is made of what lies nested in column a; of a folder the captions
            ("text") are read where they are among them, or nothing is.
        root: what no link of a folder may lead out of; left out, the folder.
    """
    if not isinstance(data, str | os.PathLike):
        held = {composed(name): frames.cells(values) for name, values in frames.columns_of(data).items()}
        lengths = {name: len(values) for name, values in held.items()}
        if len(set(lengths.values())) > 1:
            raise ChiasmError(f"wanted columns of one length, got {lengths}: rows must be aligned.")
        return Table(held | nested(held, [composed(name) for name in named]), Path(), [])
    checked_encoding(encoding)
    path = Path(data).expanduser()
    if not path.exists():
        raise ChiasmError(
            f"no file or folder {str(data)!r}: wanted a table ({', '.join(TABLES)}) or a folder of media."
        )
    if shards := [path] if is_shard(path) else shards_of(path):
        cells, notes = read_shards(shards, encoding)
        notes += beside(path, shards) if path.is_dir() else []
        return Table(cells | nested(cells, [composed(n) for n in named]), path if path.is_dir() else path.parent, notes)
    if path.is_dir():
        cells, notes = read_folder(path, encoding, path if root is None else Path(root), [composed(n) for n in named])
        return Table(cells, path, notes)
    if not path.is_file():  # a pipe would make us wait for ever
        raise ChiasmError(f"{path.name} is no regular file: save the table as one.")
    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if suffix not in (_PACKED if packed else TABLES):
        if kind := modality_of(path.name):
            raise ChiasmError(
                f"wanted a table or a folder of media, got {path.name}, which is {A_FILE[kind]}: name the folder that "
                "it is in, or a table with its path in a column."
            )
        raise ChiasmError(
            f"cannot read {path.name!r}: wanted a table ({', '.join(TABLES)}; .gz of those that are text) or a folder "
            "of media"
            + (": save it as csv, in UTF-8." if suffix in _SHEETS else ": a table of text is named .csv or .tsv.")
        )
    named = [composed(name) for name in named]
    try:
        notes = []
        if suffix == ".parquet":
            cells = _parquet(path)
        elif suffix == ".npy":
            cells = _array(path)
        else:
            with _text(path, packed, encoding) as file:
                if suffix in (".csv", ".tsv"):
                    cells = _csv(file, path, "\t" if suffix == ".tsv" else ",", named)
                elif suffix == ".json":
                    cells, notes = json_table(file, path)
                else:
                    cells = json_lines(file, path)
        cells = {composed(name): values for name, values in cells.items()}
        return Table(cells | nested(cells, named), path.parent, notes)
    except UnicodeDecodeError as error:
        likely = "utf-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "gb18030"
        raise ChiasmError(
            f"{path.name} is not {encoding} text (byte {error.start}): save it as UTF-8, or say encoding={likely!r} "
            "(or whichever it is)."
        ) from None
    except PermissionError:
        raise ChiasmError(f"no permission to read {path}.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ChiasmError(f"{path.name} is damaged or is not packed by gzip ({str(error)[:80]}).") from None


def _text(path: Path, packed: bool, encoding: str) -> Any:
    """A file of text, unpacked where it is packed."""
    return as_text(io.BufferedReader(_Unpacked(path)) if packed else open(path, "rb"), encoding)


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, up to `_MOST` bytes: a small file may unpack to more than there is memory."""

    def __init__(self, path: Path):
        self.file, self.name, self.done = gzip.GzipFile(path), path.name, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes more."""
        found = self.file.read(len(buffer))
        self.done += len(found)
        if self.done > _MOST:
            raise ChiasmError(f"{self.name} unpacks to more than {_MOST >> 30} GiB: unpack it, or read it in parts.")
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        super().close()


def _csv(file: Any, path: Path, separator: str, named: Sequence[str]) -> Cells:
    csv.field_size_limit(500_000_000)
    first = file.readline()
    if not first.strip():
        raise ChiasmError(f"{path.name} is empty: wanted a header line with column names.")
    if marked := _MARK.fullmatch(first):  # as Excel marks it
        separator, first = marked[1], file.readline()
    else:
        separator = _separator(first, separator, named)
    try:
        reader = csv.reader(_again(first, file), delimiter=separator, strict=True)
        header = [composed(name) for name in next(reader)]
        _check_names(header, path)
        _check_header(header, first, separator, path, named)
        cells: Cells = {name: [] for name in header}
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ChiasmError(
                    f"{path.name}, line {reader.line_num}: wanted {len(header)} fields, got {len(row)} "
                    f"(between {separator!r})."
                )
            for name, cell in zip(header, row, strict=True):
                cells[name].append(_listed(cell))
    except csv.Error as error:
        raise ChiasmError(f"{path.name}, line {reader.line_num}: not csv ({error}).") from None
    return cells


def _again(first: str, file: Any) -> Any:
    yield first
    yield from file


def _separator(first: str, usual: str, named: Sequence[str]) -> str:
    """What stands between fields: what finds most of the named columns in the first line, the usual where it does.

    >>> _separator("id;path;caption", ",", ["caption"]), _separator("a;b,c", ",", ["a;b"])
    (';', ',')
    """
    fields = {}
    for separator in usual + _SEPARATORS.replace(usual, ""):
        try:
            fields[separator] = [composed(name) for name in next(csv.reader([first], delimiter=separator))]
        except csv.Error:
            continue
    if not fields:
        return usual
    found = {separator: len(set(named) & set(names)) for separator, names in fields.items()}
    best = max(found, key=lambda separator: found[separator])
    if found[best] > found.get(usual, 0):
        return best
    if found.get(usual) or len(fields.get(usual, ())) > 1:
        return usual
    return max(fields, key=lambda separator: len(fields[separator]))


def _check_names(header: Sequence[str], path: Path) -> None:
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        raise ChiasmError(f"{path.name}: two columns have the same name: {', '.join(header)[:200]}.")


def _check_header(header: Sequence[str], first: str, separator: str, path: Path, named: Sequence[str]) -> None:
    """A ChiasmError where the first line has none of the named columns and looks like a row."""
    if not named or set(named) & set(header) or any("." in name for name in named):
        return
    if any(modality_of(cell.partition("#")[0]) or _is_number(cell) for cell in header):
        wanted = separator.join(dict.fromkeys(named)).replace("\t", "<TAB>")
        raise ChiasmError(
            f"{path.name} has no header line: wanted column names, got {first.strip()[:80]!r}: put a line such as "
            f"{wanted!r} on top, with a name for each of the {len(header)} fields."
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _listed(cell: str) -> Any:
    """A csv cell that holds a JSON list is that list (five captions, a vector)."""
    if cell.startswith("[") and cell.endswith("]"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _array(path: Path) -> Cells:
    """Vectors `(n, d)` of NumPy as one column, a row each."""
    try:
        held = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, PermissionError):
            raise
        raise ChiasmError(f"{path.name} is damaged or holds no plain array ({str(error)[:80]}).") from None
    if not isinstance(held, np.ndarray) or held.ndim != 2 or held.dtype.kind not in "fiu":
        raise ChiasmError(f"{path.name}: wanted vectors, an array (n, d) of numbers, got {getattr(held, 'shape', '')}.")
    return {"vector": list(held.astype(np.float32))}


def _parquet(path: Path) -> Cells:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:
            _check_names(file.schema_arrow.names, path)
            content = file.read()
        return {name: _cells(content[name]) for name in content.column_names}
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise ChiasmError(
            f"{path.name} is damaged or is no Parquet file ({str(error).splitlines()[0][:100]})."
        ) from None


def _cells(column: Any) -> list[Any]:
    """A Parquet column as Python values; vectors of one length as rows of one array, not as lists of floats."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if lists and pa.types.is_floating(kind.value_type) and len(column) and not column.null_count:
        lengths = compute.min_max(compute.list_value_length(column)).as_py()
        if lengths["min"] == lengths["max"] > 0:
            values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return list(values.reshape(len(column), lengths["max"]))
    return list(column.to_pylist())
