"""`chiasm doctor labels DATA`: labels that are likely wrong, because the views agree on another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import registry
from chiasm.cli._shared import (
    columns,
    csv_bytes,
    echo_json,
    encoders_of,
    label_of,
    one_line,
    progress,
    say_skipped,
    source_of,
)
from chiasm.files import write_atomic

SHOWN = 20


@click.command("labels")
@click.argument("data")
@columns
@click.option("--label", metavar="COL", help="The column of class labels to judge; of class folders: class.")
@click.option(
    "--encoder", multiple=True, metavar="VIEW=NAME[+NAME]", help="A view's encoder (chiasm list encode), or several."
)
@click.option("--fuse", default="early", show_default=True, help="The fuser (chiasm list fuse).")
@click.option("--top", default=SHOWN, show_default=True, help="How many of the most doubtful rows to print.")
@click.option("--seed", default=0, show_default=True, help="Of the folds and of everything drawn at random.")
@click.option("--to", "target", type=click.Path(), metavar="FILE", help="Write a csv of all rows, the worst first.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def labels_command(data: str, target: str | None, as_json: bool, top: int, seed: int, **options: Any) -> None:
    """Rank the labels of DATA by how much its columns, learned without the row, doubt them.

    Says how many are likely wrong, and of each row the given label, the suggested one, what each column says alone, and
    how much the columns clash. Look at the rows before changing a label: a doubtful row may only be unusual.
    """
    from chiasm.measure.label_errors import label_errors

    registry.make("fuse", options["fuse"])  # a wrong name is told before the work, not after
    options["label"] = label_of(data, options["label"])
    views = source_of(options).read(data, root=options["root"])
    encoders = encoders_of(options["encoder"]) or None
    found = label_errors(views, encoders=encoders, fuse=options["fuse"], seed=seed, progress=progress())
    say_skipped(found.report)
    if target:
        rows = found.ranked()
        write_atomic(Path(target), [csv_bytes(_header(rows[0]), [_cells(row) for row in rows])])
        click.echo(f"wrote {len(rows)} labels, the most doubtful first, to {target}", err=True)
    table = found.as_dict(top)
    if as_json:
        echo_json(table)
        return
    estimate, share = table["estimate"], table["estimate"]["share"]
    out = f", {table['unlabeled']} rows without one left out" if table["unlabeled"] else ""
    click.echo(f"{table['rows']} labels of {len(table['classes'])} classes{out}; {' + '.join(table['views'])}, "
               f"learned without the row, say{'s' * (len(table['views']) == 1)} the same on "
               f"{100 * table['agree']:.1f} %")  # fmt: skip
    click.echo(
        f"likely wrong: {estimate['wrong']} ({100 * share['value']:.1f} % [{100 * share['low']:.1f}, "
        f"{100 * share['high']:.1f}], as among the fifth of rows that are surest); confident joint: "
        f"{estimate['confident_joint']}"
    )
    for row in table["ranked"]:
        said = ", ".join(f"{view} {o['says']} {100 * o['sure']:.0f} %" for view, o in row["views"].items() if o)
        clash = "" if row["clash"] is None else f"; clash {100 * row['clash']:.0f} %"
        items = "  ".join(one_line(str(item))[:40] for item in row["items"].values())
        click.echo(f"{100 * row['doubt']:5.1f} %  {row['given']} -> {row['suggested']}  ({said}{clash})  {items}")


def _header(row: dict[str, Any]) -> list[str]:
    views = [f"{view} {what}" for view in row["views"] for what in ("says", "sure")]
    return ["rank", "id", "given", "suggested", "doubt", *views, "clash", *row["views"]]


def _cells(row: dict[str, Any]) -> list[Any]:
    views = [o[what] if o else "" for o in row["views"].values() for what in ("says", "sure")]
    clash = "" if row["clash"] is None else row["clash"]
    items = [row["items"].get(view, "") for view in row["views"]]
    return [row["rank"], row["id"], row["given"], row["suggested"], row["doubt"], *views, clash, *items]
