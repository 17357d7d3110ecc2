"""The steps of linking two collections one to one: hiding pairs, corrected similarity, assignment, and shape alone."""

from __future__ import annotations

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.scale import one_thread
from chiasm.stats.filtering import Pairs, candidates, greedy, one_to_one
from chiasm.stats.hubness import csls
from chiasm.views import ABSENT, Views, normalize

__all__ = ["assign", "by_shape", "hide", "likeness", "nearest_first", "objective", "records", "similarities"]

MOST_BY_SHAPE = 2000
"""Items a side that linking by shape alone takes: its time grows with the cube (2,000: some minutes)."""

_DENSE = 25_000_000
_RESTARTS = 3


def hide(views: Views, rows: np.ndarray) -> Views:
    """The views with the pairing of some rows `(n,)` forgotten: such a row becomes one row a view, of ids of their own.

    The old ids stay as a fact "id"; the new ones are integers that tell nothing.
    """
    stay = np.flatnonzero(~rows)
    gone = [np.flatnonzero(rows & views.present(name)) for name in views.names]
    source = np.concatenate([stay, *gone])
    of_view = np.repeat(np.arange(-1, len(gone)), [len(stay), *map(len, gone)])
    columns = {}
    for place, (name, column) in enumerate(views.columns.items()):
        index = np.where((of_view == place) | (of_view == -1), column.index[source], ABSENT)
        columns[name] = column.at(index)
    facts = {name: values[source] for name, values in views.facts.items()}
    ids = views.facts.get("id", views.ids)[source]
    return Views(columns, views.codes[source] + views.things * (of_view + 1), {**facts, "id": ids})


def records(views: Views, name: str, things: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is linked: the (id code, item position) of an encoded view, each once, of the things of these codes.

    In order of the items' digests, so that neither the order of rows nor that of ids can tell which belong together.
    """
    column = views[name]
    mask = views.present(name) & np.isin(views.codes, things)
    codes, items = np.unique(np.stack([views.codes[mask], column.index[mask]], axis=1), axis=0).T
    words = np.ascontiguousarray(np.asarray(column.digests)[items]).view(np.uint64)
    order = np.lexsort((words[:, 1], words[:, 0]))
    return codes[order], items[order]


def similarities(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`(n, m)` cosines less each item's mean cosine to its nearest of the other side (CSLS, both sides halved).

    An assignment of equally large sides is the same without; likenesses and unequal sides are not.
    """
    x, y = normalize(x), normalize(y)
    return x @ y.T - csls(y, x) - csls(x, y)[:, None]


def assign(scores: np.ndarray) -> Pairs:
    """The one-to-one links of the largest sum, in order of the left; beyond 25 million cells among 50 candidates."""
    from scipy.optimize import linear_sum_assignment

    if scores.size > _DENSE:
        return one_to_one(candidates(scores, 50))
    left, right = linear_sum_assignment(scores, maximize=True)
    return Pairs(left, right, scores[left, right])


def nearest_first(x: np.ndarray, y: np.ndarray) -> Pairs:
    """What assignment has to beat: the nearest pair by plain cosine, then the nearest of the rest, and so on."""
    return greedy(candidates(normalize(x) @ normalize(y).T, 300))


def likeness(scores: np.ndarray, links: Pairs) -> np.ndarray:
    """`(p,)` in 0..1: the geometric mean of a link's softmax shares of its row and of its column.

    It orders links (the upper quarter is right far more often than the lower); it is no probability: without any link
    between two collections it is as high as with it.
    """
    hot = scores * (2.0 / max(float(scores.std()), 1e-6))
    row = hot - hot.max(axis=1, keepdims=True)
    column = hot - hot.max(axis=0, keepdims=True)
    at = (links.left, links.right)
    log_row = row[at] - np.log(np.exp(row).sum(axis=1))[links.left]
    log_column = column[at] - np.log(np.exp(column).sum(axis=0))[links.right]
    shares: np.ndarray = np.exp((log_row + log_column) / 2)
    return shares


def by_shape(x: np.ndarray, y: np.ndarray, known: int, seed: int) -> Pairs:
    """Links `(n, d_x)` <-> `(m, d_y)` from the similarities within each side alone: no shared space, no pairs needed.

    Quadratic assignment: the permutation under which the two sides' similarity matrices correlate the most, by the
    Frank-Wolfe method from sorted similarity profiles, with restarts from these mixed with chance; the best objective
    is kept. It works where the two sides have one geometry (the same things under two rotations, with little noise).
    Where they do not, such as photos and captions, wrong permutations fit better than the true one.

    Args:
        known: that many first items of both sides are linked in order and stay so.

    Raises a ChiasmError for more than 2,000 items a side.
    Sources: Vogelstein et al. 2015 (FAQ); Fishkind et al. 2019 (seeds); Artetxe et al. 2018, arXiv 1805.06297
    (sorted similarities).
    """
    from scipy.optimize import linear_sum_assignment, quadratic_assignment

    if max(len(x), len(y)) > MOST_BY_SHAPE:
        raise ChiasmError(
            f"without known pairs at most {MOST_BY_SHAPE} items a side can be linked, got {len(x)} and {len(y)}: give "
            "some dozen known pairs (rows that have both views), or fewer items."
        )
    size = max(len(x), len(y))
    a, b = _shape(x, size), _shape(y, size)
    start = np.zeros((size, size))
    start[linear_sum_assignment(_profiles(a) @ _profiles(b).T, maximize=True)] = 1
    start = start[known:, known:]
    rng = np.random.default_rng(seed)
    found: list[tuple[float, np.ndarray]] = []
    for turn in range(_RESTARTS):
        other = _doubly_stochastic(rng.random(start.shape)) if turn else np.full(start.shape, 1 / len(start))
        options = {
            "maximize": True,
            "P0": _doubly_stochastic(start + other),
            "partial_match": np.tile(np.arange(known)[:, None], 2),
        }
        with one_thread():
            result = quadratic_assignment(a, b, method="faq", options=options)
        found.append((float(result.fun), result.col_ind))
    best = max(found, key=lambda pair: pair[0])[1]
    left = np.flatnonzero((np.arange(size) < len(x)) & (best < len(y)))
    return Pairs(left, best[left], (a * b[np.ix_(best, best)]).sum(axis=1)[left])


def objective(x: np.ndarray, y: np.ndarray, links: Pairs) -> float:
    """How alike the two sides' similarity matrices are under these links: their correlation, -1..1."""
    a, b = _shape(x[links.left], len(links.left)), _shape(y[links.right], len(links.left))
    return float((a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-12))


def _shape(x: np.ndarray, size: int) -> np.ndarray:
    """Cosines within a side `(size, size)`, of mean 0 and spread 1 off the diagonal; padded with 0 = average."""
    x = normalize(x - x.mean(axis=0))
    cosines = (x @ x.T).astype(np.float64)
    off = ~np.eye(len(x), dtype=bool)
    cosines = np.where(off, (cosines - cosines[off].mean()) / max(cosines[off].std(), 1e-12), 0)
    return np.pad(cosines, (0, size - len(x)))


def _profiles(shape: np.ndarray) -> np.ndarray:
    """Each item's sorted similarities, at 100 quantiles and of unit length: what does not depend on any order."""
    profiles: np.ndarray = np.quantile(shape, np.linspace(0, 1, 100), axis=1).T
    return profiles / np.maximum(np.linalg.norm(profiles, axis=1, keepdims=True), 1e-12)


def _doubly_stochastic(matrix: np.ndarray) -> np.ndarray:
    """Rows and columns that sum to 1 (Sinkhorn & Knopp 1967)."""
    for _ in range(100):
        matrix = matrix / matrix.sum(axis=1, keepdims=True)
        matrix = matrix / matrix.sum(axis=0)
    return matrix
