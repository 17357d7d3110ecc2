"""tensor: the products of axes as a slow obvious version has them; by rows and by coordinates; absent views."""

import numpy as np
import pytest

from chiasm.fuse import tensor
from chiasm.fuse.early import Early
from chiasm.fuse.tensor import Tensor


def asked(n=1200, seed=0):
    """Five colors, five questions ("is it the i-th color?"): only both together tell yes from no."""
    rng = np.random.default_rng(seed)
    color, wanted = rng.integers(0, 5, (2, n))
    wanted = np.where(rng.random(n) < 0.5, color, wanted)
    views = {"question": np.eye(5)[wanted], "picture": np.eye(5)[color] + 0.1 * rng.normal(size=(n, 5))}
    return views, np.where(color == wanted, "yes", "no")


def some(views, rows):
    return {name: values[rows] for name, values in views.items()}


def test_the_likeness_of_products_is_that_of_products_that_are_formed():
    rng = np.random.default_rng(0)
    rows = {name: rng.normal(size=(6, d)).astype(np.float32) for name, d in (("a", 3), ("b", 4), ("c", 2))}
    names = list(rows)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    slow = np.array(
        [
            np.concatenate(
                [[1], *(rows[v][i] for v in names), *(np.outer(rows[u][i], rows[v][i]).ravel() for u, v in pairs)]
            )
            for i in range(6)
        ]
    )
    assert np.allclose(tensor._products(rows, names), slow, atol=1e-6)
    assert np.allclose(tensor._likeness(rows, rows, names), slow @ slow.T, atol=1e-4)


def test_what_two_views_say_only_together_is_learned_and_a_sum_of_views_does_not_learn_it():
    views, y = asked()
    fused = Tensor().fit(some(views, slice(0, 900)), y[:900])
    right = np.mean(fused.predict(some(views, slice(900, None))) == y[900:])
    added = np.mean(Early().fit(some(views, slice(0, 900)), y[:900]).predict(some(views, slice(900, None))) == y[900:])
    assert right > 0.97
    assert added < 0.85


def test_many_rows_are_solved_by_coordinates_and_answer_as_they_do_by_rows(monkeypatch):
    views, y = asked(600)
    by_rows = Tensor().fit(some(views, slice(0, 400)), y[:400]).outputs(some(views, slice(400, None)))
    monkeypatch.setattr(tensor, "_FEW", 100)
    fused = Tensor().fit(some(views, slice(0, 400)), y[:400])
    by_coordinates = fused.outputs(some(views, slice(400, None)))
    assert not fused.known_
    assert np.mean(by_rows.argmax(axis=1) == by_coordinates.argmax(axis=1)) > 0.97


def test_the_answer_without_a_view_is_what_is_learned_without_it():
    views, y = asked(400)
    both = Tensor().fit(some(views, slice(0, 300)), y[:300])
    alone = Tensor().fit({"picture": views["picture"][:300]}, y[:300])
    rest = {"picture": views["picture"][300:]}
    assert np.allclose(both.outputs(rest), alone.outputs(rest), atol=1e-5)


def test_hundreds_of_rare_classes_keep_the_order_of_their_scores():
    rng = np.random.default_rng(0)
    y = np.concatenate([np.arange(150), np.arange(150), np.arange(150)]).astype(str)
    centers = rng.normal(size=(150, 30))
    x = centers[y.astype(int)] + 0.3 * rng.normal(size=(450, 30))
    fused = Tensor().fit({"a": x[:300]}, y[:300])
    assert np.mean(fused.predict({"a": x[300:]}) == y[300:]) > 0.9
    assert np.allclose(fused.outputs({"a": x[300:]}).sum(axis=1), 1)


@pytest.mark.parametrize(("k", "axes"), [(1, 500), (2, 60), (3, 34)])
def test_axes_are_as_many_as_make_the_coordinates_that_are_solved_for(k, axes):
    assert tensor._axes(k) == axes
    assert k == 1 or k * axes + k * (k - 1) // 2 * axes**2 <= tensor._COORDINATES
