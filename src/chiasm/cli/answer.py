"""`chiasm answer MODEL DATA`: a saved model's answer to every row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from chiasm import recipe
from chiasm.cli._shared import csv_bytes, echo_json, one_line, progress, say_skipped, where_of
from chiasm.data.read import read
from chiasm.data.table import table
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.tasks import Answering

SHOWN = 20


@click.command("answer")
@click.argument("model")
@click.argument("data")
@click.option("--where", multiple=True, metavar="COL=VALUE", help="Answer these rows only.")
@click.option("--root", type=click.Path(), metavar="DIR", help="Paths are below this folder; default: DATA's.")
@click.option("--to", type=click.Path(), metavar="FILE", help="Write a csv with a line a row.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def answer_command(
    model: str, data: str, where: tuple[str, ...], root: str | None, to: str | None, as_json: bool
) -> None:
    """What MODEL says of every row of DATA: a class and its probability, a number, or tags.

    Columns are read as the model was told at fit; those that DATA lacks are absent, and the others answer.
    """
    part = recipe.load(model)
    if not isinstance(part, Answering):
        task = type(part).__name__.lower()
        asks = {"retrieve": "search"}.get(task, task)
        raise ChiasmError(f"{model} is a {task} model, it does not answer rows: chiasm {asks} {model} ... asks it.")
    views = read(data, root=root, where=where_of(where), **_readable(part, data))
    answers = part.answer(views, progress=progress())
    say_skipped(answers.report)
    rows = _rows(part, views, answers.outputs)
    if to:
        names = list(dict.fromkeys(name for row in rows for name in row))
        write_atomic(Path(to), [csv_bytes(names, [[_cell(row[name]) for name in names] for row in rows])])
        click.echo(f"wrote {len(rows)} answers to {to}", err=True)
    if as_json:
        echo_json(rows)
    elif not to:
        for row in rows[:SHOWN]:
            sure = f"{100 * row['confidence']:5.1f} %  " if "confidence" in row else ""
            click.echo(f"{one_line(str(row['id']))[:60]}  {sure}{_cell(row['answer'])}")
        if len(rows) > SHOWN:
            click.echo(f"and {len(rows) - SHOWN} more rows: --to FILE.csv writes them all, --json prints them")


_KINDS = ("text", "image", "audio", "video", "vector", "number", "category")


def _readable(part: Any, data: str) -> dict[str, Any]:
    """How the model was told to read, less the columns that DATA lacks or that are empty there."""
    source = dict(getattr(part, "source_", {}))
    cells, _ = table(data, source.get("encoding", "utf-8"))
    held = {name for name, values in cells.items() if any(v is not None and v != "" and v == v for v in values)}
    kept: dict[str, Any] = {"encoding": source.get("encoding", "utf-8")}
    if source.get("id") in cells:
        kept["id"] = source["id"]
    for kind in _KINDS:
        kept[kind] = [one for one in source.get(kind, []) if one.rpartition("=")[2] in held]
    if not any(kept[kind] for kind in _KINDS) and any(source.get(kind) for kind in _KINDS):
        raise ChiasmError(f"{data} has none of the columns that {', '.join(part.views_)} were read from at fit.")
    return kept


def _rows(part: Any, views: Any, outputs: np.ndarray) -> list[dict[str, Any]]:
    """An answer a row, as plain values: of classes and tags also the probability of each."""
    names = part.fuser_.target_.names_
    ids = [str(i) for i in views.ids]
    if part.kind == "numbers":
        width = round(part.half_width_, 6)
        values = np.round(outputs[:, 0], 6).tolist()
        return [{"id": i, "answer": value, "plus_minus_90": width} for i, value in zip(ids, values, strict=True)]
    decided = part.fuser_.target_.decode(outputs, getattr(part, "thresholds_", None))
    found = []
    for i, one, sure in zip(ids, decided, outputs, strict=True):
        each = {name: round(float(p), 6) for name, p in zip(names, sure, strict=True)}
        if part.kind == "tags":
            tags = [names[t] for t in np.argsort(-sure, kind="stable") if one[t]]
            found.append({"id": i, "answer": tags, "probabilities": each})
        else:
            best: dict[str, Any] = {"answer": str(one), "confidence": max(each.values())}
            found.append({"id": i, **best, "probabilities": each})
    return found


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, dict):
        return "; ".join(f"{name} {p:.3f}" for name, p in value.items())
    return value
