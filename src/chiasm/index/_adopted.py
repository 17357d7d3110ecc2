"""An index of another class, with what every index here has around it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.finite import check_array
from chiasm.index._index import Index

__all__ = ["Adopted", "adopt"]


class Adopted(Index):
    """An object with `add`, `search`, `delete` and a length as an index: `ranked` and `save` are the base's.

    Args:
        index: the object, which is copied before the first `add`.

    Learned: `index_`, the filled copy.
    """

    index_: Any

    def __init__(self, index: Any = None):
        self.index = index

    def add(self, keys: Sequence[Any] | np.ndarray, vectors: np.ndarray) -> Adopted:
        """The object's own `add`."""
        if not hasattr(self, "index_"):
            self.index_ = copy.deepcopy(self.index)
        self.index_.add(keys, check_array(vectors, "vectors"))
        return self

    def delete(self, keys: Sequence[Any]) -> int:
        """The object's own `delete`; how many keys went."""
        before = len(self)
        self.index_.delete(keys)
        return before - len(self)

    def __len__(self) -> int:
        return len(self.index_) if hasattr(self, "index_") else 0

    def search(self, vectors: np.ndarray, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The object's own `search`."""
        self.check_fitted()
        keys, scores = self.index_.search(check_array(np.atleast_2d(vectors), "queries"), k)
        return np.asarray(keys), np.asarray(scores)


def adopt(part: Any) -> Index:
    """The part itself where it is an `Index`; else with the base's methods around it."""
    return part if isinstance(part, Index) else Adopted(part)
