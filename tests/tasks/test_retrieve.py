"""The task: what it refuses, what it reports, and that its scores are those of a slow, separate computation."""

import io

import numpy as np
import pytest

import chiasm
from chiasm.data.toy import planted_pair, shape_image
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views


@pytest.fixture
def views():
    a, b = planted_pair(300, correlations=(0.97,) * 8)
    split = np.array(["train"] * 200 + ["val"] * 40 + ["test"] * 60, dtype=object)
    label = np.array([f"class {i % 3}" for i in range(300)], dtype=object)
    columns = {"a": Column("vector", a), "b": Column("vector", b)}
    return Views(columns, np.array([f"id {i}" for i in range(300)], dtype=object), {"split": split, "label": label})


def test_scores_equal_a_slow_separate_computation(views):
    model = Retrieve().fit(views)
    test = views[views.split == "test"]
    table = model.score(test).table
    mapped = model.transform(test)
    x, y = (np.asarray(mapped[n].items)[mapped[n].index] for n in ("a", "b"))
    likeness = (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T
    place = np.array([1 + (row > row[i]).sum() for i, row in enumerate(likeness)])
    direction = table["directions"][0]
    assert (direction["from"], direction["to"]) == ("a", "b")
    assert direction["gallery"] == 60  # the scored rows alone
    for k in (1, 5, 10):
        assert direction[f"R@{k}"]["value"] == pytest.approx(np.mean(place <= k), abs=1e-6)
    assert direction["median_rank"]["value"] == np.median(place)
    order = np.argsort(-likeness, axis=1)
    right = np.array(test.label)[order] == np.array(test.label)[:, None]
    precision = (right.cumsum(1) / np.arange(1, 61) * right).sum(1) / right.sum(1)
    assert direction["mAP"]["value"] == pytest.approx(precision.mean(), abs=1e-5)


def test_any_caption_of_a_picture_is_a_hit_and_the_picture_stands_once_in_the_gallery():
    a, b = planted_pair(120, correlations=(0.99,) * 10)
    rng = np.random.default_rng(1)
    captions = np.repeat(a, 5, axis=0) + 0.01 * rng.normal(size=(600, 20))
    rows = np.repeat(np.arange(120), 5)
    views = Views({"caption": Column("vector", captions), "photo": Column("vector", b, rows)}, rows)
    model = Retrieve().fit(views[: 90 * 5])
    to_photo, to_caption = model.score(views[90 * 5 :]).table["directions"]
    assert (to_photo["queries"], to_photo["gallery"]) == (150, 30)
    assert (to_caption["queries"], to_caption["gallery"]) == (30, 150)
    assert to_caption["chance"]["R@1"] == pytest.approx(5 / 150, abs=1e-6)


def test_rows_that_were_learned_from_are_not_scored_unless_insisted(views):
    model = Retrieve().fit(views)
    with pytest.raises(ChiasmError, match="200 of the 300 rows are rows that the model was fitted on"):
        model.score(views)
    assert model.score(views, allow_train=True).table["leaks"]["fitted_rows"] == 200


def test_an_id_in_two_splits_is_refused_unless_insisted(views):
    views.ids[250] = views.ids[3]
    with pytest.raises(ChiasmError, match="1 ids stand in more than one split"):
        Retrieve().fit(views)
    Retrieve(allow_leaks=True).fit(views)


def test_test_rows_that_share_an_item_with_training_are_scored_a_second_time_without(views):
    a = views["a"]
    shared = Column("vector", a.items, np.where(np.arange(300) >= 290, np.arange(300) - 290, np.arange(300)))
    leaky = Views({"a": shared, "b": views["b"]}, views.ids, views.facts)
    model = Retrieve().fit(leaky)
    table = model.score(leaky[leaky.split == "test"]).table
    assert table["leaks"]["equal"]["a"] == 10
    assert table["clean"]["removed"] == 10
    assert table["clean"]["rows"] == 50
    assert table["clean"]["directions"][0]["gallery"] == 50


def test_the_test_rows_do_not_change_what_is_learned(views):
    model = Retrieve().fit(views)
    noise = np.random.default_rng(0).normal(size=views["a"].items.shape)
    spoiled = np.where((views.split == "test")[:, None], noise, views["a"].items)
    other = Retrieve().fit(Views({"a": Column("vector", spoiled), "b": views["b"]}, views.ids, views.facts))
    assert model.aligner_.chosen_ == other.aligner_.chosen_
    np.testing.assert_array_equal(model.aligner_.weights_["a"], other.aligner_.weights_["a"])


def test_answers_come_from_what_was_indexed_or_from_within(views):
    model = Retrieve().fit(views)
    labels, scores = model.answer({"a": views["a"].items[:4]}, to="b", k=3)
    assert labels.shape == scores.shape == (4, 3)
    hits = model.hits({"a": views["a"].items[290:291]}, "b", 300)[0]
    assert {hit["split"] for hit in hits} == {"train", "val", "test"}
    inside = model.hits({"a": views["a"].items[:1]}, "b", 3, within=views[250:])[0]
    assert all(int(hit["id"].split()[1]) >= 250 for hit in inside)


def test_a_score_is_a_float_that_prints_as_its_table(views):
    score = Retrieve().fit(views).score(views[views.split == "test"])
    assert isinstance(score, float)
    assert float(score) == pytest.approx(np.mean([d["R@1"]["value"] for d in score.table["directions"]]))
    assert "a -> b" in str(score)
    assert "chance" in str(score)


def test_a_part_is_given_by_name_or_as_itself_and_saved_with_its_parameters(views, tmp_path):
    from chiasm.align.cca import CCA

    model = Retrieve(align=CCA(k=5, ridge=0.5)).fit(views)
    assert model.align.learned() == {}  # what the caller passed is not changed
    again = chiasm.load(model.save(tmp_path / "m"))
    assert again.aligner_.chosen_ == {"ridge": 0.5, "k": 5}
    assert repr(again.align) == "CCA(k=5, ridge=0.5)"
    test = views[views.split == "test"]
    assert again.score(test).to_json() == model.score(test).to_json()


def test_a_view_is_named_by_its_modality_when_it_is_the_only_one():
    texts = [f"thing number {i}" for i in range(40)]
    vectors = np.random.default_rng(0).normal(size=(40, 6))
    views = Views({"caption": Column("text", texts), "v": Column("vector", vectors)})
    model = Retrieve().fit(views)
    assert model.answer({"text": [texts[3]]}, k=1)[0].tolist() == model.answer({"caption": [texts[3]]}, k=1)[0].tolist()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m, v: m.answer({"a": v["a"].items[:1], "b": v["b"].items[:1]}), "queries of one view"),
        (lambda m, v: m.answer({"a": np.full((1, 20), np.nan)}), "empty query"),
        (lambda m, v: m.view("vector"), "could mean a or b"),
        (lambda m, v: m.answer({"zz": v["a"].items[:1]}), "no fitted view named 'zz'"),
        (lambda m, v: m.answer({"a": v["a"].items[:1]}, to="c"), "no fitted view named 'c'"),
        (lambda m, v: m.answer({"a": v["b"].items[:1]}), "view 'a': wanted vectors of 20 numbers, got 12"),
        (lambda m, v: Retrieve().answer({"a": v["a"].items[:1]}), "not fitted"),
        (lambda m, v: Retrieve(align="procustes").fit(v), "no align named 'procustes'"),
        (lambda m, v: Retrieve(encoders={"c": "e5_text"}).fit(v), "no view named 'c'"),
    ],
)
def test_wrong_calls_are_one_sentence(views, call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call(Retrieve().fit(views), views)


def test_a_model_answers_in_a_process_without_torch_and_sklearn(views, tmp_path):
    import subprocess
    import sys

    model = Retrieve().fit(views)
    chiasm.save(model, tmp_path / "m")
    np.save(tmp_path / "q.npy", views["a"].items[:3])
    known, _ = model.answer({"a": views["a"].items[:3]}, k=2)
    code = (
        "import sys; sys.modules['torch'] = sys.modules['sklearn'] = None\n"
        "import chiasm, numpy as np\n"
        f"m = chiasm.load({str(tmp_path / 'm')!r}); q = np.load({str(tmp_path / 'q.npy')!r})\n"
        "print(m.answer({'a': q}, k=2)[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(known.tolist())


@pytest.mark.parametrize("encoder", ["hashed_text", "hashed_text+bow_text"])
def test_a_query_that_is_cut_is_told_in_the_report(encoder):
    texts = [f"{name} number {i}" for i in range(40) for name in ("dog", "猫")]
    columns = {"words": Column("text", texts), "v": Column("vector", np.random.default_rng(0).normal(size=(80, 5)))}
    model = Retrieve({"words": encoder}, align="ridge", baseline=False).fit(Views(columns))
    for ask in (model.hits, model.answer):
        found = ask({"words": ["猫 " * 15_000, "dog"]}, k=1)
        assert {(view, note.code, note.skipped) for view, _, note in found.report.notes} == {("words", "cut", False)}
        assert found.report.as_dict()["words"]["notes"]["cut"] >= 1
        assert not ask({"words": ["dog"]}, k=1).report.notes


def test_a_picture_that_is_asked_with_and_altered_is_told_too():
    film = io.BytesIO()
    frames = [shape_image("red", "bar", seed=i) for i in range(3)]
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:])
    stills = [shape_image("blue", "circle", seed=i) for i in range(30)]
    views = Views({"图": Column("image", stills), "v": Column("vector", np.random.default_rng(0).normal(size=(30, 4)))})
    model = Retrieve({"图": "pixel_image"}, align="ridge", baseline=False).fit(views)
    found = model.hits({"图": [film.getvalue()]}, k=1)
    assert [(view, note.code) for view, _, note in found.report.notes] == [("图", "first_frame")]
