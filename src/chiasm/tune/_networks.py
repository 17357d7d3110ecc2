"""Networks side by side on one frozen encoder: a low-rank matrix added in its last layers, and a linear head, each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chiasm.known import Last
from chiasm.nn.blocks import ArrayOps, Ops, Params
from chiasm.nn.schedule import Schedule
from chiasm.tokens import Tokens
from chiasm.tune._start import started

__all__ = ["DECAY", "DROPOUT", "Tuned", "batches", "epochs", "frozen", "learned", "tuned"]

_BATCH, _CELLS = 32, 16
_STEPS, _LEAST, _MOST = 600, 5, 10
"""Steps of a run, and its epochs at least and at most."""
_RATE, DECAY, DROPOUT = 4e-3, 1e-2, 0.3


class Tuned(NamedTuple):
    """What was learned, and what was seen of it."""

    added: Params
    """`down` `(h, k * r)` and `up` `(k, r, w)` of k networks."""
    before: np.ndarray
    """`(n, w)` the frozen vectors."""
    after: np.ndarray
    """`(n, w)` each by the network that did not see its row."""
    losses: list[float]
    """By epoch."""


class Seen(NamedTuple):
    """What the last layers make of n items, t cells each."""

    hidden: Any
    """`(n, t, h)`."""
    sums: Any
    """`(n, t, w)`."""
    shares: Any
    """`(n, t, 1)` of a cell in the mean over its item; 0 behind an item's end."""


def seen(last: Last, tokens: Tokens, rows: Any, places: np.ndarray | None = None) -> Seen:
    """What the last layers make of rows; with `places` `(q,)` of these cells alone."""
    cells, inside = tokens.batch(rows)
    inside = inside if places is None else inside[:, places]
    shares = (inside / inside.sum(axis=1, keepdims=True))[..., None].astype(np.float32)
    return Seen(*last.run(cells, places), shares)


def vectors(last: Last, added: Params, found: Seen, tail: Mapping[str, Any], ops: Ops) -> Any:
    """`(k, n, w)` the vectors by k networks."""
    k, r, w = added["up"].shape
    n, t, h = found.hidden.shape
    low = (found.hidden.reshape(n * t, h) @ added["down"]).reshape(n * t, k, r).swapaxes(0, 1)
    sums = (low @ added["up"] + found.sums.reshape(1, n * t, w)).reshape(k, n, t, w)
    return last.vector(tail, sums, found.shares, ops)


def frozen(last: Last, tokens: Tokens, row: int) -> np.ndarray:
    """`(w,)` an item's vector by the encoder as it is, from what its last layers read."""
    found = seen(last, tokens, [row])
    vector: np.ndarray = last.vector(last.tail, found.sums, found.shares, ArrayOps())[0]
    return vector


def tuned(last: Last, added: Params, tokens: Tokens, row: int) -> np.ndarray:
    """`(k, w)` an item's vector by each of k networks."""
    made: np.ndarray = vectors(last, added, seen(last, tokens, [row]), last.tail, ArrayOps())[:, 0]
    return made


def learned(last: Last, tokens: Tokens, truth: np.ndarray, folds: np.ndarray, kind: str, rank: int, seed: int) -> Tuned:
    """One network for each fold, learned without it.

    All learn side by side from the same batches and start with the same `down`: what is frozen is computed once for
    all, and their vectors stay in nearly one space. A step sees 16 of an item's cells, drawn anew, where
    all items have as many: the mean over them is that over all, and noise that keeps networks from learning items by
    heart. Their heads are not kept.

    Args:
        tokens: what the last layers read of n items. truth: `(n, c)`. folds: `(n,)` from 0 on.
    """
    from chiasm.nn.train import train

    rng = np.random.default_rng(seed)
    k, n = int(folds.max()) + 1, len(truth)
    x = np.stack([frozen(last, tokens, row) for row in range(n)])
    center, scale = x.mean(axis=0), float(max(np.sqrt(x.var(axis=0).sum()), 1e-6))
    start = started((x - center) / np.float32(scale), truth, folds, kind)
    h, w = (one.shape[-1] for one in seen(last, tokens, [0])[:2])
    down = (rng.normal(size=(h, rank)) / np.sqrt(h)).astype(np.float32)
    params = {
        "added": {"down": np.tile(down, (1, k)), "up": np.zeros((k, rank, w), np.float32)},
        "head": {"weight": start.weight, "offset": start.offset},
    }
    penalty = 1 / (2 * start.strength * n)
    turns = epochs(n)
    losses: list[list[float]] = [[] for _ in range(turns)]

    def objective(params: dict[str, Params], data: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
        import torch

        from chiasm.nn.losses import answer

        rows = batch["rows"].numpy()
        met = seen(last, tokens, rows, batch["cells"].numpy() if "cells" in batch else None)
        met = Seen(*(torch.from_numpy(np.ascontiguousarray(one)) for one in met))
        turned = (vectors(last, params["added"], met, data, step.ops) - data["center"]) / scale
        out = step.ops.dropout(turned, DROPOUT) @ params["head"]["weight"] + params["head"]["offset"]
        mine = torch.from_numpy((folds[rows] != np.arange(k)[:, None]).astype(np.float32))
        loss = (answer(out, data["truth"][batch["rows"]].expand(k, -1, -1), kind) * mine).sum(1) / mine.sum(1).clamp(1)
        losses[int(step.done * turns + 1e-9)].append(float(loss.detach().mean()))
        return loss.sum() + penalty * params["head"]["weight"].square().sum()

    found = train(
        params,
        {"truth": truth.astype(np.float32), "center": center, **last.tail},
        partial(batches, n, tokens.steps, rng),
        objective,
        schedule=Schedule(turns, _RATE, DECAY),
        seed=seed,
        device="cpu",
    ).params
    after = [tuned(last, found["added"], tokens, i)[folds[i]] for i in range(n)]
    return Tuned(found["added"], x, np.stack(after), [float(np.mean(one)) for one in losses])


def epochs(n: int) -> int:
    """How often n rows are gone through."""
    return int(np.clip(round(_STEPS * _BATCH / n), _LEAST, _MOST))


def batches(n: int, cells: int, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """An epoch: of each batch its rows, of n, and which of an item's `cells` are looked at; of 0, as many as there
    are."""
    for rows in np.array_split(rng.permutation(n), max(1, round(n / _BATCH))):
        drawn = {"cells": np.sort(rng.permutation(cells)[:_CELLS])} if cells else {}
        yield {"rows": np.sort(rows), **drawn}
