"""Heads without negatives: pairs are pulled together, and every direction has to vary and to say its own."""

from __future__ import annotations

from typing import Any, ClassVar

from chiasm.align._trained import Forms, Objective, TrainedAligner, over_links
from chiasm.allowed import NOT_NEGATIVE, choice, number
from chiasm.nn.blocks import Head, Params, head
from chiasm.views import Views

__all__ = ["VICReg"]

LOSSES = ("vicreg", "barlow")


class VICReg(TrainedAligner):
    """One head a view, trained so that pairs map alike while no direction falls silent or repeats another.

    Where `contrastive` pushes rows apart, this holds up the variance of every direction over a batch and forbids two
    to covary ("vicreg"), or asks the views' cross correlation to be the identity ("barlow", a criterion close to that
    of CCA). Without these terms all rows end in one point. It needs no large batch, and two rows that are much alike
    are no harm to each other.

    Choose it for research, where many rows say nearly the same (frames of one scene, copies of a product). On
    photographs with captions and halves of digits it stays near `cca`, from which it starts; no gain in R@1 was seen
    (docs/align.md).

    Args:
        head: "linear", "mlp", "gated" or "residual".
        loss: "vicreg" or "barlow".
        invariance, variance, covariance: the weights of "vicreg", as published.
        redundancy: the weight of "barlow", as published.
        k, start, epochs, batch, rate, decay, seed, device: as in `Contrastive`; one pair a batch does not vary.

    Sources: Bardes et al. 2022 (VICReg); Zbontar et al. 2021 (Barlow Twins).
    """

    allowed: ClassVar = {
        "loss": choice(*LOSSES),
        "batch": number(2, whole=True),
        "invariance": NOT_NEGATIVE,
        "variance": NOT_NEGATIVE,
        "covariance": NOT_NEGATIVE,
        "redundancy": NOT_NEGATIVE,
    }

    def __init__(
        self,
        head: str = "linear",
        loss: str = "vicreg",
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        redundancy: float = 0.005,
        k: int | None = None,
        start: Any = "cca",
        epochs: int = 60,
        batch: int = 256,
        rate: float = 3e-3,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.head = head
        self.loss = loss
        self.invariance = invariance
        self.variance = variance
        self.covariance = covariance
        self.redundancy = redundancy
        self.k = k
        self.start = start
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def _head(self) -> Head:
        return head(self.head)

    def _objective(self, views: Views, forms: Forms) -> Objective:
        from chiasm.nn.losses import barlow, vicreg

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            def loss(one: Any) -> Any:
                if self.loss == "barlow":
                    return barlow(one.left, one.right, self.redundancy)
                return vicreg(one.left, one.right, self.invariance, self.variance, self.covariance)

            return over_links(loss, self._head(), params, rows, batch, step, scaled=False)

        return objective
