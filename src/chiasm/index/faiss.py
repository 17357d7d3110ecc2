"""Search by a graph (HNSW) or by lists (IVF) of FAISS: a fraction of a millisecond among a hundred thousand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.allowed import COUNT, choice
from chiasm.index._approximate import Approximate, exactly, few
from chiasm.index._bounds import nearest, rescored
from chiasm.index._graph import Graph
from chiasm.index._held import Held
from chiasm.index._numbered import Numbered

__all__ = ["Faiss"]

requires = ("faiss",)

log = logging.getLogger(__name__)

_ASKED = 64
"""Queries that are answered by comparing all before one who only searches has the graph made or read."""
_GROWN = 4
"""Times as many vectors as lists were made for: then they are made anew."""
_WIDE = 5
"""A graph is left for k above a twentieth of what is allowed: `few` of five times as many."""
_UNSAVED = 0.1
"""The share of vectors that the file of a graph may lack."""


class Faiss(Approximate):
    """Cosine search by the HNSW graph or the inverted file of FAISS, the found ones compared exactly.

    Choose it from some hundred thousand items on, when many ask one after the other and the vectors fit into memory
    twice. It is not exact: of the 10 nearest among 91,000 sentences either kind finds about 99 of 100
    (benchmarks/search/engines.py, docs/index.md). `ranked` is exact, and so is a search that few items are allowed in,
    that asks for many of them, or that the graph gives too few for: k are found wherever there are k.

    The graph is made of the rows and can be lost at any time. Whoever adds has it made or extended once more than
    `waiting` rows are not in it; until then these are compared one by one, so that they are found at once. Who opens
    an index anew has it read, or made, after some queries, or by `build`. In a folder it is kept in `graph.faiss`
    beside the rows; a file that is damaged, of another version or of other vectors is not used, and made again.

    Args:
        columns: name -> type of what is known beside the vectors. path: the folder; None: in memory.
        kind: "hnsw", or "ivf", which is made in a tenth of the time and needs more of it to find as many.
        m, ef_construction: links of a vector, and how many are looked at to find them (hnsw).
        effort: how many vectors (hnsw) or lists (ivf) a search looks at; None: 128, or a sixth of the lists.
        waiting: how many rows may be outside of the graph.

    Learned: `keys_`, `vectors_` and `table_`, as of `Exact`, where it is in memory; not the graph.

    Source: Yu. Malkov, D. Yashunin, Efficient and robust approximate nearest neighbor search using hierarchical
    navigable small world graphs, 2018; M. Douze et al., The Faiss library, 2024.
    """

    allowed: ClassVar = {
        "kind": choice("hnsw", "ivf"),
        "m": COUNT,
        "ef_construction": COUNT,
        "effort": COUNT.or_none(),
        "waiting": COUNT,
    }

    def __init__(
        self,
        columns: Mapping[str, str] | None = None,
        path: Any = None,
        kind: str = "hnsw",
        m: int = 32,
        ef_construction: int = 128,
        effort: int | None = None,
        waiting: int = 1024,
    ):
        super().__init__(columns, path)
        self.kind = kind
        self.m = m
        self.ef_construction = ef_construction
        self.effort = effort
        self.waiting = waiting

    def build(self) -> Self:
        """Have the graph made, read or extended now, so that no search waits for it. Returns self."""
        self.check_params()
        self.check_fitted()
        self._tend(0)
        return self

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        gone = super().delete(keys)
        if gone:
            self._tend(self.waiting)
        return gone

    def _put(self, keys: Any, vectors: Any, metadata: Any, replace: bool) -> Self:
        super()._put(keys, vectors, metadata, replace)
        if self._filled():
            self._tend(self.waiting)
        return self

    def _nearest(self, held: Held, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Any:
        if few(_WIDE * k, allowed, len(held.vectors)):
            return exactly(held, queries, k, allowed)
        known = self._known_of(held, len(queries))
        if known is None:
            return exactly(held, queries, k, allowed)
        with known.graph.reading() as free:
            if not free or known.line is not held.line or known.through > len(held.vectors):
                return exactly(held, queries, k, allowed)
            rows, rest = known.rows, np.arange(known.through, len(held.vectors))
            mask = None
            if allowed is not None or known.gone:
                mask = (rows >= 0) if allowed is None else (rows >= 0) & allowed[rows]
            found = known.graph.nearest(queries, min(k, len(rows)), mask, self.effort)
        inside = int(len(rows) if mask is None else mask.sum())
        rest = rest if allowed is None else rest[allowed[rest]]
        beside = np.zeros((len(queries), 0), dtype=np.int64)
        if len(rest):
            beside = rest[nearest(np.asarray(held.vectors[rest]), queries, min(k, len(rest)))[0]]
        out = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        for place, query in enumerate(queries):
            some = found[place][found[place] >= 0]
            if len(some) < min(k, inside):
                out[place : place + 1], scores[place : place + 1] = exactly(held, query[None], k, allowed)
                continue
            both = np.concatenate([rows[some], beside[place]])
            values = rescored(held.vectors, both, query)
            order = np.lexsort((both, -values))[:k]
            out[place], scores[place] = both[order], values[order]
        return out, scores

    def _known_of(self, held: Held, queries: int) -> Numbered | None:
        """The graph, if it is one of these rows; after enough queries one that lacks rows is seen to."""
        graphs = self._graphs()
        known = graphs.known
        covered = known.through if known is not None and known.line is held.line else 0
        if len(held.vectors) - covered > self.waiting:
            graphs.missed += queries
            if graphs.missed >= _ASKED:
                self._tend(self.waiting)
        return graphs.known

    def _tend(self, outside: int) -> None:
        """Have a graph that lacks at most `outside` rows; with some left to, not where another thread is about it."""
        graphs = self._graphs()
        if not graphs.making.acquire(blocking=not outside):
            return
        try:
            held, known = self._held(), graphs.known
            if known is not None and known.line is not held.line and self.path is None:
                with known.graph.alone():
                    known.follow(held)
            if known is not None and (known.line is not held.line or self._spent(known, held)):
                known, graphs.saved = None, 0
            if known is None and len(held.vectors) > outside:
                known = self._kept(held)
            if known is not None and len(held.vectors) - known.through > outside:
                with known.graph.alone():
                    known.take(held)
            graphs.known, graphs.missed = known, 0
            if known is not None and self.path is not None:
                self._save(known, held)
        except BaseException:  # interrupted: the graph may hold what its rows do not tell
            if graphs.known is not None:
                graphs.known.line = None
                graphs.known = None
            raise
        finally:
            graphs.making.release()

    def _kept(self, held: Held) -> Numbered:
        """The graph that is kept in the folder, or an empty one."""
        width = held.vectors.shape[1]
        graph = Graph(self.kind, width, len(held.vectors), self.m, self.ef_construction)
        if self.path is not None and (read := graph.read(self._file(), held.vectors)) is not None:
            known = Numbered(read, held)
            if not self._spent(known, held):
                self._graphs().saved = len(read)
                return known
        return Numbered(graph, held)

    def _spent(self, known: Numbered, held: Held) -> bool:
        """Whether most of it is deleted, or its lists are too few."""
        grown = self.kind == "ivf" and len(held.vectors) > _GROWN * known.graph.made_of
        return grown or 2 * known.dead(held) > len(known.rows)

    def _save(self, known: Numbered, held: Held) -> None:
        """Keep the graph in the folder, where its file lacks many."""
        graphs, count = self._graphs(), len(known.rows)
        if count - graphs.saved <= _UNSAVED * count:
            return
        try:
            known.graph.write(self._file(), held.vectors)
            graphs.saved = count
        except OSError as error:  # the rows are safe: only the next one to open them has to make it again
            log.warning("the graph of %s could not be kept (%s)", self.path, error.strerror)

    def _file(self) -> Path:
        return Path(self.path).expanduser() / "graph.faiss"

    def _graphs(self) -> _Graphs:
        return vars(self).setdefault("_made", _Graphs())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_made"}


class _Graphs:
    """What an index knows of its graph."""

    def __init__(self) -> None:
        self.making = threading.Lock()
        self.known: Numbered | None = None
        self.missed = 0
        """Queries that were answered without it since it lacks many."""
        self.saved = 0
        """How many of its vectors are in the file."""
