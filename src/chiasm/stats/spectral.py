"""Spectral embedding: what hangs together by near neighbors, in one view or in several, comes to lie together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import eigh

from chiasm.scale import one_thread
from chiasm.stats.blocks import Block

__all__ = ["NEIGHBORS", "Embedded", "learn", "place"]

NEIGHBORS = 10
MOST = 4000
"""Things that the graph is drawn among; of more so many are drawn at random, and the others are placed beside them."""
_DENSE = 400
"""Up to so many things all eigenvectors are solved for."""

Embedded = dict[str, Any]
"""`views`: by name `rows` `(m, d)`, their `radius` and `degree` `(m,)`, and `part` `(m, k)`, what each gives to those
near it; `values` `(k,)` the eigenvalues, falling; `drawn` `(n,)` the things of the graph; `vectors` `(n, k)` theirs."""


def learn(
    held: Mapping[str, Block],
    k: int,
    *,
    weights: Mapping[str, float] | None = None,
    neighbors: int = NEIGHBORS,
    seed: int = 0,
) -> Embedded:
    """The k leading eigenvectors of the views' joint graph, and what places new rows by any view alone.

    In each view a thing is tied to its nearest neighbors, and to those whose neighbor it is, by

        w(x, y) = exp(-|x - y|^2 / (r_x r_y)),   r_x the distance of x to its last neighbor

    S_v = D^-1/2 W D^-1/2, and the joint graph has the mean of S_v over the views that a thing has, by their weights:
    two things without a view in common meet by way of those that have both. A new row of view v is placed by its ties
    there (Nystroem): f_v(x) = weight_v sum_y s_v(x, y) u_y / lambda. The sum over the views of a thing that was learned
    from gives its own eigenvector back (up to length).

    Args:
        held: blocks of n things, values finite; things without any view are left out. k: at most n - 1.
        weights: of the views, above 0; None: 1. neighbors: of each thing, in each view. seed: of the draw.

    Sources: Shi & Malik 2000, Ng, Jordan & Weiss 2002; Zelnik-Manor & Perona 2004 (widths by neighbors); Zhou & Burges
    2007 (several views); Bengio et al. 2004 (new rows).
    """
    weights = dict.fromkeys(held, 1.0) if weights is None else weights
    counts = np.sum([weights[name] * block.present for name, block in held.items()], axis=0)
    drawn = np.flatnonzero(counts)
    if len(drawn) > MOST:
        drawn = np.sort(np.random.default_rng(seed).permutation(drawn)[:MOST])
    n, k = len(drawn), min(k, len(drawn) - 1)
    share = 1 / np.sqrt(counts[drawn])
    views: dict[str, dict[str, np.ndarray]] = {}
    joint: Any = 0
    with one_thread(n):
        for name, block in held.items():
            here = np.flatnonzero(block.present[drawn])
            if not len(here):
                continue
            rows = np.asarray(block.values[drawn[here]], dtype=np.float64)
            radius, ties = _ties(rows, neighbors)
            degree = np.asarray(ties.sum(axis=1)).ravel()
            lengths = 1 / np.sqrt(degree)
            spread = _placed(here, lengths * share[here], n)
            joint = joint + weights[name] * (spread.T @ ties @ spread)
            views[name] = {"rows": rows, "radius": radius, "degree": degree, "here": here}
        values, vectors = _leading(joint, k)
    for name, view in views.items():
        here = view.pop("here")
        view["part"] = weights[name] * vectors[here] * (share[here] / np.sqrt(view["degree"]))[:, None] / values
    return {"views": views, "values": values, "drawn": drawn, "vectors": vectors, "neighbors": neighbors}


def place(known: Embedded, name: str, rows: np.ndarray) -> np.ndarray:
    """`(m, k)` where rows `(m, d)` of a view lie; zeros for a row so far out that it is tied to nothing."""
    view = known["views"][name]
    rows = np.asarray(rows, dtype=np.float64)
    far = _distances(rows, view["rows"])
    last = min(known["neighbors"], far.shape[1] - 1)
    order = np.partition(far, sorted({0, max(last - 1, 0), last}), axis=1)
    radius = np.where(order[:, 0] == 0, order[:, last], order[:, max(last - 1, 0)])  # itself is no neighbor
    radius = np.maximum(radius, view["radius"].min())
    tied = far <= np.maximum(radius[:, None], view["radius"]) * (1 + 1e-9)  # a neighbor at the very edge is one
    weights = np.where(tied, np.exp(-np.square(far) / (radius[:, None] * view["radius"])), 0.0)
    degree = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    found: np.ndarray = (weights / np.sqrt(degree)) @ view["part"]
    return found


def _distances(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`(m, n)`, from one product; what is nearer than rounding can tell is 0."""
    middle = known.mean(axis=0)
    a, b = rows - middle, known - middle
    lengths = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
    squares = lengths - 2 * a @ b.T
    squares[squares < 1e-12 * lengths] = 0
    found: np.ndarray = np.sqrt(squares)
    return found


def _ties(rows: np.ndarray, neighbors: int) -> tuple[np.ndarray, Any]:
    """Each row's distance to its last neighbor `(m,)`, and the ties `(m, m)`, sparse, each row tied to itself too."""
    from scipy.sparse import coo_array

    m = len(rows)
    last = min(neighbors, m - 1)
    near = np.empty((m, last + 1), dtype=np.int64)
    far = np.empty((m, last + 1))
    for start in range(0, m, 1000):
        block = _distances(rows[start : start + 1000], rows)
        chosen = np.argpartition(block, last, axis=1)[:, : last + 1]
        near[start : start + 1000] = chosen
        far[start : start + 1000] = np.take_along_axis(block, chosen, axis=1)
    radius = far.max(axis=1)
    radius = np.maximum(radius, 1e-6 * (float(radius.max()) or 1.0))  # of rows that are many times the same
    weights = np.exp(-np.square(far) / (radius[:, None] * radius[near]))
    one = coo_array((weights.ravel(), (np.repeat(np.arange(m), last + 1), near.ravel())), shape=(m, m)).tocsr()
    return radius, one.maximum(one.T)


def _placed(here: np.ndarray, values: np.ndarray, n: int) -> Any:
    from scipy.sparse import coo_array

    return coo_array((values, (np.arange(len(here)), here)), shape=(len(here), n)).tocsr()


def _leading(joint: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest eigenvalues, falling, none below a thousandth, and their vectors `(n, k)`, largest entry > 0."""
    from scipy.sparse.linalg import eigsh

    n = joint.shape[0]
    if n <= _DENSE or 4 * k > n:
        values, vectors = eigh(joint.toarray(), subset_by_index=[n - k, n - 1])
    else:
        values, vectors = eigsh(joint, k=k, which="LA", v0=np.random.default_rng(0).normal(size=n))
    order = np.argsort(-values, kind="stable")
    order = order[values[order] > 1e-3]
    values, vectors = values[order], vectors[:, order]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(order))])
    return values, vectors * signs
