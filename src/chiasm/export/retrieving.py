"""A search model as files: a map a view, the indexed vectors and items."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.export.contents import Contents, encoders, generated, stems
from chiasm.export.network import OPSET, onnx_bytes, run
from chiasm.graph import Graph
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import normalize

__all__ = ["contents"]

_QUERIES = {"text": "words", "image": "a picture's file", "vector": "rows in a .npy"}
"""What is asked with, by modality."""


def contents(model: Retrieve) -> Contents:
    """The folder of a fitted model; a ChiasmError where an encoder, the aligner or the index has no such form."""
    aligner, names = model.aligner_, stems(model.views_)
    maps = {view: _map(aligner, view) for view in model.views_}
    views, lines, files = {}, [], dict[str, bytes | Path | np.ndarray]()
    for view, modality in model.views_.items():
        told, held = encoders(model, view)
        vectors, items = _gallery(model, view)
        stem, width, (n, k) = names[view], aligner.reads[view], vectors.shape
        files |= {
            **held,
            f"{stem}.onnx": maps[view],
            f"{stem}.npy": vectors,
            f"{stem}.json": json.dumps(items).encode(),
        }
        order = vars(model).get("features_", {}).get(view)
        views[view] = {
            "modality": modality,
            "encoders": told,
            "map": f"{stem}.onnx",
            "width": width,
            "vectors": f"{stem}.npy",
            "shape": [n, k],
            "alike": int(np.count_nonzero(aligner.without_correction(np.ones((1, k), np.float32)))),
            "items": f"{stem}.json",
            **({"names": list(order)} if order else {}),
        }
        lines += [
            f"{stem}.onnx    view {view}: rows (n, {width}) -> mapped (n, {k}), float32, opset {OPSET}",
            f"{stem}.npy    its {n} indexed items in the shared space, ({n}, {k}) float32, of length 1",
            f"{stem}.json    the item, id and split of each of these, in their order",
        ]
    asked = ", ".join(dict.fromkeys(_QUERIES[modality] for modality in model.views_.values()))
    usage = [
        f"    python reader.py QUERY               QUERY: {asked}",
        "    python reader.py QUERY FROM TO 10    asked in view FROM, answered in view TO, ten answers",
        "",
        "reader.py     encodes the query, maps it, compares; search(query, start, to, k) is the same from Python",
    ]
    left_out = [
        "A score is the cosine of two mapped rows, of items of one view the product of their first numbers alone, and",
        "equals the model's to 1e-4. Left out: why a hit was found, and whether nothing matches at all.",
    ]
    if vars(model).get("reranker_") is not None:
        left_out += ["And so is the second look at the best 20 hits: their order may differ from the model's."]
    return Contents(files, {"views": views}, aligner, _difference(aligner, maps), usage, lines, left_out)


def _map(aligner: Any, view: str) -> bytes:
    """Rows `(n, d)` of a view -> the shared space `(n, k)`, as an ONNX file."""
    graph = Graph()
    mapped = aligner.traced(view, graph.input("rows"))
    return onnx_bytes(graph, mapped, {"rows": aligner.reads[view]})


def _difference(aligner: Any, maps: Mapping[str, bytes]) -> float:
    """The most by which cosines of generated rows of two views differ between the aligner and the files."""
    rows = generated(aligner.reads)
    ours = {view: normalize(aligner.transform({view: held})[view].items) for view, held in rows.items()}
    theirs = {view: normalize(run(maps[view], rows=held)) for view, held in rows.items()}
    apart = [np.abs(ours[a] @ ours[b].T - theirs[a] @ theirs[b].T).max() for a, b in permutations(ours, 2)]
    return float(max(apart))


def _gallery(model: Retrieve, view: str) -> tuple[np.ndarray, list[dict[str, str]]]:
    """What is indexed of a view: unit vectors `(m, k)` float32, and the item, id and split of each."""
    index, table = model.indexes_[view], model.items_[view]
    if not hasattr(index, "vectors_"):
        raise ChiasmError(
            f"wanted an index that holds its vectors, got {index!r}: fit with index='exact' to export the model."
        )
    told = {name: table[name][np.asarray(index.keys_, dtype=np.int64)] for name in ("item", "id", "split")}
    items = [dict(zip(told, map(str, row), strict=True)) for row in zip(*told.values(), strict=True)]
    return np.asarray(index.vectors_, dtype=np.float32), items
