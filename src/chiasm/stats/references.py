"""Several captions a thing: which rows have one, what a thing's are, and its first item of each view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.stats.captions import words
from chiasm.views import ABSENT, Views

__all__ = ["captioned", "captions_of", "things_of"]


def captions_of(y: Any, n: int) -> list[str | None]:
    """A caption a row; None where there is none, or no word in it."""
    if y is None:
        raise ChiasmError("wanted captions, got none: pass y, a text a row and None where there is none.")
    if len(y) != n:
        raise ChiasmError(f"wanted {n} captions, one a row, got {len(y)}.")
    found: list[str | None] = []
    for row, one in enumerate(y):
        text = None if one is None or one != one else one
        if text is not None and not isinstance(text, str):
            raise ChiasmError(f"caption, row {row + 1}: wanted a text or None, got {type(text).__name__} {text!r}.")
        found.append(" ".join(text.split()) if text is not None and words(text) else None)
    return found


def captioned(views: Views, texts: Sequence[str | None]) -> tuple[np.ndarray, list[list[str]]]:
    """`(m,)` the first captioned row of each thing that has a caption, and the captions of each."""
    first: dict[int, int] = {}
    references: dict[int, list[str]] = {}
    for row, (code, text) in enumerate(zip(views.codes.tolist(), texts, strict=True)):
        if text is not None:
            first.setdefault(code, row)
            references.setdefault(code, []).append(text)
    return np.array(list(first.values()), dtype=np.int64), list(references.values())


def things_of(views: Views, rows: np.ndarray) -> Views:
    """The things of some rows, a row each, with the first item that a thing has of each view."""
    codes, columns = views.codes, {}
    for name, column in views.columns.items():
        index = np.full(views.things, ABSENT, dtype=np.int64)
        there = np.flatnonzero(column.present)[::-1]
        index[codes[there]] = column.index[there]  # of several rows the last written counts: the first
        columns[name] = column.at(index[codes[rows]])
    return Views(columns)
