"""What reading has to tell: a note for every file or cell that was passed over, and for what is odd, as sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath

from chiasm.checks import some
from chiasm.media.images import Note

__all__ = ["Noted", "sentences", "some"]

Noted = tuple[str, str, Note]
"""(column, item, note), as `chiasm.encoding.Report` has them; the item is "" where a note is on the whole column."""

_SAID = {
    "link": "passed over, {}",
    "denied": "passed over, no permission to read",
    "encoding": "passed over, {}",
    "lone_text": "passed over, no picture, sound or video has the name of the text",
    "no_class": "without a class, in no subfolder",
    "other_kind": "",
    "heic": "HEIC pictures passed over: pip install 'chiasm[heic]' lets them be read",
    "copy": "the same bytes as others, and one item with them",
    "unpaired": "rows of their own: several files of one kind have the same name",
}
"""What stands behind "3 files (a, b, c)" in the sentence on a file's reason code; {} is what its note says."""


def sentences(notes: Iterable[Noted]) -> list[str]:
    """One sentence a reason: how many files or cells, why, and the first three; of a whole column its own sentence."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    whole = []
    for column, item, note in notes:
        if not item:
            whole.append(note.message)
        elif note.code in _SAID:  # a file
            message = note.message if "{}" in _SAID[note.code] else ""
            alike.setdefault((note.code, message, ""), []).append(item)
        else:
            alike.setdefault((note.code, note.message, column), []).append(item)
    return [_sentence(*reason, items) for reason, items in alike.items()] + whole


def _sentence(code: str, message: str, column: str, items: list[str]) -> str:
    if code not in _SAID:
        cells = f"{len(items)} cell{'s' if len(items) > 1 else ''}"
        return f"column {column!r}: {cells} passed over ({some(items)}): {message}"
    files = f"{len(items)} file{'s' if len(items) > 1 else ''}"
    if code == "other_kind":
        kinds = Counter(_kind(item) for item in items)
        return f"{files} of other kinds passed over ({some([f'{k} {n}' for k, n in kinds.most_common()], 8)})"
    return f"{files} ({some(items)}): {_SAID[code].format(message)}"


def _kind(item: str) -> str:
    name = PurePath(item).name
    return "hidden" if name.startswith(".") else PurePath(name).suffix.lower() or "without a suffix"
