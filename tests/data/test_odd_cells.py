"""One odd cell stops no table: it is told with its column, row and reason, and the other rows are used."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.data.source import Source
from chiasm.errors import ChiasmWarning
from conftest import make_pictures

LONG = "长" * 2000


def rows(folder: Path, cells: dict[int, str], n: int = 55, key: str = "") -> Path:
    """A table of n pictures and captions in which some cells of paths are others."""
    pairs = make_pictures(folder, n)
    paths = [cells.get(i, name) for i, (name, _) in enumerate(pairs)]
    lines = [json.dumps({"图": path, "words": words}) for path, (_, words) in zip(paths, pairs, strict=True)]
    (folder / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder / "t.jsonl"


ODD = {
    "an address": ("https://example.org/1.png", "a URL: download the media first"),
    "another address": ("s3://bucket/1.png", "a URL: download the media first"),
    "a file out of the folder": ("/etc/passwd", "out of the data's folder"),
    "a place above": ("..", "out of the data's folder"),
    "a file of another machine": ("/home/me/pic/1.png", "no such file: were the files moved?"),
    "nothing above": ("../../../../../../../nowhere.png", "and no file is there: were the files moved?"),
    "nothing above, which is out of the folder": ("..\\..\\nowhere.png", "out of the data's folder"),
    "a zero character": ("a\0b.png", "no path of a file"),
    "a name too long for any path": (LONG, "no path of a file"),
    "half a character": ("a\ud800.png", "no path of a file"),
    "a damaged picture in the cell": ("data:image/png;base64,###", "a damaged data: URI"),
}


@pytest.mark.parametrize(("cell", "reason"), ODD.values(), ids=ODD)
def test_an_odd_path_is_a_row_told_and_the_others_are_used(tmp_path: Path, cell: str, reason: str) -> None:
    table = rows(tmp_path, {6: cell})
    with pytest.warns(ChiasmWarning) as caught:
        views = chiasm.read(table, text="words", image="图")
    (told,) = [str(one.message) for one in caught]
    assert told.startswith("column '图': 1 cell passed over (row 7: '")
    assert reason in told
    assert np.flatnonzero(~views.present("图")).tolist() == [6]
    assert all(Path(item).is_relative_to(tmp_path) for item in views["图"].items)
    assert views.present("words").all()
    ((column, item, note),) = views.notes
    assert (column, item[:6], note.skipped) == ("图", "row 7:", True)


def test_odd_paths_are_counted_by_reason(tmp_path: Path) -> None:
    cells = {1: "https://a.org/1.png", 3: "https://a.org/2.png", 4: "/home/me/1.png", 8: "https://a.org/1.png"}
    with pytest.warns(ChiasmWarning) as caught:
        views = chiasm.read(rows(tmp_path, cells, 12), text="words", image="图")
    urls, lost = [str(one.message) for one in caught]
    assert re.match(r"column '图': 3 cells passed over \(row 2: '.*', row 4: '.*', row 9: '.*'\): a URL", urls)
    assert lost.startswith("column '图': 1 cell passed over (row 5: '/home/me/1.png'): no such file")
    assert views.present("图").sum() == 8


def test_nothing_left_is_refused_with_the_row_and_how_many(tmp_path: Path) -> None:
    table = rows(tmp_path, {i: f"https://example.org/{i}.png" for i in range(5)}, 5)
    with pytest.raises(ChiasmError, match=r"column '图', row 1: .*the URL .*4 more of its cells cannot be used either"):
        chiasm.read(table, text="words", image="图")


@pytest.mark.parametrize("first", ["/home/me/pic", "file:///home/me/pic", "../../../../../../../../x"])
def test_paths_of_another_machine_are_said_to_be_nowhere(tmp_path: Path, first: str) -> None:
    table = rows(tmp_path, {i: f"{first}/{i}.png" for i in range(5)}, 5)
    with pytest.raises(ChiasmError, match="none of the 5 files that it names was found") as caught:
        chiasm.read(table, text="words", image="图")
    assert "leaves the data's folder" not in str(caught.value)
    assert "root='DIR'" in str(caught.value)


def test_an_odd_path_of_a_vector_is_told_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    cells = ["a.npy", "/home/me/b.npy", "https://example.org/c.npy", "a.npy"]
    (tmp_path / "t.csv").write_text("v\n" + "\n".join(cells), encoding="utf-8")
    with pytest.warns(ChiasmWarning, match=r"row 2: '/home/me/b\.npy'.*no such file|row 3: .*a URL") as caught:
        views = chiasm.read(tmp_path / "t.csv", vector="v")
    assert len(caught) == 2
    assert views.present("v").tolist() == [True, False, False, True]


def test_names_that_differ_by_capitals_are_found_where_only_one_is_meant(tmp_path: Path) -> None:
    make_pictures(tmp_path / "Bilder", 3)
    (tmp_path / "Bilder" / "0000.png").rename(tmp_path / "Bilder" / "ÄÖ.JPG")
    (tmp_path / "Bilder" / "0002.png").rename(tmp_path / "Bilder" / "0001.PNG")
    (tmp_path / "t.csv").write_text("p\nbilder\\äö.jpg\nBilder/0001.png\nBilder/0001.Png\n", encoding="utf-8")
    items = chiasm.read(tmp_path / "t.csv", image="p")["p"].items
    assert [Path(item).name for item in items[:2]] == ["ÄÖ.JPG", "0001.png"]
    assert not Path(items[2]).exists()  # of two nobody knows which is meant


def test_every_row_without_an_id_is_told_at_once(tmp_path: Path) -> None:
    lines = "".join(f"{'' if i in (2, 5) else i},word {i}\n" for i in range(9))
    (tmp_path / "t.csv").write_text(f"id,t\n{lines}", encoding="utf-8")
    with pytest.raises(ChiasmError, match=r"got nothing in 2 of 9 rows \(row 3, 6\): fill them, .*or leave id out"):
        chiasm.read(tmp_path / "t.csv", text="t", id="id")


def test_the_advice_on_shared_ids_fits_what_the_ids_are(tmp_path: Path) -> None:
    names = [name for name, _ in make_pictures(tmp_path, 8)]
    lines = "".join(f"{name},{i}\n" for i, name in enumerate([*names, *["none.png"] * 12]))
    (tmp_path / "t.csv").write_text(f"p,t\n{lines}", encoding="utf-8")
    with pytest.warns(ChiasmWarning, match="empty those cells, or name another id='COL'"):
        chiasm.read(tmp_path / "t.csv", text="t", image="p")
    with pytest.warns(ChiasmWarning, match="give each thing an id of its own, or name another id='COL'") as caught:
        chiasm.read(tmp_path / "t.csv", text="t", id="p")
    assert not any("empty those cells" in str(one.message) for one in caught)


def sentences_of(path: Path) -> list[str]:
    """The strings of a file but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_the_library_speaks_of_parameters_and_never_of_options() -> None:
    source = Path(chiasm.__file__).parent
    found = {
        (str(path.relative_to(source)), one.strip()[:60])
        for path in source.rglob("*.py")
        if path.parts[len(source.parts)] not in ("cli", "report")
        for one in sentences_of(path)
        if re.search(r"(?<![\w-])--[a-z]{2}", one) and "pip install" not in one
    }
    packages = {"registry.py", "encode/minilm_text.py", "encode/effnet_image.py"}  # options of pip
    answers = {"serve/guard.py"}  # who reads it asks a server, which the command line alone starts
    assert {place for place, _ in found} <= packages | answers, found


def test_a_condition_that_no_row_meets_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("t,a,b\nx,1,2\n", encoding="utf-8")
    with pytest.raises(ChiasmError, match=r"has no rows where a is '9' and b is '2'\."):
        Source(text="t").read(tmp_path / "t.csv", where={"a": "9", "b": "2"})
