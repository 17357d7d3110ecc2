"""Ensemble selection against its slow definition, and what it is for."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.fuse.ensemble import Ensemble, mean, selected
from chiasm.target import Target

RNG = np.random.default_rng(0)


def rows(n=240, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    near = np.eye(3)[y]
    return {"a": near + rng.normal(size=(n, 3)), "b": near + rng.normal(size=(n, 3)), "n": rng.normal(size=(n, 4))}, y


def test_selection_is_the_best_of_every_prefix_by_brute_force():
    truth = np.eye(3)[RNG.integers(0, 3, 50)]
    values = RNG.dirichlet(np.ones(3), size=(4, 50))
    values[1] = 0.5 * values[1] + 0.5 * truth
    present = RNG.random((4, 50)) < 0.8
    target, prior = Target("classes"), truth.mean(axis=0)

    def slow_mean(taken):
        out = np.tile(prior, (50, 1))
        for row in range(50):
            there = [values[m, row] for m in taken if present[m, row]]
            if there:
                out[row] = np.mean(there, axis=0)
        return out

    taken, best, kept = [], -np.inf, None
    for _ in range(7):
        gains = [target.gain(slow_mean([*taken, m]), truth).mean() for m in range(4)]
        taken = [*taken, int(np.argmax(gains))]
        if max(gains) > best:
            best, kept = max(gains), list(taken)
    counts = selected(values, present, truth, target, 7)
    assert counts.tolist() == np.bincount(kept, minlength=4).tolist()
    np.testing.assert_allclose(mean(values, present, counts, prior), slow_mean(kept), atol=1e-12)


def test_an_answer_is_the_mean_of_what_is_kept_and_noise_is_not():
    views, y = rows()
    model = Ensemble(fusers=("early", "late")).fit(views, y)
    assert "n alone" not in model.shares_
    assert sum(model.shares_.values()) == pytest.approx(1)
    new, _ = rows(30, seed=1)
    by_hand = sum(
        share * model.fusers_[name].outputs(new) if name in model.fusers_ else 0
        for name, share in model.shares_.items()
    )
    for name, share in model.shares_.items():
        if name.endswith(" alone"):
            view = name.removesuffix(" alone")
            solo = Ensemble(fusers=()).fit({view: views[view]}, y)
            by_hand = by_hand + share * solo.outputs({view: new[view]})
    np.testing.assert_allclose(model.outputs(new), by_hand, atol=1e-6)


def test_out_of_fold_answers_know_nothing_of_their_own_labels():
    views, y = rows()
    dealt = np.random.default_rng(5).permutation(y)
    model = Ensemble(fusers=("early",)).fit(views, dealt)
    right = (model.crossed(views).argmax(axis=1) == dealt).mean()
    assert right < 1 / 3 + 3 * np.sqrt(2 / 9 / len(y))


def test_one_view_needs_no_fuser_and_a_fuser_named_twice_is_refused():
    views, y = rows()
    assert set(Ensemble().fit({"a": views["a"]}, y).shares_) == {"a alone"}
    with pytest.raises(ChiasmError, match="early twice"):
        Ensemble(fusers=("early", "early")).fit(views, y)
