"""`chiasm score MODEL DATA`: a saved model on rows that it did not learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import csv_bytes, more_data, progress, reading_of, say_skipped
from chiasm.cli._words import typed
from chiasm.data.notes import sentences
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.report.properties import lines
from chiasm.splits import split_name
from chiasm.tasks import Answering


@click.command("score")
@click.argument("model")
@click.argument("data")
@more_data
@click.option("--allow-train", is_flag=True, help="Score rows that the model was fitted on too.")
@click.option("--per-query", type=click.Path(), metavar="FILE", help="Write a csv with a line a query (retrieve).")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write the score as a page of HTML with plots.")
@click.option(
    "--properties",
    "with_properties",
    is_flag=True,
    help="Also measure the space: can the modality be told, does it keep classes, does it serve other tasks?",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def score_command(
    model: str,
    data: str,
    allow_train: bool,
    per_query: str | None,
    report: str | None,
    with_properties: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """How right MODEL is on DATA, with 95 % intervals, beside chance and a simple baseline.

    Of a search: R@1, 5, 10, median rank and mAP. Of answers: accuracy, F1, AUC or R2, and what each view adds.
    Of captions: CIDEr-D, ROUGE-L, BLEU-4, beside other captions. Of groups: how alike they and labels are, on all rows.
    Columns are read as the model was told at fit. Without --where: the rows recorded as test, and all that the model
    has never seen.
    """
    part = recipe.load(model)
    task, searches = type(part).__name__.lower(), hasattr(part, "hits")
    for given, name, has, whose in (
        (per_query, "--per-query", searches, "search"),
        (with_properties, "--properties", searches, "search"),
        (report, "--report", isinstance(part, Answering), "answer rows"),
    ):
        if given and not has:
            raise ChiasmError(f"{name} is for models that {whose}; {model} is a {task} model: leave it out.")
    source = Source.of(part)
    reading = reading_of(options)
    split = reading["where"].pop("split", None)
    whole = source.read_to_score(data, part.views_, **reading)
    told = sentences(whole.notes)
    if split is not None:
        views = source.of_split(split_name(split), whole, part.ids_, part.splits_, model=model)
    elif reading["where"]:
        views, split = whole, "all"
    else:
        views, split, more = part.to_score(whole, allow_train=allow_train)
        told += more
    result = part.score(views, allow_train=allow_train, split=split, progress=progress())
    say_skipped(result.report)
    if report:
        from chiasm.report.page import page

        content = page(
            result.table, result.wrong, data=Path(data).name, command=f"chiasm score {typed(model)} {typed(data)}"
        )
        write_atomic(Path(report), [content])
        click.echo(f"wrote {report}", err=True)
    if per_query:
        names = ["from", "to", "query", "id", "rank", "answers"]
        rows: list[list[Any]] = [[row[name] for name in names] for row in result.per_query]
        write_atomic(Path(per_query), [csv_bytes(names, rows)])
    if with_properties:
        learned = [source.rows_of(name, whole, part.ids_, part.splits_) for name in ("train", "val")]
        train, val = (whole[mask] if mask.any() else None for mask in learned)
        result.table["properties"] = part.properties(views, train, val, allow_train=allow_train)
    if as_json and told:
        result.table["notes"] = told
    click.echo(result.to_json() if as_json else str(result))
    if with_properties and not as_json:
        click.echo("\n".join(["", *lines(result.table["properties"])]))
