"""Bilinear fusion: the views and the low-rank products of every two of them, which see what two say only together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.graph import Symbol
from chiasm.stats.blocks import Blocks

__all__ = ["Bilinear"]


class Bilinear(Fuser):
    """Kernel ridge regression on k = sum_v w_v k_v + sum_{u<v} w_uv k_u k_v.

    A product of kernels is the inner product of the tensor products of their features, never formed: landmarks give its
    best low-rank part. Choose it where views interact (irony, a question about a picture); where they only add,
    `early` is as good in a third of the time. The weight of a product says how much the two interact.

    Args:
        kind: "classes", "tags" or "numbers". seed: of folds and landmarks.

    Learned: `weights_` by view and by "a x b".

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 400, 2))
    >>> y = (a[:, 0] > 0) ^ (b[:, 0] > 0)
    >>> fused = Bilinear().fit({"a": a[:300], "b": b[:300]}, y[:300])
    >>> fused.score({"a": a[300:], "b": b[300:]}, y[300:]) > 0.8
    True

    Sources: Zadeh et al. 2017 (tensor fusion); Liu et al. 2018 (its low-rank form); Williams & Seeger 2001 (landmarks).
    """

    crosses_cheaply = True

    def __init__(self, kind: str = "classes", seed: int = 0):
        self.kind = kind
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.head_ = RidgeHead(self.kind, order=2, seed=self.seed)
        return self.head_.cross_fit(held, truth, folds)

    @property
    def weights_(self) -> dict[str, float]:
        """By view and by product, its share of the kernel; they sum to 1."""
        return dict(self.head_.weights_)

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        return self.head_.answer(held, n)

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As `Fuser.traced`."""
        return self.head_.traced(rows)
