"""What a cell means: nothing, a text, a number, a path or the bytes of a medium."""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from typing import Any

from chiasm.checks import MISSING, EmptyError, is_empty, is_missing, is_unseen, shown
from chiasm.errors import ChiasmError

__all__ = [
    "MISSING",
    "EmptyError",
    "composed",
    "embedded",
    "is_empty",
    "is_missing",
    "is_unseen",
    "media_cell",
    "plain",
    "shown",
    "text_cell",
]

_LONG = 10_000
"""Longer texts stay as they are spelled: to compose a hundred thousand accents on one letter takes seconds."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+=*\s*")
_STARTS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0AK", "AAAA", "SUQz", "T2dnUw", "ZkxhQ", "GkXfo")
"""How JPEG, PNG, GIF, RIFF, BMP, TIFF, MP4 and AVIF, MP3, Ogg, FLAC and Matroska begin in base64."""
_LEAST = 100
_MOST = 360 << 20
"""More base64 holds more than the 256 MiB that any medium may have."""


def composed(text: str) -> str:
    """A text in composed characters (NFC): é is one text, however a system spells it.

    >>> composed("e\\u0301") == "\\u00e9"
    True
    """
    return text if text.isascii() or len(text) > _LONG else unicodedata.normalize("NFC", text)


def plain(value: Any) -> str:
    """A cell of ids, labels, groups or conditions as text: composed, without the blanks around it; "" for none."""
    if isinstance(value, list | tuple):
        return json.dumps([plain(v) if isinstance(v, str) else v for v in value], ensure_ascii=False)
    text = "" if value is None or value != value else str(value)
    return "" if is_unseen(text) else composed(text.strip("\u200b\ufeff").strip())


def text_cell(value: Any, name: str, row: int) -> str | None:
    """A cell of a column of texts; None where nothing in it can be seen."""
    if is_empty(value):
        return None
    if not isinstance(value, str):
        raise ChiasmError(
            f"column {name!r}, row {row + 1}: wanted text, got {type(value).__name__} ({str(value)[:40]})."
        )
    return None if is_unseen(value) else composed(value)


def media_cell(value: Any, name: str, row: int) -> str | bytes | None:
    """A cell of a column of pictures, sounds or videos: a path, encoded bytes, or None."""
    if isinstance(value, dict):  # the layout in which Hugging Face datasets keep images in Parquet
        value = value.get("bytes") or value.get("path")
    if is_missing(value):
        return None
    if not isinstance(value, str | bytes):
        raise ChiasmError(
            f"column {name!r}, row {row + 1}: wanted a path or encoded bytes, "
            f"got {type(value).__name__} ({str(value)[:40]})."
        )
    return value


def embedded(cell: str) -> bytes | None:
    """The medium that a cell holds as a data: URI or as base64, None where it holds none.

    Base64 alone is taken for a medium only where it begins as one does. Raises a ChiasmError for a data: URI that is
    damaged.

    >>> embedded("data:image/gif;base64,R0lGODlh"), embedded("img/1.png")
    (b'GIF89a', None)
    """
    uri = cell[:5].lower() == "data:"
    head, _, content = cell.partition(",") if uri else ("", "", cell)
    if not uri and (len(cell) < _LEAST or not cell.startswith(_STARTS)):
        return None
    if len(content) > _MOST or (uri and not head.lower().rstrip().endswith(";base64")):
        raise ChiasmError(f"wanted a medium as base64 of at most 256 MiB, got {shown(cell)}: write it to a file.")
    if _BASE64.fullmatch(content):
        spelled = "".join(content.split()).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
        try:
            return base64.b64decode(spelled + "=" * (-len(spelled) % 4), validate=True)
        except binascii.Error:
            pass
    if uri:
        raise ChiasmError(f"wanted a medium as base64, got {shown(cell)}, which is damaged.")
    return None
