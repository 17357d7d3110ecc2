"""Deep canonical correlation analysis: networks whose outputs correlate the most, then CCA on these outputs."""

from __future__ import annotations

from typing import Any, ClassVar

from chiasm.align._deep import Deep
from chiasm.align._trained import Forms, Objective
from chiasm.allowed import NOT_NEGATIVE
from chiasm.nn.blocks import Params
from chiasm.views import Views

__all__ = ["DCCA"]


class DCCA(Deep):
    """One network a view, trained so that `k` outputs of one correlate with those of the other, direction by direction.

    The objective is the sum of the canonical correlations of a batch's outputs: of S_a^-1/2 S_ab S_b^-1/2 the sum of
    singular values, `ridge` x the mean variance on the diagonals, in float64. A batch has to hold more pairs than there
    are outputs, or everything correlates. What comes out are the outputs under linear CCA, each direction scaled by the
    root of its correlation, as `cca` does it.

    Networks go on to make correlations out of nothing, so how long is right is chosen on held-out rows. `noise` x a
    penalty holds them back besides: |corr(f(x), f(z)) - corr(x, z)|, z normal noise of the shape of a batch's rows x;
    what is unrelated before a network is to be so behind it.

    Choose it for research, where views are related in no linear way. On halves of digits (1,200 pairs) it finds far
    more than `cca` and less than `kcca`; on frozen features of photographs it loses to `cca` (docs/align.md). More
    pairs were not tried.

    Args:
        head: "mlp", "linear", "gated" or "residual".
        k: outputs, at most half of the pairs.
        ridge: regularization in units of the mean variance of the outputs.
        noise: the weight of the penalty; 0: none.
        start, epochs, batch, rate, decay, seed, device: as in `Contrastive`; a batch has at least 2 k pairs.

    `fit` raises a ChiasmError for a batch smaller than 2 k, and as the other aligners do.

    Sources: Andrew et al. 2013 (DCCA); Wang et al. 2015 (batches); He et al. 2024 (NR-DCCA, the penalty).
    """

    allowed: ClassVar = {"noise": NOT_NEGATIVE}

    def __init__(
        self,
        head: str = "mlp",
        k: int = 64,
        ridge: float = 0.1,
        noise: float = 0.0,
        start: Any = None,
        epochs: int = 60,
        batch: int = 256,
        rate: float = 3e-3,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.head = head
        self.k = k
        self.ridge = ridge
        self.noise = noise
        self.start = start
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def _objective(self, views: Views, forms: Forms) -> Objective:
        import torch

        from chiasm.nn.losses import total_correlation

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            loss = self._correlated(params, rows, batch, step)
            if not self.noise:
                return loss
            kept: Any = 0
            for (a, b), link in batch.items():
                for name, places in ((a, link.left), (b, link.right)):
                    x = rows[name][places]
                    drawn = torch.randn(x.shape, generator=step.generator, device=x.device)
                    own, other = (self._head().forward(params[name], some, step.ops, 0.0) for some in (x, drawn))
                    before = total_correlation(x, drawn, self.ridge)
                    kept = kept + (total_correlation(own, other, self.ridge) - before).abs()
            return loss + self.noise * kept / (2 * len(batch))

        return objective
