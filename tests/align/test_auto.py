"""The default aligner against its slow definition, planted answers, and the methods it is made of."""

import json
import subprocess
import sys
from itertools import permutations

import numpy as np
import pytest

import chiasm
from chiasm.align.auto import STRENGTH, USUAL, Auto
from chiasm.align.cca import CCA
from chiasm.align.ridge import Ridge
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import Column, Views, normalize


def clustered(n, views="ab", clusters=40, d=10, seed=0):
    """Things of many clusters, whose centers in one view say nothing linear about those in another."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(clusters, size=n)
    return {name: rng.normal(size=(clusters, d))[kind] + 0.1 * rng.normal(size=(n, d)) for name in views}


def linear(n, widths, noise=0.1, latents=6, seed=0):
    """Views that are noisy linear images of the same latents."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, latents))
    return {v: z @ rng.normal(size=(latents, d)) + noise * rng.normal(size=(n, d)) for v, d in widths.items()}


def part(views, rows):
    return {name: values[rows] for name, values in views.items()}


def slow_unit(model, name, rows):
    """The definition: canonical directions, powers of cosines to anchors, kernel directions, each of length 1."""
    centered = rows - model.means_[name].astype(np.float64)
    u = centered @ model.weights_[name].astype(np.float64)
    u /= np.linalg.norm(u, axis=1)[:, None]
    w, g = model.chosen_["share"], model.chosen_["kernel"]
    if g:
        k = np.asarray(model.curved_.transform({name: rows})[name].items, np.float64)
        k *= np.sqrt(g) / np.linalg.norm(k, axis=1)[:, None]
    if not w:
        return np.concatenate([np.sqrt(1 - g) * u, k], axis=1) if g else u
    cosines = centered / np.linalg.norm(centered, axis=1)[:, None] @ model.anchors_[name].astype(np.float64).T
    r = np.where(cosines > 0, cosines, 0) ** model.chosen_["power"]
    r /= np.linalg.norm(r, axis=1)[:, None]
    own = np.concatenate([u, np.sqrt(w) * r], axis=1) / np.sqrt(1 + w)
    return np.concatenate([np.sqrt(1 - g) * own, k], axis=1) if g else own


@pytest.mark.parametrize("kernels", [(), (0.5,)])
@pytest.mark.parametrize("views", [("a", "b"), ("a", "b", "c"), ("a b", "c", "a", "b c")])
def test_a_cosine_ranks_as_similarity_less_how_near_an_item_is_to_known_queries(views, kernels):
    table = clustered(360, views)
    train, test = part(table, slice(300)), part(table, slice(300, None))
    model = Auto(shares=(1.0,), kernels=kernels).fit(train)
    assert model.chosen_["share"] == 1.0
    assert model.chosen_["kernel"] == (kernels or (0.0,))[0]
    mapped, t = model.transform(test), model.chosen_["temperature"]
    for a, b in permutations(views, 2):
        known, queries, gallery = (slow_unit(model, *of) for of in ((a, train[a]), (a, test[a]), (b, test[b])))
        bias = np.log(np.exp(t * gallery @ known.T).mean(axis=1)) / t
        slow = queries @ gallery.T - bias
        x, y = (np.asarray(mapped[v].items, np.float64) for v in (a, b))
        cosine = x @ y.T / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(y, axis=1)
        ranked = np.take_along_axis(slow, np.argsort(-cosine, axis=1), axis=1)
        assert np.diff(ranked, axis=1).max() < 1e-6  # but for what float32 rounds
        assert not np.array_equal(np.argsort(-cosine, axis=1), np.argsort(-queries @ gallery.T, axis=1))
        given_back = cosine + model.owed(a, b, mapped[a].items)[:, None]  # comparable between queries too
        scale = np.ptp(given_back) / np.ptp(slow)
        np.testing.assert_allclose(given_back - given_back.mean(), scale * (slow - slow.mean()), atol=1e-5)


@pytest.mark.parametrize("views", [("a", "b"), ("a", "b", "c")])
def test_all_vectors_of_the_folded_space_have_length_1(views):
    table = clustered(260, views)
    mapped = Auto().fit(part(table, slice(200))).transform({v: 3 * values + 1 for v, values in table.items()})
    for name in views:
        np.testing.assert_allclose(np.linalg.norm(mapped[name].items, axis=1), 1, atol=1e-6)


def test_a_planted_hub_was_the_first_hit_of_many_queries_and_is_of_none():
    """One thing in twenty leans far to one side. Asked for those alone, the item that is nothing but lean is a hub."""
    rng = np.random.default_rng(0)
    lean = (np.arange(750) < 30) | (np.arange(750) >= 600)
    z = rng.normal(size=(750, 25))
    z[:, 0] = np.where(lean, np.sqrt(19), -1 / np.sqrt(19))  # mean 0 and variance 1 over what is learned from
    noise, rotations = np.r_[0.05, np.full(24, 0.8)], [np.linalg.qr(rng.normal(size=(25, 25)))[0] for _ in "ab"]
    a, b = ((z + noise * rng.normal(size=z.shape)) @ rotation for rotation in rotations)
    model = Auto().fit({"a": a[:600], "b": b[:600]})
    asked = {"a": a[600:], "b": np.concatenate([b[600:], np.sqrt(19) * np.eye(25)[:1] @ rotations[1]])}
    first = {}
    for how in ("uncorrected", "transform"):
        mapped = {v: normalize(getattr(model, how)({v: rows})[v].items) for v, rows in asked.items()}
        first[how] = (mapped["a"] @ mapped["b"].T).argmax(axis=1)
    hub, true = 150, np.arange(150)
    assert (first["uncorrected"] == hub).mean() > 0.08
    assert (first["transform"] == hub).sum() == 0
    assert (first["transform"] == true).mean() > (first["uncorrected"] == true).mean() + 0.03


def test_what_is_known_by_likeness_alone_is_found_where_cca_is_blind():
    table = clustered(700)
    train, test = part(table, slice(500)), part(table, slice(500, None))
    auto, cca = (aligner.fit(train) for aligner in (Auto(), CCA()))
    assert auto.chosen_["share"] > 0
    assert auto.score(test) > 2 * cca.score(test)


def test_what_is_linear_is_not_spoiled_by_likeness():
    a, b = planted_pair(600, correlations=(0.9,) * 10)
    train, test = {"a": a[:400], "b": b[:400]}, {"a": a[400:], "b": b[400:]}
    assert Auto().fit(train).score(test) >= CCA().fit(train).score(test)


def exact_and_noisy(seed=0, n=450):
    """Every direction of `exact` counts, however short it is; `noisy` is wide and mostly noise."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 16))
    lengths = np.geomspace(1, 0.02, 16)
    noisy = z @ rng.normal(size=(16, 60)) / 4 + rng.normal(size=(n, 60))
    return {"exact": (z * lengths) @ np.linalg.qr(rng.normal(size=(16, 16)))[0], "noisy": noisy}


def test_where_one_view_is_exact_and_the_other_noisy_each_gets_its_own_ridge():
    gains = []
    for seed in range(2):
        table = exact_and_noisy(seed)
        train, test = part(table, slice(200)), part(table, slice(200, None))
        model = Auto().fit(train)
        ridge = model.chosen_["ridge"]
        assert ridge["noisy"] >= 30 * ridge["exact"]
        equal = min(trial["loss"] for trial in model.trials_ if len(set(trial["ridge"].values())) == 1)
        assert min(trial["loss"] for trial in model.trials_) < equal - 0.01
        gains.append([model.score(test) - other.fit(train).score(test) for other in (CCA(), Ridge())])
    assert (np.mean(gains, axis=0) > 0.02).all()


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 10])
@pytest.mark.parametrize("views", ["ab", "abc"])
def test_a_handful_of_pairs_is_enough_to_fit(n, views):
    table = linear(200, dict.fromkeys(views, 60))
    model = Auto().fit(part(table, slice(n)))
    for column in model.transform(table).columns.values():
        assert np.isfinite(column.items).all()
    if n < 5:  # no held-out query has two items to choose from: nothing is chosen
        assert model.trials_ == []
        assert model.chosen_["ridge"] == dict.fromkeys(views, USUAL["ridge"])
    assert n < 10 or model.score(part(table, slice(100, None))) > 0.9


def test_views_that_meet_only_in_a_third_find_each_other():
    table = linear(500, {"a": 20, "b": 15, "c": 12}, noise=0.3)
    first, second = part(table, slice(200)), part(table, slice(200, 400))
    both = Views.stack(
        Views({v: Column("vector", first[v]) for v in "ab"}, np.arange(200)),
        Views({v: Column("vector", second[v]) for v in "bc"}, np.arange(200, 400)),
    )
    test = {v: table[v][400:] for v in "ac"}
    assert Auto().fit(both).score(test) > 0.5  # chance is 0.01


def test_rows_without_a_partner_count_in_their_covariance_and_among_the_known_queries():
    a, b = planted_pair(300, correlations=(0.99,) * 6)
    extra = np.random.default_rng(1).normal(size=(300, 20)) * np.geomspace(3, 0.1, 20)
    alone = Views.stack(
        Views({"a": Column("vector", a), "b": Column("vector", b)}, np.arange(300)),
        Views({"a": Column("vector", extra)}, np.arange(300, 600)),
    )
    few, more = Auto().fit({"a": a, "b": b}), Auto().fit(alone)
    np.testing.assert_allclose(more.means_["a"], np.concatenate([a, extra]).mean(axis=0), atol=1e-5)
    assert (len(few.banks_["a"]), len(more.banks_["a"]), len(more.banks_["b"])) == (300, 600, 300)
    grams = [model.transform({"b": b})["b"].items for model in (few, more)]
    assert np.abs(grams[0] @ grams[0].T - grams[1] @ grams[1].T).max() > 0.01


def test_known_pairs_stay_known_however_many_rows_have_no_partner():
    table = clustered(600)
    paired = Views({v: Column("vector", rows[:400]) for v, rows in table.items()}, np.arange(400))
    crowd = Column("vector", clustered(20_000, seed=5)["a"])
    many = Views.stack(paired, Views({"a": crowd}, np.arange(1000, 21_000)))
    model = Auto().fit(many)
    assert [len(rows) for rows in model.anchors_.values()] == [400, 400]
    assert model.score(part(table, slice(400, None))) > 1.5 * CCA().fit(many).score(part(table, slice(400, None)))


def test_the_arguments_bound_what_is_kept():
    model = Auto(anchors=50).fit(clustered(300))
    assert {len(rows) for rows in (*model.anchors_.values(), *model.banks_.values())} == {50}
    assert Auto(shares=()).fit(clustered(300)).anchors_ == {}


def test_likeness_to_more_than_512_anchors_is_nearly_what_it_was_in_512_dimensions():
    table = clustered(800, clusters=30)
    model = Auto(shares=(4.0,)).fit(part(table, slice(700)))
    assert model.basis_.shape == (700, 512)
    test = part(table, slice(700, None))
    short = model.uncorrected(test)
    x, y = (slow_unit(model, v, test[v]) for v in "ab")
    np.testing.assert_allclose(short["a"].items @ short["b"].items.T, x @ y.T, atol=0.01)


def test_what_is_chosen_makes_the_given_validation_pairs_likeliest():
    table = clustered(500)
    train, val = part(table, slice(400)), part(table, slice(400, None))
    model = Auto().fit(train, val=val)
    mapped = model.uncorrected(val)
    scores = np.asarray(mapped["a"].items @ mapped["b"].items.T, np.float64)
    t = model.chosen_["temperature"] / STRENGTH
    losses = []
    for way in (scores, scores.T):
        chances = np.exp(t * way) / np.exp(t * way).sum(axis=1, keepdims=True)
        losses.append(-np.log(np.diag(chances)).mean())
    kept = [trial for trial in model.trials_ if trial.get("kernel", 0.0) == model.chosen_["kernel"]]
    best = min(kept, key=lambda trial: trial["loss"])
    assert np.mean(losses) == pytest.approx(best["loss"], abs=1e-4)
    assert {k: model.chosen_[k] for k in ("ridge", "share", "power")} == {
        k: best[k] for k in ("ridge", "share", "power")
    }
    for other in (0.8 * t, 1.25 * t):  # and t is where it says
        chances = [np.exp(other * w) / np.exp(other * w).sum(axis=1, keepdims=True) for w in (scores, scores.T)]
        assert -np.mean([np.log(np.diag(c)).mean() for c in chances]) > np.mean(losses)


def test_validation_rows_choose_and_are_not_learned_from():
    table = clustered(500)
    train, val = part(table, slice(400)), part(table, slice(400, None))
    model = Auto().fit(train, val=val)
    np.testing.assert_allclose(model.means_["a"], train["a"].mean(axis=0), atol=1e-5)
    assert {len(rows) for rows in (*model.anchors_.values(), *model.banks_.values())} == {400}
    known = model.transform(train)["a"].items[:, : model.banks_["a"].shape[1]]
    assert {row.tobytes() for row in normalize(known).round(3)} >= {
        row.tobytes() for row in normalize(model.banks_["a"]).round(3)
    }


def test_rows_that_are_not_given_never_enter():
    table = clustered(500)
    whole = Views({name: Column("vector", rows) for name, rows in table.items()})
    poisoned = {name: np.where(np.arange(500)[:, None] >= 400, np.nan, rows) for name, rows in table.items()}
    spoiled = Views({name: Column("vector", rows) for name, rows in poisoned.items()})
    one, two = (Auto().fit(views[:350], val=views[350:400]) for views in (whole, spoiled))
    assert one.chosen_ == two.chosen_
    test = part(table, slice(400, None))
    np.testing.assert_array_equal(one.transform(test)["b"].items, two.transform(test)["b"].items)


@pytest.mark.parametrize("where", ["train", "val"])
def test_a_number_that_is_not_finite_is_one_sentence(where):
    table = {"train": clustered(100), "val": clustered(60)}
    table[where]["b"][7, 3] = np.nan
    with pytest.raises(ChiasmError, match="view 'b', row 7 holds NaN"):
        Auto().fit(table["train"], val=table["val"])


def test_a_saved_model_maps_to_the_same_bits_and_needs_neither_torch_nor_sklearn(tmp_path):
    table = clustered(300, "abc")
    model = Auto(shares=(1.0,), kernels=(0.5,)).fit(table)
    assert model.chosen_["share"]
    assert model.chosen_["kernel"]
    np.savez(tmp_path / "rows.npz", **table)
    np.savez(tmp_path / "known.npz", **{v: c.items for v, c in model.transform(table).columns.items()})
    chiasm.save(model, tmp_path / "m")
    code = (
        "import sys, numpy as np, chiasm; "
        "model = chiasm.load('m'); rows, known = (dict(np.load(f + '.npz')) for f in ('rows', 'known')); "
        "mapped = model.transform(rows); "
        "print(all(np.array_equal(mapped[v].items, known[v]) for v in known), model.chosen_['share'], "
        "[m for m in ('torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"True {model.chosen_['share']} []"


def test_what_is_chosen_is_plain_data():
    model = Auto().fit(clustered(200))
    for values in (model.chosen_, model.trials_):
        assert json.loads(json.dumps(values)) == values
    assert set(model.chosen_) - {"curved"} == {"ridge", "share", "power", "temperature", "bridge", "kernel"}


def curved(n, seed=0):
    """Two views that share nothing linear: numbers, and their squares."""
    z = np.random.default_rng(seed).normal(size=(n, 4))
    return {"a": z, "b": z**2 - 1}


@pytest.mark.filterwarnings("error")
def test_a_kernel_that_finds_few_directions_is_no_matter_of_the_users():
    table = curved(400) | {
        "c": np.where(np.arange(400)[:, None] < 395, np.nan, np.ones((400, 3)) * np.arange(400)[:, None])
    }
    assert Auto().fit(table).curved_ is not None


def test_kernel_directions_count_where_nothing_is_linear():
    table = curved(900)
    train, test = part(table, slice(600)), part(table, slice(600, None))
    model = Auto().fit(train)
    assert model.chosen_["kernel"] > 0
    assert float(model.score(test)) > float(Auto(kernels=()).fit(train).score(test)) + 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_kernel_directions_count_only_where_they_help_and_change_nothing_elsewhere(seed):
    table = linear(1600, {"a": 12, "b": 9}, noise=1.0, seed=seed)
    train, test = part(table, slice(600)), part(table, slice(600, None))
    model, without = Auto().fit(train), Auto(kernels=()).fit(train)
    assert (model.chosen_["kernel"] > 0) == (seed == 2)
    if not model.chosen_["kernel"]:
        assert model.chosen_ == without.chosen_
        np.testing.assert_array_equal(model.transform(test)["a"].items, without.transform(test)["a"].items)
    else:
        assert float(model.score(test)) > float(without.score(test)) + 0.01


@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        ({"a": np.eye(4)}, "at least two views"),
        ({"a": np.eye(1), "b": np.eye(1)}, "at least 2 things"),
        ({"a": np.full((3, 2), np.nan), "b": np.eye(3)}, "absent in every row"),
    ],
)
def test_what_cannot_be_aligned_is_one_sentence(views, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        Auto().fit(views)
