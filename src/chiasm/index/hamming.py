"""Exact search among codes of bits, as `chiasm.align.hashing` makes them: a thirty-second of the memory of numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.index._held import Held
from chiasm.index._local import Local

__all__ = ["Hamming"]


class Hamming(Local):
    """Search among codes: vectors whose numbers are all x or -x, of which the signs are kept, a bit a number.

    The cosine of two codes of d bits of which h differ is 1 - 2 h / d: it finds what `exact` finds in the same codes.
    Of several that differ in as many bits, those that were added first come first. Kept in memory; 100,000 codes of 64
    bits take 800 kB beside their keys. What it costs in time: benchmarks/search/hamming.py, docs/index.md.

    Args:
        columns: name -> type of what is known beside the codes.

    Learned: `keys_`, `vectors_` `(n, d / 8)` uint8, `table_`.

    `add` and `search` raise a ChiasmError for vectors that are no codes, and for a d that is no multiple of 8.

    >>> index = Hamming().add(["a", "b"], np.array([[1] * 8, [1, -1] * 4]))
    >>> keys, scores = index.search(np.array([[-1] + [1] * 7]), k=2)
    >>> keys.tolist(), scores.tolist()
    ([['a', 'b']], [[0.75, -0.25]])
    """

    is_exact = True
    reads_codes = True
    path = None

    def __init__(self, columns: Mapping[str, str] | None = None):
        self.columns = columns

    def _compact(self, units: np.ndarray) -> np.ndarray:
        width = units.shape[1]
        if width % 8:
            raise ChiasmError(f"wanted codes of a multiple of 8 bits, got a width of {width}.")
        sizes = np.abs(units)
        odd = np.flatnonzero((sizes < 0.999 / np.sqrt(width)).any(axis=1))
        if len(odd):
            raise ChiasmError(
                f"wanted codes, whose numbers are all x or -x, got others in row {odd[0]}: make codes with the aligner "
                "hashing, or take the index exact or signs."
            )
        return np.packbits(units > 0, axis=1)

    def _expanded(self, rows: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(rows, axis=1).astype(np.float32)
        return (2 * bits - 1) / np.float32(np.sqrt(bits.shape[1]))

    def _nearest(self, held: Held, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Any:
        bits = 8 * queries.shape[1]
        words = _words(held.vectors)
        rows = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        for place, query in enumerate(_words(queries)):
            apart = _apart(words, query, allowed)
            radius = bisect_left(range(bits), k, key=partial(_within, apart))
            found = np.flatnonzero(apart <= radius)
            found = found[np.argsort(apart[found], kind="stable")[:k]]
            rows[place], scores[place] = found, 1 - 2 * apart[found].astype(np.float32) / bits
        return rows, scores


def _words(rows: np.ndarray) -> np.ndarray:
    """Rows `(n, bytes)` as words of 64 bits `(n, words)`, filled up with zeros."""
    if rows.shape[1] % 8:
        rows = np.pad(rows, [(0, 0), (0, -rows.shape[1] % 8)])
    return np.ascontiguousarray(rows).view(np.uint64)


def _apart(words: np.ndarray, query: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    """`(n,)` in how many bits each differs; one more than there are where it is not allowed."""
    apart = np.bitwise_count(words[:, 0] ^ query[0])
    if len(query) > 3:
        apart = apart.astype(np.uint16)
    for place in range(1, len(query)):
        apart += np.bitwise_count(words[:, place] ^ query[place])
    if allowed is not None:
        apart[~allowed] = 64 * len(query) + 1
    return apart


def _within(apart: np.ndarray, radius: int) -> int:
    """How many differ in no more bits."""
    return int(np.count_nonzero(apart <= radius))
