"""Filtering: candidate pairs by a score, then a threshold, mutual best or one to one: precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, unknown
from chiasm.views import normalize

__all__ = [
    "SIMILARITIES",
    "Pairs",
    "best_threshold",
    "candidates",
    "filter_table",
    "greedy",
    "mutual_best",
    "one_to_one",
    "precision_recall",
    "similarity",
    "threshold",
]

SIMILARITIES = ("cosine", "euclidean", "pearson")


class Pairs(NamedTuple):
    """Proposed pairs: positions on the left and on the right `(p,)`, and their scores `(p,)`, higher is closer."""

    left: np.ndarray
    right: np.ndarray
    score: np.ndarray

    def keep(self, mask: Any) -> Pairs:
        """The pairs that a mask or positions select."""
        return Pairs(self.left[mask], self.right[mask], self.score[mask])


def similarity(a: np.ndarray, b: np.ndarray, how: str = "cosine") -> np.ndarray:
    """`(n, m)` closeness of every row of a `(n, d)` to every row of b `(m, d)`, higher is closer.

    "cosine"; "euclidean": the negative distance; "pearson": the correlation of the two rows' d numbers, which is the
    cosine after each row's own mean is taken off. On unit rows cosine and euclidean rank alike.
    """
    if how == "cosine":
        scores = normalize(a) @ normalize(b).T
    elif how == "pearson":
        scores = normalize(a - a.mean(axis=1, keepdims=True)) @ normalize(b - b.mean(axis=1, keepdims=True)).T
    elif how == "euclidean":
        shift = b.mean(axis=0, dtype=np.float64)  # distances do not change, and no digits are lost to a large mean
        a, b = np.asarray(a - shift, np.float64), np.asarray(b - shift, np.float64)
        squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
        scores = -np.sqrt(np.maximum(squares, 0))
    else:
        raise unknown("similarity", how, SIMILARITIES)
    return scores


def candidates(scores: np.ndarray, k: int = 10) -> Pairs:
    """The k best partners of every row and of every column of `(n, m)` scores, each pair once, in order of rows.

    Both sides are asked so that an item's best partner is always among its candidates, which `mutual_best` needs.
    """
    if k < 1:
        raise ChiasmError(f"wanted at least 1 candidate an item, got {k}.")
    n, m = scores.shape
    if not scores.size:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), scores.ravel())
    rows, columns = _top(scores, k), _top(scores.T, k)
    flat = np.concatenate([(np.arange(n)[:, None] * m + rows).ravel(), (columns * m + np.arange(m)[:, None]).ravel()])
    left, right = np.divmod(np.unique(flat), m)
    return Pairs(left, right, scores[left, right])


def _top(scores: np.ndarray, k: int) -> np.ndarray:
    """The columns of each row's k best, in any order."""
    if k >= scores.shape[1]:
        return np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    starts = range(0, len(scores), 512)
    return np.concatenate([np.argpartition(-scores[s : s + 512], k - 1, axis=1)[:, :k] for s in starts])


def threshold(pairs: Pairs, least: float) -> Pairs:
    """The pairs that score at least `least`."""
    return pairs.keep(pairs.score >= least)


def mutual_best(pairs: Pairs) -> Pairs:
    """The pairs in which each is the other's best candidate (of equals the first)."""
    if not len(pairs.left):
        return pairs
    order = np.lexsort((np.arange(len(pairs.left)), -pairs.score))
    best = np.zeros((2, len(order)), bool)
    for side, positions in enumerate((pairs.left, pairs.right)):
        best[side, order[np.unique(positions[order], return_index=True)[1]]] = True
    return pairs.keep(best.all(axis=0))


def one_to_one(pairs: Pairs) -> Pairs:
    """The pairs of the best one-to-one assignment: no item twice, the sum of (score - lowest score) the largest.

    Exact, by shortest augmenting paths on the candidates alone, so ten candidates an item for 5,000 items a side take
    seconds. `greedy` is the approximation for far more.

    Source: Jonker & Volgenant 1987.
    """
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if not len(pairs.left):
        return pairs
    lefts, left = np.unique(pairs.left, return_inverse=True)
    rights, right = np.unique(pairs.right, return_inverse=True)
    n, m = len(lefts), len(rights)
    weight = pairs.score.astype(np.float64) - pairs.score.min()
    unit = max(float(weight.max()), 1e-300)
    # an item of the left may stay alone, with a partner of its own that is worth nothing; 1 is added to every weight,
    # which changes no choice, because a weight of 0 would be no edge
    values = np.concatenate([weight / unit + 1, np.ones(n)])
    at = (np.concatenate([left, np.arange(n)]), np.concatenate([right, m + np.arange(n)]))
    graph = csr_array(coo_array((values, at), shape=(n, m + n)))
    rows, columns = min_weight_full_bipartite_matching(graph, maximize=True)
    partner = np.full(n, -1)
    partner[rows] = columns
    return pairs.keep(partner[left] == right)


def greedy(pairs: Pairs) -> Pairs:
    """One to one by taking the best pair that is left, again and again: quick, and half of the best sum at worst."""
    used: tuple[set[int], set[int]] = (set(), set())
    kept = []
    for place in np.argsort(-pairs.score, kind="stable").tolist():
        i, j = int(pairs.left[place]), int(pairs.right[place])
        if i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            kept.append(place)
    return pairs.keep(np.sort(np.array(kept, dtype=np.int64)))


def precision_recall(pairs: Pairs, truth: tuple[np.ndarray, np.ndarray]) -> dict[str, float | int | None]:
    """How many of the pairs are true, and how many of the true pairs `(left, right)` are among them, 0..1.

    Precision is None where nothing is proposed, recall where nothing is true.
    """
    proposed = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    true = set(zip(np.asarray(truth[0]).tolist(), np.asarray(truth[1]).tolist(), strict=True))
    right = len(proposed & true)
    return {
        "pairs": len(proposed),
        "precision": right / len(proposed) if proposed else None,
        "recall": right / len(true) if true else None,
        "f1": 2 * right / (len(proposed) + len(true)) if proposed or true else None,
    }


def best_threshold(pairs: Pairs, truth: tuple[np.ndarray, np.ndarray]) -> float:
    """The least score to keep for the best F1 on these pairs (the highest of equals); inf where none is true."""
    true = set(zip(np.asarray(truth[0]).tolist(), np.asarray(truth[1]).tolist(), strict=True))
    order = np.argsort(-pairs.score, kind="stable")
    right = np.cumsum(
        [(i, j) in true for i, j in zip(pairs.left[order].tolist(), pairs.right[order].tolist(), strict=True)]
    )
    if not len(right) or not right[-1]:
        return float("inf")
    f1 = 2 * right / (np.arange(1, len(right) + 1) + len(true))
    score = pairs.score[order]
    f1 = np.where(np.append(score[1:] != score[:-1], True), f1, 0)  # equals are kept or left together
    return float(score[f1.argmax()])


def filter_table(
    a: np.ndarray,
    b: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]],
    *,
    k: int = 10,
    scores: Sequence[str] = SIMILARITIES,
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of the candidates by each score, and after each filter: a row of plain values each.

    Args:
        a, b: `(n, d)`, `(m, d)` in one space. truth: `(left, right)` positions of the true pairs.
        val: other (a, b, truth), on which alone the threshold is chosen, by F1.
        k: candidates an item.
    """
    table = []
    for how in scores:
        least = best_threshold(candidates(similarity(val[0], val[1], how), k), val[2])
        found = candidates(similarity(a, b, how), k)
        filtered = {
            "candidates": found,
            "threshold": threshold(found, least),
            "mutual_best": mutual_best(found),
            "one_to_one": one_to_one(found),
        }
        for name, kept in filtered.items():
            row: dict[str, Any] = {"score": how, "filter": name, **precision_recall(kept, truth)}
            table.append({**row, "threshold": least} if name == "threshold" else row)
    return table
