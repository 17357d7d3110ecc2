"""`chiasm link DATA`: which item of one column belongs to which of another, where only some rows have both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import registry
from chiasm.cli._shared import columns, counted, csv_bytes, echo_json, encoders_of, progress, say_skipped, source_of
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.tasks.link import Link, has_all, hide, to_link


@click.command("link")
@click.argument("data")
@columns
@click.option(
    "--pairs",
    default="all",
    show_default=True,
    metavar="N|all|0",
    help="How many of the known pairs to learn from; the pairing of the others is hidden, found again and scored.",
)
@click.option(
    "--encoder", multiple=True, metavar="VIEW=NAME[+NAME]", help="A view's encoder (chiasm list encode), or several."
)
@click.option("--align", default="auto", show_default=True, help="The aligner (chiasm list align).")
@click.option("--seed", default=0, show_default=True, help="Of the draw of the pairs and of everything at random.")
@click.option(
    "--to", "target", required=True, type=click.Path(), metavar="FILE", help="Write a csv with a link a line."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def link_command(data: str, pairs: str, target: str, as_json: bool, seed: int, **options: Any) -> None:
    """Link two columns of DATA one to one.

    Rows of DATA that have both columns are known pairs; items of rows that have one are linked. The csv has the columns
    left, right, confidence (the probability that a link is right, learned from known pairs; absent with fewer than 20)
    and likeness (which orders links and is no probability), the surest first. With fewer than 8 known pairs collections
    are refused as not linkable unless both have nearly the same geometry.
    """
    registry.make("align", options["align"])  # a wrong name or number is told before the work, not after
    wanted = _number(pairs)
    views = source_of(options).read(data, root=options["root"])
    if len(views.columns) != 2:
        raise ChiasmError(
            f"wanted two columns to link, got {', '.join(views.names)}: name two, for example --text t --image i."
        )
    a, b = views.names
    alone = to_link(views, wanted, seed)
    if not all((alone & views.present(name)).any() for name in (a, b)):
        raise ChiasmError(
            f"nothing to link: {data} has no rows with only {a!r} and others with only {b!r}. To try it on known "
            "pairs, hide some: --pairs N."
        )
    model = Link(encoders_of(options["encoder"]) or None, options["align"], seed=seed)
    model.fit(hide(views, alone), progress=progress())
    say_skipped(model.fit_report)
    lone = views[alone]
    found = model.links(*(lone.replace({name: lone.columns[name]}) for name in (a, b)))
    sure = model.platt_ is not None
    names = ("left", "right", *(("confidence",) if sure else ()), "likeness")
    if not sure:
        click.echo(
            f"no confidences: with {counted(model.known_, 'known pair')} nothing tells how often links are right; "
            "likeness only orders them",
            err=True,
        )
    write_atomic(Path(target), [csv_bytes(names, [[link[name] for name in names] for link in found])])
    hidden = lone[has_all(lone)]
    score = model.score(hidden, split="hidden", allow_train=True) if len(hidden) else None
    if as_json:
        done = {
            "links": len(found),
            "to": target,
            "left": a,
            "right": b,
            "known": model.known_,
            "start": model.start_,
            "rounds": model.rounds_,
            "confidences": sure,
            "items": model.fit_report.as_dict(),
            "score": score.table if score is not None else None,
        }
        echo_json(done)
        return
    start = ("" if model.start_ == "pairs" else "shape and ") + counted(model.known_, "known pair")
    rounds = counted(model.rounds_, "round")
    click.echo(f"linked {len(found)} {a} to {b} from {start}, {rounds} on its own links; wrote {target}")
    if score is not None:
        click.echo(str(score))


def _number(pairs: str) -> int | None:
    """How many pairs `--pairs` asks for; None: all."""
    if pairs == "all":
        return None
    if not pairs.isdecimal():
        raise ChiasmError(f"wanted --pairs N, all or 0, got {pairs!r}.")
    return int(pairs)
