"""Contrastive MLP heads trained on mixtures of pairs: latent mixup, the same in all views."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm.align._trained import LOSS, Forms, Objective, TrainedAligner, over_links
from chiasm.allowed import COUNT, POSITIVE, number
from chiasm.nn.blocks import Head, Params, mlp
from chiasm.views import Views

__all__ = ["Fusemix"]


class Fusemix(TrainedAligner):
    """MLP heads under InfoNCE; a batch's two halves are mixed, x <- t x_i + (1 - t) x_j, with one t for all views.

    Mixtures of pairs are pairs too, so a batch never comes twice. t is drawn from Beta(alpha, alpha) once a step.

    Choose it when views are related in no linear way, or pairs are many. With some thousand pairs of photographs and
    captions it does not beat `cca` (docs/log.md).

    Args:
        blocks: residual blocks of a head; expansion: their hidden width over their width. Published: 4 and 4, dropout
            0.6, 500 epochs; the defaults are what a thousand pairs on one core allow.
        dropout: within the blocks. alpha: of the Beta distribution.
        k, start, temperature, epochs, batch, rate, decay, seed, device: as in `Contrastive`; a step sees batch / 2
            mixtures.

    Source: Vouitsis et al. 2024, arXiv 2312.10144 (FuseMix).
    """

    _most = 256

    allowed: ClassVar = {"blocks": COUNT, "expansion": COUNT, "dropout": number(0, 0.99), "alpha": POSITIVE}

    def __init__(
        self,
        blocks: int = 2,
        expansion: int = 2,
        dropout: float = 0.3,
        alpha: float = 1.0,
        k: int | None = None,
        start: Any = "cca",
        temperature: float = 0.07,
        epochs: int = 60,
        batch: int = 256,
        rate: float = 1e-3,
        decay: float = 0.1,
        seed: int = 0,
        device: str = "auto",
    ):
        self.blocks = blocks
        self.expansion = expansion
        self.dropout = dropout
        self.alpha = alpha
        self.k = k
        self.start = start
        self.temperature = temperature
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def _head(self) -> Head:
        return mlp(self.blocks, self.expansion)

    def _loss_params(self) -> Params:
        return {"log_scale": np.array(-np.log(self.temperature), np.float32)}

    def _objective(self, views: Views, forms: Forms) -> Objective:
        from chiasm.nn.losses import infonce

        rng = np.random.default_rng(self.seed)

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            scale = params[LOSS]["log_scale"].exp().clamp(2, 1000)
            share = float(rng.beta(self.alpha, self.alpha))
            return over_links(
                lambda one: infonce(one.left, one.right, scale),
                self._head(),
                params,
                rows,
                batch,
                step,
                dropout=self.dropout,
                change=lambda x: mix(x, share),
            )

        return objective


def mix(rows: Any, share: float) -> Any:
    """`(n, d)` -> `(n // 2, d)`: share of the first half plus the rest of the second; a single row stays."""
    half = len(rows) // 2
    return share * rows[:half] + (1 - share) * rows[half : 2 * half] if half else rows
