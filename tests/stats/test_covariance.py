"""Streamed moments equal the slow obvious ones, however the rows are cut, joined or taken back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm import recipe
from chiasm.errors import ChiasmError
from chiasm.stats.covariance import Covariance
from chiasm.views import Column, Views


def table(ids, seed=0, shift=0.0, absent=0.0):
    rng = np.random.default_rng(seed)
    n = len(ids)
    columns = {}
    for name, width in (("a", 4), ("b", 3)):
        index = np.where(rng.random(n) < absent, -1, np.arange(n))
        columns[name] = Column("vector", rng.normal(size=(n, width)) + shift, index)
    return Views(columns, np.array(ids))


def slow(views):
    """Moments by listing every pair of every id, each id weighing 1."""
    a, b = views["a"], views["b"]
    xs, ys, ws = [], [], []
    auto = {"a": [], "b": []}
    for thing in np.unique(views.ids):
        rows = np.flatnonzero(views.ids == thing)
        items = {n: [views[n].items[p] for p in views[n].index[rows] if p >= 0] for n in ("a", "b")}
        for name, held in items.items():
            auto[name] += [(x, 1 / len(held)) for x in held]
        for x in items["a"]:
            for y in items["b"]:
                xs.append(x)
                ys.append(y)
                ws.append(1 / (len(items["a"]) * len(items["b"])))
    w = np.array(ws) / sum(ws)
    x, y = np.array(xs), np.array(ys)
    cross = (x * w[:, None]).T @ y - np.outer(w @ x, w @ y)
    out = {"cross": cross}
    for name, held in auto.items():
        v, u = np.array([h for h, _ in held]), np.array([u for _, u in held])
        u = u / u.sum()
        out[name] = (v * u[:, None]).T @ v - np.outer(u @ v, u @ v)
    assert a.width == 4
    assert b.width == 3
    return out


@settings(max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=6, max_size=40), st.integers(1, 9), st.sampled_from([0.0, 0.3]))
def test_streamed_moments_equal_listing_every_pair(ids, chunk, absent):
    views = table(ids, absent=absent)
    both = set(views.ids[views.present("a")]) & set(views.ids[views.present("b")])
    if not both:
        return
    moments = Covariance("float64", chunk=chunk).add(views)
    known = slow(views)
    np.testing.assert_allclose(moments.cross("a", "b"), known["cross"], atol=1e-10)
    np.testing.assert_allclose(moments.auto("a"), known["a"], atol=1e-10)
    np.testing.assert_allclose(moments.cross("b", "a"), moments.cross("a", "b").T)


def test_one_to_one_rows_equal_numpy_cov():
    views = table(range(50))
    moments = Covariance("float64").add(views)
    whole = np.cov(np.hstack([views["a"].items, views["b"].items]).T, bias=True)
    np.testing.assert_allclose(moments.auto("a"), whole[:4, :4], atol=1e-12)
    np.testing.assert_allclose(moments.cross("a", "b"), whole[:4, 4:], atol=1e-12)


def test_shards_merge_to_the_whole_and_subtracting_undoes_adding():
    views = table(range(300))
    whole = Covariance("float64").add(views)
    first = Covariance("float64").add(views[:100])
    first.merge(first.empty_like().add(views[100:]))
    np.testing.assert_allclose(first.mean("a"), whole.mean("a"), atol=1e-12)
    np.testing.assert_allclose(first.auto("a"), whole.auto("a"), atol=1e-12)
    np.testing.assert_allclose(first.cross("a", "b"), whole.cross("a", "b"), atol=1e-12)
    first.subtract(views[100:])
    again = Covariance("float64").add(views[:100])
    np.testing.assert_allclose(first.auto("b"), again.auto("b"), atol=1e-12)


def test_a_large_mean_costs_float32_no_digits():
    views = table(range(5000), shift=1e4)
    exact = Covariance("float64").add(views).auto("a")
    fast = Covariance("float32").add(views).auto("a")
    naive = views["a"].items.astype(np.float32)
    naive = naive.T @ naive / len(naive) - np.outer(naive.mean(0), naive.mean(0))
    assert np.abs(fast - exact).max() < 1e-3
    assert np.abs(naive - exact).max() > 1  # what the shift is there to prevent


@pytest.mark.parametrize(("precision", "near"), [("float64", 1e-9), ("float32", 1e-3)])
def test_shards_of_their_own_shifts_merge_to_the_whole_and_are_taken_out_again(precision, near):
    """Also when their means are a thousand standard deviations apart, and the second lists its views the other way."""
    one, two = table(range(150), absent=0.2), table(range(150, 400), seed=1, shift=1e3, absent=0.2)
    turned = Views({name: two[name] for name in ("b", "a")}, two.ids)
    moments = Covariance(precision).add(one).merge(Covariance(precision).add(turned))
    whole = Covariance("float64").add(Views.stack(one, two))
    assert moments.count("a", "b") == whole.count("b", "a")
    for name in ("a", "b"):
        np.testing.assert_allclose(moments.mean(name), whole.mean(name), rtol=near)
        np.testing.assert_allclose(moments.auto(name), whole.auto(name), rtol=near)
    np.testing.assert_allclose(moments.cross("a", "b"), whole.cross("a", "b"), rtol=near)
    moments.merge(Covariance(precision).add(turned), sign=-1)
    np.testing.assert_allclose(moments.cross("a", "b"), Covariance("float64").add(one).cross("a", "b"), atol=10 * near)


def test_tables_that_share_one_view_have_no_cross_moments_between_the_others():
    one, two = table(range(50)), table(range(50, 90))
    views = Views.stack(one, Views({"b": two["b"], "c": two["a"]}, two.ids))
    moments = Covariance("float64", chunk=16).add(views)  # the first chunks lack c altogether
    assert moments.count("b") == 90
    assert moments.count("a", "c") == 0
    assert not moments.cross("a", "c").any()
    np.testing.assert_allclose(moments.auto("c"), np.cov(two["a"].items.T, bias=True), atol=1e-12)


def test_moments_survive_saving(tmp_path):
    moments = Covariance(chunk=64).add(table(range(200)))
    recipe.save(moments, tmp_path / "m")
    again = recipe.load(tmp_path / "m")
    assert again.chunk == 64
    np.testing.assert_array_equal(again.cross("a", "b"), moments.cross("a", "b"))
    again.merge(moments)
    np.testing.assert_allclose(again.auto("a"), moments.auto("a"), atol=1e-12)


def test_a_view_of_another_width_is_refused_by_name():
    other = table(range(9))
    other.columns["a"], other.columns["b"] = other["b"], other["a"]
    moments = Covariance().add(table(range(9)))
    with pytest.raises(ChiasmError, match="view 'a' was 4 wide, got 3"):
        moments.add(other)
    with pytest.raises(ChiasmError, match="view 'a' was 4 wide, got 3"):
        moments.merge(Covariance().add(other))


def test_values_that_are_not_finite_are_refused_by_name():
    views = table(range(9))
    views["b"].items[4, 1] = np.inf
    with pytest.raises(ChiasmError, match="'b' holds values that are not finite"), np.errstate(invalid="ignore"):
        Covariance().add(views)
