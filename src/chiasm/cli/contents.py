"""`chiasm contents FILE`: what is in a picture, a film or a sound: things, scenes, events with times."""

from __future__ import annotations

from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import about, echo_json, one_line, progress
from chiasm.errors import ChiasmError


@click.command("contents")
@click.argument("file", type=click.Path())
@click.option("--hearing", metavar="MODEL", help="A classify model of sounds, for events.")
@click.option("--step", default=0.5, show_default=True, type=click.FloatRange(0.04, 60), help="Seconds a picture.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(1, 1000), help="Names a scene.")
@click.option("--moving", is_flag=True, help="Also when and where something moves, in films of a still camera.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def contents_command(file: str, hearing: str | None, step: float, top: int, moving: bool, as_json: bool) -> None:
    """What is in FILE, named by the image encoder's own 1,000 classes; sounds by a classifier of yours."""
    from chiasm.tasks.contents import Contents

    task = Contents(step=step, hearing=None if hearing is None else _hearing(hearing), top=top)
    with about(file, "a picture, a film or a sound"):
        found = task.answer(file, progress=progress())
        if moving:
            from chiasm.media.regions import passages

            found["moving"] = passages(file)
    if as_json:
        echo_json({"file": file, **found})
        return
    for note in found["notes"]:
        click.echo(f"{one_line(file)}: {note['message']} [{note['code']}]", err=True)
    for one in found["objects"]:
        at = "" if one["time"] is None else f"   at {one['time']:.1f} s"
        click.echo(f"{one['share']:.3f}  {one['name']}{at}")
    for scene in found["scenes"]:
        names = ", ".join(f"{one['name']} {one['share']:.2f}" for one in scene["objects"][:3])
        click.echo(f"scene {scene['start']:7.1f} - {scene['end']:.1f} s   {names}")
    for event in found["events"]:
        click.echo(f"sound {event['start']:7.1f} - {event['end']:.1f} s   {event['name']} {event['share']:.2f}")
    for one in found.get("moving", []):
        left, top_, right, bottom = (f"{100 * side:.0f}" for side in one["box"])
        box = f"from {left} to {right} % of the width, {top_} to {bottom} % of the height"
        click.echo(f"moves {one['start']:7.1f} - {one['end']:.1f} s   {box}")
    if moving and not found["moving"]:
        click.echo("nothing moves")
    if not any(found[name] for name in ("objects", "scenes", "events")):
        click.echo("nothing that has a name here")


def _hearing(model: str) -> Any:
    part = recipe.load(model)
    if "audio" not in getattr(part, "modalities_", {}).values() or not hasattr(part, "fuser_"):
        raise ChiasmError(f"{model} is no classify model of sounds: fit one with --audio.")
    return part
