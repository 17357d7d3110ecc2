"""What a module's source tells without importing it: whether a class is there, its first doc line, what it needs."""

from __future__ import annotations

import ast
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

__all__ = ["Found", "find", "first_line", "requires"]

_HOPS = 4
"""How often a class may be imported from one file into the next."""


class Found(NamedTuple):
    """What is known of `module:attribute`."""

    doc: str = ""
    """The first line of the class's docstring, or else of its module's; "" where the source says nothing."""
    requires: tuple[str, ...] = ()
    """The module's `requires`."""
    lacks: str = ""
    """What is wrong, in words, where it is plain from the source that there is no such thing."""


def find(module: str, attribute: str, hops: int = _HOPS) -> Found:
    """What the source of `module` tells of a class; imports from other files are followed, none is run.

    >>> find("chiasm.align.cca", "CCA").doc
    'Linear maps under which the views of a thing correlate the most; each direction scaled by sqrt(its correlation).'
    >>> find("chiasm.align.cca", "Cca").lacks
    "a module 'chiasm.align.cca' without 'Cca'"
    """
    spec = _spec(module)
    if spec is None:
        return Found(lacks=f"no module {module!r}")
    path = Path(spec.origin or "")
    if path.suffix != ".py" or not path.is_file():
        return Found()  # compiled, or in an archive: only importing would tell
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        return Found(lacks=f"a module {module!r} that is not Python ({error})")
    needs = requires(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == attribute:
            return Found(first_line(node) or first_line(tree), needs)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == attribute and hops:
                    told = find(_from(module, spec, node), alias.name, hops - 1)
                    return Found(told.doc or first_line(tree), needs or told.requires)
    if _may_hold(tree, attribute):
        return Found(first_line(tree), needs)
    return Found(lacks=f"a module {module!r} without {attribute!r}")


def first_line(node: ast.Module | ast.ClassDef) -> str:
    """The first line of a docstring, or ""."""
    return (ast.get_docstring(node) or "").split("\n")[0]


def requires(tree: ast.Module) -> tuple[str, ...]:
    """The modules that a file says it needs: `requires = ("sklearn",)`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "requires":
            try:
                return tuple(str(name) for name in ast.literal_eval(node.value))
            except (TypeError, ValueError):
                return ()
    return ()


def _spec(module: str) -> ModuleSpec | None:
    """Where a module lies; of "a.b.c" neither a nor a.b is imported, as `find_spec` alone would."""
    top, *inner = module.split(".")
    try:
        spec = find_spec(top)
        name = top
        for part in inner:
            name = f"{name}.{part}"
            if spec is None or spec.submodule_search_locations is None:
                return None
            spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    except (ImportError, AttributeError, ValueError):
        return None
    return spec


def _from(module: str, spec: ModuleSpec, node: ast.ImportFrom) -> str:
    """The module that `from ... import` in `module` names."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    up = node.level - (1 if spec.submodule_search_locations is not None else 0)
    held = parts[: len(parts) - up]
    return ".".join([*held, *([node.module] if node.module else [])])


def _may_hold(tree: ast.Module, attribute: str) -> bool:
    """Whether a name may be there that is no class: assigned, imported, or made by what runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == attribute:
            return True
        if isinstance(node, ast.FunctionDef) and node.name in (attribute, "__getattr__"):
            return True
        if isinstance(node, ast.ImportFrom | ast.Import):
            for alias in node.names:
                if alias.name == "*" or (alias.asname or alias.name) == attribute:
                    return True
    return False
