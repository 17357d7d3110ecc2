"""`chiasm teach INDEX NAME FILES...` and `chiasm forget INDEX NAME`: names that stand for what some files show."""

from __future__ import annotations

from typing import Any

import click

from chiasm.cli._shared import command_line, counted, device, echo_json, one_line
from chiasm.collection import Collection

json = click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")


@click.command("teach")
@click.argument("index")
@click.argument("name", required=False)
@click.argument("files", nargs=-1)
@device
@json
def teach_command(index: str, name: str | None, files: tuple[str, ...], as_json: bool) -> None:
    """Teach INDEX a NAME by FILES of it, or from anywhere; without NAME, list what is taught.

    \b
    chiasm teach photos.index rex a.jpg b.jpg c.jpg
    chiasm search photos.index "rex on a beach"

    Taught again, files are added.
    """
    made = Collection(index)
    if name is None:
        _list(made.names(), as_json)
        return
    told = made.teach(name, files)
    if as_json:
        echo_json(told)
        return
    click.echo(f"{told['name']}: {counted(told['pictures'], 'file')} ({told['added']} new)")
    if (found := told["measured"]) is not None:
        low, value, high = (round(100 * found["first_10"][key]) for key in ("low", "value", "high"))
        click.echo(
            f"each found by the others among {counted(found['of'], 'file')}: median rank {found['median_rank']:g}, "
            f"{value} in 100 among the first 10 [{low}, {high}], by chance {100 * found['chance']:.1f}"
        )
    if told["note"]:
        click.echo(told["note"])
    if told["alike"]:
        click.echo("most like it, and not taught:")
    for one in told["alike"]:
        click.echo(f"     {one['score']:.3f}  {one_line(one['item'])}")
    click.echo(f"next: {command_line('search', index, told['name'])}")


@click.command("forget")
@click.argument("index")
@click.argument("name")
@json
def forget_command(index: str, name: str, as_json: bool) -> None:
    """Forget a NAME that INDEX was taught: searches answer as before."""
    made = Collection(index)
    made.forget(name)
    if as_json:
        echo_json({"forgotten": name, "names": made.names()})
    else:
        click.echo(f"forgot {one_line(name)}")


def _list(names: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        echo_json({"names": names})
        return
    for one in names:
        lost = "   (lost with the other model: teach it again)" if one["lost"] else ""
        click.echo(f"{one_line(one['name'])}: {counted(one['pictures'], 'file')}{lost}")
    if not names:
        click.echo("no name is taught")
