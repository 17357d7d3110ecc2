"""Gated heads under the sigmoid loss: every pair of a batch is a yes-or-no question."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm.align._trained import LOSS, Forms, Objective, TrainedAligner, over_links
from chiasm.allowed import COUNT
from chiasm.nn.blocks import Head, Params, gated
from chiasm.views import Views

__all__ = ["Sail"]


class Sail(TrainedAligner):
    """Gated heads (relu6(x W1) * x W2) W3 and the sigmoid loss with a learned scale (20 at first) and bias (-10).

    Choose it for hundred thousands of pairs, where the paper has it near CLIP. With some thousand pairs it does not
    beat `cca` (docs/log.md).

    Trained by AdamW, not Lion as published: with 1,200 pairs the two do equally well from `cca`; from a random start
    Lion is 2 to 6 points of recall ahead and still 12 behind `cca`. Several captions of a thing come in turn, one an
    epoch, instead of two losses a step.

    Args:
        width: hidden units over input axes (published: 8; 2 is what a thousand pairs on one core allow).
        k, start, epochs, batch, rate, decay, seed, device: as in `Contrastive`.

    Source: Zhang et al. 2025 (SAIL), arXiv 2412.04616.
    """

    _most = 256

    allowed: ClassVar = {"width": COUNT}

    def __init__(
        self,
        width: int = 2,
        k: int | None = None,
        start: Any = "cca",
        epochs: int = 60,
        batch: int = 256,
        rate: float = 3e-3,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.width = width
        self.k = k
        self.start = start
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def _head(self) -> Head:
        return gated(self.width)

    def _loss_params(self) -> Params:
        return {"log_scale": np.array(np.log(20), np.float32), "bias": np.array(-10, np.float32)}

    def _objective(self, views: Views, forms: Forms) -> Objective:
        from chiasm.nn.losses import sigmoid

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            scale, bias = params[LOSS]["log_scale"].exp().clamp(1, 100), params[LOSS]["bias"]
            return over_links(
                lambda one: sigmoid(one.left, one.right, scale, bias, one.same), self._head(), params, rows, batch, step
            )

        return objective
