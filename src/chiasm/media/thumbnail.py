"""A small picture of a medium, encoded anew: nothing of the file but its pixels goes out."""

from __future__ import annotations

import io
import os

from PIL import Image

from chiasm.media.clips import Wants, decode
from chiasm.media.images import decode_image

__all__ = ["thumbnail"]

_QUALITY = 82


def thumbnail(path: str | os.PathLike[str], modality: str, side: int) -> bytes:
    """A JPEG of a picture, or of a video's middle, whose longer side has at most `side` pixels.

    Raises a MediaError for a file that cannot be read, or has no picture.
    """
    if modality == "video":
        picture = Image.fromarray(decode(str(path), Wants(pictures=1, size=side)).pictures[0])
    else:
        picture = decode_image(str(path), None)[0]
        picture.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=_QUALITY)
    return held.getvalue()
