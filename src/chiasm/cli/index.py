"""`chiasm index`: a folder of media that stays searchable, and the ledger of its files."""

from __future__ import annotations

from typing import Any

import click

from chiasm.cli._shared import command_line, counted, device, echo_json, grouped_with, one_line
from chiasm.collection import Collection, renew
from chiasm.scale import Bars

_MENDS = {"update": ["update"], "update, retrying": ["update", "--retry"], "rebuild": ["rebuild"]}
_SHOWN = 10
"""Failed files that are named."""


@click.group("index")
def index_command() -> None:
    """Keep a folder of pictures, sounds or videos searchable, and account for every file.

    \b
    chiasm fit retrieve Pictures --to photos.chiasm
    chiasm index build photos.chiasm Pictures --to photos.index
    chiasm search photos.index "a dog in snow" --where "date>=2024-05"
    chiasm index update photos.index
    """


json = click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")


@index_command.command("build")
@click.argument("model")
@click.argument("data", metavar="FOLDER|DATA")
@click.option("--to", "target", required=True, metavar="INDEX", help="Where to keep it: photos.index.")
@click.option("--engine", metavar="NAME", help="What holds the vectors (chiasm list index); default: exact.")
@click.option("--place", is_flag=True, help="Know where pictures were taken, too (latitude, longitude).")
@click.option("--root", metavar="DIR", help="Paths of DATA are below this folder; default: the table's.")
@click.option("--column", metavar="COL", help="The column of DATA with the paths; default: as at fit.")
@click.option(
    "--window",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Search long sounds and videos by moments so long; default: as the clips learned from.",
)
@click.option("--read-text", is_flag=True, help="Read the text in pictures and search it, too (package rapidocr).")
@click.option("--encoding", metavar="NAME", help="Of DATA, or of the texts beside media: gb18030.")
@device
@json
def build_command(
    model: str,
    data: str,
    target: str,
    engine: str | None,
    place: bool,
    root: str | None,
    column: str | None,
    window: float | None,
    read_text: bool,
    encoding: str | None,
    as_json: bool,
) -> int:
    """Take in a FOLDER, or the files of a table DATA, with MODEL, or go on where it was broken off.

    Exit code 1 where nothing can be searched.
    """
    how: dict[str, Any] = {"place": place, "root": root, "column": column, "window": window}
    how["read_text"] = read_text
    made = Collection.build(target, model, data, index=engine, encoding=encoding, **how, progress=Bars("index"))
    _say(made, as_json)
    ledger = made.ledger()
    if not ledger["searchable"]:
        why = "none of its files could be read" if ledger["seen"] else "it holds no file that the model reads"
        click.echo(f"nothing can be searched in {data} yet: {why}", err=True)
        return 1
    if not as_json:
        click.echo(f"next: {command_line('search', target, 'a dog in snow')}")
    return 0


@index_command.command("update")
@click.argument("index")
@click.option("--retry", is_flag=True, help="Try files again that have failed, and mend what is damaged.")
@click.option("--folder", metavar="FOLDER", help="Where the folder lies now, if it was moved.")
@click.option("--watch", is_flag=True, help="Go on: take in what changes, until it is ended (Ctrl-C).")
@device
@json
def update_command(index: str, retry: bool, folder: str | None, watch: bool, as_json: bool) -> None:
    """Look at the folder of INDEX again: what is new is encoded, what is gone is found no more."""
    made = Collection(index)
    made.update(retry=retry, folder=folder, progress=Bars("index"))
    if not as_json:
        click.echo(_changes(made))
    _say(made, as_json)
    try:
        for ledger in made.watch(progress=Bars("index")) if watch else ():
            if as_json:
                echo_json({"ledger": ledger})
            else:
                click.echo(f"{_changes(made)}; {_ledger(ledger)}")
    except KeyboardInterrupt:  # that is how it ends
        return


@index_command.command("status")
@click.argument("index")
@json
def status_command(index: str, as_json: bool) -> None:
    """What INDEX holds: the ledger, what failed and why, what was passed over."""
    _say(Collection(index), as_json)


@index_command.command("duplicates")
@click.argument("index")
@json
def duplicates_command(index: str, as_json: bool) -> None:
    """Files of INDEX that are one: the largest first, then copies, the same picture saved otherwise, its burst."""
    groups = Collection(index).duplicates()
    if as_json:
        echo_json({"groups": groups})
        return
    for group in groups:
        click.echo("  ".join([one_line(group["file"]), *(f"({line})" for line in grouped_with(group))]))
    click.echo(f"{counted(len(groups), 'group')} of files that a search shows as one")


@index_command.command("verify")
@click.argument("index")
@json
def verify_command(index: str, as_json: bool) -> int:
    """Read all of INDEX and compare it with its checksums and its ledger; exit code 1 where something is wrong."""
    found = Collection(index).verify()
    if as_json:
        echo_json(found)
    elif found["sound"]:
        click.echo(f"sound: {_ledger(found['ledger'])}")
    else:
        for what in ("damaged", "missing", "unlike"):
            for name in found[what][:_SHOWN]:
                click.echo(f"{what}: {one_line(name)}")
            if len(found[what]) > _SHOWN:
                click.echo(f"{what}: {len(found[what]) - _SHOWN} more (--json names all)")
        for sentence in found["problems"]:
            click.echo(f"problem: {sentence}")
        if found["mended_by"] is not None:
            click.echo(f"next: {command_line('index', *_MENDS[found['mended_by']], index)}")
    return 0 if found["sound"] else 1


@index_command.command("switch")
@click.argument("index")
@click.argument("model")
@click.option(
    "--sample",
    default=0.1,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="The share of files that is encoded first, drawn at random; by it the rest is mapped.",
)
@click.option("--keep/--no-keep", default=True, help="Keep the old vectors, to roll back, or drop them at the end.")
@device
@json
def switch_command(index: str, model: str, sample: float, keep: bool, as_json: bool) -> None:
    """Search INDEX by another MODEL: at once by mapped vectors, encoded anew behind; update goes on with it."""
    made = Collection(index)
    made.switch(model, sample, keep=keep, progress=Bars("index"))
    _say(made, as_json)
    if made.status()["rollback"] and not as_json:
        click.echo(f"next: {command_line('index', 'rollback', index)} goes back")


@index_command.command("rollback")
@click.argument("index")
@device
@json
def rollback_command(index: str, as_json: bool) -> None:
    """Go back to the model and the vectors that INDEX had before the last switch."""
    made = Collection(index)
    made.rollback(progress=Bars("index"))
    _say(made, as_json)


@index_command.command("rebuild")
@click.argument("index")
@device
@json
def rebuild_command(index: str, as_json: bool) -> None:
    """Make the vectors of INDEX anew, from the cache where it has them; also where its catalog is damaged."""
    _say(renew(index, progress=Bars("index")), as_json)


def _say(made: Collection, as_json: bool) -> None:
    told: dict[str, Any] = made.status()
    if as_json:
        echo_json({**told, "failures": made.failures(), "notes": made.notes(), "passed": made.passed()})
        return
    click.echo(f"{told['index']} of {told.get('table', told['folder'])} ({told['engine']}, {told['MiB']} MiB)")
    click.echo(_ledger(told["ledger"]))
    failures = made.failures()
    for one in failures[:_SHOWN]:
        click.echo(f"failed: {one_line(one['file'])} [{one['code']}] {one_line(one['message'])}")
    if len(failures) > _SHOWN:
        click.echo(f"failed: {len(failures) - _SHOWN} more (--json names all)")
    noted = ", ".join(f"{code} {n}" for code, n in told["noted"].items())
    if noted:
        click.echo(f"searchable, with a note: {noted}")
    passed = ", ".join(f"{code} {n}" for code, n in told["passed_over"].items())
    if passed:
        click.echo(f"passed over: {passed}")
    for view, one in (told["switch"] or {}).items():
        click.echo(_switched(view, one, told["ledger"].get("mapped", 0)))
    for sentence in told["problems"]:
        click.echo(f"problem: {sentence}")


def _switched(view: str, told: dict[str, Any], mapped: int) -> str:
    """What a switch has cost a view, a line."""
    loss = told["loss"]
    begun = f"switched ({view}): {told['encoded']} of {counted(told['files'], 'file')} encoded first"
    if loss is None:
        return begun
    share = {
        what: loss[what] and "{value:.0%} [{low:.0%}, {high:.0%}]".format_map(loss[what])
        for what in ("nearest", "found")
    }
    said = f"by those {share['nearest']} of the 10 nearest were kept"
    if share["found"]:
        said += f", {share['found']} of what captions find"
    return f"{begun}; {said}; {f'{mapped} still mapped' if mapped else 'all encoded since'}"


def _share(found: dict[str, float]) -> str:
    return "{value:.0%} [{low:.0%}, {high:.0%}]".format_map(found)


def _changes(made: Collection) -> str:
    """What the last look at the folder found."""
    found = [f"{n} {what}" for what, n in made.status()["changes"].items() if n]
    return f"since the last look: {', '.join(found) or 'nothing has changed'}"


def _ledger(ledger: dict[str, int]) -> str:
    rest = ", ".join(f"{ledger[state]} {state}" for state in ("searchable", "failed", "waiting"))
    if "mapped" in ledger:
        rest += f"; {ledger['mapped']} of the searchable still mapped"
    return f"{counted(ledger['seen'], 'file')} seen: {rest}"
