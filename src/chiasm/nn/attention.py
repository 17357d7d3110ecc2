"""Attention among tokens, and among views: pure functions of plain arrays, one code for numpy and torch.

Tokens of n rows are `(n, T, w)` with booleans `(n, T)`, those that are there; several networks go side by side where
both parameters and tokens have a leading axis, as in `chiasm.nn.temporal`. What is not there is given no weight: a row
reads the same however many places it is padded to. Where nothing is there, what is read is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.nn.blocks import Ops, Params, every, matrix

__all__ = ["FAR", "attend", "coattend", "layer", "pool", "start", "weigh"]

FAR = 1e9
"""What an absent view's score is lowered by."""

HEADS = 4


def attend(q: Any, k: Any, v: Any, allowed: Any, ops: Ops, heads: int = 1) -> tuple[Any, Any]:
    """What each token of q reads in v: softmax(q k' / sqrt(w / heads)) v, each head of a share of the numbers.

    Args:
        q: `(..., n, T, w)`. k, v: `(..., n, S, w)`. allowed: booleans, of the shape of `(..., n, T, S)` or made so by
            numpy's rules, which tokens of v a token of q may read.

    Returns `(..., n, T, w)` and the weights `(..., n, heads, T, S)`: rows sum to 1, or to 0 where nothing is there.
    Source: Vaswani et al. 2017.
    """
    q, k, v = (_parted(x, heads) for x in (q, k, v))
    scores = q @ k.swapaxes(-1, -2) * float(q.shape[-1] ** -0.5)
    weights = ops.shares(scores, allowed[..., None, :, :])
    found = (weights @ v).swapaxes(-2, -3)
    return found.reshape(*found.shape[:-2], found.shape[-2] * found.shape[-1]), weights


def coattend(affinity: Any, x: Any, y: Any, here: Any, there: Any, ops: Ops) -> tuple[Any, Any]:
    """Two views look at each other by one affinity: s_ij = x_i' P y_j / sqrt(w).

    Args:
        affinity: P `(..., w, w)`. x: `(..., n, T, w)` with `here` `(..., n, T)`. y: `(..., n, S, w)` with `there`.

    Returns the weights of both ways, `(..., n, T, S)` softmax over y's tokens and `(..., n, S, T)` over x's: rows sum
    to 1, or to 0 where nothing is there. Sources: Lu et al. 2016; Xiong, Zhong & Socher 2017.
    """
    scores = every(x, affinity) @ y.swapaxes(-1, -2) * float(x.shape[-1] ** -0.5)
    on = ops.shares(scores, there[..., None, :])
    return on, ops.shares(scores.swapaxes(-1, -2), here[..., None, :])


def pool(tokens: Any, query: Any, allowed: Any, ops: Ops) -> tuple[Any, Any]:
    """The mean of tokens `(..., n, T, w)` weighed by softmax(q' t), and the weights `(..., n, T)`.

    Args:
        query: q `(..., w, 1)`. allowed: booleans `(..., n, T)`.
    """
    weights = ops.shares(every(tokens, query)[..., 0], allowed)
    return (weights[..., None, :] @ tokens)[..., 0, :], weights


def start(w: int, rng: np.random.Generator, expansion: int = 2) -> Params:
    """The parameters of `layer` before the first step; what they add is small at first."""
    params = {name: matrix(w, w, rng) for name in ("query", "key", "value")}
    params |= {"out": matrix(w, w, rng, 0.5), "up": matrix(w, expansion * w, rng)}
    params |= {"up.b": np.zeros((1, expansion * w), np.float32), "down": matrix(expansion * w, w, rng, 0.5)}
    return params


def layer(params: Params, x: Any, read: Any, allowed: Any, ops: Ops, dropout: float) -> tuple[Any, Any]:
    """x + attention of x to what is read + a small MLP, each of what is standardized; and the weights, by head.

    Args:
        x: `(..., n, T, w)`. read: `(..., n, S, w)`, of which `allowed` `(..., n, S)` is there.
    """
    known, asked = ops.standardize(read), ops.standardize(x)
    q, k, v = every(asked, params["query"]), every(known, params["key"]), every(known, params["value"])
    found, weights = attend(q, k, v, allowed[..., None, :], ops, HEADS)
    x = x + every(found, params["out"])
    hidden = ops.dropout(ops.gelu(every(ops.standardize(x), params["up"], params["up.b"])), dropout)
    return x + every(hidden, params["down"]), weights


def weigh(parts: Sequence[Any], each: Sequence[Params], joint: Params, there: Sequence[Any], ops: Ops) -> list[Any]:
    """How much each view counts in a row: s_v = q' tanh(A_v t_v + C m + a_v), m the mean of those that are there.

    Args:
        parts: t_v `(..., n, w)` a view. there: `(..., n, 1)` a view, 1 where it is, else 0.

    Returns softmax(s) over views, `(..., n, 1)` each; 0 where a view is absent. Source: Bahdanau, Cho & Bengio 2015.
    """
    mean = sum(mask * part for mask, part in zip(there, parts, strict=True)) / (sum(there) + 1e-6)
    context = mean @ joint["context"]
    scores = []
    for part, mine, mask in zip(parts, each, there, strict=True):
        heard = ops.tanh(part @ mine["scoring"] + mine["bias"] + context)
        scores.append(heard @ joint["query"] - FAR * (1 - mask))
    return [weight * mask for weight, mask in zip(ops.softmax(scores), there, strict=True)]


def _parted(x: Any, heads: int) -> Any:
    """`(..., n, T, w)` -> `(..., n, heads, T, w / heads)`."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).swapaxes(-2, -3)
