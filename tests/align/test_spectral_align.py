"""Spectral aligners: rings that no linear map takes apart, rows without a partner, five bad inputs."""

import numpy as np
import pytest

from chiasm.align.cca import CCA
from chiasm.align.spectral import Spectral
from chiasm.align.sue import SUE
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import ABSENT, Column, Views


def rings(n=300, seed=0):
    rng = np.random.default_rng(seed)
    inner = np.arange(n) % 2 == 0
    found = {}
    for name in "ab":
        angle, radius = rng.uniform(0, 2 * np.pi, n), np.where(inner, 1, 3) + 0.1 * rng.normal(size=n)
        found[name] = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return found, inner


def told(mapped, inner):
    """The share of rows whose ring the nearer of two group means says, learned on the first half."""
    half = len(mapped) // 2
    means = [mapped[:half][inner[:half] == side].mean(axis=0) for side in (True, False)]
    far = [np.linalg.norm(mapped[half:] - mean, axis=1) for mean in means]
    return float(((far[0] < far[1]) == inner[half:]).mean())


def test_rings_are_told_apart_by_the_graph_and_not_without_it():
    views, inner = rings()
    learned = {name: rows[:200] for name, rows in views.items()}
    graph, linear = Spectral(k=2, neighbors=10).fit(learned), CCA(k=2).fit(learned)
    for name in views:
        new = {name: views[name][200:]}
        assert told(graph.transform(new)[name].items, inner[200:]) == 1
        assert told(linear.transform(new)[name].items, inner[200:]) < 0.7


def parted(n=600, pairs=100):
    """A planted pair of views of which only the first things keep their pair; the last 100 are held out."""
    a, b = planted_pair(n, correlations=(0.99,) * 8)
    m = n - 100
    rows = np.concatenate([np.arange(m), np.arange(pairs, m)])
    first, second = np.arange(len(rows)) < m, (np.arange(len(rows)) < pairs) | (np.arange(len(rows)) >= m)
    columns = {
        "a": Column("vector", a, np.where(first, rows, ABSENT)),
        "b": Column("vector", b, np.where(second, rows, ABSENT)),
    }
    return Views(columns), {"a": a[m:], "b": b[m:]}


@pytest.mark.parametrize("method", [Spectral, SUE])
def test_rows_without_a_partner_are_in_the_graph(method):
    rows, held = parted()
    model = method().fit(rows)
    graph = model.graph_ if method is Spectral else model.graphs_["a"]
    assert len(graph["views"]["a"]["rows"]) == 500
    assert float(model.score(held)) > 0.1


BAD = {
    "one pair": ({"a": np.eye(1, 3), "b": np.eye(1, 2)}, "pairs"),
    "NaN": ({"a": np.full((9, 3), [[0, 1, np.nan]]), "b": np.eye(9)}, "NaN"),
    "constant": ({"a": np.ones((9, 3)), "b": np.eye(9)}, "'a'"),
    "one view": ({"a": np.eye(9)}, "view"),
}


@pytest.mark.parametrize("method", [Spectral, SUE])
@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_learned_from_is_told(method, what):
    views, words = BAD[what]
    with pytest.raises(ChiasmError, match=words):
        method().fit(views)


@pytest.mark.parametrize("method", [Spectral, SUE])
@pytest.mark.filterwarnings("ignore::chiasm.errors.ChiasmWarning")
def test_more_width_than_rows_and_few_pairs_have_a_space(method):
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(12, 40)), "b": rng.normal(size=(12, 30))}
    mapped = method().fit(views).transform(views)
    assert np.isfinite(mapped["a"].items).all()
    assert mapped["a"].width == mapped["b"].width > 0


def test_things_that_share_one_place_in_the_graph_are_told_to():
    with pytest.raises(ChiasmError, match="the 2 items of view 'a' have one place in the graph"):
        SUE().fit({"a": np.eye(2, 5), "b": np.eye(2, 4)})
