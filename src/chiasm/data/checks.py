"""What a person should know of ids and labels before anything is learned from them: notes on whole columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from chiasm.data.cells import is_missing, shown
from chiasm.data.notes import Noted, some
from chiasm.media.images import Note

__all__ = ["check_categories", "check_ids", "check_labels"]

_MANY = 10
_FEW = 2


def check_ids(ids: Sequence[str], column: str, *, path: bool = False) -> list[Noted]:
    """A note where one id, one thing therefore, has many more rows than the others (five times the median and 10).

    Args:
        ids: one a row. column: that they come of. path: whether it is a column of paths, which may be empty.
    """
    counts = Counter(ids)
    usual = float(np.median(list(counts.values()))) if counts else 0.0
    most = [(name, n) for name, n in counts.most_common(3) if n >= _MANY and (n > 5 * usual or is_missing(name))]
    if not most or len(counts) == 1:
        return []
    told = ", ".join(f"{shown(name)} in {n}" for name, n in most)
    message = (
        f"column {column!r}: an id stands in many of the {len(ids)} rows ({told}), which are one thing therefore: "
        f"{'empty those cells' if path else 'give each thing an id of its own'}, or name another id='COL'"
    )
    return [(column, "", Note("shared_id", message))]


def check_labels(labels: Sequence[str], column: str) -> list[Noted]:
    """Notes on classes that differ by case or as numbers alone, and on classes of one or two rows.

    Numbers to be predicted are no classes: labels that are all numbers, and many different ones.
    """
    counts = Counter(label for label in labels if label and label[0] not in "[{")
    numbers = all(_number(label) is not None for label in counts)
    if numbers and len(counts) > min(_MANY, len(labels) / 2):
        return []
    notes: list[Noted] = []
    alike: dict[str, list[str]] = {}
    for label in counts:
        number = _number(label)
        alike.setdefault(label.casefold() if number is None else repr(number + 0.0), []).append(label)
    if spelled := [same for same in alike.values() if len(same) > 1]:
        told = some([" / ".join(f"{label!r} {counts[label]}" for label in same) for same in spelled])
        message = f"column {column!r}: labels that are spelled alike are different classes: {told}; write them one way"
        notes.append((column, "", Note("spelling", message)))
    few = [label for label, n in counts.items() if n <= _FEW]
    if few and sum(counts.values()) >= _MANY:
        told = some([f"{shown(label, 30)} {counts[label]}" for label in few])
        message = (
            f"column {column!r}: {len(few)} of {len(counts)} classes have one or two rows, too few to learn and to "
            f"score: {told}"
        )
        notes.append((column, "", Note("few_rows", message)))
    return notes


def check_categories(values: Sequence[str | None], column: str) -> list[Noted]:
    """A note where a column of categories has another value in every row."""
    held = [value for value in values if value is not None]
    if len(held) < _MANY or len(set(held)) < len(held):
        return []
    message = f"column {column!r}: each of its {len(held)} rows has a category of its own: nothing to learn from it"
    return [(column, "", Note("unique_category", message))]


def _number(label: str) -> float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return number if number == number else None
