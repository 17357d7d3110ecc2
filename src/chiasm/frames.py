"""What other libraries hold in memory, as plain columns, and back: DataFrames, Arrow tables, rows, sparse matrices.

No library is imported for it: a frame of pandas or polars is known by its methods.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.column import ABSENT, Column, missing
from chiasm.errors import ChiasmError
from chiasm.tokens import Tokens

__all__ = [
    "MATRIX",
    "are_numbers",
    "cells",
    "column_of",
    "columns_of",
    "html_table",
    "is_frame",
    "is_matrix",
    "is_rows",
    "is_vector",
    "matrix",
    "side_by_side",
    "to_pandas",
    "written",
]

MATRIX = "x"
"""The view that numbers without a name are."""

MOST_NUMBERS = 2**31
"""The largest sparse matrix, in numbers, that is made dense (8 GiB as float32)."""

SHOWN = 50
"""Rows of a table in a notebook."""


def is_frame(data: Any) -> bool:
    """Whether it is a DataFrame (pandas, polars) or an Arrow table."""
    return _is_data_frame(data) or _is_arrow(data)


def is_rows(data: Any) -> bool:
    """Whether it is a list of rows, each a dict of name -> cell."""
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(row, Mapping) for row in data)


def is_matrix(data: Any, names: Iterable[str] = ()) -> bool:
    """Whether it is vectors without a name: an array, a sparse matrix, a tensor, vectors in a list, a frame of numbers.

    A frame that has a column of one of the `names` is columns, not one matrix.

    >>> is_matrix([[1.0, 2.0]]), is_matrix(np.zeros((2, 3))), is_matrix([{"a": 1.0}])
    (True, True, False)
    """
    if is_frame(data):
        held = columns_of(data)
        return not set(held) & set(names) and are_numbers(held)
    if isinstance(data, list | tuple):
        return is_vector(next((row for row in data if not missing(row)), None))
    return len(getattr(data, "shape", ())) == 2 and (hasattr(data, "dtype") or hasattr(data, "nnz"))


def are_numbers(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Whether there are columns, and all of them are numbers, or nothing, in every row."""
    whole = all(missing(v) or isinstance(v, int | float | np.number) for one in columns.values() for v in one)
    return whole and bool(columns) and not all(missing(v) for one in columns.values() for v in one)


def side_by_side(columns: Mapping[str, Sequence[Any]]) -> Column:
    """Columns of numbers as one column of vectors, whose numbers have their names."""
    numbers = np.array([[np.nan if missing(v) else v for v in one] for one in columns.values()], dtype=np.float64)
    column = _vectors("vector", np.ascontiguousarray(numbers.T))
    column.names = list(columns)
    return column


def columns_of(data: Any) -> dict[str, Any]:
    """Name -> column of a frame, of rows (a name that a row lacks is None in it), or of a dict, whose values stay.

    Raises a ChiasmError for anything else, and where two columns have one name.

    >>> columns_of([{"words": "a"}, {"words": "b", "size": 3}])
    {'words': ['a', 'b'], 'size': [None, 3]}
    """
    pairs: list[tuple[Any, Any]]
    if is_rows(data):
        names = list(dict.fromkeys(name for row in data for name in row))
        pairs = [(name, cells([row.get(name) for row in data])) for name in names]
    elif isinstance(data, Mapping):
        pairs = list(data.items())
    elif _is_arrow(data):
        pairs = [(name, cells(data.column(i))) for i, name in enumerate(data.column_names)]
    elif _is_data_frame(data):
        at = data.iloc if hasattr(data, "iloc") else data
        pairs = [(name, cells(at[:, i])) for i, name in enumerate(data.columns)]
    else:
        inside = ""
        if isinstance(data, list | tuple):
            inside = f" of {type(data[0]).__name__}" if data else " without rows"
        raise ChiasmError(
            f"wanted Views, a dict of columns, a list of rows or a DataFrame, got {type(data).__name__}{inside}: name "
            "what it holds, for example {'caption': ['a dog']}."
        )
    found = {str(name): values for name, values in pairs}
    if len(found) < len(pairs):
        names = [str(name) for name, _ in pairs]
        raise ChiasmError(f"two columns have the same name: {', '.join(names)}.")
    return found


def cells(values: Any) -> list[Any]:
    """A list, an array or a Series as a list of plain values; what is missing is None, a path is text.

    >>> cells(np.array([1.5, np.nan]))
    [1.5, None]
    """
    if is_frame(values):
        columns = columns_of(values)
        if len(columns) != 1:
            raise ChiasmError(f"wanted one column, got a DataFrame of {', '.join(columns)}: choose one of them.")
        return list(*columns.values())
    if hasattr(values, "toarray"):
        values = values.toarray()
    plain = next((getattr(values, name) for name in ("to_list", "to_pylist") if hasattr(values, name)), None)
    if plain is None and (not hasattr(values, "__iter__") or getattr(values, "shape", None) == ()):
        raise ChiasmError(
            f"wanted a list of values, one a row, got {type(values).__name__}: put it in a list, or leave it out."
        )
    held = plain() if plain else values.tolist() if getattr(values, "ndim", 0) == 1 else list(values)
    return [None if missing(v) else os.fspath(v) if isinstance(v, os.PathLike) else v for v in held]


def is_vector(value: Any) -> bool:
    """Whether a cell is a sequence of numbers."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__len__") or not len(value):
        return False
    try:
        numbers = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        return False
    return numbers.ndim == 1 and numbers.dtype.kind in "fiub"


def matrix(name: str, values: Any) -> Any:
    """`(n, d)` numbers from whatever holds them; a row that is missing is NaN. An array of numbers stays as it is.

    Takes arrays, memory maps, sparse matrices, tensors, frames, and lists or Series of sequences of one length.

    Raises a ChiasmError that calls the column `name`.
    """
    if getattr(getattr(values, "dtype", None), "kind", "") == "c":
        raise ChiasmError(f"column {name!r}: wanted real numbers, got complex ones: take their real parts or lengths.")
    if isinstance(values, np.ma.MaskedArray):  # what is masked is missing
        kept = values.data.astype(np.promote_types(values.dtype, np.float32))
        values = np.where(np.ma.getmaskarray(values), np.nan, kept).astype(kept.dtype)
    if hasattr(values, "toarray") and hasattr(values, "nnz"):  # scipy.sparse
        if np.prod(values.shape, dtype=float) > MOST_NUMBERS:
            raise ChiasmError(
                f"column {name!r}: a sparse matrix {values.shape} is too large to be made dense: reduce it first, for "
                "example by sklearn.decomposition.TruncatedSVD."
            )
        values = np.asarray(values.toarray(), dtype=np.float32)
    if hasattr(values, "detach"):  # a tensor
        values = values.detach().cpu().numpy()
    if is_frame(values):
        values = _numbers_of(name, values)
    shape = getattr(values, "shape", ())
    if len(shape) == 2 and getattr(getattr(values, "dtype", None), "kind", "f") in "fiub":
        return values.A if isinstance(values, np.matrix) else values
    if len(shape) > 2:
        raise ChiasmError(
            f"column {name!r}: wanted vectors (n, d), got an array {tuple(shape)}: average or reshape it to two "
            "dimensions; steps of different items are chiasm.tokens.Tokens."
        )
    rows = list(values) if len(shape) == 2 else cells(values)
    if any(v is not None and not hasattr(v, "__len__") for v in rows):
        raise ChiasmError(
            f"column {name!r}: wanted vectors (n, d), got one number a row: one vector alone is a list of it, [v]; "
            "numbers are made vectors by reshape(-1, 1), or fields of a record by chiasm.read(table, number=...)."
        )
    width = next((len(v) for v in rows if v is not None), 0)
    if not width:  # absent in every row
        return np.zeros((len(rows), 0), dtype=np.float32)
    try:
        dense = [np.full(width, np.nan) if v is None else _dense(v) for v in rows]
        if any(np.iscomplexobj(v) for v in dense):
            raise TypeError
        return np.array(dense, dtype=np.float64)
    except (ValueError, TypeError):
        raise ChiasmError(f"column {name!r}: wanted lists of numbers of one length, one a row.") from None


def to_pandas(columns: Mapping[str, Any]) -> Any:
    """A pandas DataFrame of these columns. Raises a ChiasmError that says what to install where pandas is not there."""
    try:
        import pandas  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise ChiasmError("wanted a DataFrame, but pandas is not installed: pip install 'chiasm[pandas]'.") from None
    held = {name: [written(v) if isinstance(v, str) else v for v in values] for name, values in columns.items()}
    return pandas.DataFrame(held)


def written(text: str) -> str:
    """A text as every file and library takes it: bytes of a file name that are no UTF-8 are spelled out.

    >>> written("caf\\udce9.jpg")
    'caf\\\\udce9.jpg'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def column_of(name: str, values: Any, known: Mapping[str, str]) -> Column:
    """The column of some values; `known` are modalities by name."""
    modality = known.get(name)
    if isinstance(values, Column):
        return values
    if isinstance(values, str | bytes):
        raise ChiasmError(f"column {name!r}: wanted a list of items, got one string: put it in a list.")
    if not hasattr(values, "__iter__") and not hasattr(values, "shape") and not is_frame(values):
        raise ChiasmError(
            f"column {name!r}: wanted a list of items, got {type(values).__name__}: leave out a view that no row has."
        )
    if modality == "record" and is_frame(values):
        held = columns_of(values)
        values = [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]
    if isinstance(values, Tokens):
        return Column(modality or "vector", values)
    named = [str(one) for one in values.columns] if is_frame(values) and hasattr(values, "columns") else None
    if (hasattr(values, "to_list") or hasattr(values, "to_pylist")) and not is_frame(values):
        values = cells(values)
    if modality is None:
        several = len(getattr(values, "shape", ())) > 1 or is_frame(values)
        if not several and hasattr(values, "__iter__"):
            several = is_vector(next((v for v in values if not missing(v)), None))
        if not several:
            listed = f" (known are {', '.join(known)})" if known else ""
            raise ChiasmError(
                f"column {name!r} has no known modality{listed}: arrays (n, d) are vectors; for others say "
                f"what they hold, for example chiasm.Views.of(data, {{{name!r}: 'text'}}), or chiasm.read(frame, "
                f"text={name!r})."
            )
        modality = "vector"
    if modality == "vector" or len(getattr(values, "shape", ())) == 2:
        column = _vectors(modality, matrix(name, values))
        column.names = named if named and len(set(named)) == len(named) else None
        return column
    return Column.from_cells(modality, cells(values))


def _vectors(modality: str, values: Any) -> Column:
    first = np.asarray(values[:1])
    if first.dtype.kind != "f" or not isinstance(values, np.ndarray) or isinstance(values, np.memmap):
        return Column(modality, values)
    absent = np.isnan(values).all(axis=1)
    if not absent.any():
        return Column(modality, values)
    index = np.where(absent, ABSENT, np.cumsum(~absent) - 1)
    return Column(modality, values[~absent], index)


def html_table(columns: Mapping[str, Sequence[Any]]) -> str:
    """The first rows as a table for a notebook; every text is escaped."""
    n = len(next(iter(columns.values()), []))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_shown(values[row]))}</td>" for values in columns.values()) + "</tr>"
        for row in range(min(n, SHOWN))
    )
    more = f"<p>and {n - SHOWN} more rows: to_pandas() has all</p>" if n > SHOWN else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _dense(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _numbers_of(name: str, frame: Any) -> np.ndarray:
    """The numbers of a frame `(n, d)`; a missing one is NaN."""
    whole = np.asarray(frame if not hasattr(frame, "to_numpy") else frame.to_numpy())
    if whole.dtype.kind in "fiub":
        return whole
    held: Iterable[Any] = columns_of(frame).values()
    try:
        return np.array([[np.nan if v is None else v for v in one] for one in held], dtype=np.float32).T
    except (ValueError, TypeError):
        raise ChiasmError(
            f"column {name!r}: wanted a DataFrame of numbers, a vector a row, got other values in it too: choose the "
            "columns of numbers, or name each column (chiasm.read)."
        ) from None


def _is_data_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "to_dict")


def _is_arrow(data: Any) -> bool:
    return hasattr(data, "column_names") and hasattr(data, "to_pylist")
