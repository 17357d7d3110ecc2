"""Contrastive heads: pulled together by pairs, pushed apart by everything else in the batch (InfoNCE and kin)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm.align._trained import LOSS, Forms, Linked, Objective, TrainedAligner, over_links
from chiasm.allowed import choice
from chiasm.nn.blocks import Head, Params, head
from chiasm.views import Views

__all__ = ["Contrastive"]

LOSSES = ("infonce", "sigmoid", "triplet")

_FULL = 2048
"""The largest batch whose matrix of similarities is held; a larger one is streamed, with the same result."""


class Contrastive(TrainedAligner):
    """One head a view, trained so that a row finds its partner among all others of the batch.

    Choose it when pairs are many (ten thousands), or views share much that few directions carry. With up to 1,500 pairs
    of photographs and captions it ends at, not above, the closed form that it starts from (docs/log.md): take `cca`.
    More than two views: the mean over every two that have pairs.

    Args:
        head: "linear", "mlp" (where views are related in no linear way), "gated" or "residual".
        loss: "infonce" (softmax over the batch; larger batches help), "sigmoid" (every pair by itself; SigLIP) or
            "triplet" (the closest wrong item that is further away than the right one, margin 0.2).
        k: the shared width; None: the start's, or 512 (4 x the inputs' where that is less).
        start: a linear aligner, by name, whose maps the heads start as, or None: at random. On 100 to 1,500 pairs of
            photographs and captions a start from "cca" is worth 2 to 4 points of recall.
        temperature: of the softmax, at first; it is learned, within 0.01 and 0.5.
        epochs: at most; how many is chosen on validation rows. batch: pairs a step, about.
        rate: the highest learning rate. decay: of the weights.
        seed: of everything random. device: "auto" (a GPU where torch
            sees one), "cpu" or "cuda".

    `fit` raises a ChiasmError for an unknown loss or head, and as the other aligners do.

    >>> from chiasm.data.toy import planted_pair
    >>> a, b = planted_pair(300, correlations=(0.99,) * 6)
    >>> model = Contrastive(epochs=5).fit({"a": a[:200], "b": b[:200]})
    >>> model.score({"a": a[200:], "b": b[200:]}) > 0.5  # chance is 0.01
    True

    Sources: van den Oord et al. 2018 (InfoNCE); Radford et al. 2021 (CLIP); Zhai et al. 2023 (SigLIP); Faghri et al.
    2018 (VSE++).
    """

    allowed: ClassVar = {"loss": choice(*LOSSES)}

    def __init__(
        self,
        head: str = "linear",
        loss: str = "infonce",
        k: int | None = None,
        start: Any = "cca",
        temperature: float = 0.07,
        epochs: int = 60,
        batch: int = 256,
        rate: float = 3e-3,
        decay: float = 0.1,
        seed: int = 0,
        device: str = "auto",
    ):
        self.head = head
        self.loss = loss
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
        return head(self.head)

    def _loss_params(self) -> Params:
        if self.loss == "triplet":
            return {}
        params = {"log_scale": np.array(-np.log(self.temperature), np.float32)}
        return params | ({"bias": np.array(-10, np.float32)} if self.loss == "sigmoid" else {})

    def _objective(self, views: Views, forms: Forms) -> Objective:
        from chiasm.nn import losses

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            own = params[LOSS]

            def loss(one: Linked) -> Any:
                a, b, same = one.left, one.right, one.same
                if self.loss == "triplet":
                    return losses.triplet(a, b, same=same)
                scale = own["log_scale"].exp().clamp(2, 100)
                if self.loss == "sigmoid":
                    return losses.sigmoid(a, b, scale, own["bias"], same)
                return (losses.infonce if len(a) <= _FULL else losses.streamed_infonce)(a, b, scale, same)

            return over_links(loss, self._head(), params, rows, batch, step)

        return objective
