"""Weighted draws equal repeated rows, intervals cover what they say, verdicts say what the interval allows."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as known

from chiasm.errors import ChiasmError
from chiasm.stats.answers import ece
from chiasm.stats.resample import Draws, difference, interval_of, redrawn_interval, verdict

rng = np.random.default_rng(0)
N = 60
CLUSTERS = rng.integers(0, 25, N)
TRUE = rng.choice(5, N, p=[0.4, 0.3, 0.2, 0.07, 0.03])  # rare classes that some draws lack
PREDICTED = np.where(rng.random(N) < 0.6, TRUE, rng.integers(0, 5, N))
SCORES = (0.5 * np.eye(5)[TRUE] + rng.random((N, 5))).round(1)  # many ties
TAGS = rng.random((N, 4)) < [0.5, 0.3, 0.1, 0.05]
GIVEN = np.where(rng.random((N, 4)) < 0.7, TAGS, ~TAGS)
NUMBER = rng.normal(100, 3, N)
GUESS = NUMBER + rng.normal(0, 2, N)


def both_kinds(flags):
    return 0 < flags.sum() < len(flags)


def mean_auc(flags, scores):
    return np.mean([known.roc_auc_score(f, s) for f, s in zip(flags.T, scores.T, strict=True) if both_kinds(f)])


def mean_area(flags, scores):
    return np.mean([known.average_precision_score(f, s) for f, s in zip(flags.T, scores.T, strict=True) if f.any()])


METRICS = {
    "mean": (lambda d: d.mean(NUMBER), lambda r: NUMBER[r].mean()),
    "accuracy": (lambda d: d.accuracy(TRUE, PREDICTED), lambda r: known.accuracy_score(TRUE[r], PREDICTED[r])),
    "balanced accuracy": (
        lambda d: d.balanced_accuracy(TRUE, PREDICTED),
        lambda r: known.recall_score(TRUE[r], PREDICTED[r], labels=np.unique(TRUE[r]), average="macro"),
    ),
    "macro F1": (
        lambda d: d.f1_macro(TRUE, PREDICTED),
        lambda r: known.f1_score(TRUE[r], PREDICTED[r], average="macro", zero_division=0),
    ),
    "weighted F1": (
        lambda d: d.f1_weighted(TRUE, PREDICTED),
        lambda r: known.f1_score(TRUE[r], PREDICTED[r], average="weighted", zero_division=0),
    ),
    "macro F1 of tags": (
        lambda d: d.f1_macro(TAGS, GIVEN),
        lambda r: known.f1_score(TAGS[r], GIVEN[r], average="macro", zero_division=0),
    ),
    "weighted F1 of tags": (
        lambda d: d.f1_weighted(TAGS, GIVEN),
        lambda r: known.f1_score(TAGS[r], GIVEN[r], average="weighted", zero_division=0),
    ),
    "micro F1 of tags": (
        lambda d: d.f1_micro(TAGS, GIVEN),
        lambda r: known.f1_score(TAGS[r], GIVEN[r], average="micro", zero_division=0),
    ),
    "AUC": (
        lambda d: d.auc(TRUE == 0, SCORES[:, 0]),
        lambda r: known.roc_auc_score(TRUE[r] == 0, SCORES[r, 0]),
    ),
    "AUC of classes": (
        lambda d: d.auc_ovr(TRUE, SCORES),
        lambda r: mean_auc(TRUE[r][:, None] == np.arange(5), SCORES[r]),
    ),
    "AUC of tags": (lambda d: d.auc(TAGS, SCORES[:, :4]), lambda r: mean_auc(TAGS[r], SCORES[r, :4])),
    "average precision": (
        lambda d: d.average_precision(TAGS[:, 0], SCORES[:, 0]),
        lambda r: known.average_precision_score(TAGS[r, 0], SCORES[r, 0]),
    ),
    "average precision of tags": (
        lambda d: d.average_precision(TAGS, SCORES[:, :4]),
        lambda r: mean_area(TAGS[r], SCORES[r, :4]),
    ),
    "R2": (lambda d: d.r2(NUMBER, GUESS), lambda r: known.r2_score(NUMBER[r], GUESS[r])),
    "MAE": (lambda d: d.mae(NUMBER, GUESS), lambda r: known.mean_absolute_error(NUMBER[r], GUESS[r])),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_weighted_metric_equals_scikit_learns_on_the_rows_repeated_as_drawn(name):
    fast, slow = METRICS[name]
    draws = Draws(CLUSTERS, resamples=60)
    value, samples = fast(draws)
    known_value, known_samples = draws.repeated(slow)
    assert value == pytest.approx(known_value, rel=1e-10)
    np.testing.assert_allclose(samples, known_samples, rtol=1e-9)


def test_any_metric_can_be_resampled_and_whole_clusters_are_drawn():
    draws = Draws(CLUSTERS, resamples=50)
    p = SCORES / SCORES.sum(axis=1, keepdims=True)
    value, samples = draws.repeated(lambda rows: ece(TRUE[rows], p[rows]))
    assert value == ece(TRUE, p)
    assert samples.std() > 0

    def whole(rows):
        times = np.bincount(rows, minlength=N)
        return all(len(set(times[c == CLUSTERS])) == 1 for c in np.unique(CLUSTERS))

    assert draws.repeated(whole)[1].all()


def test_blocks_of_draws_give_what_one_block_gives(monkeypatch):
    one = [fast(Draws(CLUSTERS, resamples=40))[1] for fast, _ in METRICS.values()]
    monkeypatch.setattr("chiasm.stats.resample._CELLS", 7 * 25)
    many = [fast(Draws(CLUSTERS, resamples=40))[1] for fast, _ in METRICS.values()]
    np.testing.assert_array_equal(many, one)


def covers(found, truth):
    return found["low"] <= truth <= found["high"]


def test_the_interval_of_an_accuracy_over_patients_covers_and_one_over_rows_does_not():
    random = np.random.default_rng(1)
    patients = np.repeat(np.arange(60), 6)
    by_patient = by_row = 0
    for trial in range(200):
        right = random.random(360) < np.repeat(random.beta(1.4, 0.6, 60), 6)  # 0.7 on average, patients differ
        truth, predicted = np.ones(360), right.astype(float)
        by_patient += covers(interval_of(*Draws(patients, resamples=400, seed=trial).accuracy(truth, predicted)), 0.7)
        rows = Draws(np.arange(360), resamples=400, seed=trial)
        by_row += covers(interval_of(*rows.accuracy(truth, predicted)), 0.7)
    assert 0.88 <= by_patient / 200 <= 0.99
    assert by_row / 200 < 0.85


def test_intervals_of_auc_r2_and_macro_f1_cover():
    """Truths: Phi(1 / sqrt 2); 1 - 1/5; classes mistaken at rates that make every F1 equal 0.7."""
    random = np.random.default_rng(2)
    hits = np.zeros(3)
    for trial in range(200):
        draws = Draws(np.arange(150), resamples=400, seed=trial)
        positive = random.random(150) < 0.4
        hits[0] += covers(interval_of(*draws.auc(positive, random.normal(positive, 1))), norm.cdf(1 / np.sqrt(2)))
        signal = random.normal(0, 2, 150)
        hits[1] += covers(interval_of(*draws.r2(signal + random.normal(size=150), signal)), 1 - 1 / 5)
        true = random.integers(0, 3, 150)
        predicted = np.where(random.random(150) < 0.7, true, (true + random.integers(1, 3, 150)) % 3)
        hits[2] += covers(interval_of(*draws.f1_macro(true, predicted)), 0.7)
    assert (hits / 200 >= 0.88).all()
    assert (hits / 200 <= 0.99).all()


def test_a_paired_difference_covers_and_is_tighter_than_the_two_intervals_apart():
    random = np.random.default_rng(3)
    hits, narrower = 0, 0
    for trial in range(200):
        ease = random.random(200)
        draws = Draws(np.arange(200), resamples=400, seed=trial)
        one, other = (draws.accuracy(np.ones(200), ease < p) for p in (0.75, 0.7))
        found = difference(one, other)
        hits += covers(found, 0.05)
        apart = [interval_of(*model) for model in (one, other)]
        narrower += found["high"] - found["low"] < 0.8 * min(a["high"] - a["low"] for a in apart)
    assert 0.88 <= hits / 200 <= 0.99
    assert narrower == 200


def test_copies_of_rows_in_a_cluster_add_no_evidence():
    copies = np.repeat(np.arange(N), 8)
    one = interval_of(*Draws(np.arange(N)).f1_macro(TRUE, PREDICTED))
    assert interval_of(*Draws(copies).f1_macro(TRUE[copies], PREDICTED[copies])) == one
    rows = interval_of(*Draws(np.arange(8 * N)).f1_macro(TRUE[copies], PREDICTED[copies]))
    assert rows["high"] - rows["low"] < 0.5 * (one["high"] - one["low"])


def test_draws_without_a_positive_are_left_out_and_many_of_them_are_told():
    few = np.arange(N) == 0  # e^-1 of the draws lack the one positive
    found = interval_of(*Draws(np.arange(N)).auc(few, SCORES[:, 0]))
    assert found["left_out"] == pytest.approx(np.exp(-1), abs=0.05)
    assert found["low"] <= found["value"] <= found["high"]
    assert "left_out" not in interval_of(*Draws(np.arange(N)).auc(np.arange(N) < 5, SCORES[:, 0]))
    nobody = interval_of(*Draws(np.arange(N)).auc(np.zeros(N), SCORES[:, 0]))
    assert nobody == {"value": None, "low": None, "high": None}


def test_rows_that_are_all_positive_have_an_average_precision_of_1_and_no_auc():
    draws = Draws(CLUSTERS, resamples=20)
    value, samples = draws.average_precision(np.ones(N), SCORES[:, 0])
    assert value == 1
    assert (samples == 1).all()
    assert np.isnan(draws.auc(np.ones(N), SCORES[:, 0])[0])


def test_names_of_clusters_and_classes_may_be_strings_and_a_seed_decides_all():
    named = Draws(np.array([f"patient {c:02d}" for c in CLUSTERS]), resamples=50)
    words = np.array(["a", "b", "c", "d", "e"], dtype=object)
    found = named.f1_macro(words[TRUE], words[PREDICTED])[1]
    np.testing.assert_array_equal(found, Draws(CLUSTERS, resamples=50).f1_macro(TRUE, PREDICTED)[1])
    assert not np.array_equal(found, Draws(CLUSTERS, resamples=50, seed=1).f1_macro(TRUE, PREDICTED)[1])


def test_missing_values_are_left_out_of_a_mean():
    values = np.where(np.arange(N) % 2, np.nan, NUMBER)
    assert Draws(np.arange(N)).mean(values)[0] == pytest.approx(NUMBER[::2].mean())


def naive(differences):
    return redrawn_interval(differences, 1e-12, 1.0)


def test_the_corrected_interval_over_re_drawn_splits_covers_where_the_plain_t_interval_does_not():
    """Data drawn anew 300 times; each time 15 splits 48 / 12 compare a line with the mean, by squared error.

    What both estimate is the expected difference, known from the mean over all 300.
    """
    random = np.random.default_rng(0)
    found = np.empty((300, 15))
    for trial in range(300):
        x = random.normal(size=60)
        y = 0.5 * x + random.normal(size=60)
        for k in range(15):
            order = random.permutation(60)
            train, test = order[:48], order[48:]
            slope, start = np.polyfit(x[train], y[train], 1)
            errors = (y[test] - y[train].mean()) ** 2 - (y[test] - slope * x[test] - start) ** 2
            found[trial, k] = errors.mean()
    truth = found.mean()
    corrected = np.mean([covers(redrawn_interval(row, 12, 48), truth) for row in found])
    plain = np.mean([covers(naive(row), truth) for row in found])
    assert corrected >= 0.85
    assert plain < 0.75


def test_the_corrected_interval_is_its_formula():
    found = redrawn_interval(np.array([0.0, 2.0]), 0.25, 0.75)
    half = 12.706204736 * np.sqrt((1 / 2 + 1 / 3) * 2)
    assert found == {"value": 1.0, "low": round(1 - half, 6), "high": round(1 + half, 6)}


def found(value, low, high):
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("interval", "unit", "sentence"),
    [
        (found(0.018, 0.004, 0.031), "points", "the image adds +1.8 points [0.4, 3.1] over text"),
        (found(-0.02, -0.03, -0.01), "points", "the image hurts: -2.0 points [-3.0, -1.0] against text alone"),
        (
            found(-0.002, -0.01, 0.006),
            "points",
            "the image adds nothing that these 90 rows can show over text: -0.2 points [-1.0, 0.6]",
        ),
        (
            found(0.0, 0.0, 0.0),
            "points",
            "the image adds nothing that these 90 rows can show over text: +0.0 points [0.0, 0.0]",
        ),
        (found(0.02, 0.0003, 0.04), "points", "the image adds +2.00 points [0.03, 4.00] over text"),
        (found(3.5, 1.25, 6.0), "euros", "the image adds +3.5 euros [1.2, 6.0] over text"),
        (found(None, None, None), "points", "these 90 rows cannot show what the image adds over text"),
    ],
)
def test_a_verdict_says_what_the_interval_allows(interval, unit, sentence):
    assert verdict("image", ["text"], interval, 90, unit=unit) == sentence


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Draws(np.zeros(0)), "at least one row"),
        (lambda: Draws(CLUSTERS).accuracy(TRUE[:5], PREDICTED[:5]), "60 rows"),
        (lambda: Draws(CLUSTERS).f1_macro(TAGS, SCORES[:, :4]), "yes or no"),
        (lambda: Draws(CLUSTERS).auc(TRUE, SCORES[:, 0]), "yes or no"),
        (lambda: Draws(CLUSTERS).auc(TAGS, SCORES), "scores"),
        (lambda: redrawn_interval(np.ones(1), 0.2, 0.8), "2 or more splits"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call()
