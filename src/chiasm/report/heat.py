"""Heat maps: a picture beside itself with what a map says of its places laid over, as a PNG."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from chiasm.files import write_atomic
from chiasm.media.images import MediaError, decode_image
from chiasm.report.sheet import fitted, font, sheet

__all__ = ["heat", "looked"]

_HOT = np.array([214, 36, 110], dtype=np.float64)
"""The color of the largest cell; what says nothing is gray."""
_GAP, _LINE = 12, 30


def heat(rows: Sequence[tuple[Any, str, np.ndarray | None]], path: str | Path, *, side: int = 288) -> Path:
    """Draw maps as a PNG, a line each: the words above, the picture, and the picture with its map; returns the path.

    The largest cell of a map has the full color, 0 and less have none; between cells it is drawn smoothly.

    Args:
        rows: (picture item, words above it, map `(g, g)` of the picture as a square or None, which is drawn plainly).
        side: of a picture, in pixels. A picture that cannot be read is an empty frame.
    """
    step = _LINE + side + _GAP
    canvas = Image.new("RGB", (3 * _GAP + 2 * side, _GAP + step * len(rows)), "white")
    draw = ImageDraw.Draw(canvas)
    for row, (item, words, grid) in enumerate(rows):
        top = _GAP + row * step
        draw.text((_GAP, top), fitted(draw, words, font(18), canvas.width - 2 * _GAP), "#111111", font=font(18))
        left, top = (_GAP, 2 * _GAP + side), top + _LINE
        with contextlib.suppress(MediaError):
            picture = decode_image(item, side)[0]
            canvas.paste(picture, (left[0], top))
            canvas.paste(picture if grid is None else laid_over(picture, grid), (left[1], top))
        for x in left:
            draw.rectangle((x, top, x + side, top + side), outline="#dddddd")
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    write_atomic(Path(path), [buffer.getvalue()])
    return Path(path)


def looked(
    rows: Sequence[tuple[Any, str, str, Sequence[tuple[str, np.ndarray]]]], path: str | Path, *, note: str
) -> Path:
    """Draw what was looked at for each word as a PNG, a line a picture; returns the path.

    Args:
        rows: (picture item, its name, the caption, which stands above, and of its words each the map `(g, g)`).
        note: what the maps are, on top.
    """
    lines = []
    for item, name, caption, words in rows:
        picture = decode_image(item, 288)[0]
        lines.append((caption, [(picture, name), *((laid_over(picture, grid), word) for word, grid in words)]))
    return sheet(lines, path, title=note)


def laid_over(picture: Image.Image, grid: np.ndarray) -> Image.Image:
    """A square picture in gray, with the color of a map `(g, g)` over it."""
    share = np.maximum(np.asarray(grid, dtype=np.float32), 0)
    smooth = Image.fromarray(share / max(float(share.max()), 1e-12)).resize(picture.size, Image.Resampling.BICUBIC)
    how = np.clip(np.asarray(smooth, dtype=np.float64), 0, 1)[..., None] * 0.75
    gray = np.asarray(picture.convert("L").convert("RGB"), dtype=np.float64)
    return Image.fromarray(((1 - how) * gray + how * _HOT).round().astype(np.uint8))
