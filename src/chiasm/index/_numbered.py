"""Which row each vector of a graph is now: rows are appended and deleted, a graph only grows."""

from __future__ import annotations

import numpy as np

from chiasm.index._graph import Graph
from chiasm.index._held import Held

__all__ = ["Numbered"]

_CHUNK = 16_384


class Numbered:
    """A graph and the rows that its vectors are. Whoever changes it is `graph.alone`, whoever reads `graph.reading`.

    The living rows of the graph are always the first ones that are held: rows go, but keep their order, and a key
    that is updated comes last.

    Args:
        graph: with the first rows of `held` in it, or none.
    """

    def __init__(self, graph: Graph, held: Held):
        self.graph, self.line = graph, held.line
        self.through = len(graph)
        """The rows from here on are not in the graph."""
        self.rows = np.arange(self.through)
        """By number in the graph; -1 where it is gone."""
        self.gone = False
        self.keys = held.keys[: self.through]
        self.sums = sums(held.vectors[: self.through])

    def dead(self, held: Held) -> int:
        """How many in the graph are gone or deleted."""
        gone = int((self.rows < 0).sum())
        if held.alive is None:
            return gone
        rows = self.rows[self.rows >= 0]
        return gone + int((~held.alive[rows]).sum())

    def take(self, held: Held) -> None:
        """Take in the rows that are not in the graph."""
        rest = held.vectors[self.through :]
        self.graph.take(rest)
        self.rows = np.concatenate([self.rows, np.arange(self.through, len(held.vectors))])
        self.keys = np.concatenate([self.keys, held.keys[self.through :]])
        self.sums = np.concatenate([self.sums, sums(rest)])
        self.through = len(held.vectors)

    def follow(self, held: Held) -> None:
        """Find the rows again, which were numbered anew because some went."""
        there = np.flatnonzero(self.rows >= 0)
        keys = held.keys[: len(there)].tolist()
        numbers: list[int] = []
        for number, key in zip(there.tolist(), self.keys[there].tolist(), strict=True):
            if len(numbers) < len(keys) and keys[len(numbers)] == key:
                numbers.append(number)
        # Updated keys stand behind all that stayed, so they can only spoil the end of what was matched.
        same = self.sums[numbers] == sums(held.vectors[: len(numbers)])
        stays = len(numbers) if same.all() else int(np.argmin(same))
        self.rows = np.full(len(self.rows), -1)
        self.rows[numbers[:stays]] = np.arange(stays)
        self.line, self.through, self.gone = held.line, stays, True


def sums(vectors: np.ndarray) -> np.ndarray:
    """`(n,)` a checksum of 64 bits of every row `(n, d)`."""
    times = np.random.default_rng(0).integers(1, 2**63, vectors.shape[1], dtype=np.uint64) | np.uint64(1)
    out = np.zeros(len(vectors), dtype=np.uint64)
    for start in range(0, len(vectors), _CHUNK):
        whole = np.ascontiguousarray(vectors[start : start + _CHUNK], dtype=np.float32).view(np.uint32)
        out[start : start + _CHUNK] = (whole * times).sum(axis=1, dtype=np.uint64)
    return out
