"""Where the paths of a table lead: other systems' spellings, links, roots, and what is said where nothing is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import chiasm
from chiasm import ChiasmError
from chiasm.data.source import Source
from chiasm.errors import ChiasmWarning
from conftest import make_pictures


def lines(folder: Path, *paths: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{path},text {i}\n" for i, path in enumerate(paths))
    (folder / "t.csv").write_text(f"path,caption\n{rows}", encoding="utf-8")
    return folder / "t.csv"


def found(table: Path, root: Path | None = None) -> list[str]:
    return list(chiasm.read(table, text="caption", image="path", root=root)["path"].items)


def test_backslashes_are_tried_as_separators(tmp_path: Path) -> None:
    make_pictures(tmp_path / "图" / "sub", 2)
    table = lines(tmp_path, r"图\sub\0000.png", r".\图\sub\0001.png")
    assert found(table) == [str(tmp_path / "图" / "sub" / f"000{i}.png") for i in range(2)]
    (tmp_path / r"图\sub\0000.png").write_bytes(b"a name may hold one")
    assert found(table)[0] == str(tmp_path / r"图\sub\0000.png")
    with pytest.raises(ChiasmError, match="none of the 2 files"):  # no way out by backslashes
        found(lines(tmp_path / "图", r"..\..\x\0000.png", r"..\图\sub\0001.png"))


def test_paths_that_lead_nowhere_are_said_with_where_was_looked(tmp_path: Path) -> None:
    table = lines(tmp_path, *(f"img/p{i}.jpg" for i in range(60)))
    with pytest.raises(ChiasmError) as caught:
        found(table)
    said = str(caught.value)
    for piece in ("column 'path': none of the 60 files", f"{tmp_path}/img/p0.jpg", "p2.jpg", "root='DIR'"):
        assert piece in said
    assert "p3.jpg" not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("paths", "cause"),
    [
        (["C:\\Users\\x\\a.png", "C:\\Users\\x\\b.png"], "paths of Windows with a drive"),
        (["a\\b.png", "a\\c.png"], "backslashes were tried"),
        (["img/0000.png"], "say root='{above}'"),
        (["old/place/0000.png"], "{here} has '0000.png': write the paths as they lie there"),
    ],
)
def test_the_likeliest_cause_is_named(tmp_path: Path, paths: list[str], cause: str) -> None:
    make_pictures(tmp_path / "above" / "img", 1)
    table = lines(tmp_path / "above" / "here", *paths)
    make_pictures(tmp_path / "above" / "here", 1)
    with pytest.raises(ChiasmError) as caught:
        found(table)
    assert cause.format(above=tmp_path / "above", here=tmp_path / "above" / "here") in str(caught.value)


def test_a_wrong_root_is_said_where_the_files_lie_beside_the_table(tmp_path: Path) -> None:
    make_pictures(tmp_path / "data", 1)
    (tmp_path / "other").mkdir()
    with pytest.raises(ChiasmError, match=rf"there below {tmp_path}/data: leave root out"):
        found(lines(tmp_path / "data", "0000.png"), tmp_path / "other")


def test_some_paths_that_lead_nowhere_are_left_to_the_encoder(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    assert len(found(lines(tmp_path, "0000.png", "gone.png"))) == 2


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """The layout of a hub's cache: pictures are links to blobs beside the snapshots."""
    make_pictures(tmp_path / "hub" / "blobs", 3)
    table = lines(tmp_path / "hub" / "snapshots" / "abc", *(f"img/p{i}.png" for i in range(3)))
    (table.parent / "img").mkdir()
    for i in range(3):
        (table.parent / "img" / f"p{i}.png").symlink_to(f"../../../blobs/{i:04d}.png")
    return table


def test_links_out_of_the_folder_are_refused_with_an_advice_that_works(snapshot: Path, tmp_path: Path) -> None:
    with pytest.raises(ChiasmError, match=r"'img/p0\.png' leaves the data's folder .*by a link") as caught:
        found(snapshot)
    wide = tmp_path / "hub"
    assert f"({wide} holds both)" in str(caught.value)
    for root in (wide, tmp_path, Path("/")):
        assert found(snapshot, root) == [os.path.realpath(wide / "blobs" / f"000{i}.png") for i in range(3)]
    views = Source(image=["path"]).read_gallery(snapshot, "path", "image", root=wide)
    assert views["path"].labels == ["img/p0.png", "img/p1.png", "img/p2.png"]


def test_a_wider_root_is_still_a_root(tmp_path: Path) -> None:
    make_pictures(tmp_path / "out", 1)
    make_pictures(tmp_path / "wide" / "data", 1)
    table = lines(tmp_path / "wide" / "data", "0000.png", "../../out/0000.png")
    with pytest.warns(ChiasmWarning, match=r"row 2: '\.\./\.\./out/0000\.png'\): out of the data's folder"):
        assert found(table, tmp_path / "wide") == [str(tmp_path / "wide" / "data" / "0000.png")]
    table = lines(tmp_path / "wide" / "data", "0000.png", "link.png")
    (tmp_path / "wide" / "data" / "link.png").symlink_to(tmp_path / "out" / "0000.png")
    with pytest.warns(ChiasmWarning, match=r"row 2: 'link\.png'\): out of the data's folder"):
        assert found(table, tmp_path / "wide") == [str(tmp_path / "wide" / "data" / "0000.png")]


def test_absolute_paths_inside_the_folder_are_read_and_others_refused(tmp_path: Path) -> None:
    make_pictures(tmp_path / "data", 2)
    make_pictures(tmp_path / "out", 1)
    inside = [str(tmp_path / "data" / "0000.png"), f"file://{tmp_path}/data/0001.png"]
    assert found(lines(tmp_path / "data", *inside)) == [str(tmp_path / "data" / f"000{i}.png") for i in range(2)]
    assert found(lines(tmp_path / "tables", *inside), tmp_path / "data")
    with pytest.raises(ChiasmError, match="leaves the data's folder"):
        found(lines(tmp_path / "data", str(tmp_path / "out" / "0000.png")))
    with pytest.raises(ChiasmError, match="leaves the data's folder"):
        found(lines(tmp_path / "data", f"file://{tmp_path}/out/0000.png"))


@pytest.mark.parametrize("how", ["fit and score", "answer", "search"])
def test_score_answer_and_search_say_it_too(tmp_path: Path, how: str) -> None:
    table = lines(tmp_path, *(name for name, _ in make_pictures(tmp_path / "img", 4)))
    source = Source(text=["caption"], image=["path"])
    if how == "answer":
        with pytest.warns(ChiasmWarning, match="none of the 4 files that it names was found"):
            assert source.read_present(table, {"caption": "text", "path": "image"}).names == ["caption"]
        source = Source(image=["path"])  # nothing is left to answer from
    with pytest.raises(ChiasmError, match="none of the 4 files that it names was found"):
        if how == "answer":
            source.read_present(table, {"path": "image"})
        elif how == "search":
            source.read_gallery(table, "path", "image")
        else:
            source.read(table)
