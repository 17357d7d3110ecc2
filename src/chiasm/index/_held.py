"""What an index holds at one moment, never changed in place: who searches has one, whatever is added meanwhile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.allowed import Allowed
from chiasm.errors import ChiasmError
from chiasm.finite import check_array
from chiasm.views import normalize
from chiasm.where import TYPES, columned, shown

__all__ = [
    "COLUMNS",
    "PLACE",
    "Held",
    "checked_k",
    "checked_keys",
    "checked_queries",
    "checked_rows",
    "listed_keys",
    "possible_keys",
]

COLUMNS = Allowed(
    f"a dict of name -> type ({', '.join(TYPES)}), or None",
    lambda value: (
        value is None
        or (isinstance(value, Mapping) and all(isinstance(k, str) and v in TYPES for k, v in value.items()))
    ),
)
PLACE = Allowed(
    "the path of a folder, or None",
    lambda value: value is None or (isinstance(value, str | os.PathLike) and "\0" not in str(value)),
)


class Held(NamedTuple):
    """Rows of keys, vectors and metadata; the order of rows is that of adding."""

    keys: np.ndarray
    """`(n,)` strings or integers."""
    vectors: np.ndarray
    """`(n, d)` float32 of length 1."""
    alive: np.ndarray | None
    """`(n,)` the rows that were not deleted; None: all."""
    table: Mapping[str, np.ndarray]
    """`(n,)` a column of metadata, as `chiasm.where.columned` makes it."""
    line: object
    """The same object as long as rows were only appended or deleted, so that what was made of the first still holds."""

    @property
    def living(self) -> int:
        """How many rows are alive."""
        return len(self.keys) if self.alive is None else int(self.alive.sum())


def checked_keys(keys: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Keys `(n,)` as they are kept: integers, or strings as objects.

    Raises a ChiasmError for keys that are neither, and for one that comes twice.
    """
    listed = listed_keys(keys)
    whole = all(isinstance(key, int | np.integer) and not isinstance(key, bool) for key in listed)
    if not whole and (wrong := [key for key in listed if not isinstance(key, str)]):
        raise ChiasmError(f"wanted keys that are all strings or all integers, got {shown(wrong[0])}.")
    if odd := [key for key in listed if not _can_be(key)]:
        what = "integers of 64 bits" if whole else "text that UTF-8 holds"
        raise ChiasmError(f"wanted keys that are {what}, got {shown(odd[0])}.")
    if len(set(listed)) != len(listed):
        seen: set[Any] = set()
        twice = next(key for key in listed if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ChiasmError(f"wanted keys that are unique in the index, got {twice!r} twice.")
    return np.array(listed, dtype=np.int64 if whole else object)


def listed_keys(keys: Any) -> list[Any]:
    """Keys as a list; a ChiasmError for what is no list of them."""
    if isinstance(keys, str | bytes) or not hasattr(keys, "__iter__"):
        raise ChiasmError(f"wanted a list of keys, got {shown(keys)}: put one alone in a list.")
    listed: list[Any] = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
    return listed


def possible_keys(keys: Any) -> list[Any]:
    """Those of the keys that an index may hold."""
    return [key for key in listed_keys(keys) if isinstance(key, str | int | np.integer) and _can_be(key)]


def _can_be(key: Any) -> bool:
    if isinstance(key, str):
        return key.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in key)
    return -(2**63) <= int(key) < 2**63


def checked_queries(vectors: Any) -> np.ndarray:
    """Queries `(q, d)` float32 of length 1, from `(q, d)` or one `(d,)`; a ChiasmError for what is none."""
    try:
        several = np.atleast_2d(vectors)
    except ValueError:
        raise ChiasmError("wanted queries (n, d), got rows of different lengths.") from None
    return normalize(check_array(several, "queries")).astype(np.float32, copy=False)


def checked_k(k: Any) -> int:
    """How many are wanted; a ChiasmError for what is no whole number of at least 1."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        what = "k of at least 1" if isinstance(k, int | np.integer) else "k of at least 1, a whole number"
        raise ChiasmError(f"wanted {what}, got {k!r}.")
    return int(k)


def checked_rows(
    keys: Any, vectors: Any, metadata: Mapping[str, Sequence[Any]] | None, columns: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """What is to be added as it is kept: keys `(n,)`, vectors `(n, d)` float32 of length 1, columns of metadata `(n,)`.

    Raises a ChiasmError for what does not fit together or is not of its type.
    """
    found, units = checked_keys(keys), normalize(check_array(vectors, "vectors")).astype(np.float32, copy=False)
    if len(found) != len(units):
        raise ChiasmError(f"wanted one key a vector, got {len(found)} keys and {len(units)} vectors.")
    return found, units, _checked_table(metadata or {}, columns, len(found))


def _checked_table(
    metadata: Mapping[str, Sequence[Any]], columns: Mapping[str, str], count: int
) -> dict[str, np.ndarray]:
    """What is known of `count` items as columns of their types, those that were not given too.

    Raises a ChiasmError for a column that is not known, and for values that do not fit.
    """
    if not isinstance(metadata, Mapping):
        raise ChiasmError(f"wanted metadata as name -> a value a key, such as {{'size': [3]}}, got {shown(metadata)}.")
    for name, values in metadata.items():
        if name not in columns:
            raise ChiasmError(
                f"wanted metadata of the columns {', '.join(columns) or '(none)'}, got {name!r}: name its type "
                "when the index is made (columns={'taken': 'date'})."
            )
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise ChiasmError(f"wanted {count} values of {name!r}, one a key, in a list, got {shown(values)}.")
        if len(values) != count:
            raise ChiasmError(f"wanted {count} values of {name!r}, one a key, got {len(values)}.")
    return {name: columned(metadata.get(name, [None] * count), kind, name) for name, kind in columns.items()}
