"""Spectral embeddings of each view, from all its rows, brought together by canonical correlation on a few pairs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.align._aligner import Aligner
from chiasm.align._graphs import things
from chiasm.align._select import Map, chosen, views_each
from chiasm.allowed import COUNT, PART, SEED
from chiasm.errors import ChiasmError
from chiasm.stats import spectral
from chiasm.stats.relevance import check_pairs
from chiasm.views import Column, Views, as_views

__all__ = ["SUE"]


class SUE(Aligner):
    """Each view's own leading eigenvectors, learned from all its rows, paired or not; then `last` on the pairs.

    A view's graph (`stats.spectral.learn`) says which of its items hang together, without any pair; what is left to
    learn from pairs is how the k directions of one view turn into those of another. The paper's third step, a network
    that brings the two clouds nearer (MMD), is not here.

    It loses, and stays for comparison. On photographs with captions and on news no gain over `cca` is shown at 50 and
    100 pairs, and at 500 it loses to it; to `sotalign` it loses from 100 pairs of photographs on (docs/align.md).

    Args:
        k: eigenvectors of each view; None: chosen by retrieval on held-out pairs among 32, 64, 128.
        neighbors: of each thing in each view.
        last: the aligner of eigenvectors, or its name.
        seed: of the choice and, beyond 4,000 things of a view, of those that its graph is drawn among.

    Learned: `graphs_` by view (`stats.spectral.Embedded`), `last_`, `chosen_`, `trials_`.

    Source: Yacobi et al. 2025, arXiv 2505.21524, without its last step.
    """

    graphs_: dict[str, dict[str, Any]]
    last_: Any
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {"k": COUNT.or_none(), "neighbors": COUNT, "last": PART, "seed": SEED}

    def __init__(self, k: int | None = None, neighbors: int = 40, last: Any = "cca", seed: int = 0):
        self.k = k
        self.neighbors = neighbors
        self.last = last
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> SUE:
        """Learn from all rows of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), with a partner or without.

        Raises a ChiasmError for fewer than two views, fewer than two pairs, or items that a graph does not tell apart.
        """
        views = as_views(views)
        check_pairs(views)
        widths = (32, 64, 128) if self.k is None else (self.k,)
        graphs = {
            name: spectral.learn({name: block}, widths[-1] + 1, neighbors=self.neighbors, seed=self.seed)
            for name, block in things(views).items()
        }
        placed = _placed(graphs, views)
        held = None if val is None else _placed(graphs, as_views(val))
        self.chosen_, self.trials_ = chosen(placed, held, "neighbors", {self.neighbors: self._learn}, widths, self.seed)
        self.last_ = self._joined(placed, self.chosen_["k"])
        self.graphs_ = graphs
        return self

    def _learn(self, placed: Views) -> Map:
        joined: dict[int, Any] = {}

        def mapped(name: str, rows: np.ndarray, k: int) -> np.ndarray:
            if k not in joined:
                joined[k] = self._joined(placed, k)
            found: np.ndarray = joined[k].transform({name: rows[:, :k]})[name].items
            return found

        return mapped

    def _joined(self, placed: Views, k: int) -> Any:
        """The last step, learned from the pairs alone."""
        columns = {name: Column("vector", c.items[:, :k], c.index) for name, c in placed.columns.items()}
        for name, column in columns.items():
            if not np.ptp(column.items, axis=0).any():
                raise ChiasmError(
                    f"the {len(column.items)} items of view {name!r} have one place in the graph of their neighbors: "
                    "wanted items that it tells apart; there are too few that differ."
                )
        paired = views_each(placed)[placed.codes] > 1
        return registry.fit(registry.make("align", self.last, seed=self.seed), placed.replace(columns)[paired])

    def _widths(self) -> dict[str, int]:
        return {name: graph["views"][name]["rows"].shape[1] for name, graph in self.graphs_.items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        placed = _at(self.graphs_[name], name, rows)[:, : self.chosen_["k"]]
        return np.asarray(self.last_.transform({name: placed})[name].items, dtype=np.float32)


def _placed(graphs: dict[str, dict[str, Any]], views: Views) -> Views:
    """The same rows by their eigenvectors."""
    columns = {}
    for name, column in views.columns.items():
        used = column.used
        index = np.where(column.present, np.searchsorted(used, column.index), column.index)
        columns[name] = Column("vector", _at(graphs[name], name, column.items[used]), index)
    return views.replace(columns)


def _at(graph: dict[str, Any], name: str, rows: np.ndarray) -> np.ndarray:
    """`(m, k)`: the eigenvectors after the first, which tells nothing, each of as much spread as another."""
    found: np.ndarray = spectral.place(graph, name, rows)[:, 1:] * np.sqrt(len(graph["drawn"]))
    return found
