"""What every index shares: search as far as it is asked, and saving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chiasm import recipe
from chiasm.part import Part

__all__ = ["Index"]

_FIRST = 32


class Index(Part):
    """Keys and vectors in, (keys, scores) out. A subclass implements `add`, `delete`, `search` and `__len__`."""

    is_exact: ClassVar[bool] = False
    """Whether `search` always gives the nearest; where it does not, the class's docstring states its recall."""

    def add(self, keys: Sequence[Any] | np.ndarray, vectors: np.ndarray) -> Self:
        """Add n keys (unique, strings or integers) and their `(n, d)` vectors. Returns self."""
        raise NotImplementedError

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def search(self, vectors: np.ndarray, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of each query: keys `(q, k)` and cosines `(q, k)`, falling; fewer where the index is smaller.

        Args:
            vectors: `(q, d)` or one `(d,)`. k: at least 1.
        """
        raise NotImplementedError

    def ranked(self, vector: np.ndarray) -> Iterator[tuple[Any, float]]:
        """(key, cosine) of one query `(d,)`, the nearest first, for as long as it is asked: every key in the end.

        For those who pass hits over (overlapping moments, filters) and cannot know how many they will need.
        """
        given, wide = 0, min(_FIRST, len(self))
        while given < len(self):
            keys, scores = self.search(vector, wide)
            if len(keys[0]) <= given:
                return
            yield from zip(keys[0, given:].tolist(), scores[0, given:].tolist(), strict=True)
            given, wide = len(keys[0]), min(4 * wide, len(self))

    def save(self, path: Any) -> Any:
        """Save as a folder; see `chiasm.save`."""
        return recipe.save(self, path)
