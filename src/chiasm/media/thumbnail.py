"""A small picture of a medium, encoded anew: nothing of the file but its pixels goes out."""

from __future__ import annotations

import io
import os

from PIL import Image

from chiasm.media.clips import Clip, Wants, decode, probe
from chiasm.media.images import decode_image

__all__ = ["thumbnail"]

_QUALITY = 82
_MOMENT = 0.1
"""Seconds: a picture or two."""


def thumbnail(path: str | os.PathLike[str], modality: str, side: int, at: float | None = None) -> bytes:
    """A JPEG of a picture, or of a video, whose longer side has at most `side` pixels; as wide as it is shown.

    Args:
        at: seconds of a video; left out, its middle.

    Raises a MediaError for a file that cannot be read, or has no picture.
    """
    if modality == "video":
        facts = probe(str(path))
        side = min(side, max(facts.width, facts.height)) or side
        moment = str(path) if at is None else Clip(str(path), at, at + _MOMENT)
        square = Image.fromarray(decode(moment, Wants(pictures=1, size=side)).pictures[0])
        aspect = facts.aspect or 1.0
        size = round(side * min(aspect, 1.0)), round(side / max(aspect, 1.0))
        picture = square.resize((max(size[0], 1), max(size[1], 1)), Image.Resampling.BICUBIC)
    else:
        picture = decode_image(str(path), None)[0]
        picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=_QUALITY)
    return held.getvalue()
