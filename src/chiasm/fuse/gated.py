"""Gated fusion: hidden units of every view behind gates that read all views, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.fuse._trained import JOINT, TrainedFuser, matrix
from chiasm.nn.attention import FAR
from chiasm.nn.blocks import Ops, Params

__all__ = ["Gated"]

_WIDTH = 64
_READING = 32


class Gated(TrainedFuser):
    """The gated multimodal unit: h = sum_v z_v * tanh(norm(W_v x_v + b_v)), 64 units; one linear head on h.

    The gates z_v = softmax over views of G_v gelu(sum_u R_u h_u + r) + g_v, a number for every unit, read all views of
    the row, with a learned stand-in for those that are absent; an absent view's gate is exactly 0. For two views that
    is the paper's z and 1 - z; for more its gates do not sum to 1, these do. The hidden layer of the gates (the paper
    has none) lets them see whether views look as usual and fit each other; norm gives the units of every view one
    length, so that a view is silenced by its gates and by nothing else.

    Choose it where views are good in different rows, and not in the same respect: a gate of its own for every unit may
    trust a view in one and not in another. `row_weights` are the mean gates, which move less than the weights of
    `attention` but tell planted static as well (AUC .98; intact items of other rows .50).

    Choose `early` for the answer alone, which is closed and quicker. This stands beside it and is seldom better: over
    six packs -0.1 points [-0.6, 0.4] less `early` (benchmarks/fuse/every_fuser.py); with 10 rows of each class, 0.0
    points of accuracy [0.0, 0.0] on tweets and on news, +0.5 [0.2, 0.7] on 49 subgroups of emoji
    (benchmarks/fuse/rows_a_class.py, docs/fuse.md). The network alone lost up to 18 points where a class has 3 rows
    (the same benchmark before; not rerun).

    Args:
        kind: "classes", "tags" or "numbers". device: to train on, "auto" (a GPU where torch sees one), "cpu"
            or "cuda"; on a CPU the same seed gives the same numbers. seed: of folds, landmarks, starts and batches.

    Learned: see `TrainedFuser`; `weights_` by view, the mean of the rows'. Raises a ChiasmError for a device that is
    not there.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "b": rng.normal(size=(200, 4)) + y[:, None]}
    >>> fused = Gated().fit(views, y)
    >>> fused.row_weights(views).shape, fused.predict_proba({"b": views["b"][:1]}).shape
    ((200, 2), (1, 2))

    Sources: Arevalo et al. 2017, arXiv 1702.01992; Neverova et al. 2016 (dropping views in training).
    """

    def __init__(self, kind: str = "classes", device: str = "auto", seed: int = 0):
        self.kind = kind
        self.device = device
        self.seed = seed

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {}
        for name, width in widths.items():
            params[name] = {"hidden": matrix(width, _WIDTH, rng), "shift": np.zeros((1, _WIDTH), np.float32)}
            params[name] |= {"read": matrix(_WIDTH, _READING, rng), "absent": np.zeros((1, _READING), np.float32)}
            params[name] |= {"gate": matrix(_READING, _WIDTH, rng, 0.1), "bias": np.zeros((1, _WIDTH), np.float32)}
        params[JOINT] = {"inner": np.zeros((1, _READING), np.float32)}
        params[JOINT] |= {"head": matrix(_WIDTH, c, rng, 0.1), "offset": np.zeros((1, c), np.float32)}
        return params

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        joint, names = params[JOINT], [name for name in params if name != JOINT]
        there = [here[..., v : v + 1] for v in range(len(names))]
        hidden = [
            ops.tanh(ops.standardize(rows[name] @ params[name]["hidden"] + params[name]["shift"])) for name in names
        ]
        read = joint["inner"]
        for name, units, mask in zip(names, hidden, there, strict=True):
            read = read + mask * (units @ params[name]["read"]) + (1 - mask) * params[name]["absent"]
        read = ops.gelu(read)
        scores = [
            read @ params[name]["gate"] + params[name]["bias"] - FAR * (1 - mask)
            for name, mask in zip(names, there, strict=True)
        ]
        gates = [gate * mask for gate, mask in zip(ops.softmax(scores), there, strict=True)]
        fused = sum(gate * units for gate, units in zip(gates, hidden, strict=True))
        return ops.dropout(fused, dropout) @ joint["head"] + joint["offset"], gates
