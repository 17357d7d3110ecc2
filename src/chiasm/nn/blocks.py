"""Heads: small networks as pure functions of plain arrays, one code for numpy and torch.

A head is trained as tensors and saved and answered as arrays: `forward(params, x, ops)` is the same code, and `ops` is
`ArrayOps` (no torch needed) or `TensorOps`. Every head starts as a given linear map where one is passed (`start`), and
at random otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.special import erf, expit, softmax

from chiasm.errors import unknown

__all__ = [
    "HEADS",
    "ArrayOps",
    "Head",
    "Ops",
    "Params",
    "TensorOps",
    "every",
    "gated",
    "head",
    "linear",
    "matrix",
    "mlp",
    "residual",
]

Params = dict[str, Any]
"""Arrays or tensors by name."""

_NEVER = -1e9


class Ops(Protocol):
    """The functions in which numpy and torch differ."""

    def gelu(self, x: Any) -> Any:
        """x times the normal distribution function of x."""

    def relu6(self, x: Any) -> Any:
        """x cut to 0..6."""

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""

    def tanh(self, x: Any) -> Any:
        """The hyperbolic tangent."""

    def softmax(self, parts: Sequence[Any]) -> list[Any]:
        """Of parts of one shape, place by place: exp(part) over the sum of all parts' exp."""

    def shares(self, scores: Any, allowed: Any) -> Any:
        """The softmax of scores over their last axis; 0 where `allowed`, booleans that broadcast, says no."""

    def standardize(self, x: Any) -> Any:
        """Each row less its mean, over its standard deviation."""

    def join(self, parts: Sequence[Any], axis: int = -1) -> Any:
        """Parts side by side along an axis."""

    def reverse(self, x: Any) -> Any:
        """x `(..., T, d)` with its steps from the last to the first."""

    def most(self, x: Any) -> Any:
        """Of x `(..., T, d)` the largest over its steps, `(..., d)`."""

    def dropout(self, x: Any, rate: float) -> Any:
        """In training a share `rate` of x set to 0 and the rest scaled up; else x."""


class ArrayOps:
    """Numpy: for answers."""

    def gelu(self, x: np.ndarray) -> np.ndarray:
        """x times the normal distribution function of x."""
        half = x.dtype.type(0.5)
        mapped: np.ndarray = half * x * (1 + erf(x * x.dtype.type(np.sqrt(0.5))))
        return mapped

    def relu6(self, x: np.ndarray) -> np.ndarray:
        """x cut to 0..6."""
        return np.clip(x, 0, 6)

    def sigmoid(self, x: np.ndarray) -> np.ndarray:
        """1 / (1 + exp(-x))."""
        mapped: np.ndarray = expit(x)
        return mapped

    def tanh(self, x: np.ndarray) -> np.ndarray:
        """The hyperbolic tangent."""
        mapped: np.ndarray = np.tanh(x)
        return mapped

    def softmax(self, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Of parts of one shape, place by place: exp(part) over the sum of all parts' exp."""
        return list(softmax(np.stack(parts), axis=0))

    def shares(self, scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """The softmax of scores over their last axis; 0 where `allowed`, booleans that broadcast, says no."""
        kept = np.where(allowed, scores, scores.dtype.type(_NEVER))
        found = np.exp(kept - kept.max(axis=-1, keepdims=True))
        shares: np.ndarray = np.where(allowed, found / found.sum(axis=-1, keepdims=True), scores.dtype.type(0))
        return shares

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Each row less its mean, over its standard deviation."""
        centered = x - x.mean(axis=-1, keepdims=True)
        return centered / np.sqrt(np.square(centered).mean(axis=-1, keepdims=True) + x.dtype.type(1e-5))

    def join(self, parts: Sequence[np.ndarray], axis: int = -1) -> np.ndarray:
        """Parts side by side along an axis."""
        return np.concatenate(parts, axis=axis)

    def reverse(self, x: np.ndarray) -> np.ndarray:
        """X `(..., T, d)` with its steps from the last to the first."""
        return x[..., ::-1, :]

    def most(self, x: np.ndarray) -> np.ndarray:
        """Of x `(..., T, d)` the largest over its steps, `(..., d)`."""
        largest: np.ndarray = x.max(axis=-2)
        return largest

    def dropout(self, x: np.ndarray, rate: float) -> np.ndarray:
        """X, as it is."""
        return x


class TensorOps:
    """Torch: for training. Dropout draws from `generator`, so that a seed decides it."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def gelu(self, x: Any) -> Any:
        """x times the normal distribution function of x."""
        import torch

        return torch.nn.functional.gelu(x)

    def relu6(self, x: Any) -> Any:
        """x cut to 0..6."""
        return x.clamp(0, 6)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return x.sigmoid()

    def tanh(self, x: Any) -> Any:
        """The hyperbolic tangent."""
        return x.tanh()

    def softmax(self, parts: Sequence[Any]) -> list[Any]:
        """Of parts of one shape, place by place: exp(part) over the sum of all parts' exp."""
        import torch

        return list(torch.stack(list(parts)).softmax(dim=0))

    def shares(self, scores: Any, allowed: Any) -> Any:
        """The softmax of scores over their last axis; 0 where `allowed`, booleans that broadcast, says no."""
        import torch

        never = ~torch.as_tensor(allowed, device=scores.device)
        return scores.masked_fill(never, _NEVER).softmax(dim=-1).masked_fill(never, 0.0)

    def standardize(self, x: Any) -> Any:
        """Each row less its mean, over its standard deviation."""
        import torch

        return torch.nn.functional.layer_norm(x, x.shape[-1:])

    def join(self, parts: Sequence[Any], axis: int = -1) -> Any:
        """Parts side by side along an axis."""
        import torch

        return torch.cat(list(parts), dim=axis)

    def reverse(self, x: Any) -> Any:
        """X `(..., T, d)` with its steps from the last to the first."""
        return x.flip(-2)

    def most(self, x: Any) -> Any:
        """Of x `(..., T, d)` the largest over its steps, `(..., d)`."""
        return x.amax(dim=-2)

    def dropout(self, x: Any, rate: float) -> Any:
        """A share `rate` of x set to 0, the rest scaled up."""
        if not rate:
            return x
        kept = x.new_empty(x.shape).bernoulli_(1 - rate, generator=self.generator)
        return x * kept / (1 - rate)


def every(x: Any, weight: Any, bias: Any = 0.0) -> Any:
    """x W + b of every token: x `(..., n, T, d)` -> `(..., n, T, k)`, in one product; W may have a leading axis."""
    n, steps, d = x.shape[-3:]
    found = x.reshape(*x.shape[:-3], n * steps, d) @ weight + bias
    return found.reshape(*found.shape[:-2], n, steps, found.shape[-1])


class Head(NamedTuple):
    """A pair of functions: `init(d, k, rng, start)` -> arrays, and `forward(params, x, ops, dropout)` -> `(n, k)`."""

    init: Callable[[int, int, np.random.Generator, np.ndarray | None], Params]
    forward: Callable[[Params, Any, Ops, float], Any]


def _linear_init(d: int, k: int, rng: np.random.Generator, start: np.ndarray | None) -> Params:
    return {"weight": matrix(d, k, rng) if start is None else start.astype(np.float32)}


def _linear(params: Params, x: Any, ops: Ops, dropout: float) -> Any:
    return ops.dropout(x, dropout) @ params["weight"]


linear = Head(_linear_init, _linear)
"""x W. Inputs are centered, so there is no offset to learn."""


def mlp(blocks: int = 2, expansion: int = 2) -> Head:
    """Blocks x + W2 dropout(gelu(W1 norm(x))), then norm, then a linear map. Source: FuseMix, Vouitsis et al. 2024.

    W2 starts at 0, so the head starts as (nearly: the norm takes the mean over dimensions out) its linear map.
    """

    def init(d: int, k: int, rng: np.random.Generator, start: np.ndarray | None) -> Params:
        params: Params = {}
        for i in range(blocks):
            params |= {f"{i}.gain": np.ones(d, np.float32), f"{i}.shift": np.zeros(d, np.float32)}
            params |= {f"{i}.w1": matrix(d, expansion * d, rng), f"{i}.b1": np.zeros(expansion * d, np.float32)}
            params |= {f"{i}.w2": np.zeros((expansion * d, d), np.float32), f"{i}.b2": np.zeros(d, np.float32)}
        params |= {"gain": np.ones(d, np.float32), "shift": np.zeros(d, np.float32)}
        return params | _linear_init(d, k, rng, start)

    return Head(init, _mlp)


def _mlp(params: Params, x: Any, ops: Ops, dropout: float) -> Any:
    for i in range(sum(name.endswith(".w1") for name in params)):
        normed = ops.standardize(x) * params[f"{i}.gain"] + params[f"{i}.shift"]
        hidden = ops.dropout(ops.gelu(normed @ params[f"{i}.w1"] + params[f"{i}.b1"]), dropout)
        x = x + hidden @ params[f"{i}.w2"] + params[f"{i}.b2"]
    return (ops.standardize(x) * params["gain"] + params["shift"]) @ params["weight"]


def gated(width: int = 2) -> Head:
    """(relu6(x W1 + b1) * (x W2 + b2)) W3 with `width` x d hidden units. Source: SAIL (StarMLP), Zhang et al. 2025.

    From a linear map it starts with b1 = 1 and a small W1, so that the gate is nearly open, and W2 W3 that map.
    """

    def init(d: int, k: int, rng: np.random.Generator, start: np.ndarray | None) -> Params:
        hidden = width * d
        params = {"b1": np.zeros(hidden, np.float32), "b2": np.zeros(hidden, np.float32)}
        if start is None:
            return params | {
                "w1": matrix(d, hidden, rng),
                "w2": matrix(d, hidden, rng),
                "weight": matrix(hidden, k, rng),
            }
        frame = np.linalg.qr(rng.normal(size=(hidden, d)))[0].T  # frame @ frame.T is the identity
        return {
            "b1": params["b1"] + 1,
            "b2": params["b2"],
            "w1": 0.1 * matrix(d, hidden, rng),
            "w2": frame.astype(np.float32),
            "weight": (frame.T @ start).astype(np.float32),
        }

    return Head(init, _gated)


def _gated(params: Params, x: Any, ops: Ops, dropout: float) -> Any:
    x = ops.dropout(x, dropout)
    return (ops.relu6(x @ params["w1"] + params["b1"]) * (x @ params["w2"] + params["b2"])) @ params["weight"]


def residual(rank: int = 64) -> Head:
    """x P + sigmoid(g) W2 gelu(W1 x), g one learned number, P orthogonal at the start. Source: STRUCTURE, Groeger 2025.

    W2 starts at 0, so the head starts as its linear map.
    """

    def init(d: int, k: int, rng: np.random.Generator, start: np.ndarray | None) -> Params:
        if start is None:
            start = np.linalg.qr(rng.normal(size=(max(d, k), min(d, k))))[0]
            start = start if d >= k else start.T
        return {
            "weight": start.astype(np.float32),
            "w1": matrix(d, rank, rng),
            "w2": np.zeros((rank, k), np.float32),
            "gate": np.zeros(1, np.float32),
        }

    return Head(init, _residual)


def _residual(params: Params, x: Any, ops: Ops, dropout: float) -> Any:
    more = ops.dropout(ops.gelu(x @ params["w1"]), dropout) @ params["w2"]
    return x @ params["weight"] + ops.sigmoid(params["gate"]) * more


def matrix(d: int, k: int, rng: np.random.Generator, size: float = 1.0) -> np.ndarray:
    """`(d, k)` normal entries of variance size^2 / d."""
    return (size * rng.normal(size=(d, k)) / np.sqrt(d)).astype(np.float32)


HEADS: dict[str, Head] = {"linear": linear, "mlp": mlp(), "gated": gated(), "residual": residual()}
"""By name, at the sizes that a thousand pairs on one core allow."""


def head(name: str) -> Head:
    """A head by name; a ChiasmError for an unknown one."""
    if name not in HEADS:
        raise unknown("head", name, HEADS)
    return HEADS[name]
