"""The architecture: imports point strictly down, siblings do not import each other, the front door stays light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chiasm.registry import KINDS

SOURCE = Path(__file__).parents[1] / "src" / "chiasm"

LINE = """
cli -> serve -> collection export flow -> tasks -> contracts -> compare -> report -> measure
-> align fuse distill generate tune explain index -> encoding -> encode -> nn data -> stats media target splits
-> cache recipe score -> registry -> finite -> asked -> views -> frames checks -> column
-> tokens part files scale known device where -> graph -> allowed -> moved errors source_tree
"""
"""The one line of the design; what stands in one place between two arrows does not import its neighbors."""
LAYERS = [set(names.split()) for names in LINE.split("->")][::-1]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def unit(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "chiasm"


def modules() -> set[str]:
    paths = (path.relative_to(SOURCE.parent).with_suffix("") for path in SOURCE.rglob("*.py"))
    return {".".join(path.parts).removesuffix(".__init__") for path in paths}


MODULES = modules()


def imports(path: Path) -> list[tuple[str, str]]:
    """(module, name) of everything imported from chiasm; the name is "" where the module itself is imported.

    Whole names alone: no relative import, and modules that are imported by a string count too.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "chiasm":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append((whole, "") if whole in MODULES else (node.module, alias.name))
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names if alias.name.split(".")[0] == "chiasm"]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".")[-1] in ("import_module", "__import__"):
            told = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
            found += [(told, "")] if str(told).split(".")[0] == "chiasm" else []
    return found


def private(path: Path) -> tuple[set[str], set[str]]:
    """The private attributes that a file's code gives to things, and those that it asks other things for."""
    given, asked = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            given |= {ast.unparse(target).rsplit(".")[-1] for each in targets for target in ast.walk(each)
                      if isinstance(target, ast.Name | ast.Attribute)}  # fmt: skip
        elif isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr):
            asked |= {node.attr} if ast.unparse(node.value) not in ("self", "cls", "super()", "os") else set()
    return given, asked - {"_asdict", "_replace", "_fields"}


FILES = sorted(p for p in SOURCE.rglob("*.py") if p.parent != SOURCE or p.name not in ("__init__.py", "__main__.py"))


def mine(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_strictly_down(path):
    for module, _ in imports(path):
        other = unit(module)
        if other != mine(path):
            assert DEPTH[other] < DEPTH[mine(path)], f"{mine(path)} imports {module}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_say_the_whole_name(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_private_name_crosses_a_folder(path):
    for module, name in imports(path):
        if unit(module) != mine(path):
            for part in [*module.split(".")[1:], name]:
                assert not part.startswith("_") or part.startswith("__"), f"{mine(path)} imports {module} {name}"


@pytest.mark.parametrize("unit", sorted({mine(path) for path in FILES}))
def test_no_private_attribute_crosses_a_folder(unit):
    each = [private(path) for path in FILES if mine(path) == unit]
    given, asked = (set().union(*(pair[i] for pair in each)) for i in (0, 1))
    assert asked <= given


def test_a_private_folder_of_a_task_serves_that_task_alone():
    for path in (SOURCE / "tasks").rglob("*.py"):
        for module, _ in imports(path):
            parts = module.split(".")
            if parts[1:2] == ["tasks"] and (SOURCE / "tasks" / parts[2]).is_dir():
                assert parts[2] in (path.parent.name, f"_{path.stem}"), f"{path.name} imports {module}"


@pytest.mark.parametrize("kind", KINDS)
def test_siblings_of_a_kind_do_not_import_each_other(kind):
    for path in sorted((SOURCE / kind).glob("[!_]*.py")):
        for module, _ in imports(path):
            parts = module.split(".")
            if parts[1:2] == [kind] and len(parts) > 2:
                assert parts[2].startswith("_"), f"{path.name} imports its sibling {module}"


def test_every_unit_of_the_package_has_a_layer():
    assert {mine(p) for p in FILES} <= set(DEPTH)


def test_no_file_is_longer_than_a_reader_bears():
    long = {
        str(p.relative_to(SOURCE)): n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_the_front_door_imports_neither_torch_nor_sklearn():
    code = (
        "import sys, chiasm, chiasm.cli, chiasm.tasks.retrieve; "
        "print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sorted((SOURCE / "cli").glob("*.py")), ids=lambda p: p.name)
def test_the_command_line_computes_nothing_and_reads_through_a_source(path):
    text = path.read_text(encoding="utf-8")
    assert "import numpy" not in text
    assert not {module for module, _ in imports(path)} & {"chiasm.data.table", "chiasm.media.windows"}
    assert not any(isinstance(n, ast.Attribute) and n.attr == "source_" and isinstance(n.ctx, ast.Load)
                   for n in ast.walk(ast.parse(text)))  # fmt: skip
