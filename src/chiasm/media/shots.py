"""Shots of a film from features over time, and the few moments that stand for the whole: functions of arrays.

Nothing here reads a file. Rows of features are steps of a film, evenly spaced, in order of time; each is a unit vector
(`directions`), so that the squared distance of two is 2 - 2 cosine, from 0 to 4 (to 2 where nothing is negative).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["changes", "cover", "directions", "outstanding", "pieces", "spans"]

SAME = 0.03
"""Squared distance of neighboring steps up to which nothing moves: compression changes that much."""
_LONGEST = 256
"""Steps that a shot is followed before it is cut for the time being: work grows with length, not with its square."""


def directions(features: np.ndarray) -> np.ndarray:
    """Unit vectors `(t, d)` of the signed square roots of features: a few large ones no longer drown the rest.

    A row of zeros stays one. Source: Perronnin, Sánchez & Mensink 2010 (power normalization).

    >>> directions(np.array([[9.0, -16.0]])).astype(float).round(3).tolist()
    [[0.6, -0.8]]
    """
    features = _finite(features)
    roots = np.sign(features) * np.sqrt(np.abs(features))
    lengths = np.linalg.norm(roots, axis=1, keepdims=True)
    return np.asarray(roots / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def changes(rows: np.ndarray) -> np.ndarray:
    """The first step of every shot but the first, `(c,)`, rising.

    The cuts minimize  sum of squared distances of the steps from their shot's mean + b per shot, exactly (dynamic
    programming). b is no fixed number: twice what a cut too many gains by chance (Schwarz 1978),

        b = 2 m log t,   m = the median squared distance of neighboring steps, but at least `SAME`.

    Of these cuts those are kept where neighbors (the cut's own, or a step beside) are more than 2 m apart: in a slow
    pan or zoom they never are, however far it goes. m is what moves inside a shot, since more than half of all
    neighbors lie inside one (shots of 3 steps and more), so a restless film needs larger changes than a quiet one. A
    fade of a step or two is one cut or two, a slower one none; where most shots last a step or two, none is found.

    Args:
        rows: unit vectors `(t, d)`, see `directions`.

    Work grows as t; memory is 256 rows.

    >>> rng = np.random.default_rng(0)
    >>> film = np.repeat(rng.uniform(size=(3, 40)), [6, 9, 5], axis=0) + 0.05 * rng.uniform(size=(20, 40))
    >>> changes(directions(film)).tolist()
    [6, 15]

    Sources: Jackson et al. 2005 (optimal partitioning); Killick, Fearnhead & Eckley 2012 (pruning); for films Potapov
    et al. 2014.
    """
    rows = _finite(rows)
    t = len(rows)
    if t < 2:
        return np.zeros(0, dtype=np.int64)
    moved = np.square(np.diff(rows, axis=0)).sum(axis=1, dtype=np.float64)
    usual = max(float(np.median(moved)), SAME)
    penalty = 2 * usual * float(np.log(t))
    cuts = _joined(rows, _partition(rows, penalty), penalty)
    return np.array([cut for cut in cuts if moved[max(0, cut - 2) : cut + 1].max() > 2 * usual], dtype=np.int64)


def _partition(rows: np.ndarray, penalty: float) -> list[int]:
    """The best cuts, as long as no shot is longer than `_LONGEST`; starts that can no longer win are dropped."""
    t = len(rows)
    best = np.full(t + 1, np.inf)
    best[0] = -penalty
    came_from = np.zeros(t + 1, dtype=np.int64)
    starts, sums, squares = np.zeros(0, dtype=np.int64), np.zeros((0, rows.shape[1])), np.zeros(0)
    own = np.square(rows).sum(axis=1, dtype=np.float64)
    for end in range(1, t + 1):
        starts = np.append(starts, end - 1)
        sums = np.vstack([sums, np.zeros((1, rows.shape[1]))])
        squares = np.append(squares, 0.0)
        sums += rows[end - 1]
        squares += own[end - 1]
        costs = best[starts] + squares - np.einsum("ij,ij->i", sums, sums) / (end - starts)
        least = int(costs.argmin())
        best[end], came_from[end] = costs[least] + penalty, starts[least]
        kept = (costs <= best[end]) & (starts > end - _LONGEST)
        starts, sums, squares = starts[kept], sums[kept], squares[kept]
    cuts, at = [], t
    while (at := int(came_from[at])) > 0:
        cuts.append(at)
    return cuts[::-1]


def _joined(rows: np.ndarray, cuts: list[int], penalty: float) -> list[int]:
    """The cuts without those that do not pay for themselves: long shots that were cut for the time being."""
    kept: list[int] = []
    edges = [0, *cuts, len(rows)]
    sums = [rows[a:b].sum(axis=0, dtype=np.float64) for a, b in pairwise(edges)]
    mine, length = sums[0], edges[1]
    for i, cut in enumerate(cuts, 1):
        more = edges[i + 1] - cut
        apart = float(np.square(mine / length - sums[i] / more).sum())
        if apart * length * more / (length + more) <= penalty:  # what the two shots gain by being two
            mine, length = mine + sums[i], length + more
        else:
            kept.append(cut)
            mine, length = sums[i], more
    return kept


def spans(cuts: np.ndarray, steps: int, seconds: float) -> np.ndarray:
    """The start and end of each shot in seconds, `(s, 2)`: one begins where another ends.

    Args:
        cuts: first steps of shots, as `changes` gives them. steps: of the whole film. seconds: its length.

    >>> spans(np.array([4]), 10, 5.0).tolist()
    [[0.0, 2.0], [2.0, 5.0]]
    """
    edges = np.concatenate([[0.0], np.asarray(cuts) * (seconds / steps), [seconds]])
    return np.stack([edges[:-1], edges[1:]], axis=1)


def pieces(cuts: np.ndarray, steps: int, longest: float) -> np.ndarray:
    """First and last step (beyond) of each shot, `(p, 2)`, shots over `longest` steps in equal parts.

    >>> pieces(np.array([4]), 10, 3).tolist()
    [[0, 2], [2, 4], [4, 7], [7, 10]]
    """
    out = []
    for first, last in zip([0, *cuts], [*cuts, steps], strict=True):
        parts = int(np.ceil((last - first) / max(longest, 1)))
        edges = first + (np.arange(parts + 1) * (last - first)) // parts
        out += list(pairwise(edges))
    return np.array(out, dtype=np.int64)


def outstanding(values: np.ndarray) -> np.ndarray:
    """How far each value `(t,)` stands above the usual one, in usual deviations, never below 0.

    (v - median) / max(1.4826 median |v - median|, 1): of loudness in dB, so that what no ear hears (1 dB) is no event
    however still the rest. Where more than half of the film is loud, nothing stands out. Source: Hampel 1974.

    >>> outstanding(np.array([-50.0, -50.5, -49.5, -20.0])).round(1).tolist()
    [0.0, 0.0, 0.2, 29.8]
    """
    values = np.asarray(values, dtype=np.float64)
    middle = np.median(values)
    usual = max(1.4826 * float(np.median(np.abs(values - middle))), 1.0)
    return np.maximum((values - middle) / usual, 0.0)


def cover(rows: np.ndarray, weights: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """k rows that stand for all: their numbers `(k,)`, the best first, and what share of the whole each adds `(k,)`.

    Greedily grows  f(S) = sum_i w_i max_{j in S} max(cos_ij, 0)^2 / sum_i w_i  (facility location), so what was chosen
    once is not chosen again, and rows of large weight are covered first. f is submodular: the greedy choice has at
    least 63 % of the best value there is. Memory n^2.

    Args:
        rows: unit vectors `(n, d)`. weights: `(n,)`, not negative. k: at most n are given.

    >>> rows = np.array([[1.0, 0], [1, 0], [0, 1], [0.6, 0.8]])
    >>> cover(rows, np.ones(4), 2)[0].tolist()
    [3, 0]

    Sources: Nemhauser, Wolsey & Fisher 1978; for summaries Lin & Bilmes 2011.
    """
    rows, weights = _finite(rows), np.asarray(weights, dtype=np.float64)
    if len(weights) != len(rows) or (weights < 0).any() or not weights.sum() > 0:
        raise ChiasmError(f"wanted a weight of each of {len(rows)} rows, 0 or more and not all 0, got {weights.shape}.")
    like = np.square(np.maximum(rows @ rows.T, 0))
    covered = np.zeros(len(rows))
    chosen: list[int] = []
    gains: list[float] = []
    for _ in range(min(k, len(rows))):
        added = weights @ np.maximum(like - covered[:, None], 0)
        added[chosen] = -1.0
        best = int(added.argmax())
        chosen.append(best)
        gains.append(float(added[best] / weights.sum()))
        covered = np.maximum(covered, like[:, best])
    return np.array(chosen, dtype=np.int64), np.array(gains)


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ChiasmError(f"wanted finite features (steps, d), got an array of shape {values.shape} or NaN in it.")
    return values
