"""What decision-level fusers share: a head a view, its out-of-fold outputs, the evidence in them, means of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, softmax

from chiasm.fuse._ridge_head import RidgeHead
from chiasm.stats.blocks import Blocks, presence, restrict
from chiasm.target import Target

__all__ = ["Opinions", "answers", "evidence", "learn", "learn_one", "outputs", "scaled", "share", "surprise"]

_TINY = 1e-12
_LEAST_ROWS = 10
_SHARES = (0.25, 0.5, 0.75, 1.0)


class Opinions(NamedTuple):
    """What each of k views says alone about n rows."""

    values: np.ndarray
    """`(k, n, c)` outputs; the prior where a view has none."""
    present: np.ndarray
    """`(n, k)` boolean: where it has one."""

    def of(self, rows: np.ndarray) -> Opinions:
        """The opinions about some rows."""
        return Opinions(self.values[:, rows], self.present[rows])


def learn_one(
    held: Blocks, truth: np.ndarray, folds: np.ndarray, kind: str, seed: int
) -> tuple[RidgeHead | None, np.ndarray, np.ndarray]:
    """A head of these views, learned from the rows that have any of them.

    Returns the head, its out-of-fold outputs `(n, c)` (the training mean elsewhere) and the rows that have them
    `(n,)`; no head where fewer than 10 rows, or rows of one fold only, have the views.
    """
    values = np.tile(truth.mean(axis=0), (len(truth), 1))
    known = np.asarray(presence(held, list(held), len(truth)).any(axis=1))
    if known.sum() < _LEAST_ROWS or len(np.unique(folds[known])) < 2:
        return None, values, np.zeros(len(truth), dtype=bool)
    rows = np.flatnonzero(known)
    head = RidgeHead(kind, seed=seed)
    values[rows] = head.cross_fit(restrict(held, rows), truth[rows], folds[rows])
    return head, values, known


def learn(
    held: Blocks, truth: np.ndarray, folds: np.ndarray, kind: str, seed: int
) -> tuple[dict[str, RidgeHead], Opinions]:
    """A head for each view by name (see `learn_one`), and their out-of-fold opinions."""
    heads, values, present = {}, [], []
    for name, block in held.items():
        head, *found = learn_one({name: block}, truth, folds, kind, seed)
        if head is not None:
            heads[name] = head
        values.append(found[0])
        present.append(found[1])
    return heads, Opinions(np.stack(values), np.stack(present, axis=1))


def answers(heads: Mapping[str, RidgeHead], names: Sequence[str], held: Blocks, prior: np.ndarray, n: int) -> Opinions:
    """The opinions of the heads of the views `names` about new rows."""
    opinions = Opinions(np.tile(prior, (len(names), n, 1)), np.zeros((n, len(names)), dtype=bool))
    for v, name in enumerate(names):
        if name in heads and name in held:
            rows = np.flatnonzero(held[name].present)
            opinions.values[v, rows] = heads[name].answer(restrict({name: held[name]}, rows), len(rows))
            opinions.present[rows, v] = True
    return opinions


def evidence(values: np.ndarray, prior: np.ndarray, kind: str) -> np.ndarray:
    """What outputs `(..., c)` say beyond the prior `(c,)`: the log of p / prior, of the odds' ratio, or y - mean."""
    return _linked(values, kind) - _linked(prior, kind)


def outputs(total: np.ndarray, prior: np.ndarray, kind: str) -> np.ndarray:
    """The outputs `(n, c)` that a sum of evidence makes of the prior: `evidence` undone."""
    linked = _linked(prior, kind) + total
    if kind == "numbers":
        return linked
    found: np.ndarray = expit(linked) if kind == "tags" else softmax(linked, axis=1)
    return found


def surprise(values: np.ndarray, truth: np.ndarray, kind: str) -> float:
    """Nats a row: the mean negative log likelihood; of numbers that of normal errors of the best spread."""
    c = truth.shape[1]
    if kind == "numbers":
        left = np.square(values - truth).mean(axis=0) / np.maximum(truth.var(axis=0), _TINY)
        return float(np.log(np.maximum(left, _TINY)).sum() / 2)
    return float(-Target(kind).gain(values, truth).mean() * (c if kind == "tags" else 1))


def share(said: np.ndarray, beside: np.ndarray, truth: np.ndarray, kind: str) -> float:
    """What some answers `(n, c)` count beside others in a mean of both: nothing, unless rows gain by it for sure.

    Args:
        said, beside: both out of fold. truth: `(n, c)`.
    """
    target = Target(kind)
    before = target.gain(beside, truth)
    gained = {part: target.gain(part * said + (1 - part) * beside, truth) - before for part in _SHARES}
    best = max(gained, key=lambda part: float(gained[part].mean()))
    sure = gained[best].mean() > gained[best].std() / np.sqrt(len(truth))
    return best if sure else 0.0


def scaled(amounts: np.ndarray) -> np.ndarray:
    """`(n, k)` amounts >= 0, each row divided by its sum; a row of zeros stays."""
    total = amounts.sum(axis=1, keepdims=True)
    shares: np.ndarray = amounts / np.where(total > 0, total, 1)
    return shares


def _linked(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "numbers":
        return values
    logs: np.ndarray = np.log(np.maximum(values, _TINY))
    if kind == "tags":
        return logs - np.log(np.maximum(1 - values, _TINY))
    return logs - logs.mean(axis=-1, keepdims=True)
