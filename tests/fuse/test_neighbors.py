"""Neighbors as one more thing to read: planted couples, links that are shuffled, cut or unknown, and no label leaks."""

import copy

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.fuse.early import Early
from chiasm.fuse.graph import Graph
from chiasm.stats.blocks import blocks
from chiasm.tasks import Classify
from chiasm.views import as_views


def couples(n, seed=0):
    """n couples, the rows in turn: what the first shows is the class of the second; its own class is a coin's."""
    rng = np.random.default_rng(seed)
    shown, y = rng.normal(size=(2 * n, 2)), rng.integers(0, 2, 2 * n)
    y[1::2] = shown[::2, 0] > 0
    return {"shown": shown, "couple": np.repeat(np.eye(n), 2, axis=0)}, np.array(["x", "y"])[y]


def some(views, rows):
    return {name: values[rows] for name, values in views.items()}


@pytest.fixture(scope="module")
def planted():
    """100 couples, of 30 of which the second is new."""
    views, y = couples(100)
    new = np.arange(1, 60, 2)
    old = np.setdiff1d(np.arange(200), new)
    return some(views, old), y[old], some(views, new), y[new]


@pytest.fixture(scope="module")
def fitted(planted):
    return Graph(by="couple").fit(*planted[:2])


def test_new_rows_are_told_by_their_neighbors_alone(planted, fitted):
    train, y, new, truth = planted
    assert fitted.chosen_["share"] > 0.5
    assert float(fitted.score(new, truth)) > 0.85
    assert float(Early().fit(train, y).score(new, truth)) < 0.65
    assert fitted.weights_["shown (near)"] > 0.4
    assert sum(fitted.weights_.values()) == pytest.approx(1)
    second = np.arange(31, 170, 2)  # of the couples that are whole
    right = np.array(fitted.classes_)[fitted.crossed(train).argmax(axis=1)] == y
    assert 0.65 < right[second].mean() < float(fitted.score(new, truth))  # some couples stand in one fold


def test_neighbors_dealt_to_other_rows_tell_nothing(planted, fitted):
    new, truth = planted[2:]
    dealt = copy.copy(fitted)
    order = np.random.default_rng(1).permutation(170)
    dealt.nodes_ = {**fitted.nodes_, "shown": fitted.nodes_["shown"][order]}
    assert float(dealt.score(new, truth)) < float(fitted.score(new, truth)) - 0.2


def test_without_neighbors_it_is_early(planted, fitted):
    train, y, new, _ = planted
    early = Early().fit(train, y)
    none = Graph(by="couple", k=0).fit(train, y)
    np.testing.assert_array_equal(none.predict_proba(new), early.predict_proba(new))
    np.testing.assert_array_equal(none.crossed(train), early.crossed(train))
    stranger = {"shown": new["shown"], "couple": np.zeros_like(new["couple"])}
    np.testing.assert_array_equal(fitted.predict_proba(stranger), early.predict_proba(stranger))
    unknown = {"shown": new["shown"]}
    np.testing.assert_array_equal(fitted.predict_proba(unknown), early.predict_proba(unknown))


def test_links_are_those_of_a_slow_loop():
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(60, 4)), "b": rng.normal(size=(60, 3))}
    views["a"][:7], views["b"][5:12] = np.nan, np.nan
    model = Graph(k=4, least=0.3).fit(views, rng.integers(0, 2, 60))
    new = some(views, slice(3, 20))
    held = blocks(as_views(new))
    links = model._links(held, 17)
    near = model._near(links)
    for i in range(17):
        alike = np.zeros(60)
        for name, values in new.items():
            for j in range(60):
                x, z = values[i], np.nan_to_num(views[name][j])
                cosine = x @ z / max(np.linalg.norm(x) * np.linalg.norm(z), 1e-12)
                alike[j] += cosine if cosine > 0.3 else 0
        known = [j for j in np.argsort(-alike, kind="stable")[:4] if alike[j] > 0]
        found = [int(j) for j, one in zip(links.places[i], links.alike[i], strict=True) if one > 0]
        assert found == known
        for name, values in views.items():
            those = [j for j in known if np.isfinite(values[j, 0])]
            block = near[f"{name} (near)"]
            assert block.present[i] == bool(those)
            if those:
                mean = np.average(values[those], axis=0, weights=alike[those])
                np.testing.assert_allclose(block.values[i], mean, atol=1e-6)


def test_a_training_row_is_linked_to_other_folds_alone():
    views, y = couples(30)
    model = Graph(by="couple").fit(views, y)
    folds = model.folds_.numbers_
    links = model._links(blocks(as_views(views)), 60, folds)
    linked = links.alike > 0
    assert (folds[links.places][linked] != np.repeat(folds[:, None], links.places.shape[1], axis=1)[linked]).all()
    apart = folds.reshape(30, 2)[:, 0] != folds.reshape(30, 2)[:, 1]
    np.testing.assert_array_equal(linked.any(axis=1), np.repeat(apart, 2))


def test_equal_values_link_and_others_do_not():
    rng = np.random.default_rng(0)
    named = rng.normal(size=(3, 50)) + 3  # three names, alike as an encoder's vectors are
    views = {"who": named[np.arange(60) % 3], "x": rng.normal(size=(60, 2))}
    model = Graph(by="who", k=50, least=0.999).fit(views, rng.integers(0, 2, 60))
    links = model._links(blocks(as_views(some(views, slice(0, 9)))), 9)
    for i in range(9):
        assert sorted(links.places[i][links.alike[i] > 0]) == list(range(i % 3, 60, 3))


def test_out_of_fold_answers_know_no_more_of_their_own_labels_than_those_of_early():
    """Few rows look right out of fold, since choices are made on them: neighbors may add nothing to that."""
    gained = []
    for seed in range(3):
        views, _ = couples(40, seed)
        dealt = np.random.default_rng(seed + 9).permutation(np.arange(80) % 2)
        graph, early = Graph(by="couple", seed=seed).fit(views, dealt), Early(seed=seed).fit(views, dealt)
        right = [(model.crossed(views).argmax(axis=1) == dealt).mean() for model in (graph, early)]
        gained.append(right[0] - right[1])
    assert np.mean(gained) < 0.03


def test_an_unknown_view_of_links_and_one_class_are_refused(planted):
    train, y = planted[:2]
    with pytest.raises(ChiasmError, match="view in by"):
        Graph(by="friends").fit(train, y)
    with pytest.raises(ChiasmError):
        Graph(by="couple").fit(train, ["x"] * len(y))


def test_a_task_asks_for_links_by_name_and_learns_the_views_alone_without_them(planted):
    train, y, new, truth = planted
    task = Classify(fuse="graph:by=couple").fit(train, y)
    assert task.fuser_.by_ == ["couple"]
    assert task.alone_["shown"].by_ == []
    assert task.fuser_.score(new, truth) > 0.85
    assert task.answer(new)[0].tolist() == task.fuser_.predict(new).tolist()
