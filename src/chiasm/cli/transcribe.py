"""`chiasm transcribe FILE...`: the words that are said in audio and video files, or written in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm.cli._shared import echo_json, one_line
from chiasm.data.folder import modality_of
from chiasm.errors import ChiasmError
from chiasm.media.clips import Wants, decode
from chiasm.media.images import MediaError, decode_image
from chiasm.media.ocr import read_text
from chiasm.media.speech import RATE, transcribe


@click.command("transcribe")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--words",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="What can be said: a word or example phrase a line, or a JSGF grammar.",
)
@click.option(
    "--model",
    default="pocketsphinx",
    show_default=True,
    metavar="NAME",
    help="pocketsphinx, or whisper:FOLDER with transformers files.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print texts, confidences, times of words and places of lines as JSON.",
)
def transcribe_command(files: tuple[str, ...], words: str | None, model: str, as_json: bool) -> None:
    """The words said in each of FILES (audio, or a video's sound) or written in it (a picture), and how sure that is.

    pocketsphinx recognizes US English; commands and small vocabularies well enough when --words names them, free
    speech poorly. In pictures printed English and Chinese is read. Files that cannot be read are named, and the exit
    code is 1.
    """
    told = _words(words)
    rows: list[dict[str, Any]] = []
    failed = 0
    for file in files:
        try:
            row = _written(file) if modality_of(file) == "image" else _said(file, model, told)
        except MediaError as error:
            failed += 1
            rows.append({"file": file, "error": error.note.code, "message": error.note.message})
            click.echo(f"{one_line(file)}: {error}", err=True)
            continue
        rows.append({"file": file, **row})
        for note in row["notes"]:
            click.echo(f"{one_line(file)}: {note['message']} [{note['code']}]", err=True)
        if not as_json:
            click.echo(f"{one_line(file)}  {100 * row['confidence']:5.1f} %  {one_line(row['text']) or '(no words)'}")
    if as_json:
        echo_json(rows)
    if failed:
        raise click.exceptions.Exit(1)


def _said(file: str, model: str, told: str | list[str] | None) -> dict[str, Any]:
    """What is heard in a file."""
    sound = decode(file, Wants(rate=RATE))
    if "sound" in sound.absent:
        raise MediaError(sound.absent["sound"].code, sound.absent["sound"].message)
    (heard,) = transcribe([sound.sound], sound.rate, model, told)
    return {
        "text": heard.text,
        "confidence": heard.confidence,
        "words": [vars(word) for word in heard.words],
        "notes": [{"code": note.code, "message": note.message} for note in sound.notes],
    }


def _written(file: str) -> dict[str, Any]:
    """What is read in a picture."""
    picture, notes = decode_image(file, None)
    found = read_text(picture)
    told = [{"code": note.code, "message": note.message} for note in notes]
    if found.left:
        told.append({"code": "cut", "message": f"{found.left} smaller lines were found and not read"})
    return {
        "text": found.text,
        "confidence": found.confidence,
        "lines": [vars(line) for line in found.lines],
        "notes": told,
    }


def _words(file: str | None) -> str | list[str] | None:
    if file is None:
        return None
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ChiasmError(f"wanted words as UTF-8 text, got {file}: write it so.") from None
    if text.lstrip().startswith("#JSGF"):
        return text
    return [line for line in text.splitlines() if line.strip()]
