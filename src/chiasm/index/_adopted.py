"""An index of another class, with what every index here has around it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.finite import check_array
from chiasm.index._held import checked_queries
from chiasm.index._index import Index, Where
from chiasm.where import typed

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

    def add(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Adopted:
        """The object's own `add`, which takes no metadata."""
        if metadata:
            raise ChiasmError(f"wanted no metadata, got {', '.join(metadata)}: {self.index!r} keeps none.")
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

    def search(self, vectors: np.ndarray, k: int = 5, where: Where = None) -> tuple[np.ndarray, np.ndarray]:
        """The object's own `search`, which knows no conditions."""
        self.check_fitted()
        typed(where, {})
        keys, scores = self.index_.search(checked_queries(vectors), k)
        return np.asarray(keys), np.asarray(scores)


def adopt(part: Any) -> Index:
    """The part itself where it is an `Index`; else with the base's methods around it."""
    return part if isinstance(part, Index) else Adopted(part)
