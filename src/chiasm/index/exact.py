"""Exact search: every vector compared, by one matrix product. The one that the others are measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.finite import check_array
from chiasm.index._index import Index
from chiasm.scale import one_thread
from chiasm.views import normalize

__all__ = ["Exact"]

_BLOCK = 16_384


class Exact(Index):
    """Cosine search over `(n, d)` float32 vectors; exact, nothing to train, memory-mapped when loaded.

    Choose it up to some hundred thousand vectors. Equal scores come in the order in which they were added.

    Learned: `keys_` `(n,)` and unit `vectors_` `(n, d)`.

    >>> index = Exact().add(["a", "b"], np.eye(2))
    >>> keys, scores = index.search(np.array([[0.9, 0.1]]), k=1)
    >>> keys.tolist()
    [['a']]
    """

    is_exact = True

    keys_: np.ndarray
    vectors_: np.ndarray

    def add(self, keys: Sequence[Any] | np.ndarray, vectors: np.ndarray) -> Exact:
        """Add n keys (unique, strings or integers) and their `(n, d)` vectors. Returns self."""
        keys = np.asarray(keys, dtype=object if len(keys) and isinstance(keys[0], str) else None)
        vectors = normalize(check_array(vectors, "vectors"))
        if len(keys) != len(vectors):
            raise ChiasmError(f"wanted one key a vector, got {len(keys)} keys and {len(vectors)} vectors.")
        if hasattr(self, "keys_"):
            if vectors.shape[1] != self.vectors_.shape[1]:
                raise ChiasmError(f"wanted vectors of width {self.vectors_.shape[1]}, got {vectors.shape[1]}.")
            keys, vectors = np.concatenate([self.keys_, keys]), np.concatenate([self.vectors_, vectors])
        if len(set(keys.tolist())) != len(keys):
            raise ChiasmError("wanted keys that are unique in the index: delete the old ones first.")
        self.keys_, self.vectors_ = keys, vectors
        return self

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        if not len(self):
            return 0
        stay = ~np.isin(self.keys_, np.asarray(keys, dtype=self.keys_.dtype))
        gone = int((~stay).sum())
        self.keys_, self.vectors_ = self.keys_[stay], np.asarray(self.vectors_)[stay]
        return gone

    def __len__(self) -> int:
        return len(self.keys_) if hasattr(self, "keys_") else 0

    def search(self, vectors: np.ndarray, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of each query: keys `(q, k)` and cosines `(q, k)`, falling; fewer where the index is smaller.

        Args:
            vectors: `(q, d)` or one `(d,)`. k: at least 1.
        """
        self.check_fitted()
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
            raise ChiasmError(f"wanted k of at least 1, got {k!r}.")
        queries = normalize(check_array(np.atleast_2d(vectors), "queries"))
        if queries.shape[1] != self.vectors_.shape[1]:
            raise ChiasmError(f"wanted queries of width {self.vectors_.shape[1]}, got {queries.shape[1]}.")
        k = min(int(k), len(self))
        best = np.zeros((len(queries), 0), dtype=np.float32)
        place = np.zeros((len(queries), 0), dtype=np.int64)
        with one_thread(len(self)):
            for start in range(0, len(self), _BLOCK):
                scores = queries @ self.vectors_[start : start + _BLOCK].T
                found = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
                if scores.shape[1] > 4 * k:
                    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
                    edge = np.take_along_axis(scores, top, 1).min(axis=1, keepdims=True)
                    if (
                        (scores == edge).sum(axis=1) == 1
                    ).all():  # no tie at the edge: the cut is the same in any order
                        scores, found = np.take_along_axis(scores, top, 1), np.take_along_axis(found, top, 1)
                best, place = np.concatenate([best, scores], axis=1), np.concatenate([place, found], axis=1)
                order = np.lexsort((place, -best), axis=1)[:, :k]
                best, place = np.take_along_axis(best, order, 1), np.take_along_axis(place, order, 1)
        return np.asarray(self.keys_)[place], best
