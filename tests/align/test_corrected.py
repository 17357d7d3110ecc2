"""Corrections around any aligner: their slow definitions, and the promise that validation never falls."""

import json
import subprocess
import sys
from itertools import permutations

import numpy as np
import pytest

import chiasm
from chiasm import registry
from chiasm.align._aligner import Linear
from chiasm.align.cca import CCA
from chiasm.align.corrected import Corrected
from chiasm.align.ridge import Ridge
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.stats.relevance import recall_sum
from chiasm.views import Column, Views, as_views, normalize

FITTED = [name for name in registry.names("align") if "epochs" not in registry.get("align", name)._defaults()]
"""Those that train nothing: fast."""

LINEAR = [name for name in FITTED if issubclass(registry.get("align", name), Linear)]


def leaning(n=500, seed=0, views="ab", noise=0.9):
    """Things in groups, the more of them the nearer to one place, so that an item there is near everything."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 14)) * np.linspace(1, 0.4, 14)
    z[:, 0] = rng.exponential(size=n)
    return {
        v: (z + noise * rng.normal(size=z.shape) * np.linspace(0.3, 1, 14)) @ rng.normal(size=(14, 20)) for v in views
    }


def part(views, rows):
    return {name: values[rows] for name, values in views.items()}


def score(model, views):
    """The validated score by its definition: mean R@1, 5, 10 over all directions."""
    mapped = model.transform(views)
    return recall_sum(as_views(views), {name: column.items for name, column in mapped.columns.items()})


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("noise", [0.1, 0.9])
def test_the_validated_score_of_any_linear_aligner_never_falls(name, noise):
    for seed in range(2):
        table = leaning(260, seed, noise=noise)
        train, val, test = part(table, slice(160)), part(table, slice(160, 220)), part(table, slice(220, None))
        plain = registry.get("align", name)(seed=seed).fit(train, val=val)
        model = Corrected(name, seed=seed).fit(train, val=val)
        assert model.trials_[0] == {"correction": "none", "score": score(plain, val)}
        best = max(trial["score"] for trial in model.trials_)
        assert score(model, val) == best >= score(plain, val)
        assert model.score(test) > 5 / 40  # chance is 1 / 40


@pytest.mark.parametrize("name", sorted({*FITTED} - {*LINEAR, "corrected"}))
def test_an_aligner_that_is_not_linear_can_be_corrected_too(name):
    table = leaning(260, noise=0.2)
    train, test = part(table, slice(200)), part(table, slice(200, None))
    assert Corrected(name).fit(train).score(test) > 20 / 60  # chance is 1 / 60


@pytest.mark.parametrize("views", ["ab", "abc"])
@pytest.mark.parametrize("correction", [{"correction": "inverted_softmax", "beta": 9.0}, {"correction": "csls"}])
def test_a_cosine_ranks_as_the_definition_of_the_correction(views, correction):
    table = leaning(300, views=views)
    train, test = part(table, slice(240)), part(table, slice(240, None))
    model = Corrected("cca").fit(train)
    model._set(correction, as_views(train))
    plain, mapped = model.aligner_, model.transform(test)
    for a, b in permutations(views, 2):
        known, queries, gallery = (
            normalize(plain.transform(t)[v].items) for v, t in ((a, train), (a, test), (b, test))
        )
        cosine = (queries @ gallery.T).astype(np.float64)
        if correction["correction"] == "csls":
            near = np.sort(known @ gallery.T, axis=0)[-10:].mean(axis=0)
            slow = 2 * cosine - np.sort(cosine, axis=1)[:, -10:].mean(axis=1)[:, None] - near
        else:
            slow = np.exp(9 * cosine) / np.exp(9 * known @ gallery.T).sum(axis=0)
        folded = mapped[a].items @ mapped[b].items.T
        np.testing.assert_array_equal(np.argsort(-folded, axis=1), np.argsort(-slow, axis=1))
        assert not np.array_equal(np.argsort(-folded, axis=1), np.argsort(-cosine, axis=1))
    for column in mapped.columns.values():
        np.testing.assert_allclose(np.linalg.norm(column.items, axis=1), 1, atol=1e-6)


def test_centering_ranks_as_the_cosine_of_unit_vectors_less_their_mean():
    table = leaning(300)
    model = Corrected("ridge").fit(table)
    model._set({"correction": "centering"}, as_views(table))
    mapped, plain = model.transform(table), {v: normalize(model.aligner_.transform(table)[v].items) for v in "ab"}
    moved = {v: normalize(rows - rows.mean(axis=0)) for v, rows in plain.items()}
    np.testing.assert_allclose(mapped["a"].items @ mapped["b"].items.T, moved["a"] @ moved["b"].T, atol=1e-5)


def test_none_is_the_aligner_itself_to_the_bit():
    a, b = planted_pair(400, correlations=(0.999,) * 10)
    train, test = {"a": a[:300], "b": b[:300]}, {"a": a[300:], "b": b[300:]}
    model, plain = Corrected(CCA(ridge=0.1)).fit(train), CCA(ridge=0.1).fit(train)
    assert model.chosen_["correction"] == "none"  # wins ties: everything is found without
    for name in "ab":
        np.testing.assert_array_equal(model.transform(test)[name].items, plain.transform(test)[name].items)


def test_where_one_item_is_near_everything_a_correction_is_chosen_and_helps_on_unseen_rows():
    gains = []
    for seed in range(5):
        table = leaning(700, seed)
        train, test = part(table, slice(500)), part(table, slice(500, None))
        model = Corrected("ridge").fit(train)
        assert model.chosen_["correction"] != "none"
        gains.append(score(model, test) - score(Ridge().fit(train), test))
    assert np.mean(gains) > 0.01


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_a_handful_of_pairs_is_enough_to_fit(n):
    table = leaning(200, noise=0.1)
    model = Corrected().fit(part(table, slice(n)))
    assert all(np.isfinite(column.items).all() for column in model.transform(table).columns.values())
    if n == 2:  # nothing can be held out
        assert (model.chosen_["correction"], model.trials_) == ("none", [])


def test_without_validation_rows_all_rows_are_learned_from_in_the_end():
    table = leaning(300)
    model = Corrected(CCA(k=5, ridge=0.5)).fit(table)
    np.testing.assert_allclose(model.aligner_.means_["a"], table["a"].mean(axis=0), atol=1e-5)
    assert len(model.banks_["a"]) == 300
    assert len(Corrected(queries=40).fit(table).banks_["b"]) == 40


def test_rows_without_a_partner_are_known_queries_too():
    table = leaning(300)
    alone = Views({"a": Column("vector", leaning(200, seed=1)["a"])}, np.arange(300, 500))
    both = Views.stack(Views({v: Column("vector", rows) for v, rows in table.items()}, np.arange(300)), alone)
    assert {name: len(bank) for name, bank in Corrected().fit(both).banks_.items()} == {"a": 500, "b": 300}


def test_an_aligner_that_is_given_stays_as_it_was():
    inner = Ridge(ridge=2.0)
    model = Corrected(inner).fit(leaning(200))
    assert inner.learned() == {}
    assert model.chosen_["ridge"] == 2.0
    assert repr(model) == "Corrected(align=Ridge(ridge=2.0))"


def test_a_saved_model_maps_to_the_same_bits_and_needs_neither_torch_nor_sklearn(tmp_path):
    table = leaning(300)
    model = Corrected("ridge").fit(table)
    assert model.chosen_["correction"] != "none"
    for values in (model.chosen_, model.trials_):
        assert json.loads(json.dumps(values)) == values
    np.savez(tmp_path / "rows.npz", **table)
    np.savez(tmp_path / "known.npz", **{v: c.items for v, c in model.transform(table).columns.items()})
    chiasm.save(model, tmp_path / "m")
    code = (
        "import sys, numpy as np, chiasm; "
        "model = chiasm.load('m'); rows, known = (dict(np.load(f + '.npz')) for f in ('rows', 'known')); "
        "mapped = model.transform(rows); "
        "print(all(np.array_equal(mapped[v].items, known[v]) for v in known), "
        "[m for m in ('torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


@pytest.mark.parametrize(
    ("align", "views", "sentence"),
    [
        ("cca", {"a": np.eye(4)}, "at least two views"),
        ("cca", {"a": np.eye(1), "b": np.eye(1)}, "at least 2 things"),
        ("cac", {"a": np.eye(9), "b": np.eye(9)}, "did you mean 'cca'"),
    ],
)
def test_what_cannot_be_aligned_is_one_sentence(align, views, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        Corrected(align).fit(views)
