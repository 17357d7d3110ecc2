"""`chiasm talk MODEL`: turn by turn, an utterance in, the state of every slot and a reply out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import echo_json, one_line
from chiasm.errors import ChiasmError
from chiasm.tasks.talk import Dialogue, Reply, Talk, percent
from chiasm.views import Column, Views

SOUNDS = (".wav", ".ogg", ".opus", ".flac", ".mp3", ".m4a")


@click.command("talk")
@click.argument("model")
@click.option("--text", help="One turn with these words.")
@click.option("--wav", type=click.Path(), metavar="FILE", help="One turn with this sound (wav, ogg, flac, mp3).")
@click.option("--json", "as_json", is_flag=True, help="Print a turn's state as JSON.")
def talk_command(model: str, text: str | None, wav: str | None, as_json: bool) -> None:
    """Talk with MODEL, which fills its slots from what you type or say, and asks for those that it is unsure of.

    With --text or --wav (or both, as one utterance) it takes one turn. Without, every line typed is a turn, words or
    the path of a sound file, until an empty line or the end of the input.
    """
    part = recipe.load(model)
    if not isinstance(part, Talk):
        raise ChiasmError(f"{model} does not talk: chiasm answer, score or search ask it.")
    dialogue = Dialogue()
    if text is not None or wav is not None:
        _show(part.turn(dialogue, _utterance(part, text, wav)), as_json)
        return
    if sys.stdin.isatty():
        slots = "; ".join(f"{slot}: {len(values)} values" for slot, values in part.slots.items())
        click.echo(f"{slots}. Say something (words, or the path of a sound); an empty line ends.", err=True)
    for line in sys.stdin:
        said = line.strip()
        if not said:
            return
        sound = said.lower().endswith(SOUNDS)
        try:
            views = _utterance(part, None if sound else said, said if sound else None)
            _show(part.turn(dialogue, views), as_json)
        except ChiasmError as error:  # one line that cannot be used ends no talk
            click.echo(str(error), err=True)


def _utterance(part: Talk, text: str | None, wav: str | None) -> Views:
    """One row: the words in every view of texts, the sound in every view of audio."""
    known = part.modalities_
    columns: dict[str, Column] = {}
    for modality, item in (("text", text), ("audio", wav)):
        if item is None:
            continue
        names = [name for name, of in known.items() if of == modality]
        if not names:
            raise ChiasmError(f"this model learned from {', '.join(sorted(set(known.values())))}, not from {modality}.")
        if modality == "audio" and not Path(item).is_file():
            raise ChiasmError(f"wanted a sound file, got {item!r}: there is none.")
        columns |= {name: Column(modality, [item]) for name in names}
    return Views(columns)


def _show(reply: Reply, as_json: bool) -> None:
    state: dict[str, Any] = {
        slot: {"value": value, "confidence": reply.confidence[slot], "sure": slot not in reply.unsure}
        for slot, value in reply.values.items()
    }
    if as_json:
        echo_json({"state": state, "asked": reply.asked or None, "answer": reply.text})
        return
    for slot, one in state.items():
        mark = " " if one["sure"] else "?"
        click.echo(f"  {slot:12s} {mark} {one_line(one['value'] or '-')}  {percent(one['confidence'])}")
    click.echo(one_line(reply.text))
