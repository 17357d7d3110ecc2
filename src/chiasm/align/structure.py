"""Contrastive heads that keep each view's own neighborhoods: InfoNCE plus a structure regularizer."""

from __future__ import annotations

from typing import Any, ClassVar

from chiasm.align._trained import Forms, Linked, Objective, TrainedAligner, over_links
from chiasm.allowed import COUNT, NOT_NEGATIVE
from chiasm.nn.blocks import Head, Params, head
from chiasm.views import Views

__all__ = ["Structure"]


class Structure(TrainedAligner):
    """InfoNCE + strength x R, R how far a head bends the similarities within its own view (`nn.losses.structure`).

    What a frozen encoder knows of its modality is kept where few pairs say nothing about it. The strength rises over
    the first tenth of the run.

    Choose it where a trained head is wanted and seems to forget what its encoder knew. The paper reports large gains on
    tens of thousands of pairs; on 300 to 1,200 pairs of photographs and captions strengths of 0 and 10 do equally well,
    1,000 does harm, and none beats `cca` (docs/log.md).

    Args:
        head: "residual" (a linear map plus a gated low-rank correction), "linear", "mlp" or "gated".
        strength: of the regularizer. levels: up to which power of the similarities it looks (friends of friends).
        temperature: of the softmax of InfoNCE, fixed.
        k, start, epochs, batch, rate, decay, seed, device: as in `Contrastive`.

    Originals are the rows on their principal axes, centered. Source: Groeger et al. 2025, arXiv 2506.16895.
    """

    allowed: ClassVar = {"strength": NOT_NEGATIVE, "levels": COUNT}

    def __init__(
        self,
        head: str = "residual",
        strength: float = 10.0,
        levels: int = 1,
        k: int | None = None,
        start: Any = "cca",
        temperature: float = 0.05,
        epochs: int = 60,
        batch: int = 256,
        rate: float = 3e-3,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.head = head
        self.strength = strength
        self.levels = levels
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

    def _objective(self, views: Views, forms: Forms) -> Objective:
        from chiasm.nn.losses import infonce, structure

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            strength = self.strength * min(1.0, 10 * step.done)

            def loss(one: Linked) -> Any:
                bent = structure(one.x, one.left, self.levels) + structure(one.y, one.right, self.levels)
                return infonce(one.left, one.right, 1 / self.temperature, one.same) + strength * bent

            return over_links(loss, self._head(), params, rows, batch, step)

        return objective
