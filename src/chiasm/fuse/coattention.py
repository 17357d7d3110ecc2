"""Co-attention: the tokens of every two views look at each other, and what they find is pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.fuse._tokens import WIDTH, Looked, TokenFuser, units
from chiasm.fuse._trained import JOINT, matrix
from chiasm.nn.attention import coattend, pool
from chiasm.nn.blocks import Ops, Params, every

__all__ = ["Coattention"]


class Coattention(TokenFuser):
    """Tokens x_i of one view and y_j of another look at each other by one affinity, s_ij = x_i' P y_j / sqrt(48).

    A = softmax(s) over j says what each x_i reads, r_i = sum_j A_ij y_j; softmax over i what each y_j reads. A token
    with what it read is e_i = gelu(norm(x_i + M r_i + N (x_i * r_i))), summed over the other views that are there; its
    view is the mean of these, weighed by softmax(q' e_i). Tokens are gelu(norm(W x + b)); M starts at 0, so that at
    first a view tells of another only what both have in common, and a view of noise is not kept as a way to another.

    Choose it to see which word belongs to which region: `attention`; and where the answer is in a pair of tokens, which
    the mean of a view's tokens blurs (planted: the color of the region that a word names). Choose `early` on pooled
    features for the answer alone: it is closed and quicker, and over six packs of pooled vectors and steps of a face
    this is -0.7 points [-1.7, 0.2] less `early` (benchmarks/fuse/every_fuser.py). On words and patches of tweets it is
    +0.7 [-1.3, 2.6] (benchmarks/fuse/tokens.py).

    Args:
        kind: "classes", "tags" or "numbers". device: to train on, "auto" (a GPU where torch sees one), "cpu"
            or "cuda"; on a CPU the same seed gives the same numbers. seed: of folds, axes, starts and batches.

    Learned: see `TokenFuser` and `TrainedFuser`.

    >>> from chiasm.tokens import Tokens
    >>> from chiasm.views import Column, Views
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 60)
    >>> words = Tokens.of([rng.normal(size=(1 + i % 3, 4)) + label for i, label in enumerate(y)])
    >>> patches = Tokens.of([rng.normal(size=(5, 6)) - label for label in y])
    >>> views = Views({"words": Column("text", words), "picture": Column("image", patches)})
    >>> fused = Coattention().fit(views, y)
    >>> looked = fused.attention(views[:2])["words", "picture"]
    >>> [row.shape for row in looked], looked[1].sum(axis=1).round(3).tolist()
    ([(1, 5), (2, 5)], [1.0, 1.0])

    Sources: Lu et al. 2016, arXiv 1606.00061 (parallel co-attention); Xiong, Zhong & Socher 2017, arXiv 1611.01604;
    Nguyen & Okatani 2018, arXiv 1804.00775.
    """

    def __init__(self, kind: str = "classes", device: str = "auto", seed: int = 0):
        self.kind = kind
        self.device = device
        self.seed = seed

    def attention(self, views: Any) -> dict[tuple[str, str], list[np.ndarray]]:
        """By two views, the reading one first, a matrix `(t, s)` a row: how much each token looks at each other one.

        Rows of a matrix sum to 1; it is the mean over networks, and empty where a view is absent. Tokens that were read
        as one share it. How much a token counts in its view say `token_weights`; the product of both is the weight of
        a pair.
        """
        return self._told(views)[1]

    def _start_view(self, rng: np.random.Generator) -> Params:
        return {"read": np.zeros((WIDTH, WIDTH), np.float32), "met": matrix(WIDTH, WIDTH, rng)}

    def _start_joint(self, k: int, rng: np.random.Generator) -> Params:
        return {f"affinity {a} {b}": matrix(WIDTH, WIDTH, rng) for a, b in combinations(range(k), 2)}

    def _look(
        self,
        params: Mapping[str, Params],
        tokens: Sequence[Any],
        allowed: Sequence[Any],
        there: Sequence[Any],
        ops: Ops,
        dropout: float,
    ) -> Looked:
        joint, each = params[JOINT], [params[name] for name in params if name != JOINT]
        mine = [units(one, ops) for one in tokens]
        found = list(mine)
        pairs: dict[tuple[int, int], Any] = {}
        for a, b in combinations(range(len(mine)), 2):
            affinity = joint[f"affinity {a} {b}"]
            pairs[a, b], pairs[b, a] = coattend(affinity, mine[a], mine[b], allowed[a], allowed[b], ops)
        for (a, b), weights in pairs.items():
            read = weights @ mine[b]
            found[a] = found[a] + every(read, each[a]["read"]) + every(mine[a] * read, each[a]["met"])
        pools = [
            pool(units(one, ops), own["pool"], mask, ops) for one, own, mask in zip(found, each, allowed, strict=True)
        ]
        return Looked([part for part, _ in pools], [weights for _, weights in pools], pairs)
