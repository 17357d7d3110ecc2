"""Exact search: every answer proved. The one that the others are measured against."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np

from chiasm.index._bounds import Coarse, nearest
from chiasm.index._held import Held
from chiasm.index._local import Local
from chiasm.index._together import Together
from chiasm.scale import one_thread

__all__ = ["Exact"]

_LARGE = 16_384
"""Rows from which a first pass in whole numbers pays."""
_ASKED = 16
"""Queries after which it has paid for being made."""
_LATE = 4096
"""Rows that are added to those in whole numbers at a time; fewer are multiplied as they are."""
_ALONE = 16
"""More queries than so many are answered by themselves; fewer, together with those that wait beside them."""
_FEW = 20
"""Of so many vectors one is allowed at most: then these alone are looked at."""


class Exact(Local):
    """Cosine search over `(n, d)` float32 vectors; exact, nothing to train, memory-mapped when loaded.

    Choose it up to some million vectors. Equal scores come in the order in which they were added; a score is the same
    number whatever else is asked or searched. From 16,384 vectors and 16 queries on a first pass in whole numbers of
    8 bits rules out most of them by a bound that holds for any vectors, and the rest is compared exactly
    (benchmarks/search/exact.py).

    Args:
        columns: name -> type of what is known beside the vectors (text, number, date, category, path).
        path: the folder that it is kept in, every change on disk before a call returns; None: in memory.

    Learned: `keys_` `(n,)`, unit `vectors_` `(n, d)` and `table_` (the metadata), where it is in memory.

    >>> index = Exact(columns={"taken": "date"})
    >>> _ = index.add(["a", "b"], np.eye(2), {"taken": ["2024-05-01", "2023-01-01"]})
    >>> index.search(np.array([[0.9, 0.1]]), k=1)[0].tolist()
    [['a']]
    >>> index.search(np.array([[0.9, 0.1]]), k=2, where="taken<2024")[0].tolist()
    [['b']]
    """

    is_exact = True

    _asked: int = 0

    def _nearest(self, held: Held, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Any:
        if allowed is not None and _FEW * allowed.sum() < len(allowed):
            rows = np.flatnonzero(allowed)
            places, scores = nearest(np.asarray(held.vectors[rows]), queries, k)
            return rows[places], scores
        if len(held.vectors) < _LARGE or len(queries) > _ALONE:
            return self._scanned(held, allowed, queries, k)
        together: Together = vars(self).setdefault("_together", Together())
        return together(partial(self._scanned, held, allowed), (held.vectors, allowed), queries, k)

    def _scanned(self, held: Held, allowed: np.ndarray | None, queries: np.ndarray, k: int) -> Any:
        with one_thread(len(held.vectors)):
            return nearest(held.vectors, queries, k, allowed, self._coarse(held, len(queries)))

    def _coarse(self, held: Held, queries: int) -> Coarse | None:
        """The vectors, or the first of them, in whole numbers, where they pay and no other thread makes them now."""
        if len(held.vectors) < _LARGE or not Coarse.there():
            return None
        known: tuple[Any, Coarse] | None = vars(self).get("_known")
        coarse = known[1] if known is not None and known[0] is held.line else None
        if coarse is None:
            self._asked = (self._asked if vars(self).get("_line") is held.line else 0) + queries
            self._line = held.line
            if self._asked < _ASKED:
                return None
        elif coarse.rows > len(held.vectors):
            return None  # another thread has gone on to newer rows
        elif len(held.vectors) - coarse.rows <= _LATE:
            return coarse
        if (making := self._making()).acquire(blocking=False):
            try:
                if vars(self).get("_known") is known:  # no other thread made it meanwhile
                    coarse = Coarse(held.vectors) if coarse is None else coarse.grown(held.vectors)
                    self._known = (held.line, coarse)
            finally:
                making.release()
        return coarse

    def _making(self) -> threading.Lock:
        return vars(self).setdefault("_maker", threading.Lock())

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in super().__getstate__().items()
            if name not in ("_maker", "_known", "_line", "_together")
        }
