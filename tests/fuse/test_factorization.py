"""Factorization machines: products of three views that pairs miss, absent views, answers by their definition."""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.fuse.factorization import Factorization
from chiasm.nn.blocks import ArrayOps


def signs(n, views, seed=0):
    """The class is the sign of the product of all views' numbers: any fewer of them tell nothing."""
    rng = np.random.default_rng(seed)
    given = {name: rng.normal(size=(n, 1)) for name in views}
    return given, (np.prod([values[:, 0] for values in given.values()], axis=0) > 0).astype(int)


def some(views, rows):
    return {name: values[rows] for name, values in views.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("views", "order", "least", "most"), [("abc", 3, 0.8, 1), ("abc", 2, 0, 0.6), ("ab", 2, 0.8, 1)]
)
def test_products_are_seen_up_to_the_order(views, order, least, most):
    given, y = signs(1400, views)
    fused = Factorization(order, seed=1).fit(some(given, slice(800)), y[:800])
    assert least <= float(fused.score(some(given, slice(800, None)), y[800:])) <= most


@pytest.mark.parametrize("order", [2, 3])
def test_an_output_is_the_sum_over_views_pairs_and_threes(order):
    rng = np.random.default_rng(0)
    fused, widths = Factorization(order, rank=4), {"a": 3, "b": 2, "c": 5}
    params = fused._start(widths, 2, rng)
    rows = {name: rng.normal(size=(6, width)).astype(np.float32) for name, width in widths.items()}
    here = np.array([[1, 1, 1]] * 3 + [[1, 0, 1], [0, 1, 0], [0, 0, 0]], dtype=np.float32)
    out, weights = fused._forward(params, rows, here, ArrayOps(), 0.0)
    joint = params["(all)"]
    for i in range(6):
        there = [name for v, name in enumerate(widths) if here[i, v]]
        wanted = joint["offset"][0] + sum((rows[name][i] @ params[name]["linear"] for name in there), np.zeros(2))
        factors = [rows[name][i] @ params[name]["factors"] for name in there]
        for u in range(len(there)):
            for v in range(u):
                wanted = wanted + (factors[u] * factors[v]) @ joint["head2"]
        if order == 3 and len(there) == 3:
            wanted = wanted + np.prod(factors, axis=0) @ joint["head3"]
        assert out[i] == pytest.approx(wanted, abs=1e-5)
    shares = np.concatenate(weights, axis=1)
    assert shares.sum(axis=1) == pytest.approx([1, 1, 1, 1, 1, 0])
    without = [fused._forward(params, rows, here * (np.arange(3) != v), ArrayOps(), 0.0)[0] for v in range(3)]
    sizes = np.stack([np.square(out - one).mean(axis=1) for one in without], axis=1)[:5]
    assert shares[:5] == pytest.approx(sizes / sizes.sum(axis=1, keepdims=True), abs=1e-4)


@pytest.mark.parametrize("wrong", [{"order": 1}, {"order": 4}, {"rank": 0}])
def test_what_there_is_not_is_refused(wrong):
    given, y = signs(40, "ab")
    with pytest.raises(ChiasmError, match=next(iter(wrong))):
        Factorization(**wrong).fit(given, y)
