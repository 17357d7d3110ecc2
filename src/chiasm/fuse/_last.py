"""An encoder's last layers within a fuser's network: a matrix of low rank in them, trained with all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm import registry, scale
from chiasm.errors import ChiasmError
from chiasm.known import Last, bounded
from chiasm.nn.blocks import Ops, Params, matrix
from chiasm.stats.blocks import Block
from chiasm.tokens import Tokens

__all__ = ["change", "last_layers", "opened", "start"]

PLACES = 16
"""Cells of an item that are tuned: the mean over them is nearly that over all."""
_RANK = 4


def last_layers(encoder: Any) -> Last:
    """Those of an encoder or of its name; a ChiasmError where it has none apart."""
    made = registry.make("encode", encoder)
    found: Last | None = made.last() if hasattr(made, "last") else None
    if found is None or found.vector is not bounded:
        raise ChiasmError(
            f"wanted an encoder whose last layers can be tuned here (effnet_image, effnet2_image), got {encoder!r}."
        )
    return found


def opened(last: Last, name: str, block: Block) -> Block:
    """Of a view of cells its frozen vectors, and hidden numbers and sums of 16 cells: `(n, w + 16 (h + w))`.

    Raises a ChiasmError for a view that holds no cells.
    """
    tokens = block.values
    if not isinstance(tokens, Tokens):
        raise ChiasmError(
            f"view {name!r}: wanted what an encoder's last layers read (encode it with encoder.last().below), got "
            "vectors."
        )
    rows = np.flatnonzero(block.present).tolist()
    places = np.linspace(0, tokens.steps, PLACES, endpoint=False).astype(np.int64)

    def one(row: int) -> np.ndarray:
        hidden, sums = last.run(tokens.batch([row])[0])
        both = np.concatenate([hidden[0][places], sums[0][places]], axis=1)
        return np.concatenate([np.clip(sums[0], 0, 6).mean(axis=0), both.ravel()])

    made = dict(zip(rows, scale.threads(one, rows), strict=True))
    wide = len(made[rows[0]]) if rows else 0
    values = np.zeros((len(block.present), wide), np.float32)
    for row, found in made.items():
        values[row] = found
    return Block(values, block.present)


def start(hidden: int, width: int, units: int, rng: np.random.Generator) -> Params:
    """The parameters, for as many hidden numbers, numbers of a vector, and units that are told of its change.

    `up` starts at 0, so that a network starts on the frozen vectors. Source: Hu et al., LoRA, ICLR 2022.
    """
    return {
        "down": matrix(hidden, _RANK, rng),
        "up": np.zeros((_RANK, width), np.float32),
        "turn": matrix(width, units, rng),
    }


def change(params: Mapping[str, Any], wide: Any, ops: Ops) -> Any:
    """`(..., n, units)` what units are told of the change of the vectors: W (mean of relu6(s + U D h) - relu6(s))."""
    h = params["down"].shape[-2]
    sums = wide[..., h:]
    low = wide[..., :h] @ params["down"][..., None, :, :]
    moved = ops.relu6(sums + low @ params["up"][..., None, :, :]) - ops.relu6(sums)
    return moved.mean(-2) @ params["turn"]
