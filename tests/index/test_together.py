"""Questions that wait for one another are answered by one pass, each with its own k best."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chiasm.index import Exact, _bounds
from chiasm.index._together import Together

VECTORS = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)


def products(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    scores = queries @ VECTORS.T
    rows = np.argsort(-scores, axis=1)[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)


class Held:
    """Answers nobody before it is let go, and counts."""

    def __init__(self) -> None:
        self.begun, self.go, self.sizes = threading.Event(), threading.Event(), list[int]()

    def __call__(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        self.sizes.append(len(queries))
        self.begun.set()
        self.go.wait(30)
        return products(queries, k)


def asked(together: Together, find: Held, kinds: list[tuple[object, int]]) -> list[tuple[np.ndarray, int, np.ndarray]]:
    """One question goes first, the others wait for it; what each of them got."""
    rng = np.random.default_rng(1)
    ask = [(rng.normal(size=(1 + i % 3, 8)).astype(np.float32), k, among) for i, (among, k) in enumerate(kinds)]

    def one(queries: np.ndarray, k: int, among: object) -> np.ndarray:
        return together(find, (among,), queries, k)[0]

    with ThreadPoolExecutor(len(ask)) as pool:
        first = pool.submit(one, *ask[0])
        assert find.begun.wait(30)
        rest = [pool.submit(one, *some) for some in ask[1:]]
        while len(together._waiting) < len(rest):
            threading.Event().wait(0.01)
        find.go.set()
        return [(q, k, task.result(30)) for (q, k, _), task in zip(ask, [first, *rest], strict=True)]


def test_those_that_wait_are_answered_by_one_pass_and_each_gets_its_own_k_best():
    find, among = Held(), object()
    for queries, k, rows in asked(Together(), find, [(among, 3), (among, 1), (among, 7), (among, 2), (among, 500)]):
        np.testing.assert_array_equal(rows, products(queries, k)[0])
    assert len(find.sizes) == 2


def test_what_is_asked_among_other_things_is_not_mixed_with_it():
    find, one, other = Held(), object(), object()
    asked(Together(), find, [(one, 3), (one, 3), (other, 3), (one, 3), (other, 3)])
    assert len(find.sizes) == 3


def test_a_failure_reaches_everybody_who_waited_and_the_next_is_answered():
    together, among = Together(), object()

    def fails(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        together(fails, (among,), VECTORS[:1], 1)
    np.testing.assert_array_equal(together(products, (among,), VECTORS[:1], 2)[0], products(VECTORS[:1], 2)[0])


def test_many_threads_get_from_a_large_index_what_each_gets_alone():
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(20_000, 24)).astype(np.float32)
    index = Exact().add(list(range(len(vectors))), vectors)
    queries = rng.normal(size=(64, 24)).astype(np.float32)
    alone = [index.search(query, 1 + i % 9) for i, query in enumerate(queries)]
    with ThreadPoolExecutor(8) as pool:
        beside = list(pool.map(lambda i: index.search(queries[i], 1 + i % 9), range(64)))
    for (keys, scores), (keys_, scores_) in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(keys, keys_)
        np.testing.assert_array_equal(scores, scores_)


@pytest.mark.skipif(not _bounds.Coarse.there(), reason="the package for products of 8 bits is not installed")
@pytest.mark.parametrize("width", [3, 64, 100, 1412])
def test_a_few_large_coordinates_leave_few_rows_to_compare_exactly(width):
    rng = np.random.default_rng(3)
    spread = np.ones(width)
    spread[:2] = 30
    vectors = rng.normal(size=(4000, width)) * spread
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    query = vectors[:1] + 0.5 * vectors[1:2]
    query /= np.linalg.norm(query)
    coarse = _bounds.Coarse(vectors)
    turned = coarse.turn(vectors[:50])
    np.testing.assert_allclose(turned @ turned.T, vectors[:50] @ vectors[:50].T, atol=1e-5)
    rows, _ = _bounds.nearest(vectors, query, 5, coarse=coarse)
    np.testing.assert_array_equal(rows[0], np.argsort(-(vectors @ query[0].astype(np.float64)), kind="stable")[:5])
    if width >= 64:
        assert len(_bounds._candidates(coarse, query, len(vectors), 5, None)[0]) < 1000
