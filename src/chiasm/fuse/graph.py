"""Graph: rows linked by likeness or by what they share; what their neighbors are like stands beside their own views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from chiasm.allowed import SIZE, VIEWS, number
from chiasm.errors import unknown
from chiasm.fuse._alone import share
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.stats.blocks import Block, Blocks

__all__ = ["Graph"]

_NEAR = " (near)"
_CHUNK = 1024
_LEAST_ROWS = 10
_DIGITS = 9
"""To which likeness is rounded before it is ranked: alone or in a batch a row has the same neighbors."""


class Links(NamedTuple):
    """The neighbors of n rows, at most k each."""

    places: np.ndarray
    """`(n, k)` their places among the training rows."""
    alike: np.ndarray
    """`(n, k)` how alike they are; 0 where there is no such neighbor."""


class Graph(Fuser):
    """The views, and beside each its mean over the training rows that a row is linked to, in one closed head.

    A row is linked to those k training rows that are most like it in the views `by`, by the cosine of their vectors
    (of several views the sum), where it is above `least`. That is likeness of what is seen or said; or, of a view that
    marks what a row has (1 for each of its friends, buyers, tags, and for itself where it is one), links by what two
    rows share: who shares nothing with anyone is alone. With least=.999 equal values link and no others: one patient,
    one session. A neighbor counts as much as it is alike. In training a row is linked to rows of other folds alone.

    A row without links is answered as `early` answers it, and so is every row with k=0. Where there are links, the
    answer is a mean of the head with neighbors and of `early`, by a share that out-of-fold answers choose: nothing,
    unless linked rows gain by more than a standard error. New rows are answered by their links to training rows, which
    are kept in the model; among themselves they are not linked. Every row is compared with every training row: that is
    for some ten thousands of them, not more.

    Choose it where a row has to be told by others, and what they show matters, not what they were called. Do not expect
    it to help rows that tell by themselves. Less `early`, which has the marks as a view too, over five re-drawn splits
    (benchmarks/fuse/graph.py): prices of a shop's articles, linked by the buyers that they share, +1.7 points of R2
    [0.0, 3.3] (not shown); Chinese news and tweets linked by likeness -0.1 [-0.3, 0.1] and +0.4 [-0.5, 1.4] points of
    accuracy, tweets linked by the hashtags that they share 0.0 [-0.2, 0.2]; at three to four times the seconds.

    Neighbors are heard by what they are like, and not by their labels: what linked rows were called is in the head
    already, by its kernel on the views that link. So no out-of-fold answer has seen its row's label.

    Args:
        kind: "classes", "tags" or "numbers". by: the views that link, or one; left open, all of them; an empty list:
            none. k: neighbors of a row, at most; 0: none. least: the cosine above which two rows are linked.
        seed: of folds and landmarks.

    Learned: `nodes_`, `there_` by view (the training rows); `by_`; `alone_`, `head_`, the heads without neighbors and
    with them; `chosen_`, the share of the latter and the share of the rows that have links. Raises a ChiasmError for an
    unknown view in `by`.

    >>> rng = np.random.default_rng(0)
    >>> pair = np.repeat(np.eye(80), 2, axis=0)  # the rows in pairs
    >>> shown, y = rng.normal(size=(160, 2)), rng.integers(0, 2, 160)
    >>> y[1::2] = shown[::2, 0] > 0  # what the first of a pair shows is the class of the second
    >>> model = Graph(by="pair").fit({"shown": shown, "pair": pair}, y)
    >>> model.chosen_["share"] > 0, "shown (near)" in model.weights_
    (True, True)

    Sources: Wu et al. 2019 (simple graph convolution); Hamilton, Ying & Leskovec 2017 (means of neighbors, new nodes);
    Wei et al. 2019 (a graph over several forms).
    """

    crosses_cheaply = True

    allowed: ClassVar = {"by": VIEWS, "k": SIZE, "least": number(0, 1)}

    nodes_: dict[str, np.ndarray]
    there_: dict[str, np.ndarray]

    def __init__(
        self, kind: str = "classes", by: str | Sequence[str] = "", k: int = 10, least: float = 0.0, seed: int = 0
    ):
        self.kind = kind
        self.by = by
        self.k = k
        self.least = least
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        n = len(truth)
        self.by_ = list(held) if self.by == "" else [self.by] if isinstance(self.by, str) else list(self.by)
        for name in self.by_:
            if name not in held:
                raise unknown("view in by", name, held)
        self.nodes_ = {name: np.asarray(block.values[np.arange(n)]) for name, block in held.items()}
        self.there_ = {name: block.present for name, block in held.items()}
        self.alone_ = RidgeHead(self.kind, seed=self.seed)
        crossed = self.alone_.cross_fit(held, truth, folds)
        near = self._near(self._links(held, n, folds))
        near = {name: block for name, block in near.items() if block.present.any()}
        linked = _linked(near, n)
        self.chosen_ = {"share": 0.0, "linked": round(float(linked.mean()), 3)}
        if linked.sum() < _LEAST_ROWS:
            return crossed
        self.head_ = RidgeHead(self.kind, seed=self.seed)
        said = self.head_.cross_fit({**held, **near}, truth, folds)
        counts = self.chosen_["share"] = share(said[linked], crossed[linked], truth[linked], self.kind)
        crossed[linked] += counts * (said[linked] - crossed[linked])
        return crossed

    def _links(self, held: Blocks, n: int, folds: np.ndarray | None = None) -> Links:
        """The neighbors of n rows; with `folds` `(n,)` the rows are the training rows, linked to other folds' alone."""
        m = len(next(iter(self.there_.values())))
        k = min(self.k, m)
        found = Links(np.zeros((n, k), dtype=np.int64), np.zeros((n, k)))
        marks = {name: _unit(self.nodes_[name]) for name in self.by_ if name in held}
        for start in range(0, n if k else 0, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, n))
            alike = np.zeros((len(rows), m))
            for name, others in marks.items():
                one = _unit(np.asarray(held[name].values[rows])) @ others.T
                alike += np.where(one > self.least, one, 0)
            if folds is not None:
                alike[folds[rows][:, None] == folds] = 0
            alike = np.round(alike, _DIGITS)
            found.places[rows] = np.argsort(-alike, axis=1, kind="stable")[:, :k]
            found.alike[rows] = np.take_along_axis(alike, found.places[rows], axis=1)
        return found

    def _near(self, links: Links) -> Blocks:
        """A view each its mean over the neighbors that have it, absent where none has."""
        near = {}
        for name, values in self.nodes_.items():
            counts = links.alike * self.there_[name][links.places]
            total = counts.sum(axis=1)
            mean = np.zeros((len(counts), values.shape[1]), dtype=values.dtype)
            for start in range(0, len(mean), _CHUNK):
                part = slice(start, start + _CHUNK)
                shares = counts[part] / np.where(total[part] > 0, total[part], 1)[:, None]
                for j in range(shares.shape[1]):
                    mean[part] += (shares[:, j, None] * values[links.places[part, j]]).astype(mean.dtype)
            near[name + _NEAR] = Block(mean, total > 0)
        return near

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        out = self.alone_.answer(held, n)
        if counts := self.chosen_["share"]:
            near = self._near(self._links(held, n))
            linked = _linked(near, n)
            said = self.head_.answer({**held, **near}, n)
            out[linked] += counts * (said[linked] - out[linked])
        return out

    @property
    def weights_(self) -> dict[str, float]:
        """By view, and by what neighbors say of it ("VIEW (near)"), its share of the kernels; they sum to 1."""
        counts = self.chosen_["share"]
        found = {name: (1 - counts) * weight for name, weight in self.alone_.weights_.items()}
        for name, weight in self.head_.weights_.items() if counts else ():
            found[name] = found.get(name, 0.0) + counts * weight
        return found


def _linked(near: Blocks, n: int) -> np.ndarray:
    """`(n,)` the rows that any neighbor says anything of."""
    mask: np.ndarray = np.any([np.zeros(n, dtype=bool), *(block.present for block in near.values())], axis=0)
    return mask


def _unit(values: np.ndarray) -> np.ndarray:
    """Rows of length 1 `(n, d)` float64; a zero row stays zero, and is like none."""
    long = values.astype(np.float64)
    length = np.linalg.norm(long, axis=1, keepdims=True)
    unit: np.ndarray = long / np.where(length > 0, length, 1)
    return unit
