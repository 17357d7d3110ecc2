"""The closed head, early and bilinear fusion, the automatic choice: against closed forms and planted answers."""

import numpy as np
import pytest

from chiasm import ChiasmError
from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._fuser import folds_of
from chiasm.fuse._kernel import Kernel
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.fuse._spaces import Dual, Primal
from chiasm.fuse.auto import Auto
from chiasm.fuse.bilinear import Bilinear
from chiasm.fuse.early import Early
from chiasm.stats.blocks import Block, restrict, subsets
from chiasm.target import Target
from chiasm.views import Column, Views


def planted(n=500, seed=0, noise=1.0):
    """Two views that each tell three classes in part."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99)
    y = rng.integers(0, 3, n)
    a = np.eye(3)[y] @ mix.normal(size=(3, 6)) + noise * rng.normal(size=(n, 6))
    b = np.eye(3)[y] @ mix.normal(size=(3, 4)) + noise * rng.normal(size=(n, 4))
    return {"a": a.astype(np.float32), "b": b.astype(np.float32)}, np.array(["x", "y", "z"])[y]


def held(views):
    return {name: Block(values, np.ones(len(values), bool)) for name, values in views.items()}


def whitened(x, rows):
    z = (x - x[rows].mean(axis=0)) / x[rows].std(axis=0)
    return np.clip(z, -5, 5) / np.sqrt(x.shape[1])


@pytest.mark.parametrize("space", [Primal, Dual])
def test_held_out_answers_equal_those_of_scikit_learns_ridge_fitted_without_the_fold(space):
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(120, 9)).astype(np.float32), rng.normal(size=(120, 5)).astype(np.float32) + 2]
    truth, folds = rng.normal(size=(120, 3)), np.arange(120) % 4
    logs, ridge = np.array([0.6, -0.9]), 0.01
    wide = np.concatenate([np.exp(log / 2) * values for log, values in zip(logs, maps, strict=True)], axis=1)
    spread = sum(np.exp(log) * values.var(axis=0).sum() for log, values in zip(logs, maps, strict=True))
    found = space(maps, truth, folds).held_out(logs, ridge, [0, 1])
    for fold in range(4):
        out = folds == fold
        known = Ridge(alpha=ridge * spread * (~out).sum()).fit(wide[~out], truth[~out])
        np.testing.assert_allclose(found[out], known.predict(wide[out]), atol=1e-5)


def test_rows_and_coordinates_give_one_solution_for_every_subset_of_the_kernels():
    rng = np.random.default_rng(1)
    maps = [rng.normal(size=(90, k)).astype(np.float32) for k in (7, 4, 6)]
    truth, folds = rng.normal(size=(90, 2)), np.arange(90) % 5
    one, other = Dual(maps, truth, folds), Primal(maps, truth, folds)
    logs = np.array([0.5, -1.0, 0.2])
    for groups in ([0], [1, 2], [0, 1, 2]):
        np.testing.assert_allclose(one.held_out(logs, 0.02, groups), other.held_out(logs, 0.02, groups), atol=1e-5)
        for name, values in one.solve(logs, 0.02, groups).items():
            np.testing.assert_allclose(values, other.solve(logs, 0.02, groups)[name], atol=1e-5)


def test_linear_early_fusion_of_equal_weights_is_ridge_regression_on_the_standardized_concatenation():
    from sklearn.linear_model import Ridge

    views, y = planted()
    fused = Early(kernel="linear", weights="equal").fit(views, y)
    head = fused.head_
    rows = np.arange(len(y))
    wide = np.concatenate([whitened(x, rows) for x in views.values()], axis=1)
    truth = Target().fit(y).encode(y)
    solution = head.solutions_["0,1"]
    mine = (wide - solution["center"]) @ solution["coef"] + solution["offset"]
    known = Ridge(alpha=head.ridge_ * wide.var(axis=0).sum() * len(y)).fit(wide, truth).predict(wide)
    np.testing.assert_allclose(mine, known, atol=1e-5)


def test_linear_early_fusion_is_as_right_as_logistic_regression_on_the_concatenation():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    views, y = planted(1500)
    wide = np.concatenate(list(views.values()), axis=1)
    known = make_pipeline(StandardScaler(), LogisticRegression()).fit(wide[:500], y[:500]).score(wide[500:], y[500:])
    fused = Early(kernel="linear").fit({v: x[:500] for v, x in views.items()}, y[:500])
    assert abs(fused.score({v: x[500:] for v, x in views.items()}, y[500:]) - known) < 0.02


def head(blocks, truth, folds):
    made = RidgeHead(weights="equal")
    made.cross_fit(blocks, truth, folds)
    return made


def test_a_row_that_lacks_a_view_is_answered_as_by_a_head_that_never_had_it():
    views, y = planted()
    truth = Target().fit(y).encode(y)
    blocks = held(views)
    folds = folds_of(np.arange(len(y)), truth, "classes")
    both = head(blocks, truth, folds)
    only = head({"a": blocks["a"]}, truth, folds)
    np.testing.assert_allclose(
        both.answer({"a": blocks["a"]}, len(y)), only.answer({"a": blocks["a"]}, len(y)), atol=1e-6
    )


def test_views_beyond_five_answer_in_any_company():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    views = {f"v{i}": rng.normal(size=(300, 3)) + 0.7 * y[:, None] for i in range(6)}
    assert len(subsets(6)) == 13
    fused = Early().fit({v: x[:200] for v, x in views.items()}, y[:200])
    right = [fused.score({v: views[v][200:] for v in list(views)[:k]}, y[200:]) for k in (1, 3, 6)]
    assert right[0] > 0.6
    assert right[1] > right[0] - 0.02
    assert right[2] > 0.85


@pytest.mark.slow
def test_weights_sum_to_one_and_a_noise_view_loses_its_own():
    views, y = planted(400)
    noised = {**views, "b": np.random.default_rng(7).normal(size=(400, 60)).astype(np.float32)}
    for part in (Early, Bilinear):
        good = part().fit(views, y).weights_
        bad = [part(seed=seed).fit(noised, y).weights_ for seed in range(4)]  # the folds of one seed decide by luck
        assert all(sum(weights.values()) == pytest.approx(1) for weights in (good, *bad))
        assert np.mean([weights["b"] for weights in bad]) < 0.6 * good["b"]


@pytest.mark.slow
def test_bilinear_finds_what_two_views_say_only_together_and_linear_early_cannot():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 900, 2))
    y = (a[:, 0] > 0) ^ (b[:, 1] > 0)
    train, test = ({"a": a[:500], "b": b[:500]}, {"a": a[500:], "b": b[500:]})
    fused = Bilinear().fit(train, y[:500])
    assert fused.score(test, y[500:]) > 0.9
    assert fused.weights_["a x b"] > 0.8
    assert Early(kernel="linear").fit(train, y[:500]).score(test, y[500:]) < 0.6
    chosen = Auto().fit(train, y[:500])
    assert chosen.chosen_["fuser"] == "bilinear"
    assert chosen.score(test, y[500:]) > 0.9


def test_auto_keeps_the_best_single_view_where_fusing_gains_nothing():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    views = {"a": rng.normal(size=(400, 3)) + y[:, None], "b": rng.normal(size=(400, 8))}
    fused = Auto().fit(views, y)
    assert fused.chosen_["fuser"] == "a alone"
    assert fused.weights_ == {"a": 1.0}
    alone = Auto().fit({"a": views["a"]}, y)
    np.testing.assert_allclose(fused.predict_proba(views), alone.predict_proba({"a": views["a"]}), atol=1e-9)
    assert np.isfinite(fused.predict_proba({"b": views["b"]})).all()


def test_auto_keeps_fusion_where_both_views_tell():
    views, y = planted(600)
    assert not Auto().fit(views, y).chosen_["fuser"].endswith("alone")


def test_crossed_answers_are_out_of_fold():
    rng = np.random.default_rng(0)
    views, y = {"a": rng.normal(size=(200, 40)), "b": rng.normal(size=(200, 40))}, rng.integers(0, 2, 200)
    for fuser in (Early().fit(views, y), Bilinear().fit(views, y), Auto().fit(views, y)):
        held_out = fuser.crossed(views).argmax(axis=1)
        assert abs((held_out == y).mean() - 0.5) < 0.12
    wide = np.concatenate(list(views.values()), axis=1)
    inside = np.linalg.lstsq(wide - wide.mean(0), y - y.mean(), rcond=None)[0]
    assert (((wide - wide.mean(0)) @ inside > 0) == (y > 0.5)).mean() > 0.75  # what in-sample answers would have shown


def test_folds_part_no_cluster_and_keep_the_shares_of_classes():
    clusters = np.repeat(np.arange(60), 3)
    truth = np.eye(2)[(np.arange(180) % 9 == 0).astype(int)]
    folds = folds_of(clusters, truth, "classes")
    assert all(len(set(folds[clusters == c])) == 1 for c in range(60))
    assert len(set(folds)) == 5
    assert all(truth[folds == f, 1].sum() >= 2 for f in range(5))
    with pytest.raises(ChiasmError, match="no id and no group"):
        folds_of(np.zeros(9, int), truth[:9], "classes")


def test_rows_of_one_group_are_never_on_both_sides_of_a_fold():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    marks = rng.normal(size=(40, 8))[group]  # tells the group, not the class
    y = rng.integers(0, 2, 40)[group]
    columns = {"a": Column("vector", marks + 0.01 * rng.normal(size=(200, 8)))}
    blind = Early().fit(Views(columns), y)
    aware = Early().fit(Views(columns, facts={"group": group.astype(str)}), y)
    right = [(f.crossed(Views(columns)).argmax(axis=1) == y).mean() for f in (blind, aware)]
    assert right[0] > 0.9
    assert right[1] < 0.7


def test_a_full_set_of_landmarks_makes_the_map_the_kernel_itself():
    rng = np.random.default_rng(0)
    views = held({"a": rng.normal(size=(60, 5)).astype(np.float32), "b": rng.normal(size=(60, 3)).astype(np.float32)})
    kernel = Kernel(["a", "b"]).fit(views)
    phi = kernel(views, 60)
    known = np.ones((60, 60))
    for block in views.values():
        z = (block.values - block.values.mean(0)) / block.values.std(0) / np.sqrt(block.values.shape[1])
        apart = ((z[:, None] - z[None]) ** 2).sum(axis=2)
        known *= np.exp(-apart / np.median(apart[apart > 1e-9]))
    np.testing.assert_allclose(phi @ phi.T, known, atol=2e-3)
    assert (Kernel(["a"]).fit(views)(restrict({"b": views["b"]}, np.arange(9)), 9) == 0).all()


def test_calibration_finds_planted_probabilities_and_leaves_numbers_alone():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 3)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.eye(3)[(p.cumsum(1) > rng.random((20000, 1))).argmax(1)]
    found = Calibrated().fit(logits * 7 + 3, truth)(logits * 7 + 3)
    assert np.abs(found - p).mean() < 0.01
    tags = (rng.random((20000, 3)) < 1 / (1 + np.exp(-logits))).astype(float)
    assert np.abs(Calibrated("tags").fit(logits * 0.1, tags)(logits * 0.1) - 1 / (1 + np.exp(-logits))).mean() < 0.02
    assert Calibrated("numbers").fit(logits, logits)(logits) is logits


def test_labels_of_every_kind_are_read():
    classes = Target().fit(["b", "a", None, "b", ""])
    assert classes.names_ == ["a", "b"]
    assert np.isnan(classes.encode([None, ""])).all()
    assert classes.encode(["unseen"]).tolist() == [[0, 0]]
    tags = Target("tags").fit([["红", "蓝"], '["蓝"]', "绿；红", None, []])
    assert tags.names_ == ["红", "绿", "蓝"]
    assert tags.encode(['["蓝"]', "绿; 红", []]).tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]
    numbers = Target("numbers").fit(["1.5", 2, None])
    assert np.isnan(numbers.encode([None])).all()
    with pytest.raises(ChiasmError, match="classify is the task for names"):
        Target("numbers").fit(["cat"])
    with pytest.raises(ChiasmError, match="at least two classes"):
        Target().fit(["a", "a", None])
    with pytest.raises(ChiasmError, match="no kind of answer named"):
        Target("class").fit(["a"])


def test_what_cannot_be_learned_from_is_told_in_a_sentence():
    views, y = planted(60)
    gone = Views({"a": Column("vector", views["a"]), "b": Column("vector", views["b"], np.full(60, -1))})
    with pytest.raises(ChiasmError, match="'b' is absent in all 60"):
        Early().fit(gone, y)
    with pytest.raises(ChiasmError, match="wanted labels, got none"):
        Early().fit(views)
    with pytest.raises(ChiasmError, match="60 labels, one a row, got 9"):
        Early().fit(views, y[:9])
    fused = Early().fit(views, y)
    with pytest.raises(ChiasmError, match="some of the views a, b"):
        fused.predict({"c": views["a"]})
    with pytest.raises(ChiasmError, match="vectors of 6 numbers, got 4"):
        fused.predict({"a": views["b"]})
    with pytest.raises(ChiasmError, match="no kernel named"):
        Early(kernel="poly").fit(views, y)
    with pytest.raises(ChiasmError, match="numbers have no probabilities"):
        Early(kind="numbers").fit(views, views["a"][:, 0]).predict_proba(views)


def test_rows_without_a_label_are_left_out_and_counted():
    views, y = planted(300)
    partly = np.where(np.arange(300) % 3 == 0, None, y.astype(object))
    fused = Early().fit(views, partly)
    assert fused.unlabeled_ == 100
    known = np.arange(300) % 3 != 0
    again = Early().fit({v: x[known] for v, x in views.items()}, y[known])
    assert np.abs(fused.predict_proba(views) - again.predict_proba(views)).max() < 0.2
    assert fused.score(views, y) > 0.6


def test_a_handful_of_rows_is_enough_to_answer():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b"] * 3)
    fused = Auto().fit({"a": rng.normal(size=(6, 2)) + 4 * (y == "b")[:, None], "b": rng.normal(size=(6, 2))}, y)
    assert np.isfinite(fused.predict_proba({"a": np.zeros((2, 2))})).all()


def test_views_of_few_distinct_rows_are_learned_from():
    rng = np.random.default_rng(0)
    which = rng.integers(0, 12, 480)
    few = rng.integers(0, 2, (12, 40)).astype(np.float32)[which]
    fused = Early().fit({"words": few, "more": few[:, :7]}, which % 3)
    assert (fused.predict({"words": few}).astype(int) == which % 3).mean() > 0.95


def test_in_a_view_of_marks_a_rare_mark_counts_as_much_as_a_common_one():
    rng = np.random.default_rng(0)
    rate = np.repeat([0.002, 0.1], 150)
    marks = (rng.random((800, 300)) < rate).astype(np.float32)
    kernel = Kernel(["marks"]).fit({"marks": Block(marks, np.ones(800, bool))})
    assert np.ptp(kernel.scales_["marks"]) == 0
    rows = np.zeros((3, 300), np.float32)
    rows[1, 0], rows[2, 299] = 1, 1  # a rare mark, and a common one
    none, rare, common = kernel({"marks": Block(rows, np.ones(3, bool))}, 3)
    assert none @ rare == pytest.approx(none @ common, rel=0.2)
    few = Kernel(["few"]).fit({"few": Block(marks[:, 100:200], np.ones(800, bool))})
    assert np.ptp(few.scales_["few"]) > 0  # a category's columns are standardized as before
