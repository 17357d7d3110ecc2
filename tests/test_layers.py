"""The architecture: imports point down, siblings do not import each other, the front door stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "chiasm"

LAYERS = [
    {"errors"},
    {"calibration", "classification", "conformal", "part", "views", "metrics", "score", "scale"},
    {"files", "filtering", "hubness", "registry"},
    {"cache", "clips", "covariance", "matching", "media", "open_media", "recipe", "resample", "trust"},
    {"data", "encode", "encoding", "moments", "nn", "regions", "sheet", "shots", "speech"},
    {"align", "compare", "fuse", "index"},
    {"labels", "tasks"},
    {"cli"},
]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def unit(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "chiasm"


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("chiasm"):
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "chiasm" else [node.module]
            )
            found += names
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("chiasm")]
    return found


FILES = sorted(p for p in SOURCE.rglob("*.py") if p.name not in ("__init__.py", "__main__.py") or p.parent != SOURCE)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path):
    mine = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for module in imports(path):
        other = unit(module)
        if other == mine:
            continue
        assert DEPTH[other] <= DEPTH[mine], f"{mine} imports {module}, which is above it"


KINDS = ("encode", "align", "fuse", "index", "tasks")


@pytest.mark.parametrize("kind", KINDS)
def test_siblings_of_a_kind_do_not_import_each_other(kind):
    for path in sorted((SOURCE / kind).glob("*.py")):
        for module in imports(path):
            parts = module.split(".")
            if parts[1:2] == [kind] and len(parts) > 2 and path.stem != "__init__":
                private = parts[2].startswith("_") or path.stem.startswith("_")
                assert private, f"{path.name} imports its sibling {module}"


def test_every_unit_of_the_package_has_a_layer():
    units = {p.relative_to(SOURCE).parts[0].removesuffix(".py") for p in FILES}
    assert units == set(DEPTH)


def test_the_front_door_imports_neither_torch_nor_sklearn():
    code = (
        "import sys, chiasm, chiasm.cli, chiasm.tasks.retrieve; "
        "print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
