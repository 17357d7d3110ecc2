"""Two stages, candidates then filters: each against a slow loop or a case made by hand."""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from chiasm.errors import ChiasmError
from chiasm.stats.filtering import (
    Pairs,
    best_threshold,
    candidates,
    filter_table,
    greedy,
    mutual_best,
    one_to_one,
    precision_recall,
    similarity,
    threshold,
)


def pairs(*rows):
    return Pairs(*(np.array(column) for column in zip(*rows, strict=True)))


def listed(found):
    return list(zip(found.left.tolist(), found.right.tolist(), strict=True))


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return rng.normal(size=(14, 9))


def test_similarities_equal_a_slow_loop():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 5)) + 3, rng.normal(size=(4, 5)) + 3
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            assert similarity(a, b, "cosine")[i, j] == pytest.approx(x @ y / np.sqrt((x @ x) * (y @ y)), abs=1e-6)
            assert similarity(a, b, "euclidean")[i, j] == pytest.approx(-np.sqrt(((x - y) ** 2).sum()), abs=1e-9)
            assert similarity(a, b, "pearson")[i, j] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-5)


def test_small_distances_far_from_the_origin_keep_their_digits():
    near = np.array([[1000.0, 1000.0], [1000.0, 1000.001]])
    assert similarity(near, near, "euclidean")[0, 1] == pytest.approx(-0.001, rel=1e-6)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_candidates_are_the_best_of_every_row_and_every_column(scores, k):
    known = set()
    for i in range(14):
        known |= {(i, j) for j in sorted(range(9), key=lambda j: -scores[i, j])[:k]}
    for j in range(9):
        known |= {(i, j) for i in sorted(range(14), key=lambda i: -scores[i, j])[:k]}
    found = candidates(scores, k)
    assert listed(found) == sorted(known)
    np.testing.assert_array_equal(found.score, scores[found.left, found.right])


def test_mutual_best_among_few_candidates_is_mutual_best_among_all(scores):
    known = [(i, j) for i in range(14) for j in range(9) if scores[i, j] == scores[i].max() == scores[:, j].max()]
    for k in (1, 4, 9):
        assert listed(mutual_best(candidates(scores, k))) == known


def best_sum(found):
    """By trying every subset of pairs that uses no item twice."""
    weight = found.score - found.score.min()
    best = 0.0
    for size in range(1, min(len(set(found.left)), len(set(found.right))) + 1):
        for chosen in combinations(range(len(weight)), size):
            chosen = list(chosen)
            if len(set(found.left[chosen])) == len(set(found.right[chosen])) == size:
                best = max(best, weight[chosen].sum())
    return best


@pytest.mark.parametrize("seed", range(12))
def test_one_to_one_has_the_best_sum_of_all_assignments(seed):
    rng = np.random.default_rng(seed)
    found = candidates(rng.normal(size=(4, 5)) - 5, 1)
    kept = one_to_one(found)
    assert len(set(kept.left)) == len(set(kept.right)) == len(kept.left)
    assert (kept.score - found.score.min()).sum() == pytest.approx(best_sum(found))
    assert (greedy(found).score - found.score.min()).sum() >= best_sum(found) / 2 - 1e-9


def test_one_to_one_among_all_pairs_is_the_assignment(scores):
    rows, columns = linear_sum_assignment(scores, maximize=True)
    assert listed(one_to_one(candidates(scores, 14))) == sorted(zip(rows.tolist(), columns.tolist(), strict=True))


def test_assignment_gives_up_a_best_pair_where_greedy_does_not():
    found = pairs((0, 0, 0.9), (0, 1, 0.8), (1, 0, 0.8), (1, 1, 0.0))
    assert listed(one_to_one(found)) == [(0, 1), (1, 0)]
    assert listed(greedy(found)) == [(0, 0), (1, 1)]
    assert listed(mutual_best(found)) == [(0, 0)]
    assert listed(threshold(found, 0.8)) == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.slow
def test_one_to_one_takes_5000_items_a_side():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5000, 16)).astype(np.float32)
    found = candidates(similarity(a, a + 0.3 * rng.normal(size=a.shape).astype(np.float32)), 5)
    kept = precision_recall(one_to_one(found), (np.arange(5000), np.arange(5000)))
    assert kept["precision"] > 0.95
    assert kept["recall"] > 0.95


@pytest.mark.parametrize("keep", [mutual_best, one_to_one, greedy, lambda p: threshold(p, 0)])
def test_filters_return_fewer_pairs_and_bear_none(scores, keep):
    found = candidates(scores, 3)
    kept = keep(found)
    assert set(listed(kept)) < set(listed(found))
    empty = candidates(np.zeros((0, 4)), 3)
    assert listed(keep(empty)) == []


def test_precision_and_recall_of_a_case_made_by_hand():
    found = pairs((0, 0, 0.9), (1, 1, 0.8), (2, 5, 0.7), (3, 5, 0.1))
    truth = (np.array([0, 1, 3, 3, 4]), np.array([0, 1, 5, 6, 4]))
    assert precision_recall(found, truth) == {"pairs": 4, "precision": 3 / 4, "recall": 3 / 5, "f1": 6 / 9}
    nothing = found.keep(np.zeros(4, bool))
    assert precision_recall(nothing, truth) == {"pairs": 0, "precision": None, "recall": 0.0, "f1": 0.0}


def test_the_threshold_has_the_best_f1_of_all(scores):
    rng = np.random.default_rng(3)
    found = candidates(np.round(scores, 1), 4)  # rounded: equal scores are kept or left together
    truth = (np.arange(9), rng.permutation(9))
    f1 = {s: precision_recall(threshold(found, s), truth)["f1"] for s in found.score}
    chosen = best_threshold(found, truth)
    assert f1[chosen] == max(f1.values())
    assert chosen == max(s for s, value in f1.items() if value == max(f1.values()))
    assert best_threshold(found, (np.zeros(0, int), np.zeros(0, int))) == np.inf


def test_the_table_gains_precision_by_every_filter_and_chooses_on_validation_alone():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 8))
    b = a + 0.5 * rng.normal(size=a.shape)
    truth = (np.arange(150), np.arange(150))
    val = (a[150:], b[150:], truth)
    table = filter_table(a[:150], b[:150], truth, val, k=5)
    rows = {(row["score"], row["filter"]): row for row in table}
    assert len(rows) == len(table) == 12
    for how in ("cosine", "euclidean", "pearson"):
        before = rows[how, "candidates"]
        for name in ("threshold", "mutual_best", "one_to_one"):
            after = rows[how, name]
            assert after["precision"] > before["precision"]
            assert after["recall"] <= before["recall"]
            assert after["f1"] > before["f1"]
    spoiled = filter_table(a[:150], b[:150], (truth[0], truth[1][::-1]), val, k=5)
    assert [r.get("threshold") for r in spoiled] == [r.get("threshold") for r in table]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: similarity(np.eye(2), np.eye(2), "cosinus"), "did you mean 'cosine'"),
        (lambda: candidates(np.eye(2), 0), "at least 1 candidate"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call()
