"""A factorization machine: products of columns of two or more views, each column having a short vector of factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT, number
from chiasm.fuse._trained import JOINT, TrainedFuser, matrix
from chiasm.nn.blocks import Ops, Params

__all__ = ["Factorization"]


class Factorization(TrainedFuser):
    """Outputs b + sum_v x_v W_v + e_2(s) H_2 + e_3(s) H_3, with factors s_v = x_v V_v, `rank` of them.

    e_2(s) = sum_{u<v} s_u * s_v and e_3(s) = sum_{t<u<v} s_t * s_u * s_v: how much two columns of different views, or
    three, count together is the product of their factors, weighed by H. A machine of order 2 sees no product of three.
    A view that is absent takes part in no product.

    Choose it for research, where three views say something only together, and rows are some hundred or more: a planted
    product of three is found by order 3 and by nothing of order 2. On words and pictures it mostly answers as `early`:
    less that, with 100 rows of each class, 0.0 points of accuracy [0.0, 0.0] on tweets and on news (docs/fuse.md).

    Args:
        order: 2, or 3 for products of three views as well. rank: factors a column.
        kind: "classes", "tags" or "numbers". device: to train on, "auto" (a GPU where torch sees one), "cpu"
            or "cuda"; on a CPU the same seed gives the same numbers. seed: of folds, landmarks, starts and batches.

    Learned: see `TrainedFuser`; `weights_` and `row_weights` are the shares of views in squared outputs, each view's
    being all that goes with it, products included. Raises a ChiasmError for a device that is not there.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "b": rng.normal(size=(200, 4)) + y[:, None]}
    >>> Factorization().fit(views, y).predict_proba({"b": views["b"][:1]}).shape
    (1, 2)

    Sources: Rendle 2010 (factorization machines); Blondel et al. 2016 (higher orders).
    """

    _epochs = 60

    allowed: ClassVar = {"order": number(2, 3, whole=True), "rank": COUNT}

    def __init__(self, order: int = 2, rank: int = 16, kind: str = "classes", device: str = "auto", seed: int = 0):
        self.order = order
        self.rank = rank
        self.kind = kind
        self.device = device
        self.seed = seed

    def _start(self, widths: Mapping[str, int], c: int, rng: np.random.Generator) -> dict[str, Params]:
        params: dict[str, Params] = {
            name: {"linear": matrix(width, c, rng, 0.1), "factors": matrix(width, self.rank, rng)}
            for name, width in widths.items()
        }
        params[JOINT] = {f"head{order}": matrix(self.rank, c, rng, 0.1) for order in range(2, self.order + 1)}
        params[JOINT]["offset"] = np.zeros((1, c), np.float32)
        return params

    def _forward(
        self, params: Mapping[str, Params], rows: Mapping[str, Any], here: Any, ops: Ops, dropout: float
    ) -> tuple[Any, list[Any]]:
        joint, names = params[JOINT], [name for name in params if name != JOINT]
        there = [here[..., v : v + 1] for v in range(len(names))]
        linear = [mask * (rows[name] @ params[name]["linear"]) for name, mask in zip(names, there, strict=True)]
        factors = [mask * (rows[name] @ params[name]["factors"]) for name, mask in zip(names, there, strict=True)]
        sums: list[Any] = [1.0, *[0.0] * self.order]  # e_0, e_1, ... of the views so far
        for one in factors:
            for order in range(self.order, 0, -1):
                sums[order] = sums[order] + one * sums[order - 1]
        orders = range(2, min(self.order, len(names)) + 1)
        out = joint["offset"] + sum(linear)
        for order in orders:
            out = out + ops.dropout(sums[order], dropout) @ joint[f"head{order}"]
        sizes = []
        for part, one, mask in zip(linear, factors, there, strict=True):
            rest: Any = 1.0  # e_0, e_1, ... of the other views
            for order in orders:
                rest = sums[order - 1] - one * rest
                part = part + (one * rest) @ joint[f"head{order}"]
            sizes.append(mask * ((part * part).mean(-1)[..., None] + 1e-12))
        every = sum(sizes) + 1e-30
        return out, [size / every for size in sizes]
