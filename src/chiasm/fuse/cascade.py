"""Cascade: the first view answers the rows that it is sure of; only the others need the next view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import ORDER, number
from chiasm.errors import ChiasmError, unknown
from chiasm.finite import checked
from chiasm.fuse._alone import learn, learn_one
from chiasm.fuse._fuser import Fuser
from chiasm.fuse._ridge_head import RidgeHead
from chiasm.stats.blocks import Blocks, blocks, presence, restrict
from chiasm.target import Target

__all__ = ["Cascade"]

_TINY = 1e-12


class Cascade(Fuser):
    """Stage j is a calibrated head over the first j views; the first stage that is sure enough of a row answers it.

    The last stage sees every view and answers the rest. Choose it where views differ in cost (a scan has to be taken
    first, a page of text is slow to encode) and a small loss is worth the saving; where every view is at hand anyway,
    `early` is the last stage alone.

    How sure a stage is: of classes the highest probability; of tags the mean of max(p, 1 - p); of numbers the negative
    absolute error to be expected, which a second head learns from out-of-fold errors. A stage's threshold is the lowest
    at which what all rows, answered out of fold, lose against the last stage alone is at most `loss`, its standard
    error added (without it the lowest of many thresholds would be chosen for its luck, and new rows lose more). Of
    several thresholds the first may spend an equal part of `loss`, each next one as much more.

    Args:
        kind: "classes", "tags" or "numbers".
        order: the views' names, cheapest first; left out, the view that is best alone first.
        loss: what may be lost, as `score` counts: accuracy, share of right tags, R2. 0.01 is one point.
        seed: of folds and landmarks.

    Learned: `order_`; `thresholds_` `(k - 1,)`, infinite where a stage may answer nothing; `shares_` `(k,)`, the share
    of the training rows that each stage answered out of fold; `stages_`, the heads. Raises a ChiasmError where `order`
    is not each view once.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 400)
    >>> text = rng.normal(size=(400, 3)) + np.where(np.arange(400) % 2, 6 * y, 3)[:, None]  # every second row is plain
    >>> views = {"text": text, "image": rng.normal(size=(400, 4)) + 3 * y[:, None]}
    >>> cascade = Cascade(order=["text", "image"]).fit(views, y)
    >>> bool(0.4 < cascade.shares_[0] < 0.8), cascade.trace({"text": text[:2]}).tolist()
    (True, [2, 1])

    Source: Viola & Jones 2001 (cascades); the rule is Chow's 1970 (reject what is unsure).
    """

    allowed: ClassVar = {"order": ORDER, "loss": number(-1)}

    def __init__(self, kind: str = "classes", order: Sequence[str] | None = None, loss: float = 0.01, seed: int = 0):
        self.kind = kind
        self.order = order
        self.loss = loss
        self.seed = seed

    thresholds_: np.ndarray
    shares_: np.ndarray
    crosses_cheaply = True

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        self.order_ = self._order(held, truth, folds)
        self.stages_, self.misses_ = {}, {}
        each: list[np.ndarray] = []
        how_sure: list[np.ndarray] = []
        for name, seen in self._stages(held):
            head, values, known = learn_one(seen, truth, folds, self.kind, self.seed)
            each.append(values)
            how_sure.append(np.full(len(truth), -np.inf))
            if head is None:
                continue
            self.stages_[name] = head
            rows = np.flatnonzero(known)
            if self.kind == "numbers":
                missed = np.abs((values - truth)[rows] / truth.std(axis=0)).mean(axis=1, keepdims=True)
                guess = self.misses_[name] = RidgeHead("numbers", weights="equal", seed=self.seed)
                how_sure[-1][rows] = -guess.cross_fit(restrict(seen, rows), missed, folds[rows])[:, 0]
            else:
                how_sure[-1][rows] = _top(values[rows], self.kind)
        said, sure = np.stack(each), np.stack(how_sure)  # (k, m, c) out of fold, and (k, m)
        self.thresholds_ = self._thresholds(said, sure, truth)
        self.shares_ = np.bincount(_first(sure, self.thresholds_), minlength=len(held)) / len(truth)
        return self._crossed(said, sure, truth, folds)

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        return self._walk(held, n)[0]

    def _crossed(self, said: np.ndarray, sure: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        out = np.empty_like(truth)
        for fold in np.unique(folds):
            inside, outside = folds != fold, np.flatnonzero(folds == fold)
            thresholds = self._thresholds(said[:, inside], sure[:, inside], truth[inside])
            out[outside] = said[_first(sure[:, outside], thresholds), outside]
        return out

    def trace(self, views: Any) -> np.ndarray:
        """`(n,)` which stage answers each row, 1 to k; a row that no stage is sure of is the last one's.

        Give it the views that are encoded so far: of a row above stage j with the first j views, the next is needed.
        """
        self.check_fitted()
        views = checked(views, self.widths_)
        return self._walk(blocks(views, list(self.widths_)), len(views))[1] + 1

    def _order(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> list[str]:
        """The views in the order given, or by the likelihood of their own out-of-fold answers."""
        if self.order is None:
            alone = learn(held, truth, folds, self.kind, self.seed)[1]
            gains = [Target(self.kind).gain(values, truth).mean() for values in alone.values]
            return [list(held)[v] for v in np.argsort(-np.array(gains), kind="stable")]
        for name in self.order:
            if name not in held:
                raise unknown("view", name, held)
        if sorted(self.order) != sorted(held):
            raise ChiasmError(f"wanted every view once in order, got {', '.join(self.order)} of {', '.join(held)}.")
        return list(self.order)

    def _stages(self, held: Blocks) -> Iterator[tuple[str, Blocks]]:
        """By stage, the view that it adds and all that it sees."""
        for j, name in enumerate(self.order_):
            yield name, {view: held[view] for view in self.order_[: j + 1] if view in held}

    def _walk(self, held: Blocks, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The answers `(n, c)` and the stages `(n,)` that gave them; a stage looks only at what is left to it."""
        out, stage = np.tile(self.prior_, (n, 1)), np.full(n, len(self.order_) - 1)
        left = np.arange(n)
        for j, (name, seen) in enumerate(self._stages(held)):
            last = j == len(self.order_) - 1
            here = presence(seen, list(seen), n)[left].any(axis=1) if seen else np.zeros(len(left), bool)
            rows = left[here]
            if name not in self.stages_ or not len(rows):
                continue
            some = restrict(seen, rows)
            values = self.stages_[name].answer(some, len(rows))
            done = np.ones(len(rows), bool) if last else self._sure(name, some, values) >= self.thresholds_[j]
            out[rows[done]], stage[rows[done]] = values[done], j
            left = np.setdiff1d(left, rows[done])
        return out, stage

    def _sure(self, name: str, seen: Blocks, values: np.ndarray) -> np.ndarray:
        """`(n,)` how sure a stage is of its answers to new rows."""
        return (
            -self.misses_[name].answer(seen, len(values))[:, 0] if self.kind == "numbers" else _top(values, self.kind)
        )

    def _thresholds(self, said: np.ndarray, sure: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """`(k - 1,)` the lowest that keep within the loss, one after the other."""
        n, right = len(truth), np.stack([_right(values, truth, self.kind) for values in said])
        left, lost, thresholds = np.ones(n, bool), np.zeros(n), []
        for j in range(len(said) - 1):
            open_ = np.flatnonzero(left & np.isfinite(sure[j]))
            ranked = open_[np.argsort(-sure[j, open_], kind="stable")]
            more = (right[-1] - right[j])[ranked]
            means = (lost.sum() + np.cumsum(more)) / n
            squares = (np.square(lost).sum() + np.cumsum(np.square(more))) / n
            bounds = means + np.sqrt(np.maximum(squares - np.square(means), 0) / n)
            ends = np.append(np.diff(sure[j, ranked]) < 0, True)[: len(ranked)]  # rows that are as sure go together
            good = np.flatnonzero(ends & (bounds <= self.loss * (j + 1) / (len(said) - 1) + _TINY))
            count = good[-1] + 1 if len(good) else 0
            thresholds.append(sure[j, ranked[count - 1]] if count else np.inf)
            lost[ranked[:count]] = more[:count]
            left[ranked[:count]] = False
        return np.array(thresholds)


def _first(sure: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """`(n,)` the first stage that is sure enough; the last is always."""
    enough = np.concatenate([sure[:-1] >= thresholds[:, None], np.ones((1, sure.shape[1]), bool)])
    first: np.ndarray = enough.argmax(axis=0)
    return first


def _top(values: np.ndarray, kind: str) -> np.ndarray:
    """`(n,)` the probability that an answer is right; of tags the share of them to be expected right."""
    sure: np.ndarray = values.max(axis=1) if kind == "classes" else np.maximum(values, 1 - values).mean(axis=1)
    return sure


def _right(values: np.ndarray, truth: np.ndarray, kind: str) -> np.ndarray:
    """`(n,)` what a row adds to the score: 0 or 1, the share of right tags, or minus its part of 1 - R2."""
    if kind == "numbers":
        return -(np.square(values - truth) / truth.var(axis=0)).mean(axis=1)
    if kind == "tags":
        shares: np.ndarray = ((values >= 0.5) == (truth > 0.5)).mean(axis=1)
        return shares
    hits: np.ndarray = truth[np.arange(len(truth)), values.argmax(axis=1)]
    return hits
