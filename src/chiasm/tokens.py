"""Tokens: items of several vectors each (steps of time, words, patches), ragged, in half precision, on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["Run", "Tokens"]


class Run(NamedTuple):
    """The tokens of some items, one item after the other."""

    values: np.ndarray
    """`(total, d)` float16, in memory or a memory map."""
    offsets: np.ndarray
    """`(m + 1,)` integers: item i has the tokens from `offsets[i]` to `offsets[i + 1]`."""


class Tokens:
    """m items of t_i vectors of width d: what a column of tokens holds, read where it is indexed.

    `tokens.batch(rows)` is what a method over tokens reads. Where every item has the same number of tokens (`steps`),
    `tokens[rows]` lays them side by side, `(b, steps * d)` float32, for methods that read one vector an item.

    Args:
        runs: where the tokens lie. places: `(m, 2)` integers, the run of each item and its place there.

    >>> tokens = Tokens.of([np.ones((2, 3)), np.zeros((1, 3))])
    >>> values, mask = tokens.batch([0, 1])
    >>> values.shape, mask.tolist(), tokens.steps
    ((2, 2, 3), [[True, True], [True, False]], 0)
    """

    dtype = np.dtype(np.float32)
    """Of what comes out."""

    def __init__(self, runs: Sequence[Run], places: np.ndarray):
        self.runs = list(runs)
        self.places = np.asarray(places, dtype=np.int64).reshape(-1, 2)
        self.width = int(self.runs[0].values.shape[1]) if self.runs else 0
        self.lengths = np.zeros(len(self.places), dtype=np.int64)
        for number, mine in self._by_run(np.arange(len(self.places))):
            offsets, rows = self.runs[number].offsets, self.places[mine, 1]
            self.lengths[mine] = offsets[rows + 1] - offsets[rows]
        self.steps = int(self.lengths[0]) if len(self.lengths) and (self.lengths == self.lengths[0]).all() else 0
        """T where every item has T tokens; else 0."""
        self.shape: tuple[int, ...] = (len(self.places), self.steps * self.width)
        if len(self.places) and not self.steps:
            self.shape = self.shape[:1]

    @classmethod
    def of(cls, items: Sequence[np.ndarray]) -> Tokens:
        """From one array `(t_i, d)` an item, kept in memory as float16."""
        width = max((item.shape[1] for item in items if item.ndim == 2), default=0)
        rows = [np.asarray(item).reshape(-1, width) if width else np.zeros((0, 0)) for item in items]
        with np.errstate(over="ignore"):  # what is too large for half precision is told where finite numbers are wanted
            values = np.concatenate([row.astype(np.float16) for row in rows] or [np.zeros((0, 0), np.float16)])
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return cls.whole(Run(values, offsets))

    @classmethod
    def whole(cls, run: Run) -> Tokens:
        """All the items of a run."""
        count = len(run.offsets) - 1
        return cls([run], np.stack([np.zeros(count, dtype=np.int64), np.arange(count)], axis=1))

    @classmethod
    def stack(cls, parts: Sequence[Tokens]) -> Tokens:
        """Tokens after one another, nothing copied; a ChiasmError where their widths differ."""
        if len({part.width for part in parts if part.runs}) > 1:
            raise ChiasmError(f"wanted tokens of one width, got {', '.join(str(part.width) for part in parts)}.")
        runs: list[Run] = []
        places = []
        for part in parts:
            places.append(part.places + np.array([len(runs), 0]))
            runs += part.runs
        return cls(runs, np.concatenate(places) if places else np.zeros((0, 2)))

    def __len__(self) -> int:
        return len(self.places)

    def some(self, rows: Any) -> Tokens:
        """Some of the items, nothing copied."""
        return Tokens(self.runs, self.places[rows])

    def batch(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """`(b, t, d)` float32 and `(b, t)` boolean: t is the longest of these items, what is beyond an item's end is 0.

        Args:
            rows: positions of b items; -1 is none, all of whose tokens are masked.
        """
        rows = np.asarray(rows, dtype=np.int64)
        lengths = np.where(rows < 0, 0, self.lengths[rows] if len(self) else 0)
        wide = int(lengths.max(initial=0))
        values = np.zeros((len(rows), wide, self.width), dtype=np.float32)
        mask = np.arange(wide) < lengths[:, None]
        for place in np.flatnonzero(lengths).tolist():
            values[place, : lengths[place]] = self._one(int(rows[place]))
        return values, mask

    def __getitem__(self, rows: Any) -> np.ndarray:
        if len(self.shape) != 2:
            raise ChiasmError(
                "wanted one vector an item, got items of different numbers of tokens: choose a method that reads "
                "tokens, or pooled features."
            )
        if np.ndim(np.arange(len(self))[rows]) == 0:
            return self._one(int(np.arange(len(self))[rows])).ravel()
        chosen = np.arange(len(self))[rows]
        return self.batch(chosen)[0].reshape(len(chosen), self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[np.arange(len(self))]
        return whole if dtype is None else whole.astype(dtype)

    def finite(self) -> np.ndarray:
        """`(m,)` whether all of an item's numbers are finite in half precision."""
        return np.array([bool(np.isfinite(self._one(row)).all()) for row in range(len(self))], dtype=bool)

    def run(self) -> Run:
        """All items as one run, copied."""
        rows = [self._half(row) for row in range(len(self))]
        offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        return Run(np.concatenate(rows or [np.zeros((0, self.width), np.float16)]), offsets)

    def _half(self, row: int) -> np.ndarray:
        values, offsets = self.runs[self.places[row, 0]]
        place = self.places[row, 1]
        return np.asarray(values[offsets[place] : offsets[place + 1]])

    def _one(self, row: int) -> np.ndarray:
        return self._half(row).astype(np.float32)

    def _by_run(self, rows: np.ndarray) -> list[tuple[int, np.ndarray]]:
        numbers = self.places[rows, 0]
        return [(int(number), rows[numbers == number]) for number in np.unique(numbers)]
