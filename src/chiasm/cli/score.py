"""`chiasm score MODEL DATA`: a saved model on rows that it did not learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from chiasm import recipe
from chiasm.cli._shared import csv_bytes, progress, say_skipped, where_of
from chiasm.data.read import read
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.report.properties import lines
from chiasm.splits import split_name
from chiasm.tasks import Answering
from chiasm.views import Views


@click.command("score")
@click.argument("model")
@click.argument("data")
@click.option("--where", multiple=True, metavar="COL=VALUE", help="Score these rows; default: split=test.")
@click.option("--root", type=click.Path(), metavar="DIR", help="Paths are below this folder; default: DATA's.")
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
    where: tuple[str, ...],
    root: str | None,
    allow_train: bool,
    per_query: str | None,
    report: str | None,
    with_properties: bool,
    as_json: bool,
) -> None:
    """How right MODEL is on DATA, with 95 % intervals, beside chance and a simple baseline.

    Of a search: R@1, 5, 10, median rank and mAP. Of answers: accuracy, F1, AUC or R2, and what each view adds.
    Columns are read as the model was told at fit. Without --where: the rows recorded as test.
    """
    part = recipe.load(model)
    answers = isinstance(part, Answering)
    for given, name in ((per_query, "--per-query"), (with_properties, "--properties")):
        if given and answers:
            raise ChiasmError(f"{name} is for models that search; {model} answers: try --report FILE.html.")
    if report and not answers:
        raise ChiasmError(f"--report is for models that answer; {model} searches: try --per-query FILE.csv.")
    source = dict(getattr(part, "source_", {}))
    wanted = where_of(where) or {"split": "test"}
    split = wanted.pop("split", None)
    whole = read(data, root=root, where=wanted, **source)
    views = whole if split is None else _of_split(whole, part, split_name(split), model)
    result = part.score(views, allow_train=allow_train, split=split or "all", progress=progress())
    say_skipped(result.report)
    if report:
        from chiasm.report.page import page

        content = page(result.table, result.wrong, data=Path(data).name, command=f"chiasm score {model} {data}")
        write_atomic(Path(report), [content])
        click.echo(f"wrote {report}", err=True)
    if per_query:
        names = ["from", "to", "query", "id", "rank", "answers"]
        rows: list[list[Any]] = [[row[name] for name in names] for row in result.per_query]
        write_atomic(Path(per_query), [csv_bytes(names, rows)])
    if with_properties:
        learned = [_mask(whole, part, name) for name in ("train", "val")]
        train, val = (whole[mask] if mask.any() else None for mask in learned)
        result.table["properties"] = part.properties(views, train, val, allow_train=allow_train)
    click.echo(result.to_json() if as_json else str(result))
    if with_properties and not as_json:
        click.echo("\n".join(["", *lines(result.table["properties"])]))


def _mask(views: Views, part: Any, name: str) -> np.ndarray:
    """`(n,)` the rows of a split: by DATA's own column where the model was told of one, else as recorded at fit."""
    if views.split is not None:
        mask: np.ndarray = views.split == name
        return mask
    of_id = dict(zip(part.ids_.tolist(), part.splits_.tolist(), strict=True))
    return np.array([of_id.get(str(i)) == name for i in views.ids])


def _of_split(views: Views, part: Any, name: str, model: str) -> Views:
    """The rows of one split."""
    mask = _mask(views, part, name)
    if not mask.any():
        known = ", ".join(sorted(set(part.splits_.tolist())))
        raise ChiasmError(
            f"no rows of split {name!r} in the data ({model} recorded {known}): "
            "score other rows with --where COL=VALUE."
        )
    kept: Views = views[mask]
    return kept
