"""Cuts, coverage and loudness against slow, obvious versions and planted films."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.media.shots import SAME, _partition, changes, cover, directions, outstanding, pieces, spans


def film(lengths, noise, seed=0, width=40):
    """Steps of shots, each around a picture of its own."""
    rng = np.random.default_rng(seed)
    still = np.repeat(rng.uniform(size=(len(lengths), width)) ** 4, lengths, axis=0)
    return directions(still + noise * rng.uniform(size=still.shape))


def cost(rows, cuts, penalty):
    edges = [0, *cuts, len(rows)]
    shots = [rows[a:b] for a, b in pairwise(edges)]
    return sum(float(np.square(shot - shot.mean(axis=0)).sum()) for shot in shots) + penalty * len(cuts)


@pytest.mark.parametrize("seed", range(5))
def test_planted_cuts_are_found_whatever_the_length_of_shots(seed):
    lengths = np.random.default_rng(seed).integers(3, 40, 12)
    assert changes(film(lengths, 0.1, seed)).tolist() == np.cumsum(lengths)[:-1].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_cuts_are_the_best_of_all_possible_ones(seed):
    rng = np.random.default_rng(seed)
    rows = directions(np.repeat(rng.uniform(size=(4, 6)), 3, axis=0) + rng.uniform(size=(12, 6)))
    moved = np.square(np.diff(rows.astype(np.float64), axis=0)).sum(axis=1)
    penalty = 2 * max(float(np.median(moved)), SAME) * np.log(12)
    every = [cuts for n in range(12) for cuts in combinations(range(1, 12), n)]
    best = min(cost(rows.astype(np.float64), cuts, penalty) for cuts in every)
    found = _partition(rows, penalty)
    assert cost(rows.astype(np.float64), found, penalty) == pytest.approx(best, rel=1e-5)
    assert set(changes(rows).tolist()) <= set(found)


def test_a_film_of_one_shot_has_no_cut_however_long():
    assert changes(film([900], 0.5)).tolist() == []
    assert changes(film([300, 700], 0.3)).tolist() == [300]
    assert changes(np.ones((50, 4), np.float32)).tolist() == []


def test_a_slow_pan_is_no_cut_however_far_it_goes_and_a_jump_within_it_is_one():
    rng = np.random.default_rng(0)
    here, there = rng.uniform(size=(2, 40)) ** 4
    share = np.linspace(0, 1, 60)[:, None]
    pan = directions(here * (1 - share) + there * share)
    assert float(pan[0] @ pan[-1]) < 0.8
    assert changes(pan).tolist() == []
    assert changes(np.delete(pan, np.s_[20:50], axis=0)).tolist() == [20]


def test_a_restless_film_needs_larger_changes_than_a_quiet_one():
    rng = np.random.default_rng(3)
    step = np.repeat([[1.0] * 20, [1.0] * 10 + [3.0] * 10], 8, axis=0)
    noise = rng.uniform(size=step.shape)
    assert changes(directions(step + 0.02 * noise)).tolist() == [8]
    assert changes(directions(step + 30 * noise)).tolist() == []


def test_cuts_do_not_depend_on_the_scale_of_features():
    rng = np.random.default_rng(0)
    raw = np.repeat(rng.uniform(size=(4, 30)), 10, axis=0) + 0.1 * rng.uniform(size=(40, 30))
    assert changes(directions(raw)).tolist() == changes(directions(1e4 * raw)).tolist() == [10, 20, 30]


def test_spans_and_pieces_leave_no_second_out():
    cuts = np.array([4, 11, 12])
    assert spans(cuts, 20, 10.0).tolist() == [[0, 2], [2, 5.5], [5.5, 6], [6, 10]]
    parts = pieces(cuts, 20, 3)
    assert parts[0, 0] == 0
    assert parts[-1, 1] == 20
    assert (parts[1:, 0] == parts[:-1, 1]).all()
    assert (parts[:, 1] - parts[:, 0]).max() <= 3
    assert set(cuts.tolist()) <= set(parts[:, 0].tolist())


@pytest.mark.parametrize("seed", range(5))
def test_coverage_is_that_of_its_formula_and_near_the_best_there_is(seed):
    rng = np.random.default_rng(seed)
    rows = directions(rng.uniform(size=(9, 5)) ** 4)
    weights = rng.uniform(size=9)
    like = np.maximum(rows @ rows.T, 0) ** 2

    def value(chosen):
        return float(weights @ like[:, list(chosen)].max(axis=1) / weights.sum())

    chosen, gains = cover(rows, weights, 3)
    assert gains.sum() == pytest.approx(value(chosen), rel=1e-5)
    assert (np.diff(gains) <= 1e-9).all()
    best = max(value(some) for some in combinations(range(9), 3))
    assert (1 - 1 / np.e) * best <= value(chosen) <= best + 1e-6


def test_what_was_chosen_is_not_chosen_again_and_weight_comes_first():
    rows = np.repeat(np.eye(4), [9, 3, 2, 1], axis=0)
    kind = np.repeat(np.arange(4), [9, 3, 2, 1])
    assert kind[cover(rows, np.ones(15), 4)[0]].tolist() == [0, 1, 2, 3]
    assert kind[cover(rows, np.where(kind == 3, 20.0, 1.0), 2)[0]].tolist() == [3, 0]
    assert len(cover(rows, np.ones(15), 99)[0]) == len(set(cover(rows, np.ones(15), 99)[0])) == 15


def test_a_bang_stands_out_of_silence_and_of_noise_and_a_constant_does_not():
    noise = np.random.default_rng(0).normal(-40, 2, 200)
    noise[77] = -10
    found = outstanding(noise)
    assert found.argmax() == 77
    assert found[77] > 10
    assert np.median(found) < 1
    assert outstanding(np.full(9, -70.0)).tolist() == [0.0] * 9


def test_what_is_no_film_is_refused_in_words():
    with pytest.raises(ChiasmError, match="finite features"):
        changes(np.full((4, 3), np.nan))
    with pytest.raises(ChiasmError, match="weight"):
        cover(np.eye(3), np.zeros(3), 1)
    assert changes(np.ones((1, 3))).tolist() == []
