"""Search by signs: its guess is the formula, its recall what it says, and what is added is found at once."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.index.exact import Exact
from chiasm.index.signs import Signs, _Bits


def sentences(n, seed=0, width=96):
    """Vectors like those of sentences: clusters about a common direction."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n // 20, width))
    vectors = 2.5 * np.ones(width) + centers[rng.integers(0, len(centers), n)] + 0.7 * rng.normal(size=(n, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def shared(index, exact, queries, k=10):
    found, known = index.search(queries, k)[0].tolist(), exact.search(queries, k)[0].tolist()
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found, known, strict=True)])


@pytest.mark.parametrize("width", [12, 64, 100])
def test_the_guess_is_the_formula_and_differs_from_the_product_by_nearly_one_number(width):
    vectors, query = sentences(500, width=width), sentences(500, seed=1, width=width)[0]
    bits = _Bits(vectors)
    bits.grow(vectors)
    m = vectors.astype(np.float64).mean(axis=0)
    known = [
        m @ x
        + np.linalg.norm(query - m)
        * np.linalg.norm(x - m)
        * np.cos(np.pi * sum((a > 0) != (b > 0) for a, b in zip(x - m, query - m, strict=True)) / width)
        for x in vectors
    ]
    np.testing.assert_allclose(bits.guessed(query, 500), known, atol=1e-5)
    assert np.corrcoef(known, vectors @ query)[0, 1] > 0.6


def test_at_its_defaults_it_finds_nearly_all_and_by_the_signs_alone_it_does_not():
    vectors = sentences(6000)
    exact, queries = Exact().add(np.arange(6000), vectors), sentences(100, seed=0) + 0.01
    assert shared(Signs().add(np.arange(6000), vectors), exact, queries) > 0.98
    assert shared(Signs(candidates=10).add(np.arange(6000), vectors), exact, queries) < 0.9


def test_scores_are_those_of_exact_search_to_the_last_bit():
    vectors = sentences(6000)
    index, exact = Signs().add(np.arange(6000), vectors), Exact().add(np.arange(6000), vectors)
    keys, scores = index.search(vectors[:5], 3)
    known = dict(exact.ranked(vectors[4]))
    assert scores[4].tolist() == [known[key] for key in keys[4].tolist()]


def test_what_is_added_is_found_at_once_by_its_bits_whatever_was_there_before(tmp_path):
    vectors = sentences(5000)
    for index in (Signs(), Signs(path=tmp_path / "held")):
        index.add(np.arange(2000), vectors[:2000])
        for upto in (2001, 2002, 4900, 5000):
            start = len(index)
            index.add(np.arange(start, upto), vectors[start:upto])
            assert index.search(vectors[upto - 1], 1)[0].tolist() == [[upto - 1]]
        assert index._known[1].count == 5000
        index.delete([4999])
        assert 4999 not in index.search(vectors[4999], 50)[0]


def test_a_number_of_candidates_that_is_none_is_refused():
    with pytest.raises(ChiasmError, match="candidates"):
        Signs(candidates=0).add(["a"], np.ones((1, 2)))
