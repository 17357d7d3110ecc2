"""Planted miscalibration is found and undone, and no fit loses to a slow search."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score, roc_auc_score

import chiasm
from chiasm.errors import ChiasmError
from chiasm.stats.answers import ece, log_loss
from chiasm.stats.calibration import BCTS, Platt, Temperature, Thresholds


def softmax(values):
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def drawn(p, rng):
    """Classes drawn with these probabilities."""
    return (p.cumsum(axis=1)[:, :-1] < rng.random((len(p), 1))).sum(axis=1)


@pytest.fixture(scope="module")
def boasting():
    """Logits whose labels come from softmax(z), shown as softmax(3 z): a model three times too sure."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1.2, (6000, 4))
    return softmax(3 * z), drawn(softmax(z), rng)


def test_a_planted_temperature_is_found_and_the_calibration_error_falls_on_rows_not_learned_from(boasting):
    p, true = boasting
    model = Temperature().fit(p[:3000], true[:3000])
    assert model.temperature_ == pytest.approx(3, rel=0.06)
    before, after = ece(true[3000:], p[3000:]), ece(true[3000:], model.apply(p[3000:]))
    assert before > 0.2
    assert after < 0.03


def test_a_temperature_never_changes_the_class_that_is_first(boasting):
    p, true = boasting
    for model in (Temperature().fit(p, true), Temperature().fit(p[:7], p[:7].argmax(axis=1))):
        mapped = model.apply(p)
        assert (mapped.argmax(axis=1) == p.argmax(axis=1)).all()
        np.testing.assert_allclose(mapped.sum(axis=1), 1)


def test_no_temperature_of_a_fine_grid_has_less_log_loss(boasting):
    p, true = (values[:400] for values in boasting)
    model = Temperature().fit(p, true)
    grid = np.geomspace(0.5, 10, 3000)
    losses = [log_loss(true, softmax(np.log(p) / t)) for t in grid]
    assert log_loss(true, model.apply(p)) <= min(losses) + 1e-12
    assert model.temperature_ == pytest.approx(grid[np.argmin(losses)], rel=2e-3)


def test_answers_that_are_all_right_or_all_wrong_or_certain_give_a_finite_temperature():
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert Temperature().fit(p, np.array([0, 1])).temperature_ == pytest.approx(0.05, rel=1e-3)
    assert Temperature().fit(p, np.array([1, 0])).temperature_ == pytest.approx(20, rel=1e-3)
    certain = Temperature().fit(np.eye(2)[[0, 1, 0]], np.array([0, 1, 1])).apply(np.eye(2))
    assert np.isfinite(certain).all()


def test_planted_biases_and_temperature_are_found_where_the_shares_of_classes_moved():
    rng = np.random.default_rng(0)
    z, bias = rng.normal(0, 1.5, (20_000, 3)), np.array([1.0, 0.0, -1.0])
    true = drawn(softmax(z + bias), rng)
    shown = softmax(2 * z)
    model = BCTS().fit(shown[:10_000], true[:10_000])
    assert model.temperature_ == pytest.approx(2, rel=0.06)
    np.testing.assert_allclose(model.bias_, bias, atol=0.08)
    later, known = shown[10_000:], true[10_000:]
    plain = Temperature().fit(shown[:10_000], true[:10_000])
    assert log_loss(known, model.apply(later)) < log_loss(known, plain.apply(later)) - 0.05
    assert np.mean(model.apply(later).argmax(axis=1) == known) > np.mean(later.argmax(axis=1) == known) + 0.02


def test_no_simplex_search_finds_less_than_bias_correction_does(boasting):
    from scipy.optimize import minimize

    p, true = (values[:200] for values in boasting)
    model = BCTS().fit(p, true)

    def loss(place):
        mapped = softmax(np.log(p) * place[0] + place[1:])
        return log_loss(true, mapped) + (place[1:] ** 2).sum() / (2 * len(p))

    slow = minimize(loss, np.append(1, np.zeros(4)), method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-12})
    ours = np.append(1 / model.temperature_, model.bias_)
    assert loss(ours) <= slow.fun + 1e-8
    assert ours[0] == pytest.approx(slow.x[0], abs=1e-3)
    np.testing.assert_allclose(ours[1:], slow.x[1:] - slow.x[1:].mean(), atol=0.01)
    assert model.bias_.sum() == pytest.approx(0, abs=1e-9)


def test_a_class_that_the_held_out_rows_lack_keeps_a_finite_bias(boasting):
    p, true = (values[boasting[1] != 2] for values in boasting)
    mapped = BCTS().fit(p, true).apply(p)
    assert np.isfinite(mapped).all()
    assert 0 < mapped[:, 2].mean() < 0.01


def test_platt_scaling_equals_scikit_learns():
    from sklearn.calibration import _SigmoidCalibration

    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 2, (300, 3))
    true = rng.random((300, 3)) < sigmoid(0.5 * odds - 0.7)
    model = Platt().fit(sigmoid(odds), true)
    for j in range(3):
        known = _SigmoidCalibration().fit(odds[:, j], true[:, j])
        assert model.slope_[j] == pytest.approx(-known.a_, abs=1e-4)
        assert model.intercept_[j] == pytest.approx(-known.b_, abs=1e-4)
        np.testing.assert_allclose(model.apply(sigmoid(odds))[:, j], known.predict(odds[:, j]), atol=1e-4)


def test_planted_slopes_are_found_and_no_ranking_changes():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, (8000, 2))
    true = rng.random((8000, 2)) < sigmoid([0.4, 1.5] * odds + [-1, 0.5])
    model = Platt().fit(sigmoid(odds), true)
    np.testing.assert_allclose(model.slope_, [0.4, 1.5], rtol=0.1)
    np.testing.assert_allclose(model.intercept_, [-1, 0.5], atol=0.12)
    for j in range(2):
        assert roc_auc_score(true[:, j], model.apply(sigmoid(odds))[:, j]) == roc_auc_score(true[:, j], odds[:, j])


def test_a_tag_whose_probabilities_mislead_gets_its_share_of_rows_instead():
    rng = np.random.default_rng(0)
    p = rng.random((500, 1))
    true = rng.random((500, 1)) < 0.3 * (1 - p)
    model = Platt().fit(p, true)
    assert model.slope_[0] == 0
    assert model.apply(p)[0, 0] == pytest.approx(true.mean(), abs=0.01)


def test_a_tag_that_no_row_or_every_row_has_is_not_made_certain():
    mapped = Platt().fit(np.random.default_rng(0).random((8, 2)), np.tile([False, True], (8, 1))).apply(np.eye(2))
    np.testing.assert_allclose(mapped, np.tile([1 / 10, 9 / 10], (2, 1)), atol=1e-6)


@pytest.mark.parametrize("values", [6, 10_000])
def test_no_other_threshold_has_a_higher_f1(values):
    rng = np.random.default_rng(0)
    p = rng.integers(0, values, (120, 5)) / values
    true = rng.random((120, 5)) < 0.6 * p
    given = Thresholds().fit(p, true).apply(p)
    for j in range(5):
        best = max(f1_score(true[:, j], p[:, j] >= t) for t in np.unique(p[:, j]))
        assert f1_score(true[:, j], given[:, j]) == best


def test_the_best_threshold_of_calibrated_probabilities_is_half_the_best_f1():
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 2, (60_000, 1))
    true = rng.random(p.shape) < p
    model = Thresholds().fit(p, true)
    assert model.thresholds_[0] == pytest.approx(f1_score(true, model.apply(p)) / 2, abs=0.03)


def test_a_tag_that_no_row_has_is_never_given_and_one_of_equal_probabilities_to_all():
    p = np.column_stack([np.linspace(0, 1, 9), np.full(9, 0.3)])
    given = Thresholds().fit(p, np.column_stack([np.zeros(9), np.arange(9) < 3])).apply(p)
    assert given.sum(axis=0).tolist() == [0, 9]


def test_neighboring_floats_are_told_apart():
    low = 0.3
    high = np.nextafter(low, 1)
    p = np.array([[low], [high], [high]])
    assert Thresholds().fit(p, np.array([[0], [1], [1]])).apply(p).ravel().tolist() == [False, True, True]


@pytest.mark.parametrize("make", [Temperature, BCTS, Platt, Thresholds])
def test_each_is_a_part_that_is_cloned_and_saved(make, tmp_path, boasting):
    p, true = (values[:300] for values in boasting)
    truth = true if make in (Temperature, BCTS) else true[:, None] == np.arange(4)
    model = make().fit(p, truth)
    assert not clone(model).learned()
    chiasm.save(model, tmp_path / "m")
    np.testing.assert_array_equal(chiasm.load(tmp_path / "m").apply(p), model.apply(p))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Temperature().apply(np.eye(2)), "not fitted"),
        (lambda: Temperature().fit(np.eye(2), np.array([0, 2])), "codes 0..1"),
        (lambda: Temperature().fit(np.eye(2), np.array([0])), "each of 2 rows"),
        (lambda: Temperature().fit(np.log(np.full((2, 2), 0.5)), np.array([0, 1])), "none negative"),
        (lambda: Platt().fit(np.eye(2), np.array([0, 1])), "one shape"),
        (lambda: Thresholds().fit(np.full((2, 2), np.nan), np.eye(2)), "without NaN"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call()
