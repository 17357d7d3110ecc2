"""What a person should know of a table's ids, labels and categories before anything is learned: notes on columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chiasm.checks import is_missing, odd_ids, odd_labels, shown, some
from chiasm.column import missing
from chiasm.data.notes import Noted
from chiasm.media.images import Note

__all__ = ["check_categories", "check_groups", "check_ids", "check_labels"]

_MANY = 10


def check_ids(ids: Iterable[Any], column: str, *, path: bool = False) -> list[Noted]:
    """Notes on ids as `chiasm.checks.odd_ids` finds them."""
    return [(column, "", Note(code, message)) for code, message in odd_ids(ids, column, path=path)]


def check_groups(groups: Sequence[str], column: str) -> list[Noted]:
    """A note where words for nothing ("NaN", "null") stand for a group: such rows are no group."""
    words = Counter(group for group in groups if group and is_missing(group))
    if not words:
        return []
    told = some([f"{shown(word)} in {n}" for word, n in words.most_common()])
    message = (
        f"column {column!r}: {sum(words.values())} of {len(groups)} rows have no group ({told}): each is one of its "
        "own, and splits may part them"
    )
    return [(column, "", Note("no_group", message))]


def check_labels(labels: Iterable[Any], column: str, *, answers: bool = False) -> list[Noted]:
    """Notes on labels as `chiasm.checks.odd_labels` finds them; of spellings also who counts them as one.

    Args:
        answers: they are answers to questions, which are one whatever their case, and may be words for nothing.
    """
    if answers:
        one_way = [" ".join(str(label).casefold().split()).rstrip(" .") for label in labels if not missing(label)]
        found = odd_labels(one_way, column)
        return [(column, "", Note(code, message)) for code, message in found if code != "nothing"]
    more = {"spelling": " (`ask` counts answers as one whatever their case)"}
    return [(column, "", Note(code, message + more.get(code, ""))) for code, message in odd_labels(labels, column)]


def check_categories(values: Sequence[str | None], column: str) -> list[Noted]:
    """A note where a column of categories has another value in every row."""
    held = [value for value in values if value is not None]
    if len(held) < _MANY or len(set(held)) < len(held):
        return []
    message = f"column {column!r}: each of its {len(held)} rows has a category of its own: nothing to learn from it"
    return [(column, "", Note("unique_category", message))]
