"""What an exported folder holds, whatever the task: encoders, names of files, rows to compare on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.encoding.joined import Joined, members

__all__ = ["Contents", "encoders", "generated", "stems"]

_ROWS = 64


class Contents(NamedTuple):
    """Files by name, and what is said of them."""

    files: dict[str, bytes | Path | np.ndarray]
    about: dict[str, Any]
    """For model.json; `views` is in it."""
    part: Any
    """The aligner or fuser that the ONNX files are."""
    difference: float
    """The most by which their answers to generated rows differ from the part's."""
    usage: Sequence[str]
    """Lines of README.txt: how to ask,"""
    lines: Sequence[str]
    """what each file is,"""
    left_out: Sequence[str]
    """and what the model does beyond it."""


def encoders(model: Any, view: str) -> tuple[list[dict[str, Any]], dict[str, bytes | Path | np.ndarray]]:
    """How a view's items are encoded, one encoder beside the other; and the files that it takes.

    Raises a ChiasmError for an encoder that a reader cannot run.
    """
    if view not in model.encoding_.encoders_:
        return [{"kind": "rows", "settings": {}, "scale": 1.0}], {}
    encoder, told = model.encoding_.encoders_[view], []
    files: dict[str, bytes | Path | np.ndarray] = {}
    scales = encoder.scales_ if isinstance(encoder, Joined) else [1.0]
    for one, scale in zip(members(encoder), scales, strict=True):
        said = one.exported()
        places = {name: f"encoders/{said.kind}-{path.name}" for name, path in said.files.items()}
        files |= {places[name]: path for name, path in said.files.items()}
        told.append({"kind": said.kind, "settings": {**said.settings, **places}, "scale": float(scale)})
    return told, files


def stems(views: Iterable[str]) -> dict[str, str]:
    """By view the name of its files: what a file system takes of it, and no two alike, whatever case counts there."""
    taken, found = {"model", "reader", "readme", "encoders"}, {}
    for view in views:
        plain = re.sub(r"[^\w-]+", "_", view.encode("utf-8", "replace").decode())[:60] or "view"
        several = (plain, *(f"{plain}-{i}" for i in range(2, len(taken) + 3)))
        found[view] = next(one for one in several if one.casefold() not in taken)
        taken.add(found[view].casefold())
    return found


def generated(widths: dict[str, int]) -> dict[str, np.ndarray]:
    """Normal rows `(64, d)` float32 of each view, of many lengths: their spread falls from 1 to .01."""
    rng, spread = np.random.default_rng(0), np.logspace(0, -2, _ROWS)[:, None]
    return {name: (rng.normal(size=(_ROWS, d)) * spread).astype(np.float32) for name, d in widths.items()}
