"""`chiasm flow FILE.toml`: from data to a report, stage by stage; nothing unchanged is made again."""

from __future__ import annotations

import os
from typing import Any

import click

from chiasm.cli._shared import device, echo_json, one_line, progress
from chiasm.flow import STAGES, Done, flow


@click.command("flow")
@click.argument("file", type=click.Path())
@device
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def flow_command(file: str, as_json: bool) -> None:
    """Run the stages of FILE, a TOML table each: data, pretrained, multimodal, transfer, fine-tune, answers, report.

    Each leaves its files in a folder of its own. Run it again: a stage of which nothing has changed is not made again,
    and a run that was stopped goes on where it was.

    \b
    to = "flow"
    [data]
    from = "posts.csv"
    text = "words"
    image = "path"
    label = "mood"
    [multimodal]
    [transfer]
    from = "reviews.csv"
    label = "stars"
    [fine-tune]
    """

    def say(one: Done) -> None:
        told = f"{one.told} -> {os.path.relpath(one.folder)} ({one.why}; {one.seconds:.1f} s)"
        line = f"{STAGES.index(one.stage) + 1} {one.stage}: {told if one.why else 'unchanged'}"
        click.echo(one_line(line), err=as_json)

    done = flow(file, progress=progress(), say=say)
    if as_json:
        stages: list[dict[str, Any]] = [one.as_dict() for one in done]
        echo_json({"stages": stages, "seconds": round(sum(one.seconds for one in done), 2)})
