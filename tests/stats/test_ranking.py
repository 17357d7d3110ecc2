"""Metrics against slow, obvious versions and against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import ChiasmError
from chiasm.stats.ranking import average_precision, chance_recall, ranks, recall_at
from chiasm.views import normalize


def slow_rank(scores, hits):
    """Place of the best hit when every other item that scores as much or more stands before it."""
    best = max(scores[h] for h in hits)
    return 1 + sum(1 for j, s in enumerate(scores) if j not in set(hits) and s >= best)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(2, 9))
def test_ranks_equal_the_slow_version_ties_included(seed, q, g):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.integers(-2, 3, (q, 2)).astype(float), rng.integers(-2, 3, (g, 2)).astype(float)
    hits = [sorted(rng.choice(g, size=rng.integers(1, g + 1), replace=False).tolist()) for _ in range(q)]
    starts = np.cumsum([0] + [len(h) for h in hits[:-1]])
    ours = ranks(queries, gallery, np.concatenate(hits), starts)
    assert ours.tolist() == [slow_rank(row, h) for row, h in zip(queries @ gallery.T, hits, strict=True)]


def test_a_collapsed_space_ranks_everything_last():
    same = np.ones((20, 3))
    rank = ranks(same, same, np.arange(20), np.arange(20))
    assert recall_at(rank, 1) == 0.0
    assert set(rank.tolist()) == {20}


def test_queries_without_a_hit_are_refused():
    with pytest.raises(ChiasmError, match="at least one hit"):
        ranks(np.eye(2), np.eye(2), np.array([0]), np.array([0, 1]))


def test_chance_equals_simulation():
    rng = np.random.default_rng(0)
    hits, gallery, k = 3, 40, 5
    drawn = [min(rng.permutation(gallery)[:hits]) < k for _ in range(20_000)]
    assert chance_recall(np.array([hits]), gallery, k) == pytest.approx(np.mean(drawn), abs=0.01)
    assert chance_recall(np.array([1]), 5, 10) == 1.0


def test_average_precision_equals_scikit_learns():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    q, g = rng.normal(size=(6, 4)), rng.normal(size=(30, 4))
    labels_q, labels_g = rng.integers(0, 3, 6), rng.integers(0, 3, 30)
    ours = average_precision(q, g, labels_q, labels_g)
    theirs = [average_precision_score(labels_g == label, q[i] @ g.T) for i, label in enumerate(labels_q)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_query_whose_label_the_gallery_lacks_has_no_average_precision():
    assert np.isnan(average_precision(np.eye(2), np.eye(2), np.array(["z", "a"]), np.array(["a", "b"]))[0])


def test_a_zero_vector_stays_zero():
    assert normalize(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [
        [0.0, 0.0],
        [0.6000000238418579, 0.800000011920929],
    ]
