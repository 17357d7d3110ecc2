"""`chiasm compare align DATA`: every aligner on the same pairs, with intervals."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from chiasm.cli._shared import columns, echo_json, encoders_of, progress, say_skipped, source_of
from chiasm.compare import compare_align
from chiasm.compare.aligners import Tell
from chiasm.compare.plot import check_plot
from chiasm.data.read import read


@click.group("compare")
def compare_command() -> None:
    """Compare methods on the same rows, seeds and budget."""


@compare_command.command("align")
@click.argument("data")
@columns
@click.option("--split", metavar="COL", help="A column of train / val / test; default: cut 70/10/20 by id.")
@click.option(
    "--encoder", multiple=True, metavar="VIEW=NAME[+NAME]", help="A view's encoder (chiasm list encode), or several."
)
@click.option("--method", multiple=True, metavar="NAME", help="An aligner; repeat for more; default: all.")
@click.option(
    "--pairs",
    multiple=True,
    default=("100", "300", "all"),
    show_default=True,
    metavar="N",
    help="How many training pairs, or 'all'; repeat for more.",
)
@click.option("--seeds", default=5, show_default=True, help="How often the pairs are drawn.")
@click.option("--final", is_flag=True, help="Score the test rows, for the last word; each look is logged.")
@click.option("--allow-leaks", is_flag=True, help="Go on when ids or whole rows stand in two splits.")
@click.option("--to", type=click.Path(), metavar="DIR", help="Keep what was computed here; default: in the cache.")
@click.option("--plot", type=click.Path(), metavar="FILE", help="Draw score against pairs as a PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def align_command(data: str, plot: str | None, as_json: bool, **options: Any) -> None:
    """Fit every aligner on the same pairs of DATA, and score all on rows that none has seen.

    For each seed, N things are drawn from the training rows and every method learns from them alone. They are scored
    on the validation rows; with --final on the test rows, which are not touched before. What was computed is kept:
    killed and started again, it goes on.
    """
    if plot:
        check_plot()
    views = read(data, root=options["root"], **source_of(options))
    found = compare_align(
        views,
        options["method"] or None,
        pairs=options["pairs"],
        seeds=options["seeds"],
        encoders=encoders_of(options["encoder"]) or None,
        final=options["final"],
        allow_leaks=options["allow_leaks"],
        to=options["to"],
        source=data,
        progress=progress(),
        tell=_tell(),
    )
    say_skipped(found.report)
    if warning := found.leaks.warning():
        click.echo(warning, err=True)
    click.echo(f"{found.found} cells found, {found.made} computed; kept in {found.store}", err=True)
    if plot:
        click.echo(f"drew {found.plot(plot)}", err=True)
    if as_json:
        echo_json(found.table)
    else:
        click.echo(str(found))


def _tell() -> Tell:
    """A progress bar over cells on a terminal; elsewhere a line now and then."""
    bar: Any = None
    told = 0.0

    def show(done: int, total: int, cell: str) -> None:
        nonlocal bar, told
        if sys.stderr.isatty():
            from tqdm import tqdm

            bar = bar or tqdm(total=total, desc="compare", unit=" cells", dynamic_ncols=True)
            bar.set_postfix_str(cell, refresh=False)
            bar.update(done - bar.n)
            bar.refresh()
            if done == total:
                bar.close()
        elif done == total or time.monotonic() - told > 5:
            told = time.monotonic()
            click.echo(f"compare: {done} of {total} cells{f'; now {cell}' if cell else ''}", err=True)

    return show
