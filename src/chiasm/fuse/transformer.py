"""A multimodal transformer: views exchange what they know through a few bottleneck tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.fuse._tokens import WIDTH, Looked, TokenFuser, units
from chiasm.fuse._trained import JOINT, matrix
from chiasm.nn.attention import layer, pool, start
from chiasm.nn.blocks import Ops, Params

__all__ = ["Transformer"]

_DEPTH = 2
_BOTTLENECK = 4


class Transformer(TokenFuser):
    """Two layers in which each view's tokens read one another and four bottleneck tokens that all views share.

    In a layer of its own each view turns [its tokens; bottleneck] by attention of four heads and a small MLP; the
    bottleneck then is the mean of what the views that are there made of it. So whatever passes from view to view passes
    through four tokens, at a cost that grows with the tokens of each view and not with their product. A view is the
    mean of u = gelu(norm(t)) over its tokens, weighed by softmax(q' u).

    A view that is absent is read by nobody and writes nothing; a token that is not there has no weight: padding changes
    no answer.

    Choose it for many views, or views of many tokens. On few rows do not expect it to beat `early` on pooled features,
    which is closed and much quicker; a planted pair of a word and a region, which `coattention` finds from 800 rows, it
    does not find (docs/log.md). Over six packs it is -0.8 points [-1.7, 0.2] less `early`
    (benchmarks/fuse/every_fuser.py).

    Args:
        kind: "classes", "tags" or "numbers". device: to train on, "auto" (a GPU where torch sees one), "cpu"
            or "cuda"; on a CPU the same seed gives the same numbers. seed: of folds, axes, starts and batches.

    Learned: see `TokenFuser` and `TrainedFuser`.

    >>> from chiasm.tokens import Tokens
    >>> from chiasm.views import Column, Views
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 60)
    >>> words = Tokens.of([rng.normal(size=(1 + i % 3, 4)) + label for i, label in enumerate(y)])
    >>> views = Views({"words": Column("text", words), "size": Column("vector", rng.normal(size=(60, 3)))})
    >>> Transformer().fit(views, y).predict_proba({"size": np.ones((1, 3))}).shape
    (1, 2)

    Sources: Nagrani et al. 2021, arXiv 2107.00135 (attention bottlenecks); Vaswani et al. 2017.
    """

    _epochs = 20

    def __init__(self, kind: str = "classes", device: str = "auto", seed: int = 0):
        self.kind = kind
        self.device = device
        self.seed = seed

    def _start_view(self, rng: np.random.Generator) -> Params:
        return {f"{i} {name}": values for i in range(_DEPTH) for name, values in start(WIDTH, rng).items()}

    def _start_joint(self, k: int, rng: np.random.Generator) -> Params:
        return {"bottleneck": matrix(WIDTH, _BOTTLENECK, rng).T.copy() * np.float32(WIDTH**0.5)}

    def _look(
        self,
        params: Mapping[str, Params],
        tokens: Sequence[Any],
        allowed: Sequence[Any],
        there: Sequence[Any],
        ops: Ops,
        dropout: float,
    ) -> Looked:
        shared, each = params[JOINT]["bottleneck"], [params[name] for name in params if name != JOINT]
        shared = shared.reshape(*shared.shape[:-2], 1, *shared.shape[-2:]) + 0 * tokens[0][..., :1, :]
        masks = [mask[..., None] for mask in there]
        seen = sum(masks)
        mine = list(tokens)
        always = allowed[0][..., :1] | ~allowed[0][..., :1]
        open_ = [ops.join([mask, *[always] * _BOTTLENECK]) for mask in allowed]
        for i in range(_DEPTH):
            written: Any = 0
            for v, own in enumerate(each):
                layered = {name[2:]: values for name, values in own.items() if name.startswith(f"{i} ")}
                both = ops.join([mine[v], shared], axis=-2)
                both, _ = layer(layered, both, both, open_[v], ops, dropout)
                mine[v] = both[..., :-_BOTTLENECK, :]
                written = written + masks[v] * both[..., -_BOTTLENECK:, :]
            shared = (written + 1e-6 * shared) / (seen + 1e-6)
        pools = [
            pool(units(one, ops), own["pool"], mask, ops) for one, own, mask in zip(mine, each, allowed, strict=True)
        ]
        return Looked([part for part, _ in pools], [weights for _, weights in pools], {})
