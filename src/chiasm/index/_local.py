"""What the indexes on this machine share: rows with metadata, in memory or in a folder; an engine finds the nearest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.allowed import Allowed
from chiasm.errors import ChiasmError
from chiasm.index._held import COLUMNS, PLACE, Held, checked_k, checked_queries, checked_rows, possible_keys
from chiasm.index._index import Index, Where
from chiasm.index._journal import Journal, Moved
from chiasm.where import Typed, holds, typed

__all__ = ["Find", "Local"]

Find = Callable[[Held, np.ndarray, int, "np.ndarray | None"], Any]
"""As `Local._nearest`."""

_AGAIN = 5
"""How often a search begins anew because the rows were numbered anew by another process."""


class Local(Index):
    """An index that implements `_nearest`: the k nearest of some rows. All else is here.

    Args:
        columns: name -> type of what is known beside the vectors. path: the folder it is kept in; None: in memory.
    """

    allowed: ClassVar[Mapping[str, Allowed]] = {"columns": COLUMNS, "path": PLACE}

    columns: Mapping[str, str] | None
    path: Any

    keys_: np.ndarray
    vectors_: np.ndarray

    def __init__(self, columns: Mapping[str, str] | None = None, path: Any = None):
        self.columns = columns
        self.path = path

    def add(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Self:
        """Add n keys that are new, their `(n, d)` vectors and what is known of them. Returns self.

        Raises a ChiasmError, and adds nothing, for keys that are there or come twice, for vectors of another width or
        that are not finite, and for metadata that are not of their columns' types.
        """
        return self._put(keys, vectors, metadata, replace=False)

    def update(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Self:
        """As `add`, but keys that are there get the new vectors and metadata. Returns self."""
        return self._put(keys, vectors, metadata, replace=True)

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        listed = possible_keys(keys)
        with self._writing():
            if self.path is not None:
                return self._journal().delete(listed)
            if not len(self):
                return 0
            before = self._held()
            self._keep(_without(before, set(listed)))
            return before.living - len(self)

    def keys(self) -> np.ndarray:
        """`(n,)` all keys, in the order in which they were added."""
        if not self._filled():
            return np.zeros(0, dtype=object)
        held = self._held()
        return held.keys if held.alive is None else held.keys[held.alive]

    def vectors(self, keys: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the keys that are there `(m,)`, in the order of adding, and their vectors `(m, d)`, of length 1."""
        if not self._filled():
            return np.zeros(0, dtype=object), np.zeros((0, 0), dtype=np.float32)
        held = self._held()
        if held.keys.dtype == object:
            wanted = set(keys)
            mask = np.array([key in wanted for key in held.keys.tolist()], dtype=bool)
        else:
            mask = np.isin(held.keys, np.asarray(keys))
        rows = np.flatnonzero(mask if held.alive is None else mask & held.alive)
        return held.keys[rows], self._expanded(np.asarray(held.vectors[rows]))

    def __len__(self) -> int:
        return self._held().living if self._filled() else 0

    def search(self, vectors: np.ndarray, k: int = 5, where: Where = None) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of each query: keys `(q, k)` and cosines `(q, k)`, falling; fewer where no more are there.

        Args:
            vectors: `(q, d)` or one `(d,)`. k: at least 1. where: conditions on the metadata; k that meet them are
                found wherever there are k.
        """
        return self._found(vectors, k, where, self._nearest)

    def _found(self, vectors: np.ndarray, k: int, where: Where, find: Find) -> tuple[np.ndarray, np.ndarray]:
        self.check_params()
        self.check_fitted()
        k = checked_k(k)
        queries = self._compact(checked_queries(vectors))
        conditions = typed(where, self.columns or {})
        for _ in range(_AGAIN):
            held = self._held()
            try:
                allowed = self._allowed(held, conditions)
            except Moved:
                continue
            count = len(held.keys) if allowed is None else int(allowed.sum())
            if len(held.keys) and queries.shape[1] != held.vectors.shape[1]:
                widths = [self._expanded(rows[:1]).shape[1] for rows in (held.vectors, queries)]
                raise ChiasmError(f"wanted queries of width {widths[0]}, got {widths[1]}.")
            if not (k := min(k, count)):
                return np.zeros((len(queries), 0), dtype=held.keys.dtype), np.zeros((len(queries), 0), np.float32)
            rows, scores = find(held, queries, k, allowed)
            return held.keys[rows], scores
        raise ChiasmError("the index was rewritten again and again while it was searched: search once more.")

    def damaged(self) -> list[Any]:
        """Keys whose vectors are not what was written, found by their checksums; none where it is kept in memory.

        Raises a ChiasmError where more than vectors is damaged: then only building it again helps.
        """
        return [] if self.path is None else self._journal().damaged()

    def check_fitted(self) -> None:
        """Raise a ChiasmError unless something was added, or is kept in the folder."""
        if self.path is None:
            super().check_fitted()

    def _nearest(self, held: Held, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Any:
        """The k nearest of the allowed rows: rows `(q, k)` and scores `(q, k)`, falling, of equal ones the first.

        Args:
            queries: `(q, d)` float32 of length 1. k: at most as many as are allowed. allowed: `(n,)` mask, None: all.
        """
        raise NotImplementedError

    def _compact(self, units: np.ndarray) -> np.ndarray:
        """Vectors `(n, d)` of length 1 as they are kept and compared, a row each."""
        return units

    def _expanded(self, rows: np.ndarray) -> np.ndarray:
        """The vectors `(n, d)` that kept rows stand for."""
        return rows

    def _put(self, keys: Any, vectors: Any, metadata: Mapping[str, Sequence[Any]] | None, replace: bool) -> Self:
        self.check_params()
        found, units, table = checked_rows(keys, vectors, metadata, self.columns or {})
        units = self._compact(units)
        with self._writing():
            if self.path is not None:
                self._journal().write(found, units, table, replace)
                return self
            if not self._filled():
                self._keep(Held(found, units, None, table, object()))
                return self
            held = self._held()
            if units.shape[1] != held.vectors.shape[1]:
                widths = [self._expanded(rows[:1]).shape[1] for rows in (held.vectors, units)]
                raise ChiasmError(f"wanted vectors of width {widths[0]}, got {widths[1]}.")
            if len(found) and len(held.keys) and found.dtype != held.keys.dtype:
                raise ChiasmError(
                    f"wanted keys like {held.keys[0]!r}, got {found[0]!r}: an index has strings or integers."
                )
            there = set(held.keys.tolist()).intersection(found.tolist())
            if there and not replace:
                raise ChiasmError(f"wanted keys that are unique, got {next(iter(there))!r}: update it instead.")
            held = _without(held, there)
            self._keep(
                Held(
                    np.concatenate([held.keys, found]),
                    np.concatenate([held.vectors, units]),
                    None,
                    {name: np.concatenate([held.table[name], table[name]]) for name in table},
                    held.line,
                )
            )
        return self

    def _allowed(self, held: Held, conditions: list[Typed]) -> np.ndarray | None:
        if not conditions:
            return held.alive
        mask = holds(conditions, held.table, len(held.keys))
        return mask if held.alive is None else mask & held.alive

    def _filled(self) -> bool:
        return self.path is not None or "keys_" in vars(self)

    def _held(self) -> Held:
        """What is held now; of one in memory as a whole, whoever adds meanwhile."""
        if self.path is not None:
            return self._journal().held()
        held: Held | None = vars(self).get("_now")
        if held is None:  # loaded
            held = self._now = Held(self.keys_, self.vectors_, None, vars(self).get("table_", {}), object())
        return held

    def _keep(self, held: Held) -> None:
        self._now = held
        self.keys_, self.vectors_ = held.keys, held.vectors
        if held.table:
            self.table_ = dict(held.table)

    def _journal(self) -> Journal:
        with self._writing():
            if "_opened" not in vars(self):
                self.check_params()
                self._opened = Journal(self.path, self.columns or {})
            return self._opened

    def _writing(self) -> Any:
        return vars(self).setdefault("_one", threading.RLock())

    def __getstate__(self) -> dict[str, Any]:
        passing = ("_one", "_opened", "_now")
        return {name: value for name, value in vars(self).items() if name not in passing}


def _without(held: Held, keys: set[Any]) -> Held:
    """What is left without some keys."""
    stays = np.array([key not in keys for key in held.keys.tolist()], dtype=bool)
    if stays.all():
        return held
    table = {name: column[stays] for name, column in held.table.items()}
    return Held(held.keys[stays], np.asarray(held.vectors)[stays], None, table, object())
