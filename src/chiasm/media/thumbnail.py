"""A small picture of a medium, encoded anew: nothing of the file but its pixels goes out."""

from __future__ import annotations

import io
import os

from PIL import Image

from chiasm.media.clips import Wants, decode, probe
from chiasm.media.images import decode_image

__all__ = ["thumbnail"]

_QUALITY = 82


def thumbnail(path: str | os.PathLike[str], modality: str, side: int) -> bytes:
    """A JPEG of a picture, or of a video's middle, whose longer side has at most `side` pixels; as wide as it is shown.

    Raises a MediaError for a file that cannot be read, or has no picture.
    """
    if modality == "video":
        facts = probe(str(path))
        side = min(side, max(facts.width, facts.height)) or side
        square = Image.fromarray(decode(str(path), Wants(pictures=1, size=side)).pictures[0])
        aspect = facts.aspect or 1.0
        size = round(side * min(aspect, 1.0)), round(side / max(aspect, 1.0))
        picture = square.resize((max(size[0], 1), max(size[1], 1)), Image.Resampling.BICUBIC)
    else:
        picture = decode_image(str(path), None)[0]
        picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=_QUALITY)
    return held.getvalue()
