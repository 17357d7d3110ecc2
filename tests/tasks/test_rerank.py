"""Hits looked at again: kept where held-out pairs gain, in the same order asked and scored, else left as they were."""

import subprocess
import sys

import numpy as np
import pytest

from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.tasks._retrieve import reranking
from chiasm.tasks.retrieve import At, Question, Retrieve
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

TEST = 60


def planted(n, shared=True, steps=3, d=8, seed=0):
    """Words and regions: one word and one region of a row are the same thing, unless nothing is shared."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(2, d, 12))
    words, regions = rng.normal(size=(2, n, steps, d))
    words[np.arange(n), rng.integers(steps, size=n)] = regions[np.arange(n), rng.integers(steps, size=n)] = rng.normal(
        size=(n, d)
    )
    if not shared:
        regions = regions[rng.permutation(n)]
    columns = {
        "words": Column("vector", Tokens.of(list(words @ maps[0]))),
        "picture": Column("vector", Tokens.of(list(regions @ maps[1]))),
    }
    split = np.array(["train"] * (n - TEST - 100) + ["val"] * 100 + ["test"] * TEST, dtype=object)
    return Views(columns, np.arange(n), {"split": split})


@pytest.fixture(scope="module")
def views():
    return planted(900)


@pytest.fixture(scope="module")
def model(views):
    return Retrieve(align="cca", rerank="coattention", baseline=False).fit(views)


def test_tokens_that_meet_in_one_pair_are_kept_and_find_more(views, model):
    test = views[views.split == "test"]
    plain = Retrieve(align="cca", rerank="coattention", baseline=False).fit(views)
    plain.reranker_ = None
    assert model.reranked_["share"] > 0
    assert model.reranked_["gain"] > model.reranked_["error"]
    assert "looked at again by coattention" in model.besides()[-1]
    assert float(model.score(test)) > 1.5 * float(plain.score(test))


def test_what_does_not_pay_is_left_out_and_said():
    views = planted(500, shared=False)
    model = Retrieve(align="cca", rerank="coattention", baseline=False).fit(views)
    assert model.reranker_ is None
    assert "no hit is looked at again" in model.besides()[-1]


def test_a_search_and_a_score_have_the_same_order(views, model):
    test = views[views.split == "test"]
    ranks = [one["rank"] for one in model.score(test).per_query if one["from"] == "words"]
    asked = Views({"words": test["words"]})
    found = model.hits(asked, "picture", TEST, within=test)
    place = [next(hit["rank"] for hit in hits if hit["id"] == str(i)) for hits, i in zip(found, test.ids, strict=True)]
    assert place == ranks
    assert [hit["id"] for hit in model.hits(asked, "picture", 7, within=test)[0]] == [h["id"] for h in found[0][:7]]
    pages = [model.hits(asked, "picture", 4, within=test, skip=skip)[0] for skip in (0, 4)]
    assert [hit["id"] for page in pages for hit in page] == [hit["id"] for hit in found[0][:8]]


def test_only_the_first_twenty_change_places_and_every_hit_keeps_its_score(views, model):
    asked = Views({"words": views["words"][-5:]})
    again = model.hits(asked, "picture", 40)
    looker, model.reranker_ = model.reranker_, None
    try:
        first = model.hits(asked, "picture", 40)
    finally:
        model.reranker_ = looker
    for new, old in zip(again, first, strict=True):
        assert [hit["id"] for hit in new[20:]] == [hit["id"] for hit in old[20:]]
        assert {hit["id"]: hit["score"] for hit in new} == {hit["id"]: hit["score"] for hit in old}
    assert any(new[0]["id"] != old[0]["id"] for new, old in zip(again, first, strict=True))


def test_absent_queries_small_galleries_and_joined_questions(views, model):
    index = views["words"].index[-4:].copy()
    index[1] = -1
    with pytest.warns(ChiasmWarning, match="absent"):
        found = model.hits(Views({"words": views["words"].at(index)}), "picture", 3, within=views[-2:])
    assert [len(hits) for hits in found] == [2, 0, 2, 2]
    one = Views({"words": views["words"][-1:]})
    vector = np.asarray(model.transform(one)["words"].items)[-1]
    asked = Question([(1, {"words": At(vector, "there")})])
    assert len(model.hits(asked, "picture", 3)[0]) == 3  # placed already: ranked once
    same = Views({"picture": views["picture"][-1:]})
    assert model.hits(same, "picture", 1)[0][0]["id"] == str(views.ids[-1])


def test_hits_of_several_views_are_ranked_once(views, model):
    both = views.replace({**views.columns, "again": views["picture"]})
    three = Retrieve(align="cca", rerank="coattention", baseline=False).fit(both)
    assert three.reranked_["share"] > 0
    hits = three.hits({"words": views["words"][:3]}, to=["picture", "again"], k=12)
    for row in hits:
        scores = [hit["score"] for hit in row]
        assert scores == sorted(scores, reverse=True)


def test_one_thing_that_gains_is_not_above_its_standard_error():
    for n in range(5, 60):
        gain, error, _ = reranking._mean(np.array([1 / 3] + [0.0] * (n - 1)), [np.arange(n)])
        assert not reranking.sure(gain, error)
    assert reranking.sure(2.0, 1.0)


def test_a_saved_model_looks_again_without_torch(views, model, tmp_path):
    asked = views["words"].items[views["words"].index[-6:]]
    np.save(tmp_path / "asked.npy", asked)
    before = model.hits(Views({"words": views["words"][-6:]}), "picture", 5)
    model.save(tmp_path / "m")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm\n"
        "from chiasm.tokens import Tokens; from chiasm.views import Column, Views\n"
        f"model = chiasm.load({str(tmp_path / 'm')!r})\n"
        f"asked = np.load({str(tmp_path / 'asked.npy')!r}).reshape(6, 3, -1)\n"
        "hits = model.hits(Views({'words': Column('vector', Tokens.of(list(asked)))}), 'picture', 5)\n"
        "print([[hit['id'] for hit in row] for row in hits])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([[hit["id"] for hit in row] for row in before])


def test_without_validation_rows_some_are_held_out_for_it(views):
    rows = Views(views.columns, views.ids)[:500]
    model = Retrieve(align="cca", rerank="coattention", baseline=False).fit(rows)
    assert 40 < model.reranked_["things"] < 100


def test_what_scores_no_pairs_is_refused():
    with pytest.raises(ChiasmError, match="an aligner that scores pairs"):
        Retrieve(rerank="cca").fit(planted(200))
    with pytest.raises(ChiasmError, match="wanted at least 40 pairs to learn re-ranking from, got 30"):
        Retrieve(rerank="coattention").fit(planted(TEST + 130))


def test_words_in_any_number_and_texts_without_one():
    rng = np.random.default_rng(0)
    colors, things = rng.integers(6, size=240), rng.integers(7, size=240)
    names = "red blue green yellow black white".split(), "dog cat car tree house bird boat".split()
    texts = [
        f"{'a very ' * (i % 3)}{names[0][c]} {names[1][t]}" for i, (c, t) in enumerate(zip(colors, things, strict=True))
    ]
    texts[5] = "?!"
    seen = np.concatenate([np.eye(6)[colors], np.eye(7)[things]], axis=1) @ rng.normal(size=(13, 16))
    vectors = (seen + 0.3 * rng.normal(size=(240, 16))).astype(np.float32)
    split = np.array(["train"] * 160 + ["val"] * 40 + ["test"] * 40, dtype=object)
    columns = {"caption": Column("text", texts), "picture": Column("vector", vectors)}
    views = Views(columns, np.arange(240), {"split": split})
    words = {"caption": "wordvec_text:pooled=False"}
    model = Retrieve(words, align="cca", rerank="coattention", baseline=False, allow_leaks=True).fit(views)
    with pytest.warns(ChiasmWarning, match="1 of 2 queries are absent"):
        found = model.hits({"caption": ["a red dog", None]}, "picture", 3)
    assert [len(hits) for hits in found] == [3, 0]
    with pytest.raises(ChiasmError, match="no_tokens"):
        model.hits("?!", "picture")
    assert float(model.score(views[split == "test"], allow_train=True)) > 0.3


def test_an_empty_gallery_is_told_as_without(views, model):
    asked = Views({"words": views["words"][-1:]})
    with pytest.raises(ChiasmError, match="nothing to search"):
        model.hits(asked, "picture", within=views[:0])


def test_the_command_says_whether_it_pays(tmp_path):
    from click.testing import CliRunner

    from chiasm.cli import cli

    rng = np.random.default_rng(0)
    words = [" ".join(rng.choice(["red", "blue", "dog", "cat", "car", "tree", "sun"], 4)) for _ in range(150)]
    lines = [f"{word},{word.upper()} {i}" for i, word in enumerate(words)]
    (tmp_path / "texts.csv").write_text("\n".join(["a,b", *lines]))
    encoders = [f"--encoder={name}=hashed_text" for name in "ab"]
    asked = ["fit", "retrieve", str(tmp_path / "texts.csv"), "--text", "a", "--text", "b", *encoders, "--allow-leaks"]
    done = CliRunner().invoke(cli, [*asked, "--rerank", "coattention", "--to", str(tmp_path / "m.chiasm")])
    assert done.exit_code == 0, done.output
    assert "looked at again" in done.output
