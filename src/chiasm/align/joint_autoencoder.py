"""One latent for all views of a thing, from any of them alone, and every view back from it."""

from __future__ import annotations

from typing import Any, ClassVar

from chiasm.align._autoencoder import Autoencoder, Latents
from chiasm.allowed import NOT_NEGATIVE

__all__ = ["JointAutoencoder"]


class JointAutoencoder(Autoencoder):
    """A row has one latent z, the mean of what its views' encoders say, and every view is decoded from it.

    Minimized, of two views of a row: the squared error of both decoded from z = (z_a + z_b) / 2, `alone` x that of
    both decoded from z_a alone and from z_b alone, and `agreement` x (1 - cos(z_a, z_b)), latents less their batch's
    mean.

    Choose it to have one view made of another by what also finds it, for research. On photographs with
    captions it loses to `cca` in R@1 and to ridge regression in what it tells of the other view; on halves of
    digits it tells more than that and less than kernel ridge regression (docs/align.md).

    Args:
        head: of encoders and decoders: "residual", "mlp", "linear" or "gated".
        k: numbers of the latent, at most 256.
        alone: weight of latents of one view; 0: a view is decoded from all views together only.
        agreement: weight of the cosine between the latents of two views.
        epochs, batch, rate, decay, seed, device: as in `Contrastive`.

    >>> from chiasm.data.toy import planted_pair
    >>> a, b = planted_pair(300, correlations=(0.99,) * 6)
    >>> model = JointAutoencoder(epochs=5).fit({"a": a[:200], "b": b[:200]})
    >>> model.reconstruct({"a": a[200:]}, to="b").shape
    (100, 12)

    Sources: Ngiam et al. 2011 (a latent from either view alone); Chandar et al. 2016 (CorrNet: agreement).
    """

    allowed: ClassVar = {"alone": NOT_NEGATIVE, "agreement": NOT_NEGATIVE}

    def __init__(
        self,
        head: str = "residual",
        k: int = 64,
        alone: float = 1.0,
        agreement: float = 1.0,
        epochs: int = 60,
        batch: int = 256,
        rate: float = 3e-3,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.head = head
        self.k = k
        self.alone = alone
        self.agreement = agreement
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def _pair(self, params: dict[str, Any], latents: Latents, truth: Latents, step: Any) -> Any:
        from torch.nn.functional import cosine_similarity

        one, other = latents.values()
        loss: Any = 0
        for latent, weight in (((one + other) / 2, 1.0), (one, self.alone / 2), (other, self.alone / 2)):
            if weight:
                loss = loss + weight * sum(self._missed(params, latent, name, truth, step) for name in truth)
        if self.agreement:
            near = cosine_similarity(one - one.mean(dim=0), other - other.mean(dim=0), dim=1).mean()
            loss = loss + self.agreement * (1 - near)
        return loss
