"""What the commands share: column options, progress, and writing reports."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from chiasm.cli._words import typed
from chiasm.data.notes import some
from chiasm.data.source import Source
from chiasm.device import preferring
from chiasm.encoding import Report
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError
from chiasm.report.tables import answers_csv, csv_bytes, notes_csv
from chiasm.scale import Bars
from chiasm.score import to_json
from chiasm.views import Views

__all__ = [
    "about",
    "answers_csv",
    "clock",
    "columns",
    "command_line",
    "counted",
    "csv_bytes",
    "device",
    "echo_json",
    "echo_rows",
    "encoders_of",
    "grouped_with",
    "label_of",
    "more_data",
    "notes_csv",
    "one_line",
    "progress",
    "reading_of",
    "say_skipped",
    "source_of",
    "told_items",
    "where_of",
]

_LONGEST = 60
"""Characters of an item that are shown in a line of several."""

device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=lambda context, _, name: context.with_resource(preferring(name)),
    help="Where torch runs networks of yours (hf_*, trained parts); auto: a GPU where it sees one.",
)
"""The option of every command that makes encoders or loads them: what "auto" means while it runs."""

_COLUMNS = [
    click.option("--text", multiple=True, metavar="[NAME=]COL", help="A column of texts; repeat for more."),
    click.option("--image", multiple=True, metavar="[NAME=]COL", help="A column of picture paths."),
    click.option("--audio", multiple=True, metavar="[NAME=]COL", help="A column of sound files."),
    click.option(
        "--video", multiple=True, metavar="[NAME=]COL", help="A column of videos; again, renamed, for motion."
    ),
    click.option("--vector", multiple=True, metavar="[NAME=]COL", help="A column of vectors made elsewhere."),
    click.option("--number", multiple=True, metavar="[NAME=]COL", help="A column of numbers, a field of the record."),
    click.option("--category", multiple=True, metavar="[NAME=]COL", help="A column of categories, a field too."),
    click.option("--date", multiple=True, metavar="[NAME=]COL", help="A column of dates: year, weekday … are fields."),
    click.option("--id", "id_", metavar="COL", help="What rows are about; default: the file's path, or the row."),
    click.option("--group", metavar="COL", help="Rows of equal value (a patient) stay on one side of every split."),
    click.option("--root", type=click.Path(), metavar="DIR", help="Paths are below this folder; default: DATA's."),
    click.option("--encoding", default="utf-8", show_default=True, help="Of text files; Chinese ones may be gb18030."),
    device,
]


@contextlib.contextmanager
def about(file: str, wanted: str) -> Iterator[None]:
    """Around what reads one file: where it cannot be read, the error names it and what is wanted."""
    try:
        yield
    except MediaError as error:
        raise ChiasmError(f"wanted {wanted}, got {one_line(file)}, which cannot be used: {error}.") from None


def columns(command: Callable) -> Callable:
    """The options that name DATA's columns."""
    for option in reversed(_COLUMNS):
        command = option(command)
    return command


_MORE = [
    click.option("--where", multiple=True, metavar="COL=VALUE", help="These rows only; repeat for more conditions."),
    click.option(
        "--column",
        multiple=True,
        metavar="VIEW=COL",
        help="DATA's column of a view or field, if it has another name.",
    ),
    click.option("--root", type=click.Path(), metavar="DIR", help="Paths are below this folder; default: DATA's."),
    click.option("--encoding", metavar="NAME", help="Of DATA's text; default: as at fit."),
    device,
]


def more_data(command: Callable) -> Callable:
    """The options of a command that has a model read more data: which rows, which columns, where its paths lie."""
    for option in reversed(_MORE):
        command = option(command)
    return command


def reading_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `more_data` as a `Source` takes them."""
    pairs = {name: column for name, _, column in (one.rpartition("=") for one in options["column"])}
    if "" in pairs:
        raise ChiasmError(
            f"wanted --column VIEW=COL, got {pairs['']!r}: a view's name, and DATA's column that holds it."
        )
    where = where_of(options["where"])
    return {"where": where, "columns": pairs, "root": options["root"], "encoding": options["encoding"]}


def source_of(options: Mapping[str, Any]) -> Source:
    """The column options as what reads DATA, and is kept in the model."""
    label = options.get("label")
    return Source(
        text=list(options["text"]),
        image=list(options["image"]),
        audio=list(options["audio"]),
        video=list(options["video"]),
        vector=list(options["vector"]),
        number=list(options["number"]),
        category=list(options["category"]),
        date=list(options["date"]),
        id=options["id_"],
        split=options.get("split"),
        label=list(label) if isinstance(label, tuple) else label,
        group=options["group"],
        encoding=options["encoding"],
        answers=options.get("answers", False),
    )


def encoders_of(given: Iterable[str]) -> dict[str, str]:
    """`--encoder VIEW=NAME` options as a mapping."""
    pairs = [one.partition("=") for one in given]
    for view, _, name in pairs:
        if not name:
            raise ChiasmError(f"wanted --encoder VIEW=NAME, got {view!r}, for example --encoder caption=tfidf_text.")
    return {view: name for view, _, name in pairs}


def label_of(data: str, label: str | None) -> str:
    """The column of labels: that which was named, or of a folder its subfolders; a usage error for a table without."""
    if label is None and not os.path.isdir(os.path.expanduser(data)):
        raise click.UsageError("Missing option '--label': name the column of DATA that is to be answered.")
    return label or "class"


def where_of(given: Iterable[str]) -> dict[str, str]:
    """`--where COL=VALUE` options as a mapping."""
    pairs = [one.partition("=") for one in given]
    for column, sign, _ in pairs:
        if not sign:
            raise ChiasmError(f"wanted --where COL=VALUE, got {column!r}, for example --where split=test.")
    return {column: value for column, _, value in pairs}


def command_line(*words: Any) -> str:
    """How the person at this terminal can call this program with these words, in quotes where a shell needs them."""
    program = "python -m chiasm" if sys.argv[0].endswith("__main__.py") else typed(os.path.relpath(sys.argv[0]))
    return " ".join(["chiasm" if shutil.which("chiasm") else program, *(typed(str(word)) for word in words)])


def progress() -> Bars:
    """How far the work is, on standard error."""
    return Bars()


def say_skipped(report: Report, place: Any = None) -> None:
    """One line a view about skipped and altered items; where no file lists them, the first few by reason follow."""
    for view, counts in report.as_dict().items():
        skipped, notes = counts["skipped"], counts["notes"]
        altered = sum(notes.values()) - skipped
        codes = ", ".join(f"{code} {n}" for code, n in sorted(notes.items()))
        where = f"; listed in {place}" if place and notes else ""
        if skipped:
            click.echo(f"{view}: {skipped} skipped, {altered} altered ({codes}){where}", err=True)
        elif altered:
            click.echo(f"{view}: {altered} altered ({codes}){where}", err=True)
        for code in sorted(notes) if place is None else ():
            mine = [(label, note.message) for v, label, note in report.notes if v == view and note.code == code]
            named = some(
                [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in (one_line(i) for i, _ in mine)]
            )
            click.echo(f"  {code}: {named} ({one_line(mine[0][1])})", err=True)


def told_items(report: Report) -> dict[str, list[dict[str, str]]]:
    """Every item that was `skipped` and every one that was `altered`, with the reason, as plain values."""
    found: dict[str, list[dict[str, str]]] = {"skipped": [], "altered": []}
    for view, label, note in report.notes:
        one = {"view": view, "item": label, "code": note.code, "message": note.message}
        found["skipped" if note.skipped else "altered"].append(one)
    return found


def counted(n: int, what: str) -> str:
    """A number and what is counted.

    >>> counted(1, "alarm"), counted(2, "alarm")
    ('1 alarm', '2 alarms')
    """
    return f"{n} {what}{'' if n == 1 else 's'}"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss.s, hours only where there are any.

    >>> clock(3725.25), clock(61)
    ('1:02:05.2', '1:01.0')
    """
    tenths = round(float(seconds) * 10) if seconds == seconds else 0
    hours, minutes, left = tenths // 36000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02d}:{left:04.1f}" if hours else f"{minutes}:{left:04.1f}"


def one_line(text: str) -> str:
    """A text for a line of a terminal: white space made single spaces, control characters dropped."""
    return "".join(c for c in " ".join(text.split()) if unicodedata.category(c) != "Cc")


def grouped_with(found: Mapping[str, Any]) -> list[str]:
    """The files that are one with another, a line a level: copies, the same picture, a burst."""
    levels = {"copies": "copies", "same_picture": "same picture", "burst": "burst"}
    return [f"{said}: {some(list(map(one_line, found[level])))}" for level, said in levels.items() if level in found]


def echo_rows(rows: Sequence[Mapping[str, Any]], report: Report, views: Views) -> None:
    """A list of rows as JSON, `notes` in those of which something was skipped or altered."""
    echo_json([{**row, "notes": told} if told else row for row, told in zip(rows, report.by_row(views), strict=True)])


def echo_json(value: Any) -> None:
    """Plain values as JSON on standard output."""
    click.echo(to_json(value))
