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
    "heic": "HEIC pictures passed over: pip install 'chiasm[heic]' lets them be read",
    "copy": "the same bytes as others, and one item with them",
    "unpaired": "rows of their own: several files of one kind have the same name",
}
"""What stands behind "3 files (a, b, c)" in the sentence on a reason code; {} is what the first of their notes says."""


def sentences(notes: Iterable[Noted]) -> list[str]:
    """One sentence a reason: how many, why, and the first three; a note on a whole column is its own sentence."""
    by_code: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    whole = []
    for _, item, note in notes:
        if item:
            by_code.setdefault(note.code, []).append(item)
            first.setdefault(note.code, note.message)
        else:
            whole.append(note.message)
    return [_sentence(code, items, first[code]) for code, items in by_code.items()] + whole


def _sentence(code: str, items: list[str], first: str) -> str:
    files = f"{len(items)} file{'s' if len(items) > 1 else ''}"
    if code == "other_kind":
        kinds = Counter(_kind(item) for item in items)
        return f"{files} of other kinds passed over ({some([f'{k} {n}' for k, n in kinds.most_common()], 8)})"
    return f"{files} ({some(items)}): {_SAID[code].format(first)}"


def _kind(item: str) -> str:
    name = PurePath(item).name
    return "hidden" if name.startswith(".") else PurePath(name).suffix.lower() or "without a suffix"
