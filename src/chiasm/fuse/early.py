"""Early fusion: the views side by side in one learner, their weights learned; exact for any subset of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from chiasm.allowed import choice
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.graph import Symbol
from chiasm.stats.blocks import Blocks

__all__ = ["Early"]


class Early(Fuser):
    """One kernel ridge regression on all views side by side: k = sum_v w_v k_v, the w_v summing to 1.

    Choose it first: it is closed, quick, calibrated, and hard to beat where the views add to one another. It cannot see
    what two views say only together (XOR): `bilinear` can. A row that lacks views is answered by what would have been
    learned without them, which costs nothing more: Gram matrices of subsets are blocks of the whole one.

    Args:
        kind: "classes", "tags" or "numbers".
        kernel: "rbf"; or "linear", where it is ridge regression on the standardized views, concatenated.
        weights: "learned" (by the likelihood of held-out folds) or "equal" (plain concatenation, each view scaled to
            one spread).
        seed: of folds and landmarks.

    Learned: `weights_` by view.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "b": rng.normal(size=(200, 4))}
    >>> fused = Early().fit(views, y)
    >>> fused.weights_["a"] > 2 * fused.weights_["b"], fused.predict_proba({"b": views["b"][:1]}).shape
    (True, (1, 2))

    Sources: Saunders, Gammerman & Vovk 1998 (kernel ridge); Lanckriet et al. 2004 (weights of kernels).
    """

    crosses_cheaply = True

    allowed: ClassVar = {"kernel": choice("rbf", "linear"), "weights": choice("learned", "equal")}

    def __init__(self, kind: str = "classes", kernel: str = "rbf", weights: str = "learned", seed: int = 0):
        self.kind = kind
        self.kernel = kernel
        self.weights = weights
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.head_ = RidgeHead(self.kind, self.kernel, 1, self.weights, seed=self.seed)
        return self.head_.cross_fit(held, truth, folds)

    @property
    def weights_(self) -> dict[str, float]:
        """By view, its share of the kernel; they sum to 1."""
        return dict(self.head_.weights_)

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        return self.head_.answer(held, n)

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As `Fuser.traced`."""
        return self.head_.traced(rows)
