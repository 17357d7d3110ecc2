"""Looking again: candidates, blends and new orders against slow ones; the conditional logit at its least loss."""

import numpy as np
import pytest

from chiasm.stats.ranking import ranks
from chiasm.stats.reranking import Lists, best, blended, likelihoods, reordered, weigh


def test_the_best_are_those_of_a_full_sort():
    scores = np.random.default_rng(0).normal(size=(7, 50))
    np.testing.assert_array_equal(best(scores), np.argsort(-scores, axis=1)[:, :20])
    assert best(scores[:, :3]).shape == (7, 3)
    assert best(scores[:, :0]).shape == (7, 0)


def test_dealt_anew_scores_rank_as_the_new_order_and_leave_the_others():
    rng = np.random.default_rng(0)
    scores, right = rng.normal(size=(30, 40)), rng.integers(40, size=30)
    places = best(scores, 5)
    values = rng.normal(size=places.shape)
    after = ranks(
        scores, np.eye(40), right, np.arange(30), lambda block, held: reordered(held, places[block], values[block])
    )
    for row in range(30):
        order = np.argsort(-scores[row]).tolist()
        order[:5] = places[row][np.argsort(-values[row])].tolist()
        assert after[row] == 1 + order.index(right[row])


def test_a_second_score_that_is_one_for_all_changes_nothing():
    first = np.array([0.9, 0.5, 0.2])
    assert blended(first, np.full(3, 7.0), 0.4).argsort().tolist() == first.argsort().tolist()
    assert blended(first[:1], first[:1], 0.4).tolist() == [0.0]
    assert blended(first[:0], first[:0], 0.4).shape == (0,)


def test_what_tells_pairs_is_found_and_what_does_not_is_not():
    rng = np.random.default_rng(0)
    first, more = rng.normal(size=(600, 8)), rng.normal(size=(600, 8, 2))
    chosen = (3 * first + 2 * more[..., 0] + rng.gumbel(size=(600, 8))).argmax(axis=1)
    lists = Lists(first, more, np.arange(8) == chosen[:, None])
    t, weights = weigh([lists], ridge=1e-4)
    assert t == pytest.approx(3, abs=0.4)
    assert weights == pytest.approx([2, 0], abs=0.3)
    bare = weigh([lists.bare()], ridge=1e-4)
    assert likelihoods(lists, t, weights).mean() > likelihoods(lists.bare(), *bare).mean() + 0.2


def test_the_slope_is_that_of_the_loss():
    from scipy.special import logsumexp

    rng = np.random.default_rng(1)
    lists = Lists(
        rng.normal(size=(40, 6)), rng.normal(size=(40, 6, 2)), np.arange(6) == rng.integers(6, size=40)[:, None]
    )
    t, w = weigh([lists], ridge=0.1)

    def loss(v):
        z = v[0] * lists.first + lists.more @ v[1:]
        return -(z[lists.right] - logsumexp(z, axis=1)).mean() + 0.05 * (v[1:] ** 2).sum()

    here = np.array([t, *w])
    for step in np.eye(3) * 0.05:
        assert loss(here) < loss(here + step)
        assert loss(here) < loss(here - step)
