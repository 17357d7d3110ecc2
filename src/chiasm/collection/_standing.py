"""An index that remembers what a model's known queries find in it: who rejects asks all of them at every search."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from chiasm.index import Index, Where

__all__ = ["Standing"]

_MANY = 20
"""Queries that are known ones, rather than what somebody asks now."""
_KEPT = 8
"""Answers that are kept: a model has a few kinds of queries."""


class Standing:
    """As the index; many queries at once are answered from what is kept as long as nothing was written.

    Args:
        kept: what earlier searches found; shared by the threads. state: changes whenever something may have.
    """

    def __init__(self, index: Index, kept: dict[Any, Any], state: Any):
        self._index, self._kept, self._state = index, kept, state

    def search(self, vectors: np.ndarray, k: int = 5, where: Where = None) -> tuple[np.ndarray, np.ndarray]:
        """As the index's."""
        if where is not None or len(vectors) < _MANY:
            return self._index.search(vectors, k, where)
        some = hashlib.blake2b(np.ascontiguousarray(vectors[::16]).tobytes()).digest()
        key = (self._state, some, vectors.shape, k)
        found = self._kept.get(key)
        if found is None:
            found = self._index.search(vectors, k)
            self._kept[key] = found
            for old in list(self._kept)[:-_KEPT]:
                self._kept.pop(old, None)
        answer: tuple[np.ndarray, np.ndarray] = found
        return answer

    def __len__(self) -> int:
        return len(self._index)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)
