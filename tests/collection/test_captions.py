"""Captions and read text: found by meaning, beside the picture, and by exact words; kept up, mended, accounted for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFont

import chiasm
from chiasm.cli.search import search_command
from chiasm.collection import Collection
from chiasm.collection._fused import Fused, Scale, Terms, carried, fused
from chiasm.encode.hashed_text import HashedText
from chiasm.encode.pixel_image import PixelImage
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Question, Retrieve
from conftest import make_pictures

TOWNS = "Lagos Quito Dakar Osaka Turin Delhi Perth Malmo Tunis Lviv".split()
DAYS = ("Monday", "Friday", "Sunday")


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
    """Thirty pictures, each but the last three with a caption that names a town and a day."""
    for i, (name, text) in enumerate(make_pictures(tmp_path / "Pictures", 30, seed=5)):
        if i < 27:
            (tmp_path / "Pictures" / name).with_suffix(".txt").write_text(f"{text}\n{TOWNS[i % 10]} on {DAYS[i // 10]}")
    return tmp_path


def built(home, model, **options):
    return Collection.build(home / "p.index", model, home / "Pictures", **options)


def names(made, words, k=1000, **options):
    return [hit["item"] for hit in made.hits({"text": [words]}, k=k, **options)[0]]


def stems(*numbers):
    return [f"{number:04d}.png" for number in numbers]


def test_a_caption_is_found_by_meaning_beside_the_picture(home, model):
    made = built(home, model)
    hits = made.hits({"text": ["Quito on Sunday"]}, k=30)[0]
    assert hits[0]["item"] == "0021.png"
    assert hits[0]["why"]["caption"]["share"] > 0.5
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    bare = {hit["item"]: hit for hit in hits}["0028.png"]
    assert "caption" not in bare.get("why", {})
    plain = chiasm.load(model).hits(
        {"text": ["Quito on Sunday"]},
        k=3,
        within=chiasm.Views.of({"image": [str(home / "Pictures" / n) for n in stems(27, 28, 29)]}, {"image": "image"}),
    )[0]
    own = {os.path.basename(hit["item"]): hit["score"] for hit in plain}
    assert bare["score"] == pytest.approx(own["0028.png"], abs=1e-5)  # without a caption: its own cosine


def test_what_is_searched_is_the_formula_over_everything(home, model):
    made = built(home, model)
    text = "a red circle, Lagos"
    part = made.model
    query = part.transform({"text": [text]})["text"].items[0]
    pictures, captions = made.engine("image"), made.said._engine("image", "caption")
    said = HashedText().encode([text])[0]
    ids, vectors = pictures.vectors(pictures.keys())
    own = Scale.of(vectors @ (query / np.linalg.norm(query)))
    first = own.standard(vectors @ (query / np.linalg.norm(query)))
    there, texts = captions.vectors(captions.keys())
    cosines = texts @ (said / np.linalg.norm(said))
    second = dict(zip(there.tolist(), Scale.of(cosines).standard(cosines), strict=True))
    both = np.array([second.get(i, np.nan) for i in ids.tolist()])
    known = ~np.isnan(both)
    agree = min(1, max(0, 2 * np.corrcoef(first[known], both[known])[0, 1]))
    weight = (first.max() / both[known].max()) ** 2
    total = np.where(known, (weight * first + both) / (weight + agree), first)
    order = [f"{made._catalog.by_id([int(i)])[int(i)].name}" for i in ids[np.argsort(-total, kind="stable")]]
    hits = made.hits({"text": [text]}, k=30)[0]
    assert [hit["score"] for hit in hits] == pytest.approx(own.mean + own.spread * np.sort(total)[::-1], abs=1e-5)
    assert [hit["item"] for hit in hits][:10] == order[:10]


@pytest.mark.parametrize("wide", [1, 3, 1000])
def test_lists_are_looked_at_as_far_as_it_takes(home, model, monkeypatch, wide):
    made = built(home, model)
    queries = {"text": ["a blue square, Osaka", "Friday", "Turin"]}
    whole = made.hits(queries, k=30)
    monkeypatch.setattr("chiasm.collection._fused._FIRST", wide)
    for k in (1, 4, 30):
        assert [row[:k] for row in whole] == list(made.hits(queries, k=k))


def test_the_score_of_which_the_best_stands_out_counts_more():
    rng = np.random.default_rng(0)
    cosines = rng.normal(size=50), rng.normal(size=50)
    sure, unsure = (Terms.of(best, 3.0, *cosines) for best in (6.0, 1.5))
    assert (sure.weight, unsure.weight) == (4.0, 0.25)
    assert Terms.of(0.0, 0.0, np.ones(9), np.ones(9)) == (1.0, 0.0)  # nothing varies: nothing is divided by 0
    assert Terms.of(1.0, 1.0, cosines[0], cosines[0]).agree == 1.0
    assert Terms.of(1.0, 1.0, cosines[0], -cosines[0]).agree == 0.0


def test_a_filter_changes_no_score(home, model):
    made = built(home, model)
    everything = {hit["item"]: hit["score"] for hit in made.hits({"text": ["Dakar on Friday"]}, k=30)[0]}
    for where in ("caption~Friday", "path=0012.png", "caption~Lviv"):
        for hit in made.hits({"text": ["Dakar on Friday"]}, k=30, where=where)[0]:
            assert hit["score"] == pytest.approx(everything[hit["item"]], abs=1e-6)


def test_words_in_quotes_have_to_be_in_the_caption(home, model):
    (home / "Pictures" / "0029.txt").write_text("海边的狗 in the Quito sun", encoding="utf-8")
    made = built(home, model)
    assert names(made, '"quito" a red circle') == [
        n for n in names(made, "quito a red circle") if n in stems(1, 11, 21, 29)
    ]
    assert names(made, '"Quito on Sunday"') == stems(21)
    assert names(made, "“on” 「海边」") == []
    assert names(made, "「海边的狗」") == names(made, '"狗"') == stems(29)
    assert names(made, '"狗"', where="path=0001.png") == []
    assert names(made, '"no such words"') == []
    assert sorted(names(made, '"Sunday" "a"')) == stems(*range(20, 27))
    assert len(names(made, 'an unclosed "Sunday')) == 30
    both = made.hits({"text": ['"Turin"', "anything"]}, k=30)
    assert [len(row) for row in both] == [3, 30]


def test_no_match_is_judged_by_the_pictures_alone(home, model):
    queries = {"text": ["a red circle", "a blue square", "zzz qqq", "Quito on Sunday", "circle", "a green"]}
    made = built(home, model)
    accepted = [bool(row) for row in made.hits(queries, reject=0.4)]
    for text in (home / "Pictures").glob("*.txt"):
        text.unlink()
    bare = built(home, model)
    assert not (home / "p.index" / "said-0-1-caption").exists() or not len(bare.said._engine("image", "caption"))
    assert accepted == [bool(row) for row in bare.hits(queries, reject=0.4)]
    assert 0 < sum(accepted) < len(accepted)
    assert made.hits({"text": ['"nothing has this"']}, reject=0.4)[0] == []


@pytest.mark.slow
def test_where_captions_do_not_count_it_is_said(home, model, run):
    made = built(home, model)
    assert made.hits(["Quito on Sunday"]).notes == []
    picture = Question([(1, {"image": str(home / "Pictures" / "0001.png")})])
    assert made.hits([picture + picture]).notes == []
    for found in (
        made.hits([Question("Quito + Sunday", folder=None)]),
        made.hits([picture + Question("Quito")]),
        made.hits(["Quito"], more=["0001.png"]),
    ):
        (note,) = found.notes
        assert note.startswith("captions did not count: they do where words stand alone")
    told = run("search", made.path, "Quito + Sunday", "--json")
    assert json.loads(told.stdout)["notes"] == [note]
    assert note in run("search", made.path, "Quito + Sunday").stderr
    for number in range(10, 27):
        (home / "Pictures" / f"{number:04d}.txt").unlink()
    made.update()
    assert made.hits([Question("Quito + Sunday", folder=None)]).notes == []  # too few count by meaning anyway


def test_a_changed_caption_is_found_and_no_picture_is_encoded_for_it(home, model, monkeypatch):
    made = built(home, model)
    monkeypatch.setattr(PixelImage, "attempt", lambda *_: pytest.fail("a picture was encoded"))
    monkeypatch.setattr(PixelImage, "encode", lambda *_: pytest.fail("a picture was encoded"))
    encoded = []
    attempt = HashedText.attempt
    monkeypatch.setattr(HashedText, "attempt", lambda self, items: encoded.extend(items) or attempt(self, items))
    (home / "Pictures" / "0003.txt").write_text("the harbor of Valparaiso")
    (home / "Pictures" / "0004.txt").unlink()
    (home / "Pictures" / "0028.txt").write_text("Kyoto in autumn")
    made.update()
    assert sorted(encoded) == ["Kyoto in autumn", "the harbor of Valparaiso"]
    assert names(made, '"Valparaiso"') == stems(3)
    assert names(made, '"Turin on Monday"') == []
    assert names(made, "Kyoto in autumn", k=1) == stems(28)
    assert "caption" not in made.hits({"text": ["Turin on Monday"]}, k=1, where="path=0004.png")[0][0].get("why", {})
    assert made.verify()["sound"]


def test_a_text_as_long_as_a_book_is_cut_and_it_is_said(home, model):
    book = "Lisbon at dawn\r\n" + "once upon a time " * 200_000 + "and at last Porto"
    (home / "Pictures" / "0028.txt").write_text(book, newline="")
    (home / "Pictures" / "0029.txt").write_text("x" * 10_000)
    made = built(home, model)
    assert names(made, '"Lisbon at dawn"') == stems(28)
    assert names(made, '"Porto"') == []
    (hit,) = made.hits({"text": ['"Lisbon"']})[0]
    assert hit["caption"].startswith("Lisbon at dawn\nonce")
    assert len(hit["caption"]) < 10_000
    (note,) = made.notes()
    assert (note["file"], note["code"]) == ("0028.png", "caption_cut")
    assert note["message"] == "0028.txt has more than 10,000 characters: the first 10,000 are searched"


def test_few_captions_are_found_by_words_alone(home, model):
    for number in range(10, 27):
        (home / "Pictures" / f"{number:04d}.txt").unlink()
    made = built(home, model)
    assert all("caption" not in hit.get("why", {}) for hit in made.hits({"text": ["Quito"]}, k=30)[0])
    assert names(made, '"Quito"') == stems(1)


def test_files_that_are_gone_or_broken_are_found_by_no_words(home, model):
    made = built(home, model)
    (home / "Pictures" / "0005.png").unlink()
    (home / "Pictures" / "0006.png").write_bytes(b"broken")
    assert stems(5)[0] not in names(made, '"Monday"')
    made.update()
    assert names(made, '"Monday"')
    assert not set(stems(5, 6)) & set(names(made, '"Monday"'))
    assert set(made.said._worded("image").keys()) == {
        i.id for i in made._catalog.items("state = 'searchable'") if "caption" in i.facts
    }
    assert made.verify()["sound"]


@pytest.mark.parametrize("name", ["caption", "text"])
def test_what_a_death_left_between_the_indexes_and_the_ledger_is_mended(home, model, name):
    made = built(home, model)
    before = made.hits({"text": ["Quito on Sunday"]}, k=30)[0]
    made._catalog.put([{"id": 40, "state": "waiting"}])
    index = made.said._engine("image", name) if name == "caption" else made.said._worded("image")
    index.delete([3, 4])
    if name == "caption":
        index.update([999], np.ones((1, index.vectors([1])[1].shape[1])))
    else:
        index.update([999], ["stray"])
    told = made.verify()
    assert (told["sound"], sorted(told["missing"]), told["stray"]) == (False, stems(2, 3), 1)
    made.update()
    assert made.verify()["sound"]
    assert made.hits({"text": ["Quito on Sunday"]}, k=30)[0] == before


def test_a_collection_of_before_gets_its_captions_at_the_next_update(home, model):
    made = built(home, model)
    for item in made._catalog.items():
        made._catalog.put([{"id": item.id, "facts": {k: v for k, v in item.facts.items() if k != "said"}}])
    for folder in (home / "p.index").glob("said-*"):
        shutil.rmtree(folder)
    old = Collection(home / "p.index")
    with pytest.raises(ChiasmError, match=r"said of 'image' .caption. are missing"):
        names(old, "a red circle")
    old.update()
    assert old.verify()["sound"]
    assert sorted(names(old, '"Quito"')) == stems(1, 11, 21)


def test_what_is_in_quotes_cannot_be_taken_out(home, model):
    with pytest.raises(ChiasmError, match="wanted words without quotes to take out"):
        built(home, model).hits([Question('a circle - "Quito"', folder=None)])


def test_a_rebuild_makes_texts_anew_and_damage_is_named(home, model):
    made = built(home, model)
    words = made.said._worded("image")
    words._db.execute("UPDATE rows SET sum = sum + 1 WHERE key = 3")
    assert made.verify()["damaged"] == stems(2)
    made.rebuild()
    assert made.verify()["sound"]
    assert names(made, "Quito on Sunday", k=1) == stems(21)
    assert not list((home / "p.index").glob("said-0-*"))


KILLED = """
import os, random, sys, threading, time
from chiasm.cli.search import search_command
from chiasm.collection import Collection
at, folder, model, seconds = sys.argv[1:5]
threading.Thread(target=lambda: (time.sleep(float(seconds)), os.kill(os.getpid(), 9)), daemon=True).start()
import chiasm.collection._intake as intake
intake._BATCH = 3
made = Collection.build(at, model, folder)
while True:
    made.update(); made.rebuild()
"""


@pytest.mark.slow
def test_whatever_kills_it_each_caption_is_there_once(home, model):
    for turn in range(10):
        (home / "Pictures" / f"{turn:04d}.txt").write_text(f"turn{turn} of it")
        call = [sys.executable, "-c", KILLED, home / "p.index", home / "Pictures", model, str(0.8 + 0.11 * turn)]
        done = subprocess.run(list(map(str, call)), capture_output=True, text=True)
        assert done.returncode == -9, done.stderr
    made = built(home, model)
    assert made.verify()["sound"]
    for turn in range(10):
        assert names(made, f'"turn{turn}"') == stems(turn)


def lettered(path, text):
    from chiasm.report.sheet import font_file

    picture = Image.new("RGB", (420, 120), "white")
    ImageDraw.Draw(picture).text((20, 40), text, fill="black", font=ImageFont.truetype(font_file(), 40))
    picture.save(path)


def test_text_in_pictures_is_read_once_and_searched_where_asked_for(home, model, monkeypatch):
    if find_spec("rapidocr_onnxruntime") is None:
        pytest.skip("the networks that read are not installed")
    folder = home / "Pictures"
    for text in folder.glob("*.txt"):
        text.unlink()
    for picture in list(folder.glob("*.png"))[2:]:
        picture.unlink()
    lettered(folder / "shop.png", "GRAND SALE")
    lettered(folder / "zh.png", "海边咖啡")
    Collection.build(home / "q.index", model, folder)
    with pytest.raises(ChiasmError, match="without reading"):
        Collection.build(home / "q.index", model, folder, read_text=True)
    made = built(home, model, read_text=True)
    assert names(made, '"grand sale"') == names(made, "x", where="words~sale") == ["shop.png"]
    assert names(made, "「咖啡」") == ["zh.png"]
    assert made.hits({"text": ['"grand"']})[0][0]["words"] == "GRAND SALE"
    monkeypatch.setattr("chiasm.collection._said.read_text", lambda _: pytest.fail("read again"))
    (folder / "shop.txt").write_text("our window")
    made.update()
    made.rebuild()
    assert names(made, '"grand sale" "window"') == ["shop.png"]
    assert names(made, '"sale our"') == []
    assert made.verify()["sound"]


def test_read_text_lifts_a_picture_and_never_lowers_it():
    none = np.array([np.nan])
    for picture in (-1.0, 0.0, 2.0):
        for words in (-3.0, 0.0, 1.0, 5.0):
            alone = fused(np.array([picture]), none, none, Terms())[0]
            lifted = fused(np.array([picture]), none, np.array([words]), Terms())[0]
            assert lifted == max(alone, 0.6 * (picture + words))
    assert fused(np.array([2.0]), np.array([4.0]), np.array([-5.0]), Terms())[0] == 3.0


def test_without_the_package_reading_is_refused_before_anything_is_made(home, model, monkeypatch):
    monkeypatch.setattr("chiasm.media.ocr.PACKAGE", "no_such_package")
    import chiasm.media.ocr as ocr

    ocr._opened.cache_clear()
    try:
        with pytest.raises(ChiasmError, match="rapidocr-onnxruntime"):
            built(home, model, read_text=True)
    finally:
        ocr._opened.cache_clear()
    assert not (home / "p.index").exists()
    assert built(home, model).status()["texts"] == {"image": {"caption": 27}}


def test_the_command_finds_exact_words_and_says_what_counted(home, model):
    built(home, model)

    def said(*words):
        done = CliRunner().invoke(search_command, [str(home / "p.index"), *words])
        assert done.exit_code == 0
        return done.output

    hits = json.loads(said('"Quito" on Sunday', "--json"))["results"]
    assert [hit["item"] for hit in hits][:1] == stems(21)
    assert {hit["item"] for hit in hits} == set(stems(1, 11, 21))
    assert 0 < hits[0]["why"]["caption"]["share"] <= 1
    assert "caption: 0." in said("Quito on Sunday")
    assert said('"no such words"') == 'no file meets "no such words"\n'


def test_the_ranking_of_pictures_alone_is_untouched_where_nothing_is_said(home, model):
    for text in (home / "Pictures").glob("*.txt"):
        text.unlink()
    made = built(home, model)
    gallery = made.gallery("image")
    query = made.model.transform({"text": ["a red circle"]})["text"].items
    plain = [(hit["item"], hit["score"]) for hit in gallery.best(query, 9)[0]]
    alone = Fused(gallery, {}, {}, None, [None]).best(query, 9)[0]
    assert plain == [(hit["item"], hit["score"]) for hit in alone]
    assert [hit["item"] for hit in made.hits({"text": ["a red circle"]}, k=9)[0]] == [name for name, _ in plain]


def test_names_are_withheld_of_a_hit_that_its_caption_carried_and_of_no_other():
    names = [{"name": "television", "share": 1.0}]
    shares = (0.8, 0.5, None)
    hits = [{"why": {"names": names, **({"caption": {"share": share}} if share else {})}} for share in shares]
    carried(hits)
    assert "names" not in hits[0]["why"]
    assert "whose share is 0.20" in hits[0]["why"]["withheld"]["names"]
    assert [hit["why"].get("names") for hit in hits[1:]] == [names, names]
    assert not any("withheld" in hit["why"] for hit in hits[1:])
