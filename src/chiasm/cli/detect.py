"""`chiasm detect MODEL DATA|FILM`: unusual rows of a table, alarms of a film, or of frames as they come."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import (
    about,
    counted,
    csv_bytes,
    echo_json,
    more_data,
    one_line,
    progress,
    reading_of,
    say_skipped,
    told_items,
)
from chiasm.data.folder import modality_of
from chiasm.data.notes import sentences
from chiasm.data.source import TABLES, Source
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.media.clips import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from chiasm.media.frames import gray_frames
from chiasm.media.images import MediaError
from chiasm.tasks.detect import Alarm, Detect, Name, alarm_name, columns_of, ranked

SHOWN = 20


@click.command("detect")
@click.argument("model")
@click.argument("data", required=False)
@click.option(
    "--rate", type=click.FloatRange(0, 1, True, True), help="The share of normal rows that may be called unusual."
)
@click.option(
    "--describe", metavar="MODEL", help="A model that says what it is: classify, detect by labels, or retrieve."
)
@click.option(
    "--texts",
    type=click.Path(),
    metavar="FILE",
    help="LABEL=TEXT lines, or for a retrieve model the texts to choose from.",
)
@click.option("--live", metavar="WxH@FPS", help="Read raw gray frames from standard input, as they come.")
@click.option(
    "--window",
    type=float,
    metavar="SECONDS",
    help="Judged at a time in films; default: as long as the clips learned from.",
)
@more_data
@click.option(
    "--to", "target", type=click.Path(), metavar="FILE", help="Write a csv of all rows, the most unusual first."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON; with --live a line an alarm.")
def detect_command(model: str, data: str | None, as_json: bool, **options: Any) -> None:
    """Find what is unusual in DATA, by MODEL: rows and broken pairs of a table, or moments of a film.

    \b
    chiasm fit detect posts.csv --text words --image path --to posts.chiasm
    chiasm detect posts.chiasm posts.csv
    chiasm detect street.chiasm film.mp4
    ffmpeg -i rtsp://camera -f rawvideo -pix_fmt gray -s 128x96 -r 12 - | chiasm detect street.chiasm --live 128x96@12
    """
    part = recipe.load(model)
    if not isinstance(part, Detect):
        raise ChiasmError(
            f"wanted a detector, got {model}, which is none: chiasm fit detect ... --to FOLDER makes one."
        )
    if options["rate"]:
        part.set_params(rate=options["rate"])
    names = recipe.load(options["describe"]) if options["describe"] else None
    texts = _texts(options["texts"])
    _check(part, data, options)
    if options["live"]:
        _live(part, names, texts, options["live"], options["window"], as_json)
    elif data is None:
        raise ChiasmError(
            "wanted a table, a folder or a film to look at, got none: name it, or read frames with --live."
        )
    elif _is_film(data):
        _film(part, names, texts, data, options["window"], as_json)
    else:
        _table(part, names, texts, data, options, as_json)


_OF_TABLES = (
    ("target", "--to"),
    ("where", "--where"),
    ("column", "--column"),
    ("root", "--root"),
    ("encoding", "--encoding"),
)


def _check(part: Detect, data: str | None, options: dict[str, Any]) -> None:
    """A ChiasmError for options that do not go together, and for a file that is no table, film, or row of the model."""
    place = Path(data or "").expanduser()
    row = _is_film(place.name) or modality_of(place.name) in part.views_.values()
    if place.is_file() and not row and not place.name.lower().removesuffix(".gz").endswith(TABLES):
        raise ChiasmError(
            f"wanted a film ({', '.join(VIDEO_SUFFIXES[:4])}, ...), a sound ({', '.join(AUDIO_SUFFIXES[:4])}, ...), "
            f"a table ({', '.join(TABLES)}) or a folder, got {one_line(place.name)}."
        )
    if options["live"] and data is not None:
        raise ChiasmError(f"wanted DATA or --live, got {one_line(data)} and --live: leave one out.")
    film = bool(options["live"]) or (data is not None and _is_film(data))
    given = [flag for name, flag in _OF_TABLES if film and options[name]]
    if given:
        instead = "its alarms are printed, and --json > FILE keeps them" if "--to" in given else "leave them out"
        what = "frames of --live" if options["live"] else f"a film ({one_line(str(data))})"
        raise ChiasmError(f"wanted a table for {', '.join(given)}, got {what}: {instead}.")
    if options["window"] is not None and not film and data is not None:
        raise ChiasmError(f"wanted a film or --live for --window, got {one_line(data)}, whose rows are judged whole.")


def _is_film(data: str) -> bool:
    return Path(data).suffix.lower() in AUDIO_SUFFIXES + VIDEO_SUFFIXES


def _table(part: Detect, names: Any, texts: list[str], data: str, options: dict[str, Any], as_json: bool) -> None:
    views = Source.of(part).read_present(data, part.views_, **reading_of(options))
    answers = part.answer(views, progress=progress())
    say_skipped(answers.report)
    signs = part.signs(views)
    rows = ranked(part, views, signs, answers[1], names=names, texts=texts)
    unusual = [row for row in rows if row["unusual"]]
    if options["target"]:
        write_atomic(Path(options["target"]), [csv_bytes(*columns_of(rows, views.names))])
        click.echo(f"wrote {counted(len(rows), 'row')}, the most unusual first, to {options['target']}", err=True)
    if as_json:
        facts = {"notes": sentences(views.notes), **told_items(answers.report)}
        echo_json({"rows": len(rows), "rate": part.rate, "unusual": unusual, **facts})
        return
    click.echo(
        f"{len(unusual)} of {len(rows)} rows are unusual, {part.rate * len(rows):.0f} would be by chance (rate "
        f"{100 * part.rate:g} %)"
    )
    for row in unusual[:SHOWN]:
        why = min((p, name) for name, p in row["signs"].items() if p is not None)[1]
        event = f"  {row['event']}" if row.get("event") else ""
        items = "  ".join(one_line(str(item))[:40] for item in row["items"].values())
        p = f"p {row['p']:.4f}" if row["p"] >= 1e-4 else "p < .0001"
        click.echo(f"{p:9}  by {why}{event}  {one_line(row['id'])[:40]}  {items}")
    if len(unusual) > SHOWN:
        click.echo(f"and {len(unusual) - SHOWN} more: --to FILE.csv writes them all, --json prints them")


def _film(part: Detect, names: Any, texts: list[str], film: str, window: float | None, as_json: bool) -> None:
    watch = part.watch(window=window, names=None if hasattr(names, "hits") else names)
    with about(film, "a film"):
        times, scores, alarms = watch.film(film, progress=progress())
    for note in watch.notes:
        click.echo(f"{one_line(film)}: {note.message} [{note.code}]", err=True)
    name = alarm_name(part, names, texts, film)
    told = [{**alarm.as_dict(), "event": name(alarm)} for alarm in alarms]
    if as_json:
        verdicts = [[round(float(t), 3), round(float(s), 4)] for t, s in zip(times, scores, strict=True)]
        notes = [{"code": note.code, "message": note.message} for note in watch.notes]
        echo_json({"film": film, "alarms": told, "verdicts": verdicts, "notes": notes})
        return
    click.echo(f"{counted(len(alarms), 'alarm')}; {counted(len(times), 'verdict')}")
    for one in told:
        click.echo(_line(one))


def _live(part: Detect, names: Any, texts: list[str], asked: str, window: float | None, as_json: bool) -> None:
    found = re.fullmatch(r"(\d+)x(\d+)@(\d+(?:\.\d+)?)", asked)
    if not found or not all(float(number) > 0 for number in found.groups()):
        raise ChiasmError(f"wanted --live WxH@FPS, got {asked!r}, for example --live 128x96@12.")
    if hasattr(names, "hits"):
        raise ChiasmError("a stream is described by a model that learned labels; a retrieve model describes films.")
    width, height, fps = int(found[1]), int(found[2]), float(found[3])
    watch = part.watch(window=window, names=names, feeds=("gray",))
    for view, lacking in watch.unfed.items():
        click.echo(f"{view}: not judged, it needs {lacking} and the frames of --live are gray", err=True)
    name = alarm_name(part, None, texts, "")
    time, count, alarms = 0.0, 0, 0
    going: Alarm | None = None
    cut: MediaError | None = None

    def tell(told: list[Alarm]) -> None:
        nonlocal alarms, going
        for alarm in told:
            alarms += alarm is not going
            going = alarm if alarm.end is None else None
            _tell(alarm, name, as_json)

    try:
        for count, frame in enumerate(gray_frames(sys.stdin.buffer, width, height), 1):
            time = (count - 1) / fps
            tell(watch.feed(time, frame))
    except MediaError as error:
        if not count:
            raise
        cut = error
    tell(watch.finish(time))
    click.echo(f"{counted(alarms, 'alarm')}; {counted(watch.verdicts, 'verdict')}", err=as_json)
    if cut is not None:  # after what was found in the frames before
        raise cut


def _tell(alarm: Alarm, name: Name, as_json: bool) -> None:
    one = {**alarm.as_dict(), "event": name(alarm)}
    if as_json:
        import json

        click.echo(json.dumps(one, ensure_ascii=False))
    else:
        click.echo(_line(one))


def _line(one: dict[str, Any]) -> str:
    end = "  goes on" if one["end"] is None else f"{one['end']:9.1f}"
    return f"{one['start']:9.1f} - {end} s  surprise {one['score']:.2f}" + (f"  {one['event']}" if one["event"] else "")


def _texts(file: str | None) -> list[str]:
    if not file:
        return []
    lines = [one_line(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    if not (kept := [line for line in lines if line]):
        raise ChiasmError(f"wanted a text a line in {file}, got none.")
    return kept
