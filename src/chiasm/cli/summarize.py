"""`chiasm summarize FILM`: the few moments that stand for a film, as lines, JSON or a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import about, echo_json, one_line, progress
from chiasm.errors import ChiasmError

_COLUMNS = 6
"""Pictures in a line of the sheet."""


@click.command("summarize")
@click.argument("film", type=click.Path())
@click.option("--k", default=6, show_default=True, type=click.IntRange(1, 1000), help="How many moments.")
@click.option("--words", metavar="WORDS", help="What to look for; needs --model.")
@click.option("--model", metavar="MODEL", help="A retrieve model of pictures and texts, for --words.")
@click.option("--step", default=0.5, show_default=True, type=click.FloatRange(0.04, 60), help="Seconds a picture.")
@click.option(
    "--sound",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How much loud moments count; 0: not read.",
)
@click.option("--sheet", "sheet_file", type=click.Path(), metavar="FILE", help="Also draw the moments as a PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the moments as JSON.")
def summarize_command(
    film: str,
    k: int,
    words: str | None,
    model: str | None,
    step: float,
    sound: float,
    sheet_file: str | None,
    as_json: bool,
) -> None:
    """The K moments that stand for FILM: start, end and the time of a key frame each, in order of time."""
    from chiasm.tasks.summarize import Summarize

    space = None if model is None else _space(model)
    task = Summarize(space=space, step=step, sound=sound)
    with about(film, "a film"):
        found = task.answer(film, k, words, progress=progress())
    moments = sorted(found, key=lambda moment: moment["time"])
    if sheet_file:
        _draw(moments, Path(film).name if words is None else f"{Path(film).name}: {words}", Path(sheet_file))
    for note in found.notes:
        click.echo(f"{one_line(film)}: {note.message} [{note.code}]", err=True)
    told = [{name: value for name, value in moment.items() if name != "picture"} for moment in moments]
    if as_json:
        notes = [{"code": note.code, "message": note.message} for note in found.notes]
        echo_json({"film": film, "words": words, "moments": told, "notes": notes})
        return
    for moment in told:
        extra = "".join(
            f"   {name} {moment[name]:.1f}"
            for name in ("loud", "near")
            if moment[name] is not None and moment[name] >= 1
        )
        span = f"{_clock(moment['start'])} - {_clock(moment['end'])}"
        click.echo(f"{_clock(moment['time']):>9}   {span}   {moment['score']:.3f}{extra}")


def _space(model: str) -> Any:
    part = recipe.load(model)
    if sorted({"text", "image"} & set(getattr(part, "views_", {}).values())) != ["image", "text"]:
        raise ChiasmError(f"{model} is no retrieve model of pictures and texts: --words needs one.")
    return part


def _clock(seconds: float) -> str:
    """`1:02:03.4`, without the hours where there are none."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest // 10:02d}.{rest % 10}"


def _draw(moments: list[dict[str, Any]], title: str, file: Path) -> None:
    from chiasm.report.sheet import sheet

    rows = []
    for first in range(0, len(moments), _COLUMNS):
        part = moments[first : first + _COLUMNS]
        span = f"{_clock(part[0]['start'])} - {_clock(part[-1]['end'])}"
        rows.append((span, [(moment["picture"], _clock(moment["time"])) for moment in part]))
    sheet(rows, file, title=title)
    click.echo(f"wrote {file}", err=True)
