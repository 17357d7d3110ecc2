"""Trained aligners on planted data: what they find, how long they train, and answers without torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import chiasm
from chiasm.align import contrastive
from chiasm.align.cca import CCA
from chiasm.align.contrastive import Contrastive
from chiasm.align.fusemix import Fusemix, mix
from chiasm.align.sail import Sail
from chiasm.align.sotalign import Sotalign
from chiasm.align.structure import Structure
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.nn.losses import structure
from chiasm.nn.pairs import axes, batches, links, turn
from chiasm.nn.schedule import Schedule
from chiasm.nn.train import train
from chiasm.views import Column, Views, normalize

PARTS = [Contrastive, Fusemix, Sail, Structure, Sotalign]


def folded_pair(n, seed=0):
    """b sees the latent numbers without their signs: no linear map of a is correlated with b."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    a, b = z @ rng.normal(size=(2, 6)), np.abs(z) @ rng.normal(size=(2, 6))
    return tuple((v + 0.01 * rng.normal(size=v.shape)).astype(np.float32) for v in (a, b))


def falling_pair(n, seed=0):
    """30 shared directions of falling variance among 60 and 50 of noise."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 30)) / np.sqrt(np.arange(1, 31))
    views = []
    for width in (60, 50):
        rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
        views.append((z @ rotation[:30] + 0.2 * rng.normal(size=(n, width))).astype(np.float32))
    return tuple(views)


def halves(a, b, n):
    return {"a": a[:n], "b": b[:n]}, {"a": a[n:], "b": b[n:]}


@pytest.fixture(scope="module")
def easy():
    return halves(*planted_pair(300, widths=(20, 12), correlations=(0.98,) * 8), 200)


@pytest.mark.slow
def test_an_mlp_head_finds_pairs_where_linear_cca_cannot():
    train, test = halves(*folded_pair(800), 700)
    assert CCA().fit(train).score(test) < 0.04  # chance is 0.01
    model = Contrastive(head="mlp", start=None, rate=3e-3, batch=64, epochs=40).fit(train)
    assert model.score(test) > 0.3


@pytest.mark.slow
def test_in_as_many_steps_recall_grows_with_the_batch():
    train, test = halves(*planted_pair(900, widths=(40, 30), correlations=(0.95,) * 12), 700)
    found = []
    for batch in (8, 32, 128):
        steps = round(700 * 7 / 8 / batch)
        found.append(
            Contrastive(start=None, batch=batch, epochs=max(1, 150 // steps), rate=2e-3).fit(train).score(test)
        )
    assert found[0] + 0.1 < found[1] < found[2] - 0.1


@pytest.mark.parametrize("loss", ["infonce", "sigmoid", "triplet"])
def test_every_loss_learns_from_a_random_start(loss, easy):
    train, test = easy
    assert Contrastive(loss=loss, start=None, batch=64, rate=1e-2).fit(train).score(test) > 0.5  # chance is 0.01


@pytest.mark.parametrize(("head", "least"), [("linear", 0.5), ("mlp", 0.3), ("gated", 0.08), ("residual", 0.5)])
def test_every_head_learns_from_a_random_start(head, least, easy):
    train, test = easy
    assert Contrastive(head=head, start=None, batch=64, rate=1e-2).fit(train).score(test) > least  # chance is 0.01


def test_training_goes_beyond_the_closed_form_that_it_starts_from(easy):
    train, test = easy
    assert Contrastive().fit(train).score(test) > CCA().fit(train).score(test) + 0.05


def test_mixtures_of_pairs_are_pairs_and_a_share_of_one_mixes_nothing():
    rng = np.random.default_rng(0)
    a = torch.tensor(rng.normal(size=(9, 4)))
    b = a @ torch.tensor(rng.normal(size=(4, 3)))
    assert torch.equal(mix(a, 1.0), a[:4])
    assert torch.equal(mix(a, 0.0), a[4:8])
    np.testing.assert_allclose(mix(b, 0.3), mix(a, 0.3) @ torch.linalg.lstsq(a, b).solution, atol=1e-12)
    assert torch.equal(mix(a[:1], 0.3), a[:1])


@pytest.mark.slow
def test_rows_without_a_partner_help_sotalign_beyond_its_teacher():
    a, b = falling_pair(700)
    pairs = 40
    rows, none = np.arange(500), np.full(500 - pairs, -1)
    ids = np.concatenate([rows, 10_000 + rows[pairs:]])
    left, right = np.concatenate([rows, none]), np.concatenate([rows[:pairs], none, rows[pairs:]])
    many = Views({"a": Column("vector", a, left), "b": Column("vector", b, right)}, ids)
    few, test = {"a": a[:pairs], "b": b[:pairs]}, {"a": a[500:], "b": b[500:]}
    alone, together = Sotalign().fit(few).score(test), Sotalign().fit(many).score(test)
    assert together > alone + 0.02
    assert together > CCA().fit(few).score(test) + 0.02


def test_a_strong_regularizer_keeps_the_neighborhoods_of_a_view():
    a, b = planted_pair(300, widths=(20, 12), correlations=(0.98,) * 4)
    bent = []
    for strength in (0.0, 10_000.0):
        model = Structure(strength=strength, start=None, batch=1000, decay=0.0, head="linear")
        mapped = model.fit({"a": a, "b": b}, val={"a": a[:2], "b": b[:2]}).transform({"a": a})["a"].items
        bent.append(float(structure(torch.tensor(a - a.mean(axis=0)), torch.tensor(mapped))))
    assert bent[1] < bent[0] / 2


@pytest.mark.slow
def test_views_that_never_meet_align_through_a_third():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(900, 6))
    a, b, c = (z @ rng.normal(size=(6, d)) + 0.1 * rng.normal(size=(900, d)) for d in (12, 10, 8))
    first = Views({"a": Column("vector", a[:350]), "b": Column("vector", b[:350])}, np.arange(350))
    second = Views({"b": Column("vector", b[350:700]), "c": Column("vector", c[350:700])}, np.arange(350, 700))
    model = Contrastive(start=None, batch=64, rate=3e-3).fit(Views.stack(first, second))
    assert model.score({"a": a[700:], "c": c[700:]}) > 0.3  # chance is 0.005; no id has both


@pytest.mark.parametrize("make", [lambda: Contrastive(epochs=0), lambda: Structure(epochs=0)])
def test_before_the_first_step_a_linear_start_is_the_closed_form(make, easy):
    train, test = easy
    mine, known = make().fit(train).transform(test), CCA().fit(train).transform(test)
    for name in ("a", "b"):
        np.testing.assert_allclose(normalize(mine[name].items), normalize(known[name].items), atol=1e-4)


def test_given_validation_rows_keep_the_epoch_that_does_best_on_them_and_teach_nothing(easy):
    train, test = easy
    model = Contrastive(start=None, epochs=30, batch=64).fit(train, val=test)
    best = max(look["score"] for look in model.trials_)
    assert model.chosen_["score"] == best
    assert model.chosen_["epochs"] == max(look["epoch"] for look in model.trials_ if look["score"] == best)
    np.testing.assert_allclose(model.centers_["a"], train["a"].mean(axis=0), atol=1e-5)


def test_without_validation_rows_all_rows_are_learned_from_for_the_chosen_number_of_epochs(easy):
    train, _ = easy
    model = Contrastive(start=None, epochs=12, batch=64).fit(train)
    assert {look["fold"] for look in model.trials_} == {0, 1, 2}  # 3 of 5 parts hold 100 things and more
    np.testing.assert_allclose(model.centers_["a"], train["a"].mean(axis=0), atol=1e-5)
    assert 0 < model.chosen_["epochs"] <= 12


def test_a_streamed_batch_trains_as_a_whole_one_does(easy, monkeypatch):
    train, test = easy
    whole = Contrastive(start=None, epochs=5).fit(train, val=test).transform(test)["a"].items
    monkeypatch.setattr(contrastive, "_FULL", 16)
    tiled = Contrastive(start=None, epochs=5).fit(train, val=test).transform(test)["a"].items
    np.testing.assert_allclose(tiled, whole, atol=1e-3)


def test_training_neither_depends_on_nor_moves_the_state_of_torch(easy):
    train, _ = easy
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch.set_num_threads(seed)
        before = torch.get_rng_state()
        found.append(Fusemix(epochs=3, start=None).fit(train).transform(train)["a"].items)
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == seed
    torch.set_num_threads(1)
    np.testing.assert_array_equal(found[0], found[1])
    other = Fusemix(epochs=3, start=None, seed=1).fit(train).transform(train)["a"].items
    assert not np.allclose(other, found[0])


def test_saved_parts_answer_where_torch_cannot_be_imported(tmp_path, easy):
    train, test = easy
    for make in PARTS:
        part = make(epochs=2).fit(train)
        chiasm.save(part, tmp_path / make.__name__)
        np.savez(tmp_path / f"{make.__name__}.npz", **{n: c.items for n, c in part.transform(test).columns.items()})
    np.savez(tmp_path / "test.npz", **test)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "home = pathlib.Path(sys.argv[1]); test = dict(np.load(home / 'test.npz'))\n"
        "for name in sys.argv[2:]:\n"
        "    known = np.load(home / f'{name}.npz')\n"
        "    for view, column in chiasm.load(home / name).transform(test).columns.items():\n"
        "        np.testing.assert_allclose(column.items, known[view], rtol=1e-5, atol=1e-5)\n"
    )
    names = [make.__name__ for make in PARTS]
    subprocess.run([sys.executable, "-c", code, str(tmp_path), *names], check=True)


def test_importing_a_trained_aligner_does_not_import_torch():
    code = (
        "import sys, chiasm\nfor n in chiasm.names('align'): chiasm.get('align', n)\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (Contrastive(loss="infonc"), "no loss named 'infonc'; did you mean 'infonce'"),
        (Contrastive(head="deep"), "no head named 'deep'"),
        (Contrastive(start="exact"), "no align named 'exact'"),
        (Contrastive(start=Contrastive(epochs=1)), "wanted a linear aligner"),
        (Contrastive(rate=1e30, start=None), "the loss is not finite"),
        (Sotalign(softness=0.001), "wanted softness to be"),
        pytest.param(
            Contrastive(device="cuda"),
            "wanted device 'cuda'",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(part, sentence, easy):
    with pytest.raises(ChiasmError, match=sentence):
        part.fit(easy[0])


def test_two_pairs_are_enough_for_a_start_and_nothing_is_chosen_on_them():
    rng = np.random.default_rng(0)
    model = Contrastive().fit({"a": rng.normal(size=(2, 4)), "b": rng.normal(size=(2, 3))})
    assert model.chosen_["epochs"] == 0


def test_an_epoch_shows_every_id_once_and_says_which_items_repeat():
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(30), 5)  # five captions of each picture
    pictures = Column("vector", rng.normal(size=(30, 4)), np.repeat(np.arange(30), 5))
    captions = Column("vector", rng.normal(size=(149, 3)), np.minimum(np.arange(150), 148))
    views = Views({"picture": pictures, "caption": captions}, ids)
    seen = []
    for batch in batches(links(views), 10, rng):
        one = batch["picture", "caption"]
        assert one.same is None
        assert (one.right // 5 == one.left).all()
        seen.append(one.left)
    assert [len(part) for part in seen] == [10, 10, 10]
    assert sorted(np.concatenate(seen)) == list(range(30))
    named = Views({"picture": pictures, "name": Column("vector", np.eye(3), np.repeat(np.arange(30) % 3, 5))}, ids)
    (batch,) = batches(links(named), 30, rng)
    np.testing.assert_array_equal(batch["picture", "name"].same[:, 1], batch["picture", "name"].right)


def test_turning_onto_the_axes_keeps_every_inner_product_up_to_one_factor():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 300)) + 3
    views = Views({"a": Column("vector", rows)})
    found = axes(views, 512)
    turned = turn(views, found)["a"]
    centered = rows - rows.mean(axis=0)
    assert turned.shape == (50, 49)
    gram, known = turned @ turned.T, centered @ centered.T
    np.testing.assert_allclose(gram / np.trace(gram), known / np.trace(known), atol=1e-6)
    np.testing.assert_allclose(np.square(turned).mean(), 1, rtol=1e-5)


def test_a_run_stopped_early_is_the_beginning_of_the_whole_run():
    rng = np.random.default_rng(0)
    rows = {"x": rng.normal(size=(40, 5)).astype(np.float32), "y": rng.normal(size=(40, 2)).astype(np.float32)}
    start = {"head": {"weight": np.zeros((5, 2), np.float32)}}
    every = {"rows": np.arange(40)}

    def objective(params, rows, batch, step):
        return (rows["x"][batch["rows"]] @ params["head"]["weight"] - rows["y"][batch["rows"]]).square().mean()

    def error(params):
        return -float(np.square(rows["x"] @ params["head"]["weight"] - rows["y"]).mean())

    options = {"schedule": Schedule(epochs=300, rate=0.05, decay=0.0)}
    whole = train(start, rows, lambda: [every], objective, error, **options)
    known = np.linalg.lstsq(rows["x"], rows["y"])[0]
    np.testing.assert_allclose(whole.params["head"]["weight"], known, atol=1e-3)
    half = train(start, rows, lambda: [every], objective, lambda params: -abs(error(params) + 0.9), **options)
    again = train(start, rows, lambda: [every], objective, stop=half.epoch, **options)
    assert 0 < half.epoch < 300
    np.testing.assert_array_equal(again.params["head"]["weight"], half.params["head"]["weight"])
