"""The caption of the training picture that is most alike: the bar under every other generator of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chiasm.generate._seen import Seen
from chiasm.generate._weights import weighed
from chiasm.generate._writer import Known, Writer
from chiasm.stats.blocks import Blocks

__all__ = ["Nearest"]


class Nearest(Writer):
    """The first caption of the thing whose views have the highest cosines with a row's.

    How much each of several views counts is chosen by the captions of training things that are held out.

    Choose it as a baseline, or where a caption must be one that a person wrote of one picture. `mbr` is above it on
    photographs with five references each, not shown to be on news, films, exercises and reports (docs/generate.md).

    Learned: `seen_`, `rows_` `(n, d)` of the things learned from.

    >>> rng = np.random.default_rng(0)
    >>> y = ["a red bus", "a blue car", "two dogs"] * 20
    >>> x = np.tile(np.eye(3), (20, 1)) + 0.1 * rng.normal(size=(60, 3))
    >>> Nearest().fit({"v": x}, y).generate({"v": [[0.1, 0.9, 0.0]]}).tolist()
    ['a blue car']
    """

    seen_: Seen
    rows_: np.ndarray

    def __init__(self, seed: int = 0):
        self.seed = seed

    def _learn(self, known: Known) -> None:
        self.seen_ = weighed(known, self.seed)
        self.rows_ = self.seen_.rows(known.held, len(known.references))

    def _write(self, held: Blocks, n: int) -> Sequence[str]:
        alike = self.seen_.rows(held, n) @ self.rows_.T
        return [self.references_[place][0] for place in alike.argmax(axis=1).tolist()]
