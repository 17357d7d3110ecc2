"""Nothing here matches: judged by the whole collection, whatever a condition leaves of it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import chiasm
from chiasm.collection import Collection
from chiasm.data.toy import COLORS, SHAPES
from chiasm.errors import ChiasmWarning
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

RATE = 0.4
KINDS = [f"a {color} {shape}" for color in COLORS for shape in SHAPES]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A collection of 40 colored shapes, 4 of them below `few`, and a model that learned from 300 others."""
    home = tmp_path_factory.mktemp("nothing")
    pairs = make_pictures(home / "learned", 300)
    views = chiasm.Views.of(
        {
            "text": [f"{text} number {i}" for i, (_, text) in enumerate(pairs)],
            "image": [str(home / "learned" / name) for name, _ in pairs],
        },
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(300)],
    )
    model = Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align="cca").fit(views)
    make_pictures(home / "Pictures" / "many", 36, seed=5)
    make_pictures(home / "Pictures" / "few", 4, seed=6)
    model.save(home / "m.chiasm")
    return Collection.build(home / "p.index", home / "m.chiasm", home / "Pictures")


def found(made, to="image", **options):
    return made.hits({"text": KINDS}, to, 40, **options)


def test_a_query_that_has_no_match_in_the_collection_has_none_below_a_condition(made):
    whole = found(made, reject=RATE)
    part = found(made, where=["path=few"], reject=RATE)
    assert 0 < sum(not row for row in whole) < len(KINDS)
    assert all(not some for all_, some in zip(whole, part, strict=True) if not all_)


def test_what_counts_as_a_match_follows_what_is_added_and_gone_also_by_another_process(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "Pictures")
    mine = Collection.build(tmp_path / "p.index", made.path.parent / "m.chiasm", tmp_path / "Pictures")
    before = found(mine, reject=RATE)
    assert found(mine, reject=RATE) == before
    make_pictures(tmp_path / "Pictures" / "more", 30, seed=7)
    shutil.rmtree(tmp_path / "Pictures" / "few")
    other = Collection(tmp_path / "p.index")
    other.update()
    after = found(mine, reject=RATE)
    assert after == found(Collection(tmp_path / "p.index"), reject=RATE) != before


def test_the_hits_below_a_condition_are_those_of_the_whole_that_meet_it(made):
    for whole, part in zip(found(made, reject=RATE), found(made, where=["path=few"], reject=RATE), strict=True):
        kept = [(hit["item"], hit["probability"]) for hit in whole if hit["item"].startswith("few/")]
        assert [(hit["item"], hit["probability"]) for hit in part] == kept


def test_what_is_far_from_a_query_is_no_match_though_it_is_all_that_meets_the_condition(made):
    free, judged = (found(made, where=["path=few"], reject=rate) for rate in (None, RATE))
    assert all(len(row) == 4 for row in free)
    assert any(len(row) < 4 for row in judged)
    whole = found(made, reject=RATE)
    assert any(all_ and not some for all_, some in zip(whole, judged, strict=True))  # a match, but not here


def test_a_condition_that_no_file_meets_leaves_nothing(made):
    assert found(made, where=["path=nowhere"], reject=RATE) == [[]] * len(KINDS)


def test_so_does_a_folder_without_a_file(made, tmp_path):
    (tmp_path / "Empty").mkdir()
    empty = Collection.build(tmp_path / "e.index", made.model, tmp_path / "Empty")
    assert found(empty, reject=RATE) == [[]] * len(KINDS)


def test_a_probability_falls_with_the_score_and_is_told_only_when_asked_for(made):
    assert not any("probability" in hit for row in found(made) for hit in row)
    for row in found(made, reject=RATE):
        told = [hit["probability"] for hit in row]
        assert all(0 < p < 1 for p in told)
        assert told == sorted(told, reverse=True)


@pytest.fixture(scope="module")
def told(made, tmp_path_factory):
    """The same collection, each picture with a caption that says what another one shows."""
    home = tmp_path_factory.mktemp("told")
    shutil.copytree(made.folder, home / "Pictures")
    files = sorted((home / "Pictures").rglob("*.png"))
    for i, file in enumerate(files):
        file.with_suffix(".txt").write_text(KINDS[(7 * i) % len(KINDS)])
    return Collection.build(home / "p.index", made.path.parent / "m.chiasm", home / "Pictures")


def test_captions_rank_what_matches_and_add_nothing_to_it(made, told):
    plain, spoken = found(made, reject=RATE), found(told, reject=RATE)
    assert [{hit["item"]: hit["probability"] for hit in row} for row in spoken] == [
        {hit["item"]: pytest.approx(hit["probability"], abs=2e-4) for hit in row} for row in plain
    ]
    assert [[hit["item"] for hit in row] for row in spoken] != [[hit["item"] for hit in row] for row in plain]
    assert any("caption" in hit.get("why", {}) for row in spoken for hit in row)
    assert [len(row) for row in found(told)] == [40] * len(KINDS)


def test_what_matches_among_captions_is_the_same_below_a_condition_on_pages_and_sorted(told):
    whole = found(told, reject=RATE)
    for row, part in zip(whole, found(told, where=["path=few"], reject=RATE), strict=True):
        assert [hit["item"] for hit in part] == [hit["item"] for hit in row if hit["item"].startswith("few/")]
    ordered = found(told, reject=RATE, sort="path")
    assert [sorted(hit["item"] for hit in row) for row in whole] == [[hit["item"] for hit in row] for row in ordered]
    words = {"text": KINDS}
    pages = [told.hits(words, "image", 3, reject=RATE, skip=skip) for skip in range(0, 42, 3)]
    for at, row in enumerate(whole):
        assert [hit["item"] for page in pages for hit in page[at]] == [hit["item"] for hit in row]


def test_marks_rank_what_matches_and_add_nothing_to_it(made):
    plain, marked = found(made, reject=RATE), found(made, reject=RATE, more=["few/0001.png"])
    assert [{hit["item"]: hit["probability"] for hit in row} for row in marked] == [
        {hit["item"]: pytest.approx(hit["probability"], abs=2e-4) for hit in row} for row in plain
    ]
    assert [[hit["item"] for hit in row] for row in marked] != [[hit["item"] for hit in row] for row in plain]


def test_words_in_letters_that_were_not_learned_are_not_judged_and_it_is_said(made):
    with pytest.warns(ChiasmWarning, match="a query in CJK letters is not judged: of the .* known queries 0 are"):
        (row,) = made.hits({"text": ["红色的圆"]}, "image", reject=RATE)
    assert len(row) == 5
    assert not any("probability" in hit for hit in row)


def test_the_command_says_what_the_condition_was(run, made):
    rejected = next(words for words, row in zip(KINDS, found(made, reject=RATE), strict=True) if not row)
    words = ("search", made.path, rejected, "--where", "path=few", "--reject", RATE)
    said = run(*words)
    assert said.stdout.startswith("nothing here that meets path=few matches (of queries that do have a match, at most")


def test_fewer_known_queries_than_it_takes_tell_no_probability():
    rows = np.random.default_rng(0).normal(size=(60, 6))
    split = ["val" if i < 20 else "train" for i in range(60)]
    model = Retrieve().fit(chiasm.Views.of({"a": rows, "b": rows @ np.eye(6)[::-1]}, split=split))
    (row,) = model.hits({"a": rows[:1]}, reject=0.1)
    assert row
    assert not any("probability" in hit for hit in row)
