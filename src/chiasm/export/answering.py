"""A model that answers as files: a head for every set of views that a row may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.export.contents import Contents, encoders, generated, stems
from chiasm.export.network import OPSET, onnx_bytes, run
from chiasm.graph import Graph

__all__ = ["contents"]

EVERY = 3
"""Up to this many views there is a file for every set of them; of more, for all together and for each alone."""


def contents(model: Any) -> Contents:
    """The folder of a fitted `Classify`, `Tag` or `Regress`; a ChiasmError where a part has no such form."""
    fuser, target, names = model.fuser_, model.fuser_.target_, stems(model.views_)
    views, files = {}, dict[str, bytes | Path | np.ndarray]()
    for view, modality in model.views_.items():
        told, held = encoders(model, view)
        files |= held
        order = vars(model).get("features_", {}).get(view)
        views[view] = {
            "modality": modality,
            "encoders": told,
            "input": names[view],
            "width": fuser.widths_[view],
            **({"names": list(order)} if order else {}),
        }
    rows = generated(fuser.widths_)
    maps, lines, apart = [], list[str](), list[float]()
    for held_views in _sets(list(model.views_)):
        head = _head(fuser, held_views, names)
        apart.append(_apart(fuser, {view: rows[view] for view in held_views}, head, names))
        file = f"{'+'.join(names[view] for view in held_views)}.onnx"
        files[file] = head
        width = {"plus_minus_90": model.widths(np.array([len(held_views)]))[0]} if model.kind == "numbers" else {}
        maps.append({"views": held_views, "file": file, **width})
        inputs = ", ".join(f"{names[view]} (n, {fuser.widths_[view]})" for view in held_views)
        lines.append(f"{file}    of a row with {' and '.join(held_views)}: {inputs} -> (n, {len(target.names_)}),")
        lines.append(f"    float32, opset {OPSET}")
    about: dict[str, Any] = {"kind": model.kind, "names": list(target.names_), "views": views, "maps": maps}
    if model.kind == "tags":
        limits = np.broadcast_to(np.asarray(model.thresholds_, dtype=float), len(target.names_))
        about["thresholds"] = dict(zip(target.names_, limits.tolist(), strict=True))
    shown = " ".join(f"{view}={'WORDS' if m == 'text' else 'FILE'}" for view, m in model.views_.items())
    usage = [
        f"    python reader.py {shown}",
        "",
        "reader.py     encodes what is given of a row and answers; answer({view: item}) is the same from Python",
    ]
    left_out = ["Answers equal the model's to 1e-4. Left out: scores and what each view adds."]
    return Contents(files, about, fuser, max(apart), usage, lines, left_out)


def _sets(views: Sequence[str]) -> list[list[str]]:
    sizes = range(len(views), 0, -1) if len(views) <= EVERY else (len(views), 1)
    return [list(some) for size in sizes for some in combinations(views, size)]


def _head(fuser: Any, held: Sequence[str], names: Mapping[str, str]) -> bytes:
    """Encoded rows by view -> the outputs `(n, c)`, as an ONNX file."""
    graph = Graph()
    inputs = {view: graph.input(names[view]) for view in held}
    outputs = fuser.traced(inputs)
    return onnx_bytes(graph, outputs, {names[view]: fuser.widths_[view] for view in held})


def _apart(fuser: Any, rows: Mapping[str, np.ndarray], head: bytes, names: Mapping[str, str]) -> float:
    """The most by which outputs differ: probabilities as they are, numbers as a share of the largest."""
    ours = fuser.outputs(rows)
    theirs = run(head, **{names[view]: held for view, held in rows.items()})
    largest = max(float(np.abs(ours).max()), 1e-30) if fuser.kind == "numbers" else 1.0
    return float(np.abs(ours - theirs).max()) / largest
