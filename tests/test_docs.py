"""The documents say what is so: commands parse, snippets run, named files and links exist, every option has help."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

import chiasm
from chiasm.cli import cli
from conftest import make_pictures

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```(?:{language})\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def commands() -> list[tuple[str, str]]:
    lines = [
        (page.name, line.strip()) for page in PAGES for b in blocks(page, "sh|console|") for line in b.splitlines()
    ]
    lines = [(page, line.removeprefix("$ ").split("  #")[0]) for page, line in lines]
    return [(page, line) for page, line in lines if line.startswith("chiasm ")]


def walk(command: click.Command, words: list[str]) -> tuple[click.Command, list[str]]:
    while isinstance(command, click.Group) and words:
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"no command {words[0]!r}"
        command, words = inner, words[1:]
    return command, words


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_documented_command_parses(page, line):
    command, words = walk(cli, shlex.split(line.replace("...", ""))[1:])
    if "--help" not in words:
        command.make_context("chiasm", words)  # parses options and arguments; runs nothing


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_the_readme_shows_five_commands_and_another_page_explains_them():
    shown = [line for page, line in commands() if page == "README.md"]
    assert len(shown) >= 5
    assert {shlex.split(line)[1] for line in shown} <= {
        shlex.split(line)[1] for page, line in commands() if page == "commands.md"
    }


def test_the_make_targets_of_the_readme_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(r"^make (\w+)", "\n".join(blocks(README, "sh")), re.M)
    assert named == ["demo", "test"]
    assert set(named) <= set(targets)


def test_the_python_snippet_of_the_commands_runs(capsys):
    pytest.importorskip("pandas")
    (snippet,) = blocks(ROOT / "docs" / "commands.md", "python")
    held = {}
    exec(compile(snippet, "commands.md", "exec"), held)
    assert held["answers"][0].tolist() == ["+", "-"]
    assert "p(+)" in capsys.readouterr().out
    assert held["vectors"].names == ["v", "words"]


@pytest.mark.slow
def test_the_python_snippets_of_the_readme_run(tmp_path, monkeypatch):
    splits = ["train"] * 8 + ["val"] + ["test"] * 3
    photos, posts = ["path,caption,split"], ["path,words,mood,split"]
    for i, (name, caption) in enumerate(make_pictures(tmp_path, 144)):
        photos.append(f"{name},{caption} number {i},{splits[i % 12]}")
        posts.append(f"{name},post {i} says {caption},{caption.split()[1]},{splits[i % 12]}")
    (tmp_path / "photos.csv").write_text("\n".join(photos), encoding="utf-8")
    (tmp_path / "posts.csv").write_text("\n".join(posts), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    held = {}
    for snippet in blocks(README, "python"):  # the second goes on where the first ended
        exec(compile(snippet, "README.md", "exec"), held)
    assert len(held["found"][0]) == len(held["scores"][0]) == 5
    assert (tmp_path / "photos.chiasm" / "recipe.json").exists()
    assert held["labels"][0] in {"red", "green", "blue", "yellow"}
    assert held["score"].table["verdict"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documents_parses(page):
    for snippet in blocks(page, "python"):
        ast.parse(snippet)


def test_links_between_documents_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        inner = (*path, name)
        found += every_command(command, inner) if isinstance(command, click.Group) else [(inner, command)]
    return found


@pytest.mark.parametrize(
    ("path", "command"), every_command(cli), ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_every_command_and_option_has_help(path, command):
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{' '.join(path)} {option.name} has no help"


def test_files_named_in_documents_exist():
    for page in PAGES:
        for name in re.findall(
            r"`((?:src|tests|benchmarks|docs|examples)/[\w./*-]+)`", page.read_text(encoding="utf-8")
        ):
            assert list(ROOT.glob(name.rstrip("/"))), f"{page.name} names {name}, which does not exist"


def test_the_readme_names_every_folder_of_the_source():
    text = README.read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "chiasm").iterdir()):
        if path.is_dir() and any(path.glob("*.py")):
            assert f"`{path.name}/`" in text, f"README lacks the folder {path.name}"


def test_no_document_names_a_place_of_one_machine():
    for path in [*PAGES, ROOT / "Makefile", ROOT / "CITATION.cff", *sorted((ROOT / "src").rglob("*.py"))]:
        assert not re.search(r"/(work|root|tmp)/", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_document_calls_by_its_whole_name_is_there_after_import_chiasm(page):
    text = page.read_text(encoding="utf-8")
    for whole in sorted(
        set(re.findall(r"\bchiasm(?:\.[A-Za-z_]\w*)+", text)) - {"chiasm.svg", "chiasm.align.Predicted"}
    ):
        held = chiasm
        for name in whole.split(".")[1:]:
            held = getattr(held, name)
