"""A structure of FAISS over vectors: taken in, searched among those that a mask allows, written and read again."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.files import lock, write_atomic

__all__ = ["Graph"]

_FORMAT = 1
_CHUNK = 16_384
_HEADER = 4096
_LEAST = 0.02
"""The least share of allowed vectors for which the effort still grows: fewer are compared without the graph."""


class Graph:
    """Vectors in an HNSW graph or an inverted file, numbered as they were taken in.

    Many search at once; while some are taken in, nobody searches: `reading` says whether one may.

    Args:
        kind: "hnsw" or "ivf". m, ef_construction: links of a vector, and how many are looked at for them (hnsw).
        width: d. count: how many vectors are to come (ivf, for the number of its lists).
    """

    def __init__(self, kind: str, width: int, count: int, m: int = 32, ef_construction: int = 128, index: Any = None):
        faiss = _faiss()
        self.kind, self.width, self.made_of, self.m, self.ef_construction = kind, width, count, m, ef_construction
        if index is not None:
            self.index = index
        elif kind == "hnsw":
            self.index = faiss.IndexHNSWFlat(width, m, faiss.METRIC_INNER_PRODUCT)
            self.index.hnsw.efConstruction = ef_construction
        else:
            lists = max(1, min(int(2 * count**0.5), count // 8))
            coarse = faiss.IndexFlatIP(width)
            self.index = faiss.IndexIVFFlat(coarse, width, lists, faiss.METRIC_INNER_PRODUCT)
            self.index.cp.min_points_per_centroid = 1  # it would warn on the standard error
        self._readers, self._taking = 0, False
        self._turn = threading.Condition()

    def __len__(self) -> int:
        return int(self.index.ntotal)

    @contextmanager
    def reading(self) -> Iterator[bool]:
        """Whether it may be searched; within the block nothing is taken in."""
        with self._turn:
            if free := not self._taking:
                self._readers += 1
        try:
            yield free
        finally:
            if free:
                with self._turn:
                    self._readers -= 1
                    self._turn.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block nobody searches; one at a time."""
        with self._turn:
            self._taking = True
            self._turn.wait_for(lambda: not self._readers)
        try:
            yield
        finally:
            with self._turn:
                self._taking = False

    def take(self, vectors: np.ndarray) -> None:
        """Take in further vectors `(n, d)`; the caller is `alone`."""
        if self.kind == "ivf" and not self.index.is_trained:
            step = -(-len(vectors) // (64 * self.index.nlist))
            self.index.train(np.ascontiguousarray(vectors[::step], dtype=np.float32))
        for start in range(0, len(vectors), _CHUNK):
            self.index.add(np.ascontiguousarray(vectors[start : start + _CHUNK], dtype=np.float32))

    def nearest(self, queries: np.ndarray, k: int, allowed: np.ndarray | None, effort: int | None) -> np.ndarray:
        """Numbers `(q, k)` of about the nearest; -1 where no more were found.

        Args:
            allowed: mask of the vectors that may be found. effort: how many are looked at (hnsw: efSearch) or how
                many lists (ivf: nprobe) where all are allowed; None: 128, or a sixth of the lists.
        """
        faiss = _faiss()
        chosen, share = None, 1.0
        if allowed is not None:
            share = max(float(allowed.mean()), _LEAST)
            chosen = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        if self.kind == "hnsw":
            given = faiss.SearchParametersHNSW(efSearch=int(max(effort or 128, 2 * k) / share), sel=chosen)
        else:
            lists = int(self.index.nlist)
            asked = max(effort or max(8, lists // 6), -(-2 * k * lists // max(1, len(self))))
            given = faiss.SearchParametersIVF(nprobe=int(min(lists, asked / share)), sel=chosen)
        found: np.ndarray = self.index.search(np.ascontiguousarray(queries), k, params=given)[1]
        return found

    def write(self, file: Path, vectors: np.ndarray) -> None:
        """Keep it in a file; `vectors` are those that it was made of, row by row."""
        faiss = _faiss()
        held = faiss.serialize_index(self.index)
        facts = {**self._facts(faiss.__version__), "rows": len(self), "made_of": self.made_of}
        facts["vectors"], facts["bytes"] = _digest(vectors[: len(self)]), hashlib.sha256(held.data).hexdigest()
        header = json.dumps(facts).encode().ljust(_HEADER)
        with lock(file.parent):
            write_atomic(file, [header, held.data])

    def read(self, file: Path, vectors: np.ndarray) -> Graph | None:
        """The one in a file, of this kind, made of the first of these vectors; None where there is none, or damaged."""
        faiss = _faiss()
        try:
            with open(file, "rb") as opened:
                facts = json.loads(opened.read(_HEADER))
                body = np.fromfile(opened, dtype=np.uint8)
            rows = facts["rows"]
            fits = all(facts[name] == value for name, value in self._facts(faiss.__version__).items())
            if not fits or not 0 < rows <= len(vectors) or hashlib.sha256(body.data).hexdigest() != facts["bytes"]:
                return None
            if _digest(vectors[:rows]) != facts["vectors"]:
                return None
            index = faiss.deserialize_index(body)
            if index.ntotal != rows or index.d != self.width:
                return None
            return Graph(self.kind, self.width, int(facts["made_of"]), self.m, self.ef_construction, index)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
            return None

    def _facts(self, version: str) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "faiss": version,
            "kind": self.kind,
            "width": self.width,
            "m": self.m,
            "ef_construction": self.ef_construction,
        }


def _faiss() -> Any:
    import faiss

    return faiss


def _digest(vectors: np.ndarray) -> str:
    found = hashlib.sha256()
    for start in range(0, len(vectors), _CHUNK):
        found.update(np.ascontiguousarray(vectors[start : start + _CHUNK]).data)
    return found.hexdigest()
