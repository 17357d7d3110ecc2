"""What autoencoders of several views share: decoders beside encoders, rows without a partner, views made of views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.align._trained import Forms, Objective, TrainedAligner
from chiasm.allowed import number
from chiasm.errors import unknown
from chiasm.graph import Symbol
from chiasm.nn.blocks import ArrayOps, Head, Params, head
from chiasm.nn.pairs import Axes, Batch, PairRows, links, turn
from chiasm.nn.start import started
from chiasm.views import Views

__all__ = ["Autoencoder", "Latents", "back", "decoder", "mean_of_views"]

Latents = dict[str, Any]
"""By view, tensors `(n, k)`."""


def decoder(view: str) -> str:
    """The group of parameters that makes a view out of a latent."""
    return f"(decoder) {view}"


class Autoencoder(TrainedAligner):
    """An aligner through a latent of `k` numbers: one encoder a view into it, one decoder a view out of it.

    Both are heads, on the principal axes of a view, and begin at random. Rows that have no partner teach their own
    encoder and decoder. How long to train is chosen by what held-out rows' views tell of each other: the mean R^2 of
    every view decoded from every other alone, against the mean of what was learned from.

    Learned beside `TrainedAligner`'s: `decoders_`, arrays by view; `shifts_` `(k,)` by view, its mean latent, which
    `transform` takes off and `reconstruct` does not.

    A subclass says what it minimizes of a view alone (`_alone`) and of two views of the same rows (`_pair`).
    """

    _forms = ()
    _most = 256

    allowed: ClassVar = {"k": number(1, 256, whole=True)}

    head: str
    k: int
    decoders_: dict[str, Params]
    shifts_: dict[str, np.ndarray]

    def reconstruct(self, views: Any, to: str) -> np.ndarray:
        """`(n, d)` float32 view `to` of every row, decoded from the latent of the views that are given.

        Leave `to` out of `views` to have it told by the others alone. A row without any view gets the mean.

        Raises a ChiasmError for a view that was not fitted.
        """
        self.check_fitted()
        if to not in self.centers_:
            raise unknown("fitted view", to, self.centers_)
        latent, there = self._joined(views)
        on_axes = self._decoded(to, self.decoders_[to], latent) * there[:, None]
        return back(on_axes, Axes(self.centers_[to], self.bases_[to]))

    def _joined(self, views: Any) -> tuple[np.ndarray, np.ndarray]:
        """`(n, k)` the latent of every row, and `(n,)` which rows have any view."""
        return mean_of_views(self._each(views, self._latent))

    def _latent(self, name: str, rows: np.ndarray) -> np.ndarray:
        return self._forward(self.params_[name], Axes(self.centers_[name], self.bases_[name])(rows))

    def _decoded(self, name: str, params: Params, latent: np.ndarray) -> np.ndarray:
        """`(n, r)` on the axes of a view."""
        made: np.ndarray = self._head().forward(params, latent, ArrayOps(), 0.0)
        return made

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return self._latent(name, rows) - self.shifts_[name]

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        return super().traced(name, rows) - self.shifts_[name]

    def _head(self) -> Head:
        return head(self.head)

    # ---- learning ----
    def _learn(
        self, views: Views, held: Views | None, forms: Forms, found: Mapping[str, Axes], stop: int | None = None
    ) -> Self:
        super()._learn(views, held, forms, found, stop)
        self.decoders_ = {name: self.params_.pop(decoder(name)) for name in found}
        rows = turn(views, found)
        self.shifts_ = {name: self._forward(self.params_[name], mine).mean(axis=0) for name, mine in rows.items()}
        return self

    def _links(self, views: Views) -> dict[tuple[str, str], PairRows]:
        """The pairs of two views, and every view beside itself, so that a row without a partner counts too."""
        return links(views) | {(name, name): _own(views, name) for name in views.columns}

    def _params(
        self, axes: Mapping[str, Axes], start: Any, rng: np.random.Generator, rows: Mapping[str, np.ndarray]
    ) -> dict[str, Params]:
        params = started(self._head(), axes, None, self.k, rng)
        for name, (_, basis) in axes.items():
            params[decoder(name)] = self._head().init(self.k, basis.shape[1], rng, None)
        return params

    def _scorer(self, held: Views, found: Mapping[str, Axes], views: Views) -> Callable[[dict[str, Params]], float]:
        rows, joined = turn(held, found), links(held)

        def score(params: dict[str, Params]) -> float:
            told = []
            for (a, b), link in joined.items():
                for one, to, left, right in ((a, b, link.left, link.right), (b, a, link.right, link.left)):
                    latent, truth = self._forward(params[one], rows[one][left]), rows[to][right]
                    missed = np.square(truth - self._decoded(to, params[decoder(to)], latent)).sum()
                    told.append(1 - float(missed) / max(float(np.square(truth).sum()), 1e-30))
            return float(np.mean(told)) if told else 0.0

        return score

    def _objective(self, views: Views, forms: Forms) -> Objective:
        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Batch], step: Any) -> Any:
            total: Any = 0
            for (a, b), link in batch.items():
                truth = {a: rows[a][link.left], b: rows[b][link.right]}
                latents = {name: self._head().forward(params[name], x, step.ops, 0.0) for name, x in truth.items()}
                total = total + (self._alone if a == b else self._pair)(params, latents, truth, step)
            return total / len(batch)

        return objective

    def _alone(self, params: dict[str, Params], latents: Latents, truth: Latents, step: Any) -> Any:
        """What is minimized of rows of one view."""
        ((name, latent),) = latents.items()
        return self._missed(params, latent, name, truth, step)

    def _pair(self, params: dict[str, Params], latents: Latents, truth: Latents, step: Any) -> Any:
        """What is minimized of two views of the same rows."""
        raise NotImplementedError

    def _missed(self, params: dict[str, Params], latent: Any, to: str, truth: Latents, step: Any) -> Any:
        """The mean squared error of a view decoded from a latent; about 1 is the mean's."""
        return (self._head().forward(params[decoder(to)], latent, step.ops, 0.0) - truth[to]).square().mean()


def mean_of_views(latents: Views) -> tuple[np.ndarray, np.ndarray]:
    """`(n, k)` of every row the mean over its views, 0 where it has none, and `(n,)` which rows have any."""
    (width,) = {column.width for column in latents.columns.values()}
    total, count = np.zeros((len(latents), width), np.float32), np.zeros(len(latents), np.float32)
    for column in latents.columns.values():
        here = column.present
        total[here] += column.items[column.index[here]]
        count[here] += 1
    return total / np.maximum(count, 1)[:, None], count > 0


def back(on_axes: np.ndarray, axes: Axes) -> np.ndarray:
    """`(n, r)` on the axes of a view -> `(n, d)` float32 in its own numbers."""
    center, basis = axes
    made: np.ndarray = on_axes @ (basis.T / np.square(basis[:, 0]).sum()) + center.astype(np.float32)
    return made


def _own(views: Views, name: str) -> PairRows:
    """Every item of a view beside itself, under each of its ids."""
    column = views[name]
    here = column.present
    pairs = np.unique(np.stack([views.codes[here], np.searchsorted(column.used, column.index[here])], axis=1), axis=0)
    return PairRows(pairs[:, 1], pairs[:, 1], pairs[:, 0])
