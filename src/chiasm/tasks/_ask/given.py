"""What a caller of `ask` gives, looked at before it is used: lists of texts, answers, files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.checks import some
from chiasm.encoding import Report
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.tasks._ask.kinds import plain
from chiasm.views import Views

__all__ = ["check_apart", "texts_of", "warn_of_lost"]


def texts_of(given: Any, what: str, example: str) -> list[str]:
    """A list of texts; a ChiasmError for one bare text, for what is no text, and for empty ones.

    Args:
        what: what the error calls them. example: a list of them, as it is written.
    """
    if isinstance(given, str | bytes):
        raise ChiasmError(f"wanted a list of {what}, got the text {given!r} alone: put it in a list, as {example}.")
    texts: Sequence[Any] = list(given)
    if wrong := [one for one in texts if not isinstance(one, str)]:
        raise ChiasmError(
            f"wanted {what} that are texts, got {wrong[0]!r}, {type(wrong[0]).__name__}: write it as text."
        )
    if not texts or not all(map(plain, texts)):
        raise ChiasmError(f"wanted {what} that are not empty, got {texts}.")
    return [str(one) for one in texts]


def check_apart(views: Views) -> None:
    """A ChiasmError where a view of texts holds in every row the answer itself.

    Args:
        views: with plain answers as labels.
    """
    for name, column in views.columns.items():
        if column.modality != "text":
            continue
        pairs = [
            (column.items[i], answer) for i, answer in zip(column.index, np.asarray(views.label), strict=True) if i >= 0
        ]
        pairs = [(text, answer) for text, answer in pairs if answer is not None]
        if pairs and all(plain(text) == answer for text, answer in pairs):
            raise ChiasmError(
                f"wanted answers beside the views, got in each of the {len(pairs)} rows the text of view {name!r} as "
                "its answer: name the column of answers (label='COL')."
            )


def warn_of_lost(report: Report) -> None:
    """Warn of files that are not there: their rows are answered without them."""
    lost: dict[str, list[str]] = {}
    for view, label, note in report.notes:
        if note.code == "missing":
            lost.setdefault(view, []).append(label)
    for view, labels in lost.items():
        told = f"view {view!r}: {len(labels)} not there ({some(labels)}): answered by what the other views tell"
        warnings.warn(told, ChiasmWarning, stacklevel=3)
