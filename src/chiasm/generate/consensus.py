"""Of the captions of the k most similar training pictures, the one that is most like the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT
from chiasm.generate._seen import Seen
from chiasm.generate._weights import weighed
from chiasm.generate._writer import Known, Writer
from chiasm.stats.blocks import Blocks
from chiasm.stats.ngrams import Ngrams

__all__ = ["Consensus"]

NEIGHBORS = (5, 10, 20, 40, 80)
JUDGED = 300
"""Things that `k` is judged on, at most."""


class Consensus(Writer):
    """The k things whose views are most alike; of their captions the one with the highest mean CIDEr to the others.

    How much each of several views counts is chosen by the captions of training things that are held out.

    By metrics many generators of its day were no better. `mbr` weighs what `consensus` counts, and is above it on
    coco2k, news and exercises; on boxes_words, films and reports that is not shown (docs/generate.md).

    Args:
        k: how many; None: chosen among 5 to 80, by the CIDEr of training things whose fold is left out.

    Learned: `seen_`, `rows_` `(n, d)`, `chosen_` (`k`).

    Source: Devlin, Gupta, Girshick, Mitchell & Zitnick 2015, Exploring nearest neighbor approaches for image
    captioning.

    >>> rng = np.random.default_rng(0)
    >>> y = ["a red bus", "a blue car", "two dogs"] * 20
    >>> x = np.tile(np.eye(3), (20, 1)) + 0.1 * rng.normal(size=(60, 3))
    >>> Consensus(k=5).fit({"v": x}, y).generate({"v": [[0.1, 0.9, 0.0]]}).tolist()
    ['a blue car']
    """

    allowed: ClassVar = {"k": COUNT.or_none()}

    seen_: Seen
    rows_: np.ndarray
    chosen_: dict[str, Any]

    def __init__(self, k: int | None = None, seed: int = 0):
        self.k = k
        self.seed = seed

    def _learn(self, known: Known) -> None:
        n = len(known.references)
        self.seen_ = weighed(known, self.seed)
        self.rows_ = self.seen_.rows(known.held, n)
        if self.k is not None:
            self.chosen_ = {"k": self.k}
            return
        space = Ngrams(known.references)
        rows = np.random.default_rng(self.seed).permutation(n)[:JUDGED]
        alike = self.rows_[rows] @ self.rows_.T
        alike[known.folds[rows][:, None] == known.folds[None, :]] = -np.inf
        order = np.argsort(-alike, axis=1, kind="stable")[:, : max(NEIGHBORS)]
        scores = dict.fromkeys(NEIGHBORS, 0.0)
        for row, near in zip(rows.tolist(), order.tolist(), strict=True):
            texts, of, alike = self._compared(space, near)
            worth = space.alike(space.of(known.references[row]), space.of(texts)).mean(axis=0)
            for k in NEIGHBORS:
                among = int(np.searchsorted(of, k))
                scores[k] += float(worth[alike[:among, :among].sum(axis=0).argmax()])
        self.chosen_ = {"k": max(NEIGHBORS, key=lambda k: scores[k])}

    def _compared(self, space: Ngrams, things: Sequence[int]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The captions of some things, the place among them of the thing of each, and how like they are to others."""
        texts = [text for place in things for text in self.references_[place]]
        of = np.repeat(np.arange(len(things)), [len(self.references_[place]) for place in things])
        told = space.of(texts)
        alike = space.alike(told, told)
        np.fill_diagonal(alike, 0)
        return texts, of, alike

    def _agreed(self, space: Ngrams, things: Sequence[int]) -> str:
        """Of the captions of some things the one most like the others."""
        texts, _, alike = self._compared(space, things)
        return texts[int(alike.sum(axis=0).argmax())]

    def _write(self, held: Blocks, n: int) -> Sequence[str]:
        space = self._candidates().space
        alike = self.seen_.rows(held, n) @ self.rows_.T
        near = np.argsort(-alike, axis=1, kind="stable")[:, : self.chosen_["k"]]
        return [self._agreed(space, things) for things in near.tolist()]
