"""A picture sheet of searches: each query above the pictures that it found, Chinese included."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.media.clips import Wants, decode
from chiasm.media.images import MediaError, decode_image
from chiasm.views import Column, Views

__all__ = ["drawable", "fitted", "font", "font_file", "groups_sheet", "sheet"]

_SIZE = 288
"""Pixels a side at which a video's picture is decoded."""

_SYSTEM_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)


def sheet(
    rows: Sequence[tuple[str, Sequence[tuple[Any, str]]]],
    path: str | Path,
    *,
    side: int = 132,
    title: str = "",
    outlines: Sequence[Sequence[Sequence[str] | None]] | None = None,
) -> Path:
    """Draw searches as a PNG, one line of pictures a query; returns its path.

    Args:
        rows: (query, [(image item, caption below it), ...]). An unreadable picture is drawn as an empty frame.
        side: the pictures' side, in pixels.
        outlines: for each picture the mask of a region to outline, a line of 0 and 1 a row of a grid, or None.

    Raises a ChiasmError for a path that does not end in .png.
    """
    if Path(path).suffix.lower() != ".png":
        raise ChiasmError(f"a sheet is a PNG: wanted a file that ends in .png, got {path}.")
    wide = max((len(found) for _, found in rows), default=1)
    query_font, small = font(20), font(13)
    gap, line, foot, top = 12, 34, 22, 44 if title else 8
    height = top + len(rows) * (line + side + foot + gap) + gap
    canvas = Image.new("RGB", (max(2 * gap + wide * (side + gap), 640), height), "white")
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((gap, 12), title, "#666666", font=small)
    y = top
    for (query, found), masks in zip(rows, outlines or [[None] * len(found) for _, found in rows], strict=True):
        draw.text((gap, y + 3), fitted(draw, query, query_font, canvas.width - 2 * gap), "#111111", font=query_font)
        y += line
        for i, ((item, caption), mask) in enumerate(zip(found, masks, strict=True)):
            x = gap + i * (side + gap)
            box = (x, y, side, side)
            with contextlib.suppress(MediaError):
                whole = ImageOps.contain(decode_image(item, None)[0], (side, side))
                box = (x + (side - whole.width) // 2, y + (side - whole.height) // 2, *whole.size)
                canvas.paste(whole, box[:2])
            draw.rectangle((x, y, x + side, y + side), outline="#dddddd")
            for edge in _edges(mask or []):
                ends = [(box[0] + box[2] * a, box[1] + box[3] * b) for a, b in edge]
                draw.line(ends, "white", 5)
                draw.line(ends, "#d6246e", 3)
            draw.text((x, y + side + 3), fitted(draw, caption, small, side), "#444444", font=small)
        y += side + foot + gap
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    write_atomic(Path(path), [buffer.getvalue()])
    return Path(path)


def groups_sheet(topics: Sequence[Mapping[str, Any]], views: Views, path: str | Path) -> Path:
    """Draw the pictures nearest to each group, its name and how many rows it has above them; returns the path.

    Args:
        topics: as `Cluster.topics` gives them for these rows. views: raw rows, one view of pictures or videos.

    Raises a ChiasmError where none does.
    """
    seen = [name for name, column in views.columns.items() if column.modality in ("image", "video")]
    if not seen:
        raise ChiasmError(f"a sheet draws pictures and videos, the views are {', '.join(views.names)}: leave it out.")
    column = views[seen[0]]
    texts = [c for c in views.columns.values() if c.modality == "text" and isinstance(c.items, list)]
    rows = []
    for topic in topics:
        there = [row for row in topic["nearest"] if column.index[row] >= 0]
        items = drawable([column.label(column.index[r]) for r in there], seen[0], column.modality, within=column)
        below = [
            next((str(c.items[c.index[r]]) for c in texts if c.index[r] >= 0), Path(str(views.ids[r])).name)
            for r in there
        ]
        rows.append((f"{topic['name']}  ({topic['rows']})", list(zip(items, below, strict=True))))
    return sheet(rows, path)


def drawable(
    items: Sequence[str],
    view: str,
    modality: str,
    *,
    within: Column | None = None,
    folder: str | os.PathLike[str] = ".",
) -> list[Any]:
    """What to draw for each of some found items: the picture's file or bytes, or a video's middle picture.

    Args:
        items: as hits name them. view, modality: the view that they are of.
        within: the column that was searched. Left out, the items are paths below `folder`, since a model keeps no place
            of its data.

    Raises a ChiasmError for a view without pictures and for items of which none is below the folder; a MediaError for
    a video that cannot be read.
    """
    if modality not in ("image", "video"):
        raise ChiasmError(f"a sheet draws pictures and videos, view {view!r} holds {modality}.")
    files: dict[str, Any]
    if within is not None:
        files = {within.label(p): within.items[p] for p in within.used.tolist()}
    else:
        files = {item: str(Path(folder) / item) for item in items}
        if files and not any(Path(file).is_file() for file in files.values()):
            raise ChiasmError(
                f"a sheet: none of the pictures found is below {Path(folder)}: name the data's folder (root='DIR')."
            )
    if modality == "video":
        middle = Wants(pictures=1, size=_SIZE)
        files = {item: decode(files[item], middle).pictures[0] for item in dict.fromkeys(items)}
    return [files[item] for item in items]


def font_file() -> str | None:
    """A font file with Chinese characters: a package's (extra demo), else the system's; None if there is none."""
    spec = find_spec("cvttf_NotoSansCJK_Regular")
    if spec is not None and spec.origin:
        for path in sorted(Path(spec.origin).parent.glob("*.otf")):
            return str(path)
    return next((path for path in _SYSTEM_FONTS if Path(path).exists()), None)


def _edges(mask: Sequence[str]) -> list[list[tuple[float, float]]]:
    """The lines between cells that a mask holds and cells that it does not: two ends each, 0 to 1."""
    side = len(mask)
    held = {(row, column) for row, line in enumerate(mask) for column, cell in enumerate(line) if cell == "1"}
    found = []
    for row, column in sorted(held):
        corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
        for i, (down, right) in enumerate(((-1, 0), (0, 1), (1, 0), (0, -1))):
            if (row + down, column + right) not in held:
                found.append([(a / side, b / side) for a, b in (corners[i], corners[(i + 1) % 4])])
    return found


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of sheets; a ChiasmError where none with Chinese characters is there."""
    path = font_file()
    if path is None:
        raise ChiasmError("no font with Chinese characters: pip install 'chiasm[demo]' brings one.")
    return ImageFont.truetype(path, size)


def fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, shortened with an ellipsis until it fits."""
    text = " ".join(text.split())[:400]
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"
