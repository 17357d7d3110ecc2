"""Scores of answers equal scikit-learn's, or a slow obvious version where it has none."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn import metrics as known

from chiasm.errors import ChiasmError
from chiasm.stats.answers import (
    auc,
    auc_ovr,
    aurc,
    automation,
    average_precision,
    brier,
    class_report,
    confusion,
    ece,
    log_loss,
    number_report,
    reliability,
    risk_coverage,
    tag_ranking,
    tag_report,
)

PARTS = ("precision", "recall", "f1")


def same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.filterwarnings("ignore:A single label")
@settings(max_examples=80)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6))
def test_the_class_report_equals_scikit_learns_with_classes_absent_on_either_side(seed, n, c):
    rng = np.random.default_rng(seed)
    true, predicted = rng.choice(rng.permutation(c)[: rng.integers(1, c + 1)], size=(2, n))
    predicted = np.where(rng.random(n) < 0.2, rng.integers(0, c, n), predicted)
    ours = class_report(confusion(true, predicted, c))
    each = known.precision_recall_fscore_support(true, predicted, labels=np.arange(c), zero_division=0)
    for name, theirs in zip((*PARTS, "support"), each, strict=True):
        same([row[name] for row in ours["classes"]], theirs)
    for average in ("macro", "micro", "weighted"):
        theirs = known.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        same([ours[average][name] for name in PARTS], theirs[:3])
    same(ours["accuracy"], known.accuracy_score(true, predicted))
    same(ours["balanced_accuracy"], known.recall_score(true, predicted, labels=np.unique(true), average="macro"))
    same(confusion(true, predicted, c), known.confusion_matrix(true, predicted, labels=np.arange(c)))


@settings(max_examples=80)
@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(2, 6))
def test_the_tag_report_equals_scikit_learns_with_tags_that_nobody_has(seed, n, t):
    rng = np.random.default_rng(seed)
    rare = rng.random(t) * (rng.random(t) < 0.7)
    true, predicted = rng.random((2, n, t)) < rare
    ours = tag_report(true, predicted)
    each = known.precision_recall_fscore_support(true, predicted, zero_division=0)
    for name, theirs in zip((*PARTS, "support"), each, strict=True):
        same([row[name] for row in ours["tags"]], theirs)
    for average in ("macro", "micro", "weighted"):
        theirs = known.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        same([ours[average][name] for name in PARTS], theirs[:3])
    same(ours["subset_accuracy"], known.accuracy_score(true, predicted))
    same(ours["hamming"], known.hamming_loss(true, predicted))


@settings(max_examples=80)
@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from([3, 1000]))
def test_auc_and_average_precision_equal_scikit_learns_with_ties(seed, n, values):
    rng = np.random.default_rng(seed)
    true, scores = rng.random(n) < 0.4, rng.integers(0, values, n) / 7
    true[:2] = True, False
    same(auc(true, scores), known.roc_auc_score(true, scores))
    same(average_precision(true, scores), known.average_precision_score(true, scores))


def test_auc_of_classes_equals_scikit_learns_and_says_which_classes_it_left_out():
    rng = np.random.default_rng(0)
    true, scores = rng.integers(0, 4, 60), rng.dirichlet(np.ones(5), 60)
    ours = auc_ovr(true, scores)
    assert ours["left_out"] == [4]
    assert ours["classes"][4] is None
    same(ours["value"], np.mean([known.roc_auc_score(true == k, scores[:, k]) for k in range(4)]))
    four = scores[:, :4] / scores[:, :4].sum(axis=1, keepdims=True)
    same(auc_ovr(true, four)["value"], known.roc_auc_score(true, four, multi_class="ovr"))


def test_the_ranking_of_tags_equals_scikit_learns_over_the_tags_that_somebody_has():
    rng = np.random.default_rng(0)
    true, scores = rng.random((50, 4)) < [0.5, 0.2, 0.1, 0], rng.random((50, 4))
    ours = tag_ranking(true, scores)
    assert ours["left_out"] == [3]
    same(ours["macro"]["average_precision"], known.average_precision_score(true[:, :3], scores[:, :3]))
    same(ours["macro"]["auc"], known.roc_auc_score(true[:, :3], scores[:, :3]))
    assert ours["tags"][3] == {"average_precision": None, "auc": None}


def test_one_kind_of_row_has_no_auc_and_no_positive_no_average_precision():
    assert np.isnan(auc(np.ones(3), np.arange(3)))
    assert np.isnan(auc(np.zeros(3), np.arange(3)))
    assert np.isnan(average_precision(np.zeros(3), np.arange(3)))
    assert average_precision(np.ones(3), np.arange(3)) == 1


def test_log_loss_and_brier_equal_scikit_learns():
    rng = np.random.default_rng(0)
    true, p = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200)
    p[0] = np.eye(4)[(true[0] + 1) % 4]  # certain, and wrong: clipped alike
    same(log_loss(true, p), known.log_loss(true, p))
    same(brier(true, p), known.brier_score_loss(true, p))
    two = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)
    same(brier(true % 2, two), 2 * known.brier_score_loss(true % 2, two[:, 1]))


def slow_ece(true, p, bins):
    total = 0.0
    for m in range(bins):
        inside = [i for i in range(len(p)) if m / bins < max(p[i]) <= (m + 1) / bins]
        if inside:
            right = sum(int(np.argmax(p[i])) == true[i] for i in inside) / len(inside)
            total += len(inside) / len(p) * abs(right - sum(max(p[i]) for i in inside) / len(inside))
    return total


def test_the_calibration_error_equals_the_slow_version_and_its_table_adds_up():
    rng = np.random.default_rng(0)
    true, p = rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300)
    for bins in (1, 7, 15):
        same(ece(true, p, bins), slow_ece(true, p, bins))
    table = reliability(p.max(axis=1), p.argmax(axis=1) == true)
    assert sum(row["count"] for row in table["bins"]) == 300
    gaps = sum(r["count"] * abs(r["accuracy"] - r["confidence"]) for r in table["bins"] if r["count"])
    same(gaps / 300, table["ece"])
    assert table["bins"][0]["confidence"] is None  # of three classes the first has at least a third
    assert json.loads(json.dumps(table)) == table


def test_honest_probabilities_have_little_calibration_error_and_boasting_ones_what_they_boast():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 20_000)
    true = (p.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert ece(true, p) < 0.015
    sure = np.eye(3)[p.argmax(axis=1)]
    assert ece(true, sure) == pytest.approx(np.mean(p.argmax(axis=1) != true))


def test_the_area_under_risk_and_coverage_equals_the_slow_version_ties_included():
    rng = np.random.default_rng(0)
    for values in (4, 1000):
        confidence, correct = rng.integers(0, values, 80) / values, rng.random(80) < 0.7
        slow = np.mean([np.mean(~correct[confidence >= c]) for c in confidence])
        same(aurc(confidence, correct), slow)
        coverage, risk, threshold = risk_coverage(confidence, correct)
        assert coverage[-1] == 1
        same(risk, [np.mean(~correct[confidence >= t]) for t in threshold])


def test_a_confidence_that_tells_nothing_has_the_error_rate_as_its_area():
    assert aurc(np.ones(10), np.arange(10) < 7) == pytest.approx(0.3)
    assert aurc(-np.arange(10), np.arange(10) < 7) < 0.1


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_automation_is_the_largest_share_at_that_error_that_any_threshold_reaches(seed, n, error):
    rng = np.random.default_rng(seed)
    confidence, correct = rng.integers(0, 12, n) / 12, rng.random(n) < 0.6
    cuts = [confidence >= t for t in np.unique(confidence)]
    good = [cut.mean() for cut in cuts if np.mean(~correct[cut]) <= error + 1e-12]
    ours = automation(confidence, correct, error)
    assert ours["share"] == pytest.approx(max(good, default=0.0))
    if good:
        answered = confidence >= ours["threshold"]
        assert answered.mean() == ours["share"]
        assert np.mean(~correct[answered]) == pytest.approx(ours["risk"])
    else:
        assert ours["threshold"] is None


def test_numbers_score_as_in_scikit_learn_and_scipy():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 9, 50).astype(float)
    predicted = true + rng.normal(size=50).round()
    ours = number_report(true, predicted)
    same(ours["r2"], known.r2_score(true, predicted))
    same(ours["mae"], known.mean_absolute_error(true, predicted))
    same(ours["rmse"], known.root_mean_squared_error(true, predicted))
    same(ours["spearman"], spearmanr(true, predicted).statistic)


def test_a_constant_truth_or_prediction_has_no_rank_correlation():
    assert number_report(np.ones(3), np.ones(3)) == {"rows": 3, "r2": 1.0, "mae": 0.0, "rmse": 0.0, "spearman": None}
    assert number_report(np.ones(3), np.zeros(3))["r2"] == 0.0
    assert number_report(np.arange(3), np.ones(3))["spearman"] is None


def test_tables_are_json_as_they_are():
    rng = np.random.default_rng(0)
    codes, flags = rng.integers(0, 3, (2, 9)), rng.random((2, 9, 3)) < 0.5
    p = rng.dirichlet(np.ones(3), 9)
    tables = [class_report(confusion(*codes, 3)), tag_report(*flags), auc_ovr(codes[0], p), tag_ranking(flags[0], p),
              automation(p.max(axis=1), flags[0, :, 0], 0.1), number_report(*codes)]  # fmt: skip
    for table in tables:
        assert json.loads(json.dumps(table, allow_nan=False)) == table


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: confusion(np.array([0, 3]), np.array([0, 1]), 3), "class codes 0..2"),
        (lambda: confusion(np.array([0.5]), np.array([1]), 3), "class codes"),
        (lambda: confusion(np.zeros(0, int), np.zeros(0, int), 3), "got 0 and 0 rows"),
        (lambda: tag_report(np.ones((2, 3)), np.full((2, 3), 0.4)), "yes or no"),
        (lambda: tag_report(np.ones(3), np.ones(3)), "tags"),
        (lambda: auc(np.array([0, 1]), np.array([0.1, np.nan])), "1 NaN of 2"),
        (lambda: log_loss(np.full((2, 2), 0.5), np.array([0, 1])), "codes .n,., then probabilities"),
        (lambda: log_loss(np.array([0, 2]), np.full((2, 2), 0.5)), "codes 0..1"),
        (lambda: brier(np.array([0, 1]), np.full((2, 2), 0.7)), "sum to 1"),
        (lambda: automation(np.ones(2), np.ones(2), 5), "error between 0 and 1"),
        (lambda: number_report(np.ones(2), np.ones(3)), "2 and 3 rows"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call()
