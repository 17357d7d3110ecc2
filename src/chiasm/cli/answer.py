"""`chiasm answer MODEL DATA`: a saved model's answer to every row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import answers_csv, echo_rows, more_data, one_line, progress, reading_of, say_skipped
from chiasm.cli._words import typed
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.media.clips import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from chiasm.media.images import IMAGE_SUFFIXES
from chiasm.tasks import Answering
from chiasm.tasks.ask import Ask
from chiasm.tasks.caption import Caption
from chiasm.tasks.cluster import Cluster

SHOWN = 20


@click.command("answer")
@click.argument("model")
@click.argument("data", required=False)
@more_data
@click.option("--question", multiple=True, metavar="TEXT", help="Of an ask model: asked of every row; repeat.")
@click.option("--choice", multiple=True, metavar="TEXT", help="Of an ask model: an answer to choose among; repeat.")
@click.option("--to", type=click.Path(), metavar="FILE", help="Write a csv with a line a row.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def answer_command(
    model: str,
    data: str | None,
    question: tuple[str, ...],
    choice: tuple[str, ...],
    to: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """What MODEL says of every row of DATA: a class and its probability, a number, tags, a caption, a group, an answer.

    Columns are read as the model was told at fit; those that DATA lacks are absent, and the others answer. An ask model
    answers a --question without DATA too, by what the question alone tells. Ctrl-C while captions are written keeps
    those that are there (exit code 130); the other rows have none.
    """
    part = recipe.load(model)
    task = type(part).__name__.lower()
    if (question or choice) and not isinstance(part, Ask):
        raise ChiasmError(f"--question and --choice are for ask models; {model} is a {task} model: leave them out.")
    if not isinstance(part, Answering | Ask | Caption | Cluster):
        asks = {"retrieve": "search"}.get(task, task)
        raise ChiasmError(
            f"{model} is a {task} model, it does not answer rows: chiasm {asks} {typed(model)} ... asks it."
        )
    source, reading = Source.of(part), reading_of(options)
    if data is None:
        if lost := [f"--{name}" for name in ("where", "column", "root", "encoding") if options[name]]:
            raise click.UsageError(
                f"{', '.join(lost)}: wanted DATA to read so, got none: name a table, file or folder."
            )
        if not question or not isinstance(part, Ask):
            raise click.UsageError("Missing argument 'DATA'.")
        views = part.about(None, question)
    elif question and isinstance(part, Ask):
        views = part.about(source.read_present(data, part.views_, **reading), question)
    else:
        views = source.read_present(data, part.views_, **reading)
    more = {"choices": choice} if choice else {}
    answers = part.answer(views, progress=progress(), **more)
    say_skipped(answers.report)
    lone = len(views) == 1 and not question and not answers.columns["views"][0]
    if (
        lone
        and data
        and data.lower().endswith((*IMAGE_SUFFIXES, *AUDIO_SUFFIXES, *VIDEO_SUFFIXES))
        and (lost := answers.report.skipped)
    ):
        raise ChiasmError(f"wanted something to answer, got {data}, which cannot be used: {lost[0][2].message}.")
    rows = (
        part.rows(answers.ids, answers.outputs, answers.columns["views"])
        if isinstance(part, Answering)
        else answers.as_rows()
    )
    left = sum(row["answer"] is None for row in rows)
    read = [view for view in part.views_ if view != getattr(part, "to_", None)]  # not what it writes
    if len(read) > 1 and (gone := [view for view in read if view not in views.columns]) and len(gone) < len(read):
        click.echo(f"note: no {' and no '.join(gone)} in what is asked: answered by the others", err=True)
    if to:
        write_atomic(Path(to), [answers_csv(answers)])
        click.echo(f"wrote {len(rows) - left} answers to {to}", err=True)
    if as_json:
        echo_rows(rows, answers.report, views)
    elif not to:
        told = {row.get("views") for row in rows}
        for row in rows[:SHOWN]:
            sure = f"{100 * row['confidence']:5.1f} %  " if "confidence" in row else ""
            said = f"{sure}{_shown(row.get('name', row['answer']))}{_by(row, len(read), told)}"
            click.echo(f"{one_line(str(row['id']))[:60]}  {said}")
        if len(rows) > SHOWN:
            click.echo(f"and {len(rows) - SHOWN} more rows: --to FILE.csv writes them all, --json prints them")
    return 130 if left else 0


def _by(row: Mapping[str, Any], most: int, told: Set[Any]) -> str:
    """Of how many of `most` views an answer is made, where it is fewer and not every row's alike (`told`)."""
    there = row.get("views", most)
    return f"  (by {there or 'none'} of {most} views)" if there < most and (len(told) > 1 or not there) else ""


def _shown(answer: Any) -> str:
    """An answer on one line; a tag that holds what stands between tags is in quotes."""
    if answer is None:
        return "(not answered)"
    if isinstance(answer, list):
        odd = [json.dumps(tag, ensure_ascii=False) if set(tag) & set(';"') else tag for tag in answer]
        return one_line("; ".join(odd))
    return one_line(str(answer))
