"""The odds of a hit: true to what they were drawn from, in galleries of any size."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.stats.match_odds import NEAR, learn_odds, match_odds

STEEP = 30.0


def searched(n, size, seed=0):
    """Scores of n queries with `size` items, and which is the match, drawn as exp(STEEP * score) says it is."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.3, 0.1, size=(n, size))
    odds = np.exp(STEEP * scores)
    match = np.array([rng.choice(size, p=row / row.sum()) for row in odds])
    return scores, match


def split(scores, match):
    rows = np.arange(len(scores))
    others = np.delete(scores.ravel(), rows * scores.shape[1] + match).reshape(len(scores), -1)
    return scores[rows, match], -np.sort(-others, axis=1)[:, :NEAR]


def test_what_the_scores_were_drawn_by_is_found_again():
    steep, slope, shift = learn_odds(*split(*searched(3000, 150)))
    assert steep == pytest.approx(STEEP, rel=0.05)
    assert slope == pytest.approx(1, abs=0.1)
    assert shift == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("size", [20, 150, 1000])
def test_of_hits_with_a_probability_that_many_are_true(size):
    scores, match = searched(2000, size, seed=1)
    odds = learn_odds(*split(*searched(2000, size)))
    first, near = scores.argmax(axis=1), -np.sort(-scores, axis=1)[:, :NEAR]
    told = np.array([match_odds(row[:1], row, odds)[0] for row in near])
    true = first == match
    order = np.argsort(told)
    for part in np.array_split(order, 5):
        assert told[part].mean() == pytest.approx(true[part].mean(), abs=0.09)  # 400 rows: three standard deviations


def test_a_second_copy_halves_it():
    odds = np.array([STEEP, 1.0, 0.0])
    once, twice = (match_odds(np.array([0.9]), np.array([0.9] * n + [0.1]), odds)[0] for n in (1, 2))
    assert twice == pytest.approx(once / 2, rel=1e-3)


def test_fewer_others_than_asked_for_are_minus_infinity():
    match, others = split(*searched(500, 50))
    padded = np.concatenate([others, np.full((500, 30), -np.inf)], axis=1)
    np.testing.assert_allclose(learn_odds(match, padded), learn_odds(match, others), rtol=1e-6)


def test_nothing_to_learn_from_is_one_sentence():
    with pytest.raises(ChiasmError, match=r"wanted scores of n >= 1 matches and \(n, m\) others, got \(0,\)"):
        learn_odds(np.zeros(0), np.zeros((0, 5)))
