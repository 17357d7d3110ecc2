"""Encoders side by side: their vectors, what is learned from whom, what is encoded, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import chiasm
from chiasm.cache import Cache, SideBySide
from chiasm.compare.trials import trials
from chiasm.data.toy import planted_pair
from chiasm.encode.bow_text import BowText
from chiasm.encode.hashed_text import HashedText
from chiasm.encode.pixel_image import PixelImage
from chiasm.encode.tfidf_text import TfidfText
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.media.images import Note
from chiasm.splits import leaks
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views
from conftest import Run, Toy, make_pictures

WORDS = "red green blue circle square 红色 圆 三角形 bar tiny".split()


def sentences(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=4)) + f" {i}" for i in range(n)]


def of(texts: list[str]) -> Views:
    return Views({"t": Column.from_cells("text", texts)})


def rows(views: Views, name: str = "t") -> np.ndarray:
    return np.asarray(views[name].take(views[name].index))


def spread(block: np.ndarray) -> float:
    block = block.astype(np.float64)
    return float(np.sqrt(np.mean([np.sum((row - block.mean(axis=0)) ** 2) for row in block])))


class Seen(HashedText):
    """Hashed n-grams that keep a list of what they were asked to encode."""

    asked: ClassVar[list[str]] = []

    def attempt(self, items):
        self.asked.extend(items)
        return super().attempt(items)


class Picky(BowText):
    """A bag of words that cannot read texts about bars, and has a remark about tiny ones."""

    def attempt(self, items):
        values, notes = super().attempt(items)
        for i, item in enumerate(items):
            if "bar" in item:
                notes[i] = [Note("picky", "about a bar", skipped=True)]
            elif "tiny" in item:
                notes[i] = [Note("small", "a tiny one")]
        return values, notes


class Told(HashedText):
    """Hashed n-grams with the same remark."""

    def attempt(self, items):
        values, notes = super().attempt(items)
        return values, notes | {i: [Note("small", "a tiny one")] for i, item in enumerate(items) if "tiny" in item}


@pytest.mark.parametrize("names", [["hashed_text", "tfidf_text"], ["bow_text", "hashed_text", "tfidf_text"]])
def test_vectors_are_the_encoders_own_beside_each_other_over_their_spread_on_the_training_rows(cache, names):
    train, more = sentences(60), sentences(20, seed=1)
    encoding = Encoding({"t": "+".join(names)}).fit(of(train))
    single = {"hashed_text": HashedText(), "tfidf_text": TfidfText(), "bow_text": BowText()}
    parts = [single[name].fit(train) for name in names]
    wanted = np.concatenate([p.encode(train + more) / spread(p.encode(train)) for p in parts], axis=1)
    found = encoding.transform(of(train + more))
    np.testing.assert_allclose(rows(found), wanted, rtol=2e-6, atol=1e-7)
    np.testing.assert_array_equal(encoding.encoders_["t"].encode(train + more), rows(found))
    assert found["t"].width == wanted.shape[1]
    start = 0
    for part in parts:
        width = part.encode(train[:1]).shape[1]
        assert spread(rows(found)[:60, start : start + width]) == pytest.approx(1, abs=1e-5)
        start += width


def test_an_array_of_arrays_reads_as_their_concatenation():
    a, b = np.arange(12.0, dtype=np.float32).reshape(4, 3), np.ones((4, 2), np.float32)
    both = SideBySide([a, b], [2.0, 4.0])
    whole = np.concatenate([a / 2, b / 4], axis=1)
    assert (both.shape, len(both), both.dtype) == ((4, 5), 4, np.float32)
    np.testing.assert_array_equal(np.asarray(both), whole)
    for index in (2, slice(1, 3), np.array([3, 0, 0]), np.array([True, False, False, True])):
        np.testing.assert_array_equal(both[index], whole[index])
    assert np.asarray(both, dtype=np.float64).dtype == np.float64


def test_a_list_of_encoders_and_names_is_the_same_as_names_joined_by_plus(cache):
    views = of(sentences(30))
    forms = ["hashed_text+bow_text", "hashed_text + bow_text", ["hashed_text", BowText()], (HashedText(), "bow_text")]
    prints = {Encoding({"t": form}).fit(views).encoders_["t"].fingerprint for form in forms}
    assert len(prints) == 1
    assert prints.pop().startswith("hashed_text+bow_text-")
    other = Encoding({"t": ["hashed_text", BowText(most=9)]}).fit(views).encoders_["t"].fingerprint
    assert other != Encoding({"t": "hashed_text+bow_text"}).fit(views).encoders_["t"].fingerprint


def test_one_name_or_a_list_of_one_is_the_encoder_itself(cache):
    views = of(sentences(20))
    for form in ("hashed_text", ["hashed_text"], HashedText()):
        encoder = Encoding({"t": form}).fit(views).encoders_["t"]
        assert type(encoder) is HashedText
        assert encoder.fingerprint == HashedText().fingerprint


def test_no_item_is_encoded_twice_and_the_counts_say_so(cache):
    texts = [*sentences(40), *sentences(3)]  # three rows repeat a text
    views = of(texts)
    Seen.asked.clear()
    encoding, some = Encoding({"t": [Seen(), HashedText(dimensions=64)]}), np.arange(len(views)) < 25
    _, report = encoding.learn(views, some)  # 25 are encoded for the scales, then the others
    assert sorted(Seen.asked) == sorted(texts[:40])
    counts = {"items": 40, "skipped": 0, "notes": {}}
    assert report.as_dict()["t"] == {**counts, "encoded": 40, "found": 0}
    assert encoding.apply(views)[1].as_dict()["t"] == {**counts, "encoded": 0, "found": 40}
    again = Encoding({"t": [Seen(), HashedText(dimensions=64)]}).fit(views[:25])
    assert again.apply(views)[1].as_dict()["t"] == {**counts, "encoded": 0, "found": 40}
    alone = Encoding({"t": Seen()}).fit(views).apply(views)[1]
    assert alone.found["t"] == 40  # beside others or alone: one shelf
    third = Encoding({"t": [Seen(), HashedText(dimensions=32)]}).learn(views, some)[1]
    assert third.encoded["t"] == 40  # the third encoder is new
    assert len(Seen.asked) == 40
    assert len(Cache().shelves()) == 3


def test_an_encoder_that_learned_is_kept_out_of_the_cache(cache):
    views = of(sentences(40))
    Encoding({"t": "hashed_text+tfidf_text"}).fit(views).transform(views)
    assert [shelf.info()["encoder"].rsplit("-", 1)[0] for shelf in Cache().shelves()] == ["hashed_text"]


def test_progress_counts_an_item_when_all_encoders_have_it(cache):
    views, told = of(sentences(300)), []
    Encoding({"t": "hashed_text+bow_text"}).fit(views).apply(views, lambda *seen: told.append(seen))
    assert told == [("t", 256, 300), ("t", 300, 300)]


def test_rows_that_are_not_fitted_on_change_nothing_that_is_learned(cache):
    train = sentences(50)
    found = []
    for seed in (1, 2):
        views = of(train + sentences(30, seed))
        encoding = Encoding({"t": "hashed_text+tfidf_text"}).fit(views[:50])
        found.append(
            (encoding.encoders_["t"].fingerprint, encoding.encoders_["t"].scales_, rows(encoding.transform(views)))
        )
    assert found[0][:2] == found[1][:2]
    np.testing.assert_array_equal(found[0][2][:50], found[1][2][:50])
    other = Encoding({"t": "hashed_text+tfidf_text"}).fit(of(sentences(50, seed=3))).encoders_["t"]
    assert other.scales_ != found[0][1]
    assert other.fingerprint != found[0][0]


def test_each_seed_of_a_comparison_learns_its_own_scales():
    views = Views({"t": Column("text", sentences(120)), "v": Column("vector", planted_pair(120)[0])})
    seen = [t.encoding.encoders_["t"].fingerprint for t in trials(views, 2, encoders={"t": "hashed_text+bow_text"})]
    first = next(iter(trials(views, 1, encoders={"t": "hashed_text+bow_text"})))
    train = of([sentences(120)[i] for i in first.views.ids[first.split == "train"]])
    assert seen[0] == Encoding({"t": "hashed_text+bow_text"}).fit(train).encoders_["t"].fingerprint != seen[1]


def test_a_saved_model_gives_the_same_bits(cache, tmp_path):
    texts = sentences(90)
    columns = {"t": Column("text", texts), "v": Column("vector", planted_pair(90)[1].astype(np.float32))}
    views = Views(columns, facts={"split": np.array(["train"] * 60 + ["val"] * 15 + ["test"] * 15, dtype=object)})
    for form in ("hashed_text+tfidf_text", [BowText(most=50), "hashed_text", TfidfText(dimensions=9)]):
        model = Retrieve(encoders={"t": form}, align="cca").fit(views)
        again = chiasm.load(model.save(tmp_path / "m"))
        mine, theirs = (m.encoding_.encoders_["t"] for m in (model, again))
        assert (mine.fingerprint, mine.scales_, mine.near) == (theirs.fingerprint, theirs.scales_, theirs.near)
        np.testing.assert_array_equal(mine.encode(texts), theirs.encode(texts))
        np.testing.assert_array_equal(rows(model.transform(views)), rows(again.transform(views)))
        test = views[75:]
        assert again.score(test).to_json() == model.score(test).to_json()
        assert again.hits({"t": texts[80:84]}, "v", 3) == model.hits({"t": texts[80:84]}, "v", 3)


def test_an_item_that_one_encoder_cannot_read_is_absent_and_each_remark_stands_once(cache):
    texts = ["red circle", "bar tiny", "tiny square", "blue square", " ", "green bar"]
    encoding = Encoding({"t": [Told(), Picky()]}).fit(of(texts))
    views, report = encoding.apply(of(texts))
    assert views["t"].present.tolist() == [True, False, True, True, False, False]
    told = [(label, note.code, note.skipped) for _, label, note in report.notes]
    assert sorted(told) == [
        (" ", "empty", True),  # the second encoder is not asked
        ("bar tiny", "picky", True),
        ("bar tiny", "small", False),
        ("green bar", "picky", True),
        ("tiny square", "small", False),  # both say so
    ]
    counts = report.as_dict()["t"]
    assert (counts["items"], counts["encoded"], counts["found"], counts["skipped"]) == (6, 3, 0, 3)
    kept = [text for text, present in zip(texts, views["t"].present, strict=True) if present]
    np.testing.assert_array_equal(rows(views[views["t"].present]), encoding.encoders_["t"].encode(kept))
    with pytest.raises(ChiasmError, match="cannot encode text 'green bar': about a bar"):
        encoding.encoders_["t"].encode(["red circle", "green bar"])


def test_a_broken_picture_is_told_once_and_the_others_are_placed_right(cache, tmp_path):
    paths = [str(tmp_path / name) for name, _ in make_pictures(tmp_path, 8)]
    Path(paths[3]).write_bytes(b"\x89PNG not really")
    Path(paths[5]).unlink()
    views = Views({"p": Column("image", paths)})
    encoding = Encoding({"p": [PixelImage(("color",)), PixelImage(("edge",))]}).fit(views)
    encoded, report = encoding.apply(views)
    good = [0, 1, 2, 4, 6, 7]
    assert np.flatnonzero(encoded["p"].present).tolist() == good
    assert sorted(label for _, label, _ in report.notes) == [paths[3], paths[5]]
    np.testing.assert_array_equal(rows(encoded[good], "p"), encoding.encoders_["p"].encode([paths[i] for i in good]))
    alone = Encoding({"p": PixelImage()}).fit_transform(views)
    np.testing.assert_array_equal(encoded["p"].digests, alone["p"].digests)  # leaks are looked for as ever


def test_rows_are_twins_whatever_encoders_stand_side_by_side():
    views = Views({"t": Column("text", [*sentences(10), *sentences(4)])})
    twins = Encoding({"t": "hashed_text+tfidf_text"}).twins(views)
    np.testing.assert_array_equal(twins, Encoding({"t": "hashed_text"}).twins(views))
    assert twins[:4].tolist() == twins[10:].tolist()


def test_what_encoders_tell_apart_differently_is_apart(cache):
    class Folded(HashedText):
        def content(self, item):
            return item.lower().encode()

    views = of(["Red", "red", "blue"])
    for form, items in (([Folded()], 2), ([Folded(), HashedText(dimensions=9)], 3)):
        encoding = Encoding({"t": form}).fit(views)
        assert len(encoding.transform(views)["t"].items) == items
        assert len(set(encoding.twins(views).tolist())) == items


def test_of_unit_vectors_the_cosine_for_nearly_equal_is_the_mean_of_the_encoders_by_weight(cache):
    texts = sentences(40)
    encoder = Encoding({"t": "hashed_text+tfidf_text"}).fit(of(texts)).encoders_["t"]
    weights = 1 / np.square(encoder.scales_)
    assert encoder.near == pytest.approx(np.average([HashedText.near, TfidfText.near], weights=weights), abs=1e-6)
    vectors = encoder.encode(texts[:2])
    cosine = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    apart = [np.prod(e.encode(texts[:2]), axis=0).sum() for e in encoder.encoders_]
    assert cosine == pytest.approx(np.average(apart, weights=weights), abs=1e-5)


def test_a_nearly_equal_text_in_another_split_is_found(cache):
    texts = [f"the {w} sits on the {v}" for w in ("cat", "dog", "bird") for v in ("mat", "roof", "moon", "table")]
    views = of([*texts, texts[1] + " ", "something else entirely, with other words"])
    encoding = Encoding({"t": "hashed_text+tfidf_text"}).fit(views[:12])
    split = np.array(["train"] * 12 + ["test"] * 2, dtype=object)
    found = leaks(encoding.transform(views), split, {"t": encoding.encoders_["t"].near})
    assert (found.near, found.tainted.tolist()) == ({"t": 1}, [False] * 12 + [True, False])


def test_a_block_without_spread_is_left_as_it_is(cache):
    views = of(["red", " ", ""])  # one text that can be read
    encoding = Encoding({"t": "hashed_text+bow_text"}).fit(views)
    assert encoding.encoders_["t"].scales_ == [1.0, 1.0]
    assert np.isfinite(rows(encoding.transform(views[:1]))).all()


def test_errors_say_what_to_do():
    views = of(sentences(12))
    for wanted, sentence in {
        "hashed_text+tfidf_txt": "no encoder named 'tfidf_txt'; did you mean 'tfidf_text'",
        "hashed_text+": "no encoder named ''",
        "hashed_text+pixel_image": r"view 't' holds text; PixelImage\(\) reads image",
        "tfidf_text+tfidf_text": r"wanted different encoders side by side, got TfidfText\(\) twice: name it once",
    }.items():
        with pytest.raises(ChiasmError, match=sentence):
            Encoding({"t": wanted}).fit(views)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("hf_text:models/vit:batch=1", "no parameter of hf_text named 'batch'; did you mean 'batch_size'"),
        ("onnx_text:models/bge:device=cuda", "no parameter of onnx_text named 'device'"),
        ("hf_text:models/vit:batch=1:pool=cls", "no parameter of hf_text named 'batch'"),
    ],
)
def test_a_setting_that_an_encoder_lacks_is_no_part_of_its_folders_name(wanted: str, sentence: str) -> None:
    with pytest.raises(ChiasmError, match=sentence):
        Encoding({"t": wanted}).fit(of(sentences(12)))


@pytest.mark.slow
def test_the_command_line_takes_encoders_joined_by_plus(toy: Toy, run: Run, tmp_path: Path, cache: Cache) -> None:
    side = ("--encoder", "text=hashed_text+tfidf_text")
    model = tmp_path / "m.chiasm"
    done = run("fit", "retrieve", *toy.columns, *side, "--to", model)
    assert done.returncode == 0, done.stderr
    done = run("score", model, toy.table, "--json")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert table["directions"][0]["R@10"]["low"] > table["directions"][0]["chance"]["R@10"]
    done = run("search", model, "a red circle number 12", "--k", "3", "--json")
    assert done.returncode == 0, done.stderr
    again = chiasm.load(model)
    assert again.encoders == {"text": "hashed_text+tfidf_text", "image": "pixel_image"}
    hits = again.hits({"caption": ["a red circle number 12"]}, "path", 3)[0]
    assert [hit["item"] for hit in hits] == [hit["item"] for hit in json.loads(done.stdout)["results"]]
    done = run("fit", "retrieve", *toy.columns, "--encoder", "text=hashed_text+tfidf_txt", "--to", tmp_path / "n")
    assert done.returncode == 1
    assert "no encoder named 'tfidf_txt'; did you mean 'tfidf_text'" in done.stderr
