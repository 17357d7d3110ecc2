"""What is written down with symbols gives what the same arithmetic gives with arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import erf, expit, softmax

from chiasm.export.network import onnx_bytes, run
from chiasm.graph import Graph, Symbol, SymbolOps, join
from chiasm.nn.blocks import HEADS, ArrayOps
from chiasm.views import normalize

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(6, 5)).astype(np.float32)
ROWS[2] = 0
MATRIX = RNG.normal(size=(5, 3)).astype(np.float32)

CASES: dict[str, tuple[Callable[[Symbol], Symbol], Callable[[np.ndarray], Any]]] = {
    "sums": (lambda x: 2 + x - 3 * x + MATRIX[:, 0], lambda x: 2 + x - 3 * x + MATRIX[:, 0]),
    "an array before a symbol": (lambda x: MATRIX[:, 0] * x - (1 - x), lambda x: MATRIX[:, 0] * x - (1 - x)),
    "products": (lambda x: x @ MATRIX / 3.0, lambda x: x @ MATRIX / 3),
    "powers": (lambda x: x.abs() ** 1.5 * x.sign(), lambda x: np.abs(x) ** 1.5 * np.sign(x)),
    "exponentials": (lambda x: (x.exp() + 1).log().sqrt(), lambda x: np.sqrt(np.log(np.exp(x) + 1))),
    "curves": (lambda x: x.tanh() + x.erf() + x.sigmoid(), lambda x: np.tanh(x) + erf(x) + expit(x)),
    "softmax": (lambda x: x.softmax(), lambda x: softmax(x, axis=1)),
    "cuts": (lambda x: x.clip(-0.5, 0.5) + x.at_least(0.1), lambda x: np.clip(x, -0.5, 0.5) + np.maximum(x, 0.1)),
    "reductions": (
        lambda x: join([x.sum(), x.mean(), x.max(), x.min()]),
        lambda x: np.stack([x.sum(1), x.mean(1), x.max(1), x.min(1)], axis=1),
    ),
    "lengths": (lambda x: x.unit(), normalize),
    "the largest": (lambda x: x.top(2), lambda x: -np.sort(-x, axis=1)[:, :2]),
    "what is kept": (
        lambda x: x.kept(x.top(2).min()),
        lambda x: np.where(x >= np.sort(x, axis=1)[:, -2:-1], x, 0),
    ),
    "constants": (lambda x: x.constant([1.0, 2.0]), lambda x: np.tile([1.0, 2.0], (len(x), 1))),
}


def ran(function: Callable[[Symbol], Symbol], rows: np.ndarray) -> np.ndarray:
    graph = Graph()
    output = function(graph.input("rows"))
    return run(onnx_bytes(graph, output, {"rows": rows.shape[1]}), rows=rows)


@pytest.mark.parametrize("name", CASES)
def test_symbols_compute_what_arrays_do(name):
    symbols, arrays = CASES[name]
    for rows in (ROWS, ROWS[:1]):
        found = ran(symbols, rows)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, arrays(rows), rtol=1e-5, atol=1e-6)


def test_an_offset_far_beyond_the_spread_is_taken_off_without_loss_of_digits():
    mean = np.full(5, 100_000.3)
    rows = (mean + ROWS).astype(np.float32)
    found = ran(lambda x: x.centered(mean), rows)
    np.testing.assert_allclose(found, (rows.astype(np.float64) - mean).astype(np.float32), rtol=1e-6)
    assert np.abs((rows - mean.astype(np.float32)) - found).max() > 1e-4  # what float32 alone would lose


@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_written_down_as_it_computes(name):
    params = HEADS[name].init(5, 4, np.random.default_rng(1), None)
    params = {key: value + 0.1 for key, value in params.items()}
    head: Any = HEADS[name].forward
    ours = head(params, ROWS, ArrayOps(), 0.0)
    np.testing.assert_allclose(ran(lambda x: head(params, x, SymbolOps(), 0.5), ROWS), ours, rtol=1e-4, atol=1e-5)


def test_an_array_that_is_used_twice_is_held_once():
    graph = Graph()
    rows = graph.input("rows")
    join([rows @ MATRIX, (rows * 2) @ MATRIX.copy()])
    assert sum(array.shape == MATRIX.shape for array in graph.arrays.values()) == 1
