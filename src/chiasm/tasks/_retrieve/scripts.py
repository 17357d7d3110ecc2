"""Which script a text is written in: what tells, without a model, that queries are not like those that are known."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import groupby

from chiasm.views import Column

__all__ = ["script", "scripts"]

_EACH = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")
"""Scripts whose every letter counts; of the others every word does."""


def script(text: str) -> str:
    """The Unicode name of the script that most of a text is in ("LATIN", "CJK"); "" where it has no letters.

    It does not tell languages of one script apart.

    >>> script("a dog in snow"), script("iPhone 手机"), script("2024 :)")
    ('LATIN', 'CJK', '')
    """
    counts = Counter[str]()
    for name, run in groupby(unicodedata.normalize("NFKC", text), _of):
        counts[name] += len(list(run)) if name in _EACH else 1
    counts.pop("", None)
    return counts.most_common(1)[0][0] if counts else ""


def scripts(column: Column, positions: list[int]) -> list[str]:
    """The scripts of some items of a column; "" for what is no text."""
    if column.modality != "text":
        return [""] * len(positions)
    return [script(column.label(position)) for position in positions]


def _of(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0] if letter.isalpha() else ""
