"""`chiasm fit TASK DATA`: learn from a table or folder, save a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chiasm import recipe, registry
from chiasm.cli._shared import (
    columns,
    csv_bytes,
    echo_json,
    encoders_of,
    notes_csv,
    program,
    progress,
    say_skipped,
    source_of,
)
from chiasm.data.read import read, read_split
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.tasks.retrieve import Retrieve
from chiasm.trust import cut

PARTS = {"train": 0.7, "val": 0.1, "test": 0.2}


@click.group("fit")
def fit_command() -> None:
    """Learn from DATA and save a model."""


@fit_command.command("retrieve")
@click.argument("data")
@columns
@click.option("--split", metavar="COL", help="A column of train / val / test; default: cut 70/10/20 by id.")
@click.option("--read-split", type=click.Path(), metavar="FILE", help="Take the split from a csv of id,split.")
@click.option("--write-split", type=click.Path(), metavar="FILE", help="Write the split as a csv of id,split.")
@click.option("--label", metavar="COL", help="A column of class labels, for mAP.")
@click.option(
    "--encoder", multiple=True, metavar="VIEW=NAME[+NAME]", help="A view's encoder (chiasm list encode), or several."
)
@click.option("--align", default="auto", show_default=True, help="The aligner (chiasm list align).")
@click.option("--allow-leaks", is_flag=True, help="Go on when ids or whole rows stand in two splits.")
@click.option("--seed", default=0, show_default=True, help="Of the split and of everything drawn at random.")
@click.option("--to", "target", required=True, metavar="FOLDER", help="Where to save, for example photos.chiasm.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def retrieve_command(data: str, target: str, as_json: bool, seed: int, **options: Any) -> None:
    """Learn a shared space from the pairs in DATA, so that any view finds any other.

    DATA is a csv, tsv, jsonl or Parquet table, or a folder of pictures with same-named .txt files or class subfolders.
    """
    started = time.monotonic()
    registry.get("align", options["align"])  # a wrong name or place is told before the work, not after
    recipe.check_place(Path(target))
    source = source_of(options)
    views = read(data, root=options["root"], **source)
    if len(views.columns) < 2:
        raise ChiasmError(
            f"{data} has only {views.names[0]!r} and nothing that pairs with it: learning needs some hundred captioned "
            f"examples. To search pictures without captions, reuse a model: chiasm search MODEL 'words' --in {data}"
        )
    encoders = encoders_of(options["encoder"]) or None
    if options["read_split"]:
        views.facts["split"] = read_split(options["read_split"], views)
    elif views.split is None:
        views.facts["split"] = cut(views, PARTS, seed, Encoding(encoders).twins(views))
    model = Retrieve(encoders=encoders, align=options["align"], allow_leaks=options["allow_leaks"], seed=seed)
    model.fit(views, progress=progress())
    model.source_ = source
    folder = Path(target)
    reports = {
        "items.csv": notes_csv(model.report),
        "leaks.csv": csv_bytes(["id"], [[i] for i in model.tainted_]),
    }
    recipe.save(model, folder, reports)
    if options["write_split"]:
        content = csv_bytes(["id", "split"], zip(model.ids_, model.splits_, strict=True))
        write_atomic(Path(options["write_split"]), [content])
    say_skipped(model.report, folder / "items.csv")
    if warning := model._leaks.warning():
        click.echo(f"{warning}; the ids are in {folder / 'leaks.csv'}", err=True)
    counts = {name: int((model.splits_ == name).sum()) for name in ("train", "val", "test")}
    if as_json:
        done = {
            "model": str(folder),
            "rows": len(views),
            "things": views.things,
            "split": counts,
            "views": model.views_,
            "aligner": {"name": options["align"], **model.aligner_.chosen_},
            "items": model.report.as_dict(),
            "leaks": model.leaks_,
            "seconds": round(time.monotonic() - started, 2),
        }
        echo_json(done)
        return
    shown = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    click.echo(f"learned from {counts['train']} of {views.things} things ({shown}); saved {folder}")
    text = next((name for name, modality in model.views_.items() if modality == "text"), None)
    if counts["test"]:
        click.echo(f"next: {program()} score {folder} {data}")
    if text:
        click.echo(f'next: {program()} search {folder} "{_example(model, text)}"')


def _example(model: Retrieve, view: str) -> str:
    """A short text that the model knows, to show a search with."""
    known = [str(item) for item in model.items_[view]["item"][:50]]
    return min(known, key=len).replace('"', "'")[:60]
