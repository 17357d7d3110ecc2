"""`chiasm talk MODEL`: turn by turn, an utterance in, the state of every slot and a reply out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import echo_json, one_line
from chiasm.errors import ChiasmError
from chiasm.media.clips import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from chiasm.tasks.talk import Dialogue, Reply, Talk, percent
from chiasm.views import Column, Views

FILES = {"audio": AUDIO_SUFFIXES, "video": VIDEO_SUFFIXES}
"""By modality the ends of the names of its files."""
KINDS = {"audio": "sound", "video": "video"}


@click.command("talk")
@click.argument("model")
@click.option("--text", help="One turn with these words.")
@click.option("--wav", type=click.Path(), metavar="FILE", help="One turn with this sound (wav, ogg, flac, mp3).")
@click.option("--video", type=click.Path(), metavar="FILE", help="One turn with this video (the lips).")
@click.option("--json", "as_json", is_flag=True, help="Print a turn's state as JSON.")
def talk_command(model: str, text: str | None, wav: str | None, video: str | None, as_json: bool) -> None:
    """Talk with MODEL, which fills its slots from what you type or say, and asks for those that it is unsure of.

    With --text, --wav or --video (or several, as one utterance) it takes one turn. Without, every line typed is a turn,
    words or the path of a sound or video, until an empty line or the end of the input.
    """
    part = recipe.load(model)
    if not isinstance(part, Talk):
        raise ChiasmError(f"{model} does not talk: chiasm answer, score or search ask it.")
    dialogue = Dialogue()
    turn = {"text": text, "audio": wav, "video": video}
    if any(one is not None for one in turn.values()):
        _show(part.turn(dialogue, _utterance(part, turn)), as_json)
        return
    if sys.stdin.isatty():
        slots = "; ".join(f"{slot}: {len(values)} values" for slot, values in part.slots.items())
        click.echo(f"{slots}. Say something (words, or the path of a sound or video); an empty line ends.", err=True)
    for line in sys.stdin:
        said = line.strip()
        if not said:
            return
        kind = next((kind for kind, ends in FILES.items() if said.lower().endswith(ends)), "text")
        try:
            _show(part.turn(dialogue, _utterance(part, {kind: said})), as_json)
        except ChiasmError as error:  # one line that cannot be used ends no talk
            click.echo(str(error), err=True)


def _utterance(part: Talk, said: Mapping[str, str | None]) -> Views:
    """One row: of every modality what is said in it, in every view of it."""
    known = part.modalities_
    columns: dict[str, Column] = {}
    for modality, item in said.items():
        if item is None:
            continue
        names = [name for name, of in known.items() if of == modality]
        if not names:
            raise ChiasmError(f"this model learned from {', '.join(sorted(set(known.values())))}, not from {modality}.")
        if modality in KINDS and not Path(item).is_file():
            raise ChiasmError(f"wanted a {KINDS[modality]} file, got {item!r}: there is none.")
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
