"""Deep CCA whose outputs are also to tell their own view: correlated, and decoded back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.align._autoencoder import back, decoder, mean_of_views
from chiasm.align._deep import Deep
from chiasm.align._trained import Forms, Objective
from chiasm.allowed import NOT_NEGATIVE
from chiasm.errors import unknown
from chiasm.nn.blocks import ArrayOps, Params
from chiasm.nn.pairs import Axes, links, turn
from chiasm.views import Views

__all__ = ["DCCAE"]


class DCCAE(Deep):
    """`dcca` with a decoder a view: outputs are to correlate, and to tell their own view.

    Minimized: weight x (|a - p(f(a))|^2 + |b - q(g(b))|^2) - corr(f(a), g(b)), squared errors in units of the mean's.
    The decoders hold the networks back from outputs that correlate and say nothing.

    Choose it instead of `dcca` where outputs are also to be turned back. On photographs with captions no gain over
    `cca` in R@1 or over ridge regression is shown; on halves of digits it is above these two, and in what it tells of
    the other view it loses to kernel ridge regression (docs/align.md).

    Args:
        weight: of the squared errors; 0: `dcca`.
        head, k, ridge, start, epochs, batch, rate, decay, seed, device: as in `DCCA`.

    Learned beside `DCCA`'s: `decoders_`, arrays by view; `bridges_` `(k, outputs)` by view, least squares from what the
    other views of a row map to onto the view's own outputs, and `means_` of these.

    Source: Wang et al. 2015 (DCCAE).
    """

    allowed: ClassVar = {"weight": NOT_NEGATIVE}

    decoders_: dict[str, Params]
    bridges_: dict[str, np.ndarray]
    means_: dict[str, np.ndarray]

    def __init__(
        self,
        head: str = "mlp",
        k: int = 64,
        ridge: float = 0.1,
        weight: float = 1.0,
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
        self.weight = weight
        self.start = start
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.seed = seed
        self.device = device

    def reconstruct(self, views: Any, to: str) -> np.ndarray:
        """`(n, d)` float32 view `to` of every row, decoded from the mean of what the views that are given map to.

        Leave `to` out of `views` to have it told by the others alone. A row without any view gets the mean.

        Raises a ChiasmError for a view that was not fitted.
        """
        self.check_fitted()
        if to not in self.centers_:
            raise unknown("fitted view", to, self.centers_)
        mapped, there = mean_of_views(self.transform(views))
        outputs = mapped @ self.bridges_[to] + self.means_[to]
        on_axes = self._head().forward(self.decoders_[to], outputs, ArrayOps(), 0.0) * there[:, None]
        return back(on_axes, Axes(self.centers_[to], self.bases_[to]))

    def _learn(
        self, views: Views, held: Views | None, forms: Forms, found: Mapping[str, Axes], stop: int | None = None
    ) -> Self:
        super()._learn(views, held, forms, found, stop)
        self.decoders_ = {name: self.params_.pop(decoder(name)) for name in found}
        rows = turn(views, found)
        outputs = {name: self._forward(self.params_[name], mine) for name, mine in rows.items()}
        self.means_ = {name: mine.mean(axis=0) for name, mine in outputs.items()}
        mapped = {name: np.asarray(self.last_.transform({name: mine})[name].items) for name, mine in outputs.items()}
        met: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in outputs}
        for (a, b), link in links(views).items():
            met[a].append((mapped[b][link.right], outputs[a][link.left] - self.means_[a]))
            met[b].append((mapped[a][link.left], outputs[b][link.right] - self.means_[b]))
        self.bridges_ = {}
        for name, each in met.items():
            told, own = (np.concatenate([one[side] for one in each]).astype(np.float64) for side in (0, 1))
            self.bridges_[name] = np.linalg.lstsq(told, own, rcond=1e-6)[0].astype(np.float32)
        return self

    def _params(
        self, axes: Mapping[str, Axes], start: Any, rng: np.random.Generator, rows: Mapping[str, np.ndarray]
    ) -> dict[str, Params]:
        params = super()._params(axes, start, rng, rows)
        for name, (_, basis) in axes.items():
            width = params[name]["weight"].shape[1]
            params[decoder(name)] = self._head().init(width, basis.shape[1], rng, None)
        return params

    def _objective(self, views: Views, forms: Forms) -> Objective:
        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            loss = self._correlated(params, rows, batch, step)
            missed: Any = 0
            for (a, b), link in batch.items():
                for name, places in ((a, link.left), (b, link.right)):
                    x = rows[name][places]
                    outputs = self._head().forward(params[name], x, step.ops, 0.0)
                    made = self._head().forward(params[decoder(name)], outputs, step.ops, 0.0)
                    missed = missed + (made - x).square().mean()
            return loss + self.weight * missed / len(batch)

        return objective
