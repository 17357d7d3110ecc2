"""The cells of a user's table or folder by column: csv, tsv, jsonl, Parquet, folders of media."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chiasm import frames
from chiasm.errors import ChiasmError
from chiasm.media.clips import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from chiasm.media.images import IMAGE_SUFFIXES

__all__ = ["Cells", "modality_of", "table"]

Cells = dict[str, list[Any]]

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_SUFFIXES = {"image": IMAGE_SUFFIXES, "audio": AUDIO_SUFFIXES, "video": VIDEO_SUFFIXES}


def table(data: Any, encoding: str = "utf-8") -> tuple[Cells, Path]:
    """The cells of a table or folder by column, and the folder that its paths are relative to.

    Of what is in memory (a DataFrame, a dict of columns, a list of rows) the working directory.
    """
    if not isinstance(data, str | os.PathLike):
        return {name: frames.cells(values) for name, values in frames.columns_of(data).items()}, Path()
    path = Path(data).expanduser()
    if not path.exists():
        raise ChiasmError(
            f"no file or folder {str(data)!r}: wanted a table ({', '.join(TABLES)}) or a folder of media."
        )
    if path.is_dir():
        return _folder(path, encoding), path
    if not path.is_file():  # a pipe would make us wait for ever
        raise ChiasmError(f"{path.name} is no regular file: save the table as one.")
    if path.suffix.lower() not in TABLES:
        raise ChiasmError(f"cannot read {path.name!r}: wanted a table ({', '.join(TABLES)}) or a folder of media.")
    try:
        if path.suffix.lower() == ".parquet":
            return _parquet(path), path.parent
        with open(path, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
            cells = _json_lines(file, path) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(file, path)
        return cells, path.parent
    except UnicodeDecodeError as error:
        raise ChiasmError(
            f"{path.name} is not {encoding} text (byte {error.start}): save it as UTF-8, or say encoding='gb18030' "
            "(or whichever it is)."
        ) from None
    except PermissionError:
        raise ChiasmError(f"no permission to read {path}.") from None
    except LookupError:
        raise ChiasmError(f"no text encoding named {encoding!r}.") from None


def _csv(file: Any, path: Path) -> Cells:
    csv.field_size_limit(10_000_000)
    try:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        header = next(reader, None)
        if not header:
            raise ChiasmError(f"{path.name} is empty: wanted a header line with column names.")
        _check_names(header, path)
        cells: Cells = {name: [] for name in header}
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ChiasmError(f"{path.name}, line {reader.line_num}: wanted {len(header)} fields, got {len(row)}.")
            for name, cell in zip(header, row, strict=True):
                cells[name].append(_listed(cell))
    except csv.Error as error:
        raise ChiasmError(f"{path.name}, line {reader.line_num}: not csv ({error}).") from None
    return cells


def _check_names(header: Sequence[str], path: Path) -> None:
    if len(set(header)) != len(header):
        raise ChiasmError(f"{path.name}: two columns have the same name: {', '.join(header)}.")


def _listed(cell: str) -> Any:
    """A csv cell that holds a JSON list is that list (five captions, a vector)."""
    if cell.startswith("[") and cell.endswith("]"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _json_lines(file: Any, path: Path) -> Cells:
    rows = []
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise ChiasmError(f"{path.name}, line {number}: not a JSON object.") from None
        if not isinstance(row, dict):
            raise ChiasmError(f"{path.name}, line {number}: wanted a JSON object, got {type(row).__name__}.")
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


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


def modality_of(name: str) -> str | None:
    """What a file holds, by its suffix: "image", "audio" or "video"; None for any other."""
    return next((kind for kind, suffixes in _SUFFIXES.items() if name.lower().endswith(suffixes)), None)


def _folder(path: Path, encoding: str) -> Cells:
    """Media below a folder as a table: id, path, and text (same-named .txt) or class (subfolder).

    Where there are pictures, sounds and videos side by side, same-named files are one row of columns image, audio and
    video, instead of path.
    """
    files = []
    for base, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        files += [Path(base, f).relative_to(path) for f in sorted(names) if modality_of(f) and not f.startswith(".")]
    if not files:
        every = ", ".join(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
        raise ChiasmError(f"no pictures, sounds or videos ({every}) below {path}.")
    kinds = [modality_of(p.name) for p in files]
    if len(set(kinds)) == 1:
        rows = [str(p) for p in files]
        cells: Cells = {"id": rows, "path": list(rows)}
    else:
        rows = list(dict.fromkeys(str(p.with_suffix("")) for p in files))
        place = {stem: row for row, stem in enumerate(rows)}
        cells = {"id": rows} | {kind: [None] * len(rows) for kind in _SUFFIXES if kind in kinds}
        for p, kind in zip(files, kinds, strict=True):
            cells[str(kind)][place[str(p.with_suffix(""))]] = str(p)
        files = [Path(f"{stem}.x") for stem in rows]
    texts = [(path / p).with_suffix(".txt") for p in files]
    if any(t.is_file() for t in texts):
        cells["text"] = [_lines(t, encoding) if t.is_file() else None for t in texts]
    elif len({p.parts[0] for p in files}) > 1 and all(len(p.parts) > 1 for p in files):
        cells["class"] = [p.parts[0] for p in files]
    return cells


def _lines(path: Path, encoding: str) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        raise ChiasmError(f"{path} is not {encoding} text: save it as UTF-8, or say encoding='gb18030'.") from None
    return [line.strip() for line in content.splitlines() if line.strip()]
