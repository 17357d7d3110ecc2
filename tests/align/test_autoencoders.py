"""Autoencoders of several views: a view made of another alone, one latent, and what fails with the property off."""

import subprocess
import sys

import numpy as np
import pytest

import chiasm
from chiasm.align.collaborative_autoencoder import CollaborativeAutoencoder
from chiasm.align.dccae import DCCAE
from chiasm.align.joint_autoencoder import JointAutoencoder
from chiasm.align.mvae import MVAE, product
from chiasm.align.stacked_autoencoder import StackedAutoencoder
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views, normalize

pytestmark = pytest.mark.filterwarnings("ignore::chiasm.errors.ChiasmWarning")

MAKE = {
    "joint": lambda **how: JointAutoencoder(k=8, batch=64, rate=1e-2, epochs=16, **how),
    "collaborative": lambda **how: CollaborativeAutoencoder(k=8, batch=64, rate=1e-2, epochs=16, **how),
    "dccae": lambda **how: DCCAE(head="residual", k=8, batch=64, epochs=16, **how),
    "mvae": lambda **how: MVAE(k=8, batch=64, rate=2e-2, epochs=20, **how),
    "stacked": lambda **how: StackedAutoencoder(layers=(32, 16), k=8, before=10, batch=64, epochs=30, **how),
}
LEARN = 300


def shared(n=400, seed=0):
    """Views 20 and 12 wide that share six numbers, each with some noise of its own."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 6))
    return {name: z @ rng.normal(size=(6, d)) + 0.3 * rng.normal(size=(n, d)) for name, d in (("a", 20), ("b", 12))}


def halves(views):
    return [{name: rows[some] for name, rows in views.items()} for some in (slice(LEARN), slice(LEARN, None))]


def told(model, train, test, one, to):
    """The share of a view's squared distance from the training mean that is told."""
    made = model.reconstruct({one: test[one]}, to)
    middle = train[to].mean(axis=0)
    return 1 - np.square(test[to] - made).sum() / np.square(test[to] - middle).sum()


@pytest.fixture(scope="module")
def data():
    return halves(shared())


@pytest.fixture(scope="module")
def fitted(data):
    train, test = data
    return {name: make().fit(train, val=test) for name, make in MAKE.items()}


@pytest.mark.parametrize("name", MAKE)
def test_a_view_made_of_the_other_beats_the_mean_and_dealt_to_other_rows_does_not(name, data, fitted):
    train, test = data
    ways = (("a", "b"), ("b", "a"))
    assert min(told(fitted[name], train, test, *way) for way in ways) > 0.4
    dealt = {"a": train["a"], "b": np.random.default_rng(0).permutation(train["b"])}
    wrong = MAKE[name]().fit(dealt, val=test)
    assert max(told(wrong, train, test, *way) for way in ways) < 0.1


@pytest.mark.parametrize("name", MAKE)
def test_pairs_are_found_in_the_latent_where_views_of_unequal_width_have_no_product(name, data, fitted):
    _, test = data
    with pytest.raises(ValueError, match="mismatch"):
        test["a"] @ test["b"].T
    assert fitted[name].score(test) > 0.1  # chance is 0.01


def test_a_code_that_only_its_own_decoder_reads_tells_nothing_of_the_other_view(data, fitted):
    train, test = data
    alone = MAKE["collaborative"](cross=0.0).fit(train)
    assert told(alone, train, test, "a", "a") > 0.3
    assert told(alone, train, test, "a", "b") < 0.1
    assert alone.score(test) < 0.1


def test_agreement_makes_the_latents_of_a_row_one(data):
    train, test = data

    def agreed(**how):
        mapped = JointAutoencoder(k=64, batch=64, rate=1e-2, epochs=20, **how).fit(train, val=test).transform(test)
        return float((normalize(mapped["a"].items) * normalize(mapped["b"].items)).sum(axis=1).mean())

    assert agreed() > 0.9
    assert agreed(agreement=0.0, alone=0.0) < 0.8


@pytest.mark.parametrize("name", MAKE)
def test_a_row_tells_by_the_views_it_has_and_without_any_gets_the_mean(name, data, fitted):
    train, test = data
    there = np.arange(100)
    some = np.where(there % 2, there, -1), np.where(there % 3, there, -1)
    views = Views({n: Column("vector", test[n], index) for n, index in zip("ab", some, strict=True)})
    made = fitted[name].reconstruct(views, "b")
    alone = fitted[name].reconstruct({"a": test["a"][3:4]}, "b")
    np.testing.assert_allclose(made[3], alone[0], rtol=1e-4, atol=1e-4)  # has a alone
    np.testing.assert_allclose(made[0], train["b"].mean(axis=0), atol=1e-4)


def test_the_penalty_makes_outputs_that_correlate_tell_their_view_too(data):
    train, test = data
    own = [told(MAKE["dccae"](weight=weight).fit(train, val=test), train, test, "a", "b") for weight in (0.0, 1.0)]
    assert own[0] < 0 < 0.4 < own[1]


@pytest.mark.parametrize("experts", ["product", "mixture"])
def test_the_likelihood_of_a_linear_model_is_that_of_its_normal(experts, data):
    train, test = data
    model = MVAE(experts, head="linear", k=3, batch=64, rate=2e-2, epochs=30).fit(train, val=test)
    rows, factors, noises = [], [], []
    for name, basis in model.bases_.items():
        length, own = np.linalg.norm(basis[:, 0]), model.decoders_[name]
        rows.append((test[name] - model.centers_[name]) @ basis / length)
        factors.append(own["weight"] * model.sizes_[name] / length)
        noises.append(np.square(model.sizes_[name] * np.exp(own["noise"]) / length))
    x, factor = np.concatenate(rows, axis=1), np.concatenate(factors, axis=1)
    covariance = factor.T @ factor + np.diag(np.concatenate(noises))
    known = -(x * np.linalg.solve(covariance, x.T).T).sum(axis=1) / 2 - np.linalg.slogdet(2 * np.pi * covariance)[1] / 2
    many = model.log_likelihood(test, 1000).mean()
    few = np.mean([model.set_params(seed=seed).log_likelihood(test, 2).mean() for seed in range(20)])
    assert few < many < known.mean() + 0.1
    assert many > known.mean() - 0.5


def test_a_product_of_normals_is_the_closed_form():
    mean, variance = product([(2.0, 0.5, 1.0), (-1.0, 0.25, 1.0), (9.0, 0.1, 0.0)])
    assert variance == pytest.approx(1 / (1 + 2 + 4))
    assert mean == pytest.approx((2 * 2 - 1 * 4) / 7)


def test_rows_without_a_partner_are_learned_from_and_draws_differ(data):
    train, test = data
    index = np.arange(LEARN)
    views = Views({n: Column("vector", train[n], np.where(index % 3 == i, -1, index)) for i, n in enumerate("ab")})
    model = MAKE["mvae"]().fit(views, val=test)
    assert told(model, train, test, "a", "b") > 0.3
    drawn = model.draw({"a": test["a"]}, "b", 4)
    assert drawn.shape == (100, 4, 12)
    assert np.abs(drawn[:, 0] - drawn[:, 1]).max() > 0.01
    np.testing.assert_array_equal(drawn, model.draw({"a": test["a"]}, "b", 4))


def test_a_layer_learned_by_itself_keeps_what_varies_most_and_a_random_one_does_not():
    rng = np.random.default_rng(0)
    strong = rng.normal(size=(300, 4)) @ np.linalg.qr(rng.normal(size=(40, 40)))[0][:4]
    views = {"a": 3 * strong + 0.3 * rng.normal(size=(300, 40)), "b": rng.normal(size=(300, 12))}
    kept = []
    for before in (0, 60):
        model = StackedAutoencoder(layers=(8,), before=before, rate=1e-2, batch=64, epochs=0).fit(views)
        said = np.asarray(model.at({"a": views["a"]}, 1)["a"].items)
        said = np.concatenate([said, np.ones((300, 1))], axis=1)
        left = views["a"] - said @ np.linalg.lstsq(said, views["a"], rcond=None)[0]
        kept.append(1 - np.square(left).sum() / np.square(views["a"] - views["a"].mean(axis=0)).sum())
    assert kept[1] > kept[0] + 0.1
    for depth in (2, -1, 1.5, "x"):
        with pytest.raises(ChiasmError, match=f"wanted a depth from 0 to 1, got {depth!r}"):
            model.at(views, depth)


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v: {n: rows[:1] for n, rows in v.items()}, "pair"),
        (lambda v: v | {"a": np.where(np.eye(*v["a"].shape) > 0, np.nan, v["a"])}, "NaN"),
        (lambda v: v | {"a": np.ones_like(v["a"])}, "the same numbers"),
        (lambda v: {"a": v["a"]}, "view"),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(name, change, sentence, data):
    with pytest.raises(ChiasmError, match=sentence):
        MAKE[name]().fit(change(data[0]))


@pytest.mark.parametrize("wrong", [0, 1.5, "x", None])
def test_draws_are_whole_numbers_of_at_least_one(wrong, data, fitted):
    _, test = data
    with pytest.raises(ChiasmError, match=f"wanted draws to be a whole number of at least 1, got {wrong!r}"):
        fitted["mvae"].log_likelihood(test, draws=wrong)
    with pytest.raises(ChiasmError, match=f"wanted count to be a whole number of at least 1, got {wrong!r}"):
        fitted["mvae"].draw(test, "b", wrong)


def test_a_layer_whose_whole_input_is_set_to_0_is_refused(data):
    with pytest.raises(ChiasmError, match="wanted corruption to be a number of at least 0 and below 1, got 1"):
        StackedAutoencoder(corruption=1).fit(data[0])


def test_an_mlp_on_a_view_of_one_direction_is_refused_and_other_heads_learn(data):
    views = {"a": data[0]["a"][:, :1], "b": data[0]["b"]}
    with pytest.raises(
        ChiasmError, match="view 'a' varies in one direction alone, of which an mlp head makes one point"
    ):
        JointAutoencoder(head="mlp", epochs=1).fit(views)
    for head in ("linear", "gated", "residual"):
        mapped = JointAutoencoder(head=head, k=4, epochs=1).fit(views).transform(views)
        assert np.ptp(mapped["a"].items, axis=0).min() > 0


@pytest.mark.parametrize("name", MAKE)
def test_views_wider_than_they_have_rows_are_learned_from(name):
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(12, 40)), "b": rng.normal(size=(12, 30))}
    model = MAKE[name]().set_params(epochs=2).fit(views)
    assert np.isfinite(model.reconstruct({"a": views["a"]}, "b")).all()


@pytest.mark.parametrize("name", MAKE)
def test_a_view_that_was_not_fitted_is_named(name, data, fitted):
    with pytest.raises(ChiasmError, match="no fitted view named 'c'"):
        fitted[name].reconstruct({"a": data[1]["a"]}, "c")


def test_saved_models_answer_bit_for_bit_where_torch_cannot_be_imported(tmp_path, data, fitted):
    test = data[1]
    np.savez(tmp_path / "test.npz", **test)
    for name, model in fitted.items():
        chiasm.save(model, tmp_path / name)
        mapped = {f"to {n}": c.items for n, c in model.transform(test).columns.items()}
        np.savez(tmp_path / f"{name}.npz", made=model.reconstruct({"a": test["a"]}, "b"), **mapped)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm, pathlib\n"
        "home = pathlib.Path(sys.argv[1]); test = dict(np.load(home / 'test.npz'))\n"
        "for name in sys.argv[2:]:\n"
        "    known, model = np.load(home / f'{name}.npz'), chiasm.load(home / name)\n"
        "    np.testing.assert_array_equal(model.reconstruct({'a': test['a']}, 'b'), known['made'])\n"
        "    for view, column in model.transform(test).columns.items():\n"
        "        np.testing.assert_array_equal(column.items, known[f'to {view}'])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), *fitted], check=True)
