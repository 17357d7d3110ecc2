"""Exact search agrees with sorting everything, in any batch, with ties in the order of addition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import ChiasmError
from chiasm.index import _bounds
from chiasm.index.exact import Exact


@settings(max_examples=40)
@given(st.integers(0, 9999), st.integers(1, 60), st.integers(1, 20), st.integers(2, 17))
def test_search_equals_sorting_all_ties_included(seed, n, k, block):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (n, 3)).astype(np.float32)
    queries = rng.integers(-1, 2, (4, 3)).astype(np.float32)
    before, _bounds.BLOCK = _bounds.BLOCK, block
    try:
        keys, scores = Exact().add(np.arange(n), vectors).search(queries, k)
    finally:
        _bounds.BLOCK = before
    units = [
        v / np.where(np.linalg.norm(v, axis=1, keepdims=True) > 0, np.linalg.norm(v, axis=1, keepdims=True), 1)
        for v in (queries, vectors)
    ]
    whole = np.round((units[0] @ units[1].T).astype(np.float64), 5)
    for row, found, values in zip(whole, keys, scores, strict=True):
        assert len(found) == min(k, n)
        np.testing.assert_allclose(values, np.sort(row)[::-1][: len(values)], atol=1e-4)
        assert len(set(found.tolist())) == len(found)


def test_equal_scores_come_in_the_order_of_addition():
    keys, _ = Exact().add(["b", "a", "c"], np.ones((3, 2))).search(np.ones(2), 2)
    assert keys.tolist() == [["b", "a"]]


def test_one_query_gives_what_a_batch_gives():
    rng = np.random.default_rng(0)
    index = Exact().add(np.arange(5000), rng.normal(size=(5000, 16)))
    queries = rng.normal(size=(7, 16))
    together, scores = index.search(queries, 10)
    for i, query in enumerate(queries):
        alone, alone_scores = index.search(query, 10)
        assert alone[0].tolist() == together[i].tolist()
        np.testing.assert_allclose(alone_scores[0], scores[i], atol=1e-6)


def test_deleted_keys_are_not_found_again_and_may_return():
    index = Exact().add(["a", "b", "c"], np.eye(3))
    assert index.delete(["b", "zzz"]) == 1
    assert "b" not in index.search(np.eye(3)[1], 3)[0]
    index.add(["b"], np.eye(3)[1:2])
    assert index.search(np.eye(3)[1], 1)[0].tolist() == [["b"]]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda i: i.search(np.ones(2), 0), "k of at least 1"),
        (lambda i: i.search(np.ones(2), True), "k of at least 1"),
        (lambda i: i.search(np.ones(5), 1), "width 2"),
        (lambda i: i.add(["z"], np.ones((1, 5))), "width 2"),
        (lambda i: i.add(["a"], np.ones((1, 2))), "unique"),
        (lambda i: i.add(["z"], np.full((1, 2), np.nan)), "finite"),
        (lambda i: i.add(["y", "z"], np.ones((1, 2))), "one key a vector"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call(Exact().add(["a", "b"], np.eye(2)))


def test_an_index_that_is_empty_says_so():
    with pytest.raises(ChiasmError, match="not fitted"):
        Exact().search(np.ones(2), 1)


def test_an_empty_index_has_nothing_to_delete():
    assert Exact().delete(["a"]) == 0


def test_what_whole_numbers_cannot_tell_apart_is_told_by_products():
    from chiasm.index._bounds import Coarse, nearest
    from chiasm.views import normalize

    rng = np.random.default_rng(0)
    near = rng.normal(size=(1, 64)) + 1e-3 * rng.normal(size=(20_000, 64))  # all but the same
    vectors, queries = (normalize(rows).astype(np.float32) for rows in (near, rng.normal(size=(3, 64))))
    rows, scores = nearest(vectors, queries, 7, coarse=Coarse(vectors))
    true = vectors.astype(np.float64) @ queries.astype(np.float64).T
    for place in range(3):
        assert rows[place].tolist() == np.lexsort((np.arange(20_000), -true[:, place].astype(np.float32)))[:7].tolist()
        np.testing.assert_allclose(scores[place], true[rows[place], place], atol=1e-7)
