"""An index whose own files are damaged, foreign, missing or not to be written: a sentence, and one command mends it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from chiasm.collection import Collection, load, renew
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Two indexes of one folder, by two models."""
    import chiasm

    home = tmp_path_factory.mktemp("template")
    pairs = make_pictures(home / "learned", 48)
    make_pictures(home / "Pictures", 30, seed=5)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
    )
    for name, align in (("p", "cca"), ("q", "procrustes")):
        model = Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align=align).fit(views)
        model.save(home / f"{name}.chiasm")
        Collection.build(home / f"{name}.index", home / f"{name}.chiasm", home / "Pictures")._catalog.close()
    return home


@pytest.fixture
def home(tmp_path, template):
    for one in template.iterdir():
        if one.name != "learned":
            shutil.copytree(one, tmp_path / one.name)
    for index in ("p.index", "q.index"):  # a copy's folder is where it was; here it moves along
        note = tmp_path / index / "about.json"
        note.write_text(note.read_text().replace(str(template), str(tmp_path)))
        made = Collection(tmp_path / index)
        made._catalog.set(folder=str(tmp_path / "Pictures"))
        made._catalog.close()
    return tmp_path


def names(made):
    return sorted(hit["item"] for hit in made.hits({"text": ["a red circle"]}, k=1000)[0])


ALL = [f"{i:04d}.png" for i in range(30)]

READ = """
import os, sys
from pathlib import Path
from chiasm.collection import Collection
index, = sys.argv[1:]
def ask():
    made = Collection(index)
    return made, sorted(hit["item"] for hit in made.hits({"text": ["a red circle"]}, k=1000)[0])
ask()[0].verify()  # what is imported late is imported
for file in Path(os.environ["CHIASM_CACHE"]).rglob("*"):
    file.chmod(0o777)
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
assert not os.access(index, os.W_OK)
made, found = ask()
print(len(found), made.verify()["sound"], made.ledger()["searchable"])
try:
    made.update()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("apart", [False, True], ids=["closed", "never closed"])
def test_an_index_that_may_not_be_written_is_searched_and_nothing_is_written(home, apart):
    if apart:  # what SQLite keeps apart is left beside, as by a death
        code = (
            "import os, sys; from chiasm.collection import Collection; made = Collection(sys.argv[1]); "
            "made.rebuild(); os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", code, home / "p.index"], check=True)
        assert list((home / "p.index").glob("*-wal"))
    for place in (home, *home.parents):
        if place.stat().st_uid == os.getuid() and place.name and str(place).startswith("/tmp/"):
            place.chmod(0o755)
    for path in sorted((home / "p.index").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (home / "p.index").chmod(0o555)
    before = sorted((path, path.stat().st_mtime_ns) for path in (home / "p.index").rglob("*") if path.is_file())
    try:
        (home / "cache").mkdir()
        (home / "cache").chmod(0o777)
        call = [sys.executable, "-c", READ, home / "p.index"]
        own = {**os.environ, "CHIASM_CACHE": str(home / "cache")}
        done = subprocess.run(call, capture_output=True, text=True, env=own)
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()
        assert first == "30 True 30"
        assert second.startswith("ChiasmError no permission to write")
        if os.getuid():  # root's own look writes
            assert before == sorted(
                (path, path.stat().st_mtime_ns) for path in (home / "p.index").rglob("*") if path.is_file()
            )
    finally:
        for path in [home / "p.index", *sorted((home / "p.index").rglob("*"))]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("how", ["nonsense", "empty", "gone", "half"])
def test_a_damaged_catalog_is_said_and_made_anew_by_one_command(home, how):
    file = home / "p.index" / "catalog.sqlite"
    whole = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes({"nonsense": b"nonsense" * 999, "empty": b"", "half": whole[: len(whole) // 2]}[how])
    with pytest.raises(ChiasmError, match="rebuild"):
        load(home / "p.index").verify()
    made = renew(home / "p.index")
    assert names(made) == ALL
    assert made.verify()["sound"]
    assert made.status()["problems"] == []
    assert Collection(home / "p.index").folder == home / "Pictures"


def test_where_the_note_is_gone_as_well_or_the_folder_is_away_nothing_is_touched(home):
    (home / "p.index" / "catalog.sqlite").write_bytes(b"nonsense" * 999)
    (home / "Pictures").rename(home / "away")
    held = sorted(path for path in (home / "p.index").rglob("*"))
    with pytest.raises(ChiasmError, match="is not there: mount it"):
        renew(home / "p.index")
    (home / "p.index" / "about.json").rename(home / "note")
    with pytest.raises(ChiasmError, match="build it anew at another place"):
        renew(home / "p.index")
    (home / "note").rename(home / "p.index" / "about.json")
    assert sorted(path for path in (home / "p.index").rglob("*") if path.name != ".lock") == [
        path for path in held if path.name != ".lock"
    ]
    (home / "away").rename(home / "Pictures")
    assert names(renew(home / "p.index")) == ALL


def test_another_models_files_are_noticed(home):
    ours, theirs = (next((home / index).glob("model-*")) for index in ("p.index", "q.index"))
    shutil.copytree(theirs, home / "p.index" / theirs.name)
    shutil.copytree(next((home / "q.index").glob("vectors-*")), home / "p.index" / "vectors-0123abcd-0")
    made = Collection(home / "p.index")
    (problem,) = made.status()["problems"]
    assert theirs.name in problem
    assert "vectors-0123abcd-0" in problem
    assert not made.verify()["sound"]
    assert names(made) == ALL
    made.update()
    assert made.verify()["sound"]
    shutil.rmtree(ours)
    with pytest.raises(ChiasmError, match="lacks its model"):
        Collection(home / "p.index")
    shutil.copytree(theirs, ours)
    with pytest.raises(ChiasmError, match="is another model than the one that the vectors were made with"):
        Collection(home / "p.index")


def test_another_models_vectors_under_the_right_name_are_found_by_verify_and_mended(home):
    mine, other = (next((home / index).glob("vectors-*")) for index in ("p.index", "q.index"))
    shutil.rmtree(mine)
    shutil.copytree(other, mine)
    made = Collection(home / "p.index")
    found = made.verify()
    assert not found["sound"]
    assert len(found["unlike"]) == 8
    made.rebuild()
    assert made.verify()["sound"]


def test_missing_vectors_are_one_sentence_and_the_next_update_makes_them_anew(home):
    shutil.rmtree(next((home / "p.index").glob("vectors-*")))
    made = Collection(home / "p.index")
    with pytest.raises(ChiasmError, match=r"missing .* Update it"):
        names(made)
    assert not list((home / "p.index").glob("vectors-*"))  # looking makes nothing
    assert "Update it" in made.status()["problems"][0]
    assert len(made.verify()["missing"]) == 30
    made.update()
    assert names(made) == ALL
    assert made.verify()["sound"]


def test_an_index_that_was_moved_is_itself_and_one_that_was_copied_half_says_what_is_missing(home):
    (home / "p.index").rename(home / "moved.index")
    made = Collection(home / "moved.index")
    assert names(made) == ALL
    assert made.verify()["sound"]
    del made
    (file,) = (home / "moved.index").glob("vectors-*/vectors-*.f32")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ChiasmError, match=r"not whole .* copied half"):
        names(Collection(home / "moved.index"))
    assert names(renew(home / "moved.index")) == ALL


@pytest.fixture(scope="module")
def captioned(template, tmp_path_factory):
    """An index of thirty pictures with captions."""
    home = tmp_path_factory.mktemp("captioned")
    for i, (name, text) in enumerate(make_pictures(home / "Pictures", 30, seed=5)):
        (home / "Pictures" / name).with_suffix(".txt").write_text(f"{text} of turn {i}")
    Collection.build(home / "p.index", template / "p.chiasm", home / "Pictures")._catalog.close()
    return home


KINDS = {"vectors": "vectors-*", "captions": "said-*-caption", "words": "said-*-text"}
HALF = ["vectors cut", "vectors gone", "rows gone", "rows nonsense", "rows empty", "all gone"]


@pytest.mark.parametrize(
    ("kind", "how"),
    [(kind, how) for kind in KINDS for how in HALF if kind != "words" or how in ("rows gone", "rows nonsense")],
)
def test_an_update_makes_anew_what_was_copied_half_and_the_message_says_so(captioned, tmp_path, kind, how):
    shutil.copytree(captioned / "p.index", tmp_path / "p.index")
    (place,) = (tmp_path / "p.index").glob(KINDS[kind])
    what, state = how.split()
    files = sorted(place.iterdir())
    chosen = [one for one in files if what == "all" or one.name.startswith((what, "words"))]
    for one in chosen:
        if state == "gone":
            one.unlink()
        else:
            one.write_bytes({"cut": one.read_bytes()[:100], "nonsense": b"nonsense" * 999, "empty": b""}[state])
    made = Collection(tmp_path / "p.index")
    ask = {"text": ['"turn 7"']}
    with pytest.raises(ChiasmError, match=r": update .*, and it is made anew\.$|Update it, and they are made anew"):
        made.hits(ask)
    assert made.status()["problems"]
    assert not made.verify()["sound"]
    made.update()
    assert [hit["item"] for hit in made.hits(ask)[0]] == ["0007.png"]
    assert "caption" in made.hits({"text": ["turn 7"]})[0][0]["why"]
    assert made.verify()["sound"]
    assert made.status()["problems"] == []


def test_an_update_that_tries_again_makes_anew_what_is_damaged_inside(captioned, tmp_path):
    shutil.copytree(captioned / "p.index", tmp_path / "p.index")
    (file,) = (tmp_path / "p.index").glob("vectors-*/rows.sqlite")
    raw = bytearray(file.read_bytes())
    at = raw.rfind(b"0029.png")
    raw[at - 60 : at] = b"\xff" * 60
    file.write_bytes(bytes(raw))
    made = Collection(tmp_path / "p.index")
    assert not made.verify()["sound"]
    made.update(retry=True)
    assert made.verify()["sound"]


@pytest.mark.parametrize("name", ["recipe.json", "*.safetensors"])
def test_a_model_that_was_copied_half_is_said_to_be_the_indexs(home, name):
    (file,) = (home / "p.index").glob(f"model-*/{name}")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ChiasmError, match=r"the model in the index .* is not whole: .* Copy model-\w+ again, or"):
        Collection(home / "p.index")


def test_overwritten_vectors_are_found_and_an_update_that_tries_again_mends_them(home):
    (file,) = (home / "p.index").glob("vectors-*/vectors-*.f32")
    raw = bytearray(file.read_bytes())
    raw[:40] = b"\x7a" * 40
    file.write_bytes(bytes(raw))
    made = Collection(home / "p.index")
    assert made.verify()["damaged"] == ["0000.png"]
    made.update(retry=True)
    assert made.verify()["sound"]
    assert max(hit["score"] for hit in made.hits({"text": ["a red circle"]}, k=50)[0]) <= 1.0001


@pytest.mark.parametrize("where", ["vectors", "ledger"])
def test_no_space_left_is_one_sentence_and_loses_nothing(home, monkeypatch, where):
    make_pictures(home / "Pictures" / "more", 5, seed=8)
    made = Collection(home / "p.index")
    with monkeypatch.context() as patch:
        if where == "vectors":

            def full(*_):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            patch.setattr("chiasm.index._journal.os.fsync", full)
        else:
            pages = made._catalog._db.execute("PRAGMA page_count").fetchone()[0]
            made._catalog._db.execute(f"PRAGMA max_page_count = {pages}")
            make_pictures(home / "Pictures" / "many", 300, seed=9)
        with pytest.raises(ChiasmError, match=r"no space is left .* make room"):
            made.update()
    made = Collection(home / "p.index")
    found = made.ledger()
    assert found["seen"] == found["searchable"] + found["failed"] + found["waiting"]
    assert set(ALL) <= set(names(made))
    made.update()
    assert made.verify()["sound"]
    assert made.ledger()["searchable"] == len(list((home / "Pictures").rglob("*.png")))


def test_another_engine_or_places_for_an_index_that_is_there_are_refused(home):
    with pytest.raises(ChiasmError, match="keeps its vectors in 'exact', got 'signs'"):
        Collection.build(home / "p.index", home / "p.chiasm", home / "Pictures", index="signs")
    with pytest.raises(ChiasmError, match="was built without places"):
        Collection.build(home / "p.index", home / "p.chiasm", home / "Pictures", place=True)
    assert names(Collection.build(home / "p.index", home / "p.chiasm", home / "Pictures")) == ALL


def test_a_first_build_that_fails_leaves_nothing(home, monkeypatch):
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    monkeypatch.setenv("PGHOST", str(home))  # no server's socket is there
    with pytest.raises(ChiasmError):
        Collection.build(home / "r.index", home / "p.chiasm", home / "Pictures", index="postgres")
    assert not (home / "r.index").exists()
    assert not list(home.glob(".new-*"))


@pytest.mark.parametrize("at", ["_whole.adopt", "_whole.note", "_whole.Catalog.close", "_catalog.Catalog.set"])
def test_a_build_that_was_killed_at_its_beginning_leaves_nothing_beside_and_is_gone_on_with(home, at):
    code = (
        "import os, sys, chiasm.collection._catalog, chiasm.collection._whole; "
        f"chiasm.collection.{at} = lambda *_, **__: os._exit(9); "
        "from chiasm.collection import Collection; Collection.build(*sys.argv[1:])"
    )
    ask = [home / "n.index", home / "p.chiasm", home / "Pictures"]
    before = sorted(home.iterdir())
    assert subprocess.run([sys.executable, "-c", code, *ask]).returncode == 9
    assert sorted(home.iterdir()) == sorted([*before, home / "n.index"])
    made = Collection.build(home / "n.index", home / "q.chiasm", home / "Pictures")  # another model, even
    assert names(made) == ALL
    assert made.verify()["sound"]
    assert len(list(made.path.glob("model-*"))) == 1
    assert sorted(one.name for one in made.path.glob(".*")) == [".lock"]


def test_a_place_that_holds_something_else_or_an_index_without_its_catalog_is_not_built_over(home):
    (home / "mine").mkdir()
    (home / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(ChiasmError, match="holds something else than an index"):
        Collection.build(home / "mine", home / "p.chiasm", home / "Pictures")
    assert [one.name for one in (home / "mine").iterdir()] == ["letter.txt"]
    (home / "p.index" / "catalog.sqlite").unlink()
    with pytest.raises(ChiasmError, match=r"lacks its catalog.sqlite: rebuild the index"):
        Collection.build(home / "p.index", home / "p.chiasm", home / "Pictures")
    with pytest.raises(ChiasmError, match=r"lacks its catalog.sqlite: rebuild the index"):
        Collection(home / "p.index")


def test_an_index_that_died_before_its_catalog_says_so_and_is_built_again_by_the_same_call(home):
    Collection.build(home / "n.index", home / "p.chiasm", home / "Pictures")
    for one in (home / "n.index").iterdir():  # as a death between the note and the catalog leaves it
        if one.name.startswith(("catalog", "said")):
            one.unlink() if one.is_file() else shutil.rmtree(one)
        elif one.name.startswith("vectors"):
            shutil.rmtree(one)
    with pytest.raises(ChiasmError, match=r"has no catalog.sqlite yet and no vectors: build it again"):
        Collection(home / "n.index")
    assert names(Collection.build(home / "n.index", home / "p.chiasm", home / "Pictures")) == ALL


@pytest.mark.slow
def test_the_command_rebuilds_a_damaged_index_and_a_watch_ends_quietly(home, run):
    pytest.importorskip("watchfiles")
    (home / "p.index" / "catalog.sqlite").write_bytes(b"nonsense" * 999)
    said = run("index", "status", home / "p.index", "--json")
    assert said.returncode == 1
    assert "rebuild the index" in said.stderr
    assert f"error: {json.loads(said.stdout)['error']}\n" == said.stderr
    told = json.loads(run("index", "rebuild", home / "p.index", "--json").stdout)
    assert told["ledger"]["searchable"] == 30
    watch = subprocess.Popen(
        [sys.executable, "-m", "chiasm", "index", "update", home / "p.index", "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "seen" not in watch.stdout.readline():
        assert watch.poll() is None
    time.sleep(1)
    watch.send_signal(signal.SIGINT)
    out, error = watch.communicate(timeout=30)
    assert (watch.returncode, out, error.replace("\n", "")) == (0, "", "")


@pytest.mark.slow
def test_a_folder_that_is_away_is_said_and_an_index_follows_it_where_it_went(home, run):
    made = Collection(home / "p.index")
    made.teach("reds", ["0000.png", "0012.png"])
    before = made.hits({"text": ["reds"]}, k=30)[0]
    (home / "Pictures").rename(home / "Holidays")
    with pytest.raises(ChiasmError, match=r"Pictures is not there: mount it, move it back, or update the index"):
        made.hits({"text": ["reds"]})
    searched = run("search", home / "p.index", "reds")
    assert (searched.returncode, "is not there: mount it" in searched.stderr) == (1, True)
    assert "is not there" in made.status()["problems"][0]
    make_pictures(home / "Others", 30, seed=7)
    with pytest.raises(ChiasmError, match=r"in which 0 of 30 files are the same"):
        made.update(folder=home / "Others")
    with pytest.raises(ChiasmError, match="there is no such folder"):
        made.update(folder=home / "Nowhere")
    assert "30 searchable" in run("index", "update", home / "p.index", "--folder", home / "Holidays").stdout
    again = Collection(home / "p.index")
    assert again.folder == home / "Holidays"
    assert again.hits({"text": ["reds"]}, k=30)[0] == before
    assert again.verify()["sound"]
    assert json.loads((home / "p.index" / "about.json").read_text())["folder"] == str(home / "Holidays")


@pytest.mark.slow
def test_verify_names_the_command_that_mends_what_it_found(home, run):
    def told():
        done = run("index", "verify", home / "p.index")
        said = done.stdout.splitlines()[-1].replace("python -m chiasm", "chiasm")  # as it can be typed here
        return done.returncode, said.removesuffix(str(home / "p.index")).strip()

    shutil.copytree(next((home / "q.index").glob("vectors-*")), home / "p.index" / "vectors-0123abcd-0")
    assert told() == (1, "next: chiasm index update")
    files = (home / "p.index").glob("vectors-*/vectors-*.f32")
    (file,) = (one for one in files if one.parent.name != "vectors-0123abcd-0")
    raw = file.read_bytes()
    file.write_bytes(b"\x7a" * 40 + raw[40:])
    assert told() == (1, "next: chiasm index update --retry")
    Collection(home / "p.index").update(retry=True)
    assert Collection(home / "p.index").verify()["mended_by"] is None
    other = next((home / "q.index").glob("vectors-*"))
    shutil.rmtree(file.parent)
    shutil.copytree(other, file.parent)
    assert told() == (1, "next: chiasm index rebuild")
    (home / "Pictures").rename(home / "away")
    assert Collection(home / "p.index").verify()["mended_by"] is None
