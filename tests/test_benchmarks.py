"""The benchmarks: each stands alone and says its command; saved figures are what the documents say."""

import ast
import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import _trials, measured
from benchmarks._trials import Figure
from benchmarks.distill._teaching import fewer

FOLDER = Path(__file__).parents[1] / "benchmarks"
FILES = sorted(FOLDER.glob("*/*.py"))
BENCHMARKS = [path for path in FILES if not path.name.startswith("_")]
RESULTS = sorted((FOLDER / "results").glob("*.json"))
FIELDS = "id what value low high interval sd unit format n command date cores card load rerun".split()


def name(path):
    return ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)


def imported(path):
    """The modules of `benchmarks` that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "benchmarks":
            yield from ([node.module] if node.module.count(".") else [f"benchmarks.{one.name}" for one in node.names])
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] == "benchmarks")


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_benchmark_imports_another(path):
    for module in imported(path):
        *folder, last = module.split(".")[1:]
        assert last.startswith("_"), f"{name(path)} imports {module}"
        assert folder in ([], [path.parent.name]), f"{name(path)} imports {module}, a helper of another folder"


@pytest.mark.parametrize("path", BENCHMARKS, ids=name)
def test_a_benchmark_says_its_command_and_parses_help(path, monkeypatch, capsys):
    module = importlib.import_module(name(path))
    assert f"`python -m {name(path)}" in module.__doc__
    names = [figure.name for figure in module.FIGURES]
    assert names
    assert len(names) == len(set(names))
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    monkeypatch.setattr(module, "run", lambda *_, **__: pytest.fail("--help ran it"), raising=False)
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    assert "--save" in capsys.readouterr().out


@pytest.mark.parametrize("path", [*FILES, *FOLDER.glob("*.py")], ids=name)
def test_a_benchmark_is_no_longer_than_a_reader_bears(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_saved_figures_are_whole_and_those_of_their_benchmark(file):
    topic, short = file.stem.split(".")
    assert topic in measured.TOPICS
    known = {}
    if (FOLDER / topic / f"{short}.py").exists():
        module = importlib.import_module(f"benchmarks.{topic}.{short}")
        known = {f"{short}.{figure.name}": figure for figure in module.FIGURES}
    for saved in json.loads(file.read_text(encoding="utf-8")):
        assert list(saved) == FIELDS
        assert saved["id"].split(".")[0] == short
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", saved["date"])
        assert (saved["low"] is None) == (saved["high"] is None) == (saved["interval"] is None)
        figure = known.get(saved["id"])
        assert figure or not saved["rerun"], f"{saved['id']} was saved by no benchmark"
        if figure:
            assert saved["what"] == figure.what
            assert (saved["unit"], saved["format"]) == (figure.unit, figure.format)
        if saved["rerun"]:
            assert saved["load"]
            assert saved["command"].startswith("python -m benchmarks.")
        if script := re.match(r"python -m benchmarks\.(\w+)\.(\w+)", saved["command"]):
            assert script.groups() == (topic, short)


def test_every_document_says_what_the_results_say():
    stale = [path.name for path, text in measured.made().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"{stale} disagree with benchmarks/results; run: python -m benchmarks.measured"


def test_the_readme_has_ten_lines_of_figures():
    block = (FOLDER.parent / "README.md").read_text(encoding="utf-8").split("<!-- measured -->")[1]
    assert len(block.split("<!-- /measured -->")[0].strip().splitlines()) == 2 + 10


def test_a_number_is_shown_as_its_figure_asks():
    share, points, tiny = (
        {"unit": unit, "format": form} for unit, form in (("", "+.3f"), ("points", "+.1f"), ("", ".0e"))
    )
    assert measured.number(0.93, share) == "+.930"
    assert measured.number(-0.006, share, sign=False) == "-.006"
    assert measured.number(0.02, points) == "0.0"
    assert measured.number(3.1e-15, tiny) == "3e-15"
    assert measured.number(2e-6, tiny) == "2e-6"


def test_markers_are_filled_in_and_an_unknown_figure_is_named():
    figures = {"a.b": {"value": 40.33, "low": 34.7, "high": 46.0, "sd": 1.0, "unit": "%", "format": ".1f"}}
    text = "R@1 <!--=a.b unit []-->old\ntext<!--/-->, sd <!--=a.b sd--><!--/-->"
    filled = "R@1 <!--=a.b unit []-->40.3 % [34.7, 46.0]<!--/-->, sd <!--=a.b sd-->1.0<!--/-->"
    assert measured.fill(text, figures) == filled
    assert measured.fill(filled, figures) == filled
    with pytest.raises(SystemExit, match=r"no figure named 'a\.c'"):
        measured.fill("<!--=a.c--><!--/-->", figures)


def test_a_figure_is_read_where_it_stands_in_its_own_unit():
    result = {
        "queries": 300,
        "part": {"R@1": {"value": 0.4, "low": 0.3, "high": 0.5}, "rsum": {"mean": 9.0, "sd": 2.0, "n": 7}},
    }
    found = Figure("r1", ("part", "R@1"), "R@1", "%", n="{queries} queries", scale=100).read(result)
    assert found == {
        "what": "R@1", "value": 40.0, "low": 30.0, "high": 50.0, "interval": "95 %", "sd": None, "unit": "%",
        "format": ".1f", "n": "300 queries",
    }  # fmt: skip
    mean = Figure("rsum", ("part", "rsum"), "rsum", n="{n} splits").read(result)
    assert (mean["value"], mean["sd"], mean["low"], mean["interval"], mean["n"]) == (9.0, 2.0, None, None, "7 splits")
    assert Figure("other", ("not run", "R@1"), "R@1").read(result) is None


def test_saving_replaces_the_figures_of_the_run_and_keeps_the_others(tmp_path):
    file = tmp_path / "search.toy.json"
    figures = [Figure("one", ("a",), "one"), Figure("two", ("b",), "two")]
    how = {"command": "c", "date": "2026-01-01", "cores": 2, "card": None, "load": "1.0"}
    assert _trials.save(file, figures, {"a": 1, "b": 2}, how) == []
    assert _trials.save(file, figures, {"b": 3}, how | {"date": "2026-01-02"}) == ["one"]
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert [(one["id"], one["value"], one["date"]) for one in saved] == [
        ("toy.one", 1.0, "2026-01-01"),
        ("toy.two", 3.0, "2026-01-02"),
    ]
    assert list(saved[0]) == FIELDS


@pytest.mark.parametrize(("share", "labels"), [(1, 20), (5, 20), (25, 50), (100, 200)])
def test_a_share_of_the_labels_is_that_share_or_two_of_every_class(share, labels):
    label = np.array([f"class {i % 10}" for i in range(250)], dtype=object)
    kept = fewer(label, np.arange(200), share, 0)
    named = [one for one in kept if one is not None]
    assert len(named) == labels
    assert min(named.count(one) for one in set(label)) >= 2
    assert (kept[200:] == None).all()  # noqa: E711
