"""`chiasm compare align DATA`, `chiasm compare fuse DATA`: every method on the same rows, with intervals."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import click

from chiasm.cli._shared import columns, echo_json, encoders_of, progress, say_skipped, source_of
from chiasm.compare import Comparison, compare_align, compare_fuse
from chiasm.compare.fusers import TASKS
from chiasm.compare.plot import check_plot
from chiasm.compare.runs import Tell
from chiasm.splits import leak_warning


@click.group("compare")
def compare_command() -> None:
    """Compare methods on the same rows, seeds and budget."""


_SHARED = [
    click.option("--seeds", default=5, show_default=True, help="How often rows are drawn to learn from."),
    click.option("--final", is_flag=True, help="Score the test rows, for the last word; each look is logged."),
    click.option("--allow-leaks", is_flag=True, help="Go on when ids, groups or whole rows stand in two splits."),
    click.option("--to", type=click.Path(), metavar="DIR", help="Keep what was computed here; default: in the cache."),
    click.option("--plot", type=click.Path(), metavar="FILE", help="Draw score against what was learned from, a PNG."),
    click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON."),
]

_ENCODER = click.option(
    "--encoder", multiple=True, metavar="VIEW=NAME[+NAME]", help="A view's encoder (chiasm list encode), or several."
)


def _shared(command: Callable) -> Callable:
    """The options of every comparison."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def _sizes(name: str, help_: str) -> Callable:
    """The option of how much is learned from."""
    default = ("100", "300", "all")
    return click.option(name, multiple=True, default=default, show_default=True, metavar="N", help=help_)


@compare_command.command("align")
@click.argument("data")
@columns
@click.option("--split", metavar="COL", help="A column of train / val / test; default: cut 70/10/20 by id.")
@_ENCODER
@click.option("--method", multiple=True, metavar="NAME", help="An aligner; repeat for more; default: all.")
@_sizes("--pairs", "How many training pairs, or 'all'; repeat for more.")
@_shared
def align_command(data: str, **options: Any) -> None:
    """Fit every aligner on the same pairs of DATA, and score all on rows that none has seen.

    For each seed, N things are drawn from the training rows and every method learns from them alone. They are scored
    on the validation rows; with --final on the test rows, which are not touched before. What was computed is kept:
    killed and started again, it goes on.
    """
    _compare(data, compare_align, options, pairs=options["pairs"])


@compare_command.command("fuse")
@click.argument("data")
@columns
@click.option("--label", required=True, metavar="COL", help="A column of what is to be answered.")
@click.option("--task", type=click.Choice(list(TASKS)), default="classify", show_default=True, help="What LABEL holds.")
@click.option("--split", metavar="COL", help="A column of train / val / test; default: cut 70/10/20 by id and group.")
@_ENCODER
@click.option("--method", multiple=True, metavar="NAME", help="A fuser; repeat for more; default: all.")
@_sizes("--rows", "How many training rows, or 'all'; repeat for more.")
@_shared
def fuse_command(data: str, **options: Any) -> None:
    """Fit every fuser on the same rows of DATA, and score their answers to rows that none has seen.

    Beside them: each view alone, the views side by side in scikit-learn's logistic regression, and the commonest
    answer. For each seed, N labeled rows are drawn from the training rows and every method learns from them alone. They
    are scored on the validation rows; with --final on the test rows, which are not touched before. What was computed is
    kept: killed and started again, it goes on.
    """
    _compare(data, compare_fuse, options, rows=options["rows"], task=options["task"])


def _compare(data: str, compare: Callable[..., Comparison], options: dict[str, Any], **more: Any) -> None:
    """Read DATA, compare, and say what came out."""
    if options["plot"]:
        check_plot()
    views = source_of(options).read(data, root=options["root"])
    found = compare(
        views,
        options["method"] or None,
        seeds=options["seeds"],
        encoders=encoders_of(options["encoder"]) or None,
        final=options["final"],
        allow_leaks=options["allow_leaks"],
        to=options["to"],
        source=data,
        progress=progress(),
        tell=_tell(),
        **more,
    )
    say_skipped(found.report)
    if warning := leak_warning(found.leaks.as_dict()):
        click.echo(warning, err=True)
    click.echo(f"{found.found} cells found, {found.made} computed; kept in {found.store}", err=True)
    if options["plot"]:
        click.echo(f"drew {found.plot(options['plot'])}", err=True)
    if options["as_json"]:
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
