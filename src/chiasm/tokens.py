"""Tokens: items of several vectors each (steps of time, words, patches), ragged, in half precision, on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["Packed", "Tokens"]


class Packed(NamedTuple):
    """The tokens of some items, one item after the other."""

    values: np.ndarray
    """`(total, d)` float16, in memory or a memory map."""
    offsets: np.ndarray
    """`(m + 1,)` integers: item i has the tokens from `offsets[i]` to `offsets[i + 1]`."""


class Tokens:
    """m items of t_i vectors of width d: what a column of tokens holds, read where it is indexed.

    `tokens.batch(rows)` is what a method over tokens reads. Where every item has the same number of tokens (`steps`),
    `tokens[rows]` lays them side by side, `(b, steps * d)` float32, for methods that read one vector an item. Both read
    the rows that are asked for and no others.

    Args:
        packs: where the tokens lie. places: `(m, 2)` integers, the pack of each item and its place there; -1 for an
            item that is absent: it has no tokens, and zeros stand for it where they lie side by side.

    >>> tokens = Tokens.of([np.ones((2, 3)), np.zeros((1, 3))])
    >>> values, mask = tokens.batch([0, 1])
    >>> values.shape, mask.tolist(), tokens.steps
    ((2, 2, 3), [[True, True], [True, False]], 0)
    """

    dtype = np.dtype(np.float32)
    """Of what comes out."""

    def __init__(self, packs: Sequence[Packed], places: np.ndarray):
        self.packs = list(packs)
        self.places = np.asarray(places, dtype=np.int64).reshape(-1, 2)
        self.width = int(self.packs[0].values.shape[1]) if self.packs else 0
        self.lengths = np.zeros(len(self.places), dtype=np.int64)
        for number, mine in self._by_pack(np.arange(len(self.places))):
            offsets, rows = self.packs[number].offsets, self.places[mine, 1]
            self.lengths[mine] = offsets[rows + 1] - offsets[rows]
        found = np.unique(self.lengths[self.places[:, 0] >= 0])
        self.steps = int(found[0]) if len(found) == 1 else 0
        """T where every item that is there has T tokens; else 0."""
        self.shape: tuple[int, ...] = (len(self.places), self.steps * self.width)
        if len(self.places) and not self.steps:
            self.shape = self.shape[:1]

    @classmethod
    def of(cls, items: Sequence[np.ndarray]) -> Tokens:
        """From one array `(t_i, d)` an item, kept in memory as float16."""
        widths = {item.shape[1] for item in items if item.ndim == 2 and len(item)}
        if len(widths) > 1:
            raise ChiasmError(f"wanted tokens of one width, got {', '.join(map(str, sorted(widths)))}.")
        width = max(widths, default=0)
        rows = [np.asarray(item).reshape(-1, width) if width else np.zeros((0, 0)) for item in items]
        with np.errstate(over="ignore"):  # what is too large for half precision is told where finite numbers are wanted
            values = np.concatenate([row.astype(np.float16) for row in rows] or [np.zeros((0, 0), np.float16)])
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
        return cls.whole(Packed(values, offsets))

    @classmethod
    def whole(cls, pack: Packed) -> Tokens:
        """All the items of a pack."""
        count = len(pack.offsets) - 1
        return cls([pack], np.stack([np.zeros(count, dtype=np.int64), np.arange(count)], axis=1))

    @classmethod
    def stack(cls, parts: Sequence[Tokens]) -> Tokens:
        """Tokens after one another, nothing copied; a ChiasmError where their widths differ."""
        if len({part.width for part in parts if part.packs}) > 1:
            raise ChiasmError(f"wanted tokens of one width, got {', '.join(str(part.width) for part in parts)}.")
        packs: list[Packed] = []
        places = []
        for part in parts:
            places.append(part.places + np.array([len(packs), 0]))
            packs += part.packs
        return cls(packs, np.concatenate(places) if places else np.zeros((0, 2)))

    def __len__(self) -> int:
        return len(self.places)

    def some(self, rows: Any) -> Tokens:
        """Some of the items, nothing copied. Position -1 gives an absent one."""
        rows = np.asarray(rows, dtype=np.int64)
        return Tokens(self.packs, np.where((rows < 0)[:, None], -1, self.places[rows] if len(self) else -1))

    def each(self) -> Tokens:
        """Every token as an item of its own, `(m * steps)` of them, nothing copied. All items have `steps` tokens."""
        packs = [Packed(pack.values, np.arange(len(pack.values) + 1)) for pack in self.packs]
        first = np.full(len(self), -1)
        for number, mine in self._by_pack(np.arange(len(self))):
            first[mine] = self.packs[number].offsets[self.places[mine, 1]]
        token = np.where(first[:, None] < 0, -1, first[:, None] + np.arange(self.steps))
        return Tokens(packs, np.stack([np.repeat(self.places[:, 0], self.steps), token.ravel()], axis=1))

    def batch(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """`(b, t, d)` float32 and `(b, t)` boolean: t is the longest of these items, what is beyond an item's end is 0.

        Args:
            rows: positions of b items; -1 is none, all of whose tokens are masked.
        """
        rows = np.asarray(rows, dtype=np.int64)
        lengths = np.where(rows < 0, 0, self.lengths[rows] if len(self) else 0)
        wide = int(lengths.max(initial=0))
        return self._laid(rows, lengths, wide), np.arange(wide) < lengths[:, None]

    def _laid(self, rows: np.ndarray, lengths: np.ndarray, wide: int) -> np.ndarray:
        """`(b, wide, d)` float32: the tokens of these rows, then zeros."""
        values = np.zeros((len(rows), wide, self.width), dtype=np.float32)
        there = np.flatnonzero(lengths)
        for number, some in self._by_pack(rows[there]):
            mine = there[some]
            held, counts = self.packs[number], lengths[mine]
            within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            token = np.repeat(held.offsets[self.places[rows[mine], 1]], counts) + within
            values[np.repeat(mine, counts), within] = held.values[token]
        return values

    def __getitem__(self, rows: Any) -> np.ndarray:
        if len(self.shape) != 2:
            raise ChiasmError(
                "wanted one vector an item, got items of different numbers of tokens: encode them with as many steps "
                "each, or as pooled features."
            )
        chosen = np.arange(len(self))[rows]
        found = self._laid(chosen.reshape(-1), self.lengths[chosen].reshape(-1), self.steps)
        return found.reshape(*chosen.shape, self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[np.arange(len(self))]
        return whole if dtype is None else whole.astype(dtype)

    def finite(self) -> np.ndarray:
        """`(m,)` whether all of an item's numbers are finite in half precision."""
        return np.array([bool(np.isfinite(self._half(row)).all()) for row in range(len(self))], dtype=bool)

    def pack(self) -> Packed:
        """All items as one pack, copied."""
        rows = [self._half(row) for row in range(len(self))]
        offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        return Packed(np.concatenate(rows or [np.zeros((0, self.width), np.float16)]), offsets)

    def _half(self, row: int) -> np.ndarray:
        values, offsets = self.packs[self.places[row, 0]]
        place = self.places[row, 1]
        return np.asarray(values[offsets[place] : offsets[place + 1]])

    def _by_pack(self, rows: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Each pack that holds some of the rows, and which of them (places in `rows`)."""
        numbers = self.places[rows, 0]
        return [(int(number), np.flatnonzero(numbers == number)) for number in np.unique(numbers[numbers >= 0])]
