"""Networks side by side on one frozen encoder: a low-rank matrix added in its last layers, and a linear head, each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chiasm.known import Last
from chiasm.nn.blocks import ArrayOps, Ops, Params
from chiasm.nn.schedule import Schedule
from chiasm.target import Target
from chiasm.tokens import Tokens
from chiasm.tune._start import likely, started

__all__ = ["Tuned", "frozen", "learned", "vectors"]

_BATCH, _CELLS = 32, 16
_STEPS, _LEAST, _MOST = 600, 5, 10
"""Steps of a run, and its epochs at least and at most."""
_RATE, _DECAY, _DROPOUT = 4e-3, 1e-2, 0.3


class Tuned(NamedTuple):
    """What was learned, and what was seen of it."""

    added: Params
    """`down` `(h, k * r)` and `up` `(k, r, w)` of k networks; empty where the frozen vectors were as good."""
    told: dict[str, Any]
    """`losses` by epoch, mean gain of left-out rows `before` and `after`, whether it was `kept`."""


def vectors(added: Params, hidden: Any, sums: Any, ops: Ops) -> Any:
    """`(k, n, w)` the vectors by k networks, from hidden numbers `(n, t, h)` and sums `(n, t, w)`."""
    k, r, w = added["up"].shape
    n, t, h = hidden.shape
    low = (hidden.reshape(n * t, h) @ added["down"]).reshape(n * t, k, r).swapaxes(0, 1)
    return ops.relu6(low @ added["up"] + sums.reshape(1, n * t, w)).reshape(k, n, t, w).mean(2)


def frozen(last: Last, tokens: Tokens, row: int) -> np.ndarray:
    """`(w,)` an item's vector by the encoder as it is, from what its last layers read."""
    vector: np.ndarray = np.clip(last.run(tokens.batch([row])[0])[1], 0, 6).mean(axis=1)[0]
    return vector


def learned(last: Last, tokens: Tokens, truth: np.ndarray, folds: np.ndarray, kind: str, rank: int, seed: int) -> Tuned:
    """One network for each fold, learned without it; none is kept unless left-out rows gain by more than chance.

    All learn side by side from the same batches and start with the same `down`: what is frozen is computed once for
    all, and their vectors stay in nearly one space. A step sees 16 of an item's cells, drawn anew: the mean over them
    is that over all, and noise that keeps networks from learning items by heart. What the answers of their heads are
    measured by is the best linear head on the frozen vectors, out of fold too.

    Args:
        tokens: what the last layers read of n items. truth: `(n, c)`. folds: `(n,)` from 0 on.
    """
    from chiasm.nn.train import train

    rng = np.random.default_rng(seed)
    k, n = int(folds.max()) + 1, len(truth)
    x = np.stack([frozen(last, tokens, row) for row in range(n)])
    center, scale = x.mean(axis=0), float(max(np.sqrt(x.var(axis=0).sum()), 1e-6))
    start = started((x - center) / np.float32(scale), truth, folds, kind)
    h, w = last.run(tokens.batch([0])[0])[0].shape[-1], x.shape[1]
    down = (rng.normal(size=(h, rank)) / np.sqrt(h)).astype(np.float32)
    params = {
        "added": {"down": np.tile(down, (1, k)), "up": np.zeros((k, rank, w), np.float32)},
        "head": {"weight": start.weight, "offset": start.offset},
    }
    penalty = 1 / (2 * start.strength * n)
    epochs = int(np.clip(round(_STEPS * _BATCH / n), _LEAST, _MOST))
    losses: list[list[float]] = [[] for _ in range(epochs)]

    def said(params: dict[str, Params], seen: tuple[Any, Any], middle: Any, ops: Ops, dropout: float = 0.0) -> Any:
        turned = ops.dropout((vectors(params["added"], *seen, ops) - middle) / scale, dropout)
        return turned @ params["head"]["weight"] + params["head"]["offset"]

    def objective(params: dict[str, Params], data: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
        import torch

        from chiasm.nn.losses import answer

        rows = batch["rows"].numpy()
        seen = last.run(tokens.batch(rows)[0], batch["cells"].numpy())
        hidden, sums = (torch.from_numpy(np.ascontiguousarray(one)) for one in seen)
        out = said(params, (hidden, sums), data["center"], step.ops, _DROPOUT)
        mine = torch.from_numpy((folds[rows] != np.arange(k)[:, None]).astype(np.float32))
        loss = (answer(out, data["truth"][batch["rows"]].expand(k, -1, -1), kind) * mine).sum(1) / mine.sum(1).clamp(1)
        losses[int(step.done * epochs + 1e-9)].append(float(loss.detach().mean()))
        return loss.sum() + penalty * params["head"]["weight"].square().sum()

    found = train(
        params,
        {"truth": truth.astype(np.float32), "center": center},
        partial(_epoch, n, tokens.steps, rng),
        objective,
        schedule=Schedule(epochs, _RATE, _DECAY),
        seed=seed,
        device="cpu",
    ).params
    out = [said(found, last.run(tokens.batch([i])[0]), center, ArrayOps())[folds[i], 0] for i in range(n)]
    gained = Target(kind).gain(likely(np.stack(out).astype(np.float64), kind), truth) - start.gains
    kept = bool(gained.mean() > gained.std() / np.sqrt(n))
    before = float(start.gains.mean())
    told = {"before": before, "after": before + float(gained.mean()), "kept": kept}
    return Tuned(found["added"] if kept else {}, {"losses": [float(np.mean(one)) for one in losses], **told})


def _epoch(n: int, cells: int, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    for rows in np.array_split(rng.permutation(n), max(1, round(n / _BATCH))):
        yield {"rows": np.sort(rows), "cells": np.sort(rng.permutation(cells)[:_CELLS])}
