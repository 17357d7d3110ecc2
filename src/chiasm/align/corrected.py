"""Any aligner, its space corrected for hubs or for the gap between modalities where validation says that it helps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.align._folded import Folded, trace_inverted_softmax
from chiasm.align._select import folds
from chiasm.allowed import COUNT, PART, SEED
from chiasm.graph import Symbol
from chiasm.stats.hubness import NEIGHBORS, csls, inverted_softmax
from chiasm.stats.relevance import check_pairs, recall_sum
from chiasm.views import Column, Views, as_views, normalize

__all__ = ["Corrected"]

BETAS = (0.5, 1.0, 1.5, 2.0)


class Corrected(Folded):
    """The space of `align`, with the search-time correction under which held-out pairs are found best.

    Candidates: none; *centering*, each view's mean unit vector subtracted (the modality gap); *inverted softmax* and
    *CSLS*, a bias a gallery item for being near many known queries (see `chiasm.stats.hubness`). None wins ties, so the
    validated score never falls. What is chosen is folded into the vectors: search costs what it did.

    Choose it around an aligner that you want for its own sake. `auto` has a correction of its own.

    Args:
        align: an aligner or its name. queries: the most known queries a view that are kept. seed: of their draw.

    Learned: `aligner_`, `widths_`, `centers_` by view, `banks_`, `chosen_` (the aligner's and `correction`, `beta`),
    `trials_`.

    >>> z = np.random.default_rng(0).normal(size=(200, 2))
    >>> views = {"a": z @ [[1, 2, 0], [0, 1, 1]], "b": z @ [[3, 1], [1, 1]]}
    >>> Corrected("ridge").fit(views).chosen_["correction"] in ("none", "centering", "inverted_softmax", "csls")
    True

    Sources: Smith et al. 2017 (inverted softmax); Conneau et al. 2018 (CSLS); Liang et al. 2022 (the modality gap).
    """

    aligner_: Any
    centers_: dict[str, np.ndarray]
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {"align": PART, "queries": COUNT, "seed": SEED}

    def __init__(self, align: Any = "cca", queries: int = 2000, seed: int = 0):
        self.align = align
        self.queries = queries
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Corrected:
        """Fit the aligner and choose on `val`, or on a fold of `views`, by mean R@1, 5, 10 over all directions.

        Raises a ChiasmError for fewer than two views or fewer than two pairs, and whatever the aligner raises.
        """
        views = as_views(views)
        check_pairs(views)
        cuts = folds(views, val, self.seed)
        if not cuts:  # too few pairs to choose on
            self.trials_ = []
            self._hold(views, None)
            self._set({"correction": "none"}, views)
            return self
        mask, held = cuts[0]
        train = views if mask is None else views[~mask]
        self._hold(train, held)
        self._set({"correction": "none"}, train)
        spread = self._spread()
        candidates: list[dict[str, Any]] = [{"correction": "none"}, {"correction": "centering"}]
        candidates += [{"correction": "inverted_softmax", "beta": beta / spread} for beta in BETAS]
        candidates += [{"correction": "csls"}]
        self.trials_ = []
        for candidate in candidates:
            self._set(candidate, train)
            used = {name: c.items[c.used] for name, c in self.transform(held).columns.items() if len(c.used)}
            self.trials_.append({**candidate, "score": recall_sum(held, used)})
        best = max(self.trials_, key=lambda trial: trial["score"])  # the first of equals
        if mask is not None:
            self._hold(views, None)
        self._set({k: v for k, v in best.items() if k != "score"}, views)
        return self

    def _hold(self, train: Views, val: Views | None) -> None:
        """Fit the aligner."""
        self.aligner_ = registry.fit(registry.make("align", self.align, seed=self.seed), train, val=val).slim()
        self.widths_ = {name: column.width for name, column in train.columns.items()}
        mapped = self.aligner_.transform(train)
        self.centers_ = {name: normalize(c.items[c.used]).mean(axis=0) for name, c in mapped.columns.items()}

    def _set(self, candidate: dict[str, Any], train: Views) -> None:
        """Take a candidate, and keep the known queries of the rows that were learned from."""
        self.chosen_ = {**self.aligner_.choices(), **candidate}
        self._keep(train, self.queries, self.seed)

    def _spread(self) -> float:
        """The standard deviation of the cosines between the first two views' known queries."""
        first, second = list(self.banks_.values())[:2]
        return float(max((first @ second.T).std(), 1e-6))

    def without_correction(self, vectors: np.ndarray) -> np.ndarray:
        """As `Folded.without_correction`; as they are where nothing is corrected."""
        return vectors if self.chosen_["correction"] == "none" else super().without_correction(vectors)

    def owed(self, name: str, to: str, vectors: np.ndarray) -> np.ndarray:
        """As `Folded.owed`; nothing where nothing is corrected."""
        if self.chosen_["correction"] == "none":
            return np.zeros(len(vectors), np.float32)
        return super().owed(name, to, vectors)

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        return self._inner(name, rows) if self.chosen_["correction"] == "none" else super()._map(name, rows)

    def _inner(self, name: str, rows: np.ndarray) -> np.ndarray:
        mapped: np.ndarray = self.aligner_.transform(Views({name: Column("vector", rows)}))[name].items
        return mapped

    def _unit(self, name: str, rows: np.ndarray) -> np.ndarray:
        unit = normalize(self._inner(name, rows))
        return normalize(unit - self.centers_[name]) if self.chosen_["correction"] == "centering" else unit

    def _bias(self, rows: np.ndarray, bank: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        if self.chosen_["correction"] == "inverted_softmax":
            return inverted_softmax(rows, bank, self.chosen_["beta"], counts)
        if self.chosen_["correction"] == "csls":
            return csls(rows, bank)
        return np.zeros(len(rows))

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        if self.chosen_["correction"] == "none":
            return self._trace_inner(name, rows)
        return super().traced(name, rows)

    def _trace_inner(self, name: str, rows: Symbol) -> Symbol:
        mapped: Symbol = self.aligner_.traced(name, rows)
        return mapped

    def _trace_unit(self, name: str, rows: Symbol) -> Symbol:
        unit = self._trace_inner(name, rows).unit()
        return (unit - self.centers_[name]).unit() if self.chosen_["correction"] == "centering" else unit

    def _trace_bias(self, rows: Symbol, bank: np.ndarray, counts: np.ndarray | None) -> Symbol:
        if self.chosen_["correction"] == "inverted_softmax":
            return trace_inverted_softmax(rows, bank, self.chosen_["beta"], counts)
        if self.chosen_["correction"] == "csls":
            return (rows @ bank.T).top(min(NEIGHBORS, len(bank))).mean() * 0.5
        return rows.constant([0.0])

    def _widths(self) -> dict[str, int]:
        widths: dict[str, int] = vars(self).get("widths_") or self.aligner_._widths()  # saved before 0.2 without
        return widths
