"""Pictures without a single caption are found by words, by the names that their encoder knows."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

import chiasm
from _films import wav
from chiasm.data.source import Source
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.tasks._retrieve.names import unsure
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import ABSENT, Column, Views
from conftest import make_pictures, pack


@pytest.mark.slow
def test_photographs_without_captions_are_found_by_words(tmp_path):
    table = pack("coco2k") / "data.parquet"
    both = chiasm.read(table, image="image", text="caption", id="id")[:150]
    pictures = both.replace({"image": both["image"]})
    model = Retrieve().fit(pictures)
    assert (model.names_, model.paired_) == (1000, 0)
    captioned = both.replace({"text": both["caption"], "image": both["image"]})
    chosen = model.to_score(captioned)
    assert (len(chosen.rows), chosen.split) == (150, "all")
    scored = model.score(captioned)
    assert scored.table["seen"] == {"image": 150}
    assert "without captions" in str(scored)
    assert min(one["R@1"]["low"] for one in scored.table["directions"]) > 0.1  # chance is .007
    model.save(tmp_path / "m")
    again = chiasm.load(tmp_path / "m")
    for words in ("a train at a station", "一列火车"):
        found = model.hits({"text": [words]}, k=3)
        assert again.hits({"text": [words]}, k=3) == found
        shares = [one["share"] for one in found[0][0]["why"]["names"]]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1.01
    with pytest.raises(ChiasmError, match="learned from none"):
        model.hits({"text": ["a train"]}, reject=0.1)


@pytest.mark.slow
def test_one_caption_beside_pictures_is_no_bad_input_and_twenty_are_on_average_no_worse_than_none():
    both = chiasm.read(pack("coco2k") / "data.parquet", image="image", text="caption", id="id")[:300]
    queries = {"caption": [both["caption"].items[place] for place in both["caption"].index[200:]]}
    right = [str(one) for one in both.ids[200:]]

    def found(kept: list[int]) -> float:
        index = np.full(300, ABSENT)
        index[kept] = both["caption"].index[kept]
        caption = Column("text", both["caption"].items, index)
        with pytest.warns(ChiasmWarning, match=f"chosen on {len(kept)} pair") if kept else nullcontext():
            model = Retrieve().fit(both.replace({"caption": caption, "image": both["image"]}))
        hits = model.hits(queries, k=5)
        return float(np.mean([one in [hit["id"] for hit in row] for one, row in zip(right, hits, strict=True)]))

    none, one = found([]), found([0])
    draws = [np.random.default_rng(seed).permutation(200)[:20].tolist() for seed in range(3)]
    assert none > 0.2  # chance is .017
    assert one > none - 0.1  # of 100 queries, whose standard error is .05
    assert np.mean([found(kept) for kept in draws]) > none - 0.02  # a single draw can lose


@pytest.mark.slow
def test_a_validation_row_or_two_decide_nothing():
    """Of twenty captions a split may leave one to choose on: names must not be gone then."""
    both = chiasm.read(pack("coco2k") / "data.parquet", image="image", text="caption", id="id")[:120]
    index = both["caption"].index.copy()
    index[20:] = ABSENT
    grown = both.replace({"caption": Column("text", both["caption"].items, index), "image": both["image"]})
    grown.facts["split"] = np.where(np.arange(120) % 20 == 1, "val", "train").astype(object)
    with pytest.warns(ChiasmWarning, match="chosen on 19 pairs"):
        model = Retrieve().fit(grown)
    assert model.aligner_.choices()["bridge"] > 0.5


def test_texts_of_a_model_of_pictures_alone_are_looked_for_with_a_sentence():
    both = chiasm.read(pack("coco2k") / "data.parquet", image="image", text="caption", id="id")[:4]
    model = Retrieve().fit(both.replace({"image": both["image"]}))
    picture = {"image": [both["image"].items[0]]}
    with pytest.raises(ChiasmError, match=r"holds no items of 'text': it learned from 'image' alone.*to='image'"):
        model.hits({"text": ["a train"]}, to="text")
    assert len(model.hits(picture)[0]) == 4  # the only gallery there is
    named = model.hits(picture, within=Views({"text": Column("text", ["a dog", "a train"])}))
    assert {hit["item"] for hit in named[0]} == {"a dog", "a train"}


def test_pictures_whose_encoder_knows_no_names_ask_for_a_second_column(tmp_path):
    from PIL import Image

    for i in range(4):
        Image.fromarray(np.full((32, 32, 3), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(ChiasmError, match="knows none"):
        Retrieve({"image": "pixel_image"}).fit(chiasm.read(tmp_path))


def test_pictures_in_subfolders_are_pictures_alone_as_flat_ones_are(tmp_path):
    pairs = make_pictures(tmp_path / "flat", 8)
    for i, (name, _) in enumerate(pairs):
        deep = tmp_path / "deep" / ("2021", "2022", "misc")[i % 3]
        deep.mkdir(parents=True, exist_ok=True)
        (deep / name).write_bytes((tmp_path / "flat" / name).read_bytes())
    flat, deep = (Retrieve().fit(chiasm.read(tmp_path / folder)) for folder in ("flat", "deep"))
    assert (deep.views_, deep.paired_, deep.names_) == ({"image": "image", "text": "text"}, 0, 1000)
    found, expected = (model.hits({"text": ["a red circle"]}, k=8)[0] for model in (deep, flat))
    assert [hit["item"].rpartition("/")[2] for hit in found] == [hit["item"] for hit in expected]
    assert [hit["score"] for hit in found] == pytest.approx([hit["score"] for hit in expected], abs=1e-5)


def test_a_model_of_a_table_of_pictures_is_scored_on_a_table_that_has_captions_too(tmp_path):
    lines = [f"{name},{words} {i}" for i, (name, words) in enumerate(make_pictures(tmp_path, 12))]
    for column in ("text", "caption", "words"):
        (tmp_path / f"{column}.csv").write_text("\n".join([f"path,{column}", *lines]), encoding="utf-8")
    source = Source(image=["path"])
    model = Retrieve().fit(source.read(tmp_path / "words.csv"))
    for column, columns in (("text", None), ("caption", None), ("words", {"text": "words"})):
        rows = source.read_to_score(tmp_path / f"{column}.csv", model.views_, columns=columns)
        assert sorted(rows.names) == ["path", "text"]
        assert model.score(rows).table["seen"] == {"path": 12}
    alone = source.read_to_score(tmp_path / "words.csv", model.views_)
    with pytest.raises(ChiasmError, match=r"two of path, text, got path alone.*columns=\{'text': 'COL'\}"):
        model.score(alone)


def test_words_of_a_table_of_one_column_name_pictures_and_a_folder_without_texts_says_what_it_has(tmp_path):
    make_pictures(tmp_path, 4)
    (tmp_path / "kinds.csv").write_text("kind\na red circle\na train\n", encoding="utf-8")
    source = Source()
    words = source.read_gallery(tmp_path / "kinds.csv", "text", "text")
    assert words["text"].items == ["a red circle", "a train"]
    with pytest.raises(ChiasmError, match=r"holds texts, and no file below .* \(to='image'\)"):
        source.read_gallery(tmp_path, "text", "text")


def test_pictures_in_a_column_that_is_called_text_are_found_by_words(tmp_path):
    lines = [name for name, _ in make_pictures(tmp_path, 4)]
    (tmp_path / "t.csv").write_text("\n".join(["text", *lines]), encoding="utf-8")
    model = Retrieve().fit(chiasm.read(tmp_path / "t.csv", image="text"))
    assert model.views_ == {"text": "image", "words": "text"}
    assert len(model.hits("a red circle")[0]) == 4
    assert len(model.hits({"words": ["a red circle"]})[0]) == 4


def test_what_was_learned_from_besides_pairs_is_told(tmp_path):
    pairs = make_pictures(tmp_path, 12)
    parts = [(words, "test") if i == 3 else ("", "train") for i, (_, words) in enumerate(pairs)]
    lines = [f"{name},{words},{part}" for (name, _), (words, part) in zip(pairs, parts, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["path,caption,split", *lines]), encoding="utf-8")
    none = Retrieve().fit(chiasm.read(tmp_path / "t.csv", image="path"))
    assert "no caption but from the 1,000 names that the encoder of 'path' knows" in none.besides()[0]
    held = Retrieve().fit(chiasm.read(tmp_path / "t.csv", image="path", text="caption", split="split"))
    assert held.besides()[1].startswith("the one caption is held out")


def test_kinds_side_by_side_without_a_pair_say_what_pairs_up(tmp_path):
    make_pictures(tmp_path, 3)
    for i in range(3):
        wav(tmp_path / f"s{i}.wav", np.sin(np.arange(8000) / (8 + i)), 8000)
    with pytest.raises(ChiasmError, match=r"files of one name pair up.*one kind alone \(image='image'\)"):
        Retrieve().fit(chiasm.read(tmp_path))


def test_two_columns_of_pictures_without_texts_say_that_names_are_not_used(tmp_path):
    names = [name for name, _ in make_pictures(tmp_path, 12)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *(f"{one},{one}" for one in names)]), encoding="utf-8")
    with pytest.warns(ChiasmWarning, match="names that the encoder of 'a' knows are not used, and words find nothing"):
        model = Retrieve().fit(chiasm.read(tmp_path / "t.csv", image=["a", "b"]))
    with pytest.raises(ChiasmError, match="knows words for 'a dog', got one of a, b: fit with a column of texts"):
        model.hits("a dog")


def test_an_encoder_that_learns_from_texts_says_which_need_none(tmp_path):
    make_pictures(tmp_path, 3)
    with pytest.raises(ChiasmError, match="got 0: without captions take one that is trained already"):
        Retrieve({"text": "tfidf_text"}).fit(chiasm.read(tmp_path))


def test_a_few_pairs_that_say_names_count_nothing_are_warned_of():
    assert "that 1,000 names count nothing was chosen on 20 pairs" in unsure(1000, 20, {"bridge": 0.0})
    assert "can cost" in unsure(1000, 20, {"bridge": 0.5})
    assert unsure(1000, 50, {"bridge": 0.0}) == unsure(1000, 0, {"bridge": 1.0}) == ""
