"""`chiasm encode DATA`: fill the cache, resumable; write vectors where asked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chiasm.cache import Cache
from chiasm.cli._shared import columns, echo_json, encoders_of, notes_csv, progress, say_skipped, source_of
from chiasm.data.vectors import write_vectors
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic


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
    views = source_of(options).read(data, root=options["root"])
    encoding = Encoding(encoders_of(options["encoder"]) or None).fit(views)
    encoded, report = encoding.apply(views, progress())
    listed = None
    if report.notes:
        listed = Path(target + ".items.csv") if target else Cache().root / "reports" / "items.csv"
        write_atomic(listed, [notes_csv(report)])
    if target:
        write_vectors(encoded, target)
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
