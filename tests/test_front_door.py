"""After `import chiasm` alone all is within reach, and nothing heavy has been imported."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chiasm
from chiasm import registry
from chiasm.cli._words import flags
from chiasm.data.read import read
from chiasm.errors import ChiasmError

SOURCE = Path(chiasm.__file__).parent

FOLDERS = (*registry.KINDS, "compare", "contracts", "data", "encoding", "measure", "media", "report", "stats")


def fresh(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_chiasm_is_light_and_so_are_its_folders_but_for_what_they_need():
    heavy = "('torch', 'sklearn', 'pandas', 'transformers', 'onnxruntime')"
    code = f"import sys, chiasm; print([m for m in {heavy} if m in sys.modules], 'scipy' in sys.modules)"
    assert fresh(code) == "[] False"
    reach = f"import sys, chiasm\nfor name in {FOLDERS!r}: getattr(chiasm, name)\nchiasm.read; chiasm.align.CCA\n"
    assert fresh(f"{reach}print([m for m in {heavy} if m in sys.modules])") == "[]"


def test_every_folder_is_reached_from_chiasm_alone_and_listed():
    assert (
        fresh(f"import chiasm\nprint(all(getattr(chiasm, n).__name__ == 'chiasm.' + n for n in {FOLDERS!r}))") == "True"
    )
    assert set(FOLDERS) <= set(dir(chiasm))
    assert set(chiasm.__all__) <= set(dir(chiasm))


def test_read_shows_its_signature_and_its_docstring():
    assert inspect.signature(chiasm.read) == inspect.signature(read)
    assert chiasm.read.__doc__ == read.__doc__
    assert "text" in inspect.signature(chiasm.read).parameters


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_part_is_reached_by_its_class_name_and_listed(kind):
    folder = getattr(chiasm, kind)
    for name, entry in registry.entries(kind).items():
        cls = entry.target.partition(":")[2]
        if not entry.missing:
            assert getattr(folder, cls) is registry.get(kind, name)
            assert cls in dir(folder)
        else:
            assert cls not in dir(folder)
    assert set(folder.__all__) <= set(dir(folder))


def test_a_name_that_is_not_there_is_an_attribute_error():
    for held, name in ((chiasm, "nothing"), (chiasm.align, "Nothing"), (chiasm.align, "_private")):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(held, name)
    assert not hasattr(chiasm.fuse, "CCA")


def test_names_without_a_kind_are_those_of_all():
    assert chiasm.names() == {kind: chiasm.names(kind) for kind in registry.KINDS}


def test_no_sentence_of_the_library_tells_a_python_caller_of_command_line_options():
    told = []
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent.name == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".")[-1] in ("ChiasmError", "MediaError"):
                words = " ".join(
                    n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and type(n.value) is str
                )
                told += (
                    [f"{path.name}:{node.lineno}"] if re.search(r"(?<![-\w])--[a-z]", words.split("pip ")[0]) else []
                )
    assert not told


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("name a column (text='COL', image='COL')", "name a column (--text COL, --image COL)"),
        ("insist with allow_train=True.", "insist with --allow-train."),
        ("score others (where={'split': 'test'}) now", "score others (--where split=test) now"),
        ("say window=SECONDS.", "say --window SECONDS."),
        ("save it as UTF-8, or say encoding='gb18030'", "save it as UTF-8, or say --encoding gb18030"),
        ("a cell with my_text='x', or '\u8bf4\u660e'", "a cell with my_text='x', or '\u8bf4\u660e'"),
        ("no column named 'to=x'", "no column named 'to=x'"),
    ],
)
def test_the_command_line_says_parameters_as_options(said, wanted):
    assert flags(said) == wanted


def test_one_error_has_the_words_of_the_door_that_was_taken(tmp_path, run):
    table = tmp_path / "t.csv"
    table.write_text("a,b\nx,y\n")
    with pytest.raises(ChiasmError, match=r"text='COL', image='COL'"):
        chiasm.read(table)
    done = run("encode", table)
    assert done.returncode == 1
    assert "--text COL, --image COL" in done.stderr
    assert "='COL'" not in done.stderr
