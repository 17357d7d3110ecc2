"""What an index holds at one moment, never changed in place: who searches has one, whatever is added meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["Held", "checked_keys"]


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
