"""`chiasm encode DATA`: fill the cache, resumable; write vectors where asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chiasm.cache import Cache
from chiasm.cli._shared import columns, echo_json, encoders_of, notes_csv, progress, say_skipped, source_of
from chiasm.data.read import read
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.files import replacing, write_atomic
from chiasm.views import Views


@click.command("encode")
@click.argument("data")
@columns
@click.option(
    "--encoder",
    multiple=True,
    metavar="VIEW=NAME[:FOLDER][+NAME]",
    help="A view's encoder (chiasm list encode), or several.",
)
@click.option(
    "--to", "target", type=click.Path(), metavar="FILE.parquet", help="Write id and vectors, a row a row of DATA."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def encode_command(data: str, target: str | None, as_json: bool, **options: Any) -> None:
    """Encode DATA's columns. What is in the cache is not encoded again; a killed run goes on where it was."""
    started = time.monotonic()
    if target and not target.endswith(".parquet"):
        raise ChiasmError(f"wanted a file name that ends in .parquet, got {target!r}.")
    views = read(data, root=options["root"], **source_of(options))
    encoding = Encoding(encoders_of(options["encoder"]) or None).fit(views)
    encoded, report = encoding.apply(views, progress())
    listed = None
    if report.notes:
        listed = Path(target + ".items.csv") if target else Cache().root / "reports" / "items.csv"
        write_atomic(listed, [notes_csv(report)])
    if target:
        _write(encoded, Path(target))
    say_skipped(report, listed)
    encoders = {name: encoder.fingerprint for name, encoder in encoding.encoders_.items()}
    done = {
        "rows": len(views),
        "views": report.as_dict(),
        "encoders": encoders,
        "to": target,
        "seconds": round(time.monotonic() - started, 2),
    }
    if as_json:
        echo_json(done)
        return
    for view, counts in report.as_dict().items():
        click.echo(
            f"{view}: {counts['items']} items, {counts['encoded']} encoded now, {counts['found']} found in the cache"
        )
    if target:
        click.echo(f"wrote {target}")


def _write(views: Views, path: Path) -> None:
    """A Parquet file of id and one list column a view, a chunk of rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    fields = [pa.field("id", pa.string())]
    fields += [pa.field(name, pa.list_(pa.float32(), column.width)) for name, column in views.columns.items()]
    with replacing(path) as draft, open(draft, "wb") as file, parquet.ParquetWriter(file, pa.schema(fields)) as writer:
        for start in range(0, len(views), 4096):
            part = views[start : start + 4096]
            arrays: list[Any] = [pa.array([str(i) for i in part.ids], pa.string())]
            for field, column in zip(fields[1:], part.columns.values(), strict=True):
                cells: list[Any] = [None] * len(part)
                for row, values in zip(
                    column.present.nonzero()[0], column.take(column.index[column.present]), strict=True
                ):
                    cells[row] = values.tolist()
                arrays.append(pa.array(cells, field.type))
            writer.write_table(pa.table(arrays, schema=pa.schema(fields)))
