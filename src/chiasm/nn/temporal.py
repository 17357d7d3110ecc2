"""Heads over time: a sequence -> one vector, as pure functions of plain arrays, one code for numpy and torch.

A reader is trained as tensors and answers as arrays, like the heads of `chiasm.nn.blocks`: `read(params, x, ops)` takes
x `(n, T, d)`, T steps in order of time, and gives `(n, k)`. Several networks go side by side where parameters have a
leading axis: `(m, d, k)` gives `(m, n, k)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import unknown
from chiasm.nn.blocks import Ops, Params, every

__all__ = ["READERS", "Reader", "attention", "bilstm", "conv", "gru", "lstm", "reader", "turn"]

_REACH = 2
_QUERIES = 4


class Reader(NamedTuple):
    """A pair of functions: `init(d, k, steps, rng)` -> arrays, and `read(params, x, ops)` -> `(n, k)`."""

    init: Callable[[int, int, int, np.random.Generator], Params]
    read: Callable[[Params, Any, Ops], Any]


def turn(params: Params, seen: Any, h: Any, ops: Ops) -> tuple[Any, Any]:
    """One step of a gated recurrent unit of k units: the new content n and how much of the old state is kept, z.

    z, r = sigmoid(s_z + U_z h), sigmoid(s_r + U_r h); n = tanh(s_n + r * (U_n h + c_n)); the state becomes
    (1 - z) * n + z * h. Source: Cho et al. 2014.

    Args:
        seen: `(n, 3 k)`, s = W x + b, what is read in this step. h: `(n, k)`, the state.
    """
    k = params["again"].shape[-2]
    held = h @ params["again"]
    gates = ops.sigmoid(seen[..., : 2 * k] + held[..., : 2 * k])
    new = ops.tanh(seen[..., 2 * k :] + gates[..., k:] * (held[..., 2 * k :] + params["inner"]))
    return new, gates[..., :k]


def _gru_init(d: int, k: int, steps: int, rng: np.random.Generator) -> Params:
    return {"in": _drawn(d, 3 * k, rng), "bias": _row(3 * k), "again": _turns(3, k, rng), "inner": _row(k)}


def _gru(params: Params, x: Any, ops: Ops) -> Any:
    k = params["again"].shape[-2]
    seen = every(x, params["in"], params["bias"])
    h = total = 0 * seen[..., 0, :k]
    for t in range(x.shape[-2]):
        new, keep = turn(params, seen[..., t, :], h, ops)
        h = new + keep * (h - new)
        total = total + h
    return total / x.shape[-2]


gru = Reader(_gru_init, _gru)
"""The mean state of a gated recurrent unit (`turn`) that starts from 0.

Choose it before `lstm`: fewer numbers, and better on few clips. Source: Cho et al. 2014.
"""


def _lstm_init(d: int, k: int, steps: int, rng: np.random.Generator) -> Params:
    bias = _row(4 * k)
    bias[:, k : 2 * k] = 1  # it starts remembering: Jozefowicz et al. 2015
    return {"in": _drawn(d, 4 * k, rng), "bias": bias, "again": _turns(4, k, rng)}


def _lstm(params: Params, x: Any, ops: Ops) -> Any:
    k = params["again"].shape[-2]
    seen = every(x, params["in"], params["bias"])
    h = c = total = 0 * seen[..., 0, :k]
    for t in range(x.shape[-2]):
        now = seen[..., t, :] + h @ params["again"]
        let, keep, give = (ops.sigmoid(now[..., i * k : (i + 1) * k]) for i in range(3))
        c = keep * c + let * ops.tanh(now[..., 3 * k :])
        h = give * ops.tanh(c)
        total = total + h
    return total / x.shape[-2]


lstm = Reader(_lstm_init, _lstm)
"""The mean output of long short-term memory that starts from 0.

i, f, o = sigmoid(W x_t + U h + b), each its own; c <- f * c + i * tanh(W_g x_t + U_g h + b_g); h <- o * tanh(c). It
starts remembering (b of f is 1). Source: Hochreiter & Schmidhuber 1997; f: Gers, Schmidhuber & Cummins 2000.
"""


def _bilstm_init(d: int, k: int, steps: int, rng: np.random.Generator) -> Params:
    sides = [_lstm_init(d, size, steps, rng) for size in (k - k // 2, k // 2)]
    return {f"{i}.{name}": values for i, side in enumerate(sides) for name, values in side.items()}


def _bilstm(params: Params, x: Any, ops: Ops) -> Any:
    on, back = ({name[2:]: v for name, v in params.items() if name.startswith(side)} for side in ("0.", "1."))
    return ops.join([_lstm(on, x, ops), _lstm(back, ops.reverse(x), ops)])


bilstm = Reader(_bilstm_init, _bilstm)
"""Two LSTMs side by side, one from the first step to the last, one from the last to the first: half of k each.

Choose it where what comes late may explain what came early, as in words. Source: Graves & Schmidhuber 2005.
"""


def _attention_init(d: int, k: int, steps: int, rng: np.random.Generator) -> Params:
    turns = np.arange(steps)[:, None] / np.geomspace(1, 4 * steps, k // 2 + k % 2) * (np.pi / 2)
    params = {"token": _drawn(d, k, rng), "place": np.hstack([np.sin(turns), np.cos(turns)])[:, :k].astype(np.float32)}
    return params | {"score": _drawn(k, _QUERIES, rng)}


def _attention(params: Params, x: Any, ops: Ops) -> Any:
    place = params["place"]
    seen = every(x, params["token"], 0.0) + place.reshape(*place.shape[:-2], 1, *place.shape[-2:])
    tokens = ops.gelu(ops.standardize(seen))
    scores = every(tokens, params["score"], 0.0)
    shares = ops.softmax([scores[..., t, :, None] for t in range(x.shape[-2])])
    parts = tokens.reshape(*tokens.shape[:-1], _QUERIES, tokens.shape[-1] // _QUERIES)
    fused = sum(share * parts[..., t, :, :] for t, share in enumerate(shares))
    return fused.reshape(*fused.shape[:-2], tokens.shape[-1])


attention = Reader(_attention_init, _attention)
"""Four weighted means, side by side, of tokens t_s = gelu(norm(W x_s + p_s)): each of a quarter of their numbers.

The weights of each are the softmax over steps of q' t_s, q its own. p_s is learned, one a step, and starts as sines and
cosines of s, so that near steps look alike: without it a mean could not know in what order the steps came. k is a
multiple of 4. Steps are read side by side, so it trains in half the time of the recurrent readers. Sources: Bahdanau,
Cho & Bengio 2015 (weights by content); Lin et al. 2017 (several means); Vaswani et al. 2017 (places).
"""


def _conv_init(d: int, k: int, steps: int, rng: np.random.Generator) -> Params:
    wide = 2 * min(_REACH, steps - 1) + 1
    return {"kernel": _drawn(wide * d, k, rng), "bias": _row(k)}


def _conv(params: Params, x: Any, ops: Ops) -> Any:
    steps, d = x.shape[-2:]
    wide = params["kernel"].shape[-2] // d
    none = 0 * x[..., :1, :]
    shifted = []
    for by in range(-(wide // 2), wide // 2 + 1):
        edge = [none] * abs(by)
        inner = [x[..., max(by, 0) : steps + min(by, 0), :]]
        shifted.append(ops.join(edge + inner if by < 0 else inner + edge, axis=-2))
    return ops.most(ops.gelu(every(ops.join(shifted), params["kernel"], params["bias"])))


conv = Reader(_conv_init, _conv)
"""The most over time of gelu(b + sum_j W_j x_{t + j}), j from -2 to 2: a 1-d convolution, zeros beyond both ends.

Choose it where a short pattern says it all, wherever it comes: it sees the order of neighboring steps alone.
Source: Kim 2014.
"""

READERS: dict[str, Reader] = {"gru": gru, "lstm": lstm, "bilstm": bilstm, "attention": attention, "conv": conv}
"""By name."""


def reader(name: str) -> Reader:
    """A reader by name; a ChiasmError for an unknown one."""
    if name not in READERS:
        raise unknown("head over time", name, READERS)
    return READERS[name]


def _drawn(d: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """`(d, k)` normal entries of variance 1 / d."""
    return (rng.normal(size=(d, k)) / np.sqrt(d)).astype(np.float32)


def _turns(count: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """`count` random rotations of k side by side: a state goes through many of them and neither fades nor explodes."""
    return np.hstack([np.linalg.qr(rng.normal(size=(k, k)))[0] for _ in range(count)]).astype(np.float32)


def _row(k: int) -> np.ndarray:
    return np.zeros((1, k), np.float32)
