"""What an index holds at one moment, never changed in place: who searches has one, whatever is added meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, unknown
from chiasm.finite import check_array
from chiasm.views import normalize
from chiasm.where import TYPES, columned

__all__ = ["Held", "checked_k", "checked_keys", "checked_rows"]


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
    listed = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
    whole = all(isinstance(key, int | np.integer) and not isinstance(key, bool) for key in listed)
    if not whole and (wrong := [key for key in listed if not isinstance(key, str)]):
        raise ChiasmError(f"wanted keys that are all strings or all integers, got {wrong[0]!r}.")
    if len(set(listed)) != len(listed):
        seen: set[Any] = set()
        twice = next(key for key in listed if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ChiasmError(f"wanted keys that are unique in the index, got {twice!r} twice.")
    return np.array(listed, dtype=np.int64 if whole else object)


def checked_k(k: Any) -> int:
    """How many are wanted; a ChiasmError for what is no whole number of at least 1."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise ChiasmError(f"wanted k of at least 1, got {k!r}.")
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

    Raises a ChiasmError for a type or a column that is not known, and for values that do not fit.
    """
    for kind in columns.values():
        if kind not in TYPES:
            raise unknown("type of metadata", kind, TYPES)
    for name, values in metadata.items():
        if name not in columns:
            raise ChiasmError(
                f"wanted metadata of the columns {', '.join(columns) or '(none)'}, got {name!r}: name its type "
                "when the index is made (columns={'taken': 'date'})."
            )
        if len(values) != count:
            raise ChiasmError(f"wanted {count} values of {name!r}, one a key, got {len(values)}.")
    return {name: columned(metadata.get(name, [None] * count), kind, name) for name, kind in columns.items()}
