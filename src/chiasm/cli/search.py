"""`chiasm search MODEL WORDS`: find items of one view by an item of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm.cli._shared import clock, device, echo_json, grouped_with, one_line, progress, say_skipped, told_items
from chiasm.collection import Collection, load
from chiasm.data.notes import sentences
from chiasm.data.source import Source
from chiasm.errors import ChiasmError
from chiasm.index import quotes
from chiasm.tasks.retrieve import Question, Term
from chiasm.views import Views

MOST_WORDS = 5
"""The words that are printed of a hit, those first that count most; --json has all."""


@click.command("search")
@click.argument("model")
@click.argument("words", required=False)
@click.option("--image", type=click.Path(), metavar="FILE", help="Search with a picture, alone or beside WORDS.")
@click.option("--audio", type=click.Path(), metavar="FILE", help="Search with a sound.")
@click.option("--video", type=click.Path(), metavar="FILE", help="Search with a video.")
@click.option("--from", "start", metavar="VIEW", help="What the words or file are; needed when two views are texts.")
@click.option("--to", multiple=True, metavar="VIEW", help="The view to answer with; repeat for a mixed gallery.")
@click.option("--k", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many answers.")
@click.option("--page", default=1, show_default=True, type=click.IntRange(1), help="The next K answers: 2, 3, ...")
@click.option(
    "--reject",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Say when nothing here matches; of queries that do have a match at most SHARE are then rejected too (0.1).",
)
@click.option("--where", multiple=True, metavar="CONDITION", help="Of an index: date>=2024-05, path=trip, caption~dog.")
@click.option("--all", "every", is_flag=True, help="Of an index: every file an answer, near-duplicates too.")
@click.option("--sort", metavar="COLUMN", help="Order what --reject accepts, or --among: date, or falling, -date.")
@click.option("--among", type=click.IntRange(1), metavar="N", help="Sort the N best.")
@click.option("--more", multiple=True, metavar="FILE", help="Of an index: more like this file; may be repeated.")
@click.option("--less", multiple=True, metavar="FILE", help="Of an index: less like this file; may be repeated.")
@click.option("--in", "inside", metavar="FOLDER|DATA|FILE", help="Search these media or rows, not the model's own.")
@click.option(
    "--window",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Long media of --in are searched by moments so long; default: as long as the clips learned from.",
)
@click.option("--column", metavar="COL", help="The column of --in DATA to search; default: as at fit.")
@click.option(
    "--root",
    type=click.Path(),
    metavar="DIR",
    help="Paths of --in DATA, and of --sheet's and --why's pictures, are below this folder.",
)
@click.option("--encoding", metavar="NAME", help="Of the texts of --in DATA; default: as at fit.")
@device
@click.option("--sheet", "sheet_file", type=click.Path(), metavar="FILE", help="Also draw the found pictures as a PNG.")
@click.option(
    "--why",
    is_flag=True,
    help="Also say which words and what region each score rests on (slow); with --sheet, outline the regions.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def search_command(
    model: str,
    words: str | None,
    image: str | None,
    audio: str | None,
    video: str | None,
    start: str | None,
    to: tuple[str, ...],
    k: int,
    page: int,
    reject: float | None,
    where: tuple[str, ...],
    every: bool,
    sort: str | None,
    among: int | None,
    more: tuple[str, ...],
    less: tuple[str, ...],
    inside: str | None,
    window: float | None,
    column: str | None,
    root: str | None,
    encoding: str | None,
    sheet_file: str | None,
    why: bool,
    as_json: bool,
) -> None:
    """Search MODEL, or an index, with WORDS (any language its encoder knows), a picture, a sound or a video.

    WORDS may have several terms, words and files: "beach.jpg + sunset - 2*people". A + or - between spaces joins them.
    Of an index, words in "quotes" have to stand so in a file's caption, or in the text read in it.

    Long sounds and videos of --in are searched by moment: each answer is a file with its start and end.
    """
    files = {kind: file for kind, file in (("image", image), ("audio", audio), ("video", video)) if file is not None}
    if words is None and not files:
        raise ChiasmError("wanted words, --image FILE, --audio FILE or --video FILE.")
    terms = [Term(1.0, kind, str(Path(file).resolve()), file) for kind, file in files.items()]
    if words is None and len(terms) == 1 and start is not None:
        terms = [terms[0]._replace(view=start)]
    held = load(model)
    if words is not None:
        places = [".", *([str(held.folder)] if isinstance(held, Collection) else [])]
        terms = [*Question(words, folder=places, words=start or "text").terms, *terms]
    query = Question(terms)
    part = getattr(held, "model", held)
    if not hasattr(part, "hits"):
        raise ChiasmError(
            f"wanted a model that searches, got {model}, which is a {type(part).__name__.lower()} model: "
            "chiasm fit retrieve ... --to FOLDER makes one."
        )
    names = part.views_asked(query)
    within = None
    if isinstance(held, Collection):
        if inside is not None:
            raise ChiasmError(f"wanted a model together with --in, got {model}, which has files of its own.")
        targets = [held.target(names, list(to))]
        root = str(held.folder)
    else:
        if where or every or more or less:
            option = "where" if where else "all" if every else "more" if more else "less"
            raise ChiasmError(f"wanted an index together with --{option} (chiasm index build), got the model {model}.")
        targets = [part.target(names, one, own=inside is None) for one in to or [None]]
    target = targets[0]
    if window is not None and inside is None:
        raise ChiasmError("wanted --window together with --in, whose long media it cuts.")
    if column is not None and inside is None:
        raise ChiasmError("wanted --column together with --in, whose column it names.")
    if inside is not None:
        if len(targets) > 1:
            raise ChiasmError("wanted one --to together with --in, got several.")
        usual = getattr(part, "seconds_", {}).get(target)
        within = Source.of(part).read_moments(
            inside, target, part.views_[target], window=window, usual=usual, column=column, root=root, encoding=encoding
        )
    paged: dict[str, Any] = {"skip": (page - 1) * k, "sort": sort, "among": among}
    if isinstance(held, Collection):
        paged |= {"group": not every, "more": more, "less": less}
        found = held.hits(query, target, k, list(where), reject, **paged, progress=progress())
    else:
        found = part.hits(query, targets, k, within, reject, **paged, progress=progress())
    if why and (more or less or any("taught" in hit.get("why", {}) for hits in found for hit in hits)):
        raise ChiasmError("wanted --why for a query alone, got a taught name or marks, of which it tells nothing.")
    if why:
        found = part.explain(query, found, target, within, folder=root or ".")
    (hits,) = found
    say_skipped(found.report)
    if sheet_file and hits:
        _draw(part, target, str(query), hits, within, root, Path(sheet_file))
    if as_json:
        echo_json(
            {
                "query": str(query),
                "terms": [{**term, "view": part.view(term["view"])} for term in query.told()],
                "from": names[0] if len(names) == 1 else names,
                "to": target if len(targets) == 1 else targets,
                "rejected": not hits and reject is not None and page == 1,
                "results": hits,
                "notes": found.notes + ([] if within is None else sentences(within.notes)),
                **told_items(found.report),
            }
        )
        return
    for note in found.notes:
        click.echo(note, err=True)
    if not hits and page > 1:
        click.echo("there are no more")
    elif not hits and reject is None:
        exact = [f'"{one}"' for one in quotes(words or "")[1]] if isinstance(held, Collection) else []
        asked_for = " and ".join([*where, *exact])
        click.echo(f"no file meets {asked_for}" if asked_for else "there is nothing to find here yet")
    elif not hits:
        chosen = f" that meets {' and '.join(where)}" if where else ""
        click.echo(
            f"nothing here{chosen} matches (of queries that do have a match, "
            f"at most {100 * (reject or 0):g} in 100 are rejected too)"
        )
    for hit in hits:
        if "file" in hit:
            moment = f"{one_line(hit['file'])}  {clock(hit['start'])} - {clock(hit['end'])}"
            told = "".join(f"   ({line})" for line in grouped_with(hit))
            click.echo(f"{hit['rank']:3d}  {hit['score']:.3f}  {moment}{told}")
            continue
        at = "" if hit["id"] == hit["item"] else f"   {one_line(hit['id'])}"
        split = f"   ({hit['split']})" if "split" in hit else ""
        view = f"   {hit['view']}" if "view" in hit else ""
        led = hit.get("why", {})
        names = ", ".join([*led.get("taught", []), *(one["name"] for one in led.get("names", []))])
        shared = f"   [{names}]" if names else ""
        at = f"   p {hit['probability']:.2f}{at}" if "probability" in hit else at
        told = "".join(f"   ({line})" for line in grouped_with(hit))
        click.echo(f"{hit['rank']:3d}  {hit['score']:.3f}  {one_line(hit['item'])}{at}{view}{split}{told}{shared}")
        for line in _reasons(hit):
            click.echo(f"       {line}")


def _reasons(hit: dict[str, Any]) -> list[str]:
    """The words and the region of a hit, a line each, and why one of them is not told."""
    why = hit.get("why", {})
    lines = [f"{name}: {why[name]['share']:.2f} of the score" for name in ("caption", "read") if name in why]
    if "words" in why:
        said = sorted(why["words"], key=lambda word: -word["share"])[:MOST_WORDS]
        lines.append("words: " + ", ".join(f"{one_line(w['word'])} {w['share']:.2f}" for w in said if w["share"] > 0))
    if "region" in why:
        left, top, right, bottom = (round(100 * end) for end in why["region"]["box"])
        lines.append(
            f"region: {left}-{right} % from the left, {top}-{bottom} % from the top, {why['region']['share']:.2f}"
        )
    withheld = {name: reason for name, reason in why.get("withheld", {}).items() if name != "names"}  # the share tells
    return lines + [f"no {name}: {reason}" for name, reason in withheld.items()]


def _draw(part: Any, target: str, query: str, hits: list, within: Views | None, root: str | None, file: Path) -> None:
    """The sheet of what was found."""
    from chiasm.report.sheet import drawable, sheet

    items = [hit["item"] for hit in hits]
    column = None if within is None else within[target]
    pictures = drawable(items, target, part.views_[target], within=column, folder=root or ".")
    captions = [f"{hit['score']:.2f} {hit['item']}" for hit in hits]
    masks = [hit.get("why", {}).get("region", {}).get("mask") for hit in hits]
    sheet([(query, list(zip(pictures, captions, strict=True)))], file, outlines=[masks])
    click.echo(f"wrote {file}", err=True)
