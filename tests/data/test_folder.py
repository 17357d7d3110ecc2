"""A folder of everything: every file is in a row, gave a row its text, or is named in a note with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chiasm
from chiasm import ChiasmError
from chiasm.data.notes import sentences
from chiasm.data.source import Source
from chiasm.data.toy import shape_image, square_film, tone_wav
from chiasm.errors import ChiasmWarning
from chiasm.views import Views
from conftest import Run, make_pictures

pytestmark = pytest.mark.filterwarnings("ignore::chiasm.errors.ChiasmWarning")


def names(views: Views) -> dict[str, list[str]]:
    return {name: sorted(column.labels or ()) for name, column in views.columns.items() if column.labels is not None}


def told(views: Views) -> dict[str, set[str]]:
    """Code -> the files that are noted so."""
    found: dict[str, set[str]] = {}
    for _, item, note in views.notes:
        found.setdefault(note.code, set()).add(item)
    return found


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    formats = {".jpe": "JPEG", ".jfif": "JPEG", ".tif": "TIFF", ".mpo": "MPO", ".dib": "BMP"}
    shape_image("red", "bar", seed=seed).save(path, formats.get(path.suffix.lower()))


def test_same_named_pictures_of_several_formats_are_each_a_row(tmp_path: Path) -> None:
    kinds = ["IMG_1.jpg", "IMG_1.jpeg", "IMG_1.png", "IMG_1.webp", "a.b.jpg", "a.c.jpg"]
    for i, name in enumerate(kinds):
        picture(tmp_path / name, i)
    alone = chiasm.read(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(square_film(3))
    beside = chiasm.read(tmp_path)
    assert names(alone)["image"] == names(beside)["image"] == sorted(kinds)
    assert alone.things == 6
    assert beside.things == 7
    found = Source().read_gallery(tmp_path, "image", "image")
    assert len(found["image"].used) == 6


def test_same_named_files_of_different_kinds_are_one_row_and_what_cannot_be_paired_is_told(tmp_path: Path) -> None:
    for i, name in enumerate(["one.jpg", "two.jpg", "two.png", "sub/one.jpg"]):
        picture(tmp_path / name, i)
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_bytes(tone_wav(0.2, 0.1 * len(name) + (name == "two.wav")))
    views = chiasm.read(tmp_path)
    rows = {
        i: (row[0] >= 0, row[1] >= 0)
        for i, *row in zip(views.ids, *(c.index for c in views.columns.values()), strict=True)
    }
    assert rows == {
        "one": (True, True),
        "two": (False, True),
        "two.jpg": (True, False),
        "two.png": (True, False),
        "sub/one": (True, False),
    }
    assert told(views)["unpaired"] == {"two.wav"}


def test_texts_go_to_every_picture_of_their_name_also_in_capitals(tmp_path: Path) -> None:
    for i, name in enumerate(["a.jpg", "a.png", "b.png"]):
        picture(tmp_path / name, i)
    (tmp_path / "a.TXT").write_text("一只狗\na dog", encoding="utf-8")
    (tmp_path / "lost.txt").write_text("nothing has this name", encoding="utf-8")
    views = chiasm.read(tmp_path)
    assert [views["text"].items[i] if i >= 0 else None for i in views["text"].index] == ["一只狗", "a dog"] * 2 + [None]
    assert told(views) == {"lone_text": {"lost.txt"}}


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".mpo", ".avif", ".jfif", ".jpe", ".JPG", ".dib"])
def test_pictures_of_every_suffix_that_is_decoded_are_listed(tmp_path: Path, suffix: str) -> None:
    picture(tmp_path / f"照片{suffix}", 0)
    views = chiasm.read(tmp_path)
    assert (names(views), list(views.notes)) == ({"image": [f"照片{suffix}"]}, [])


@pytest.mark.parametrize("suffix", [".au", ".aifc", ".caf", ".mp2", ".m4b", ".weba", ".mka", ".wave", ".snd"])
def test_sounds_that_are_decoded_are_listed(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"x")
    assert chiasm.read(tmp_path).names == ["audio"]


def test_heic_is_named_with_the_extra_that_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # as if it were not there
    picture(tmp_path / "a.png", 0)
    (tmp_path / "IMG_2.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.warns(ChiasmWarning, match=r"1 file \(IMG_2\.HEIC\).*pip install 'chiasm\[heic\]'"):
        views = chiasm.read(tmp_path)
    assert told(views) == {"heic": {"IMG_2.HEIC"}}
    (tmp_path / "a.png").unlink()
    with pytest.raises(ChiasmError, match=r"no pictures.*IMG_2\.HEIC.*chiasm\[heic\]"):
        chiasm.read(tmp_path)


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 0)
    for name in ("b.xcf", "c.XCF", "notes.md", "noext", ".DS_Store"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".thumbs").mkdir()
    picture(tmp_path / ".thumbs" / "a.png", 1)
    with pytest.warns(ChiasmWarning) as caught:
        views = chiasm.read(tmp_path)
    (sentence,) = [str(w.message) for w in caught if w.category is ChiasmWarning]
    assert sentence == "6 files of other kinds passed over (hidden 2, .xcf 2, without a suffix 1, .md 1)"
    assert sentences(views[:1].notes) == [sentence]


def test_equal_files_are_said_to_be_copies(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "sub/c.png"):
        picture(tmp_path / name, 0)
    picture(tmp_path / "other.png", 1)
    large = np.random.default_rng(0).bytes(200_000)
    (tmp_path / "l1.jpg").write_bytes(large)
    (tmp_path / "l2.jpg").write_bytes(large)
    (tmp_path / "l3.jpg").write_bytes(large[:-1] + b"?")
    views = chiasm.read(tmp_path)
    assert told(views) == {"copy": {"b.png", "sub/c.png", "l2.jpg"}}
    assert {item: note.message for _, item, note in views.notes}["sub/c.png"] == "the same bytes as a.png"
    assert not any(note.skipped for *_, note in views.notes)


def test_a_stray_link_does_not_stop_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    make_pictures(inside, 2)
    make_pictures(outside, 3)
    (inside / "dangling.png").symlink_to("/nowhere/x.png")
    (inside / "leads_out.png").symlink_to(outside / "0000.png")
    (inside / "folder_out").symlink_to(outside)
    (inside / "round").symlink_to(inside)
    (inside / "within.png").symlink_to(inside / "0000.png")
    views = chiasm.read(inside)
    assert names(views)["image"] == ["0000.png", "0001.png", "within.png"]
    assert told(views) == {"link": {"dangling.png", "leads_out.png", "folder_out", "round"}, "copy": {"within.png"}}
    assert any(f"root={str(tmp_path)!r}" in note.message for _, item, note in views.notes if item == "leads_out.png")
    wide = chiasm.read(inside, root=tmp_path)
    assert told(wide)["link"] == {"dangling.png", "round"}
    assert names(wide)["image"] == [
        *("0000.png", "0001.png", "folder_out/0000.png", "folder_out/0001.png", "folder_out/0002.png"),
        *("leads_out.png", "within.png"),
    ]


def test_a_folder_of_links_alone_says_which_root_lets_them_lead(tmp_path: Path) -> None:
    make_pictures(tmp_path / "blobs", 2)
    (tmp_path / "img").mkdir()
    for i in range(2):
        (tmp_path / "img" / f"{i}.png").symlink_to(f"../blobs/{i:04d}.png")
    with pytest.raises(ChiasmError, match=rf"no pictures.*2 files \(0\.png, 1\.png\).*root='{tmp_path}' ") as caught:
        Source().read_gallery(tmp_path / "img", "image", "image")
    assert "\n" not in str(caught.value)
    assert len(Source().read_gallery(tmp_path / "img", "image", "image", root=tmp_path)) == 2


@pytest.mark.parametrize(
    ("shut", "mode", "told"),
    [
        ("shut", 0, [("shut/", "denied")]),
        ("open/照片", 0, [("open/照片/", "denied")]),
        ("shut", 0o311, [("shut/", "denied")]),  # may be entered, not listed
    ],
)
def test_a_subfolder_that_cannot_be_read_is_named(shut: str, mode: int, told: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as made:  # below /tmp, which everybody may enter
        folder = Path(made)
        folder.chmod(0o755)
        make_pictures(folder / "open", 1)
        make_pictures(folder / shut, 1, seed=1)
        (folder / shut).chmod(mode)
        code = (
            "import os, sys, chiasm.data.table as t\n"
            "if os.geteuid() == 0: os.setuid(65534)\n"  # root may read everything
            "print([(item, note.code) for _, item, note in t.read_table(sys.argv[1]).notes])"
        )
        done = subprocess.run([sys.executable, "-c", code, made], capture_output=True, text=True, check=False)
        (folder / shut).chmod(0o755)
    assert done.stdout.strip() == str(told), done.stderr


def test_names_that_are_no_utf8_are_read(tmp_path: Path) -> None:
    picture(tmp_path / "x.png", 0)
    os.rename(tmp_path / "x.png", os.fsencode(tmp_path) + b"/\xff\xd6.png")
    views = chiasm.read(tmp_path)
    assert os.path.exists(views["image"].items[0])
    assert os.fsencode(views.ids[0]) == b"\xff\xd6.png"


FILES = st.sampled_from(
    ["a.jpg", "a.png", "A.PNG", "a.webp", "a.mp4", "a.wav", "a.txt", "a.TXT", "b.tif", "b.xcf", "c", ".hidden", "b.csv"]
)
PLACES = st.sampled_from(["", "子/", "x/y/", ".h/"])
LINKS = st.tuples(PLACES, st.sampled_from(["l.jpg", "l", "m.wav"]), st.sampled_from(["nowhere", "..", "/", "a.jpg"]))


@settings(max_examples=60, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(PLACES, FILES, st.integers(0, 2)), min_size=1, max_size=12, unique_by=lambda f: f[:2]),
    st.lists(LINKS, max_size=4, unique_by=lambda link: link[:2]),
)
def test_of_a_folder_of_everything_each_file_is_a_row_or_told(tmp_path: Path, files: list, links: list) -> None:
    folder = tmp_path / "all"
    shutil.rmtree(folder, ignore_errors=True)
    picture(folder / "always.png", 0)
    for place, name, content in files:
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / name).write_bytes(b"x" * (content + 1))
    for place, name, target in links:
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / name).symlink_to(target)
    seen = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_symlink() or p.is_file()}
    views = chiasm.read(folder)
    used = {label for labels in names(views).values() for label in labels}
    noted = {item for _, item, note in views.notes if note.skipped}
    hidden = {name for name in seen if name.startswith(".h/")}
    texts = {name for name in seen - noted - hidden if name.lower().endswith(".txt")}
    assert seen - hidden == used | texts | (noted - {".h"})
    assert (".h" in noted) == bool((folder / ".h").exists())
    assert not used & noted
    assert bool(texts) == ("text" in views.names)
    assert len(sentences(views.notes)) <= 8  # one a reason: copies, other kinds, lone texts, unpaired, four of links


@pytest.mark.slow
def test_the_command_line_says_and_keeps_what_was_passed_over(run: Run, tmp_path: Path) -> None:
    make_pictures(tmp_path / "p", 12)
    for i in range(12):
        (tmp_path / "p" / f"{i:04d}.txt").write_text(f"number {i}", encoding="utf-8")
    (tmp_path / "p" / "x.xcf").write_bytes(b"x")
    (tmp_path / "p" / "d.png").symlink_to("/nowhere")
    options = ("--encoder", "image=pixel_image", "--encoder", "text=hashed_text", "--to", tmp_path / "m")
    done = run("fit", "retrieve", tmp_path / "p", *options, "--align", "ridge", "--json")
    assert done.returncode == 0, done.stderr
    assert "note: 1 file (d.png): passed over, a link that leads nowhere\n" in done.stderr
    assert "note: 1 file of other kinds passed over (.xcf 1)\n" in done.stderr
    assert '"1 file of other kinds passed over (.xcf 1)"' in done.stdout
    listed = (tmp_path / "m" / "items.csv").read_text(encoding="utf-8")
    assert "d.png,link," in listed
    assert "x.xcf,other_kind," in listed
    found = run("search", tmp_path / "m", "number 3", "--in", tmp_path / "p", "--json")
    assert '"1 file of other kinds passed over (.xcf 1)"' in found.stdout


def test_a_table_written_elsewhere_finds_names_with_other_accents(tmp_path: Path) -> None:
    name = "café 한국.png"
    for stored, asked in [("NFC", "NFD"), ("NFD", "NFC")]:
        folder = tmp_path / stored
        picture(folder / "été" / unicodedata.normalize(stored, name), 0)
        (folder / "t.csv").write_text(f"f,c\nété/{unicodedata.normalize(asked, name)},x\n", encoding="utf-8")
        views = chiasm.read(folder / "t.csv", image="f", text="c")
        assert os.path.exists(views["f"].items[0])
        assert views.ids.tolist() == [unicodedata.normalize("NFC", f"été/{name}")]


def test_media_that_a_search_does_not_ask_for_are_told(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    (tmp_path / "clip.mp4").write_bytes(b"not looked at")
    (tmp_path / "猫.wav").write_bytes(b"neither")
    with pytest.warns(ChiasmWarning, match="2 files of other kinds passed over"):
        views = Source(image="path").read_gallery(tmp_path, "path", "image")
    assert {item for _, item, note in views.notes if note.skipped} == {"clip.mp4", "猫.wav"}
    assert views["path"].present.sum() == 1


def test_sounds_of_flash_are_media_in_a_folder_too(tmp_path: Path) -> None:
    for name in ("a.f4a", "b.F4B", "c.wav"):
        (tmp_path / name).write_bytes(name.encode())
    assert len(chiasm.read(tmp_path, audio="path")) == 3


def test_reasons_that_differ_are_told_apart(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    make_pictures(inside, 2)
    make_pictures(tmp_path / "out", 1)
    (inside / "stray.jpg").symlink_to("/nowhere/x.jpg")
    (inside / "linkdir").symlink_to(tmp_path / "out")
    (inside / "other").symlink_to(tmp_path / "out")
    (inside / "loop").symlink_to(inside)
    told = sentences(chiasm.read(inside).notes)
    assert "1 file (loop): passed over, a link to a folder that is read already" in told
    assert "1 file (stray.jpg): passed over, a link that leads nowhere" in told
    assert any(one.startswith("2 files (linkdir, other): passed over, a link out of ") for one in told)
    assert len(told) == 3


@pytest.mark.parametrize("subfolders", [1, 2])
def test_a_picture_beside_class_folders_has_no_class_and_is_told(tmp_path: Path, subfolders: int) -> None:
    for i, name in enumerate(["猫", "dog"][:subfolders]):
        make_pictures(tmp_path / name, 2, seed=i)
    picture(tmp_path / "root.png", 9)
    with pytest.warns(ChiasmWarning, match=r"1 file \(root\.png\): without a class, in no subfolder"):
        views = chiasm.read(tmp_path, label="class")
    classes = dict(zip(views.ids, views.label, strict=True))
    assert classes["root.png"] == ""
    assert {classes[name] for name in classes if "/" in name} == {"猫", "dog"} - ({"dog"} if subfolders == 1 else set())
    assert chiasm.read(tmp_path).label is None  # nobody asked for classes


def test_one_text_of_another_encoding_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    make_pictures(tmp_path, 3)
    (tmp_path / "0000.txt").write_text("一只狗", encoding="utf-8")
    (tmp_path / "0001.txt").write_bytes("一只小狗".encode("gb18030"))
    with pytest.warns(ChiasmWarning, match=r"1 file \(0001\.txt\): passed over, not utf-8 text.*encoding='gb18030'"):
        views = chiasm.read(tmp_path)
    assert views["text"].items == ["一只狗"]
    assert len(views["image"].used) == 3
    (tmp_path / "0000.txt").unlink()
    with pytest.raises(ChiasmError, match=r"no text of .*0001\.txt.*encoding='gb18030'"):
        chiasm.read(tmp_path)
    assert len(Source().read_gallery(tmp_path, "image", "image")["image"].used) == 3  # nobody asked for texts
    assert chiasm.read(tmp_path, image="path").names == ["path"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_text_that_says_its_encoding_itself_is_read(tmp_path: Path, encoding: str) -> None:
    make_pictures(tmp_path, 1)
    (tmp_path / "0000.txt").write_text("一只狗", encoding=encoding)
    assert chiasm.read(tmp_path)["text"].items == ["一只狗"]


def test_texts_that_no_medium_is_named_like_are_told_by_name(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 0)
    (tmp_path / "b.txt").write_text("lost", encoding="utf-8")
    with pytest.warns(ChiasmWarning, match=r"1 file \(b\.txt\): passed over, no picture, sound or video has the name"):
        chiasm.read(tmp_path)


def test_of_equal_files_the_one_that_is_no_link_is_shown(tmp_path: Path) -> None:
    make_pictures(tmp_path, 1)
    (tmp_path / "0000.png").rename(tmp_path / "真.png")
    (tmp_path / "a_link.png").symlink_to(tmp_path / "真.png")
    views = chiasm.read(tmp_path)
    assert views["image"].labels == ["真.png", "a_link.png"]
    assert told(views) == {"copy": {"a_link.png"}}
