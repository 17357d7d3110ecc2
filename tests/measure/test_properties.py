"""Three properties of a space, on spaces whose answers are known."""

import json

import numpy as np
import pytest

from chiasm.align.cca import CCA
from chiasm.errors import ChiasmError
from chiasm.measure.adaptability import _counts, _nmi, classify
from chiasm.measure.properties import properties, statistics_space
from chiasm.measure.sample import Sample, half
from chiasm.report.properties import lines
from chiasm.stats.ranking import average_precision
from chiasm.views import Column, Views, normalize


def space(a, b, label=None, ids=None):
    facts = {} if label is None else {"label": np.asarray(label, dtype=object)}
    return Views({"text": Column("vector", a), "image": Column("vector", b)}, ids, facts)


def clouds(n=200, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


@pytest.fixture(scope="module")
def planted():
    """Four classes, each a direction of its own that both views share."""
    rng = np.random.default_rng(0)
    label = np.arange(160) % 4
    center = np.eye(8)[label]
    a, b = (center + 0.05 * rng.normal(size=(160, 8)) for _ in range(2))
    return a, b, np.array([f"class {c}" for c in label], dtype=object)


@pytest.fixture(scope="module")
def table(planted):
    a, b, label = planted
    return properties(space(a, b, label), space(a, b, label))


def inside(entry, value):
    return entry["low"] <= value <= entry["high"]


def test_where_both_views_coincide_the_modality_is_a_coin_and_the_gap_is_none():
    a, _ = clouds()
    found = properties(space(a, a))["modality"]
    assert found["best"] == 0.5
    for how in ("plain", "centered"):
        assert found[how]["linear"]["value"] == found[how]["neighbors"]["value"] == 0.5
        assert inside(found[how]["linear"], 0.5)
    assert found["gap"][0]["distance"] == pytest.approx(0, abs=1e-6)


def test_a_class_without_a_scored_row_does_not_count_in_macro_f1():
    things = np.arange(60)
    label = np.where(things == things[half(things, 0)][0], 2, things % 2)  # one thing, and it is learned from
    vectors = normalize(np.eye(3)[label] + 0.01 * np.random.default_rng(0).normal(size=(60, 3)))
    found = classify(Sample(vectors, np.zeros(60, int), things, label, things, ["photo"]), 0)
    assert found["directions"][0]["accuracy"]["value"] == found["directions"][0]["macro_f1"] == 1.0


def test_two_shifted_clouds_are_told_apart_until_they_are_centered():
    a, b = clouds()
    shift = 30 * np.eye(6)[0]
    found = properties(space(a + shift, b - shift))["modality"]
    assert found["plain"]["linear"]["value"] == found["plain"]["neighbors"]["value"] == 1.0
    for kind in ("linear", "neighbors"):
        assert inside(found["centered"][kind], 0.5)
    assert found["gap"][0]["distance"] == pytest.approx(2, abs=0.02)  # of unit vectors that point away
    assert found["gap"][0]["shuffled"] < 0.3


def test_neighbors_see_a_difference_of_spread_that_the_mean_does_not_hold():
    a, b = clouds(d=40)
    b[:, 10:] *= 0.01
    found = properties(space(a, b))["modality"]
    assert found["centered"]["linear"]["value"] < 0.65
    assert found["centered"]["neighbors"]["value"] > 0.75


def test_five_captions_a_picture_leave_the_best_accuracy_at_one_half():
    a, _ = clouds(60)
    rows = np.repeat(np.arange(60), 5)
    captions = np.repeat(a, 5, axis=0)
    views = Views({"text": Column("vector", captions), "image": Column("vector", a, rows)}, rows)
    found = properties(views)["modality"]
    assert found["plain"]["linear"]["value"] == pytest.approx(0.5, abs=0.02)


def test_three_views_have_a_best_of_one_third():
    a, _ = clouds(90)
    columns = {name: Column("vector", a) for name in ("text", "image", "audio")}
    found = properties(Views(columns))["modality"]
    assert found["best"] == pytest.approx(1 / 3)
    assert found["plain"]["linear"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert len(found["gap"]) == 3


def test_planted_classes_are_found_by_ranking_probe_and_clusters(table):
    assert table["semantics"]["mAP"]["value"] > 0.99
    assert table["semantics"]["chance"] == pytest.approx(0.25)
    tasks = table["adaptability"]
    for direction in tasks["classify"]["directions"]:
        assert direction["accuracy"]["value"] > 0.99
        assert direction["macro_f1"] > 0.99
        assert direction["majority"] < 0.35
    assert [t["views"] for t in tasks["cluster"]["tables"]] == ["text", "image", "all views"]
    for found in tasks["cluster"]["tables"]:
        assert found["NMI"] > 0.99
        assert found["accuracy"]["value"] > 0.99
        assert found["shuffled_NMI"] < 0.1
    assert table["reasons"] == {}


def test_shuffled_labels_are_near_chance(planted):
    a, b, label = planted
    table = properties(space(a, b, np.random.default_rng(3).permutation(label)))
    assert table["semantics"]["mAP"]["value"] == pytest.approx(0.25, abs=0.04)
    tasks = table["adaptability"]
    for direction in tasks["classify"]["directions"]:
        assert direction["accuracy"]["value"] < 0.45
    for found in tasks["cluster"]["tables"]:
        assert found["NMI"] < 0.1
        assert found["accuracy"]["value"] == pytest.approx(found["shuffled_accuracy"], abs=0.1)


def test_a_probe_learned_on_one_view_fails_on_a_view_whose_classes_lie_elsewhere(planted):
    a, b, label = planted
    tasks = properties(space(a, np.roll(b, 4, axis=1), label))["adaptability"]
    accuracy = {(d["from"], d["to"]): d["accuracy"]["value"] for d in tasks["classify"]["directions"]}
    assert accuracy["text", "text"] > 0.99
    assert accuracy["image", "image"] > 0.99
    assert accuracy["text", "image"] < 0.5
    assert accuracy["image", "text"] < 0.5


def test_map_and_recall_equal_a_separate_computation(planted, table):
    a, b, label = planted
    x, y = normalize(a), normalize(b)
    both = average_precision(x, y, label, label).mean(), average_precision(y, x, label, label).mean()
    assert [d["mAP"]["value"] for d in table["semantics"]["directions"]] == pytest.approx(both, abs=1e-6)
    first = [np.mean(s.argmax(axis=1) == np.arange(160)) for s in (x @ y.T, y @ x.T)]
    assert table["adaptability"]["retrieve"]["R@1"]["value"] == pytest.approx(np.mean(first), abs=1e-6)
    assert table["adaptability"]["retrieve"]["chance"] == pytest.approx(1 / 160, abs=1e-6)


def test_a_space_of_plain_statistics_is_compared_query_by_query(planted, table):
    for direction in table["semantics"]["directions"]:  # the same space twice
        assert direction["statistics"] == direction["mAP"]
        assert direction["difference"]["value"] == 0
        assert -0.02 < direction["difference"]["low"] <= 0 <= direction["difference"]["high"] < 0.02
    a, b, label = planted
    noise = properties(space(a, b, label), space(*clouds(160, 8, seed=5), label))["semantics"]
    assert all(d["difference"]["low"] > 0.5 for d in noise["directions"])
    assert noise["statistics"]["value"] == pytest.approx(noise["chance"], abs=0.04)


def test_mutual_information_equals_scikit_learns():
    from sklearn.metrics import normalized_mutual_info_score

    rng = np.random.default_rng(0)
    cluster, label = rng.integers(4, size=90), rng.integers(3, size=90)
    label[:40] = cluster[:40] % 3
    assert _nmi(_counts(cluster, label)) == pytest.approx(normalized_mutual_info_score(label, cluster), abs=1e-12)


def test_statistics_are_fitted_on_the_training_rows_with_the_same_aligner():
    texts = [f"{'red' if i % 2 else 'blue'} thing {i}" for i in range(120)]
    pictures = [np.full((8, 8, 3), (200, 0, i) if i % 2 else (0, i, 200), np.uint8) for i in range(120)]
    views = Views({"text": Column("text", texts), "image": Column("image", pictures)}, np.arange(120))
    views.facts["label"] = np.arange(120) % 2
    held = statistics_space(views[:80], views[80:], CCA(k=2, ridge=1.0))
    assert {column.width for column in held.columns.values()} == {2}
    assert len(held) == 40
    assert properties(held)["semantics"]["mAP"]["value"] > 0.9
    assert statistics_space(space(*clouds()), space(*clouds()), CCA()) is None


def test_without_labels_parts_are_none_and_say_why():
    a, b = clouds(60)
    table = properties(space(a, b))
    assert table["semantics"] is None
    assert table["adaptability"]["classify"] is None
    assert table["adaptability"]["cluster"] is None
    assert table["adaptability"]["retrieve"]["R@1"]["value"] < 0.3
    assert set(table["reasons"]) == {"semantics", "classify", "cluster"}
    assert all("no labels" in reason for reason in table["reasons"].values())
    shown = "\n".join(lines(table))
    assert "semantics: not measured, the rows have no labels" in shown


def test_rows_without_a_label_are_left_out_of_what_needs_one(planted):
    a, b, label = planted
    some = label.copy()
    some[100:] = None
    table = properties(space(a, b, some))
    known = properties(space(a[:100], b[:100], label[:100]))
    assert table["semantics"]["mAP"] == known["semantics"]["mAP"]
    assert table["adaptability"]["classify"] == known["adaptability"]["classify"]


def test_a_view_alone_has_no_modality_to_tell():
    a, _ = clouds(60)
    table = properties(Views({"text": Column("vector", a)}))
    assert table["modality"] is None
    assert table["adaptability"]["retrieve"] is None
    assert "two views" in table["reasons"]["modality"]


def test_one_class_can_neither_be_learned_nor_clustered():
    a, b = clouds(60)
    table = properties(space(a, b, ["only"] * 60))
    assert table["adaptability"]["classify"] is table["adaptability"]["cluster"] is None
    assert "two classes" in table["reasons"]["classify"]


def test_the_table_is_plain_values_and_the_same_for_the_same_seed(planted, table):
    a, b, label = planted
    again = properties(space(a, b, label), space(a, b, label))
    assert json.loads(json.dumps(again)) == table
    shown = lines(table)
    assert any(line.startswith("  classify image, learned on text") for line in shown)
    assert all(len(line) <= 120 for line in shown)


def test_too_few_rows_and_unmapped_vectors_are_refused():
    a, b = clouds(9)
    with pytest.raises(ChiasmError, match="wanted at least 10 held-out things"):
        properties(space(a, b))
    with pytest.raises(ChiasmError, match="wanted views of one shared width"):
        properties(space(np.ones((20, 3)), np.ones((20, 4))))
