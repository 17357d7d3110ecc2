"""The spectral embedding: rings come apart, new rows are placed where learned ones were, absent views are bridged."""

import numpy as np
import pytest

from chiasm.stats import spectral
from chiasm.stats.blocks import Block


def rings(n=300, seed=0):
    """Two views of two rings within each other; the rings are shared, the angles are not."""
    rng = np.random.default_rng(seed)
    inner = np.arange(n) % 2 == 0
    found = {}
    for name in "ab":
        angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(inner, 1, 3) + 0.1 * rng.normal(size=n)
        found[name] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return found, inner


def whole(views):
    return {name: Block(rows, np.ones(len(rows), bool)) for name, rows in views.items()}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("weights", [None, {"a": 0.4, "b": 1.6}])
def test_the_views_of_a_learned_thing_add_up_to_its_eigenvector(weights):
    views, _ = rings()
    known = spectral.learn(whole(views), 6, weights=weights)
    found = sum(spectral.place(known, name, rows) for name, rows in views.items())
    np.testing.assert_allclose(unit(found), unit(known["vectors"]), atol=1e-7)


def test_eigenvectors_are_those_of_the_dense_matrix():
    views, _ = rings(60)
    known = spectral.learn({"a": whole(views)["a"]}, 4)
    rows = views["a"]
    far = np.linalg.norm(rows[:, None] - rows, axis=2)
    radius = np.sort(far, axis=1)[:, spectral.NEIGHBORS]
    near = far <= radius[:, None]
    ties = np.where(near | near.T, np.exp(-(far**2) / np.outer(radius, radius)), 0)
    lengths = 1 / np.sqrt(ties.sum(axis=1))
    values = np.linalg.eigvalsh(ties * np.outer(lengths, lengths))[::-1][:4]
    np.testing.assert_allclose(known["values"], values, atol=1e-9)


def test_rings_come_apart_by_the_graph():
    views, inner = rings()
    known = spectral.learn(whole(views), 2)
    found = unit(known["vectors"])
    assert np.abs(found[inner] @ found[~inner].T).max() < 0.2
    assert np.abs(found[inner] @ found[inner].T).min() > 0.9


def test_a_thing_without_a_view_is_placed_by_the_other():
    views, inner = rings()
    held = whole(views)
    held["b"] = Block(views["b"], np.arange(300) % 3 != 0)
    found = unit(spectral.learn(held, 2)["vectors"])
    assert np.abs(found[inner] @ found[~inner].T).max() < 0.3


def test_of_very_many_things_some_are_drawn(monkeypatch):
    monkeypatch.setattr(spectral, "MOST", 100)
    views, inner = rings()
    known = spectral.learn(whole(views), 2)
    assert len(known["drawn"]) == 100
    found = unit(sum(spectral.place(known, name, rows) for name, rows in views.items()))
    assert np.abs(found[inner] @ found[~inner].T).max() < 0.5


def test_rows_that_are_all_the_same_have_an_embedding():
    known = spectral.learn(whole({"a": np.ones((30, 3)), "b": np.random.default_rng(0).normal(size=(30, 2))}), 3)
    assert np.isfinite(known["vectors"]).all()
    assert np.isfinite(spectral.place(known, "a", np.ones((2, 3)))).all()
