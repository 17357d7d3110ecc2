"""Sub-networks against their formulas: in a cascade the second reads the first; cut it, and the answer changes."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import erf

import chiasm
from chiasm import ChiasmError
from chiasm.fuse._trained import JOINT, TrainedFuser, one_of
from chiasm.fuse.subnetwork import Subnetwork
from chiasm.nn.blocks import ArrayOps, TensorOps

WIDTHS = {"a": 4, "b": 3, "c": 2}


def random_params(model):
    """A network whose parameters are all different from 0."""
    rng = np.random.default_rng(0)
    start = model._start(WIDTHS, 3, rng)
    return {
        group: {n: rng.normal(size=v.shape).astype(np.float32) for n, v in inner.items()}
        for group, inner in start.items()
    }


def some_rows():
    rng = np.random.default_rng(1)
    rows = {name: rng.normal(size=(6, width)).astype(np.float32) for name, width in WIDTHS.items()}
    return rows, np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0]], np.float32)


def cascade():
    model = Subnetwork(join="cascade")
    model.order_ = ["b", "a", "c"]
    return model


def gelu_norm(x):
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return x * (1 + erf(x / np.sqrt(2))) / 2


def says(one, units):
    return np.tanh(gelu_norm(units + one["bias"][0]) @ one["say"] + one["shift"][0])


def test_a_cascade_is_its_formula_and_an_absent_view_hands_on():
    params, (rows, here) = random_params(cascade()), some_rows()
    out, weights = cascade()._forward(params, rows, here, ArrayOps(), 0.0)
    for i in range(6):
        said = np.zeros(32)
        for name in ("b", "a", "c"):
            if here[i, "abc".index(name)]:
                said = says(params[name], rows[name][i] @ params[name]["own"] + said @ params[name]["told"])
        np.testing.assert_allclose(out[i], said @ params[JOINT]["head"] + params[JOINT]["offset"][0], atol=2e-3)
    shares = np.concatenate(weights, axis=1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares[here == 0] == 0).all()
    assert (shares[here == 1] > 0).all()


def test_parallel_networks_know_nothing_of_one_another():
    model = Subnetwork()
    params, (rows, here) = random_params(model), some_rows()
    out, weights = model._forward(params, rows, here, ArrayOps(), 0.0)
    for i in range(6):
        joined = params[JOINT]["inner"][0]
        for v, name in enumerate("abc"):
            one = params[name]
            joined = joined + (says(one, rows[name][i] @ one["own"]) @ one["join"] if here[i, v] else one["absent"][0])
        known = gelu_norm(joined) @ params[JOINT]["head"] + params[JOINT]["offset"][0]
        np.testing.assert_allclose(out[i], known, atol=2e-3)
    np.testing.assert_allclose(np.concatenate(weights, axis=1).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("model", [Subnetwork(), cascade()], ids=["parallel", "cascade"])
def test_numpy_says_what_torch_says(model):
    params, (rows, here) = random_params(model), some_rows()
    mine = model._forward(params, rows, here, ArrayOps(), 0.0)
    tensors = {group: {n: torch.tensor(v) for n, v in inner.items()} for group, inner in params.items()}
    asked = {name: torch.tensor(values) for name, values in rows.items()}
    known = model._forward(tensors, asked, torch.tensor(here), TensorOps(None), 0.0)
    for one, other in zip([mine[0], *mine[1]], [known[0], *known[1]], strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


def planted(n, seed):
    """The class is whether the signs of two views agree: neither tells it alone, nor do both added up."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    return {"a": a, "b": b}, np.where(a[:, 0] * b[:, 0] > 0, "same", "other")


@pytest.fixture(scope="module")
def trained():
    return Subnetwork(join="cascade").fit(*planted(600, 0))


def cut(model):
    """A cascade whose second network is told nothing."""
    other = copy.copy(model)
    params = {group: dict(inner) for group, inner in model.params_.items()}
    params["b"]["told"] = 0 * params["b"]["told"]
    other.params_ = params
    return other


def test_the_second_network_reads_the_first_and_cut_off_the_answer_is_gone(trained):
    views, truth = planted(300, 1)
    assert trained.order_ == ["a", "b"]
    assert float(trained.score(views, truth)) > 0.75
    assert float(cut(trained).score(views, truth)) < 0.6
    assert np.abs(cut(trained).predict_proba(views) - trained.predict_proba(views)).mean() > 0.1
    alone = trained._said(one_of(trained.params_, 0), _turned(trained, views), np.array([[0, 1]] * 300))[0]
    mute = trained._said(one_of(cut(trained).params_, 0), _turned(trained, views), np.array([[1, 1]] * 300))[0]
    np.testing.assert_allclose(mute, alone, atol=1e-6)


def _turned(model, views):
    from chiasm.stats.blocks import blocks
    from chiasm.views import as_views

    return model._turned(blocks(as_views(views)), 300)


def test_the_order_is_each_view_once(monkeypatch):
    monkeypatch.setattr(TrainedFuser, "_epochs", 2)
    views, y = planted(80, 0)
    turned = Subnetwork(join="cascade", order=["b", "a"]).fit(views, y)
    assert turned.order_ == ["b", "a"]
    weights = turned.row_weights({"b": views["b"]})
    np.testing.assert_allclose(weights, np.tile([0.0, 1.0], (80, 1)), atol=1e-6)
    with pytest.raises(ChiasmError, match="each of a, b once"):
        Subnetwork(join="cascade", order=["a"]).fit(views, y)


def test_saved_it_answers_where_torch_cannot_be_imported(tmp_path, trained):
    views, _ = planted(20, 2)
    views["a"][:5] = np.nan
    chiasm.save(trained, tmp_path / "model")
    np.savez(tmp_path / "known.npz", **views, known=trained.predict_proba(views))
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "home = pathlib.Path(sys.argv[1]); held = dict(np.load(home / 'known.npz')); known = held.pop('known')\n"
        "found = chiasm.load(home / 'model').predict_proba(held)\n"
        "np.testing.assert_allclose(found, known, rtol=1e-5, atol=1e-5)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
