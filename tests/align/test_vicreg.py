"""Pairs are pulled together without negatives, and only what holds up the variance keeps them from one point."""

import numpy as np
import pytest
import torch

from chiasm.align.vicreg import VICReg
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.nn.losses import barlow, vicreg


def views(n=300):
    a, b = planted_pair(n, widths=(20, 12), correlations=(0.98,) * 8)
    return {"a": a[:200], "b": b[:200]}, {"a": a[200:], "b": b[200:]}


@pytest.mark.parametrize("loss", ["vicreg", "barlow"])
def test_both_criteria_find_pairs_from_a_random_start(loss):
    train, test = views()
    model = VICReg(loss=loss, start=None, rate=1e-2, batch=64).fit(train)
    assert model.score(test) > 0.6  # chance is 0.01


def test_without_variance_and_covariance_all_rows_end_in_one_point():
    train, test = views()
    held = {name: rows[:1] for name, rows in test.items()}  # one pair chooses nothing: it learns on
    spread = {}
    for name, weights in (("on", {}), ("off", {"variance": 0.0, "covariance": 0.0})):
        model = VICReg(start=None, rate=1e-2, batch=64, epochs=900, **weights).fit(train, val=held)
        assert model.chosen_["epochs"] == 300
        spread[name] = float(model.transform(test)["a"].items.std(axis=0).mean())
    assert spread["on"] > 0.8
    assert spread["off"] < 0.1


def test_repeated_directions_cost_and_independent_ones_of_variance_one_do_not():
    rng = np.random.default_rng(0)
    rows = torch.tensor(np.linalg.qr(rng.normal(size=(200, 6)))[0] * np.sqrt(199))
    rows = rows - rows.mean(dim=0)
    twice = torch.cat([rows[:, :3], rows[:, :3]], dim=1)
    assert float(vicreg(rows, rows)) < 1
    assert float(vicreg(twice, twice)) > float(vicreg(rows, rows)) + 1
    assert float(vicreg(0 * rows, 0 * rows)) > 40  # 25 a view, less what stands under the root
    assert float(barlow(rows, rows)) < 0.05
    assert float(barlow(10 * rows[:4], 10 * rows[:4], redundancy=0.0)) < 1e-6  # equal views cost nothing
    assert float(barlow(rows, rows.flip(0))) > 0.5


def test_batches_of_one_pair_which_does_not_vary_are_refused_and_a_last_one_does_no_harm():
    train = {name: rows[:3] for name, rows in views()[0].items()}
    with pytest.raises(ChiasmError, match="wanted batch to be a whole number of at least 2, got 1"):
        VICReg(loss="barlow", batch=1).fit(train)
    model = VICReg(loss="barlow", start=None, batch=2, epochs=3).fit(train)
    assert np.isfinite(model.transform(train)["a"].items).all()


def test_an_mlp_on_a_view_of_one_column_or_two_is_refused():
    train = views()[0]
    with pytest.raises(ChiasmError, match="'a' varies in two directions alone, of which an mlp head makes two points"):
        VICReg(head="mlp").fit({"a": train["a"][:, :2], "b": train["b"]})
    with pytest.raises(ChiasmError, match="view 'a' varies in one direction alone"):
        VICReg(head="mlp").fit({"a": train["a"][:, :1], "b": train["b"]})
