"""`chiasm explain MODEL WORDS PICTURE ...`: where in pictures words are met, or what a captioner looked at.

As lines, JSON, or drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chiasm.cli._shared import about, device, echo_json, one_line
from chiasm.collection import load
from chiasm.errors import ChiasmError
from chiasm.media.images import decode_image
from chiasm.tasks.caption import Caption
from chiasm.views import Column, Views

LOOKED = "Where it looked while it wrote each word; that the word rests on these places is not shown."
"""Of attention (docs/generate.md has the figure)."""


@click.command("explain")
@click.argument("model")
@click.argument("words")
@click.argument("pictures", nargs=-1, type=click.Path())
@click.option(
    "--from", "start", default="text", metavar="VIEW", help="What WORDS are; needed when two views are texts."
)
@click.option("--to", default="image", metavar="VIEW", help="What PICTURES are; needed when two views are pictures.")
@click.option("--map", "map_file", type=click.Path(), metavar="FILE", help="Also draw the maps over them, as a PNG.")
@device
@click.option("--json", "as_json", is_flag=True, help="Print the maps as JSON.")
def explain_command(
    model: str, words: str, pictures: tuple[str, ...], start: str, to: str, map_file: str | None, as_json: bool
) -> None:
    """Where in each of PICTURES the WORDS are met: what the score loses without a patch and its neighbors.

    MODEL is a retrieve model, or an index. `chiasm search --why` says which words and what region a hit rests on, and
    withholds both where chance does as well; a map withholds nothing.

    A caption model takes pictures alone (chiasm explain MODEL PICTURE...): where its captioner, fitted on patches,
    looked while it wrote each word, which is not shown to be what the word rests on.
    """
    if map_file and Path(map_file).suffix.lower() != ".png":
        raise ChiasmError(f"wanted a PNG for the map, got --map {map_file}: name a file that ends in .png.")
    if map_file and not Path(map_file).parent.is_dir():
        raise ChiasmError(
            f"wanted a folder for the map, got {Path(map_file).parent}, which is not there: make it first."
        )
    held = load(model)
    part = getattr(held, "model", held)
    if isinstance(part, Caption):
        _attended(part, [words, *pictures], map_file, as_json)
        return
    if not pictures:
        raise click.UsageError("Missing argument 'PICTURES...'.")
    if not hasattr(part, "maps"):
        raise ChiasmError(
            f"wanted a model that searches, got {model}, which is a {type(part).__name__.lower()} model: "
            "chiasm fit retrieve ... --to FOLDER makes one."
        )
    one, other = part.view(start), part.view(to)
    if (kinds := (part.views_[one], part.views_[other])) != ("text", "image"):
        raise ChiasmError(
            f"wanted words and pictures, got views of {kinds[0]} ({one}) and {kinds[1]} ({other}): name others by "
            "--from and --to."
        )
    _check(pictures)
    query = {one: [words]}
    held_pictures = Views({other: Column("image", list(pictures))})
    scores, maps = part.pair_scores(query, held_pictures), part.maps(query, held_pictures)
    found = [_told(file, float(score), grid) for file, score, grid in zip(pictures, scores, maps, strict=True)]
    if map_file:
        from chiasm.report.heat import heat

        named = [f"{words}   ({score:z.2f}, {Path(file).name})" for file, score in zip(pictures, scores, strict=True)]
        heat(list(zip(pictures, named, maps, strict=True)), Path(map_file))
        click.echo(f"wrote {map_file}", err=True)
    if as_json:
        echo_json({"query": words, "from": one, "to": other, "results": found})
        return
    for told in found:
        if "withheld" in told:
            said = f"no map: {told['withheld']}"
        else:
            left, top = (round(100 * end) for end in told["place"])
            said = f"most at {left} % from the left, {top} % from the top"
        click.echo(f"{told['score']:z.3f}  {one_line(told['file'])}  {said}")


def _attended(part: Caption, pictures: Sequence[str], map_file: str | None, as_json: bool) -> None:
    """What a captioner looked at for each word, told."""
    _check(pictures)
    shown = next((name for name, modality in part.views_.items() if modality == "image"), "image")
    told = part.attention(Views({shown: Column("image", list(pictures))}))
    if map_file:
        from chiasm.report.heat import looked

        rows = [(file, Path(file).name, *one) for file, one in zip(pictures, told, strict=True)]
        looked(rows, Path(map_file), note=LOOKED)
        click.echo(f"wrote {map_file}", err=True)
    if as_json:
        found = [
            {"file": file, "answer": text, "words": [{"word": word, "map": _rounded(grid)} for word, grid in each]}
            for file, (text, each) in zip(pictures, told, strict=True)
        ]
        echo_json({"note": LOOKED, "results": found})
        return
    for file, (text, each) in zip(pictures, told, strict=True):
        click.echo(f"{one_line(file)}  {one_line(text)}")
        for word, grid in each:
            left, top = (round(100 * end) for end in _place(grid))
            click.echo(f"  {one_line(word)}  most at {left} % from the left, {top} % from the top")
    click.echo(LOOKED, err=True)


def _check(pictures: Sequence[str]) -> None:
    """A ChiasmError for a file that is no picture."""
    for file in pictures:
        with about(file, "a picture"):
            decode_image(file, 64)


def _rounded(grid: Any) -> list[list[float]]:
    return [[round(cell, 6) for cell in line] for line in grid.tolist()]


def _place(grid: Any) -> list[float]:
    """The middle of the largest cell of a map, 0 to 1 from left and top."""
    row, column = divmod(int(grid.argmax()), len(grid))
    return [round((end + 0.5) / len(grid), 4) for end in (column, row)]


def _told(file: str, score: float, grid: Any) -> dict[str, Any]:
    """A map `(g, g)`, or None, as plain values: `place`, 0 to 1 from left and top, is the largest cell's middle."""
    told = {"file": file, "score": score}
    if grid is None:
        return told | {"withheld": "the vector of its encoder is not the mean of a square of patches"}
    if grid.max() <= 0:
        return told | {"map": _rounded(grid), "withheld": "no part of the picture lowers the score when it is left out"}
    return told | {"map": _rounded(grid), "place": _place(grid)}
