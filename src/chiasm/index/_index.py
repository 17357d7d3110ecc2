"""What every index shares: search as far as it is asked, and saving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chiasm import recipe
from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.where import Condition

__all__ = ["Index", "Where"]

_FIRST = 32

Where = Iterable[Condition | str] | str | None
"""Conditions, all of which are to hold: `["date>=2024-05", "album=summer"]`; see `chiasm.where.typed`."""


class Index(Part):
    """Keys and vectors in, (keys, scores) out; what is known of the items beside their vectors chooses among them.

    A subclass implements `add`, `update`, `delete`, `keys`, `vectors`, `search` and `__len__`.

    Keys are strings or integers and come out as they went in. Metadata are columns, name -> a value an item, whose
    types the constructor names (`columns={"taken": "date"}`, see `chiasm.where.TYPES`); None is not known.
    """

    is_exact: ClassVar[bool] = False
    """Whether `search` always gives the nearest; where it does not, the class's docstring states its recall."""

    reads_codes: ClassVar[bool] = False
    """Whether it takes codes alone, vectors whose numbers are all x or -x, as the aligner `hashing` makes them."""

    def add(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Self:
        """Add n keys that are new, their `(n, d)` vectors and what is known of them. Returns self.

        All of them or none: a ChiasmError for a key that is there, or twice among them, leaves the index as it was.
        """
        raise NotImplementedError

    def update(
        self,
        keys: Sequence[Any] | np.ndarray,
        vectors: np.ndarray,
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Self:
        """As `add`, but keys that are there get the new vectors: it can be asked again. Returns self."""
        raise NotImplementedError

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        raise NotImplementedError

    def keys(self) -> np.ndarray:
        """`(n,)` all keys, in the order in which they were added."""
        raise NotImplementedError

    def vectors(self, keys: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the keys that are there `(m,)`, in the order of adding, and their vectors `(m, d)`, of length 1."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def search(self, vectors: np.ndarray, k: int = 5, where: Where = None) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of each query: keys `(q, k)` and cosines `(q, k)`, falling; fewer where no more are there.

        Args:
            vectors: `(q, d)` or one `(d,)`. k: at least 1. where: conditions on the metadata; k that meet them are
                found wherever there are k.
        """
        raise NotImplementedError

    def ranked(self, vector: np.ndarray, where: Where = None) -> Iterator[tuple[Any, float]]:
        """(key, cosine) of one query `(d,)`, the nearest first, for as long as it is asked: every key in the end.

        For those who pass hits over (overlapping moments, filters) and cannot know how many they will need.
        """
        if np.ndim(vector) != 1:
            raise ChiasmError(f"wanted one query (d,), got an array of shape {np.shape(vector)}.")
        given, wide = 0, min(_FIRST, len(self))
        while given < wide:
            keys, scores = self._page(vector, wide, where)
            if len(keys[0]) <= given:
                return
            yield from zip(keys[0, given:].tolist(), scores[0, given:].tolist(), strict=True)
            given, wide = len(keys[0]), min(4 * wide, len(self))

    def _page(self, vector: np.ndarray, k: int, where: Where) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest for `ranked`, of which any k are the first of more."""
        return self.search(vector, k, **({} if where is None else {"where": where}))

    def save(self, path: Any) -> Any:
        """Save as a folder; see `chiasm.save`."""
        return recipe.save(self, path)
