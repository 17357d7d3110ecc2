"""What real folders hold beside pictures: every file is an item, part of one, or passed over and named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from _indexed import shapes_model
from _pictures import HEIC
from chiasm.collection import Collection
from chiasm.errors import ChiasmError
from conftest import make_pictures


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes_model(tmp_path_factory.mktemp("shapes"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_pictures(tmp_path / "Pictures", 6, seed=5)
    return tmp_path


def built(home: Path, model: Path, **options: Any) -> Collection:
    made = Collection.build(home / "p.index", model, home / "Pictures", **options)
    ledger = made.ledger()
    assert ledger["seen"] == ledger["searchable"] + ledger["failed"] + ledger["waiting"]
    return made


def hits(made: Collection, **options: Any) -> dict[str, dict[str, Any]]:
    return {hit["item"]: hit for hit in made.hits({"text": ["a red circle"]}, k=100, **options)[0]}


def codes(made: Collection) -> dict[str, str]:
    told = {one["file"]: one["code"] for one in made.passed()}
    assert all(one["message"] for one in made.passed())
    counted = made.status()["passed_over"]
    assert {code: list(told.values()).count(code) for code in set(told.values())} == counted
    return told


def test_every_file_that_is_passed_over_is_named_with_its_reason(home: Path, shapes: Path) -> None:
    folder = home / "Pictures"
    (home / "elsewhere.png").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / ".thumbnails").mkdir()
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "0001.AAE").write_bytes(b"x")
    (folder / "0001.xmp").write_bytes(b"x")
    (folder / "0001.NEF").write_bytes(b"x")
    (folder / "notes.docx").write_bytes(b"x")
    (folder / "song.mp3").write_bytes(b"x")
    (folder / "lonely.txt").write_text("words")
    (folder / "nowhere.png").symlink_to(folder / "missing.png")
    (folder / "out.png").symlink_to(home / "elsewhere.png")
    (folder / "again").symlink_to(folder)
    made = built(home, shapes)
    assert made.ledger() == {"seen": 6, "searchable": 6, "failed": 0, "waiting": 0}
    assert codes(made) == {
        ".DS_Store": "hidden",
        ".thumbnails": "hidden",
        "0001.AAE": "companion",
        "0001.NEF": "raw",
        "0001.xmp": "companion",
        "Thumbs.db": "companion",
        "again": "link",
        "lonely.txt": "lone_text",
        "notes.docx": "other_kind",
        "nowhere.png": "broken_link",
        "out.png": "outside",
        "song.mp3": "other_kind",
    }
    (folder / "notes.docx").unlink()
    (folder / "lonely.txt").rename(folder / "0002.txt")
    made.update()
    assert not {"notes.docx", "lonely.txt", "0002.txt"} & set(codes(made))


def test_a_look_that_changed_nothing_writes_no_name_again(home: Path, shapes: Path) -> None:
    for i in range(50):
        (home / "Pictures" / f"{i}.docx").write_bytes(b"x")
    made = built(home, shapes)
    before = made._catalog.read("SELECT total_changes()")[0][0]
    made.update()
    assert made._catalog.read("SELECT total_changes()")[0][0] - before < 5


@pytest.mark.parametrize("still", [".HEIC", ".JPG"])
def test_the_movie_of_a_live_photo_is_part_of_it(home: Path, shapes: Path, still: str) -> None:
    folder = home / "Pictures"
    data = HEIC if still == ".HEIC" else b""
    if not data:
        Image.new("RGB", (64, 64), "red").save(folder / "IMG_1.JPG")
    else:
        pytest.importorskip("pi_heif")
        (folder / "IMG_1.HEIC").write_bytes(data)
    (folder / "IMG_1.MOV").write_bytes(b"x" * 1000)
    (folder / "IMG_10.MOV").write_bytes(b"x" * 1000)
    (folder / "0001.mov").write_bytes(b"x" * 1000)  # beside a PNG, which no phone writes
    made = built(home, shapes)
    assert made.ledger()["seen"] == 7
    assert codes(made) == {"IMG_1.MOV": "live", "IMG_10.MOV": "other_kind", "0001.mov": "other_kind"}
    assert hits(made)[f"IMG_1{still}"]["with"] == ["IMG_1.MOV"]
    assert "with" not in hits(made)["0001.png"]
    (folder / "IMG_1.MOV").unlink()
    assert "with" not in hits(made)[f"IMG_1{still}"]


def test_a_movie_too_long_for_a_live_photo_is_a_film(home: Path, shapes: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(home / "Pictures" / "party.jpg")
    with open(home / "Pictures" / "party.mov", "wb") as file:
        file.truncate(20 << 20)
    assert codes(built(home, shapes)) == {"party.mov": "other_kind"}


def test_files_of_one_name_and_several_kinds_are_items_that_tell_each_other(tmp_path: Path) -> None:
    from _media import write_sound
    from chiasm.tasks.retrieve import Retrieve
    from chiasm.views import Column, Views

    folder = tmp_path / "Pictures"
    make_pictures(folder, 40)
    rng = np.random.default_rng(0)
    for i in range(40):
        write_sound(folder / f"{i:04d}.wav", rng.normal(size=1600) * 0.1)
    paths = [str(folder / f"{i:04d}") for i in range(40)]
    views = Views(
        {
            "image": Column("image", [f"{path}.png" for path in paths]),
            "audio": Column("audio", [f"{path}.wav" for path in paths]),
        }
    )
    model = Retrieve(encoders={"image": "pixel_image", "audio": "mel_audio"}, align="cca").fit(views)
    for i in range(3, 40):
        (folder / f"{i:04d}.wav").unlink()
        (folder / f"{i:04d}.png").unlink()
    (folder / "0001.png").rename(folder / "0001.1.png")
    made = Collection.build(tmp_path / "p.index", model, folder)
    assert made.ledger()["searchable"] == 6
    found = {hit["item"]: hit for hit in made.hits({"audio": [f"{folder}/0000.wav"]}, k=9)[0]}
    assert {name: hit.get("beside") for name, hit in found.items()} == {
        "0000.png": ["0000.wav"],
        "0001.1.png": None,
        "0002.png": ["0002.wav"],
    }


def test_captions_in_other_encodings_are_read_when_they_are_named_and_told_until_then(home: Path, shapes: Path) -> None:
    folder = home / "Pictures"
    (folder / "0001.txt").write_bytes("海边的狗".encode("gb18030"))
    (folder / "0002.txt").write_bytes("海边的猫".encode("utf-16"))
    (folder / "0003.txt").write_bytes("a café".encode())
    made = built(home, shapes)
    assert made.ledger()["searchable"] == 6
    assert list(hits(made, where="caption~猫")) == ["0002.png"]
    assert made.status()["noted"] == {"caption_unread": 1}
    (note,) = made.notes()
    assert (note["file"], note["code"]) == ("0001.png", "caption_unread")
    assert "0001.txt is not utf-8 text" in note["message"]
    (folder / "0003.txt").unlink()
    made = built(home, shapes, encoding="gb18030")
    assert list(hits(made, where="caption~狗")) == ["0001.png"]
    assert [one["file"] for one in made.notes()] == ["0002.png"]
    assert hits(made)["0001.png"]["caption"] == "海边的狗"
    with pytest.raises(ChiasmError, match="no text encoding named 'gbkk'"):
        built(home, shapes, encoding="gbkk")


def test_what_was_altered_to_be_read_is_told(home: Path, shapes: Path) -> None:
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    frames[0].save(home / "Pictures" / "film.gif", save_all=True, append_images=frames[1:], duration=100)
    made = built(home, shapes)
    assert made.notes() == [{"file": "film.gif", "code": "first_frame", "message": "used the first of several frames"}]
    assert made.ledger()["failed"] == 0


def test_heic_without_its_decoder_has_failed_and_says_what_to_install(
    home: Path, shapes: Path, cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "Pictures" / "IMG_1.HEIC").write_bytes(HEIC)
    with monkeypatch.context() as patch:
        patch.setattr("chiasm.media.odd.reads_heic", lambda: False)
        made = built(home, shapes)
    (failure,) = made.failures()
    assert (failure["file"], failure["code"]) == ("IMG_1.HEIC", "no_decoder")
    assert "pip install 'chiasm[heic]'" in failure["message"]
    pytest.importorskip("pi_heif")
    assert made.update(retry=True)["failed"] == 0
    assert "IMG_1.HEIC" in hits(made)


@pytest.mark.slow
def test_a_folder_in_which_nothing_can_be_searched_says_so(home: Path, shapes: Path, run: Any) -> None:
    empty = home / "empty"
    empty.mkdir()
    done = run("index", "build", shapes, empty, "--to", home / "e.index")
    assert done.returncode == 1
    assert "it holds no file that the model reads" in done.stderr
    assert "next:" not in done.stdout
    (empty / "a.png").write_bytes(b"no picture")
    (empty / ".hidden").write_bytes(b"x")
    done = run("index", "build", shapes, empty, "--to", home / "e.index", "--json")
    assert done.returncode == 1
    assert "none of its files could be read" in done.stderr
    told = json.loads(done.stdout)
    assert told["passed"] == [{"file": ".hidden", "code": "hidden", "message": "a hidden file or folder"}]
    assert told["ledger"]["failed"] == 1
    Image.new("RGB", (40, 40), "red").save(empty / "a.png")
    os.utime(empty / "a.png", (1, 1))
    done = run("index", "build", shapes, empty, "--to", home / "e.index", "--encoding", "gb18030")
    assert (done.returncode, "next:" in done.stdout) == (0, True)


@pytest.mark.slow
def test_an_update_tells_what_came_and_what_went(home: Path, shapes: Path, run: Any) -> None:
    folder = home / "Pictures"
    made = built(home, shapes)
    assert made.status()["changes"] == {"new": 6, "changed": 0, "moved": 0, "gone": 0}
    make_pictures(folder / "more", 2, seed=9)
    (folder / "0001.png").unlink()
    (folder / "0002.png").rename(folder / "two.png")
    Image.new("RGB", (64, 64), "red").save(folder / "0003.png")
    said = run("index", "update", home / "p.index").stdout
    assert said.startswith("since the last look: 2 new, 1 changed, 1 moved, 1 gone\n")
    told = json.loads(run("index", "update", home / "p.index", "--json").stdout)
    assert told["changes"] == {"new": 0, "changed": 0, "moved": 0, "gone": 0}


NO_MOMENT = """2024:02:30 10:00:00|2024:05:03 24:00:00|2024:05:03 10:00:60|2024:05:03 10:61:00|2024:13:45 10:00:00|
2023:02:29 10:00:00|2024:00:00 00:00:00|0000:00:00 00:00:00|    :  :     :  :  |2024:05:03|garbage""".split("|")


def noted(file: Path, moment: str, latitude: float = 48.0, original: bool = True) -> None:
    """A picture whose camera wrote when and where it was taken."""
    exif = Image.Exif()
    if original:
        exif.get_ifd(0x8769)[36867] = moment
    else:
        exif[0x0132] = moment
    exif.get_ifd(0x8825).update({1: "N", 2: (latitude, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    Image.new("RGB", (64, 64), "red").save(file, exif=exif)


@pytest.mark.parametrize("original", [True, False], ids=["taken", "changed"])
def test_a_moment_that_cannot_be_is_no_date_and_stops_nothing(home: Path, shapes: Path, original: bool) -> None:
    for i, moment in enumerate(NO_MOMENT):
        noted(home / "Pictures" / f"{i}.jpg", moment.strip("\n"), original=original)
        os.utime(home / "Pictures" / f"{i}.jpg", (0, 86400 * 365))
    noted(home / "Pictures" / "good.jpg", "2024:02:29 23:59:59", original=original)
    made = built(home, shapes)
    assert made.ledger()["searchable"] == 7 + len(NO_MOMENT)
    found = hits(made, group=False)
    assert {found[f"{i}.jpg"]["date"][:4] for i in range(len(NO_MOMENT))} == {"1971"}
    assert found["good.jpg"]["date"] == "2024-02-29 23:59:59"
    assert len(hits(made, group=False, where="date=1971")) == len(NO_MOMENT)


def test_a_place_that_is_not_on_earth_is_not_known(home: Path, shapes: Path) -> None:
    noted(home / "Pictures" / "paris.jpg", "2024:05:03 10:00:00")
    noted(home / "Pictures" / "nowhere.jpg", "2024:05:03 10:00:00", latitude=148.0)
    made = built(home, shapes, place=True)
    assert list(hits(made, group=False, where="latitude>0")) == ["paris.jpg"]


def test_a_file_changed_in_a_year_that_no_date_has_is_taken_in(
    home: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told:
        st_mtime, st_size = 1e18, 5

    import chiasm.collection._intake as intake

    told = intake._facts(home / "Pictures", "0000.png", "audio", {}, None, "utf-8")
    assert told["date"]
    monkeypatch.setattr(intake.os, "stat", lambda *_: Told)
    told = intake._facts(home / "Pictures", "0000.png", "audio", {}, None, "utf-8")
    assert (told["date"], told["modified"], told["size"]) == (None, None, 5)


def test_what_an_older_ledger_calls_a_date_is_not_known_where_it_is_none(home: Path, shapes: Path) -> None:
    made = built(home, shapes)
    (item,) = made._catalog.items("name = '0001.png'")
    made._catalog.put([{"id": item.id, "facts": {**item.facts, "date": "2024-00-00 00:00:00"}}])
    order = [hit["item"] for hit in made.hits({"text": ["a red circle"]}, k=9, sort="date", among=9)[0]]
    assert order[-1] == "0001.png"
    made.switch(shapes_model(home / "other", "ridge"))
    assert made.ledger()["searchable"] == 6


def test_a_date_is_that_of_the_file_also_where_its_bytes_are_as_they_were(
    home: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "Pictures"
    made = built(home, shapes)
    before = hits(made)
    monkeypatch.setattr(type(made.model), "placed", None)  # so that nothing can be encoded again
    for day, name in enumerate(("0000.png", "0002.png")):
        os.utime(folder / name, (at := 86400.0 * (9000 + day), at))  # in August 1994
    assert made.update()["searchable"] == 6
    assert set(hits(made, where=["date<1995"])) == {"0000.png", "0002.png"}
    assert list(hits(made, sort="date", among=50))[:2] == ["0000.png", "0002.png"]
    assert [one["item"] for one in made.items(sort="date", k=2)] == ["0000.png", "0002.png"]
    assert {name: hit["score"] for name, hit in hits(made).items()} == {
        name: hit["score"] for name, hit in before.items()
    }
    assert made.status()["changes"]["changed"] == 2
    made.update()
    assert made.status()["changes"]["changed"] == 0
