"""Search by signs: a bit a number, then an exact comparison of the best; little memory beside the vectors on disk."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT, Allowed
from chiasm.index._approximate import Approximate, exactly, few
from chiasm.index._bounds import rescored
from chiasm.index._held import Held

__all__ = ["Signs"]

_BLOCK = 65_536
_CHUNK = 16_384
_GROWN = 4
"""Times as many vectors as the mean was taken of: then it is taken anew."""
_LEAST, _TIMES = 200, 10
"""How many are compared exactly, at least, and for each of the k that are wanted."""


class Signs(Approximate):
    """Cosine search whose first pass reads the sign of every number, and whose second compares the best exactly.

    Choose it for a folder (`path`) that does not fit into memory: of d numbers it keeps d bits and 8 bytes, where
    they take 4 d bytes, and reads from the folder only the vectors that it compares. It is not exact:
    of the 10 nearest among 91,000 sentences it finds 97 to 98 of 100 (benchmarks/search/engines.py, docs/index.md).
    `ranked`, and a search that few items are allowed in or that asks for many of them, are exact. What is added is
    found at once.

    With m the mean of the vectors, x - m and q - m differ in the sign of h of d numbers; that is the angle
    between them where signs are those of random directions (Charikar 2002), so that

        q . x  is about  m . x + |q - m| |x - m| cos(pi h / d)  and a number that is the same for all x.

    The first search in a process reads all vectors once.

    Args:
        columns: name -> type of what is known beside the vectors. path: the folder; None: in memory.
        candidates: how many are compared exactly; None: 10 k, at least 200.

    Learned: `keys_`, `vectors_` and `table_`, as of `Exact`, where it is in memory.

    Source: M. Charikar, Similarity estimation techniques from rounding algorithms, 2002.

    >>> index = Signs().add(["a", "b"], np.eye(2))
    >>> index.search(np.array([[0.9, 0.1]]), k=1)[0].tolist()
    [['a']]
    """

    allowed: ClassVar[Mapping[str, Allowed]] = {"candidates": COUNT.or_none()}

    candidates: int | None

    def __init__(self, columns: Mapping[str, str] | None = None, path: Any = None, candidates: int | None = None):
        super().__init__(columns, path)
        self.candidates = candidates

    def _nearest(self, held: Held, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Any:
        count = len(held.vectors)
        wanted = max(k, self.candidates or max(_TIMES * k, _LEAST))
        if few(wanted, allowed, count):
            return exactly(held, queries, k, allowed)
        bits = self._bits(held)
        some = None if allowed is None else np.flatnonzero(allowed)
        rows = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        for place, query in enumerate(queries):
            guessed = bits.guessed(query, count)
            if some is not None:
                guessed = guessed[some]
            found = np.argpartition(guessed, len(guessed) - wanted)[len(guessed) - wanted :]
            found = found if some is None else some[found]
            values = rescored(held.vectors, found, query)
            order = np.lexsort((found, -values))[:k]
            rows[place], scores[place] = found[order], values[order]
        return rows, scores

    def _bits(self, held: Held) -> _Bits:
        with vars(self).setdefault("_maker", threading.Lock()):
            known: tuple[Any, _Bits] | None = vars(self).get("_known")
            if known is None or known[0] is not held.line or len(held.vectors) > _GROWN * known[1].made_of:
                known = (held.line, _Bits(held.vectors))
            known[1].grow(held.vectors)
            self._known = known
            return known[1]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name not in ("_maker", "_known")}


class _Bits:
    """The signs of vectors less their mean, word by word; what was taken in is never changed, only added to.

    Args:
        vectors: `(n, d)`, of some of which the mean is taken.
    """

    def __init__(self, vectors: np.ndarray):
        spread = np.asarray(vectors[:: -(-len(vectors) // _CHUNK)], dtype=np.float64)
        self.center, self.made_of = spread.mean(axis=0).astype(np.float32), len(vectors)
        self.square = float(self.center @ self.center)
        width = vectors.shape[1]
        self.cosines = np.cos(np.pi * np.arange(width + 1) / width).astype(np.float32)
        self.count = 0
        self.words = np.zeros((-(-width // 64), 0), dtype=np.uint64)
        self.along = np.zeros(0, dtype=np.float32)
        """m . x"""
        self.lengths = np.zeros(0, dtype=np.float32)
        """|x - m|"""

    def grow(self, vectors: np.ndarray) -> None:
        """Take in what was appended since."""
        if len(vectors) > len(self.along):
            room = max(len(vectors), len(vectors) if not self.count else 2 * self.count) - self.count
            self.words = np.concatenate([self.words, np.zeros((len(self.words), room), np.uint64)], axis=1)
            self.words = self.words[:, : self.count + room]
            self.along = np.concatenate([self.along[: self.count], np.zeros(room, np.float32)])
            self.lengths = np.concatenate([self.lengths[: self.count], np.zeros(room, np.float32)])
        for start in range(self.count, len(vectors), _CHUNK):
            some = np.asarray(vectors[start : start + _CHUNK])
            part = slice(start, start + len(some))
            self.words[:, part] = self._signs(some)
            self.along[part] = some @ self.center
            apart = (some**2).sum(axis=1) - 2 * self.along[part] + np.float32(self.square)
            self.lengths[part] = np.sqrt(np.maximum(apart, 0))
        self.count = max(self.count, len(vectors))

    def guessed(self, query: np.ndarray, count: int) -> np.ndarray:
        """`(count,)` about the products of the first vectors with a query `(d,)`, less a number that all share."""
        asked = self._signs(query[None])[:, 0]
        length = np.float32(np.linalg.norm(query - self.center))
        words, along, lengths = self.words, self.along, self.lengths
        out = np.empty(count, dtype=np.float32)
        for start in range(0, count, _BLOCK):
            part = slice(start, min(start + _BLOCK, count))
            apart = np.zeros(part.stop - start, dtype=np.uint16)
            for word, of_query in zip(words, asked, strict=True):
                apart += np.bitwise_count(word[part] ^ of_query)
            out[part] = self.cosines[apart] * (length * lengths[part]) + along[part]
        return out

    def _signs(self, vectors: np.ndarray) -> np.ndarray:
        """`(words, n)`"""
        packed = np.packbits(vectors > self.center, axis=1)
        whole = np.zeros((len(vectors), 8 * len(self.words)), dtype=np.uint8)
        whole[:, : packed.shape[1]] = packed
        return whole.view(np.uint64).T
