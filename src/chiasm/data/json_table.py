"""JSON as a table: an object a line, a list of objects, columns, and the two layouts of captioned pictures.

COCO (Lin et al. 2014): `images` and `annotations` that name them by `image_id`. Karpathy's splits of it (Karpathy &
Fei-Fei 2015): `images` that hold their `sentences` and their `split`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.data.notes import Noted
from chiasm.errors import ChiasmError
from chiasm.media.images import Note

__all__ = ["json_lines", "json_table", "nested"]

Cells = dict[str, list[Any]]


def json_lines(file: Iterable[str], path: Path) -> Cells:
    """The cells of a file that has a JSON object a line; what an object lacks is None."""
    rows = []
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise ChiasmError(f"{path.name}, line {number}: not a JSON object.") from None
        if not isinstance(row, dict):
            raise ChiasmError(f"{path.name}, line {number}: wanted a JSON object, got {type(row).__name__}.")
        rows.append(row)
    return _columns(rows)


def json_table(file: Any, path: Path) -> tuple[Cells, list[Noted]]:
    """The cells of one JSON document, and notes on what of it is in no row.

    A list of objects; `{"data": [...]}`, or whatever the one list is called; columns, as `DataFrame.to_json` writes
    them, also with orient="split"; COCO (columns id, file_name, caption, category); Karpathy (columns id,
    path, caption, split).
    """
    try:
        held = json.load(file)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ChiasmError(
            f"{path.name}: not a JSON document{place}; with an object a line its name ends in .jsonl."
        ) from None
    if isinstance(held, dict):
        if _objects(held.get("images")) and _objects(held.get("annotations")):
            return _coco(held)
        if _objects(held.get("images")) and any("sentences" in image for image in held["images"]):
            return _karpathy(held["images"], str(held.get("dataset")), path), []
        lists = [value for value in held.values() if _objects(value)]
        if len(lists) == 1:
            held = lists[0]
        elif columns := _split(held) or _by_column(held):
            return columns, []
    if not _objects(held):
        raise ChiasmError(
            f"{path.name}: wanted a list of objects, columns, or pictures with annotations as COCO or Karpathy have "
            f"them, got {_shape(held)}."
        )
    return _columns(held), []


def nested(cells: Mapping[str, list[Any]], named: Sequence[str]) -> Cells:
    """The named columns that are no columns but lie inside one: "a.b" is what each object of column a has as b."""
    found = {}
    for name in named:
        outer, _, inner = name.partition(".")
        if name in cells or not inner or not any(isinstance(cell, dict) for cell in cells.get(outer, ())):
            continue
        values = list(cells[outer])
        for key in inner.split("."):
            values = [value.get(key) if isinstance(value, dict) else None for value in values]
        if any(value is not None for value in values):
            found[name] = values
    return found


def _counted(counts: Sequence[int]) -> str:
    return " / ".join(f"{count:,}" for count in counts)


def _objects(held: Any) -> bool:
    return isinstance(held, list) and bool(held) and all(isinstance(row, dict) for row in held)


def _columns(rows: Sequence[Mapping[str, Any]]) -> Cells:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _shape(held: Any) -> str:
    """What a JSON value is, for a sentence."""
    if isinstance(held, dict):
        return f"an object of {', '.join(map(repr, list(held)[:5])) or 'nothing'}"
    return f"a list of {len(held)}" if isinstance(held, list) else f"{str(held)[:40]!r}"


def _split(held: Mapping[str, Any]) -> Cells | None:
    """Columns, index and data apart, as pandas writes with orient="split": its index is no column."""
    names, rows = held.get("columns"), held.get("data")
    if not (held.keys() <= {"columns", "index", "data"} and isinstance(names, list) and isinstance(rows, list)):
        return None
    if not rows or any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        return None
    return {str(name): [row[i] for row in rows] for i, name in enumerate(names)}


def _by_column(held: Mapping[str, Any]) -> Cells | None:
    """Column -> values, as lists of one length or as objects with the same keys."""
    values = list(held.values())
    if values and all(isinstance(v, list) for v in values) and len({len(v) for v in values}) == 1:
        return dict(held)
    if values and all(isinstance(v, dict) for v in values) and all(list(v) == list(values[0]) for v in values):
        return {name: list(v.values()) for name, v in held.items()}
    return None


def _coco(held: Mapping[str, Any]) -> tuple[Cells, list[Noted]]:
    """A row a picture, its captions and its categories as lists; annotations of no picture are noted."""
    images = {str(image.get("id")): dict(image) for image in held["images"]}
    names = {c.get("id"): c.get("name") for c in held.get("categories") or () if isinstance(c, dict)}
    captions: dict[str, list[str]] = {key: [] for key in images}
    kinds: dict[str, list[str]] = {key: [] for key in images}
    lost = 0
    for one in held["annotations"]:
        key = str(one.get("image_id"))
        if key not in images:
            lost += 1
            continue
        if one.get("caption"):
            captions[key].append(one["caption"])
        if (kind := names.get(one.get("category_id"))) and kind not in kinds[key]:
            kinds[key].append(kind)
    cells = _columns(list(images.values()))
    if any(captions.values()):
        cells["caption"] = list(captions.values())
    if any(kinds.values()):
        cells["category"] = list(kinds.values())
    message = f"{lost} annotations passed over: they name pictures that are not among the {len(images)} images"
    return cells, [("", "", Note("lost_annotation", message, skipped=True))] if lost else []


_PROTOCOL = {"coco": (113287, 5000, 5000), "flickr8k": (6000, 1000, 1000), "flickr30k": (29000, 1014, 1000)}
"""Pictures of train, val and test in Karpathy's splits: figures on other counts are figures of something else."""


def _karpathy(images: Sequence[Mapping[str, Any]], dataset: str, path: Path) -> Cells:
    """A row a picture: its path below the folder of pictures, its sentences as a list, its split.

    Raises a ChiasmError where the file says that it is one of the published sets and its splits have other counts.
    """
    split = ["train" if image.get("split") == "restval" else image.get("split") for image in images]
    counts = tuple(split.count(name) for name in ("train", "val", "test"))
    if (wanted := _PROTOCOL.get(dataset, counts)) != counts:
        raise ChiasmError(
            f"{path.name} says that it is Karpathy's split of {dataset}, which has {_counted(wanted)} pictures to "
            f"train, validate and test with, got {_counted(counts)}: take the whole file, or give a part of it another "
            f'name ("dataset": "part of {dataset}").'
        )
    rows = []
    for i, image in enumerate(images):
        spoken = [s.get("raw") or " ".join(s.get("tokens") or ()) for s in image.get("sentences") or ()]
        place = "/".join(filter(None, (image.get("filepath"), image.get("filename"))))
        kept = {k: v for k, v in image.items() if k not in ("sentences", "sentids")}
        rows.append({"id": image.get("cocoid", image.get("imgid", i)), "path": place, "caption": spoken, **kept})
    return _columns(rows)
