"""Hamming search finds what exact search finds among the same codes."""

import numpy as np
import pytest

from chiasm import load
from chiasm.align.hashing import Hashing
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.index.exact import Exact
from chiasm.index.hamming import Hamming

COLUMNS = {"size": "number"}


def codes(n, bits, seed=0):
    return np.random.default_rng(seed).choice([-1.0, 1.0], (n, bits))


def both(n, bits, **more):
    rows, metadata = codes(n, bits), {"size": list(range(n))}
    return [made(columns=COLUMNS).add(np.arange(n), rows, metadata) for made in (Hamming, Exact)]


@pytest.mark.parametrize("bits", [8, 16, 64, 72, 128])
def test_what_exact_finds_in_equal_order_through_filters_deletions_and_additions(bits):
    ours, exact = both(500, bits)
    asked = codes(20, bits, seed=1)

    def agree(k, where=None):
        found, wanted = (index.search(asked, k, where) for index in (ours, exact))
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_allclose(found[1], wanted[1], atol=1e-6)

    agree(7)
    agree(500)
    agree(5, ["size<40"])
    for index in (ours, exact):
        index.delete(list(range(0, 500, 3)))
        index.update([1, 700], codes(2, bits, seed=2), {"size": [1, 2]})
    agree(9)
    agree(9, ["size<10"])
    assert [key for key, _ in ours.ranked(asked[0])] == [key for key, _ in exact.ranked(asked[0])]
    np.testing.assert_allclose(ours.vectors([1, 700])[1], exact.vectors([1, 700])[1], atol=1e-6)


def test_a_bit_a_number_is_kept_in_memory_and_on_disk(tmp_path):
    ours, exact = both(2000, 64)
    assert ours.vectors_.nbytes * 32 == exact.vectors_.nbytes == 2000 * 64 * 4
    ours.save(tmp_path / "codes")
    again = load(tmp_path / "codes")
    np.testing.assert_array_equal(again.search(codes(3, 64), 5)[0], ours.search(codes(3, 64), 5)[0])


def test_it_searches_the_codes_that_the_aligner_makes():
    a, b = planted_pair(600, correlations=(0.99,) * 8)
    model = Hashing(k=64).fit({"a": a[:400], "b": b[:400]})
    mapped = model.transform({"a": a[400:], "b": b[400:]})
    found, _ = Hamming().add(np.arange(200), mapped["b"].items).search(mapped["a"].items, 1)
    first = np.mean(found[:, 0] == np.arange(200))
    assert first > 0.4  # chance is 0.005


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda index: index.add([9], np.ones((1, 12))), "a multiple of 8 bits, got a width of 12"),
        (lambda index: index.add([9], np.arange(16.0)[None]), "wanted codes, whose numbers are all x or -x"),
        (lambda index: index.search(np.arange(16.0)[None]), "wanted codes, whose numbers are all x or -x"),
        (lambda index: index.add([9], np.ones((1, 24))), "wanted vectors of width 16, got 24"),
        (lambda index: index.search(np.ones((1, 24))), "wanted queries of width 16, got 24"),
    ],
)
def test_what_is_no_code_is_one_sentence_and_changes_nothing(call, sentence):
    index = Hamming().add([1, 2], codes(2, 16))
    with pytest.raises(ChiasmError, match=sentence):
        call(index)
    assert index.keys().tolist() == [1, 2]
