"""Deep canonical correlation analysis: networks whose outputs correlate the most, then CCA on these outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from chiasm import registry
from chiasm.align._aligner import Linear
from chiasm.align._trained import Forms, Objective, TrainedAligner, over_links
from chiasm.allowed import COUNT, NOT_NEGATIVE
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.graph import Symbol
from chiasm.nn.blocks import Head, Params, head
from chiasm.nn.pairs import Axes, links, turn
from chiasm.nn.start import started
from chiasm.stats.relevance import check_pairs, reciprocal_rank
from chiasm.views import Column, Views, as_views

__all__ = ["DCCA"]


class DCCA(TrainedAligner):
    """One network a view, trained so that `k` outputs of one correlate with those of the other, direction by direction.

    The objective is the sum of the canonical correlations of a batch's outputs: of S_a^-1/2 S_ab S_b^-1/2 the sum of
    singular values, `ridge` x the mean variance on the diagonals, in float64. A batch has to hold more pairs than there
    are outputs, or everything correlates. What comes out are the outputs under linear CCA, each direction scaled by the
    root of its correlation, as `cca` does it.

    Networks go on to make correlations out of nothing, so how long is right is chosen on held-out rows. `noise` x a
    penalty holds them back besides: a batch of pure noise is to correlate with what a network makes of it as much as
    data with what it makes of them.

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

    _most = 256

    allowed: ClassVar = {"k": COUNT, "ridge": NOT_NEGATIVE, "noise": NOT_NEGATIVE}

    k: int
    last_: Linear
    width_: int

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

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Self:
        """Learn from the pairs of `views`, as `Contrastive` does."""
        views = as_views(views)
        check_pairs(views)
        if self.batch < 2 * self.k:
            raise ChiasmError(
                f"wanted batches of at least twice as many pairs as outputs, got batch={self.batch} and k={self.k}: in "
                "fewer everything correlates."
            )
        return super().fit(views, val=val)

    def _learn(
        self, views: Views, held: Views | None, forms: Forms, found: Mapping[str, Axes], stop: int | None = None
    ) -> Self:
        pairs = min(len(np.unique(link.ids)) for link in links(views).values())
        self.width_ = max(1, min(self.k, pairs // 2))
        super()._learn(views, held, forms, found, stop)
        self.last_ = self._canonical(self.params_, turn(views, found), views)
        return self

    def _params(self, axes: Mapping[str, Axes], start: Any, rng: np.random.Generator) -> dict[str, Params]:
        maps = None if start is None else {name: start.weights_.get(name) for name in axes}
        return started(self._head(), axes, maps, self.width_, rng)

    def _canonical(self, params: Mapping[str, Params], rows: Mapping[str, np.ndarray], views: Views) -> Linear:
        """Linear CCA of the outputs for the rows learned from."""
        outputs = {name: self._forward(params[name], mine) for name, mine in rows.items()}
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

    def _head(self) -> Head:
        return head(self.head)

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        outputs = super()._map(name, rows)
        return np.asarray(self.last_.transform({name: outputs})[name].items)

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        return self.last_.traced(name, super().traced(name, rows))

    def _objective(self, views: Views, forms: Forms) -> Objective:
        import torch

        from chiasm.nn.losses import total_correlation

        def objective(params: dict[str, Params], rows: dict[str, Any], batch: dict[Any, Any], step: Any) -> Any:
            loss = over_links(
                lambda one: -total_correlation(one.left, one.right, self.ridge),
                self._head(),
                params,
                rows,
                batch,
                step,
                scaled=False,
            )
            if not self.noise:
                return loss
            kept: Any = 0
            for (a, b), link in batch.items():
                for name, places in ((a, link.left), (b, link.right)):
                    x = rows[name][places]
                    drawn = torch.randn(x.shape, generator=step.generator, device=x.device)
                    own, other = (
                        total_correlation(some, self._head().forward(params[name], some, step.ops, 0.0), self.ridge)
                        for some in (x, drawn)
                    )
                    kept = kept + (own - other).abs()
            return loss + self.noise * kept / (2 * len(batch))

        return objective


def _replaced(views: Views, outputs: Mapping[str, np.ndarray]) -> Views:
    """The same rows with outputs for their used items."""
    columns = {}
    for name, mine in outputs.items():
        column = views[name]
        index = np.where(column.present, np.searchsorted(column.used, column.index), -1)
        columns[name] = Column("vector", mine, index)
    return views.replace(columns)
