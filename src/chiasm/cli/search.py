"""`chiasm search MODEL WORDS`: find items of one view by an item of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import clock, echo_json, one_line, progress, say_skipped
from chiasm.data.read import read
from chiasm.data.table import modality_of, table
from chiasm.errors import ChiasmError
from chiasm.media.clips import Wants, decode
from chiasm.media.windows import windows
from chiasm.views import Column, Views


@click.command("search")
@click.argument("model")
@click.argument("words", required=False)
@click.option("--image", type=click.Path(), metavar="FILE", help="Search with a picture instead of words.")
@click.option("--audio", type=click.Path(), metavar="FILE", help="Search with a sound.")
@click.option("--video", type=click.Path(), metavar="FILE", help="Search with a video.")
@click.option("--from", "start", metavar="VIEW", help="What the query is; needed when two views are texts.")
@click.option("--to", multiple=True, metavar="VIEW", help="The view to answer with; repeat for a mixed gallery.")
@click.option("--k", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many answers.")
@click.option(
    "--reject",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Say when nothing here matches; SHARE of the queries that do have a match are then rejected too (0.1).",
)
@click.option("--in", "inside", metavar="FOLDER|DATA|FILE", help="Search these media or rows, not the model's own.")
@click.option(
    "--window",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Long media of --in are searched by moments so long; default: as long as the clips learned from.",
)
@click.option(
    "--root",
    type=click.Path(),
    metavar="DIR",
    help="Paths of --in DATA, and of --sheet's pictures, are below this folder.",
)
@click.option("--sheet", "sheet_file", type=click.Path(), metavar="FILE", help="Also draw the found pictures as a PNG.")
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
    reject: float | None,
    inside: str | None,
    window: float | None,
    root: str | None,
    sheet_file: str | None,
    as_json: bool,
) -> None:
    """Search MODEL with WORDS (any language its encoder knows), or with a picture, a sound or a video.

    Long sounds and videos of --in are searched by moment: each answer is a file with its start and end.
    """
    asked = {"text": words, "image": image, "audio": audio, "video": video}
    given = [kind for kind, value in asked.items() if value is not None]
    if len(given) != 1:
        raise ChiasmError("wanted words, --image FILE, --audio FILE or --video FILE, one of them.")
    kind, shown = given[0], str(asked[given[0]])
    part = recipe.load(model)
    name = part.view(start or kind)
    query: Any = words if words is not None else str(Path(shown).resolve())
    targets = [part.target(name, one) for one in to or [None]]
    target = targets[0]
    within = None
    if window is not None and inside is None:
        raise ChiasmError("wanted --window together with --in, whose long media it cuts.")
    if inside is not None:
        if len(targets) > 1:
            raise ChiasmError("wanted one --to together with --in, got several.")
        within = _within(inside, part, target, root)
        within = _moments(within, part, target, window)
    found = part.hits({name: [query]}, targets, k, within, reject, progress=progress())
    (hits,) = found
    say_skipped(found.report)
    if sheet_file and hits:
        _draw(part, target, words or Path(shown).name, hits, within, root, Path(sheet_file))
    if as_json:
        echo_json(
            {
                "query": shown,
                "from": name,
                "to": target if len(targets) == 1 else targets,
                "rejected": not hits,
                "results": hits,
            }
        )
        return
    if not hits:
        click.echo(
            f"nothing here matches (of queries that do have a match, {100 * (reject or 0):g} in 100 are rejected too)"
        )
    for hit in hits:
        if "file" in hit:
            moment = f"{one_line(hit['file'])}  {clock(hit['start'])} - {clock(hit['end'])}"
            click.echo(f"{hit['rank']:3d}  {hit['score']:.3f}  {moment}")
            continue
        where = "" if hit["id"] == hit["item"] else f"   {one_line(hit['id'])}"
        split = f"   ({hit['split']})" if "split" in hit else ""
        view = f"   {hit['view']}" if "view" in hit else ""
        click.echo(f"{hit['rank']:3d}  {hit['score']:.3f}  {one_line(hit['item'])}{where}{view}{split}")


def _within(inside: str, part: Any, target: str, root: str | None) -> Views:
    """The rows of a folder or table that hold the target view."""
    source = dict(getattr(part, "source_", {}))
    modality = part.views_[target]
    if Path(inside).is_dir():
        if modality == "text":
            return read(inside, text={target: "text"}, encoding=source.get("encoding", "utf-8"))
        held = table(inside)[0]
        options: dict[str, Any] = {modality: {target: modality if modality in held else "path"}}
        return read(inside, **options)
    if modality in ("audio", "video") and modality_of(inside) in ("audio", "video"):
        path = Path(inside)
        if not path.is_file():
            raise ChiasmError(f"no file {inside!r}: wanted a sound, a video, a folder or a table.")
        return Views({target: Column(modality, [str(path.resolve())], labels=[path.name])}, [path.name])
    named = [c for c in source.get(modality, []) if target in (c, c.partition("=")[0])]
    options = {modality: named or [target]}
    if modality == "record":
        options = {kind: source.get(kind) for kind in ("number", "category")}
    encoding = source.get("encoding", "utf-8")
    key = source.get("id")
    if key not in table(inside, encoding)[0]:  # another table may have no such column: its paths or rows name the hits
        key = None
    return read(inside, id=key, encoding=encoding, root=root, **options)


def _moments(within: Views, part: Any, target: str, window: float | None) -> Views:
    """The rows by moment, where they are of sound or video."""
    if part.views_[target] not in ("audio", "video"):
        if window is not None:
            raise ChiasmError(f"--window is for sounds and videos; view {target!r} holds {part.views_[target]}.")
        return within
    seconds = window or getattr(part, "seconds_", {}).get(target)
    if not seconds:
        raise ChiasmError("how long is a moment? The model does not know: say --window SECONDS.")
    return windows(within, target, seconds)


def _draw(part: Any, target: str, query: str, hits: list, within: Views | None, root: str | None, file: Path) -> None:
    """The sheet; the model's own pictures are known by their paths below DATA's folder, which is not in the model."""
    from chiasm.report.sheet import sheet

    modality = part.views_[target]
    if modality not in ("image", "video"):
        raise ChiasmError(f"--sheet draws pictures and videos; view {target!r} holds {modality}.")
    if within is not None:
        column = within[target]
        files: dict[str, Any] = {column.label(p): column.items[p] for p in column.used.tolist()}
    else:
        folder = Path(root or ".")
        files = {hit["item"]: str(folder / hit["item"]) for hit in hits}
        if hits and not any(Path(path).is_file() for path in files.values()):
            raise ChiasmError(f"--sheet: none of the pictures found is below {folder}: name DATA's folder with --root.")
    if modality == "video":
        middle = Wants(pictures=1, size=288)
        files = {hit["item"]: decode(files[hit["item"]], middle).pictures[0] for hit in hits}
    sheet([(query, [(files[hit["item"]], f"{hit['score']:.2f} {hit['item']}") for hit in hits])], file)
    click.echo(f"wrote {file}", err=True)
