"""Where the paths of a table lead: other systems' spellings, links, roots, and what is said where nothing is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
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
    table = lines(tmp_path / "wide" / "data", "0000.png", r"..\..\out\0000.png")
    with pytest.warns(ChiasmWarning, match=r"out of the data's folder .*/wide: move the file there, or name a wider"):
        assert found(table, tmp_path / "wide") == [str(tmp_path / "wide" / "data" / "0000.png")]
    table = lines(tmp_path / "wide" / "data", "../../out/0000.png", "../../out/../out/0000.png")
    with pytest.raises(ChiasmError, match=r"leaves the data's folder .* 1 more of its cells cannot be used either"):
        found(table, tmp_path / "wide" / "data")
    table = lines(tmp_path / "wide" / "data", "0000.png", "link.png")
    (tmp_path / "wide" / "data" / "link.png").symlink_to(tmp_path / "out" / "0000.png")
    with pytest.warns(ChiasmWarning, match=r"row 2: 'link\.png'\): out of the data's folder"):
        assert found(table, tmp_path / "wide") == [str(tmp_path / "wide" / "data" / "0000.png")]


@pytest.mark.parametrize("stray", ["l.png", "folder/0000.png", "子/猫.png"])
def test_one_link_out_of_the_folder_is_told_and_the_other_rows_are_used(tmp_path: Path, stray: str) -> None:
    make_pictures(tmp_path / "data", 2)
    make_pictures(tmp_path / "out", 1)
    table = lines(tmp_path / "data", "0000.png", stray, "0001.png", stray)
    target = tmp_path / "out" if stray.startswith("folder") else tmp_path / "out" / "0000.png"
    link = tmp_path / "data" / (stray.split("/")[0] if target.is_dir() else stray)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    with pytest.warns(ChiasmWarning, match=rf"2 cells passed over .*{stray}.*{tmp_path} holds both"):
        views = chiasm.read(table, text="caption", image="path")
    assert views["path"].labels == ["0000.png", "0001.png"]
    assert views.present("path").tolist() == [True, False, True, False]
    assert views.ids.tolist() == ["0000.png", stray, "0001.png", stray]
    assert [(name, item, note.code, note.skipped) for name, item, note in views.notes] == [
        ("path", f"row {row}: {stray!r}", "outside", True) for row in (2, 4)
    ]
    assert len(found(table, tmp_path)) == 3


def test_one_link_among_paths_of_vectors_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "a.npy", np.ones(2))
    np.save(tmp_path / "o.npy", np.ones(2))
    (tmp_path / "data" / "l.npy").symlink_to(tmp_path / "o.npy")
    (tmp_path / "data" / "t.csv").write_text("v,t\na.npy,x\nl.npy,y\n", encoding="utf-8")
    with pytest.warns(ChiasmWarning, match=r"1 cell passed over \(row 2: 'l\.npy'\): out of the data's folder"):
        views = chiasm.read(tmp_path / "data" / "t.csv", vector="v", text="t")
    assert views.present("v").tolist() == [True, False]
    with pytest.raises(ChiasmError, match=rf"out of the data's folder .*{tmp_path} holds both"):
        chiasm.read(tmp_path / "data" / "t.csv", vector="v", where={"t": "y"})


LAYOUTS = {  # where a link of the table lies, and where it leads
    "annex": ("repo/data/img/{i}.png", "repo/.git/annex/objects/0{i}/Kz/SHA256E-s{i}.png/SHA256E-s{i}.png"),
    "DVC": ("repo/data/img/{i}.png", "cache/files/md5/0{i}/ab4c"),
    "hub": ("hub/snapshots/abc/{i}.png", "hub/blobs/e3b0c{i}"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("absolute", [True, False])
def test_the_advice_on_links_works_for_every_tool_that_lays_them(tmp_path: Path, layout: str, absolute: bool) -> None:
    make_pictures(tmp_path / "made", 2)
    for i in range(2):
        link, blob = (tmp_path / place.format(i=i) for place in LAYOUTS[layout])
        link.parent.mkdir(parents=True, exist_ok=True)
        blob.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / f"000{i}.png").rename(blob)
        link.symlink_to(blob if absolute else os.path.relpath(blob, link.parent))
    table = lines(link.parent, "0.png", "1.png")
    with pytest.raises(ChiasmError, match="leaves the data's folder") as caught:
        found(table)
    advised = Path(re.search(r"\((\S+) holds both\)", str(caught.value))[1])
    assert found(table, advised) == [str(tmp_path / LAYOUTS[layout][1].format(i=i)) for i in range(2)]


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "latin-1"])
@pytest.mark.parametrize("written", ["utf-8", "the same"])
def test_names_that_are_no_utf8_are_found_by_what_they_say(tmp_path: Path, encoding: str, written: str) -> None:
    folder, name = ("été", "café.png") if encoding == "latin-1" else ("照片", "一隻貓.png")
    make_pictures(tmp_path, 2)
    inside = os.fsencode(tmp_path) + b"/" + folder.encode(encoding)
    os.mkdir(inside)
    os.rename(tmp_path / "0000.png", inside + b"/" + name.encode(encoding))
    os.rename(tmp_path / "0001.png", inside + b"/plain.png")
    encoding = "utf-8" if written == "utf-8" else encoding
    (tmp_path / "t.csv").write_bytes(f"p,c\n{folder}/{name},x\n{folder}\\plain.png,{folder}\n".encode(encoding))
    views = chiasm.read(tmp_path / "t.csv", image="p", text="c", encoding=encoding)
    assert [os.path.exists(path) for path in views["p"].items] == [True, True]
    assert views["p"].labels[0] == f"{folder}/{name}"
    assert views["c"].items[1] == folder


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
