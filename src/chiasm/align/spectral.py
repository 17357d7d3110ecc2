"""Multi-view spectral embedding: things that hang together by near neighbors in any view lie together in the space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from chiasm.align._aligner import Aligner
from chiasm.align._graphs import things
from chiasm.align._select import Map, chosen
from chiasm.allowed import COUNT, SEED
from chiasm.stats import spectral
from chiasm.stats.relevance import check_pairs
from chiasm.views import Views, as_views

__all__ = ["Spectral"]


class Spectral(Aligner):
    """Leading eigenvectors of one graph over all things, tied to their neighbors in each view.

    The graph is the mean of the views' own (`stats.spectral.learn`); a new item of any view is placed among its
    neighbors there (Nystroem), each direction weighed by its eigenvalue, the view's mean taken off. Things without a
    partner are in the graph too, and meet by way of the pairs.

    Choose it for shapes that no linear map takes apart: two rings within each other, told apart by which things hang
    together (tested; `cca` does not). To find captions by photographs it loses to `cca` at 50, 100 and 500 pairs; on
    news with pictures it is below at all three, which is not shown there (docs/align.md): neighbors say what kind of
    thing it is, not which one.

    Args:
        k: the shared width; None: chosen by retrieval on held-out pairs among 8, 16, 32, 64.
        neighbors: of each thing in each view; None: chosen likewise among 10 and 40.
        seed: of the choice and, beyond 4,000 things, of those that the graph is drawn among.

    Learned: `graph_` (`stats.spectral.Embedded`, with the rows themselves), `means_` by view `(k,)`, `chosen_`,
    `trials_`.

    >>> rng = np.random.default_rng(0)
    >>> inner = np.arange(300) % 2 == 0
    >>> def rings():
    ...     angle = rng.uniform(0, 6.3, 300)
    ...     return np.where(inner, 1, 3)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> views = {"a": rings(), "b": rings()}
    >>> found = Spectral(k=2, neighbors=10).fit(views).transform(views)["a"].items
    >>> bool((found[inner] @ found[~inner].T).max() < 0)  # no angle between the two is below a right one
    True

    Sources: Zhou & Burges 2007 (several views); Bengio et al. 2004 (new rows); and those of `stats.spectral`.
    """

    graph_: dict[str, Any]
    means_: dict[str, np.ndarray]
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {"k": COUNT.or_none(), "neighbors": COUNT.or_none(), "seed": SEED}

    def __init__(self, k: int | None = None, neighbors: int | None = None, seed: int = 0):
        self.k = k
        self.neighbors = neighbors
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Spectral:
        """Learn from all things of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), with a partner or without.

        Raises a ChiasmError for fewer than two views or fewer than two pairs.
        """
        views = as_views(views)
        check_pairs(views)
        nears = (10, 40) if self.neighbors is None else (self.neighbors,)
        widths = (8, 16, 32, 64) if self.k is None else (self.k,)
        self.chosen_, self.trials_ = chosen(
            views, val, "neighbors", {n: self._maker(n, widths[-1]) for n in nears}, widths, self.seed
        )
        self.graph_ = spectral.learn(
            things(views), self.chosen_["k"], neighbors=self.chosen_["neighbors"], seed=self.seed
        )
        self.chosen_["k"] = len(self.graph_["values"])
        self.means_ = _means(self.graph_)
        return self

    def _maker(self, neighbors: int, k: int) -> Callable[[Views], Map]:
        def learn(views: Views) -> Map:
            graph = spectral.learn(things(views), k, neighbors=neighbors, seed=self.seed)
            means = _means(graph)
            return lambda name, rows, width: (_placed(graph, name, rows) - means[name])[:, :width]

        return learn

    def _widths(self) -> dict[str, int]:
        return {name: view["rows"].shape[1] for name, view in self.graph_["views"].items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return (_placed(self.graph_, name, rows) - self.means_[name]).astype(np.float32)


def _placed(graph: dict[str, Any], name: str, rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = spectral.place(graph, name, rows) * graph["values"]
    return found


def _means(graph: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: _placed(graph, name, view["rows"]).mean(axis=0) for name, view in graph["views"].items()}
