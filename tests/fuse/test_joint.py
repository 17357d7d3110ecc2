"""Joint training: its formula, every loss noted, learned weights, several heads, a run that breaks."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import erf

import chiasm
from chiasm import ChiasmError
from chiasm.encode import Encoder
from chiasm.errors import ChiasmWarning
from chiasm.fuse import _trained
from chiasm.fuse._last import PLACES, change, start
from chiasm.fuse._trained import JOINT
from chiasm.fuse.joint import Joint
from chiasm.known import Last
from chiasm.nn.blocks import ArrayOps, TensorOps
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

WIDTHS = {"a": 4, "b": 3}


@pytest.fixture
def short(monkeypatch):
    """Few epochs: for claims that hold however long training is."""
    monkeypatch.setattr(_trained.TrainedFuser, "_epochs", 3)


def planted(n, seed=0):
    """Three classes that both views tell, and a second question, `size`, that view b alone tells; some do not say."""
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99)
    y, size = rng.integers(0, 3, n), rng.integers(0, 2, n)
    a = mix.normal(size=(3, 6))[y] + rng.normal(size=(n, 6))
    b = np.hstack([mix.normal(size=(3, 5))[y] + rng.normal(size=(n, 5)), 2.0 * size[:, None] + rng.normal(size=(n, 1))])
    told = np.array(["small", "large"], dtype=object)[size]
    told[::5] = None
    columns = {"a": Column("vector", a.astype(np.float32)), "b": Column("vector", b.astype(np.float32))}
    return Views(columns, np.arange(n), {"label": np.array(["x", "y", "z"])[y], "size": told}), size


def random_params():
    model = Joint()
    model.kernels_ = dict.fromkeys(WIDTHS)
    rng = np.random.default_rng(0)
    start = model._start(WIDTHS, 3, rng)
    return model, {
        group: {n: rng.normal(size=np.shape(v)).astype(np.float32) for n, v in inner.items()}
        for group, inner in start.items()
    }


def gelu_norm(x):
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return x * (1 + erf(x / np.sqrt(2))) / 2


def test_it_is_its_formula_and_numpy_says_what_torch_says():
    model, params = random_params()
    rng = np.random.default_rng(1)
    rows = {name: rng.normal(size=(4, width)).astype(np.float32) for name, width in WIDTHS.items()}
    here = np.array([[1, 1], [1, 0], [0, 1], [1, 1]], np.float32)
    out, weights = model._forward(params, rows, here, ArrayOps(), 0.0)
    for i in range(4):
        joined, alone = params[JOINT]["inner"][0], []
        for v, (name, one) in enumerate((name, params[name]) for name in "ab"):
            said = np.tanh(gelu_norm(rows[name][i] @ one["own"] + one["bias"][0]) @ one["say"] + one["shift"][0])
            joined = joined + (said @ one["join"] if here[i, v] else one["absent"][0])
            alone += [said @ one["alone"] + one["offset"][0]] * int(here[i, v])
        np.testing.assert_allclose(
            out[i], np.mean(alone, axis=0) + gelu_norm(joined) @ params[JOINT]["head"], atol=2e-3
        )
    np.testing.assert_allclose(np.concatenate(weights, axis=1).sum(axis=1), 1, atol=1e-5)
    tensors = {group: {n: torch.tensor(v) for n, v in inner.items()} for group, inner in params.items()}
    asked = {name: torch.tensor(values) for name, values in rows.items()}
    known, _ = model._forward(tensors, asked, torch.tensor(here), TensorOps(None), 0.0)
    np.testing.assert_allclose(out, known.numpy(), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def learned():
    return Joint(weights="learned", also="size").fit(planted(300)[0])


def test_every_loss_and_its_weight_is_noted_and_what_is_minimized_falls(learned):
    assert list(learned.history_) == ["fused", "alone", "pairs", "size"]
    for of in learned.history_.values():
        assert len(of["loss"]) == len(of["weight"]) == len(learned.scores_) - 1
        assert of["loss"][-1] < of["loss"][0]
    last = learned.chosen_["epochs"] - 1
    assert learned.chosen_["weights"]["pairs"] == pytest.approx(learned.history_["pairs"]["weight"][last], abs=1e-4)
    assert max(learned.scores_, key=lambda one: one["score"])["epoch"] == learned.chosen_["epochs"]


def test_a_loss_that_stays_large_is_weighed_less(learned):
    weights = learned.chosen_["weights"]
    assert min(weights, key=weights.get) == max(learned.history_, key=lambda name: learned.history_[name]["loss"][-1])
    assert weights["pairs"] < weights["fused"]


def test_learned_weights_go_to_half_the_inverse_of_their_losses():
    doubt, loss = torch.zeros((), requires_grad=True), 2.5
    model = torch.optim.SGD([doubt], lr=0.5)
    for _ in range(200):
        model.zero_grad()
        ((-doubt).exp() * loss + doubt / 2).backward()
        model.step()
    assert (-doubt).exp().item() == pytest.approx(1 / (2 * loss), rel=1e-3)


def test_a_further_head_answers_its_own_question_and_rows_without_that_label_are_used(learned):
    views, size = planted(300, seed=1)
    found = learned.further(views)["size"]
    assert found.shape == (300, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert learned.also_["size"].names_ == ["large", "small"]
    assert (found.argmax(axis=1) == 1 - size).mean() > 0.75
    assert float(learned.score(views)) > 0.7


def test_a_loss_with_weight_0_is_not_trained(short):
    views, _ = planted(100)
    fused = Joint(weights=[1, 0, 0]).fit(views)
    assert list(fused.history_) == ["fused"]
    one = Joint().fit(views.replace({"a": views["a"]}))
    assert list(one.history_) == ["fused", "alone"]  # one view has no pairs


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"weights": [1, 1]}, "a weight each of the losses fused, alone, pairs, got 2"),
        ({"weights": [0, 0, 1]}, "no answer would be learned"),
        ({"weights": "best"}, "equal, learned, or numbers"),
        ({"weights": [1, -1, 0]}, "equal, learned, or numbers"),
        ({"also": "colour"}, "colour"),
        ({"also": "label"}, "no fact named 'label'"),
    ],
)
def test_what_cannot_be_is_told(params, told):
    with pytest.raises(ChiasmError, match=told):
        Joint(**params).fit(planted(60)[0])


def test_a_further_head_tells_classes_and_refuses_broken_numbers(short):
    def facts(views, values):
        return Views(views.columns, views.ids, {**views.facts, "price": values.astype(object)})

    views, size = planted(60)
    priced = np.where(np.arange(60) % 7 == 0, np.nan, 1.5 + np.arange(60))
    with pytest.raises(ChiasmError, match="wanted a fact of classes for a further head, got price with numbers like"):
        Joint(also="price").fit(facts(views, priced))
    with pytest.raises(ChiasmError, match="got price with numbers like inf"):
        Joint(also="price").fit(facts(views, np.where(np.arange(60) % 7 == 0, np.inf, size)))
    whole = np.where(np.arange(60) % 7 == 0, np.nan, size).astype(object)  # 0.0, 1.0, absent: as pandas reads classes
    fused = Joint(also="price").fit(facts(views, whole))
    assert len(fused.also_["price"].names_) == 2


def test_weights_as_a_command_line_gives_them_and_as_an_array_are_the_same(short):
    views = planted(60)[0]
    said = [Joint(weights=one).fit(views).outputs(views) for one in ([1, 1, 0.1], "1,1,0.1", np.array([1, 1, 0.1]))]
    np.testing.assert_array_equal(said[0], said[1])
    np.testing.assert_array_equal(said[0], said[2])
    with pytest.raises(ChiasmError, match="wanted weights to be equal, learned, or numbers"):
        Joint(weights="1,one").fit(views)


def test_what_answers_beside_the_answer_refuses_what_the_answer_refuses(learned):
    for ask in (learned.predict_proba, learned.further, learned.row_weights):
        with pytest.raises(ChiasmError, match="wanted some of the views a, b"):
            ask({"zz": np.zeros((2, 3))})
        with pytest.raises(ChiasmError, match="wanted vectors of 6 numbers, got 9"):
            ask({"a": np.zeros((2, 9))})


def test_inside_another_fuser_there_are_no_further_labels(short):
    from chiasm.fuse.ensemble import Ensemble

    with pytest.raises(ChiasmError, match="fitted itself"):
        Ensemble(fusers=(Joint(also="size"),)).fit(planted(60)[0])


def test_a_loss_that_is_not_finite_goes_back_to_the_best_epoch(monkeypatch):
    losses = Joint._losses

    def breaks(self, *given):
        found = losses(self, *given)
        return {name: loss * float("nan") for name, loss in found.items()} if len(self._told) > 4 else found

    monkeypatch.setattr(Joint, "_losses", breaks)
    views, _ = planted(200)
    with pytest.warns(ChiasmWarning, match="not finite in epoch"):
        fused = Joint().fit(views)
    assert 1 <= fused.chosen_["epochs"] <= 5
    assert np.isfinite(fused.predict_proba(views)).all()


def test_saved_it_answers_where_torch_cannot_be_imported(tmp_path, learned):
    views, _ = planted(20, 2)
    values = {name: np.array(views[name].items) for name in "ab"}
    values["a"][:5] = np.nan
    chiasm.save(learned, tmp_path / "model")
    known, size = learned.predict_proba(values), learned.further(values)["size"]
    np.savez(tmp_path / "known.npz", **values, known=known, size=size)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "home = pathlib.Path(sys.argv[1]); held = dict(np.load(home / 'known.npz'))\n"
        "known, size = held.pop('known'), held.pop('size')\n"
        "model = chiasm.load(home / 'model')\n"
        "np.testing.assert_allclose(model.predict_proba(held), known, rtol=1e-5, atol=1e-5)\n"
        "np.testing.assert_allclose(model.further(held)['size'], size, rtol=1e-5, atol=1e-5)\n"
        "assert list(model.history_) == ['fused', 'alone', 'pairs', 'size']\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


MIX = np.random.default_rng(0).normal(size=(6, 12)).astype(np.float32)
MIX[1:, 0], MIX[0, 1:], MIX[0, 0] = 0, 0, 2  # the first hidden number, it alone, is of the first number read
SUMS = np.random.default_rng(1).normal(size=(12, 8)).astype(np.float32)
SUMS[0] = 0  # and the frozen head drops it


class Network(Encoder):
    """A network of two layers on nine cells of six numbers, whose head drops the first hidden number."""

    modality = "image"

    def last(self):
        """Both layers."""
        return Last(None, _layers, 8, MIX.size + SUMS.size)


def _layers(cells, places=None):
    hidden = np.maximum(cells @ MIX, 0)
    return hidden, hidden @ SUMS + 1


def drawn_cells(n, seed=0):
    """Cells whose first number says the class, in a column, beside a view that says nothing."""
    rng = np.random.default_rng(seed)
    y, cells = rng.integers(0, 2, n), rng.normal(size=(n, 9, 6))
    cells[..., 0] = 0.5 * rng.normal(size=(n, 9)) + 1.2 * (2 * y[:, None] - 1)
    columns = {
        "picture": Column("vector", Tokens.of(list(cells.astype(np.float32)))),
        "noise": Column("vector", rng.normal(size=(n, 3)).astype(np.float32)),
    }
    return Views(columns, np.arange(n), {"label": np.where(y, "yes", "no")})


@pytest.mark.slow
def test_end_to_end_the_last_layers_learn_what_the_frozen_ones_drop():
    fused = Joint(tuned="picture", encoder=Network()).fit(drawn_cells(300))
    assert float(fused.score(drawn_cells(300, 1))) > 0.9
    frozen = np.clip(_layers(drawn_cells(600, 2)["picture"].items.batch(np.arange(600))[0])[1], 0, 6).mean(axis=1)
    views = drawn_cells(600, 2).replace({"picture": Column("vector", frozen)})
    assert float(Joint().fit(views[:300]).score(views[300:])) < 0.6
    absent = fused.predict_proba({"noise": np.zeros((2, 3))})
    assert np.isfinite(absent).all()
    cells = drawn_cells(2)["picture"]
    gone = Views(
        {"picture": Column("vector", cells.items, np.array([-1, -1])), "noise": Column("vector", np.ones((2, 3)))}
    )
    np.testing.assert_array_equal(fused.row_weights(gone)[:, 0], 0)


def test_a_view_of_vectors_has_no_last_layers():
    with pytest.raises(ChiasmError, match="encode it with"):
        Joint(tuned="a", encoder=Network()).fit(planted(60)[0])
    with pytest.raises(ChiasmError, match="last layers can be tuned"):
        Joint(tuned="a", encoder="hashed_text").fit(planted(60)[0])
    with pytest.raises(ChiasmError, match="view"):
        Joint(tuned="c", encoder=Network()).fit(planted(60)[0])


def test_the_change_of_last_layers_starts_at_nothing_and_numpy_says_what_torch_says():
    rng = np.random.default_rng(0)
    params, wide = start(12, 8, 5, rng), rng.normal(size=(3, PLACES, 20)).astype(np.float32)
    many = {name: np.stack([values, values]) for name, values in params.items()}
    assert (change(many, wide, ArrayOps()) == 0).all()
    many["up"] = rng.normal(size=many["up"].shape).astype(np.float32)
    mine = change(many, wide, ArrayOps())
    one, cells = {name: values[0] for name, values in many.items()}, wide[1]
    moved = np.clip(cells[:, 12:] + cells[:, :12] @ one["down"] @ one["up"], 0, 6) - np.clip(cells[:, 12:], 0, 6)
    np.testing.assert_allclose(mine[0, 1], moved.mean(axis=0) @ one["turn"], rtol=1e-4, atol=1e-5)
    known = change({n: torch.tensor(v) for n, v in many.items()}, torch.tensor(wide), TensorOps(None))
    np.testing.assert_allclose(mine, known.numpy(), rtol=1e-5, atol=1e-5)
