"""What every `chiasm fit TASK` does around the lines of its own: options, reading, a split, fitting, saving, saying."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from chiasm import recipe, registry
from chiasm.cli._shared import (
    columns,
    command_line,
    counted,
    csv_bytes,
    echo_json,
    encoders_of,
    notes_csv,
    progress,
    say_skipped,
    source_of,
)
from chiasm.data.notes import sentences
from chiasm.data.read import read_split
from chiasm.encoding.cutting import cut_whole
from chiasm.files import write_atomic
from chiasm.splits import leak_warning
from chiasm.views import Views

__all__ = ["Fitted", "fit", "options_of_fit"]

_OPTIONS = [
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


def options_of_fit(command: Any) -> Any:
    """The options of every `chiasm fit TASK`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass
class Fitted:
    """A model that was learned and saved, and what there is to say about it."""

    model: Any
    views: Views
    folder: Path
    done: dict[str, Any]
    """What was done, as plain values."""
    as_json: bool
    started: float
    data: str
    root: str | None
    """Where its paths were said to lie."""

    @property
    def counts(self) -> dict[str, int]:
        """The things of each split."""
        counts: dict[str, int] = self.done["split"]
        return counts

    @property
    def shown(self) -> str:
        """How many things there are, and of which splits."""
        told = ", ".join(f"{n} {name}" for name, n in self.counts.items() if n)
        return f"{counted(self.views.things, 'thing')} ({told})"

    @property
    def paired(self) -> int:
        """The things that were learned from in two views or more."""
        whole: dict[str, int] = self.model.counts_["whole"]
        return whole["learned"]

    def say(self, facts: Mapping[str, Any], lines: list[str], following: list[list[Any]]) -> None:
        """The last words: what was done and `facts` as JSON, or `lines` and the commands that can follow."""
        if self.as_json:
            echo_json({**self.done, **facts, "seconds": round(time.monotonic() - self.started, 2)})
            return
        rooted = [words + ["--root", self.root] * bool(self.root and self.data in words) for words in following]
        for line in lines + [f"next: {command_line(*words)}" for words in rooted]:
            click.echo(line)


def fit(
    task: str,
    data: str,
    options: Mapping[str, Any],
    own: Mapping[str, Any],
    *,
    parts: Mapping[str, float] | None = None,
    during: Mapping[str, Any] | None = None,
) -> Fitted:
    """Read DATA, give it a split, fit a new `task` and save it with its reports; what was skipped or leaks is said.

    Args:
        options: the command's. own: the task's own parameters.
        parts: the shares of a split where none is given; None: all rows are learned from then.
        during: what the task's `fit` calls on the way, by its arguments.
    """
    started = time.monotonic()
    for kind in ("align", "fuse", "distill", "generate"):  # a wrong name or place is told before the work, not after
        if kind in own:
            registry.make(kind, own[kind])
    folder = Path(options["target"])
    recipe.check_place(folder)
    source = source_of(options)
    views = source.read(data, root=options["root"])
    encoders, seed = encoders_of(options["encoder"]) or None, options["seed"]
    if options["read_split"]:
        views.facts["split"] = read_split(options["read_split"], views)
    elif parts is not None and views.split is None and (task != "retrieve" or len(views.columns) > 1):
        views.facts["split"] = cut_whole(views, parts, seed, encoders)
    model = registry.get("tasks", task)(encoders=encoders, allow_leaks=options["allow_leaks"], seed=seed, **own)
    model.fit(views, progress=progress(), **(during or {}))
    model.source_ = source
    done = _save(model, folder, views, options["write_split"])
    return Fitted(model, views, folder, done, options["as_json"], started, data, options["root"])


def _save(model: Any, folder: Path, views: Views, write_split: str | None) -> dict[str, Any]:
    """Save the model and its reports, say what was skipped; what was done as plain values."""
    reports = {
        "items.csv": notes_csv(model.fit_report, views.notes),
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
        "counts": model.counts_,
        "items": model.fit_report.as_dict(),
        "notes": sentences(views.notes),
        "leaks": model.leaks_,
    }
