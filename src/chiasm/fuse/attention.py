"""Attention fusion: one token a view, weighed in every row by how much it says there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.fuse._trained import JOINT, TrainedFuser, matrix
from chiasm.nn.attention import weigh
from chiasm.nn.blocks import Ops, Params

__all__ = ["Attention"]

_WIDTH = 64
_SCORING = 32


class Attention(TrainedFuser):
    """Tokens t_v = gelu(norm(W_v x_v + b_v)) of 64 numbers, weighed by row; one linear head on their weighted mean.

    s_v = q' tanh(A_v t_v + C m + a_v), m the mean of the tokens that are there; w = softmax(s), 0 for a view that is
    absent; answer = H' sum_v w_v t_v + h. All tokens have one length before gelu (norm: less the mean, over the
    standard deviation), so a view that is noise is silenced by its weight and by nothing else. That is what makes the
    weights worth reading.

    Choose it where views are good in different rows and where you want to see in which: `row_weights`. It notices
    noise that looks unlike the view's items: planted static in 40 % of a view's rows, its weight tells them with an
    AUC of .98. An intact item that belongs to another row looks right, and is not noticed (.52). Nobody tells it what
    noise is: with few rows, or where one view says it all, nothing drives the weights and they stay near equal.

    Choose `early` for the answer alone, which is closed and quicker. This stands beside it and is seldom better: over
    six packs +0.1 points [-0.4, 0.6] less `early` (benchmarks/fuse/every_fuser.py); with 10 rows of each class, 0.0
    points of accuracy [0.0, 0.0] on tweets and on news, +0.2 [-0.1, 0.6] on 49 subgroups of emoji
    (benchmarks/fuse/rows_a_class.py, docs/fuse.md). The network alone lost up to 18 points where a class has 3 rows
    (the same benchmark before; not rerun).

    Args:
        kind: "classes", "tags" or "numbers". device: to train on, "auto" (a GPU where torch sees one), "cpu"
            or "cuda"; on a CPU the same seed gives the same numbers. seed: of folds, landmarks, starts and batches.

    Learned: see `TrainedFuser`; `weights_` by view, the mean of the rows'. Raises a ChiasmError for a device that is
    not there.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "noise": rng.normal(size=(200, 4))}
    >>> fused = Attention().fit(views, y)
    >>> fused.weights_["a"] > fused.weights_["noise"], fused.row_weights({"a": views["a"][:1]}).tolist()
    (True, [[1.0, 0.0]])

    Sources: Bahdanau, Cho & Bengio 2015 (additive attention); Ilse, Tomczak & Welling 2018 (attention as a weighted
    mean); Neverova et al. 2016 (dropping views in training).
    """

    def __init__(self, kind: str = "classes", device: str = "auto", seed: int = 0):
        self.kind = kind
        self.device = device
        self.seed = seed

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {}
        for name, width in widths.items():
            params[name] = {"token": matrix(width, _WIDTH, rng), "shift": np.zeros((1, _WIDTH), np.float32)}
            params[name] |= {"scoring": matrix(_WIDTH, _SCORING, rng), "bias": np.zeros((1, _SCORING), np.float32)}
        params[JOINT] = {"context": matrix(_WIDTH, _SCORING, rng), "query": matrix(_SCORING, 1, rng, 0.1)}
        params[JOINT] |= {"head": matrix(_WIDTH, c, rng, 0.1), "offset": np.zeros((1, c), np.float32)}
        return params

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        joint, names = params[JOINT], [name for name in params if name != JOINT]
        there = [here[..., v : v + 1] for v in range(len(names))]
        tokens = [
            ops.gelu(ops.standardize(rows[name] @ params[name]["token"] + params[name]["shift"])) for name in names
        ]
        weights = weigh(tokens, [params[name] for name in names], joint, there, ops)
        fused = sum(weight * token for weight, token in zip(weights, tokens, strict=True))
        return ops.dropout(fused, dropout) @ joint["head"] + joint["offset"], weights
