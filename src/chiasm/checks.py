"""What is odd about rows before anything is learned from them: ids, labels, and what lies in another order."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chiasm.column import missing
from chiasm.errors import ChiasmError, ChiasmWarning

__all__ = [
    "MISSING",
    "EmptyError",
    "check_indexes",
    "is_empty",
    "is_missing",
    "is_unseen",
    "odd_ids",
    "odd_labels",
    "shown",
    "some",
]

MISSING = ("", "na", "n/a", "#n/a", "#na", "<na>", "nan", "nat", "null", "(null)", "none", r"\n", "?", "-", "–", "—")
"""What programs write where there is no number, path or vector, in small or capital letters."""

_UNSEEN = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e01ef]*"
)
"""Blanks, and characters that show nothing when they stand alone."""
_MANY = 10
_FEW = 2

Odd = list[tuple[str, str]]
"""(reason code, sentence) of each oddity."""


class EmptyError(ChiasmError):
    """A column of which nothing can be used."""


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, or nothing in it."""
    return value is None or (
        value != value if isinstance(value, float) else hasattr(value, "__len__") and not len(value)
    )


def is_missing(value: Any) -> bool:
    """Whether a cell of numbers, paths or vectors holds nothing, or one of the words for nothing."""
    return is_empty(value) or (isinstance(value, str) and value.strip().lower() in MISSING)


def is_unseen(text: str) -> bool:
    """Whether nothing in a text can be seen: blanks, control characters, joiners, fillers.

    >>> is_unseen(" \\u200b\\ufeff"), is_unseen("\\u200b.")
    (True, False)
    """
    return _UNSEEN.fullmatch(text) is not None


def shown(cell: str, most: int = 60) -> str:
    """A cell for a sentence: in quotes, cut where it is long."""
    return repr(cell if len(cell) <= most else f"{cell[:most]}...")


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few of a list, and how many more there are.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def odd_ids(ids: Iterable[Any], column: str, *, path: bool = False) -> Odd:
    """One id, one thing therefore, that has many more rows than the others (five times the median and 10).

    Of a word for nothing ("NaN") two rows are many.

    Args:
        ids: one a row. column: that they come of. path: whether it is a column of paths, which may be empty.
    """
    counts = Counter(map(str, ids))
    ordered = sorted(counts.values())
    usual = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2 if ordered else 0
    words = [(name, n) for name, n in counts.most_common() if n > 1 and is_missing(name)]
    many = [(name, n) for name, n in counts.most_common(3) if n > 5 * usual and n >= _MANY and not is_missing(name)]
    most = words[:3] + many
    if len(counts) == 1 and ordered[0] >= _MANY:
        message = (
            f"column {column!r}: all {ordered[0]} rows have one id, {shown(next(iter(counts)))}, and are one thing "
            "therefore, which nothing can be learned from: give each thing an id of its own, or leave the ids out"
        )
        return [("shared_id", message)]
    if not most:
        return []
    told = ", ".join(f"{shown(name)} in {n}" for name, n in most)
    message = (
        f"column {column!r}: an id stands in many of the {sum(ordered)} rows ({told}), which are one thing therefore: "
        f"{'empty those cells' if path else 'give each thing an id of its own'}, or name another id='COL'"
    )
    return [("shared_id", message)]


def odd_labels(labels: Iterable[Any], column: str) -> Odd:
    """Classes that differ by case or as numbers alone, that are of several types, that are a word for nothing, or rare.

    Numbers to be predicted are no classes: labels that are all numbers, and many different ones.
    """
    held = [label for label in labels if not missing(label) and not isinstance(label, list | tuple | set | dict)]
    counts = Counter(str(label) for label in held)
    counts = Counter({label: n for label, n in counts.items() if label and label[0] not in "[{"})
    numbers = all(_number(label) is not None for label in counts)
    if numbers and len(counts) > min(_MANY, len(held) / 2):
        return []
    found: Odd = []
    types: dict[str, set[str]] = {}
    for label in held:
        types.setdefault(str(label), set()).add("text" if isinstance(label, str) else "number")
    if mixed := [label for label, kinds in types.items() if len(kinds) > 1]:
        message = (
            f"column {column!r}: labels that are a number in some rows and text in others are one class each: "
            f"{some(mixed)}; write them one way"
        )
        found.append(("types", message))
    if nothing := [label for label in counts if is_missing(label) and any(map(str.isalpha, label))]:
        told = some([f"{label!r} {counts[label]}" for label in nothing])
        message = (
            f"column {column!r}: a word for nothing is a class like any other: {told}; leave the label of such rows "
            "empty (None) if they have none"
        )
        found.append(("nothing", message))
    alike: dict[str, list[str]] = {}
    for label in counts:
        number = _number(label)
        alike.setdefault(label.casefold() if number is None else repr(number + 0.0), []).append(label)
    if spelled := [same for same in alike.values() if len(same) > 1]:
        told = some([" / ".join(f"{label!r} {counts[label]}" for label in same) for same in spelled])
        message = f"column {column!r}: labels that are spelled alike are different classes: {told}; write them one way"
        found.append(("spelling", message))
    few = [label for label, n in counts.items() if n <= _FEW]
    if few and sum(counts.values()) >= _MANY:
        told = some([f"{shown(label, 30)} {counts[label]}" for label in few])
        message = (
            f"column {column!r}: {len(few)} of {len(counts)} classes have one or two rows, too few to learn and to "
            f"score: {told}"
        )
        found.append(("few_rows", message))
    return found


def check_indexes(columns: Mapping[str, Any]) -> None:
    """Series and DataFrames side by side are rows by their place: their indexes must not say otherwise.

    Raises a ChiasmError where two have one index in another order; warns where their indexes differ.
    """
    indexed = [(name, values.index) for name, values in columns.items() if hasattr(values, "iloc")]
    for name, index in indexed[1:]:
        first, known = indexed[0]
        if len(index) != len(known) or index.equals(known):
            continue
        if set(index) == set(known):
            raise ChiasmError(
                f"wanted rows in one order, got the index of {name!r} in another than that of {first!r}: take "
                f"{name}.loc[{first}.index], or reset_index(drop=True) both where they are rows by their place."
            )
        warnings.warn(
            f"{name!r} and {first!r} have different indexes and are paired by the place of their rows: "
            "reset_index(drop=True) if that is meant",
            ChiasmWarning,
            stacklevel=4,
        )


def _number(label: str) -> float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return number if number == number else None
