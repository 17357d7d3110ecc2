"""A folder that stays searchable: every file is accounted for, whatever is moved, changed, broken or killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chiasm
from chiasm.collection import Collection, load
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A quick model of colored shapes and their captions, saved."""
    home = tmp_path_factory.mktemp("model")
    pairs = make_pictures(home / "learned", 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align="cca").fit(views).save(home / "m.chiasm")
    return home / "m.chiasm"


@pytest.fixture
def home(tmp_path):
    make_pictures(tmp_path / "Pictures", 30, seed=5)
    return tmp_path


def built(home, model, **options):
    return Collection.build(home / "p.index", model, home / "Pictures", **options)


def names(made, words="a red circle", **options):
    return [hit["item"] for hit in made.hits({"text": [words]}, k=1000, **options)[0]]


def everything(home):
    folder = home / "Pictures"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def counts(made):
    ledger = made.ledger()
    assert ledger["seen"] == ledger["searchable"] + ledger["failed"] + ledger["waiting"]
    return ledger["searchable"], ledger["failed"], ledger["waiting"]


def test_a_folder_is_searched_as_its_model_searches_it(home, model):
    made = built(home, model)
    assert counts(made) == (30, 0, 0)
    plain = chiasm.load(model).hits(
        {"text": ["a red circle"]},
        k=7,
        within=chiasm.Views.of({"image": [str(home / "Pictures" / n) for n in everything(home)]}, {"image": "image"}),
    )[0]
    found = made.hits({"text": ["a red circle"]}, k=7)[0]
    assert [hit["score"] for hit in found] == pytest.approx([hit["score"] for hit in plain], abs=1e-6)
    assert [hit["item"] for hit in found] == [Path(hit["item"]).name for hit in plain]
    assert [hit["rank"] for hit in found] == list(range(1, 8))
    again = load(home / "p.index")
    assert again.hits({"text": ["a red circle"]}, k=7)[0] == found
    assert isinstance(load(model), Retrieve)


def test_nothing_is_encoded_again_when_nothing_changed(home, model, monkeypatch):
    made = built(home, model)
    monkeypatch.setattr(Retrieve, "placed", lambda *_, **__: pytest.fail("encoded again"))
    monkeypatch.setattr("chiasm.collection._intake.content_of", lambda _: pytest.fail("read again"))
    assert made.update() == made.ledger()
    assert Collection(home / "p.index").update()["searchable"] == 30


def test_what_is_added_changed_renamed_and_removed_is_seen_at_the_next_look(home, model):
    folder = home / "Pictures"
    made = built(home, model)
    ids = {item.name: item.id for item in made._catalog.items()}
    (folder / "sub").mkdir()
    (folder / "0003.png").rename(folder / "sub" / "moved.png")
    (folder / "0004.png").unlink()
    make_pictures(folder / "new", 3, seed=9)
    Image.new("RGB", (40, 40), "white").save(folder / "0005.png")
    assert "0004.png" not in names(made)  # at once, before the next look
    made.update()
    assert sorted(names(made)) == everything(home)
    assert counts(made) == (32, 0, 0)
    after = {item.name: item.id for item in made._catalog.items()}
    assert after["sub/moved.png"] == ids["0003.png"]
    assert after["0005.png"] == ids["0005.png"]
    assert made.verify()["sound"]


def test_a_file_that_cannot_be_read_has_failed_with_its_reason_until_it_is_mended(home, model):
    folder = home / "Pictures"
    whole = (folder / "0002.png").read_bytes()
    (folder / "0002.png").write_bytes(whole[:60])
    (folder / "0003.png").write_bytes(b"")
    made = built(home, model)
    assert counts(made) == (28, 2, 0)
    assert {one["file"]: bool(one["code"] and one["message"]) for one in made.failures()} == {
        "0002.png": True,
        "0003.png": True,
    }
    assert sum(made.status()["failed"].values()) == 2
    (folder / "0002.png").write_bytes(whole)
    made.update()
    assert counts(made) == (29, 1, 0)
    (folder / "0007.png").write_bytes(b"broken now")
    made.update()
    assert counts(made) == (28, 2, 0)
    assert "0007.png" not in names(made)
    assert made.verify()["sound"]


def test_other_files_are_passed_over_by_reason(home, model):
    folder = home / "Pictures"
    (folder / "notes.csv").write_text("a,b\n")
    (folder / "0001.CR2").write_bytes(b"raw")
    (folder / "lonely.txt").write_text("words")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "private").mkdir()
    shutil.copy(folder / "0001.png", folder / "private" / "1.png")
    shutil.copy(folder / "0001.png", folder / "skip.png")
    (folder / ".chiasmignore").write_text("private/\nskip.*\n# a remark\n")
    made = built(home, model)
    assert counts(made) == (30, 0, 0)
    told = made.status()["passed_over"]
    assert told == {"hidden": 2, "ignored": 2, "lone_text": 1, "other_kind": 1, "raw": 1}


def test_a_pipe_and_a_name_that_is_no_text_are_passed_over(home, model):
    os.mkfifo(home / "Pictures" / "pipe.png")
    (home / "Pictures" / os.fsdecode(b"bad\xff.png")).write_bytes(b"x")
    made = built(home, model)
    assert counts(made) == (30, 0, 0)
    assert made.status()["passed_over"] == {"name": 1, "no_file": 1}


def test_an_empty_mount_point_or_a_missing_folder_loses_nothing(home, model):
    made = built(home, model)
    (home / "Pictures").rename(home / "away")
    with pytest.raises(ChiasmError, match="is not there: mount it"):
        made.rebuild()
    (home / "Pictures").mkdir()
    with pytest.raises(ChiasmError, match="none of the 30 files"):
        made.update()
    assert counts(made) == (30, 0, 0)
    (home / "Pictures").rmdir()
    (home / "away").rename(home / "Pictures")
    assert made.update()["searchable"] == len(names(made)) == 30


def test_a_model_of_other_views_is_refused_before_anything_is_touched(home, model):
    made = built(home, model)
    rows = np.random.default_rng(0).normal(size=(30, 4))
    with pytest.raises(ChiasmError, match="views of media"):
        made.switch(Retrieve(align="cca").fit({"photo": rows, "text": rows[:, ::-1]}))
    assert len(names(Collection(home / "p.index"))) == 30
    with pytest.raises(ChiasmError, match=r"k of at least 1, a whole number, got 2\.5"):
        made.hits({"text": ["x"]}, k=2.5)


def test_equal_files_are_one_hit_that_names_its_copies(home, model):
    folder = home / "Pictures"
    shutil.copy(folder / "0000.png", folder / "z copy.png")
    made = built(home, model)
    assert counts(made) == (31, 0, 0)
    (hit,) = [hit for hit in made.hits({"text": ["x"]}, k=100)[0] if hit["item"] in ("0000.png", "z copy.png")]
    assert {hit["item"], *hit["copies"]} == {"0000.png", "z copy.png"}
    assert len(names(made)) == 30


def test_conditions_on_path_date_size_and_caption_choose_among_the_files(home, model):
    folder = home / "Pictures"
    (folder / "trip").mkdir()
    for name in ("0001", "0002"):
        (folder / f"{name}.png").rename(folder / "trip" / f"{name}.png")
    (folder / "0007.txt").write_text("海边的狗\nA dog by the sea", encoding="utf-8")
    exif = Image.Exif()
    exif[0x0132] = "2019:05:04 10:00:00"
    Image.new("RGB", (64, 64), "red").save(folder / "old.jpg", exif=exif)
    os.utime(folder / "0009.png", (1_500_000_000, 1_500_000_000))  # July 2017
    made = built(home, model)
    assert names(made, where="path=trip") == sorted(names(made, where="path=trip"), key=names(made).index)
    assert sorted(names(made, where="path=trip")) == ["trip/0001.png", "trip/0002.png"]
    assert names(made, where="date=2019-05") == ["old.jpg"]
    assert names(made, where="date<2018") == ["0009.png"]
    assert names(made, where="caption~狗") == ["0007.png"]
    assert names(made, where=["path=trip", "date<2018"]) == []
    assert len(names(made, where="size>0")) == 31
    (hit,) = made.hits({"text": ["x"]}, where="caption~DOG")[0]
    assert hit["caption"] == "海边的狗\nA dog by the sea"
    (folder / "0007.txt").write_text("a cat now")
    made.update()
    assert names(made, where="caption~狗") == []
    assert names(made, where="caption~cat") == ["0007.png"]
    with pytest.raises(ChiasmError, match="no column named 'dat'; did you mean 'date'"):
        names(made, where="dat>2018")


def test_what_counts_as_a_match_does_not_change_with_a_filter(home, model):
    folder = home / "Pictures"
    for i in range(30):
        (folder / f"{i % 5}").mkdir(exist_ok=True)
        (folder / f"{i:04d}.png").rename(folder / f"{i % 5}" / f"{i:04d}.png")
    made = built(home, model)
    queries = {"text": ["a red circle", "a blue square", "zzz qqq", "circle", "a green"]}

    def accepted(where):
        return np.array([bool(row) for row in made.hits(queries, where=where, reject=0.4)])

    single = {name: accepted(f"path={name}") for name in everything(home)}
    assert 0 < np.mean(list(single.values())) < 1
    for part in range(5):
        within = [found for name, found in single.items() if name.startswith(f"{part}/")]
        np.testing.assert_array_equal(accepted(f"path={part}"), np.any(within, axis=0))
    np.testing.assert_array_equal(accepted(None), np.any(list(single.values()), axis=0))


def test_a_wrong_place_or_model_is_one_sentence(home, model, tmp_path):
    made = built(home, model)
    rows = np.random.default_rng(0).normal(size=(30, 4))
    other = Retrieve(align="cca").fit({"image": rows, "text": rows[:, ::-1]})
    with pytest.raises(ChiasmError, match="built with another model"):
        Collection.build(home / "p.index", other, home / "Pictures")
    with pytest.raises(ChiasmError, match="is the index of"):
        Collection.build(home / "p.index", model, model)
    with pytest.raises(ChiasmError, match="no such folder"):
        Collection.build(home / "q.index", model, home / "nowhere")
    with pytest.raises(ChiasmError, match="would lie in the folder"):
        Collection.build(home / "Pictures" / "q.index", model, home / "Pictures")
    with pytest.raises(ChiasmError, match="holds something else"):
        Collection.build(home / "Pictures" / "..", model, model)
    with pytest.raises(ChiasmError, match="no index named 'exactt'"):
        Collection.build(home / "q.index", model, home / "Pictures", index="exactt")
    with pytest.raises(ChiasmError, match="is not an index"):
        Collection(model)
    with pytest.raises(ChiasmError, match="indexes image, not 'text'"):
        made.hits({"image": [str(home / "Pictures" / "0001.png")]}, to="text")
    shutil.move(home / "Pictures", home / "Elsewhere")
    with pytest.raises(ChiasmError, match="is not there: mount it"):
        made.update()
    assert made.ledger()["seen"] == 30
    made._catalog.close()
    (home / "p.index" / "catalog.sqlite").write_bytes(b"nonsense" * 999)
    with pytest.raises(ChiasmError, match="damaged"):
        Collection(home / "p.index")


def test_two_updates_at_once_are_refused_and_searching_goes_on(home, model):
    made = built(home, model)
    make_pictures(home / "Pictures" / "more", 10, seed=3)
    busy, go = threading.Event(), threading.Event()

    def slow(*_):
        busy.set()
        go.wait(20)

    first = threading.Thread(target=lambda: Collection(home / "p.index").update(progress=slow))
    first.start()
    assert busy.wait(20)
    with pytest.raises(ChiasmError, match="another process is updating"):
        made.update()
    assert len(names(made)) >= 30
    go.set()
    first.join()
    assert counts(made) == (40, 0, 0)


def test_flipped_bits_are_named_and_a_rebuild_mends_them(home, model):
    built(home, model)
    (file,) = (home / "p.index").glob("vectors-*/vectors-*.f32")
    raw = bytearray(file.read_bytes())
    raw[9] ^= 0x20
    file.write_bytes(bytes(raw))
    made = Collection(home / "p.index")
    found = made.verify()
    assert (found["sound"], found["damaged"]) == (False, ["0000.png"])
    made.rebuild()
    assert made.verify()["sound"]
    assert counts(made) == (30, 0, 0)
    shutil.rmtree(next((home / "p.index").glob("vectors-*")))
    made = Collection(home / "p.index")
    assert len(made.verify()["missing"]) == 30
    made.update()
    assert made.verify()["sound"]
    assert len(names(made)) == 30


def test_a_switch_changes_the_model(home, model, tmp_path):
    made = built(home, model)
    before = names(made)
    part = chiasm.load(model)
    part.aligner_.k = 3
    views = chiasm.Views.of(
        {
            "text": [f"a {c} thing" for c in ("red", "green", "blue")] * 10,
            "image": [str(home / "Pictures" / f"{i:04d}.png") for i in range(30)],
        },
        {"text": "text", "image": "image"},
    )
    other = Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align="ridge").fit(views)
    made.switch(other, 1.0)
    assert sorted(names(made)) == sorted(before)
    assert names(made) != before
    assert made.verify()["sound"]


def test_the_watch_gives_the_ledger_when_something_changed(home, model):
    pytest.importorskip("watchfiles")
    made = built(home, model)
    timer = threading.Timer(0.5, lambda: make_pictures(home / "Pictures" / "late", 2, seed=8))
    timer.start()
    for ledger in made.watch():
        if ledger["searchable"] == 32:
            break
    assert counts(made) == (32, 0, 0)


KILLED = """
import os, random, sys, threading, time
from chiasm.collection import Collection
at, folder, model, seconds = sys.argv[1:5]
threading.Thread(target=lambda: (time.sleep(float(seconds)), os.kill(os.getpid(), 9)), daemon=True).start()
import chiasm.collection._intake as intake
intake._BATCH = 3
made = Collection.build(at, model, folder)
while True:
    print(made.ledger()["searchable"], flush=True)
    made.update(); made.rebuild(); 
"""


@pytest.mark.slow
def test_whatever_kills_building_and_rebuilding_nothing_is_lost_or_twice(home, model):
    folder = home / "Pictures"
    for turn in range(12):
        make_pictures(folder / f"turn{turn}", 4, seed=20 + turn)
        if turn % 3 == 2:
            shutil.rmtree(folder / f"turn{turn - 1}")
        call = [sys.executable, "-c", KILLED, str(home / "p.index"), str(folder), str(model), str(0.7 + 0.11 * turn)]
        done = subprocess.run(call, capture_output=True, text=True)
        assert done.returncode == -9, done.stderr
    made = built(home, model)
    assert counts(made) == (len(everything(home)), 0, 0)
    assert sorted(names(made)) == everything(home)
    assert made.verify()["sound"]
    assert not list(home.glob(".new-*"))


@pytest.mark.slow
def test_the_command_builds_tells_and_searches(home, model, run):
    def chiasm_(*words, code=0):
        done = run(*map(str, words))
        assert done.returncode == code, done.stderr
        return done.stdout

    (home / "Pictures" / "0001.png").write_bytes(b"no picture")
    said = chiasm_("index", "build", model, home / "Pictures", "--to", home / "p.index")
    assert "30 files seen: 29 searchable, 1 failed, 0 waiting" in said
    assert "failed: 0001.png [" in said
    assert "chiasm search" in said.split("next: ")[1]
    import json

    told = json.loads(chiasm_("index", "status", home / "p.index", "--json"))
    assert told["ledger"] == {"seen": 30, "searchable": 29, "failed": 1, "waiting": 0}
    found = json.loads(chiasm_("search", home / "p.index", "a red circle", "--where", "path=0000.png", "--json"))
    assert [hit["item"] for hit in found["results"]] == ["0000.png"]
    assert chiasm_("index", "verify", home / "p.index").startswith("sound: 30 files seen")
    assert "29 searchable" in chiasm_("index", "rebuild", home / "p.index")
    done = run("search", str(model), "x", "--where", "path=a")
    assert done.returncode == 1
    assert "wanted an index together with --where" in done.stderr
