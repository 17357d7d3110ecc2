"""Linking: planted pairings are found, hidden ones are not looked at, the assignment equals its slow definition."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import chiasm
from chiasm.align.cca import CCA
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.tasks._link import assigning as _linking
from chiasm.tasks._link import common_shape
from chiasm.tasks._link.assigning import assign, by_shape, hide, likeness, nearest_first, objective, similarities
from chiasm.tasks.link import Link
from chiasm.views import ABSENT, Column, Views, normalize


def paired(n=300, rho=0.97, k=8, seed=0):
    a, b = planted_pair(n, correlations=(rho,) * k, seed=seed)
    return Views({"a": Column("vector", a), "b": Column("vector", b)}, np.array([f"id {i}" for i in range(n)], object))


def partly(views, known):
    """The first `known` rows keep their pairing, the others lose it."""
    return hide(views, np.arange(len(views)) >= known)


def clouds(n=120, d=10, noise=0.15, seed=0):
    """One cloud under two rotations, the second with noise and in another order."""
    rng = np.random.default_rng(seed)
    cloud = rng.normal(size=(n, d)) * np.linspace(1.5, 0.5, d)
    first, second = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    order = rng.permutation(n)
    copy = (cloud + noise * rng.normal(size=cloud.shape))[order] @ second
    return Views({"a": Column("vector", cloud @ first), "b": Column("vector", copy, np.argsort(order))})


def right_links(links):
    return np.mean([link["left_id"] == link["right_id"] for link in links])


def test_hidden_rows_keep_their_items_and_lose_their_pairing():
    views = paired(10)
    pool = hide(views, np.arange(10) >= 6)
    assert pool.present("a").tolist() == [True] * 10 + [False] * 4
    assert pool.present("b").tolist() == [True] * 6 + [False] * 4 + [True] * 4
    assert pool.things == 14
    assert pool["b"].index[-4:].tolist() == [6, 7, 8, 9]
    assert pool.facts["id"].tolist() == views.ids.tolist() + views.ids[6:].tolist()
    again = hide(pool, np.zeros(14, bool))
    assert again.facts["id"].tolist() == pool.facts["id"].tolist()


def test_links_are_the_assignment_with_the_largest_sum_of_cosines():
    views = paired(200, rho=0.9)
    model = Link(rounds=0).fit(views[:140])
    found = model.links(views[140:])
    mapped = model.aligner_.transform(views[140:])
    x, y = (normalize(mapped[name].items[mapped[name].index]) for name in ("a", "b"))
    known = linear_sum_assignment(x @ y.T, maximize=True)[1]
    got = {int(link["left_id"].split()[1]): int(link["right_id"].split()[1]) for link in found}
    assert [got[140 + i] - 140 for i in range(60)] == known.tolist()
    score = model.score(views[140:])
    assert float(score) == pytest.approx(np.mean(known == np.arange(60)))


def test_a_hubness_correction_changes_greedy_links_and_no_square_assignment():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8))
    y = x + rng.normal(size=x.shape)
    plain = normalize(x) @ normalize(y).T
    corrected = similarities(x, y)
    np.testing.assert_array_equal(assign(corrected).right, assign(plain).right)
    assert (corrected.argmax(axis=1) != plain.argmax(axis=1)).any()


def test_corrected_similarity_is_csls_by_its_definition():
    rng = np.random.default_rng(0)
    x, y = normalize(rng.normal(size=(30, 8))), normalize(rng.normal(size=(24, 8)))
    near_x = np.sort(x @ y.T, axis=1)[:, -10:].mean(axis=1)
    near_y = np.sort(x @ y.T, axis=0)[-10:].mean(axis=0)
    definition = 2 * x @ y.T - near_x[:, None] - near_y
    np.testing.assert_allclose(2 * similarities(x, y), definition, atol=1e-5)


def test_assignment_is_right_more_often_than_greedy_and_both_than_chance():
    views = paired(500, rho=0.8)
    table = Link().fit(views[:200]).score(views[200:]).table
    assert table["chance"] == pytest.approx(1 / 300, abs=1e-6)
    assert table["accuracy"]["value"] > table["greedy"]["value"] > 20 * table["chance"]
    assert table["difference"]["value"] == pytest.approx(
        table["accuracy"]["value"] - table["greedy"]["value"], abs=1e-5
    )
    assert table["accuracy"]["low"] <= table["accuracy"]["value"] <= table["accuracy"]["high"]


def test_greedy_takes_the_nearest_pair_first():
    x = np.array([[1.0, 0.0], [0.9, 0.5]])
    y = np.array([[0.95, 0.2], [0.0, 1.0]])
    assert nearest_first(x, y).right.tolist() == [0, 1]
    assert nearest_first(x[::-1], y).right.tolist() == [1, 0]


def test_the_surer_half_of_the_links_is_right_more_often():
    views = paired(500, rho=0.8)
    found = Link().fit(views[:200]).links(views[200:])
    sure = [link["confidence"] for link in found]
    assert sure == sorted(sure, reverse=True)
    assert min(sure) > 0
    assert max(sure) <= 1
    assert right_links(found[:150]) > right_links(found[150:]) + 0.2


def test_likeness_equals_the_softmax_shares_of_row_and_column():
    scores = np.random.default_rng(0).normal(size=(6, 9))
    links = assign(scores)
    hot = np.exp(2 * scores / scores.std())
    for i, j, got in zip(links.left, links.right, likeness(scores, links), strict=True):
        assert got == pytest.approx(np.sqrt(hot[i, j] / hot[i].sum() * hot[i, j] / hot[:, j].sum()))


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("known", [60, 200])
def test_confidences_say_how_often_links_are_right(rho, known):
    sure, right = [], []
    for seed in range(3):
        views = paired(known + 150, rho=rho, seed=seed)
        model = Link(align=CCA(ridge=1.0), seed=seed).fit(partly(views, known))
        found = model.links(views[known:])
        sure += [link["confidence"] for link in found]
        right += [link["left_id"] == link["right_id"] for link in found]
    assert np.mean(sure) == pytest.approx(np.mean(right), abs=0.08)
    order = np.argsort(sure)
    for part in np.array_split(order, 3):
        assert np.mean(np.array(sure)[part]) == pytest.approx(np.mean(np.array(right)[part]), abs=0.15)


def test_with_few_known_pairs_nothing_is_called_a_confidence():
    for views, known in ((clouds(), 0), (paired(120, rho=0.9), 12)):
        pool = partly(views, known) if known else hide(views, np.ones(120, bool))
        model = Link().fit(pool)
        found = model.links(views[known:])
        assert {link["confidence"] for link in found} == {None}
        likenesses = [link["likeness"] for link in found]
        assert likenesses == sorted(likenesses, reverse=True)
        np.testing.assert_allclose(model.answer(views[known:])[2], likenesses)


def test_the_pairing_of_test_rows_is_not_looked_at():
    views = paired(260, rho=0.9)
    split = np.array(["train"] * 120 + ["test"] * 140, dtype=object)
    order = np.concatenate([np.arange(120), 120 + np.random.default_rng(0).permutation(140)])
    one = Views(views.columns, views.ids, {"split": split})
    two = one.replace({"a": views["a"], "b": views["b"][order]})
    fitted = [Link().fit(v) for v in (one, two)]
    assert fitted[0].trials_ == fitted[1].trials_
    np.testing.assert_array_equal(fitted[0].aligner_.weights_["a"], fitted[1].aligner_.weights_["a"])
    links = [[(x["left"], x["right"]) for x in fitted[0].links(v[120:])] for v in (one, two)]
    assert links[0] == links[1]


@pytest.mark.slow
def test_learning_from_its_own_links_helps_with_few_pairs_and_never_lowers_the_held_out_score():
    gains = []
    for seed in range(4):
        views = paired(400, rho=0.93, k=10, seed=seed)
        pool = partly(views, 45)
        with_rounds, without = (Link(rounds=r, seed=seed).fit(pool) for r in (3, 0))
        assert with_rounds.trials_[with_rounds.rounds_] == max(with_rounds.trials_)
        gains.append(float(with_rounds.score(views[45:])) - float(without.score(views[45:])))
        assert (without.rounds_, without.trials_) == (0, [])
    assert np.mean(gains) > 0.05


def test_validation_rows_choose_the_rounds_and_are_not_learned_from():
    views = paired(300, rho=0.93)
    split = np.array(["train"] * 60 + ["val"] * 40 + ["test"] * 200, dtype=object)
    given = Views(views.columns, views.ids, {"split": split})
    model = Link(rounds=3).fit(given)
    assert model.known_ == 60
    assert len(model.trials_) == 4
    assert set(model.ids_) == {f"id {i}" for i in range(60)}
    assert float(model.score(given[split == "val"])) > 0.2


def test_two_rotated_copies_of_a_cloud_are_linked_without_any_known_pair():
    views = clouds()
    model = Link().fit(hide(views, np.ones(len(views), bool)))
    assert (model.start_, model.known_) == ("shape", 0)
    assert float(model.score(views)) > 0.95


def clustered(seed, n=80):
    """Three clusters, drawn alike under every seed: two of them are roughly alike, item by item they are not."""
    rng = np.random.default_rng(seed)
    return 4 * np.eye(6)[:3][np.arange(n) % 3] + rng.normal(size=(n, 6))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("draw", [lambda seed: np.random.default_rng(seed).normal(size=(80, 6)), clustered])
def test_collections_without_a_common_shape_are_called_not_linkable(draw, seed):
    views = Views({"a": Column("vector", draw(seed)), "b": Column("vector", draw(seed + 100))})
    with pytest.raises(ChiasmError, match=r"not linkable.*'a' and 'b'.*at least 8 known pairs.*got 0"):
        Link().fit(hide(views, np.ones(80, bool)))


def test_a_rough_likeness_of_clusters_would_pass_as_a_common_shape_without_the_test(monkeypatch):
    views = Views({"a": Column("vector", clustered(0)), "b": Column("vector", clustered(100))})
    monkeypatch.setattr(common_shape, "DRAWN", 0)
    assert float(Link().fit(hide(views, np.ones(80, bool))).score(views)) < 0.15


def test_unequal_collections_are_matched_by_shape_too():
    views = clouds(100)
    a, b = (np.asarray(views[name].items[views[name].index]) for name in ("a", "b"))
    found = by_shape(a, b[:90], 0, 0)
    assert len(found.left) == len(set(found.right)) <= 90
    assert np.mean(found.left == found.right) > 0.9


def test_some_known_pairs_start_the_shapes_right():
    views = clouds(100, noise=0.45)
    a, b = (np.asarray(views[name].items[views[name].index], np.float64) for name in ("a", "b"))
    free, seeded = by_shape(a, b, 0, 0), by_shape(a, b, 12, 0)
    assert np.array_equal(seeded.left[:12], seeded.right[:12])
    assert np.mean(seeded.left == seeded.right) >= np.mean(free.left == free.right)
    assert np.mean(seeded.left[12:] == seeded.right[12:]) > 0.5


def test_the_likeness_of_shapes_is_one_for_a_rotation_and_less_for_a_wrong_order():
    views = clouds(50, noise=0.0)
    a, b = (np.asarray(views[name].items[views[name].index]) for name in ("a", "b"))
    links = assign(np.eye(50))
    assert objective(a, b, links) == pytest.approx(1, abs=1e-5)
    assert objective(a, b[::-1], links) < 0.5


@pytest.mark.parametrize(("n", "m"), [(60, 45), (45, 60)])
def test_unequal_collections_are_linked_one_to_one(n, m):
    views = paired(260)
    model = Link().fit(views[:200])
    a, b = views["a"].items[200:], views["b"].items[200:]
    left, right, _ = model.answer({"a": a[:n]}, {"b": b[:m]})
    assert len(left) == len(set(left)) == len(set(right)) == 45
    assert np.mean(left == right) > 0.8


def test_any_caption_of_a_picture_is_right_and_the_smaller_collection_is_counted():
    a, b = planted_pair(120, correlations=(0.99,) * 10)
    captions = np.repeat(a, 3, axis=0) + 0.01 * np.random.default_rng(1).normal(size=(360, 20))
    rows = np.repeat(np.arange(120), 3)
    views = Views({"caption": Column("vector", captions), "photo": Column("vector", b, rows)}, rows)
    table = Link().fit(views[:240]).score(views[240:]).table
    assert (table["left"]["items"], table["right"]["items"], table["scored"]) == (120, 40, 40)
    assert table["chance"] == pytest.approx(3 / 120, abs=1e-6)
    assert table["accuracy"]["value"] > 0.8


def test_many_items_are_linked_among_candidates(monkeypatch):
    views = paired(300, rho=0.95)
    model = Link().fit(views[:150])
    whole = right_links(model.links(views[150:]))
    monkeypatch.setattr(_linking, "_DENSE", 1000)
    among = model.links(views[150:])
    assert len(among) > 145
    assert right_links(among) == pytest.approx(whole, abs=0.03)


def test_known_pairs_are_not_scored_unless_insisted():
    views = paired(100)
    model = Link().fit(views[:70])
    with pytest.raises(ChiasmError, match="20 of the 50 pairs are pairs that the model was fitted on"):
        model.score(views[50:])
    assert model.score(views[50:], allow_train=True).table["fitted_pairs"] == 20
    renamed = Views(views.columns, np.array([f"other {i}" for i in range(100)], object))
    with pytest.raises(ChiasmError, match="20 of the 50 pairs"):
        model.score(renamed[50:])


def test_a_saved_model_links_alike_with_and_without_known_pairs(tmp_path):
    for name, views in (("pairs", partly(paired(90), 60)), ("shape", hide(clouds(60), np.ones(60, bool)))):
        model = Link().fit(views)
        again = chiasm.load(model.save(tmp_path / name))
        asked = [views[views.present(side)].replace({side: views[side][views.present(side)]}) for side in ("a", "b")]
        assert again.links(*asked) == model.links(*asked)
        assert (again.start_, again.known_, again.trials_) == (model.start_, model.known_, model.trials_)


def test_a_score_is_a_float_that_prints_greedy_and_chance_beside_it():
    views = paired(160)
    score = Link().fit(views[:100]).score(views[100:], split="test")
    first, *rest = str(score).splitlines()
    assert first.startswith("link: 60 a x 60 b of split test, pairing hidden, 100 pairs known")
    assert [line.split()[0] for line in rest] == ["linked", "greedy", "chance"]
    assert json.loads(score.to_json())["accuracy"]["value"] == pytest.approx(float(score), abs=1e-6)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda v: Link().fit({"a": np.eye(9)}), "wanted two views"),
        (lambda v: Link().fit(v[:3]), "at least 8 known pairs"),
        (lambda v: Link(align="procustes").fit(v), "no align named 'procustes'"),
        (lambda v: Link().fit(v).links({"a": v["a"].items}), "items of both a and b"),
        (lambda v: Link().fit(v).links({"a": v["a"].items}, {"c": v["b"].items}), "no encoded view|items of both"),
        (lambda v: Link().links(v), "not fitted"),
        (lambda v: Link().fit(v).score(hide(v, np.ones(40, bool))), "no pairing to hide"),
        (lambda v: by_shape(np.zeros((2001, 2)), np.zeros((5, 2)), 0, 0), "at most 2000 items a side"),
        (
            lambda v: (
                Link().fit(v).links(Views({"a": v["a"], "b": Column("vector", v["b"].items, np.full(40, ABSENT))}))
            ),
            "nothing to link",
        ),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call(paired(40))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A jsonl of 120 known pairs, then 40 rows that have one view and 40 that have the other, in another order."""
    views = paired(160)
    a, b = ([[round(float(x), 5) for x in row] for row in views[name].items] for name in ("a", "b"))
    order = 120 + np.random.default_rng(0).permutation(40)
    rows = [{"id": i, "a": a[i], "b": b[i]} for i in range(120)]
    rows += [{"id": f"l{i}", "a": a[i], "b": None} for i in range(120, 160)]
    rows += [{"id": f"r{i}", "a": None, "b": b[i]} for i in order]
    path = tmp_path_factory.mktemp("link") / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path, order


def test_the_command_links_the_rows_that_have_one_column(run, table, tmp_path):
    path, order = table
    file = tmp_path / "new" / "links.csv"
    done = run("link", path, "--vector", "a", "--vector", "b", "--id", "id", "--to", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("linked 40 a to b from 120 known pairs")
    with open(file, newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert list(rows[0]) == ["left", "right", "confidence", "likeness"]
    assert len(rows) == 40
    assert np.mean([_row(r["left"]) == order[_row(r["right"]) - 120] for r in rows]) > 0.8


def _row(label):
    """vector 133 -> 133: the place among the column's items, which the table's order gives."""
    return int(label.split()[1])


@pytest.mark.slow
def test_the_command_hides_pairs_on_request_and_scores_them(run, table, tmp_path):
    path, _ = table
    shared = (path, "--vector", "a", "--vector", "b", "--id", "id", "--to", tmp_path / "l.csv", "--json")
    done = run("link", *shared, "--pairs", 60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["links"], found["known"], found["start"]) == (100, 60, "pairs")
    assert found["score"]["scored"] == 60
    assert found["score"]["accuracy"]["value"] > 0.5 > found["score"]["chance"]
    few = json.loads(run("link", *shared, "--pairs", 12).stdout)
    assert (few["links"], few["known"], few["start"]) == (148, 12, "pairs")
    assert (found["confidences"], few["confidences"]) == (True, False)
    told = run("link", *shared[:-1], "--pairs", 12)
    assert "no confidences: with 12 known pairs nothing tells how often links are right" in told.stderr
    with open(tmp_path / "l.csv", newline="", encoding="utf-8") as opened:
        assert next(csv.reader(opened)) == ["left", "right", "likeness"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--pairs", "some"), "wanted --pairs N, all or 0"),
        (("--pairs", "500"), "wanted 500 known pairs, got 120"),
        (("--align", "procustes"), "no align named"),
        (("--vector", "c=a"), "wanted two columns"),
    ],
)
def test_what_the_command_refuses_is_one_sentence(run, table, tmp_path, more, sentence):
    done = run("link", table[0], "--vector", "a", "--vector", "b", "--id", "id", "--to", tmp_path / "l.csv", *more)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_table_with_nothing_to_link_says_how_to_try(run, tmp_path):
    rows = [json.dumps({"a": [i, 1.0], "b": [1.0, i * 2.0]}) for i in range(30)]
    (tmp_path / "t.jsonl").write_text("\n".join(rows), encoding="utf-8")
    done = run("link", tmp_path / "t.jsonl", "--vector", "a", "--vector", "b", "--to", tmp_path / "l.csv")
    assert done.returncode == 1
    assert "hide some: --pairs N" in done.stderr


@pytest.mark.slow
def test_the_command_links_without_pairs_what_has_one_shape_and_refuses_the_rest(run, table, tmp_path):
    views = clouds(60)
    rows = [{"a": views["a"].items[i].tolist(), "b": None} for i in range(60)]
    rows += [{"a": None, "b": views["b"].items[i].tolist()} for i in range(60)]
    path = tmp_path / "alike.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shared = ("--vector", "a", "--vector", "b", "--to", tmp_path / "l.csv", "--pairs", 0)
    done = run("link", path, *shared)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("linked 60 a to b from shape and 0 known pairs")
    assert "no confidences: with 0 known pairs" in done.stderr
    refused = run("link", table[0], *shared)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not linkable" in refused.stderr
