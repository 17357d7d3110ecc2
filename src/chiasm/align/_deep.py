"""What deep CCA and its autoencoder share: the correlation objective, and linear CCA on top of the outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from chiasm import registry
from chiasm.align._aligner import Linear
from chiasm.align._trained import Forms, TrainedAligner, over_links
from chiasm.allowed import COUNT, NOT_NEGATIVE
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.graph import Symbol
from chiasm.nn.blocks import Head, Params, head
from chiasm.nn.pairs import Axes, links, turn
from chiasm.nn.start import started
from chiasm.stats.relevance import reciprocal_rank
from chiasm.views import Column, Views

__all__ = ["Deep"]


class Deep(TrainedAligner):
    """One network a view, whose outputs are to correlate direction by direction; linear CCA of them comes out.

    Learned beside `TrainedAligner`'s: `width_`, the outputs, `k` or half of the pairs; `last_`, the CCA on top.
    """

    _most = 256

    allowed: ClassVar = {"k": COUNT, "ridge": NOT_NEGATIVE}

    head: str
    k: int
    ridge: float
    last_: Linear
    width_: int

    def _learn(
        self, views: Views, held: Views | None, forms: Forms, found: Mapping[str, Axes], stop: int | None = None
    ) -> Self:
        if self.batch < 2 * self.k:
            raise ChiasmError(
                f"wanted batches of at least twice as many pairs as outputs, got batch={self.batch} and k={self.k}: in "
                "fewer everything correlates."
            )
        pairs = min(len(np.unique(link.ids)) for link in links(views).values())
        self.width_ = max(1, min(self.k, pairs // 2))
        super()._learn(views, held, forms, found, stop)
        self.last_ = self._canonical(self.params_, turn(views, found), views)
        return self

    def _params(
        self, axes: Mapping[str, Axes], start: Any, rng: np.random.Generator, rows: Mapping[str, np.ndarray]
    ) -> dict[str, Params]:
        maps = None if start is None else {name: start.weights_.get(name) for name in axes}
        return started(self._head(), axes, maps, self.width_, rng)

    def _canonical(self, params: Mapping[str, Params], rows: Mapping[str, np.ndarray], views: Views) -> Linear:
        """Linear CCA of the outputs for the rows learned from."""
        outputs = {name: self._forward(params[name], mine) for name, mine in rows.items()}
        for name, mine in outputs.items():
            if len(mine) > 1 and np.ptp(mine, axis=0).max() <= 1e-15 * max(1.0, float(np.abs(mine).max())):
                raise ChiasmError(
                    f"the network of view {name!r} maps its {len(mine)} items to one point: wanted outputs that "
                    f"differ; a learning rate below {self.rate:g} or another head may help."
                )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChiasmWarning)  # that outputs vary together in fewer directions is no news
            made: Linear = registry.make("align", "cca", k=self.width_, ridge=self.ridge)
            return made.fit(_replaced(views, outputs))

    def _scorer(self, held: Views, found: Mapping[str, Axes], views: Views) -> Callable[[dict[str, Params]], float]:
        learned, rows = turn(views, found), turn(held, found)

        def score(params: dict[str, Params]) -> float:
            last = self._canonical(params, learned, views)
            outputs = {name: self._forward(params[name], mine) for name, mine in rows.items()}
            mapped = last.transform(_replaced(held, outputs))
            return reciprocal_rank(held, {name: np.asarray(mapped[name].items) for name in outputs})

        return score

    def _tell_narrow(self) -> None:
        got = self._mapped_width(next(iter(self._widths())))
        if got < self.k:
            lack = "there are at most half as many outputs as pairs"
            why = lack if got == self.width_ else "the views vary together in no more directions"
            message = f"{type(self).__name__}: wanted k={self.k}, got {got}: {why}."
            warnings.warn(message, ChiasmWarning, stacklevel=3)

    def _head(self) -> Head:
        return head(self.head)

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        outputs = super()._map(name, rows)
        return np.asarray(self.last_.transform({name: outputs})[name].items)

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        return self.last_.traced(name, super().traced(name, rows))

    def _correlated(self, params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
        """Minus the sum of the correlations of a batch's outputs, the mean over every two views."""
        from chiasm.nn.losses import total_correlation

        return over_links(
            lambda one: -total_correlation(one.left, one.right, self.ridge),
            self._head(),
            params,
            rows,
            batch,
            step,
            scaled=False,
        )


def _replaced(views: Views, outputs: Mapping[str, np.ndarray]) -> Views:
    """The same rows with outputs for their used items."""
    columns = {}
    for name, mine in outputs.items():
        column = views[name]
        index = np.where(column.present, np.searchsorted(column.used, column.index), -1)
        columns[name] = Column("vector", mine, index)
    return views.replace(columns)
