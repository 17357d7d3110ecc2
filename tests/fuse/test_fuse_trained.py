"""Attention and gated fusion: weights that follow planted noise, absent views, answers without torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, softmax

import chiasm
from chiasm import ChiasmError
from chiasm.fuse import _trained
from chiasm.fuse._trained import epoch
from chiasm.fuse.attention import Attention
from chiasm.fuse.gated import Gated
from chiasm.nn.blocks import ArrayOps, TensorOps
from chiasm.stats.answers import auc
from chiasm.views import Column, Views

PARTS = [Attention, Gated]


def planted(n, seed=0, broken=0.0, width=16):
    """Three classes: a tells them now and then, b nearly always but in its broken rows, where it is static."""
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99)
    y = rng.integers(0, 3, n)
    a = mix.normal(size=(3, 20))[y] + 2.5 * rng.normal(size=(n, 20))
    b = mix.normal(size=(3, width))[y] + 0.7 * rng.normal(size=(n, width))
    noise = rng.random(n) < broken
    b[noise] = b.std() * rng.normal(size=(noise.sum(), width))
    return {"b": b, "a": a}, np.array(["x", "y", "z"])[y], noise


def some(views, rows):
    return {name: values[rows] for name, values in views.items()}


@pytest.fixture(scope="module")
def easy():
    views, y, _ = planted(500)
    return some(views, slice(300)), y[:300], some(views, slice(300, None)), y[300:]


@pytest.fixture(scope="module", params=PARTS)
def fitted(request, easy):
    return request.param().fit(*easy[:2])


@pytest.fixture
def short(monkeypatch):
    """Few epochs: for claims that hold however long training is."""
    monkeypatch.setattr(_trained.TrainedFuser, "_epochs", 3)


def share(gone, n, seed=0):
    """NaN in a share of the rows."""
    return np.where(np.random.default_rng(seed).random(n) < gone, np.nan, 1.0)[:, None]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.slow
def test_row_weights_follow_noise_planted_in_single_rows_of_one_view(part):
    train, y, _ = planted(500, broken=0.4)
    test, truth, noise = planted(400, seed=1, broken=0.4)
    fused = part().fit(train, y)
    of_b = fused.row_weights(test)[:, 0]
    assert auc(~noise, of_b) > 0.85
    assert of_b[~noise].mean() > of_b[noise].mean() + 0.05
    right = fused.predict(test) == truth
    assert right[~noise].mean() > 0.95  # a alone: 0.75
    assert right[noise].mean() > 0.55


def test_a_view_replaced_by_noise_loses_weight_and_the_answers_get_worse(easy, fitted):
    train, y, test, truth = easy
    static = np.random.default_rng(3)
    blind = type(fitted)().fit({**train, "b": static.normal(size=train["b"].shape)}, y)
    noised = {**test, "b": static.normal(size=test["b"].shape)}
    assert blind.score(noised, truth) < fitted.score(test, truth) - 0.1
    assert blind.row_weights(noised)[:, 0].mean() < 0.7 * fitted.row_weights(test)[:, 0].mean()
    assert blind.weights_["b"] < 0.7 * fitted.weights_["b"]


def test_weights_of_a_row_sum_to_one_over_the_views_that_it_has(fitted, easy):
    test = easy[2]
    thinned = {name: values * share(0.4, 200, seed) for seed, (name, values) in enumerate(test.items())}
    here = ~np.isnan(np.stack([values[:, 0] for values in thinned.values()], axis=1))
    assert {tuple(row) for row in here.tolist()} == {(a, b) for a in (True, False) for b in (True, False)}
    weights = fitted.row_weights(thinned)
    np.testing.assert_allclose(weights.sum(axis=1), here.any(axis=1), atol=1e-6)
    assert (weights[~here] == 0).all()
    assert (weights[here] > 0).all()
    np.testing.assert_allclose(fitted.row_weights({"a": test["a"]}), np.tile([0.0, 1.0], (200, 1)), atol=1e-6)
    assert sum(fitted.weights_.values()) == pytest.approx(1)
    assert list(fitted.weights_) == list(fitted.widths_) == ["b", "a"]


def test_a_row_without_any_view_is_answered_by_the_prior(fitted, easy):
    test = {name: values.copy() for name, values in easy[2].items()}
    for values in test.values():
        values[5] = np.nan
    np.testing.assert_allclose(fitted.predict_proba(test)[5], fitted.prior_)
    nothing = {name: np.full_like(values, np.nan) for name, values in test.items()}
    np.testing.assert_allclose(fitted.predict_proba(nothing), np.tile(fitted.prior_, (200, 1)))


@pytest.mark.slow
def test_a_view_alone_is_answered_about_as_well_as_by_a_model_of_that_view_alone():
    views, y, _ = planted(700, seed=4)
    train, test = some(views, slice(400)), some(views, slice(400, None))
    both, alone = Attention().fit(train, y[:400]), Attention().fit({"a": train["a"]}, y[:400])
    assert both.score({"a": test["a"]}, y[400:]) > alone.score({"a": test["a"]}, y[400:]) - 0.04


def test_views_that_are_nine_times_in_ten_absent_in_training_are_learned_from():
    views, y, _ = planted(900, seed=5)
    rare = {"a": views["a"][:600], "b": views["b"][:600] * share(0.9, 600)}
    fused = Gated().fit(rare, y[:600])
    assert fused.score(some(views, slice(600, None)), y[600:]) > fused.score({"a": views["a"][600:]}, y[600:]) + 0.05


def test_numpy_answers_as_torch_does(fitted):
    rng = np.random.default_rng(0)
    widths = {name: kernel.width for name, kernel in fitted.kernels_.items()}
    rows = {name: rng.normal(size=(30, width)).astype(np.float32) for name, width in widths.items()}
    here = np.array([[1, 1], [0, 1], [1, 0]] * 10, np.float32)
    mine = fitted._forward(fitted.params_, rows, here, ArrayOps(), 0.0)
    tensors = {group: {n: torch.tensor(v) for n, v in inner.items()} for group, inner in fitted.params_.items()}
    known = fitted._forward(
        tensors, {n: torch.tensor(v) for n, v in rows.items()}, torch.tensor(here), TensorOps(None), 0.0
    )
    np.testing.assert_allclose(mine[0], known[0].numpy(), rtol=1e-5, atol=1e-5)
    for one, other in zip(mine[1], known[1], strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-5)


def norm(x):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5)


def network(part, widths, seed=0):
    """A network whose parameters are all different from 0."""
    rng = np.random.default_rng(seed)
    start = part()._start(widths, 3, rng)
    return {
        group: {n: rng.normal(size=v.shape).astype(np.float32) for n, v in inner.items()}
        for group, inner in start.items()
    }


def test_attention_equals_its_formula_row_by_row():
    params, rng = network(Attention, {"a": 4, "b": 3, "c": 2}), np.random.default_rng(1)
    rows = {name: rng.normal(size=(5, width)).astype(np.float32) for name, width in (("a", 4), ("b", 3), ("c", 2))}
    here = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 1, 1]], np.float32)
    out, weights = Attention()._forward(params, rows, here, ArrayOps(), 0.0)
    joint = params["(all)"]
    for i in range(5):
        there = [name for name, has in zip(rows, here[i], strict=True) if has]
        tokens = {}
        for name in there:
            x = norm(rows[name][i] @ params[name]["token"] + params[name]["shift"][0])
            tokens[name] = x * (1 + erf(x / np.sqrt(2))) / 2
        context = np.mean(list(tokens.values()), axis=0) @ joint["context"]
        scores = [
            np.tanh(tokens[v] @ params[v]["scoring"] + params[v]["bias"][0] + context) @ joint["query"][:, 0]
            for v in there
        ]
        shares = softmax(scores)
        fused = sum(w * token for w, token in zip(shares, tokens.values(), strict=True))
        np.testing.assert_allclose(out[i], fused @ joint["head"] + joint["offset"][0], rtol=1e-3, atol=1e-3)
        mine = [float(w[i, 0]) for w, has in zip(weights, here[i], strict=True) if has]
        np.testing.assert_allclose(mine, shares, rtol=1e-3, atol=1e-4)


def test_the_gates_of_two_views_are_z_and_one_minus_z():
    params, rng = network(Gated, {"a": 4, "b": 3}), np.random.default_rng(1)
    rows = {"a": rng.normal(size=(6, 4)).astype(np.float32), "b": rng.normal(size=(6, 3)).astype(np.float32)}
    out, (one, other) = Gated()._forward(params, rows, np.ones((6, 2), np.float32), ArrayOps(), 0.0)
    units = {v: np.stack([np.tanh(norm(x)) for x in rows[v] @ params[v]["hidden"] + params[v]["shift"]]) for v in rows}
    read = sum(units[v] @ params[v]["read"] for v in rows) + params["(all)"]["inner"]
    read = read * (1 + erf(read / np.sqrt(2))) / 2
    scores = [read @ params[v]["gate"] + params[v]["bias"] for v in rows]
    z = expit(scores[0] - scores[1])
    np.testing.assert_allclose(one, z, atol=1e-4)
    np.testing.assert_allclose(other, 1 - z, atol=1e-4)
    fused = z * units["a"] + (1 - z) * units["b"]
    np.testing.assert_allclose(out, fused @ params["(all)"]["head"] + params["(all)"]["offset"], atol=1e-3)


@pytest.mark.parametrize("part", PARTS)
def test_labels_dealt_at_random_teach_nothing_also_out_of_fold(part):
    rng = np.random.default_rng(0)
    views, y = {"a": rng.normal(size=(300, 8)), "b": rng.normal(size=(300, 6))}, rng.integers(0, 5, 300)
    fused = part().fit(views, y)
    crossed = fused.crossed(views)
    truth = fused.target_.encode(y)
    prior = fused.target_.gain(np.tile(fused.prior_, (300, 1)), truth).mean()
    assert fused.target_.gain(crossed, truth).mean() < prior + 0.01
    assert (crossed.argmax(axis=1) == y).mean() < 0.28  # chance: 0.2
    fresh = {"a": rng.normal(size=(300, 8)), "b": rng.normal(size=(300, 6))}
    assert fused.score(fresh, rng.integers(0, 5, 300)) < 0.28


def test_out_of_fold_answers_are_neither_fitted_ones_nor_far_from_those_to_new_rows(fitted, easy):
    train, y, test, truth = easy
    crossed = fitted.crossed(train)
    assert crossed.shape == (300, 3)
    right = (np.array(fitted.classes_)[crossed.argmax(axis=1)] == y).mean()
    assert abs(right - float(fitted.score(test, truth))) < 0.06


@pytest.mark.slow
def test_the_order_of_the_views_changes_no_more_than_another_seed_does(easy, fitted):
    train, y, test, truth = easy
    turned = type(fitted)().fit(dict(reversed(train.items())), y)
    seeded = type(fitted)(seed=1).fit(train, y)
    assert list(turned.widths_) == ["a", "b"]
    away = [np.abs(other.predict_proba(test) - fitted.predict_proba(test)).mean() for other in (turned, seeded)]
    assert away[0] < 2 * away[1] + 0.01
    assert abs(turned.score(test, truth) - fitted.score(test, truth)) < 0.05


@pytest.mark.slow
def test_numbers_come_in_their_own_unit():
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(500, 4)), "b": rng.normal(size=(500, 3))}
    y = views["a"][:, 0] - views["b"][:, 1] + 0.1 * rng.normal(size=500)
    train, test = some(views, slice(350)), some(views, slice(350, None))
    plain, far = Attention("numbers").fit(train, y[:350]), Attention("numbers").fit(train, 5000 + 1000 * y[:350])
    assert plain.score(test, y[350:]) > 0.7
    np.testing.assert_allclose(far.predict(test), 5000 + 1000 * plain.predict(test), rtol=1e-3, atol=20)


def test_every_tag_is_answered_on_its_own():
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(500, 4)), "b": rng.normal(size=(500, 3))}
    tags = [
        ["p"] * bool(u > 0.5) + ["q"] * bool(v > 0) for u, v in zip(views["a"][:, 0], views["b"][:, 0], strict=True)
    ]
    fused = Gated("tags").fit(some(views, slice(350)), tags[:350])
    found = fused.predict_proba(some(views, slice(350, None)))
    assert auc(np.array(["p" in t for t in tags[350:]]), found[:, 0]) > 0.9
    assert auc(np.array(["q" in t for t in tags[350:]]), found[:, 1]) > 0.9
    sums = found.sum(axis=1)
    assert sums.min() < 0.6 < 1.4 < sums.max()


@pytest.mark.parametrize("part", PARTS)
def test_training_neither_depends_on_nor_moves_the_state_of_torch(part, easy, short):
    train, y, test, _ = easy
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        found.append(part().fit(train, y).predict_proba(test))
        assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(found[0], found[1])


def test_saved_fusers_answer_and_weigh_where_torch_cannot_be_imported(tmp_path, easy, short):
    train, y, test, _ = easy
    test = {name: values * share(0.3, 200, seed) for seed, (name, values) in enumerate(test.items())}
    for part in PARTS:
        fused = part().fit(train, y)
        chiasm.save(fused, tmp_path / part.__name__)
        known = {"outputs": fused.predict_proba(test), "weights": fused.row_weights(test)}
        np.savez(tmp_path / f"{part.__name__}.npz", **known)
    np.savez(tmp_path / "test.npz", **test)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "home = pathlib.Path(sys.argv[1]); test = dict(np.load(home / 'test.npz'))\n"
        "for name in sys.argv[2:]:\n"
        "    known, fused = np.load(home / f'{name}.npz'), chiasm.load(home / name)\n"
        "    np.testing.assert_allclose(fused.predict_proba(test), known['outputs'], rtol=1e-5, atol=1e-5)\n"
        "    np.testing.assert_allclose(fused.row_weights(test), known['weights'], rtol=1e-5, atol=1e-5)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), *(part.__name__ for part in PARTS)], check=True)


def test_importing_a_trained_fuser_does_not_import_torch():
    code = (
        "import sys, chiasm.fuse.attention, chiasm.fuse.gated, chiasm.fuse.aligned; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there_is_one_sentence(easy):
    with pytest.raises(ChiasmError, match="wanted device 'cuda'"):
        Attention(device="cuda").fit(*easy[:2])


@pytest.mark.parametrize("part", PARTS)
def test_few_rows_constant_views_and_a_view_that_one_fold_has_alone_are_no_reason_to_fail(part, short):
    rng = np.random.default_rng(0)
    tiny = part().fit({"a": rng.normal(size=(12, 4)), "b": np.ones((12, 2))}, list("xy" * 6))
    assert np.isfinite(tiny.predict_proba({"a": rng.normal(size=(3, 4)), "b": np.zeros((3, 2))})).all()
    lone = np.full((40, 3), np.nan)
    lone[:4] = rng.normal(size=(4, 3))
    groups = np.array([f"g{i // 4}" for i in range(40)], dtype=object)
    columns = {"a": Column("vector", rng.normal(size=(40, 4))), "b": Column("vector", lone[:4], np.r_[:4, [-1] * 36])}
    fused = part().fit(Views(columns, np.arange(40), {"group": groups}), np.arange(40) % 2)
    assert np.isfinite(fused.predict_proba({"b": rng.normal(size=(3, 3))})).all()


def test_an_epoch_shows_a_network_every_row_that_it_may_see_and_no_other():
    insides = [np.arange(0, 100), np.arange(50, 130)]
    batches = [batch["rows"] for batch in epoch(insides, np.random.default_rng(0))]
    whole = np.concatenate(batches, axis=1)
    assert whole.shape == (2, 100)
    assert [set(row) for row in whole.tolist()] == [set(rows.tolist()) for rows in insides]
    assert {len(batch[0]) for batch in batches} <= {16, 17}


def test_training_hides_views_in_shares_up_to_nine_in_ten_and_never_all_of_a_row(easy, short):
    fused = Attention().fit(*easy[:2])
    seen = []

    class Spy(Attention):
        def _forward(self, params, rows, here, ops, dropout):
            seen.append(here[0].numpy().copy())
            return super()._forward(params, rows, here, ops, dropout)

    spy = Spy()
    spy.kernels_ = fused.kernels_
    data = {n: torch.zeros(64, k.width) for n, k in fused.kernels_.items()}
    data |= {_trained.HERE: torch.ones(64, 2), _trained.TRUTH: torch.eye(3)[torch.zeros(64, dtype=int)]}
    data[_trained.HERE][:8, 0] = 0
    tensors = {group: {n: torch.tensor(v) for n, v in inner.items()} for group, inner in fused.params_.items()}
    generator = torch.Generator().manual_seed(0)
    step = type("Step", (), {"ops": TensorOps(generator), "generator": generator})
    for _ in range(200):
        spy._objective()(tensors, data, {"rows": torch.arange(64).repeat(5, 1)}, step)
    kept = np.array(seen)
    assert (kept.sum(axis=2) >= 1).all()
    assert (kept[:, :8, 0] == 0).all()
    whole = (kept[:, 8:].sum(axis=2) == 2).mean(axis=1)  # (1 - share)^2
    assert whole.min() < 0.1
    assert whole.max() > 0.9
    assert abs(whole.mean() - (1 - 0.1**3) / 2.7) < 0.05
