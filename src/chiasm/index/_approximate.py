"""What indexes share that may miss some of the nearest: where it counts they are exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.index._bounds import nearest
from chiasm.index._held import Held
from chiasm.index._index import Where
from chiasm.index._local import Local
from chiasm.scale import one_thread

__all__ = ["Approximate", "exactly", "few"]

_FEW = 20
"""Of so many vectors one is allowed at most: then these alone are looked at."""
_MOST = 4
"""Of so many that are allowed one is wanted at most: else all are looked at."""


class Approximate(Local):
    """An index whose `_nearest` is quick and may miss some; `ranked` goes by the exact one, so that none is missed."""

    def _page(self, vector: np.ndarray, k: int, where: Where) -> tuple[np.ndarray, np.ndarray]:
        return self._found(vector, k, where, exactly)

    def _put(self, keys: Any, vectors: Any, metadata: Any, replace: bool) -> Any:
        self.check_params()
        return super()._put(keys, vectors, metadata, replace)


def few(wanted: int, allowed: np.ndarray | None, count: int) -> bool:
    """Whether so few of `count` are allowed, or so many of these wanted, that comparing all of them is best."""
    there = count if allowed is None else int(allowed.sum())
    return _FEW * there < count or _MOST * wanted > there


def exactly(held: Held, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Any:
    """The k nearest of the allowed rows by comparing all; see `Local._nearest`."""
    if allowed is not None and _FEW * allowed.sum() < len(allowed):
        rows = np.flatnonzero(allowed)
        places, scores = nearest(np.asarray(held.vectors[rows]), queries, k)
        return rows[places], scores
    with one_thread(len(held.vectors)):
        return nearest(held.vectors, queries, k, allowed)
