"""From Views to matrices: what every fuser reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from chiasm.tokens import Tokens
from chiasm.views import ABSENT, Column, Views

__all__ = [
    "Block",
    "Blocks",
    "blocks",
    "grouped",
    "groups",
    "in_means",
    "means",
    "patterns",
    "presence",
    "restrict",
    "subsets",
    "tokenless",
    "views_of",
]

_WIDE = tuple(map(np.dtype, ("float64", "int32", "int64", "uint32", "uint64")))
_CHUNK = 256
EVERY = 5
"""Up to this many views every subset of them is solved for."""


class Block(NamedTuple):
    """One view's rows: held in memory, but tokens, which are read where they lie."""

    values: np.ndarray | Tokens
    """`(n, d)` float32 (float64 where the view is), zero where absent; of tokens T of them, once rows are asked for."""
    present: np.ndarray
    """`(n,)` boolean."""

    @property
    def steps(self) -> int:
        """T where `values` are T tokens side by side; 0 where they are one vector."""
        return self.values.steps if isinstance(self.values, Tokens) else 0

    def some(self, rows: np.ndarray) -> Block:
        """The block of some rows."""
        values = self.values.some(rows) if isinstance(self.values, Tokens) else self.values[rows]
        return Block(values, self.present[rows])


Blocks = dict[str, Block]


def blocks(views: Views, names: Sequence[str] | None = None, *, ragged: bool = False) -> Blocks:
    """Encoded views as matrices, by name. A named view that `views` lacks is left out.

    Args:
        ragged: whether tokens whose numbers differ by row are taken too; a ChiasmError names them otherwise. A row
            without any token has then nothing of that view.
    """
    found = {}
    for name in names or views.names:
        if name not in views.columns:
            continue
        column = views[name]
        if column.steps or (ragged and isinstance(column.items, Tokens)):
            items = column.items.some(column.index)
            found[name] = Block(items, column.present & (items.lengths > 0))
            continue
        dtype = np.float64 if getattr(column.items, "dtype", None) in _WIDE else np.float32
        values = np.zeros((len(views), column.width), dtype=dtype)
        rows = np.flatnonzero(column.present)
        for start in range(0, len(rows), 4096):
            part = rows[start : start + 4096]
            values[part] = column.take(column.index[part])
        found[name] = Block(values, column.present)
    return found


def means(block: Block) -> np.ndarray:
    """`(n, d)` the vector of each row; of tokens their mean, zero where there is none."""
    if not isinstance(block.values, Tokens):
        return block.values
    found = np.zeros((len(block.present), block.values.width), dtype=np.float32)
    for start in range(0, len(found), _CHUNK):
        part = np.arange(start, min(start + _CHUNK, len(found)))
        values, mask = block.values.batch(part)
        found[part] = values.sum(axis=1) / np.maximum(1, mask.sum(axis=1))[:, None]
    return found


def in_means(views: Views) -> Views:
    """The same rows, an item of several tokens as their mean; one without any token is absent. Vectors stay."""
    columns = {}
    for name, column in views.columns.items():
        if isinstance(column.items, Tokens):
            values = means(Block(column.items, np.ones(len(column.items), dtype=bool)))
            column = Column(column.modality, values, tokenless(column), labels=column.labels, digests=column.digests)
        columns[name] = column
    return views.replace(columns)


def tokenless(column: Column) -> np.ndarray:
    """`(n,)` the item of each row of a column of tokens, absent where an item has no token."""
    lengths = np.append(column.items.lengths, 0)
    index: np.ndarray = np.where(lengths[column.index] > 0, column.index, ABSENT)
    return index


def grouped(tokens: np.ndarray, lengths: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of rows one after the other `(sum of lengths, r)` -> `(n, most, r)` and booleans `(n, most)`.

    A row of more than `most` tokens has `most` means of neighbors, in groups as equal as may be; others their tokens.
    """
    place = np.concatenate([groups(length, most) + i * most for i, length in enumerate(lengths)])
    first = np.flatnonzero(np.r_[True, np.diff(place) > 0])
    counts = np.diff(np.r_[first, len(place)])
    values = np.zeros((len(lengths) * most, tokens.shape[1]), np.float32)
    there = np.zeros(len(values), dtype=bool)
    values[place[first]] = np.add.reduceat(tokens, first, axis=0) / counts[:, None]
    there[place[first]] = True
    return values.reshape(len(lengths), most, -1), there.reshape(len(lengths), most)


def groups(length: int, most: int) -> np.ndarray:
    """`(length,)` the group of each token of a row that has so many, of which at most so many groups are made."""
    return np.arange(length) * min(length, most) // max(length, 1)


def views_of(held: Blocks) -> Views:
    """Blocks as Views: every row a thing of its own."""
    columns = {}
    for name, block in held.items():
        rows = np.flatnonzero(block.present)
        index = np.full(len(block.present), ABSENT, dtype=np.int64)
        index[rows] = np.arange(len(rows))
        columns[name] = Column("vector", block.some(rows).values, index)
    return Views(columns)


def restrict(held: Blocks, rows: np.ndarray) -> Blocks:
    """The blocks of some rows."""
    return {name: block.some(rows) for name, block in held.items()}


def presence(held: Mapping[str, Block], names: Sequence[str], n: int) -> np.ndarray:
    """`(n, k)` boolean, a column a name; False where a view is not there at all."""
    return np.stack([held[v].present if v in held else np.zeros(n, bool) for v in names], axis=1)


def patterns(present: np.ndarray) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """The patterns of presence that occur in `(n, k)`: (columns that are present, rows that have just these)."""
    found, place = np.unique(present, axis=0, return_inverse=True)
    place = place.ravel()
    return [(tuple(np.flatnonzero(one).tolist()), np.flatnonzero(place == i)) for i, one in enumerate(found)]


def subsets(k: int) -> list[tuple[int, ...]]:
    """The subsets of k views that are solved for: every one of up to 5 views; else singles, all but one, and all."""
    sizes = range(1, k + 1) if k <= EVERY else sorted({1, k - 1, k})
    return [one for size in sizes for one in combinations(range(k), size)]
