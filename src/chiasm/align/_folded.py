"""Hubness corrections folded into a shared space: what an item owes to being near everything, as extra coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np

from chiasm.align._aligner import Aligner
from chiasm.graph import Symbol, join
from chiasm.views import Views

__all__ = ["Folded", "trace_inverted_softmax"]


class Folded(Aligner):
    """An aligner whose inner products are s(q, g) - b(q) - b(g): unit vectors' products less a bias each.

    b(g) grows with how near g is to known queries in general (see `chiasm.stats.hubness`); b(q) is one constant a
    query and changes no ranking, and has the same form, so that one vector serves as query and as gallery item. For
    every ordered pair (gallery view, asking view) there is a coordinate in which the gallery's side holds -b / c and
    the asking side c; one more a view makes all lengths equal, so that a cosine ranks as the inner product does.

    A subclass implements `_unit` and `_bias`, and calls `_keep` at the end of `fit`. Learned: `banks_` by view, known
    queries `(m, w)`, and `counts_`, what each counts, for views in which they differ; `sure_`, how much of the biases
    is taken, 0..1, where that is not all; `levels_`, the mean bias of each ordered pair; `limit_`, the largest
    deviation from it.
    """

    banks_: dict[str, np.ndarray]
    counts_: dict[str, np.ndarray]
    sure_: dict[str, float]
    levels_: dict[str, dict[str, float]]
    limit_: float

    def uncorrected(self, views: Any) -> Views:
        """As `transform`, without the coordinates of the correction, which tell a view by the places it fills."""
        return self._each(views, self._unit)

    def without_correction(self, vectors: np.ndarray) -> np.ndarray:
        """As the base has it."""
        bare = np.zeros_like(vectors)
        width = next(iter(self.banks_.values())).shape[1]
        bare[:, :width] = vectors[:, :width]
        return bare

    def owed(self, name: str, to: str, vectors: np.ndarray) -> np.ndarray:
        """`(n,)` b(q): what mapped vectors of view `name` lose in their cosine with every item of `to`.

        It ranks nothing, but hides whether there is a match: a query unlike all known ones owes the least. So it is
        given back before scores of different queries are compared.
        """
        place = list(permutations(self.banks_, 2)).index((name, to))
        whole = 1 + 2 * (len(self.banks_) - 1) * self.limit_
        side: np.ndarray = vectors[:, self.banks_[name].shape[1] + place]
        return -side * np.float32(np.sqrt(self.limit_ / whole))

    def _unit(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a view `(m, d)` -> vectors `(m, w)` of length 1 or less."""
        raise NotImplementedError

    def _bias(self, rows: np.ndarray, bank: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        """`(m,)` biases of vectors `(m, w)`, given known queries `(b, w)` and what each counts `(b,)`."""
        raise NotImplementedError

    def _trace_unit(self, name: str, rows: Symbol) -> Symbol:
        """As `_unit`, written down."""
        raise NotImplementedError

    def _trace_bias(self, rows: Symbol, bank: np.ndarray, counts: np.ndarray | None) -> Symbol:
        """As `_bias`, `(m, 1)`, written down."""
        raise NotImplementedError

    def _keep(
        self,
        views: Views,
        most: int,
        seed: int,
        more: Mapping[str, tuple[np.ndarray, float]] = {},
        doubt: float = 0.0,
    ) -> None:
        """Keep at most so many known queries of each view, and the sizes of the biases that they make.

        Args:
            more: by view further queries `(m, d)`, and what all of them together count beside one known query.
            doubt: of the biases by n known queries n / (n + doubt) is taken.
        """
        rng = np.random.default_rng(seed)
        self.banks_, self.counts_, self.sure_ = {}, {}, {}
        for name, column in views.columns.items():
            rows = np.asarray(column.items[rng.permutation(column.used)[:most]])
            if name in more:
                others, count = more[name]
                self.counts_[name] = np.repeat([1.0, count / len(others)], [len(rows), len(others)])
                rows = np.concatenate([rows, others])
            self.banks_[name] = self._unit(name, rows).astype(np.float32)
            if doubt:
                self.sure_[name] = len(rows) / (len(rows) + doubt)
        self.levels_, self.limit_ = {name: {} for name in self.banks_}, 1e-6
        for gallery, asker in permutations(self.banks_, 2):
            bias = self._owing(self.banks_[gallery], asker) if len(self.banks_[gallery]) else np.zeros(1)
            self.levels_[gallery][asker] = float(bias.mean())
            self.limit_ = max(self.limit_, 1.25 * float(np.abs(bias - bias.mean()).max()))

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        unit = self._unit(name, rows)
        views = list(self.banks_)
        c = np.sqrt(self.limit_)
        sides = np.zeros((len(rows), len(views) * (len(views) - 1)))
        for place, (gallery, asker) in enumerate(permutations(views, 2)):
            if gallery == name:
                bias = self._owing(unit, asker) - self.levels_[gallery][asker]
                sides[:, place] = -np.clip(bias, -self.limit_, self.limit_) / c
            elif asker == name:
                sides[:, place] = c
        whole = 1 + 2 * (len(views) - 1) * self.limit_
        rest = np.zeros((len(rows), len(views)))
        length = (unit**2).sum(axis=1) + (sides**2).sum(axis=1)
        rest[:, views.index(name)] = np.sqrt(np.clip(whole - length, 0, None))
        return (np.concatenate([unit, sides, rest], axis=1) / np.sqrt(whole)).astype(np.float32)

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        unit, views, c = self._trace_unit(name, rows), list(self.banks_), float(np.sqrt(self.limit_))
        nothing, sides = unit.constant([0.0]), []
        for gallery, asker in permutations(views, 2):
            if gallery == name:
                bank = self.banks_[asker]
                owing = self._trace_bias(unit, bank, self._counted(asker)) if len(bank) else nothing
                owing = owing if (taken := self._taken(asker)) == 1 else owing * taken
                sides.append((owing - self.levels_[gallery][asker]).clip(-self.limit_, self.limit_) * (-1 / c))
            else:
                sides.append(unit.constant([c]) if asker == name else nothing)
        whole, side = 1 + 2 * (len(views) - 1) * self.limit_, join(sides)
        rest = (whole - ((unit * unit).sum() + (side * side).sum())).at_least(0).sqrt()
        rests = [rest if view == name else nothing for view in views]
        return join([unit, side, *rests]) * (1 / np.sqrt(whole))

    def _owing(self, rows: np.ndarray, asker: str) -> np.ndarray:
        bank = self.banks_[asker]
        if not len(bank):  # nobody is known to have asked
            return np.zeros(len(rows), np.float32)
        bias = self._bias(rows, bank, self._counted(asker))
        return bias if (taken := self._taken(asker)) == 1 else bias * np.float32(taken)

    def _counted(self, asker: str) -> np.ndarray | None:
        """What each known query of a view counts; None: all the same, and in a model saved before 0.2."""
        counts: np.ndarray | None = vars(self).get("counts_", {}).get(asker)
        return counts

    def _taken(self, asker: str) -> float:
        """How much of the biases that a view's known queries make is taken; all of it in a model saved before 0.2."""
        return float(vars(self).get("sure_", {}).get(asker, 1.0))


def trace_inverted_softmax(rows: Symbol, bank: np.ndarray, beta: float, counts: np.ndarray | None) -> Symbol:
    """As `chiasm.stats.hubness.inverted_softmax`, `(n, 1)`, written down."""
    scores = (rows @ bank.T) * beta
    most, shares = scores.max(), np.ones(len(bank)) if counts is None else counts
    return (most + ((scores - most).exp() @ (shares / shares.sum())[:, None]).log()) * (1 / beta)
