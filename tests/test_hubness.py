"""Hubness corrections against their slow definitions, a planted hub, and the promise of the choice."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.hubness import (
    apply,
    center,
    choose_correction,
    csls,
    fold_gallery,
    fold_queries,
    inverted_softmax,
    shared_ids,
)
from chiasm.metrics import normalize, ranks


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


def test_one_more_coordinate_ranks_as_the_definition_of_inverted_softmax():
    queries, gallery, bank = units(30), units(50, seed=1), units(70, seed=2)
    beta = 12.0
    definition = np.exp(beta * queries @ gallery.T) / np.exp(beta * bank @ gallery.T).sum(axis=0)
    folded = fold_queries(queries) @ fold_gallery(gallery, inverted_softmax(gallery, bank, beta)).T
    np.testing.assert_array_equal(np.argsort(-definition, axis=1), np.argsort(-folded, axis=1))
    assert not np.array_equal(np.argsort(-queries @ gallery.T, axis=1), np.argsort(-folded, axis=1))
    np.testing.assert_allclose(np.log(definition * len(bank)) / beta, folded, atol=1e-5)


def test_one_more_coordinate_ranks_as_the_definition_of_csls():
    queries, gallery, bank = units(30), units(50, seed=1), units(70, seed=2)
    near = np.sort(bank @ gallery.T, axis=0)[-10:].mean(axis=0)
    of_query = np.sort(queries @ gallery.T, axis=1)[:, -10:].mean(axis=1)
    definition = 2 * queries @ gallery.T - of_query[:, None] - near
    folded = fold_queries(queries) @ fold_gallery(gallery, csls(gallery, bank)).T
    np.testing.assert_array_equal(np.argsort(-definition, axis=1), np.argsort(-folded, axis=1))


@pytest.mark.parametrize("cells", [1, 200, 10**6])
def test_biases_equal_a_slow_loop_whatever_the_blocks_and_without_the_items_own_pairs(cells, monkeypatch):
    monkeypatch.setattr("chiasm.hubness._CELLS", cells)
    gallery, bank = units(23).astype(np.float64), units(31, seed=1).astype(np.float64)
    gallery_ids, bank_ids = np.arange(23) % 12, np.arange(31) % 15
    same = shared_ids(gallery_ids, bank_ids)
    soft, near = inverted_softmax(gallery, bank, 20.0, same=same), csls(gallery, bank, 4, same=same)
    for g in range(23):
        scores = [float(bank[m] @ gallery[g]) for m in range(31) if bank_ids[m] != gallery_ids[g]]
        assert soft[g] == pytest.approx(np.log(np.mean(np.exp(20 * np.array(scores)))) / 20, abs=1e-6)
        assert near[g] == pytest.approx(np.mean(sorted(scores)[-4:]) / 2, abs=1e-6)


def test_a_beta_that_overflows_exp_gives_the_largest_cosine():
    gallery, bank = units(9), units(40, seed=1)
    np.testing.assert_allclose(inverted_softmax(gallery, bank, 1e6), (bank @ gallery.T).max(axis=0), atol=1e-4)


@pytest.mark.parametrize("correction", [{"name": "inverted_softmax", "beta": 20}, {"name": "csls", "neighbors": 10}])
def test_a_planted_hub_is_no_longer_everybodys_first(planted, correction):
    queries, gallery, bank = planted
    hub = len(gallery) - 1

    def first(name):
        left, right = apply(name, queries, gallery, bank)
        return np.argmax(left @ right.T, axis=1)

    plain, corrected = first({"name": "none"}), first(correction)
    assert (plain == hub).mean() > 0.8
    assert (corrected == hub).mean() < 0.2
    assert (corrected == np.arange(200)).mean() > (plain == np.arange(200)).mean() + 0.2


def test_a_training_item_is_not_punished_by_its_own_query():
    """Without the exclusion the items that stand in the bank lose to equal ones that do not."""
    rng = np.random.default_rng(0)
    gallery = units(400, d=24)
    noisy = normalize(gallery + 0.2 * rng.normal(size=gallery.shape))
    bank = noisy[:200]  # the queries of the first half
    same = shared_ids(np.arange(400), np.arange(200))
    gaps = []
    for kept in (None, same):
        bias = inverted_softmax(gallery, bank, 20.0, same=kept)
        gaps.append(bias[:200].mean() - bias[200:].mean())
    assert gaps[0] > 0.2
    assert abs(gaps[1]) < 0.02


def test_an_item_with_no_query_left_gets_the_mean_of_the_others():
    gallery, bank = units(4), units(1, seed=1)
    for bias in (
        inverted_softmax(gallery, bank, 5.0, same=shared_ids(np.arange(4), np.array([2]))),
        csls(gallery, bank, same=shared_ids(np.arange(4), np.array([2]))),
    ):
        assert bias[2] == pytest.approx(np.mean(bias[[0, 1, 3]]))


def test_centering_takes_the_gap_between_modalities_away():
    rng = np.random.default_rng(0)
    things = rng.normal(size=(300, 6))
    gap = 4 * np.eye(6)[0]
    texts, images = normalize(things + gap), normalize(things - gap)
    before = np.linalg.norm(texts.mean(axis=0) - images.mean(axis=0))
    moved = [center(part, part.mean(axis=0)) for part in (texts, images)]
    np.testing.assert_allclose(np.linalg.norm(moved[0], axis=1), 1, atol=1e-6)
    assert np.linalg.norm(moved[0].mean(axis=0) - moved[1].mean(axis=0)) < 0.15 * before


def test_the_choice_never_lowers_the_validated_score_and_helps_on_a_hub(planted):
    queries, gallery, bank = planted
    chosen = choose_correction(queries, gallery, np.arange(200), np.arange(200), bank)
    assert chosen["name"] != "none"
    assert chosen["score"] > chosen["score_without"] + 0.05
    left, right = apply(chosen, queries, gallery, bank)
    again = ranks(left, right, np.arange(200), np.arange(200))
    assert chosen["score"] == pytest.approx(np.mean([np.mean(again <= k) for k in (1, 5, 10)]))
    for seed in range(8):  # noise: nothing to gain
        q, g, m = units(20, seed=seed), units(25, seed=50 + seed), units(40, seed=90 + seed)
        luck = choose_correction(q, g, np.arange(20), np.arange(20), m)
        assert luck["score"] >= luck["score_without"]


def test_without_a_gain_nothing_is_corrected():
    exact = np.eye(12, dtype=np.float32)
    chosen = choose_correction(exact, exact, np.arange(12), np.arange(12), units(30, d=12))
    assert (chosen["name"], chosen["score"], chosen["score_without"]) == ("none", 1.0, 1.0)


def test_a_choice_is_plain_data():
    import json

    chosen = choose_correction(units(20), units(20, seed=1), np.arange(20), np.arange(20), units(9, seed=2))
    assert json.loads(json.dumps(chosen)) == chosen


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: inverted_softmax(units(3), units(3), 0), "beta above 0"),
        (lambda: csls(units(3), units(3), 0), "at least 1 neighbor"),
        (lambda: csls(units(3), units(3)[:0]), "bank of at least one query"),
        (lambda: apply({"name": "cslss"}, units(3), units(3), units(3)), "did you mean 'csls'"),
    ],
)
def test_wrong_calls_are_one_sentence(call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call()
