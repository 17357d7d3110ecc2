"""Aligners solved from moments: updates, merged shards and forgotten rows equal a fit of the rows that are left."""

import functools

import numpy as np
import pytest

from chiasm import recipe, scale
from chiasm.align.cca import CCA
from chiasm.align.pls import PLS
from chiasm.align.procrustes import Procrustes
from chiasm.align.ridge import Ridge
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.stats.relevance import reciprocal_rank
from chiasm.views import Column, Views

CLOSED = {
    "cca": lambda **kw: CCA(k=6, ridge=0.3, **kw),
    "pls": lambda **kw: PLS(k=6, **kw),
    "procrustes": lambda **kw: Procrustes(k=12, **kw),
    "ridge": lambda **kw: Ridge(target="b", ridge=0.3, **kw),
}
PRECISIONS = [("float64", 1e-8), ("float32", 1e-5)]


@pytest.fixture(scope="module")
def views():
    """Two views of clearly different correlations and variances, so that each direction is well defined."""
    a, b = planted_pair(900, correlations=(0.95, 0.9, 0.8, 0.7, 0.55, 0.4))
    scales = [np.geomspace(1, 3, width) for width in (20, 12)]
    return Views({"a": Column("vector", a * scales[0] + 4), "b": Column("vector", b * scales[1] - 2)})


def products(model):
    """What retrieval sees of two views: W_a W_b', the same whatever the signs of directions."""
    weights = {name: model.weights_.get(name, np.eye(len(mean))) for name, mean in model.means_.items()}
    return weights["a"] @ weights["b"].T


def apart(one, two):
    """The length of the difference of two arrays, relative to the second."""
    return np.linalg.norm(np.asarray(one) - two) / np.linalg.norm(two)


def assert_equal(one, two, near):
    assert apart(products(one), products(two)) < near
    for name, mean in two.means_.items():
        assert apart(one.means_[name], mean) < near
    for held in ("correlations_", "covariances_"):
        if hasattr(two, held):
            assert apart(getattr(one, held), getattr(two, held)) < near
    for name, weights in two.weights_.items():
        assert apart(one.weights_[name] * np.sign((one.weights_[name] * weights).sum(axis=0)), weights) < 2 * near


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize(("precision", "near"), PRECISIONS)
def test_shards_merged_equal_the_whole(name, precision, near, views):
    make = functools.partial(CLOSED[name], precision=precision)
    shards = [make().partial_fit(views[start : start + 300]) for start in (0, 300, 600)]
    merged = functools.reduce(lambda one, two: one.merge(two), shards)
    assert_equal(merged, make().fit(views), near)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize(("precision", "near"), PRECISIONS)
def test_rows_added_equal_a_fit_of_all_and_rows_forgotten_a_fit_of_the_rest(name, precision, near, views):
    make = functools.partial(CLOSED[name], precision=precision)
    model = make().fit(views[:600]).partial_fit(views[600:850]).partial_fit(views[850:])
    assert_equal(model, make().fit(views), near)
    gone = np.isin(np.arange(900), np.random.default_rng(0).permutation(900)[:400])
    assert_equal(model.forget(views[gone]), make().fit(views[~gone]), near)


def shard(rows):
    return CCA(k=6, ridge=0.3, precision="float64").partial_fit(rows)


def test_two_processes_learn_a_shard_each_and_what_they_learned_is_merged(views):
    one, two = scale.processes(shard, [views[:500], views[500:]], workers=2)
    whole = CCA(k=6, ridge=0.3, precision="float64").fit(views)
    assert np.abs(one.correlations_ - whole.correlations_).max() > 1e-3  # a shard alone knows less
    assert_equal(one.merge(two), whole, 1e-8)


@pytest.mark.parametrize("name", CLOSED)
def test_a_saved_aligner_learns_on_and_forgets(name, views, tmp_path):
    make = functools.partial(CLOSED[name], precision="float64")
    recipe.save(make().fit(views[:600]), tmp_path / "m")
    model = recipe.load(tmp_path / "m").partial_fit(views[600:]).forget(views[:200])
    assert_equal(model, make().fit(views[200:]), 1e-8)
    recipe.save(model, tmp_path / "again")
    np.testing.assert_array_equal(
        recipe.load(tmp_path / "again").transform(views)["a"].items, model.transform(views)["a"].items
    )


def test_an_update_keeps_the_ridge_and_k_that_were_chosen(views):
    model = CCA(precision="float64").fit(views[:600])
    chosen, trials = dict(model.chosen_), list(model.trials_)
    model.partial_fit(views[600:])
    assert (model.chosen_, model.trials_) == (chosen, trials)
    assert_equal(model, CCA(**chosen, precision="float64").fit(views), 1e-8)


def test_from_nothing_an_update_takes_the_usual_values(views):
    assert CCA().partial_fit(views).chosen_ == {"ridge": 3.0, "k": 256}
    assert CCA(k=4).partial_fit(views).chosen_ == {"ridge": 3.0, "k": 4}
    assert Ridge().partial_fit(views).chosen_ == {"target": "a", "ridge": 3.0}
    assert PLS().partial_fit(views).chosen_ == {"k": 128}
    assert Procrustes().partial_fit(views).chosen_ == {"k": 256}


def test_few_rows_are_solved_in_their_span_and_updated_in_full():
    """50 pairs of 300 and 200 dimensions: fit rotates to their span, partial_fit of the same rows does not."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 4)) * [4, 3, 2, 1]
    views = Views(
        {
            n: Column("vector", z @ rng.normal(size=(4, d)) + rng.normal(size=(60, d)) + 1)
            for n, d in (("a", 300), ("b", 200))
        }
    )
    for make in (
        lambda **kw: CCA(k=4, ridge=1.0, **kw),
        lambda **kw: PLS(k=4, **kw),
        lambda **kw: Ridge("b", 1.0, **kw),
        lambda **kw: Ridge("a", 1.0, **kw),
        lambda **kw: Procrustes(k=4, **kw),
    ):
        fitted = make(precision="float64").fit(views[:50])
        assert_equal(fitted, make(precision="float64").partial_fit(views[:50]), 1e-8)
        assert_equal(make().fit(views[:50]), make().partial_fit(views[:50]), 1e-5)
        assert_equal(fitted.partial_fit(views[50:]), make(precision="float64").fit(views), 1e-8)


def test_few_rows_are_chosen_for_as_in_full():
    """A candidate's score on validation rows is what a model fitted in full coordinates scores there."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(80, 6))
    views = {n: z @ rng.normal(size=(6, d)) + rng.normal(size=(80, d)) for n, d in (("a", 200), ("b", 150))}
    train, val = {n: v[:60] for n, v in views.items()}, {n: v[60:] for n, v in views.items()}
    for make in (CCA, PLS, Procrustes, Ridge):
        for trial in make(precision="float64").fit(train, val=val).trials_[::3]:
            chosen = {name: value for name, value in trial.items() if name != "score"}
            mapped = make(**chosen, precision="float64").partial_fit(train).transform(val)
            again = reciprocal_rank(mapped, {n: c.items for n, c in mapped.columns.items()})
            assert again == pytest.approx(trial["score"], abs=1e-9)


def test_what_cannot_be_merged_or_forgotten_is_one_sentence_and_changes_nothing(views):
    model = CCA(k=2, ridge=1.0).fit(views[:100])
    before = model.weights_["a"].copy()
    wide = CCA(k=2, ridge=1.0).fit({"a": views["b"].items, "b": views["a"].items})
    strange = CCA(k=2, ridge=1.0).fit({"c": views["b"].items, "d": views["a"].items})
    broken = Views({"a": Column("vector", np.full((5, 20), np.inf)), "b": views["b"][:5]})
    for call, given, sentence in (
        (model.forget, views[:200], "got 200 to forget of 100"),
        (model.forget, views[:99], "wanted to keep at least 2 things"),
        (model.forget, Views({"a": Column("vector", 50 * views["a"].items[:50])}), "varies less than 0"),
        (model.forget, {"a": views["b"].items[:5]}, "view 'a' was 20 wide, got 12"),
        (model.merge, wide, "view 'a' was 20 wide, got 12"),
        (model.merge, strange, "share a view, got a, b and c, d"),
        (model.merge, PLS().partial_fit(views), "wanted another CCA to merge, got PLS"),
        (model.merge, CCA(), "not fitted"),
        (CCA().merge, model, "not fitted"),
        (CCA().forget, views, "not fitted"),
        (CCA().partial_fit, {"a": np.eye(3)}, "at least two views"),
        (model.partial_fit, broken, "row 0 holds infinity"),
    ):
        with pytest.raises(ChiasmError, match=sentence), np.errstate(invalid="ignore"):
            call(given)
        np.testing.assert_array_equal(model.weights_["a"], before)
    assert_equal(model.partial_fit(views[100:]), CCA(k=2, ridge=1.0).fit(views), 1e-5)


def test_shards_of_different_pairs_merge_through_the_view_they_share():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1200, 6))
    views = Views(
        {
            n: Column("vector", z @ rng.normal(size=(6, d)) + 0.3 * rng.normal(size=(1200, d)))
            for n, d in (("a", 15), ("b", 12), ("c", 10))
        }
    )
    ab = Views({n: views[:500][n] for n in "ab"}, views.ids[:500])
    bc = Views({n: views[500:1000][n] for n in "bc"}, views.ids[500:1000])
    model = CCA(k=6, ridge=0.1).partial_fit(ab).merge(CCA(k=6, ridge=0.1).partial_fit(bc))
    test = Views({n: views[1000:][n] for n in "ac"})
    assert model.score(test) > 0.8  # chance is 0.005; no thing was ever seen in both
