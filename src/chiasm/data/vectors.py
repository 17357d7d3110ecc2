"""Encoded views as a file for other programs: a Parquet table of id and vectors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chiasm.files import replacing
from chiasm.frames import written
from chiasm.views import Views

__all__ = ["write_vectors"]

CHUNK = 4096
"""Rows in memory at a time."""


def write_vectors(views: Views, path: str | os.PathLike[str]) -> None:
    """Write id and one list column a view, a row each, as Parquet; an absent item is null.

    Bytes of a file name that are no UTF-8 are spelled out in its id.

    Args:
        views: encoded. path: the file; it is replaced whole, or not at all.

    Raises a ChiasmError for views of raw items.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    fields = [pa.field("id", pa.string())]
    fields += [pa.field(name, pa.list_(pa.float32(), column.width)) for name, column in views.columns.items()]
    schema = pa.schema(fields)
    with replacing(Path(path)) as draft, open(draft, "wb") as file, parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, len(views), CHUNK):
            part = views[start : start + CHUNK]
            arrays: list[Any] = [pa.array([written(str(i)) for i in part.ids], pa.string())]
            for field, column in zip(fields[1:], part.columns.values(), strict=True):
                cells: list[Any] = [None] * len(part)
                for row, values in zip(
                    column.present.nonzero()[0], column.take(column.index[column.present]), strict=True
                ):
                    cells[row] = values.tolist()
                arrays.append(pa.array(cells, field.type))
            writer.write_table(pa.table(arrays, schema=schema))
