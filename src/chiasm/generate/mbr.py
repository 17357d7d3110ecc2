"""Of all training captions the one that can be expected to score best, by ridge regression: minimum Bayes risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chiasm.generate._risk import Risk
from chiasm.generate._writer import Known, Writer
from chiasm.stats.blocks import Blocks

__all__ = ["MBR"]


class MBR(Writer):
    """The training caption c with the highest sum over things i of w_i(x) CIDEr(c, captions of i).

    The weights are those of ridge regression from the views: `consensus` with every thing as a neighbor, some of them
    counting against. Closed form. Choose it where captions should be a person's own sentences; it says nothing that was
    never said.

    Learned: `risk_`, `chosen_` (`ridge`).

    Sources: minimum Bayes risk, Kumar & Byrne 2004; the consensus of captions, Devlin et al. 2015.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = ["a red bus", "a blue car", "two dogs"] * 20
    >>> x = np.tile(np.eye(3), (20, 1)) + 0.1 * rng.normal(size=(60, 3))
    >>> MBR().fit({"v": x}, y).generate({"v": [[0.1, 0.9, 0.0]]}).tolist()
    ['a blue car']
    """

    risk_: Risk
    chosen_: dict[str, Any]

    def __init__(self, seed: int = 0):
        self.seed = seed

    def _learn(self, known: Known) -> None:
        self.risk_ = Risk().fit(known.held, known.references, known.folds, self.seed)
        self.chosen_ = {"ridge": self.risk_.ridge_}

    def _write(self, held: Blocks, n: int) -> Sequence[str]:
        candidates = self._candidates()
        votes = self.risk_.votes(held, n)
        return [candidates.texts[candidates.best(row, 1)[0][0]] for row in votes]
