"""Column: one view's items, each distinct item once, and which row has which."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError, unknown
from chiasm.tokens import Tokens

__all__ = ["ABSENT", "MODALITIES", "Column", "missing"]

MODALITIES = ("text", "image", "audio", "video", "vector", "record")
ABSENT = -1
"""The index of a row that has no item."""


class Column:
    """One view's items: each distinct item once, plus an `(n,)` index into them (-1 = absent).

    Args:
        modality: one of `MODALITIES`.
        items: the m distinct items: a list (texts, paths, raw media, records) or anything array-like `(m, d)`
            that takes an integer array between brackets (an ndarray, a memory map, `chiasm.cache.Stored`); or `Tokens`.
            A record is the numbers and categories of one row as a dict: name to number, text or None (missing).
        index: `(n,)` integers into `items`; left out, row i holds item i.
        labels: m short strings that name the items to a person (a relative path); texts name themselves.
        digests: `(m, 16)` uint8, one content hash an item, where it is known.
        names: of vectors, what the caller calls each of the d numbers (the columns of a DataFrame).
    """

    def __init__(
        self,
        modality: str,
        items: Any,
        index: np.ndarray | None = None,
        *,
        labels: Sequence[str] | None = None,
        digests: np.ndarray | None = None,
        names: Sequence[str] | None = None,
    ):
        if modality not in MODALITIES:
            raise unknown("modality", modality, MODALITIES)
        self.modality = modality
        self.items = items
        self.index = np.arange(len(items)) if index is None else np.asarray(index, dtype=np.int64)
        self.labels = labels
        self.digests = digests
        self.names = names

    @classmethod
    def from_cells(cls, modality: str, cells: Sequence[Any], labels: Sequence[str] | None = None) -> Column:
        """A column from one cell a row, `None` where absent; equal cells (texts, numbers, records) become one item."""
        seen: dict[Any, int] = {}
        items: list[Any] = []
        names: list[str] = []
        index = np.full(len(cells), ABSENT, dtype=np.int64)
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            key = _key(cell)
            if key not in seen:
                seen[key] = len(items)
                items.append(cell)
                if labels is not None:
                    names.append(labels[row])
            index[row] = seen[key]
        return cls(modality, items, index, labels=names if labels is not None else None)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: Any) -> Column:
        return self.at(self.index[rows])

    def at(self, index: np.ndarray) -> Column:
        """The same items in other rows: `(n,)` positions in `items`, -1 where a row has none."""
        return Column(self.modality, self.items, index, labels=self.labels, digests=self.digests, names=self.names)

    @property
    def present(self) -> np.ndarray:
        """`(n,)` boolean mask of the rows that have an item."""
        return self.index != ABSENT

    @property
    def used(self) -> np.ndarray:
        """The sorted positions of the items that some row refers to."""
        return np.unique(self.index[self.present])

    @property
    def first_rows(self) -> np.ndarray:
        """For each used item, in order, the first row that refers to it."""
        rows = np.flatnonzero(self.present)
        first: np.ndarray = rows[np.unique(self.index[rows], return_index=True)[1]]
        return first

    @property
    def steps(self) -> int:
        """T of a column of tokens whose every item has T of them; 0 for other columns."""
        return self.items.steps if isinstance(self.items, Tokens) else 0

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of some rows: `(b, t, d)` float32 and a boolean mask `(b, t)`; t is the longest of these rows.

        A row without an item is masked throughout. Raises a ChiasmError for a column that holds no tokens.
        """
        if not isinstance(self.items, Tokens):
            raise ChiasmError(
                f"wanted tokens, got {self.modality} of one vector an item: encode it with steps=T "
                "(over time) or pooled=False (words, patches)."
            )
        return self.items.batch(self.index[rows])

    @property
    def width(self) -> int:
        """d of an `(m, d)` column; a ChiasmError for raw items."""
        shape: tuple[int, ...] = getattr(self.items, "shape", ())
        if isinstance(self.items, Tokens) and len(shape) != 2:
            raise ChiasmError(
                f"wanted one vector an item, got {self.modality} of different numbers of tokens: encode them with as "
                "many steps each, or as pooled features."
            )
        if len(shape) != 2:
            raise ChiasmError(
                f"wanted encoded vectors (n, d), got raw {self.modality} items: encode them first "
                "(chiasm.encoding.Encoding, or a task, which does it for you)."
            )
        width: int = shape[1]
        return width

    def take(self, positions: np.ndarray) -> Any:
        """Items at `positions`: an ndarray `(len, d)` for vectors, else a list."""
        if hasattr(self.items, "shape"):
            return np.asarray(self.items[positions])
        return [self.items[p] for p in positions]

    def label(self, position: int) -> str:
        """A short name of an item for a person."""
        if self.labels is not None:
            return self.labels[position]
        item = self.items[position]
        if isinstance(item, dict):
            item = ", ".join(f"{name}={value}" for name, value in item.items() if not missing(value)) or None
        return item if isinstance(item, str) else f"{self.modality} {position}"


def missing(value: Any) -> bool:
    """Whether a cell holds nothing: None or NaN, also that of NumPy and pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return bool(isinstance(value, float | np.floating | np.datetime64) and value != value)


def _key(cell: Any) -> Any:
    """What equal cells have in common: themselves, a record's fields and values, or else being one object."""
    if isinstance(cell, str | bytes | int | float):
        return cell
    if isinstance(cell, dict):
        with contextlib.suppress(TypeError):  # a list among the values: the encoder will say what is wrong with it
            return ("record", frozenset(cell.items()))
    return ("object", id(cell))
