"""A variational autoencoder of several views: what a row might be, told by any of its views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit, logsumexp

from chiasm.align._autoencoder import Autoencoder, Latents, back, decoder
from chiasm.align._trained import Forms
from chiasm.allowed import COUNT, check, choice
from chiasm.errors import unknown
from chiasm.graph import Symbol, SymbolOps
from chiasm.nn.blocks import Params
from chiasm.nn.pairs import Axes, turn
from chiasm.views import Views

__all__ = ["MVAE"]

EXPERTS = ("product", "mixture")

Rows = dict[str, tuple[np.ndarray, np.ndarray]]
"""By view `(n, r)` rows on its axes, and `(n,)` which of them are there."""

_BOUND = 8.0
_NARROW = -2.0
"""The logarithm of z's variance at the start: so that z tells something from the first step on."""
_LOOK = 10
"""Draws a row at a look at held-out rows."""


class MVAE(Autoencoder):
    """p(a, b) = integral of p(a | z) p(b | z) p(z) dz, z ~ N(0, 1), views normal around what decoders make of z.

    Every view's encoder says a normal of z. What several views say is their product with p(z) ("product": each view
    narrows z, so two views say more than one) or their mixture ("mixture": z is from one of them and has to
    tell all). An absent view says nothing, in learning and in answers alike.

    Minimized: minus the evidence lower bound of every two views of a row, and of every view alone, the divergence of z
    from p(z) growing to its whole over the first half. How long is chosen by the likelihood of held-out rows.

    Choose it where views may be absent and what else a row might have been counts. Photographs with captions are
    likelier under it than under a mixture of Gaussians (`stats.mixture`, which learns in seconds) by 14.5 nats [12.7,
    16.4]; of halves of digits that is not shown. With 300 pairs of photographs and fewer it finds nothing. In what it
    tells of the other view it loses to kernel ridge regression on both, to ridge regression on photographs, and there
    to `cca` in R@1 (docs/align.md).

    Args:
        experts: "product" or "mixture".
        head: of encoders and decoders: "residual", "mlp", "linear" or "gated".
        k: numbers of z, at most 256.
        epochs, batch, rate, decay, seed, device: as in `Contrastive`.

    Learned beside `Autoencoder`'s: `spreads_`, arrays by view, heads that say the logarithm of z's variance; `sizes_`
    `(r,)` by view, the standard deviation of its axes; `decoders_` hold the noise around what they make.

    Sources: Wu & Goodman 2018 (product); Shi et al. 2019 (mixture); Burda et al. 2016 (`log_likelihood`).
    """

    allowed: ClassVar = {"experts": choice(*EXPERTS)}

    spreads_: dict[str, Params]
    sizes_: dict[str, np.ndarray]

    def __init__(
        self,
        experts: str = "mixture",
        head: str = "residual",
        k: int = 32,
        epochs: int = 60,
        batch: int = 128,
        rate: float = 1e-2,
        decay: float = 1e-4,
        seed: int = 0,
        device: str = "auto",
    ):
        self.experts = experts
        self.head = head
        self.k = k
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def log_likelihood(self, views: Any, draws: int = 100) -> np.ndarray:
        """`(n,)` log p of each row's views, in nats, of their places on their principal axes in their own units.

        A lower bound, in expectation, that tends to the truth with `draws`: the log of the mean over draws of z from
        what the views say, q, of p(views | z) p(z) / q(z). 0 for a row without any view.

        Raises a ChiasmError for less than one draw, or draws that are no whole number.
        """
        self.check_fitted()
        check("log_likelihood", {"draws": draws}, {"draws": COUNT})
        rows = self._rows(views)
        found = self._evidence(self._parts(), rows, draws)
        for name, (_, here) in rows.items():
            basis = self.bases_[name]
            found += here * basis.shape[1] * np.log(np.linalg.norm(basis[:, 0]))
        return found

    def draw(self, views: Any, to: str, count: int = 1) -> np.ndarray:
        """`(n, count, d)` float32: view `to` as it might be, decoded from draws of z, the same luck for all rows.

        A row without any view gets draws of p(z). Raises a ChiasmError for a view that was not fitted, and for a count
        that is no whole number of at least 1.
        """
        self.check_fitted()
        check("draw", {"count": count}, {"count": COUNT})
        if to not in self.centers_:
            raise unknown("fitted view", to, self.centers_)
        parts, rows, rng = self._parts(), self._rows(views), np.random.default_rng(self.seed)
        said, axes = self._said(parts, rows), Axes(self.centers_[to], self.bases_[to])
        latents = [self._drawn(said, rng)[0] for _ in range(count)]
        return np.stack([back(self._decoded(to, parts[decoder(to)], z), axes) for z in latents], axis=1)

    # ---- answers ----
    def _parts(self) -> dict[str, Params]:
        """All groups of parameters, as in training."""
        parts = dict(self.params_)
        for name in self.centers_:
            parts |= {spread(name): self.spreads_[name], decoder(name): self.decoders_[name]}
        return parts

    def _rows(self, views: Any) -> Rows:
        placed = self._each(views, lambda name, rows: Axes(self.centers_[name], self.bases_[name])(rows))
        return {n: (c.items[np.maximum(c.index, 0)], c.present) for n, c in placed.columns.items()}

    def _said(self, parts: dict[str, Params], rows: Rows) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What there is to draw z from, one normal ("product") or one a view: means and variances `(n, k)`, weights."""
        each = []
        for name, (values, here) in rows.items():
            log = self._log(parts[spread(name)], values)
            each.append((self._forward(parts[name], values), np.exp(log), here.astype(np.float32)))
        none = 1 - np.max([here for _, _, here in each], axis=0)
        if self.experts == "mixture":
            some = each[0][0]
            return [*each, (np.zeros_like(some), np.ones_like(some), none)] if none.any() else each
        mean, variance = product([(m, v, h[:, None]) for m, v, h in each])
        return [(mean, variance, np.ones(len(mean), np.float32))]

    def _drawn(
        self, said: list[tuple[np.ndarray, np.ndarray, np.ndarray]], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """`(n, k)` a draw of z, of a mixture from one of the row's views, and `(n,)` its log density."""
        here = np.stack([weight for _, _, weight in said], axis=1) > 0
        places = np.argsort(~here, axis=1, kind="stable")  # those that are there come first
        chosen = places[np.arange(len(here)), (rng.random() * here.sum(axis=1)).astype(int)]
        mean, variance = (np.stack([one[i] for one in said])[chosen, np.arange(len(here))] for i in (0, 1))
        latent = mean + np.sqrt(variance) * rng.standard_normal(mean.shape[1]).astype(np.float32)
        logs = [np.where(w > 0, normal(latent, m, v), -np.inf) for m, v, w in said]
        return latent, logsumexp(logs, axis=0) - np.log(here.sum(axis=1))

    def _evidence(self, parts: dict[str, Params], rows: Rows, draws: int) -> np.ndarray:
        """`(n,)` as `log_likelihood`, of rows on their axes."""
        said, rng = self._said(parts, rows), np.random.default_rng(self.seed)
        found = []
        for _ in range(draws):
            latent, density = self._drawn(said, rng)
            log = normal(latent, 0, 1) - density
            for name, (values, here) in rows.items():
                own, size = parts[decoder(name)], self.sizes_[name]
                noise = np.square(size) * np.exp(2 * np.clip(own["noise"], -_BOUND, _BOUND))
                log = log + here * normal(values, self._decoded(name, own, latent), noise)
            found.append(log)
        made: np.ndarray = logsumexp(found, axis=0) - np.log(draws)
        return np.where(np.any([here for _, here in rows.values()], axis=0), made, 0.0)

    def _joined(self, views: Any) -> tuple[np.ndarray, np.ndarray]:
        rows = self._rows(views)
        means, _, weights = (np.stack(part) for part in zip(*self._said(self._parts(), rows), strict=True))
        there: np.ndarray = np.any([here for _, here in rows.values()], axis=0)
        return (means * weights[:, :, None]).sum(axis=0) / weights.sum(axis=0)[:, None], there

    def _decoded(self, name: str, params: Params, latent: np.ndarray) -> np.ndarray:
        return super()._decoded(name, params, latent) * self.sizes_[name]

    def _latent(self, name: str, rows: np.ndarray) -> np.ndarray:
        on_axes = Axes(self.centers_[name], self.bases_[name])(rows)
        return self._mean(self.params_[name], self.spreads_[name], on_axes)

    def _mean(self, params: Params, spreads: Params, rows: np.ndarray) -> np.ndarray:
        """`(n, k)` the mean of z told by one view: "product" has p(z) as one expert more."""
        mean = self._forward(params, rows)
        if self.experts == "mixture":
            return mean
        told: np.ndarray = mean * expit(-self._log(spreads, rows))
        return told

    def _log(self, spreads: Params, rows: np.ndarray) -> np.ndarray:
        """`(n, k)` the logarithm of z's variance told by one view."""
        return np.clip(self._forward(spreads, rows) + spreads["base"], -_BOUND, _BOUND)

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        on_axes = rows.centered(self.centers_[name]) @ self.bases_[name]
        ops: Any = SymbolOps()
        mean, log = (
            self._head().forward(part, on_axes, ops, 0.0) for part in (self.params_[name], self.spreads_[name])
        )
        if self.experts == "product":
            mean = mean * ((log + self.spreads_[name]["base"]).clip(-_BOUND, _BOUND) * -1.0).sigmoid()
        traced: Symbol = mean - self.shifts_[name]
        return traced

    # ---- learning ----
    def _learn(
        self, views: Views, held: Views | None, forms: Forms, found: Mapping[str, Axes], stop: int | None = None
    ) -> Self:
        rows = turn(views, found)
        self.sizes_ = {name: np.maximum(mine.std(axis=0), 1e-6) for name, mine in rows.items()}
        super()._learn(views, held, forms, found, stop)
        self.spreads_ = {name: self.params_.pop(spread(name)) for name in found}
        self.shifts_ = {
            name: self._mean(self.params_[name], self.spreads_[name], mine).mean(axis=0) for name, mine in rows.items()
        }
        return self

    def _params(
        self, axes: Mapping[str, Axes], start: Any, rng: np.random.Generator, rows: Mapping[str, np.ndarray]
    ) -> dict[str, Params]:
        params = super()._params(axes, start, rng, rows)
        for name, (_, basis) in axes.items():
            r = basis.shape[1]
            params[spread(name)] = self._head().init(r, self.k, rng, np.zeros((r, self.k)))
            params[spread(name)]["base"] = np.full(self.k, _NARROW, np.float32)
            params[decoder(name)]["noise"] = np.zeros(r, np.float32)
        return params

    def _scorer(self, held: Views, found: Mapping[str, Axes], views: Views) -> Callable[[dict[str, Params]], float]:
        placed, rows = turn(held, found), {}
        for name, mine in placed.items():
            column = held[name]
            at = np.where(column.present, np.searchsorted(column.used, column.index), 0)
            rows[name] = mine[at], column.present
        return lambda params: float(self._evidence(params, rows, _LOOK).mean())

    def _alone(self, params: dict[str, Params], latents: Latents, truth: Latents, step: Any) -> Any:
        return self._pair(params, latents, truth, step)

    def _pair(self, params: dict[str, Params], latents: Latents, truth: Latents, step: Any) -> Any:
        import torch

        each = []
        for name, mean in latents.items():
            own = params[spread(name)]
            log = self._head().forward(own, truth[name], step.ops, 0.0) + own["base"]
            each.append((mean, log.clamp(-_BOUND, _BOUND).exp(), 1.0))
        said = [product(each)] if self.experts == "product" else [(mean, variance) for mean, variance, _ in each]
        loss: Any = 0
        for mean, variance in said:
            divergence = (mean.square() + variance - 1 - variance.log()).sum(dim=1) / 2
            luck = torch.randn(mean.shape, generator=step.generator, device=mean.device)
            z = mean + luck * variance.sqrt()
            missed = sum(self._unlikely(params[decoder(name)], name, z, x, step) for name, x in truth.items())
            loss = loss + (missed + min(1.0, 2 * step.done) * divergence).mean() / len(said)
        return loss / sum(x.shape[1] for x in truth.values())

    def _unlikely(self, params: Params, name: str, z: Any, truth: Any, step: Any) -> Any:
        """`(n,)` minus log p of a view given z, up to a constant."""
        noise = params["noise"].clamp(-_BOUND, _BOUND)
        missed = truth / truth.new_tensor(self.sizes_[name]) - self._head().forward(params, z, step.ops, 0.0)
        return (missed.square() * (-2 * noise).exp() / 2 + noise).sum(dim=1)


def spread(view: str) -> str:
    """The group of parameters that says the logarithm of z's variance."""
    return f"(spread) {view}"


def product(experts: list[tuple[Any, Any, Any]]) -> tuple[Any, Any]:
    """Mean and variance of the product of normals (mean, variance, weight) and a standard normal; arrays or tensors."""
    precision: Any = 1
    total: Any = 0
    for mean, variance, weight in experts:
        precision = precision + weight / variance
        total = total + mean * (weight / variance)
    return total / precision, 1 / precision


def normal(x: Any, mean: Any, variance: Any) -> np.ndarray:
    """`(n,)` the log density of rows `(n, d)` under a normal of its own variance an axis."""
    spread_ = np.broadcast_to(variance, x.shape)
    found: np.ndarray = -(np.square(x - mean) / spread_ + np.log(2 * np.pi * spread_)).sum(axis=1) / 2
    return found
