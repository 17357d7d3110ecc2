"""A small transformer that writes: attention over a prefix of what is seen and the words so far, and over patches.

Pure functions of plain arrays, one code for numpy and torch (`chiasm.nn.blocks`). Sources: Vaswani et al. 2017; the
prefix of visual vectors among word embeddings: Mokady, Hertz & Bermano 2021 (ClipCap).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chiasm.nn.attention import attend
from chiasm.nn.blocks import Ops, Params

__all__ = ["Shape", "logits", "start", "states"]

HEADS = 4


class Shape(NamedTuple):
    """How large a decoder is."""

    pieces: int
    """Word pieces."""
    length: int
    """Places, at most, after the prefix."""
    seen: int
    """Numbers of what is seen, of which the prefix is made; 0: no prefix."""
    patch: int = 0
    """Numbers of a patch; 0: none is read."""
    width: int = 128
    depth: int = 2
    prefix: int = 4
    """Places of the prefix."""


def start(shape: Shape, rng: np.random.Generator) -> Params:
    """The parameters before the first step."""
    w = shape.width

    def matrix(rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
        return (scale * rng.normal(size=(rows, columns)) / np.sqrt(rows)).astype(np.float32)

    params: Params = {
        "embed": (rng.normal(size=(shape.pieces, w)) / np.sqrt(w)).astype(np.float32),
        "place": (0.1 * rng.normal(size=(shape.length, w)) / np.sqrt(w)).astype(np.float32),
        "gain": np.ones(w, np.float32),
        "shift": np.zeros(w, np.float32),
        "bias": np.zeros(shape.pieces, np.float32),
    }
    if shape.seen:
        params |= {"see": matrix(shape.seen, w * shape.prefix), "see.b": np.zeros(w * shape.prefix, np.float32)}
    small = 1 / np.sqrt(2 * shape.depth)
    for i in range(shape.depth):
        params |= {f"{i}.qkv": matrix(w, 3 * w), f"{i}.out": matrix(w, w, small)}
        params |= {f"{i}.w1": matrix(w, 4 * w), f"{i}.b1": np.zeros(4 * w, np.float32)}
        params |= {f"{i}.w2": matrix(4 * w, w, small), f"{i}.b2": np.zeros(w, np.float32)}
        for norm in ("a", "m"):
            params |= {f"{i}.{norm}.gain": np.ones(w, np.float32), f"{i}.{norm}.shift": np.zeros(w, np.float32)}
        if shape.patch:
            params |= {f"{i}.q": matrix(w, w), f"{i}.kv": matrix(shape.patch, 2 * w), f"{i}.cross": matrix(w, w, small)}
            params |= {f"{i}.c.gain": np.ones(w, np.float32), f"{i}.c.shift": np.zeros(w, np.float32)}
    return params


def states(
    params: Params,
    ids: Any,
    seen: Any,
    ops: Ops,
    dropout: float = 0.0,
    patches: tuple[Any, Any] | None = None,
) -> tuple[Any, Any]:
    """What is known after each piece `(b, t, w)`, and the last block's attention to patches `(b, t, p)` or None.

    Args:
        ids: `(b, t)` pieces so far. seen: `(b, d)` what the prefix is made of, or None. dropout: of every block.
        patches: `(b, p, e)` and booleans `(b, p)`, those that are there; each row has one at least.
    """
    w, t = params["embed"].shape[1], ids.shape[1]
    x = params["embed"][ids] * float(np.sqrt(w)) + params["place"][:t] * float(np.sqrt(w))
    first = 0
    if seen is not None and "see" in params:
        first = params["see"].shape[1] // w
        prefix = (seen @ params["see"] + params["see.b"]).reshape(len(ids), first, w)
        x = ops.join([prefix, x], axis=1)
    x = ops.dropout(x, dropout)
    causal = np.tril(np.ones((first + t, first + t), dtype=bool))
    causal[:first, :first] = True
    told = None
    for i in range(sum(name.endswith(".qkv") for name in params)):
        q, k, v = _parts(_norm(params, x, f"{i}.a", ops) @ params[f"{i}.qkv"], 3)
        found, _ = attend(q, k, v, causal, ops, HEADS)
        x = x + ops.dropout(found @ params[f"{i}.out"], dropout)
        if patches is not None and f"{i}.kv" in params:
            values, there = patches
            q = _norm(params, x, f"{i}.c", ops) @ params[f"{i}.q"]
            k, v = _parts(values @ params[f"{i}.kv"], 2)
            found, told = attend(q, k, v, there[:, None, :], ops, HEADS)
            x = x + ops.dropout(found @ params[f"{i}.cross"], dropout)
        hidden = ops.gelu(_norm(params, x, f"{i}.m", ops) @ params[f"{i}.w1"] + params[f"{i}.b1"])
        x = x + ops.dropout(hidden @ params[f"{i}.w2"] + params[f"{i}.b2"], dropout)
    x = (ops.standardize(x) * params["gain"] + params["shift"])[:, first:]
    return x, None if told is None else told.mean(axis=1)[:, first:]


def logits(params: Params, states: Any) -> Any:
    """`(..., v)` of the piece that follows, from states `(..., w)`: by the embeddings themselves."""
    return states @ params["embed"].swapaxes(0, 1) + params["bias"]


def _norm(params: Params, x: Any, name: str, ops: Ops) -> Any:
    return ops.standardize(x) * params[f"{name}.gain"] + params[f"{name}.shift"]


def _parts(x: Any, parts: int) -> list[Any]:
    """`(b, t, parts * w)` -> so many of `(b, t, w)`."""
    w = x.shape[-1] // parts
    return [x[..., i * w : (i + 1) * w] for i in range(parts)]
