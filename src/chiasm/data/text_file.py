"""Files of text as characters: the encoding that was named, or the one that the file's first bytes tell."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from chiasm.errors import ChiasmError

__all__ = ["as_text", "checked_encoding", "text_of"]

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins as UTF-16 does
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def checked_encoding(encoding: str) -> str:
    """The encoding, or a ChiasmError where there is none of that name."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ChiasmError(f"no text encoding named {encoding!r}: utf-8, utf-16 and gb18030 are some.") from None
    return encoding


def as_text(file: io.BufferedReader, encoding: str) -> io.TextIOWrapper:
    """A file of bytes as text, line ends as they are; no file of UTF-8 begins as one of UTF-16 or UTF-32 does."""
    return io.TextIOWrapper(file, encoding=_told(file.peek(4)[:4], encoding), newline="")


def text_of(path: Path, encoding: str) -> str:
    """All that a file says. Raises a UnicodeDecodeError, a LookupError for no encoding, and what opening raises."""
    held = path.read_bytes()
    return held.decode(_told(held[:4], encoding))


def _told(head: bytes, encoding: str) -> str:
    if encoding.lower() not in ("utf-8", "utf8", "utf-8-sig"):
        return encoding
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8-sig")
