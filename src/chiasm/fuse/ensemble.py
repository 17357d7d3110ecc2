"""An ensemble: fitted fusers and single views averaged, each as often as held-out rows ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import COUNT, PART
from chiasm.errors import ChiasmError
from chiasm.fuse._alone import answers, learn
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.stats.blocks import Blocks
from chiasm.target import Target

__all__ = ["Ensemble"]


class Ensemble(Fuser):
    """The weighted mean of what several fusers and every view alone answer; most weights are 0.

    Greedy selection: in each of `rounds` the model is added, perhaps again, with which the mean of all that were added
    answers held-out rows best; the best round counts. Every model answers each training row by what it learned without
    that row's fold. A view that a row lacks is left out of its mean.

    Choose it where several fusers are to count in one answer and time does not: it costs as much as all its models. Of
    twelve comparisons with `early` at few rows a class a gain is shown in one (benchmarks/fuse/rows_a_class.py); over
    six packs it is +0.4 points [-0.6, 1.4] less `early` (benchmarks/fuse/every_fuser.py).

    Args:
        kind: "classes", "tags" or "numbers". fusers: fusers or their names; (): the views' own models alone.
        rounds: how often one is added. seed: of folds and draws.

    Learned: `shares_` by model, those above 0, summing to 1; `fusers_`, `alone_` by name.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "noise": rng.normal(size=(200, 4))}
    >>> model = Ensemble().fit(views, y)
    >>> "noise alone" in model.shares_, round(sum(model.shares_.values()), 6)
    (False, 1.0)

    Source: Caruana et al. 2004 (ensemble selection from libraries of models).
    """

    crosses_cheaply = True

    allowed: ClassVar = {"fusers": PART.each(0), "rounds": COUNT}

    shares_: dict[str, float]
    fusers_: dict[str, Fuser]
    alone_: dict[str, RidgeHead]

    def __init__(
        self,
        kind: str = "classes",
        fusers: Sequence[Any] = ("early", "bilinear", "late", "stacking"),
        rounds: int = 20,
        seed: int = 0,
    ):
        self.kind = kind
        self.fusers = fusers
        self.rounds = rounds
        self.seed = seed

    def check_params(self) -> None:
        """Raise a ChiasmError for a value that is not among those allowed, and for a fuser that there is not."""
        super().check_params()
        for fuser in self.fusers:
            registry.make("fuse", fuser)

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.alone_, opinions = learn(held, truth, folds, self.kind, self.seed)
        said = {f"{view} alone": opinions.values[v] for v, view in enumerate(held)}
        there = {f"{view} alone": opinions.present[:, v] for v, view in enumerate(held)}
        self.fusers_ = {}
        for fuser in self.fusers if len(held) > 1 else ():
            name = fuser if isinstance(fuser, str) else repr(fuser)
            if name in self.fusers_:
                raise ChiasmError(f"wanted every fuser once, got {name} twice.")
            self.fusers_[name], said[name] = self._inside(fuser, held, truth, folds)
            there[name] = np.ones(len(truth), dtype=bool)
        if not any(present.any() for present in there.values()):
            raise ChiasmError("wanted a fuser or a view in ten rows or more to learn from, got neither.")
        target = Target(self.kind)
        values, present = np.stack(list(said.values())), np.stack(list(there.values()))
        prior = truth.mean(axis=0)
        counts = selected(values, present, truth, target, self.rounds)
        self.shares_ = {
            name: count / float(counts.sum()) for name, count in zip(said, counts.tolist(), strict=True) if count
        }
        self.fusers_ = {name: fuser for name, fuser in self.fusers_.items() if name in self.shares_}
        self.alone_ = {view: head for view, head in self.alone_.items() if f"{view} alone" in self.shares_}
        crossed = np.empty_like(truth)
        for fold in np.unique(folds):  # what is kept is chosen again without the rows that are answered
            inside, outside = folds != fold, folds == fold
            found = selected(values[:, inside], present[:, inside], truth[inside], target, self.rounds)
            crossed[outside] = mean(values[:, outside], present[:, outside], found, prior)
        return crossed

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        opinions = answers(self.alone_, list(self.alone_), held, self.prior_, n)
        values = [*opinions.values, *(fuser._whole(held, n, self.prior_) for fuser in self.fusers_.values())]
        present = [*opinions.present.T, *(np.ones(n, dtype=bool) for _ in self.fusers_)]
        names = [*(f"{view} alone" for view in self.alone_), *self.fusers_]
        shares = np.array([self.shares_[name] for name in names])
        return mean(np.stack(values), np.stack(present), shares, self.prior_)


def selected(values: np.ndarray, present: np.ndarray, truth: np.ndarray, target: Target, rounds: int) -> np.ndarray:
    """`(m,)` how often each of m models is taken, by the mean gain of the mean of all that were taken.

    Args:
        values: `(m, n, c)` held-out outputs. present: `(m, n)` which of them count. truth: `(n, c)`.
    """
    prior, counts = truth.mean(axis=0), np.zeros(len(values))
    best, kept = -np.inf, counts
    for _ in range(rounds):
        tried = [counts + one for one in np.eye(len(values))]
        gains = [float(target.gain(mean(values, present, each, prior), truth).mean()) for each in tried]
        place = int(np.argmax(gains))
        counts = tried[place]
        if gains[place] > best:
            best, kept = gains[place], counts
    return kept


def mean(values: np.ndarray, present: np.ndarray, counts: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """`(n, c)` the mean of those outputs `(m, n, c)` that are there, each counting so often; else the prior `(c,)`."""
    weights = counts[:, None] * present
    total = weights.sum(axis=0)
    summed = np.einsum("mn,mnc->nc", weights, values)
    out: np.ndarray = np.where(total[:, None] > 0, summed / np.maximum(total, 1e-12)[:, None], prior)
    return out
