"""A new model for an index: searchable at once by mapped vectors, the loss stated, and the way back."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest

import chiasm
from chiasm.collection import Collection
from chiasm.collection.mapping import Asked, Map, held_out, lost
from chiasm.encode.pixel_image import PixelImage
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

FILES = 100


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models of colored shapes and their captions, which see pictures at two sizes, saved."""
    home = tmp_path_factory.mktemp("models")
    pairs = make_pictures(home / "learned", 96)
    views = chiasm.Views.of(
        {"text": [text for _, text in pairs], "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    for name, align in (("old", "cca"), ("new", "ridge")):
        made = Retrieve(encoders={"text": "hashed_text", "image": PixelImage()}, align=align).fit(views)
        made.save(home / f"{name}.chiasm")
    return home / "old.chiasm", home / "new.chiasm"


@pytest.fixture(scope="module")
def template(tmp_path_factory, models):
    home = tmp_path_factory.mktemp("template")
    make_pictures(home / "Pictures", FILES, seed=5)
    return home


@pytest.fixture
def home(tmp_path, template):
    shutil.copytree(template / "Pictures", tmp_path / "Pictures")
    return tmp_path


def built(home, model):
    return Collection.build(home / "p.index", model, home / "Pictures")


def scores(made, words="a red circle"):
    return {hit["item"]: hit["score"] for hit in made.hits({"text": [words]}, k=1000)[0]}


def counts(made):
    ledger = made.ledger()
    assert ledger["seen"] == ledger["searchable"] + ledger["failed"] + ledger["waiting"]
    return ledger["searchable"], ledger.get("mapped", 0)


class DeathError(Exception):
    pass


def broken_off(made, model, monkeypatch, where="take_in"):
    """A switch that ends before its mapped files are encoded."""

    def die(*_, **__):
        raise DeathError

    with monkeypatch.context() as patch:
        patch.setattr(f"chiasm.collection.collection.{where}", die)
        with pytest.raises(DeathError):
            made.switch(model, 0.4)


def test_a_rotation_and_a_linear_map_are_found_from_pairs():
    rng = np.random.default_rng(0)
    old = rng.normal(size=(300, 12))
    turn = np.linalg.qr(rng.normal(size=(14, 14)))[0][:12]
    np.testing.assert_allclose(Map(old[:200], old[:200] @ turn)(old[200:]), unit(old[200:] @ turn), atol=0.15)
    bent = rng.normal(size=(12, 9))
    straight, best = (Map(old[:200], old[:200] @ bent, share)(old[200:]) for share in (0.0, 1.0))
    np.testing.assert_allclose(best, unit(old[200:] @ bent), atol=1e-2)
    assert np.abs(straight - unit(old[200:] @ bent)).max() > 0.3
    few = Map(old[:8], old[:8] @ bent, 1.0)(old[:8])  # fewer pairs than dimensions
    np.testing.assert_allclose(few, unit(old[:8] @ bent), atol=0.1)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_stated_loss_is_what_the_rest_loses_and_nothing_where_nothing_is_lost():
    rng = np.random.default_rng(1)
    old = unit(rng.normal(size=(2000, 24)))
    turn = np.linalg.qr(rng.normal(size=(24, 24)))[0]
    queries = unit(rng.normal(size=(200, 24)))
    asked = Asked("texts", queries, np.full(200, -1))
    for noise, least, most in ((0.0, 0.98, 1.0), (0.1, 0.35, 0.9)):
        new = unit(old @ turn + noise * rng.normal(size=old.shape))
        some = rng.permutation(2000)[:200]
        held = held_out((old[some], new[some]), (old[:0], new[:0]), some, 0)
        share, told = lost(new[some], held, asked, 2000)
        mapped = Map(old[some], new[some], share)(old)
        true, ours = ((queries @ rows.T).argsort(axis=1)[:, -10:] for rows in (new, mapped))
        kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true.tolist(), ours.tolist(), strict=True)])
        assert least <= kept <= most
        assert abs(told["nearest"]["value"] - kept) < 0.12
        assert told["nearest"]["low"] <= told["nearest"]["value"] <= told["nearest"]["high"]
        assert told["found"] is None


def test_after_a_switch_all_is_as_if_it_had_been_built_with_the_new_model(home, models):
    made = built(home, models[0])
    loss = made.switch(models[1], 0.4)["image"]
    assert (loss["files"], loss["encoded"]) == (FILES, 40)
    assert 0 < loss["loss"]["nearest"]["value"] <= 1
    assert counts(made) == (FILES, 0)
    fresh = Collection.build(home / "fresh.index", models[1], home / "Pictures")
    assert scores(made) == pytest.approx(scores(fresh), abs=1e-6)
    assert made.verify()["sound"]
    assert made.status()["rollback"]
    assert scores(Collection(home / "p.index")) == scores(made)


def test_while_the_rest_is_encoded_every_file_is_found_and_the_ledger_says_how_many_are_mapped(
    home, models, monkeypatch
):
    made = built(home, models[0])
    broken_off(made, models[1], monkeypatch)
    made = Collection(home / "p.index")
    assert counts(made) == (FILES, FILES - 40)
    assert len(scores(made)) == FILES
    fresh = Collection.build(home / "fresh.index", models[1], home / "Pictures")
    everything = sorted(scores(fresh))
    near = np.corrcoef([[found[name] for name in everything] for found in (scores(made), scores(fresh))])
    assert near[0, 1] > 0.7  # by mapped vectors, nearly as by its own
    assert scores(made) != scores(fresh)
    with pytest.raises(ChiasmError, match="60 files are still mapped"):
        made.switch(models[0])
    make_pictures(home / "Pictures" / "more", 3, seed=9)
    made.update()
    assert counts(made) == (FILES + 3, 0)
    Collection(home / "fresh.index").update()
    assert scores(made) == pytest.approx(scores(Collection(home / "fresh.index")), abs=1e-6)
    assert made.verify()["sound"]


@pytest.mark.parametrize("through", [True, False], ids=["through", "broken off"])
def test_a_rollback_gives_the_old_answers_and_what_is_new_since(home, models, monkeypatch, through):
    made = built(home, models[0])
    before = scores(made)
    old = json.loads(json.dumps(made.status()["model"]))
    if through:
        made.switch(models[1], 0.4)
    else:
        broken_off(made, models[1], monkeypatch)
    (home / "Pictures" / "0001.png").unlink()
    (home / "Pictures" / "0002.png").rename(home / "Pictures" / "moved.png")
    make_pictures(home / "Pictures" / "more", 3, seed=9)
    if through:
        made.update()
    monkeypatch.setattr(Retrieve, "placed", counted := Counted(Retrieve.placed))
    made.rollback()
    after = scores(made)
    assert len(after) == FILES + 2
    assert {name: after[name] for name in before if name in after} == pytest.approx(
        {name: score for name, score in before.items() if name not in ("0001.png", "0002.png")}
    )
    assert after["moved.png"] == pytest.approx(before["0002.png"])
    assert counted.rows <= 4
    assert made.status()["model"] == old
    assert made.verify()["sound"]
    with pytest.raises(ChiasmError, match="no earlier vectors"):
        made.rollback()
    assert len(list((home / "p.index").glob("model-*"))) == len(list((home / "p.index").glob("vectors-*"))) == 1


class Counted:
    """A method that counts the rows that it is asked for."""

    def __init__(self, real):
        self.real, self.rows = real, 0

    def __get__(self, part, _):
        def call(view, views, **more):
            self.rows += len(views)
            return self.real(part, view, views, **more)

        return call


def test_old_vectors_are_dropped_where_they_are_not_to_be_kept_and_by_the_next_switch(home, models):
    made = built(home, models[0])
    made.switch(models[1], 0.4, keep=False)
    assert len(list((home / "p.index").glob("vectors-*"))) == 1
    with pytest.raises(ChiasmError, match="no earlier vectors"):
        made.rollback()
    made.switch(models[0], 0.4)
    made.switch(models[1], 0.4)
    assert len(list((home / "p.index").glob("vectors-*"))) == 2
    assert made.status()["problems"] == []


def test_a_switch_that_dies_before_its_step_leaves_the_old_answers_and_no_litter(home, models, monkeypatch):
    made = built(home, models[0])
    before = scores(made)
    with monkeypatch.context() as patch:
        patch.setattr("chiasm.collection._catalog.Catalog.turn", lambda *_, **__: (_ for _ in ()).throw(DeathError()))
        with pytest.raises(DeathError):
            made.switch(models[1], 0.4)
    made = Collection(home / "p.index")
    assert scores(made) == before
    assert "left by a switch" in made.status()["problems"][0]
    made.update()
    assert made.status()["problems"] == []
    assert scores(made) == before


def test_few_files_are_all_encoded_and_nothing_is_mapped(home, models, tmp_path):
    for path in sorted((home / "Pictures").glob("*.png"))[20:]:
        path.unlink()
    made = built(home, models[0])
    assert made.switch(models[1])["image"] == {"files": 20, "encoded": 20, "loss": None}
    assert counts(made) == (20, 0)
    assert made.verify()["sound"]


def test_what_failed_by_the_old_model_is_tried_by_the_new_and_what_the_new_cannot_read_has_failed(home, models):
    folder = home / "Pictures"
    whole = (folder / "0003.png").read_bytes()
    (folder / "0003.png").write_bytes(b"no picture")
    made = built(home, models[0])
    assert made.ledger()["failed"] == 1
    stat = (folder / "0003.png").stat()
    (folder / "0003.png").write_bytes(whole)
    (folder / "0004.png").write_bytes(b"broken")
    made.switch(models[1], 0.4)
    assert (made.ledger()["searchable"], made.ledger()["failed"]) == (FILES - 1, 1)
    assert [one["file"] for one in made.failures()] == ["0004.png"]
    assert stat
    assert made.verify()["sound"]


def test_who_has_it_open_is_answered_by_the_new_model_after_a_switch_elsewhere(home, models):
    made = built(home, models[0])
    scores(made)
    other = Collection(home / "p.index")
    wrong: list[int] = []
    stop = threading.Event()

    def search():
        while not stop.is_set():
            found = made.hits({"text": ["a red circle"]}, k=1000)[0]
            wrong.extend([len(found)] if len(found) != FILES else [])

    thread = threading.Thread(target=search)
    thread.start()
    other.switch(models[1], 0.4)
    stop.set()
    thread.join()
    assert not wrong
    assert scores(made) == scores(other)


def test_captions_beside_the_files_measure_what_they_find(home, models, monkeypatch):
    for path in sorted((home / "Pictures").glob("*.png")):
        number = int(path.stem)
        path.with_suffix(".txt").write_text(f"a {['red', 'green', 'blue'][number % 3]} thing {number}")
    made = built(home, models[0])
    loss = made.switch(models[1], 0.6)["image"]["loss"]
    assert loss["of"] == "captions"
    assert loss["queries"] == 60
    if loss["found"] is not None:
        assert loss["found"]["low"] <= loss["found"]["value"] <= loss["found"]["high"]


def test_captions_and_taught_names_are_found_in_the_new_space_before_the_rest_is_encoded(home, models, monkeypatch):
    for number in range(30):
        (home / "Pictures" / f"{number:04d}.txt").write_text(f"a thing in {'Lagos' if number < 7 else 'Quito'}")
    made = built(home, models[0])
    made.teach("rex", ["0040.png", "0056.png"])  # of one color and shape, as every 16th
    lagos = {f"{number:04d}.png" for number in range(7)}

    def holding(made):
        return {hit["item"] for hit in made.hits({"text": ['"Lagos"']}, k=1000)[0]}

    assert holding(made) == lagos
    broken_off(made, models[1], monkeypatch)
    made = Collection(home / "p.index")
    assert counts(made) == (FILES, FILES - 40)
    assert holding(made) == lagos
    assert made.status()["texts"] == {"image": {"caption": 30}}
    assert not made.names()[0]["lost"]
    assert int(made.hits({"text": ["rex"]}, k=1)[0][0]["item"][:4]) % 16 == 8
    made.update()
    assert made.verify()["sound"]
    made.rollback()
    assert holding(made) == lagos
    assert not made.names()[0]["lost"]
    assert made.verify()["sound"]


@pytest.mark.slow
def test_moments_of_long_sounds_are_mapped_with_their_file(tmp_path):
    import soundfile

    rng, rate = np.random.default_rng(0), 8000
    folder = tmp_path / "Sounds"
    folder.mkdir()

    def sound(seconds):
        steps = np.arange(int(rate * seconds)) / rate
        return (0.3 * np.sin(2 * np.pi * rng.uniform(200, 2000) * steps)).astype(np.float32)

    for i in range(70):
        soundfile.write(folder / f"{i:02d}.wav", sound(6 if i % 5 == 0 else 2), rate)
    clips = []
    for i in range(40):
        clips.append(str(tmp_path / f"{i}.wav"))
        soundfile.write(clips[-1], sound(2), rate)
    words = [f"tone number {i}" for i in range(40)]
    views = chiasm.Views.of({"text": words, "audio": clips}, {"text": "text", "audio": "audio"})
    old, new = (
        Retrieve({"text": "hashed_text", "audio": "mel_audio"}, align, baseline=False).fit(views)
        for align in ("cca", "ridge")
    )
    made = Collection.build(tmp_path / "s.index", old, folder)
    before = made.status()["views"]["audio"]
    assert before > 70
    told = made.switch(new, 0.5)["audio"]
    assert (told["files"], told["encoded"]) == (70, 35)
    assert made.status()["views"]["audio"] == before
    assert made.verify()["sound"]
    made.rollback()
    assert made.verify()["sound"]


def test_a_wrong_sample_is_one_sentence(home, models):
    made = built(home, models[0])
    for sample in (0, -1, 1.5, float("nan")):
        with pytest.raises(ChiasmError, match="wanted a sample between 0 and 1"):
            made.switch(models[1], sample)
    assert made.switch(models[0]) is None  # its own model: there is nothing to switch


@pytest.mark.slow
def test_the_command_switches_tells_the_loss_and_goes_back(home, models, run):
    built(home, models[0])
    done = run("index", "switch", home / "p.index", models[1], "--sample", "0.4")
    assert done.returncode == 0, done.stderr
    assert "switched (image): 40 of 100 files encoded first; by those " in done.stdout
    assert "of the 10 nearest were kept; all encoded since" in done.stdout
    assert "rollback" in done.stdout.split("next: ")[1]
    told = json.loads(run("index", "rollback", home / "p.index", "--json").stdout)
    assert told["switch"] is None
    assert told["ledger"]["searchable"] == FILES


def test_a_switch_to_the_same_model_says_that_nothing_was_switched(home, models):
    made = built(home, models[0])
    with pytest.warns(ChiasmWarning, match="is searched by this model already: nothing was switched"):
        assert made.switch(models[0]) is None
    assert not made.status()["rollback"]
