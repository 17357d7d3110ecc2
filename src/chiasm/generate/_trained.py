"""What the trained generators of vectors share: a network on top of the closed guess, noise, and when to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from chiasm.generate._vectors import Known, VectorGenerator
from chiasm.nn.blocks import Ops, Params
from chiasm.nn.schedule import Schedule
from chiasm.stats.ranking import energy

__all__ = ["HIDDEN", "MAKER", "TrainedVectors", "dense", "layer", "more"]

log = logging.getLogger(__name__)

MAKER = "maker"
HIDDEN = 512
_BATCH = 64
_DRAWS = 8
_ENOUGH = 200
"""Held-out rows on which to choose the epochs, of as many of five folds as that takes."""


class TrainedVectors(VectorGenerator):
    """y = g + L e: the closed guess g, and beyond it what a network of guess and noise makes, L as of `ridge`.

    A file of this folder says what e is; with the second matrix of the network 0, at the start, e is standard normal,
    so zero epochs are `ridge`. How many are best is told by the energy score of draws for held-out rows; then
    all rows are learned from for as many. What torch trains is saved as arrays and answers without it.

    Learned: see `VectorGenerator`; `params_`, arrays by group; `chosen_` (epochs, and the score of each look).
    """

    epochs: int
    device: str
    local = ("device",)

    _rate: ClassVar[float] = 1e-3
    _decay: ClassVar[float] = 0.1
    _sides: ClassVar[Sequence[Sequence[str]] | None] = None

    params_: dict[str, Params]

    def _noise(self, k: int) -> int:
        """How many numbers of noise a draw for k axes takes."""
        raise NotImplementedError

    def _start(self, k: int, rng: np.random.Generator) -> dict[str, Params]:
        """The parameters of what is needed in training beside the maker."""
        raise NotImplementedError

    def _objective(self) -> Callable[..., Any]:
        """See `chiasm.nn.train.train`; of rows `guess`, `left`; a batch has their places, `rows`."""
        raise NotImplementedError

    def _white(self, params: Mapping[str, Params], guess: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """`(n, k)` e, one draw for all rows; None: what is meant."""
        raise NotImplementedError

    def _more(self, guess: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        return self._white(self.params_, guess, rng)

    def _learn(self, known: Known) -> None:
        looks: dict[int, list[float]] = {}
        judged = runs = 0
        for fold in np.unique(known.folds).tolist():
            if judged >= _ENOUGH:
                break
            held = known.folds == fold
            judged, runs = judged + int(held.sum()), runs + 1
            for epoch, score in self._train(known, np.flatnonzero(~held), np.flatnonzero(held)).items():
                looks.setdefault(epoch, []).append(score)
        means = {epoch: float(np.mean(scores)) for epoch, scores in looks.items() if len(scores) == runs}
        best = max(means, key=lambda epoch: (means[epoch], -epoch))
        self._train(known, np.arange(len(known.left)), stop=best)
        self.chosen_ = {"epochs": best, "scores": {str(epoch): round(mean, 6) for epoch, mean in means.items()}}

    def _train(
        self, known: Known, inside: np.ndarray, outside: np.ndarray | None = None, stop: int | None = None
    ) -> dict[int, float]:
        """One run, looked at on the rows left out; by epoch the energy score of draws for them, negative."""
        from chiasm.nn.train import train

        rng = np.random.default_rng(self.seed)
        k = known.left.shape[1]
        params = {MAKER: dense(k + self._noise(k), HIDDEN, k, rng, zero=True)} | self._start(k, rng)
        held = np.zeros(0, dtype=int) if outside is None else outside

        def score(now: dict[str, Params]) -> float:
            rng = np.random.default_rng(self.seed)
            draws = [self._white(now, known.guess[held], rng) @ self.around_.T for _ in range(_DRAWS)]
            return -energy(draws, known.left[held] @ self.around_.T)

        found = train(
            params,
            {"guess": known.guess, "left": known.left},
            partial(_batches, inside, rng),
            self._objective(),
            None if outside is None else score,
            schedule=Schedule(self.epochs, self._rate, self._decay),
            stop=stop,
            sides=self._sides,
            seed=self.seed,
            device=self.device,
            progress=partial(log.debug, "%s"),
        )
        self.params_ = found.params
        return {int(look["epoch"]): look["score"] for look in found.history}


def dense(d: int, hidden: int, k: int, rng: np.random.Generator, *, zero: bool = False) -> Params:
    """The parameters of `layer`: d -> hidden -> k, the second matrix 0 where it is to add nothing at first."""
    out = np.zeros((hidden, k)) if zero else rng.normal(size=(hidden, k)) / np.sqrt(hidden)
    params = {"w1": rng.normal(size=(d, hidden)) / np.sqrt(d), "b1": np.zeros((1, hidden))}
    params |= {"w2": out, "b2": np.zeros((1, k))}
    return {name: value.astype(np.float32) for name, value in params.items()}


def layer(params: Params, x: Any, ops: Ops) -> tuple[Any, Any]:
    """(gelu(x W1 + b1), that W2 + b2)."""
    hidden = ops.gelu(x @ params["w1"] + params["b1"])
    return hidden, hidden @ params["w2"] + params["b2"]


def more(maker: Params, guess: Any, noise: Any, ops: Ops) -> tuple[Any, Any]:
    """The network's hidden units, and what it adds to a guess."""
    return layer(maker, ops.join([guess, noise]), ops)


def _batches(inside: np.ndarray, rng: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """One pass over some rows, in a random order."""
    order = rng.permutation(inside)
    for start in range(0, len(order), _BATCH):
        yield {"rows": order[start : start + _BATCH]}
