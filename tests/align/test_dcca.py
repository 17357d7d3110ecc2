"""Deep CCA: it finds what no linear map finds, in float64, and stops before it makes correlations out of nothing."""

import warnings

import numpy as np
import pytest
import torch

from chiasm.align.cca import CCA
from chiasm.align.dcca import DCCA
from chiasm.align.dccae import DCCAE
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.nn.blocks import TensorOps
from chiasm.nn.losses import total_correlation
from chiasm.nn.pairs import Batch
from chiasm.nn.train import Step

pytestmark = pytest.mark.filterwarnings("ignore::chiasm.errors.ChiasmWarning")


def folded(n, seed=0):
    """b sees the latent numbers without their signs: no linear map of a is correlated with b."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    a, b = z @ rng.normal(size=(2, 6)), np.abs(z) @ rng.normal(size=(2, 6))
    return {name: (v + 0.01 * rng.normal(size=v.shape)).astype(np.float32) for name, v in (("a", a), ("b", b))}


def parts(views, at):
    return [{name: rows[some] for name, rows in views.items()} for some in (slice(at), slice(at, None))]


@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_pairs_where_linear_cca_cannot_and_a_linear_head_neither(seed):
    train, test = parts(folded(800, seed), 700)
    made = {head: DCCA(head=head, k=8, batch=128, epochs=100).fit(train) for head in ("mlp", "linear")}
    assert made["mlp"].score(test) > 0.12  # chance is 0.01
    assert max(CCA().fit(train).score(test), made["linear"].score(test)) < 0.06


def test_total_correlation_is_that_of_cca():
    a, b = planted_pair(4000, widths=(6, 5), correlations=(0.9, 0.5, 0.2))
    found = total_correlation(torch.tensor(a), torch.tensor(b), 1e-9)
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(
        float(CCA(ridge=1e-9, precision="float64").fit({"a": a, "b": b}).correlations_.sum()), abs=1e-4
    )


def test_more_outputs_than_directions_and_equal_rows_make_no_nan():
    a = torch.ones(20, 6, requires_grad=True)
    loss = total_correlation(a @ torch.randn(6, 9), torch.randn(20, 9), 0.1)
    (slope,) = torch.autograd.grad(loss, a)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()


def test_ten_times_the_epochs_do_not_make_it_collapse():
    a, b = planted_pair(400, widths=(20, 20), correlations=(0.98,) * 6)
    train, test = parts({"a": a, "b": b}, 200)
    short, long = (float(DCCA(k=8, batch=100, epochs=epochs).fit(train).score(test)) for epochs in (30, 300))
    assert long > 0.8 * short > 0.1  # chance is 0.005


def test_the_penalty_of_noise_keeps_networks_from_correlating_what_is_unrelated():
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(300, 20)), "b": rng.normal(size=(300, 20))}
    held = {name: rows[:2] for name, rows in views.items()}  # so few choose nothing: it learns on

    def told(noise):
        model = DCCA(k=8, batch=150, epochs=90, noise=noise).fit(views, val=held)
        return float(model.last_.correlations_.sum()), model.chosen_["epochs"]

    (free, epochs), (kept, same) = told(0.0), told(10.0)
    assert epochs == same > 20
    assert kept < 0.7 * free


def test_the_penalty_is_what_a_network_changes_of_the_correlation_of_data_with_noise():
    rng = np.random.default_rng(0)
    x = {name: torch.tensor(rows) for name, rows in folded(400).items()}
    at = torch.arange(400)

    def penalty(weight):
        step = Step(TensorOps(None), torch.Generator().manual_seed(0), 0.0)
        params = {name: {"weight": torch.tensor(weight, dtype=torch.float32)} for name in x}
        with_, without = (
            DCCA(head="linear", ridge=1e-6, noise=noise)._objective(None, {})(
                params, x, {("a", "b"): Batch(at, at, None)}, step
            )
            for noise in (1.0, 0.0)
        )
        return float(with_ - without)

    square = rng.normal(size=(6, 6))
    assert penalty(square) < 0.01  # of full rank: nothing changes
    square[:, 3:] = square[:, :3]
    assert penalty(square) > 0.1  # half of what was there is gone


def test_batches_of_few_pairs_are_refused_and_few_pairs_have_few_outputs():
    with pytest.raises(ChiasmError, match="at least twice as many pairs as outputs, got batch=100 and k=64"):
        DCCA(batch=100).fit(folded(300))
    model = DCCA(epochs=3).fit(folded(20))
    assert model.width_ == 10


@pytest.mark.parametrize("make", [DCCA, DCCAE])
def test_two_things_however_often_are_told_to_vary_in_one_direction(make):
    two = {name: rows[:2] for name, rows in folded(20).items()}
    for views in (two, {name: np.repeat(rows, 40, axis=0) for name, rows in two.items()}):
        with pytest.raises(ChiasmError, match="varies in one direction alone"):
            make(epochs=1).fit(views)
        assert make(head="linear", epochs=1).fit(views).width_ >= 1


def test_a_space_cut_to_half_of_the_pairs_is_told_so():
    a, b = planted_pair(60, widths=(40, 40), correlations=(0.9,) * 40)
    with pytest.warns(
        ChiasmWarning, match="wanted k=64, got 30: there are at most half as many outputs as pairs"
    ) as told:
        DCCA(epochs=2).fit({"a": a, "b": b})
    assert sum("wanted k=64" in str(one.message) for one in told) == 1


def test_narrow_spaces_are_told_once():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        DCCA(k=8, batch=64, epochs=2).fit(folded(120))
    assert all("DCCA" in str(one.message) for one in found if one.category is ChiasmWarning)
