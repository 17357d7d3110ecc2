"""The documents say what is so: commands exist, tree and map name real files, every option has help."""

import re
import shlex
from pathlib import Path

import click
import pytest

from chiasm.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:sh|console)?\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for line in block.splitlines():
                line = line.strip().removeprefix("$ ")
                if line.startswith("chiasm "):
                    found.append((page.name, line.split("  #")[0]))
    return found


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


def test_the_readme_shows_some_commands():
    assert len([line for page, line in commands() if page == "README.md"]) >= 5


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


def test_files_named_in_tree_and_map_exist():
    for page in (ROOT / "README.md", ROOT / "docs" / "map.md"):
        for name in re.findall(
            r"`((?:src|tests|benchmarks|docs|examples)/[\w./*-]+)`", page.read_text(encoding="utf-8")
        ):
            assert list(ROOT.glob(name.rstrip("/"))), f"{page.name} names {name}, which does not exist"


def test_the_readme_tree_lists_every_source_file():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "chiasm").rglob("*.py")):
        if path.name not in ("__init__.py", "__main__.py"):
            assert path.name in text, f"README's tree lacks {path.relative_to(ROOT)}"


def test_no_document_names_a_place_of_one_machine():
    for path in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "Makefile", *sorted((ROOT / "src").rglob("*.py"))]:
        assert not re.search(r"/(work|root|tmp)/", path.read_text(encoding="utf-8")), path
