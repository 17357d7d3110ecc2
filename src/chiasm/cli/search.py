"""`chiasm search MODEL WORDS`: find items of one view by an item of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm import recipe
from chiasm.cli._shared import echo_json, one_line, progress, say_skipped
from chiasm.data.read import read
from chiasm.data.table import table
from chiasm.errors import ChiasmError
from chiasm.views import Views


@click.command("search")
@click.argument("model")
@click.argument("words", required=False)
@click.option("--image", type=click.Path(), metavar="FILE", help="Search with a picture instead of words.")
@click.option("--from", "start", metavar="VIEW", help="What the query is; needed when two views are texts.")
@click.option("--to", metavar="VIEW", help="The view to answer with; default: the one other view.")
@click.option("--k", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many answers.")
@click.option(
    "--reject",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Say when nothing here matches; SHARE of the queries that do have a match are then rejected too (0.1).",
)
@click.option("--in", "inside", metavar="FOLDER|DATA", help="Search these pictures or rows instead of the model's own.")
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
    start: str | None,
    to: str | None,
    k: int,
    reject: float | None,
    inside: str | None,
    root: str | None,
    sheet_file: str | None,
    as_json: bool,
) -> None:
    """Search MODEL with WORDS (any language its encoder knows) or with --image FILE."""
    if (words is None) == (image is None):
        raise ChiasmError("wanted words or --image FILE, one of the two.")
    part = recipe.load(model)
    name = part.view(start or ("text" if words is not None else "image"))
    query: Any = words if words is not None else str(Path(str(image)).resolve())
    target = part._target(name, to)
    within = None
    if inside is not None:
        within = _within(inside, part, target, root)
    (hits,) = part.hits({name: [query]}, target, k, within, reject, progress=progress())
    if inside is not None:
        say_skipped(part.report)
    if sheet_file and hits:
        _draw(part, target, words or Path(str(image)).name, hits, within, root, Path(sheet_file))
    if as_json:
        echo_json(
            {
                "query": words if words is not None else image,
                "from": name,
                "to": target,
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
        where = "" if hit["id"] == hit["item"] else f"   {one_line(hit['id'])}"
        split = f"   ({hit['split']})" if "split" in hit else ""
        click.echo(f"{hit['rank']:3d}  {hit['score']:.3f}  {one_line(hit['item'])}{where}{split}")


def _within(inside: str, part: Any, target: str, root: str | None) -> Views:
    """The rows of a folder or table that hold the target view."""
    source = dict(getattr(part, "source_", {}))
    if Path(inside).is_dir():
        if part.views_[target] == "image":
            return read(inside, image={target: "path"})
        return read(inside, text={target: "text"}, encoding=source.get("encoding", "utf-8"))
    modality = part.views_[target]
    named = [c for c in source.get(modality, []) if target in (c, c.partition("=")[0])]
    options: dict[str, Any] = {modality: named or [target]}
    if modality == "record":
        options = {kind: source.get(kind) for kind in ("number", "category")}
    encoding = source.get("encoding", "utf-8")
    key = source.get("id")
    if key not in table(inside, encoding)[0]:  # another table may have no such column: its paths or rows name the hits
        key = None
    return read(inside, id=key, encoding=encoding, root=root, **options)


def _draw(part: Any, target: str, query: str, hits: list, within: Views | None, root: str | None, file: Path) -> None:
    """The sheet; the model's own pictures are known by their paths below DATA's folder, which is not in the model."""
    from chiasm.sheet import sheet

    if part.views_[target] != "image":
        raise ChiasmError(f"--sheet draws pictures; view {target!r} holds {part.views_[target]}.")
    if within is not None:
        column = within[target]
        files = {column.label(p): column.items[p] for p in column.used.tolist()}
    else:
        folder = Path(root or ".")
        files = {hit["item"]: str(folder / hit["item"]) for hit in hits}
        if hits and not any(Path(path).is_file() for path in files.values()):
            raise ChiasmError(f"--sheet: none of the pictures found is below {folder}: name DATA's folder with --root.")
    sheet([(query, [(files[hit["item"]], f"{hit['score']:.2f} {hit['item']}") for hit in hits])], file)
    click.echo(f"wrote {file}", err=True)
