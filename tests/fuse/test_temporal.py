"""Heads over time against torch's own layers and their formulas; temporal fusion where order is everything."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import erf, expit, softmax

import chiasm
from chiasm import ChiasmError
from chiasm.fuse import temporal
from chiasm.fuse.early import Early
from chiasm.fuse.temporal import Temporal
from chiasm.nn.blocks import ArrayOps, TensorOps
from chiasm.nn.temporal import READERS, attention, bilstm, conv, gru, lstm, reader
from chiasm.stats.blocks import blocks
from chiasm.views import as_views

STEPS = 6


def ordered(n, seed=0, steps=STEPS):
    """Two events in noise at two random steps: the class is which came first. A mean over time cannot know."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = 0.2 * rng.normal(size=(n, steps, 4))
    at = np.sort(np.stack([rng.choice(steps, 2, replace=False) for _ in range(n)]), axis=1)
    at[y == 1] = at[y == 1, ::-1]
    x[np.arange(n), at[:, 0], 0] += 3
    x[np.arange(n), at[:, 1], 1] += 3
    return x.astype(np.float32), np.array(["first", "second"], dtype=object)[y]


def flat(x):
    return x.reshape(len(x), -1)


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def random_params(made, seed=0):
    rng = np.random.default_rng(seed)
    return {name: (0.5 * rng.normal(size=values.shape)).astype(np.float32) for name, values in made.items()}


@pytest.fixture(scope="module")
def sequences():
    return np.random.default_rng(3).normal(size=(6, 5, 4)).astype(np.float32)


@pytest.fixture
def short(monkeypatch):
    """Few epochs: for claims that hold however long training is."""
    monkeypatch.setattr(temporal.Temporal, "_epochs", 3)


@pytest.fixture
def brief(monkeypatch):
    """Enough epochs for what is easily learned."""
    monkeypatch.setattr(temporal.Temporal, "_epochs", 12)


@pytest.fixture(scope="module")
def mixed():
    """Which event came first says one bit (view time), a plain vector another: four classes."""
    x, order = ordered(500)
    rng = np.random.default_rng(7)
    side = rng.integers(0, 2, 500)
    plain = (rng.normal(size=(500, 6)) + 2 * side[:, None]).astype(np.float32)
    y = np.array([f"{a} {b}" for a, b in zip(order, side, strict=True)], dtype=object)
    return {"time": flat(x), "plain": plain}, y


@pytest.fixture(scope="module", params=["concat", "gru"])
def fitted(request, mixed):
    views, y = mixed
    fused = Temporal(steps={"time": STEPS}, head="gru", join=request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(temporal.Temporal, "_epochs", 15)
        return fused.fit({name: values[:350] for name, values in views.items()}, y[:350])


@pytest.mark.parametrize(("ours", "layer"), [(gru, torch.nn.GRU), (lstm, torch.nn.LSTM)])
def test_a_recurrent_reader_is_the_mean_output_of_torch_s_own_layer(ours, layer, sequences):
    params = random_params(ours.init(4, 6, 5, np.random.default_rng(0)))
    known = layer(4, 6, batch_first=True)
    names = {"GRU": "zrn", "LSTM": "ifog"}[layer.__name__]
    torch_names = {"GRU": "rzn", "LSTM": "ifgo"}[layer.__name__]

    def theirs(values):
        gates = dict(zip(names, np.split(values, len(names), axis=-1), strict=True))
        return torch.tensor(np.concatenate([gates[g] for g in torch_names], axis=-1).T).squeeze(-1)

    with torch.no_grad():
        known.weight_ih_l0.copy_(theirs(params["in"]))
        known.weight_hh_l0.copy_(theirs(params["again"]))
        known.bias_ih_l0.copy_(theirs(params["bias"]))
        known.bias_hh_l0.zero_()
        if "inner" in params:
            known.bias_hh_l0[12:] = torch.tensor(params["inner"][0])
        outputs = known(torch.tensor(sequences))[0]
    np.testing.assert_allclose(ours.read(params, sequences, ArrayOps()), outputs.mean(dim=1), atol=1e-5)


def test_a_two_way_lstm_is_one_lstm_and_another_that_reads_backwards(sequences):
    params = random_params(bilstm.init(4, 6, 5, np.random.default_rng(0)))
    found = bilstm.read(params, sequences, ArrayOps())
    on = {name[2:]: values for name, values in params.items() if name.startswith("0.")}
    back = {name[2:]: values for name, values in params.items() if name.startswith("1.")}
    np.testing.assert_allclose(found[:, :3], lstm.read(on, sequences, ArrayOps()), atol=1e-6)
    np.testing.assert_allclose(found[:, 3:], lstm.read(back, sequences[:, ::-1], ArrayOps()), atol=1e-6)


def test_a_convolution_over_time_is_the_largest_of_torch_s_own(sequences):
    params = random_params(conv.init(4, 6, 5, np.random.default_rng(0)))
    weight = torch.tensor(params["kernel"].reshape(5, 4, 6).transpose(2, 1, 0).copy())
    seen = torch.nn.functional.conv1d(torch.tensor(sequences).transpose(1, 2), weight, padding=2)
    known = gelu(seen.numpy() + params["bias"].T[None]).max(axis=2)
    np.testing.assert_allclose(conv.read(params, sequences, ArrayOps()), known, atol=1e-5)


def test_attention_over_time_equals_its_formula_step_by_step(sequences):
    params = random_params(attention.init(4, 8, 5, np.random.default_rng(0)))
    found = attention.read(params, sequences, ArrayOps())
    for i, sequence in enumerate(sequences):
        seen = sequence @ params["token"] + params["place"]
        seen = (seen - seen.mean(axis=1, keepdims=True)) / np.sqrt(seen.var(axis=1, keepdims=True) + 1e-5)
        tokens = gelu(seen)
        shares = softmax(tokens @ params["score"], axis=0)
        known = np.concatenate([shares[:, q] @ tokens[:, 2 * q : 2 * q + 2] for q in range(4)])
        np.testing.assert_allclose(found[i], known, atol=1e-4)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_says_the_same_in_numpy_and_torch_and_for_networks_side_by_side(name, sequences):
    made = [random_params(reader(name).init(4, 8, 5, np.random.default_rng(0)), seed) for seed in range(3)]
    stacked = {key: np.stack([one[key] for one in made]) for key in made[0]}
    known = np.stack([reader(name).read(one, sequences, ArrayOps()) for one in made])
    assert known.shape == (3, 6, 8)
    np.testing.assert_allclose(reader(name).read(stacked, sequences, ArrayOps()), known, atol=1e-5)
    tensors = {key: torch.tensor(values) for key, values in stacked.items()}
    found = reader(name).read(tensors, torch.tensor(sequences), TensorOps(None))
    np.testing.assert_allclose(found.numpy(), known, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_a_single_step_and_notices_the_order_of_several(name, sequences):
    ops, rng = ArrayOps(), np.random.default_rng(0)
    params = random_params(reader(name).init(4, 8, 5, rng))
    assert (
        np.abs(reader(name).read(params, sequences[:, ::-1], ops) - reader(name).read(params, sequences, ops)).max()
        > 0.01
    )
    one = random_params(reader(name).init(4, 8, 1, rng))
    assert reader(name).read(one, sequences[:, :1], ops).shape == (6, 8)


@pytest.mark.parametrize("head", ["gru", "lstm", "bilstm", "attention"])
def test_a_head_over_time_learns_which_event_came_first_and_a_mean_over_time_cannot(head, brief):
    x, y = ordered(400)
    fresh, truth = ordered(300, seed=1)
    fused = Temporal(steps=STEPS, head=head).fit({"x": flat(x)}, y)
    assert fused.score({"x": flat(fresh)}, truth) > (0.9 if head == "attention" else 0.95)
    if head == "gru":
        blind = Early().fit({"x": x.mean(axis=1)}, y)
        assert abs(float(blind.score({"x": fresh.mean(axis=1)}, truth)) - 0.5) < 0.1
        rng = np.random.default_rng(2)
        shuffled = np.stack([row[rng.permutation(STEPS)] for row in fresh])
        assert abs(float(fused.score({"x": flat(shuffled)}, truth)) - 0.5) < 0.1


def test_two_sequences_give_the_formula_of_lstm_and_convolution():
    """F = W_fc [tanh(W_lstm H); tanh(W_conv V)]: words through a two-way LSTM, pictures through a convolution."""
    rng = np.random.default_rng(0)
    part = Temporal(steps={"words": 3, "pictures": 5}, head={"words": "bilstm", "pictures": "conv"})
    part.steps_, part.heads_ = {"words": 3, "pictures": 5}, {"words": "bilstm", "pictures": "conv"}
    start = part._start({"words": 12, "pictures": 10}, 3, rng)
    params = {group: random_params(inner, i) for i, (group, inner) in enumerate(start.items())}
    rows = {name: rng.normal(size=(4, width)).astype(np.float32) for name, width in (("words", 12), ("pictures", 10))}
    found, _ = part._forward(params, rows, np.ones((4, 2), np.float32), ArrayOps(), 0.0)
    words = {name[5:]: values for name, values in params["words"].items() if name.startswith("over_")}
    pictures = {name[5:]: values for name, values in params["pictures"].items() if name.startswith("over_")}
    h = bilstm.read(words, rows["words"].reshape(4, 3, 4), ArrayOps())
    v = conv.read(pictures, rows["pictures"].reshape(4, 5, 2), ArrayOps())
    both = np.hstack(
        [
            np.tanh(h @ params["words"]["map"] + params["words"]["shift"]),
            np.tanh(v @ params["pictures"]["map"] + params["pictures"]["shift"]),
        ]
    )
    f = both @ np.vstack([params["words"]["join"], params["pictures"]["join"]]) + params["(all)"]["inner"]
    f = (f - f.mean(axis=1, keepdims=True)) / np.sqrt(f.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, gelu(f) @ params["(all)"]["head"] + params["(all)"]["offset"], atol=1e-3)


def test_joining_by_gates_starts_with_the_first_view_there_and_lets_each_next_one_in_by_its_gate():
    rng = np.random.default_rng(0)
    part = Temporal(join="gru")
    part.steps_ = {}
    params = {g: random_params(inner, i) for i, (g, inner) in enumerate(part._start({"a": 3, "b": 2}, 2, rng).items())}
    rows = {"a": rng.normal(size=(3, 3)).astype(np.float32), "b": rng.normal(size=(3, 2)).astype(np.float32)}
    here = np.array([[1, 1], [1, 0], [0, 1]], np.float32)
    found, (of_a, of_b) = part._forward(params, rows, here, ArrayOps(), 0.0)
    joint = params["(all)"]
    for i in range(3):
        h, kept = np.zeros(64), None
        for name, has in zip("ab", here[i], strict=True):
            if not has:
                continue
            u = np.tanh(rows[name][i] @ params[name]["map"] + params[name]["shift"][0])
            z, r, n = np.split(u @ joint["in"] + joint["bias"][0], 3)
            held = np.split(h @ joint["again"], 3)
            z, r = expit(z + held[0]), expit(r + held[1])
            n = np.tanh(n + r * (held[2] + joint["inner"][0]))
            kept = np.zeros(64) if kept is None else z
            h = (1 - kept) * n + kept * h
        np.testing.assert_allclose(found[i], h @ joint["head"] + joint["offset"][0], atol=1e-4)
        shares = {(1, 1): (kept, 1 - kept), (1, 0): (np.ones(64), np.zeros(64)), (0, 1): (np.zeros(64), np.ones(64))}
        mine = shares[tuple(here[i].astype(int).tolist())]
        np.testing.assert_allclose(of_a[i], mine[0], atol=1e-5)
        np.testing.assert_allclose(of_b[i], mine[1], atol=1e-5)


def test_a_view_over_time_and_a_plain_one_together_say_what_neither_says_alone(fitted, mixed):
    views, y = mixed
    test, truth = {name: values[350:] for name, values in views.items()}, y[350:]
    assert fitted.score(test, truth) > 0.85
    alone = [float(fitted.score({name: values}, truth)) for name, values in test.items()]
    assert max(alone) < 0.62  # one bit of two: 0.5
    assert min(alone) > 0.35


def test_weights_sum_to_one_over_the_views_that_are_there_and_a_row_without_any_gets_the_prior(fitted, mixed):
    test = {name: values[350:].copy() for name, values in mixed[0].items()}
    test["time"][::2] = np.nan
    test["plain"][::3] = np.nan
    here = ~np.isnan(np.stack([test["time"][:, 0], test["plain"][:, 0]], axis=1))
    weights = fitted.row_weights(test)
    np.testing.assert_allclose(weights.sum(axis=1), here.any(axis=1), atol=1e-5)
    assert (weights[~here] == 0).all()
    np.testing.assert_allclose(fitted.predict_proba(test)[::6], np.tile(fitted.prior_, (25, 1)))


def test_saved_it_answers_alike_where_torch_cannot_be_imported(tmp_path, fitted, mixed):
    test = {name: values[350:] for name, values in mixed[0].items()}
    chiasm.save(fitted, tmp_path / "part")
    np.savez(tmp_path / "test.npz", known=fitted.predict_proba(test), **test)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "home = pathlib.Path(sys.argv[1]); test = dict(np.load(home / 'test.npz')); known = test.pop('known')\n"
        "fused = chiasm.load(home / 'part')\n"
        "np.testing.assert_allclose(fused.predict_proba(test), known, rtol=1e-5, atol=1e-5)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_model_saved_when_axes_stood_beside_their_kernel_answers_and_weighs_alike(fitted, mixed):
    test = {name: values[350:] for name, values in mixed[0].items()}
    old = copy.copy(fitted)
    axes = fitted.kernels_["time"]
    old.kernels_ = fitted.kernels_ | {"time": axes.kernel_}
    old.axes_, old.scales_ = {"time": 3 * axes.axes_}, fitted.scales_ | {"time": 3.0}
    np.testing.assert_allclose(old.predict_proba(test), fitted.predict_proba(test), atol=1e-5)
    np.testing.assert_allclose(old.row_weights(test), fitted.row_weights(test), atol=1e-5)


def test_importing_temporal_fusion_does_not_import_torch():
    code = "import sys, chiasm.fuse.temporal, chiasm.nn.temporal; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labels_dealt_at_random_teach_nothing_also_out_of_fold(brief):
    gained, right = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        views, y = {"x": rng.normal(size=(200, 24)), "b": rng.normal(size=(200, 6))}, rng.integers(0, 5, 200)
        fused = Temporal(steps={"x": 6}, head="conv").fit(views, y)
        crossed, truth = fused.crossed(views), fused.target_.encode(y)
        prior = fused.target_.gain(np.tile(fused.prior_, (200, 1)), truth).mean()
        gained.append(fused.target_.gain(crossed, truth).mean() - prior)
        right.append((crossed.argmax(axis=1) == y).mean())
    assert np.mean(gained) < 0.01
    assert np.mean(right) < 0.28  # the commonest class has 0.24, and 600 rows a standard error of 0.017


def test_numbers_come_in_their_own_unit_whatever_it_is(short):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12))
    y = x[:, 0] - x[:, 11] + 0.1 * rng.normal(size=200)
    plain = Temporal("numbers", steps=4, head="conv").fit({"x": x}, y)
    far = Temporal("numbers", steps=4, head="conv").fit({"x": x}, 5000 + 1000 * y)
    np.testing.assert_allclose(far.predict({"x": x}), 5000 + 1000 * plain.predict({"x": x}), rtol=1e-3, atol=20)


def test_steps_stand_on_the_principal_axes_of_all_steps_and_absent_ones_at_zero(short):
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50, 3, 6)) @ rng.normal(size=(6, 6))).astype(np.float32)
    absent = np.arange(50) % 5 == 0
    values = np.where(absent[:, None], np.nan, flat(x))
    fused = Temporal(steps=3, head="conv").fit({"x": values}, list("ab" * 25))
    found = fused._turned(blocks(as_views({"x": values})), 50)["x"]
    steps = x[~absent].reshape(-1, 6)
    known = PCA(6).fit_transform((steps - steps.mean(axis=0)) / steps.std(axis=0))[:, ::-1]
    known /= np.sqrt(np.square(known).mean())
    assert (found[absent] == 0).all()
    np.testing.assert_allclose(np.abs(found[~absent].reshape(-1, 6)), np.abs(known), atol=2e-3)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"steps": 7}, "wanted 7 steps side by side, got 12 numbers"),
        ({"steps": {"y": 3}}, "view in steps or head"),
        ({"steps": 3, "head": "gur"}, "did you mean"),
        ({"join": "sum"}, "concat"),
    ],
)
def test_what_cannot_be_read_over_time_is_one_sentence(params, words):
    x = np.random.default_rng(0).normal(size=(20, 12))
    with pytest.raises(ChiasmError, match=words):
        Temporal(**params).fit({"x": x}, list("ab" * 10))
