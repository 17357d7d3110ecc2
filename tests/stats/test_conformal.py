"""The promise of conformal rejection: the rate of false alarms lies where the theory puts it."""

import math

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.stats.conformal import threshold


@pytest.mark.parametrize(("n", "alpha"), [(19, 0.05), (50, 0.1), (99, 0.05), (200, 0.03)])
def test_simulated_false_alarms_lie_between_alpha_less_one_in_n_and_alpha(n, alpha):
    """Over many halvings: calibrate on one part, ask with the other."""
    rng = np.random.default_rng(0)
    pool = rng.gamma(2.0, size=2 * n)
    rates = []
    for _ in range(4000):
        drawn = rng.permutation(pool)
        rates.append(np.mean(drawn[n:] < threshold(drawn[:n], alpha)))
    error = 4 * np.std(rates) / np.sqrt(len(rates))
    assert alpha - 1 / (n + 1) - error <= np.mean(rates) <= alpha + error


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.1, 0.29, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 3, 9, 10, 19, 20, 99, 100])
def test_it_is_the_largest_threshold_that_keeps_the_promise(n, alpha):
    """Exact, by leaving each of n + 1 equally likely scores out in turn."""
    scores = np.random.default_rng(n).normal(size=n + 1)

    def alarm(rank):
        """The probability that the score left out lies below the rank-th smallest of the others; rank 0: -inf."""
        below = [s < (np.sort(np.delete(scores, i))[rank - 1] if rank else -np.inf) for i, s in enumerate(scores)]
        return np.mean(below)

    largest = max(rank for rank in range(n + 1) if alarm(rank) <= alpha + 1e-12)
    expected = np.sort(scores[1:])[largest - 1] if largest else -math.inf
    assert threshold(scores[1:], alpha) == expected
    assert alarm(largest) >= alpha - 1 / (n + 1)


@pytest.mark.parametrize(("n", "alpha"), [(22, 0.1), (50, 0.1), (100, 0.1), (400, 0.1), (100, 0.3)])
def test_nine_of_ten_calibrations_keep_to_alpha_where_it_is_asked_for(n, alpha):
    """By simulation, the true share that each calibration rejects; and one rank more would break the promise."""
    drawn = np.sort(np.random.default_rng(n).random((4000, n)), axis=1)  # of uniform scores t rejects a share t
    rank = int(np.searchsorted(drawn[0], threshold(drawn[0], alpha, sure=0.9)))
    assert all(threshold(one, alpha, sure=0.9) == one[rank] for one in drawn[:20])
    error = 4 * np.sqrt(0.09 / 4000)
    assert np.mean(drawn[:, rank] <= alpha) >= 0.9 - error
    assert np.mean(drawn[:, rank + 1] <= alpha) < 0.9 + error
    assert np.mean(np.sort(drawn[:, rank])[-400:]) < 2 * alpha


def test_too_few_scores_for_that_promise_reject_nothing_and_say_so(caplog):
    assert threshold(np.arange(21), 0.1, sure=0.9) == -math.inf
    assert "at least 22" in caplog.text
    assert threshold(np.arange(22), 0.1, sure=0.9) == 0.0
    with pytest.raises(ChiasmError, match="share of calibrations between 0 and 1"):
        threshold(np.arange(22), 0.1, sure=1.0)


def test_equal_scores_are_rejected_less_never_more():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        drawn = rng.integers(0, 4, size=61).astype(float)
        rates.append(drawn[60] < threshold(drawn[:60], 0.3))
    assert np.mean(rates) <= 0.3
    assert threshold(np.full(50, 2.0), 0.2) == 2.0  # and 2.0 itself is not below it


def test_too_few_scores_reject_nothing_and_say_so(caplog):
    assert threshold(np.arange(18), 0.05) == -math.inf
    assert "at least 19" in caplog.text
    caplog.clear()
    assert threshold(np.arange(19), 0.05) == 0.0
    assert not caplog.text
    assert threshold(np.zeros(0), 0.5) == -math.inf


def test_order_does_not_matter():
    scores = np.random.default_rng(0).normal(size=200)
    assert threshold(scores, 0.1) == threshold(np.sort(scores)[::-1], 0.1)


@pytest.mark.parametrize(
    ("scores", "alpha", "sentence"),
    [([1.0], 0.0, "alpha between 0 and 1"), ([1.0], 1.0, "alpha between"), ([1.0, np.nan], 0.5, "1 NaN")],
)
def test_wrong_calls_are_one_sentence(scores, alpha, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        threshold(np.array(scores), alpha)
