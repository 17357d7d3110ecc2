"""Weighted draws equal repeated rows, intervals cover what they say, verdicts say what the interval allows."""

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import norm
from sklearn import metrics as known

from chiasm.errors import ChiasmError
from chiasm.stats.answers import ece
from chiasm.stats.resample import Draws, bootstrap, difference, interval_of, paired, redrawn_interval, verdict

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


TRIALS = 1000


def about_95(hits):
    """Whether that many of TRIALS look like 95 %: within three standard errors, which 90 % reach once in 1,000."""
    return abs(hits / TRIALS - 0.95) < 3 * np.sqrt(0.95 * 0.05 / TRIALS)


def ninety(effective):
    """In place of `chiasm.stats.clusters._t`: the quantile of a 90 % interval."""
    return float(stdtrit(effective - 1, 0.95))


def patients(random, count=20, alike=0.3, right=0.7):
    """Clusters of unequal sizes (1 to about 20) whose rows are right with a chance of their own."""
    codes = np.repeat(np.arange(count), random.geometric(1 / 6, count))
    rest = 1 / alike - 1
    return codes, random.random(len(codes)) < random.beta(right * rest, (1 - right) * rest, count)[codes]


def accuracies():
    """How often the interval over 20 patients, and one over their rows, holds the truth."""
    random = np.random.default_rng(1)
    hits = np.zeros(2, int)
    for _ in range(TRIALS):
        codes, right = patients(random)
        for way, clusters in enumerate((codes, np.arange(len(codes)))):
            hits[way] += covers(interval_of(*Draws(clusters, resamples=1).mean(right)), 0.7)
    return hits


def test_the_interval_of_an_accuracy_over_20_patients_covers_and_one_over_rows_does_not():
    by_patient, by_row = accuracies()
    assert about_95(by_patient)
    assert by_row < 0.85 * TRIALS


def test_a_90_percent_interval_would_fail_that_test(monkeypatch):
    monkeypatch.setattr("chiasm.stats.clusters._t", ninety)
    assert not about_95(accuracies()[0])
    assert not about_95(differences()[0])


def test_a_share_of_many_rows_covers_in_bootstrap_as_well():
    _, low, high = bootstrap(np.random.default_rng(2).random((100, TRIALS)) < 0.3, np.arange(100))
    assert about_95(((low <= 0.3) & (high >= 0.3)).sum())


def test_intervals_of_auc_and_macro_f1_cover():
    """Truths: Phi(1 / sqrt 2); classes mistaken at rates that make every F1 equal 0.7."""
    random, hits = np.random.default_rng(3), np.zeros(2)
    for trial in range(TRIALS):
        draws = Draws(np.arange(60), resamples=50, seed=trial)
        positive = random.random(60) < 0.4
        hits[0] += covers(interval_of(*draws.auc(positive, random.normal(positive, 1))), norm.cdf(1 / np.sqrt(2)))
        true = random.integers(0, 3, 60)
        predicted = np.where(random.random(60) < 0.7, true, (true + random.integers(1, 3, 60)) % 3)
        hits[1] += covers(interval_of(*draws.f1_macro(true, predicted)), 0.7)
    assert all(hits > 0.93 * TRIALS)  # AUC is held more often: 97 in 100


def test_the_interval_of_r2_covers():
    """The truth is 1 - 1/5. It has percentiles, of 92 to 94 in 100 at 60 rows."""
    random, hits = np.random.default_rng(4), 0
    for trial in range(TRIALS // 2):
        signal = random.normal(0, 2, 60)
        found = Draws(np.arange(60), resamples=199, seed=trial).r2(signal + random.normal(size=60), signal)
        hits += covers(interval_of(*found), 1 - 1 / 5)
    assert hits > 0.9 * TRIALS / 2


def differences():
    """How often the paired interval holds the truth, and how often it is clearly tighter than the two apart."""
    random = np.random.default_rng(5)
    hits, narrower = 0, 0
    for _ in range(TRIALS):
        ease = random.random(200)
        draws = Draws(np.arange(200), resamples=1)
        one, other = (draws.accuracy(np.ones(200), ease < p) for p in (0.75, 0.6))
        found = difference(one, other)
        hits += covers(found, 0.15)
        apart = [interval_of(*model) for model in (one, other)]
        narrower += found["high"] - found["low"] < 0.95 * min(a["high"] - a["low"] for a in apart)
    return hits, narrower


def test_a_paired_difference_covers_and_is_tighter_than_the_two_intervals_apart():
    hits, narrower = differences()
    assert about_95(hits)
    assert narrower > 0.9 * TRIALS


def test_no_interval_is_empty_where_all_are_right():
    """20 of 20; the exact lower bound of one row a cluster is 0.025 ** (1 / 20) = 0.83."""
    draws, true, last = Draws(np.arange(20)), np.ones(20), np.arange(20) < 19
    sure = interval_of(*draws.accuracy(true, true))
    assert (sure["value"], sure["high"]) == (1, 1)
    assert 0.8 < sure["low"] < 0.025 ** (1 / 20)
    copies = np.repeat(np.arange(20), 6)  # nothing tells whether the six agree by nature
    assert interval_of(*Draws(copies).accuracy(np.ones(120), np.ones(120))) == sure
    assert interval_of(*draws.mean(100 * true)) == {key: pytest.approx(100 * v) for key, v in sure.items()}
    assert interval_of(*draws.accuracy(true, np.zeros(20)))["high"] == pytest.approx(1 - sure["low"])
    low, high = (edge[0] for edge in bootstrap(true, np.arange(20))[1:])
    assert (low, high) == (pytest.approx(sure["low"], abs=1e-6), 1)
    assert interval_of(*draws.f1_macro(true, true))["low"] == sure["low"]
    positive = np.arange(20) < 10
    assert interval_of(*draws.auc(positive, positive * 1.0))["low"] < 0.83
    same = difference(draws.accuracy(true, true), draws.accuracy(true, true))
    assert -0.17 < same["low"] < 0 < same["high"] < 0.17
    assert paired(true, true, np.arange(20)) == pytest.approx((0, same["low"], same["high"]), abs=1e-6)
    ahead = difference(draws.accuracy(true, true), draws.accuracy(true, last))
    assert ahead["low"] < 0 < ahead["value"]


def test_few_clusters_widen_what_is_no_share():
    """A t quantile in place of a normal one, and the root of G / (G - 1): 1.15 times at 20, 1.22 at 10 clusters."""
    random = np.random.default_rng(4)
    for count, wider in ((10, 1.22), (20, 1.10), (500, 1.0)):
        value, samples = Draws(np.arange(count), resamples=20_000).mean(random.normal(size=count))
        ours, plain = (interval_of(value, one) for one in (samples, np.asarray(samples)))
        assert (ours["high"] - ours["low"]) / (plain["high"] - plain["low"]) == pytest.approx(wider, abs=0.06)


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
    """Data drawn anew 1,000 times; each time 15 splits 48 / 12 compare a line with the mean, by squared error.

    What both estimate is the expected difference, known from the mean over all 1,000.
    """
    random, trials = np.random.default_rng(0), TRIALS
    found = np.empty((trials, 15))
    for trial in range(trials):
        x = random.normal(size=60)
        y = 0.5 * x + random.normal(size=60)
        order = random.permuted(np.tile(np.arange(60), (15, 1)), axis=1)
        (a, c), (b, d) = ((v[order[:, :48]], v[order[:, 48:]]) for v in (x, y))
        middle, level = a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True)
        slope = ((a - middle) * (b - level)).sum(axis=1) / np.square(a - middle).sum(axis=1)
        line = level + slope[:, None] * (c - middle)
        found[trial] = (np.square(d - level) - np.square(d - line)).mean(axis=1)
    truth = found.mean()
    corrected = np.mean([covers(redrawn_interval(row, 12, 48), truth) for row in found])
    plain = np.mean([covers(naive(row), truth) for row in found])
    assert 0.88 < corrected < 0.94  # 90 to 91, as its docstring says: squared errors of 60 rows are skewed
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
