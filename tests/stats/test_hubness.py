"""Hubness corrections against their slow definitions and a planted hub."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.stats.hubness import csls, inverted_softmax
from chiasm.views import normalize


def units(n, d=8, seed=0):
    return normalize(np.random.default_rng(seed).normal(size=(n, d)))


@pytest.fixture
def planted():
    """200 true pairs, and a hub at gallery place 200: the direction that every query leans to."""
    rng = np.random.default_rng(1)
    lean = np.eye(17)[0]
    things = units(400, d=17) * (1 - lean)
    queries = normalize(things + 1.2 * lean + 0.1 * rng.normal(size=things.shape))
    gallery = normalize(np.concatenate([things[:200], [lean]]))
    return queries[:200], gallery, queries[200:]  # the bank: queries whose things are not in the gallery


def test_one_bias_an_item_ranks_as_the_definition_of_inverted_softmax():
    queries, gallery, bank = units(30), units(50, seed=1), units(70, seed=2)
    beta = 12.0
    definition = np.exp(beta * queries @ gallery.T) / np.exp(beta * bank @ gallery.T).sum(axis=0)
    biased = queries @ gallery.T - inverted_softmax(gallery, bank, beta)
    np.testing.assert_array_equal(np.argsort(-definition, axis=1), np.argsort(-biased, axis=1))
    assert not np.array_equal(np.argsort(-queries @ gallery.T, axis=1), np.argsort(-biased, axis=1))
    np.testing.assert_allclose(np.log(definition * len(bank)) / beta, biased, atol=1e-5)


def test_one_bias_an_item_ranks_as_the_definition_of_csls():
    queries, gallery, bank = units(30), units(50, seed=1), units(70, seed=2)
    near = np.sort(bank @ gallery.T, axis=0)[-10:].mean(axis=0)
    of_query = np.sort(queries @ gallery.T, axis=1)[:, -10:].mean(axis=1)
    definition = 2 * queries @ gallery.T - of_query[:, None] - near
    biased = queries @ gallery.T - csls(gallery, bank)
    np.testing.assert_array_equal(np.argsort(-definition, axis=1), np.argsort(-biased, axis=1))


@pytest.mark.parametrize("cells", [1, 200, 10**6])
def test_biases_equal_a_slow_loop_whatever_the_blocks(cells, monkeypatch):
    monkeypatch.setattr("chiasm.stats.hubness._CELLS", cells)
    gallery, bank = units(23).astype(np.float64), units(31, seed=1).astype(np.float64)
    soft, near = inverted_softmax(gallery, bank, 20.0), csls(gallery, bank, 4)
    for g in range(23):
        scores = [float(bank[m] @ gallery[g]) for m in range(31)]
        assert soft[g] == pytest.approx(np.log(np.mean(np.exp(20 * np.array(scores)))) / 20, abs=1e-6)
        assert near[g] == pytest.approx(np.mean(sorted(scores)[-4:]) / 2, abs=1e-6)


def test_a_beta_that_overflows_exp_gives_the_largest_cosine():
    gallery, bank = units(9), units(40, seed=1)
    np.testing.assert_allclose(inverted_softmax(gallery, bank, 1e6), (bank @ gallery.T).max(axis=0), atol=1e-4)


@pytest.mark.parametrize("bias", [lambda g, b: inverted_softmax(g, b, 20), csls])
def test_a_planted_hub_is_no_longer_everybodys_first(planted, bias):
    queries, gallery, bank = planted
    hub = len(gallery) - 1
    plain = np.argmax(queries @ gallery.T, axis=1)
    corrected = np.argmax(queries @ gallery.T - bias(gallery, bank), axis=1)
    assert (plain == hub).mean() > 0.8
    assert (corrected == hub).mean() < 0.2
    assert (corrected == np.arange(200)).mean() > (plain == np.arange(200)).mean() + 0.2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: inverted_softmax(units(3), units(3), 0), "beta above 0"),
        (lambda: csls(units(3), units(3), 0), "at least 1 neighbor"),
        (lambda: csls(units(3), units(3)[:0]), "bank of at least one query"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call()
