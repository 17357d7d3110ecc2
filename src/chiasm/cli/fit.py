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
from chiasm.splits import cut, leak_warning
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Views

PARTS = {"train": 0.7, "val": 0.1, "test": 0.2}
ANSWER_PARTS = {"train": 0.8, "test": 0.2}
"""Tasks that answer choose by cross-validation and need no validation rows."""


def _common(command: Any) -> Any:
    """The options of every `chiasm fit TASK`."""
    options = [
        columns,
        click.option("--split", metavar="COL", help="A column of train / val / test; default: cut by id and group."),
        click.option("--read-split", type=click.Path(), metavar="FILE", help="Take the split from a csv of id,split."),
        click.option("--write-split", type=click.Path(), metavar="FILE", help="Write the split as a csv of id,split."),
        click.option(
            "--encoder",
            multiple=True,
            metavar="VIEW=NAME[:FOLDER][+NAME]",
            help="A view's encoder (chiasm list encode), or several.",
        ),
        click.option("--allow-leaks", is_flag=True, help="Go on when ids, groups or whole rows stand in two splits."),
        click.option("--seed", default=0, show_default=True, help="Of the split and of everything drawn at random."),
        click.option("--to", "target", required=True, metavar="FOLDER", help="Where to save: photos.chiasm."),
        click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group("fit")
def fit_command() -> None:
    """Learn from DATA and save a model."""


@fit_command.command("retrieve")
@click.argument("data")
@_common
@click.option("--label", metavar="COL", help="A column of class labels, for mAP.")
@click.option("--align", default="auto", show_default=True, help="The aligner (chiasm list align).")
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
    _split(views, options, seed, encoders, PARTS)
    model = Retrieve(encoders=encoders, align=options["align"], allow_leaks=options["allow_leaks"], seed=seed)
    model.fit(views, progress=progress())
    folder = Path(target)
    done = _save(model, source, folder, views, options["write_split"])
    counts = done["split"]
    if as_json:
        done["aligner"] = {"name": options["align"], **model.aligner_.chosen_}
        echo_json({**done, "seconds": round(time.monotonic() - started, 2)})
        return
    click.echo(f"learned from {counts['train']} of {_shown(views, counts)}; saved {folder}")
    text = next((name for name, modality in model.views_.items() if modality == "text"), None)
    if counts["test"]:
        click.echo(f"next: {program()} score {folder} {data}")
    if text:
        click.echo(f'next: {program()} search {folder} "{_example(model, text)}"')


def _answering(name: str, doc: str) -> None:
    """Add `chiasm fit NAME` for a task that answers."""

    @fit_command.command(name, help=doc)
    @click.argument("data")
    @_common
    @click.option("--label", required=True, metavar="COL", help="The column of what is to be answered.")
    @click.option("--fuse", default="auto", show_default=True, help="The fuser (chiasm list fuse).")
    def command(data: str, target: str, as_json: bool, seed: int, **options: Any) -> None:
        started = time.monotonic()
        registry.get("fuse", options["fuse"])
        recipe.check_place(Path(target))
        source = source_of(options)
        views = read(data, root=options["root"], **source)
        encoders = encoders_of(options["encoder"]) or None
        _split(views, options, seed, encoders, ANSWER_PARTS)
        task = registry.get("tasks", name)
        model = task(encoders=encoders, fuse=options["fuse"], allow_leaks=options["allow_leaks"], seed=seed)
        model.fit(views, progress=progress())
        folder = Path(target)
        done = _save(model, source, folder, views, options["write_split"])
        for view, right in model.suspects_.items():
            click.echo(
                f"suspicious: {view} alone is right on {100 * right:.1f} % of held-out rows. If it holds the label "
                "itself, leave it out.",
                err=True,
            )
        if as_json:
            done |= {
                "fuser": {"name": options["fuse"], **getattr(model.fuser_, "chosen_", {})},
                "answers": model.fuser_.target_.names_,
                "cross_validated": model.crossed_,
                "suspect_views": model.suspects_,
            }
            echo_json({**done, "seconds": round(time.monotonic() - started, 2)})
            return
        counts = done["split"]
        chosen = getattr(model.fuser_, "chosen_", {}).get("fuser", options["fuse"])
        click.echo(
            f"learned from {counts['train'] + counts['val']} of {_shown(views, counts)} with {chosen}; saved {folder}"
        )
        for entry in model.crossed_.get("leave_one_out", {}).values():
            click.echo(f"out of fold: {entry['verdict']}")
        if counts["test"]:
            click.echo(f"next: {program()} score {folder} {data}")
        click.echo(f"next: {program()} answer {folder} {data} --to answers.csv")


_answering("classify", "Learn to give each row of DATA one class, from any of its views.")
_answering("regress", "Learn to give each row of DATA a number, from any of its views.")
_answering(
    "tag",
    "Learn to give each row of DATA all the tags that fit: its label is a JSON list, or tags between semicolons.",
)


@fit_command.command("detect")
@click.argument("data")
@_common
@click.option("--label", metavar="COL", help="A column that says which rows are normal; else all are.")
@click.option("--normal", metavar="LABEL", help="The label of normal rows; only these are learned from.")
@click.option(
    "--learn",
    type=click.Choice(["normal", "views", "pairs", "labels"]),
    default="normal",
    show_default=True,
    help="What normal rows are like, by views and by pairs; only one of these; or all labels.",
)
@click.option("--rate", default=0.05, show_default=True, help="The share of normal rows that may be called unusual.")
def detect_command(data: str, target: str, as_json: bool, seed: int, **options: Any) -> None:
    """Learn what normal rows of DATA are like, to find unusual rows, broken pairs, and moments of films.

    Without a split every row is learned from, and judged by what was learned without it.
    """
    started = time.monotonic()
    recipe.check_place(Path(target))
    source = source_of(options)
    views = read(data, root=options["root"], **source)
    if options["read_split"]:
        views.facts["split"] = read_split(options["read_split"], views)
    model = registry.get("tasks", "detect")(
        encoders=encoders_of(options["encoder"]) or None,
        normal=options["normal"],
        learn=options["learn"],
        rate=options["rate"],
        allow_leaks=options["allow_leaks"],
        seed=seed,
    )
    model.fit(views, progress=progress())
    folder = Path(target)
    done = _save(model, source, folder, views, options["write_split"])
    if as_json:
        echo_json({**done, "signs": model.signs_, "seconds": round(time.monotonic() - started, 2)})
        return
    click.echo(f"learned from {len(model.marks_)} rows by {', '.join(model.signs_)}; saved {folder}")
    click.echo(f"next: {program()} detect {folder} {data}")


@fit_command.command("talk")
@click.argument("data")
@_common
@click.option("--slot", multiple=True, required=True, metavar="COL", help="A column of a slot's values; repeat.")
@click.option("--fuse", default="late", show_default=True, help="The fuser (chiasm list fuse).")
@click.option("--error", default=0.05, show_default=True, help="The share of wrong values among sure ones allowed.")
def talk_command(data: str, target: str, as_json: bool, seed: int, **options: Any) -> None:
    """Learn from DATA to fill slots from what is typed or said, and to ask back for those that are unsure."""
    started = time.monotonic()
    registry.get("fuse", options["fuse"])
    recipe.check_place(Path(target))
    source = source_of(options) | {"label": list(options["slot"])}
    views = read(data, root=options["root"], **source)
    encoders = encoders_of(options["encoder"]) or None
    _split(views, options, seed, encoders, PARTS)
    model = registry.get("tasks", "talk")(
        encoders=encoders,
        fuse=options["fuse"],
        error=options["error"],
        allow_leaks=options["allow_leaks"],
        seed=seed,
    )
    model.fit(views, progress=progress())
    folder = Path(target)
    done = _save(model, source, folder, views, options["write_split"])
    if as_json:
        echo_json({**done, "slots": model.slots, "seconds": round(time.monotonic() - started, 2)})
        return
    click.echo(f"learned {', '.join(model.slots)} from {done['split']['train']} rows; saved {folder}")
    click.echo(f"next: {program()} talk {folder}")


def _split(views: Views, options: Any, seed: int, encoders: Any, parts: dict[str, float]) -> None:
    """Give the views a split: the user's, or one that cuts no id, no group and no equal rows."""
    if options["read_split"]:
        views.facts["split"] = read_split(options["read_split"], views)
    elif views.split is None:
        views.facts["split"] = cut(views, parts, seed, Encoding(encoders).twins(views))


def _save(model: Any, source: dict[str, Any], folder: Path, views: Views, write_split: str | None) -> dict[str, Any]:
    """Save the model and its reports, say what was skipped; what was done as plain values."""
    model.source_ = source
    reports = {
        "items.csv": notes_csv(model.fit_report),
        "leaks.csv": csv_bytes(["id"], [[i] for i in model.tainted_]),
    }
    recipe.save(model, folder, reports)
    if write_split:
        content = csv_bytes(["id", "split"], zip(model.ids_, model.splits_, strict=True))
        write_atomic(Path(write_split), [content])
    say_skipped(model.fit_report, folder / "items.csv")
    if warning := leak_warning(model.leaks_):
        click.echo(f"{warning}; the ids are in {folder / 'leaks.csv'}", err=True)
    return {
        "model": str(folder),
        "rows": len(views),
        "things": views.things,
        "split": {name: int((model.splits_ == name).sum()) for name in ("train", "val", "test")},
        "views": model.views_,
        "items": model.fit_report.as_dict(),
        "leaks": model.leaks_,
    }


def _shown(views: Views, counts: dict[str, int]) -> str:
    return f"{views.things} things ({', '.join(f'{n} {name}' for name, n in counts.items() if n)})"


def _example(model: Retrieve, view: str) -> str:
    """A short text that the model knows, to show a search with."""
    known = [str(item) for item in model.items_[view]["item"][:50]]
    return min(known, key=len).replace('"', "'")[:60]
