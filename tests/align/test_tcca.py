"""Tensor CCA: of two views it is CCA; planted directions; what no two of three views show; absent views; bad input."""

import numpy as np
import pytest

from chiasm import recipe
from chiasm.align.cca import CCA
from chiasm.align.tcca import TCCA
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import Views

N, LEARN = 1500, 1000


def shown(latents, seed=0):
    """Views a, b, c that show `(n, k)` latents each among axes of noise, turned at random."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, z, d in zip("abc", latents, (8, 9, 10), strict=True):
        rows = rng.normal(size=(len(z), d))
        rows[:, : z.shape[1]] = z
        found[name] = (rows * rng.permutation(np.linspace(1, 2, d))) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    return found


def signs(seed=0):
    """Three random signs `(n, 1)` whose product is 1: no two of them are correlated."""
    first, second = np.random.default_rng(seed).choice([-1.0, 1.0], size=(2, N, 1))
    return first, second, first * second


def halves(views):
    return tuple({name: rows[part] for name, rows in views.items()} for part in (slice(LEARN), slice(LEARN, None)))


def together(model, views):
    """The mean over things of the product of the views' first numbers, each over its spread."""
    columns = [column.items[:, 0] for column in model.transform(views).columns.values()]
    return abs(float(np.mean(np.prod([values / values.std() for values in columns], axis=0))))


def test_what_no_two_views_show_is_found_and_not_by_what_goes_by_pairs():
    latents = signs()
    learned, held = halves(shown(latents))
    model = TCCA(k=1, ridge=0.1).fit(learned)
    mapped = model.transform(held)
    for name, z in zip("abc", latents, strict=True):
        assert abs(np.corrcoef(mapped[name].items[:, 0], z[LEARN:, 0])[0, 1]) > 0.99
    assert together(model, held) > 0.9
    assert together(CCA(k=1, ridge=0.1).fit(learned), held) < 0.2
    dealt = learned | {"c": np.random.default_rng(1).permutation(learned["c"])}  # nothing left to find
    assert together(TCCA(k=1, ridge=0.1).fit(dealt), held) < 0.2


def test_planted_directions_are_found_each_by_itself():
    z = np.random.default_rng(0).exponential(size=(N, 3)) - 1  # skewed: a third moment of 2 each
    model = TCCA(k=3, ridge=0.01).fit(shown([z, z, z]))
    for column in model.transform(shown([z, z, z])).columns.values():
        near = np.abs(np.corrcoef(column.items.T, z.T)[:3, 3:])
        assert near.max(axis=0).min() > 0.99
        assert sorted(near.argmax(axis=0)) == [0, 1, 2]
    assert float(model.score(shown([z, z, z]))) > 0.2  # signs agree, so that things find each other: chance is 1 / 1500
    np.testing.assert_allclose(model.comoments_, 2, atol=0.5)
    np.testing.assert_allclose(TCCA(k=3, ridge=0.01).fit(shown([-z, -z, -z])).comoments_, 2, atol=0.5)


def test_of_two_views_it_is_cca():
    a, b = planted_pair(300)
    ours, known = TCCA(k=5, ridge=1.0).fit({"a": a, "b": b}), CCA(k=5, ridge=1.0).fit({"a": a, "b": b})
    np.testing.assert_allclose(ours.comoments_, known.correlations_, atol=1e-6)
    for name, weights in known.weights_.items():
        np.testing.assert_allclose(np.abs(ours.weights_[name]), np.abs(weights), atol=1e-5)


def test_things_that_lack_a_view_do_not_count_in_the_tensor():
    views = shown(signs())
    some = {name: rows.copy() for name, rows in views.items()}
    some["c"][LEARN:] = np.nan
    model = TCCA(k=1, ridge=0.1).fit(some)
    assert together(model, halves(views)[1]) > 0.9
    assert model.transform(some).present("c").sum() == LEARN
    np.testing.assert_allclose(model.means_["a"], views["a"].mean(axis=0), atol=1e-5)  # but they do in their own view


def test_pairs_alone_are_refused_by_name():
    a, b = planted_pair(100)
    c = planted_pair(100, seed=1)[0]
    pairs = Views.stack(Views.of({"a": a, "b": b}), Views(Views.of({"b": b, "c": c}).columns, np.arange(100, 200)))
    with pytest.raises(ChiasmError, match=r"at least 2 things that have all 3 views \(a, b, c\), got 0.*cca"):
        TCCA().fit(pairs)


def test_four_views_and_a_saved_model(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.exponential(size=(400, 2))
    views = {name: z @ rng.normal(size=(2, 30)) + 0.3 * rng.normal(size=(400, 30)) for name in "abcd"}
    model = TCCA(k=2, ridge=0.1).fit(views)
    assert float(model.score(views)) > 0.025  # chance is 1 / 400
    again = recipe.load(recipe.save(model, tmp_path / "m"))
    for name in views:
        np.testing.assert_array_equal(again.transform(views)[name].items, model.transform(views)[name].items)


BAD = {
    "one thing": ({"a": np.eye(1, 3), "b": np.eye(1, 2), "c": np.eye(1, 2)}, "pairs"),
    "NaN": ({"a": np.full((9, 3), [[0, 1, np.nan]]), "b": np.eye(9), "c": np.eye(9)}, "NaN"),
    "constant": ({"a": np.ones((9, 3)), "b": np.eye(9), "c": np.eye(9)}, "'a'"),
    "one view": ({"a": np.eye(9)}, "view"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_learned_from_is_told(what):
    views, words = BAD[what]
    with pytest.raises(ChiasmError, match=words):
        TCCA().fit(views)


@pytest.mark.parametrize("ridge", [0.0, None])
def test_more_width_than_rows_has_a_space(ridge):
    rng = np.random.default_rng(0)
    views = {name: rng.normal(size=(12, d)) for name, d in (("a", 40), ("b", 30), ("c", 20))}
    mapped = TCCA(ridge=ridge).fit(views).transform(views)
    assert all(np.isfinite(column.items).all() for column in mapped.columns.values())


def test_what_has_no_third_moment_is_refused_by_name():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ChiasmError, match="at least 3 things"):
        TCCA().fit({name: rows[:2] * scale for name, scale in (("a", 1), ("b", 2), ("c", 3))})
    even = np.concatenate([rows, -rows])
    with pytest.raises(ChiasmError, match="symmetrically"):
        TCCA(k=1, ridge=0.1).fit({"a": even, "b": even, "c": even})
