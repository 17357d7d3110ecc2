"""`chiasm match MODEL DATA`: whether the forms of each row belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import answers_csv, counted, echo_rows, more_data, one_line, progress, reading_of, say_skipped
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.tasks.match import Match

SHOWN = 20


@click.command("match")
@click.argument("model")
@click.argument("data")
@more_data
@click.option("--to", type=click.Path(), metavar="FILE", help="Write a csv with a line a row.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def match_command(model: str, data: str, to: str | None, as_json: bool, **options: Any) -> None:
    """Whether the forms of each row of DATA belong together, as MODEL learned it, and how probably.

    \b
    chiasm fit match products.csv --text description --image photo --to pairs.chiasm
    chiasm match pairs.chiasm new.csv --to checked.csv

    Columns are read as the model was told at fit. A row with fewer than two forms cannot be judged: its probability is
    what the model was told to expect (--prior of fit), and its answer means nothing.
    """
    part = recipe.load(model)
    if not isinstance(part, Match):
        raise ChiasmError(
            f"wanted a model that judges pairs, got {model}, which is a {type(part).__name__.lower()} model: "
            "chiasm fit match ... --to FOLDER makes one."
        )
    views = Source.of(part).read_present(data, part.views_, **reading_of(options))
    answers = part.answer(views, progress=progress())
    say_skipped(answers.report)
    rows = answers.as_rows()
    alone = sum(row["views"] < 2 for row in rows)
    if to:
        write_atomic(Path(to), [answers_csv(answers)])
        click.echo(f"wrote {counted(len(rows), 'answer')} to {to}", err=True)
    if alone:
        click.echo(f"{alone} of {len(rows)} rows have fewer than two forms that can be read: not judged", err=True)
    if as_json:
        echo_rows(rows, answers.report, views)
    elif not to:
        for row in rows[:SHOWN]:
            said = "together" if row["answer"] else "apart"
            sure = f"{100 * row['probability']:5.1f} %  {said:8}" if row["views"] > 1 else f"{'-':>7}  not judged"
            click.echo(f"{sure}  {one_line(row['id'])[:60]}")
        if len(rows) > SHOWN:
            click.echo(f"and {len(rows) - SHOWN} more rows: --to FILE.csv writes them all, --json prints them")
