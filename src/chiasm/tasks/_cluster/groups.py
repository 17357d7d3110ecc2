"""Groups of things in the views' space: by k-means, on a spectral embedding, or as components of a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.scale import one_thread
from chiasm.stats import mixture, spectral
from chiasm.stats.blocks import Block

__all__ = ["METHODS", "Groups", "assign", "embedded", "learn", "nearness"]

METHODS = ("spectral", "kmeans", "mixture")
STARTS = 5
ROUNDS = 4
"""How often absent views are filled in by what the group of a thing looks like, and groups made again."""

Groups = dict[str, Any]
"""`how`, `centers` `(k, r)`, `sizes` `(k,)`, `names`, `widths` and `weights` of the views; `graph` or `mixture`."""


def learn(
    how: str,
    held: Mapping[str, Block],
    k: int,
    seed: int,
    weights: Mapping[str, float] | None = None,
    graph: spectral.Embedded | None = None,
) -> Groups:
    """k groups, or as many as there are different things, in the order of their sizes, the largest first.

    A thing without a view is judged by those that it has; for "kmeans" and "mixture" what is absent is filled in by its
    group (k-POD), "spectral" needs no filling.

    Args:
        how: one of `METHODS`. held: placed blocks. weights: of the views; None: equal. graph: of "spectral", what
            `embedded` gave for these blocks.

    Sources: Lloyd 1982; Chi, Chi & Baraniuk 2016 (k-POD); Ng, Jordan & Weiss 2002 (spectral).
    """
    known: Groups = {"how": how, "names": list(held), "widths": [block.values.shape[1] for block in held.values()]}
    known["weights"] = [1.0 if weights is None else weights[name] for name in held]
    if how == "spectral":
        graph = embedded(held, k, seed, weights) if graph is None else graph
        known["graph"] = {**graph, "values": graph["values"][:k], "vectors": graph["vectors"][:, :k]}
        known["graph"]["views"] = {n: {**v, "part": v["part"][:, :k]} for n, v in graph["views"].items()}
    rows, mask = _side(known, held)
    some = rows[mask.any(axis=1)]
    mask = mask[mask.any(axis=1)]
    with one_thread(len(some)):
        centers, labels = _kmeans(some, k, seed)
        for _ in range(ROUNDS if not mask.all() else 0):
            some = np.where(mask, some, centers[labels])
            centers, labels = _kmeans(some, k, seed, centers)
        if how == "mixture":
            known["mixture"] = mixture.learn(some, len(centers), forms=("tied",), seed=seed)
            labels = mixture.shares(known["mixture"], some).argmax(axis=1)
            sizes = np.bincount(labels, minlength=len(known["mixture"]["shares"]))
            order = np.argsort(-sizes, kind="stable")
            known["mixture"] |= {n: known["mixture"][n][order] for n in ("centers", "variances", "shares")}
            known |= {"centers": np.stack([_mean(some, labels == g) for g in order]), "sizes": sizes[order]}
            return known
    sizes = np.bincount(labels, minlength=len(centers))
    order = np.argsort(-sizes, kind="stable")
    return {**known, "centers": centers[order], "sizes": sizes[order]}


def embedded(
    held: Mapping[str, Block], k: int, seed: int, weights: Mapping[str, float] | None = None
) -> spectral.Embedded:
    """The graph of placed blocks, for up to k groups."""
    return spectral.learn(held, k, weights=weights, seed=seed)


def assign(known: Groups, held: Mapping[str, Block], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of each row `(n,)`, and how sure that is `(n,)`, 0 to 1.

    Of a mixture the probability; else 1 - distance to its center / distance to the next one's. A row without any view,
    or so far from all others that the graph has no tie to it, is of the largest group, at 0.
    """
    if not held:
        return np.zeros(n, np.int64), np.zeros(n)
    rows, mask = _side(known, held)
    far = _distances(rows, mask, known["centers"])
    labels = far.argmin(axis=1)
    if "mixture" in known:
        shares = mixture.shares(known["mixture"], rows, mask)
        labels, sure = shares.argmax(axis=1), shares.max(axis=1)
    elif far.shape[1] > 1:
        near = np.sort(far, axis=1)[:, :2]
        sure = 1 - near[:, 0] / np.where(near[:, 1] > 0, near[:, 1], 1)
    else:
        sure = np.ones(n)
    bare = ~mask.any(axis=1)
    return np.where(bare, 0, labels), np.where(bare, 0.0, sure)


def nearness(known: Groups, held: Mapping[str, Block]) -> np.ndarray:
    """`(n, k)` distances to the centers, a number's share being the same whichever views are there."""
    rows, mask = _side(known, held)
    return _distances(rows, mask, known["centers"]) / np.sqrt(np.maximum(mask.mean(axis=1, keepdims=True), 1e-12))


def _side(known: Groups, held: Mapping[str, Block]) -> tuple[np.ndarray, np.ndarray]:
    """Rows `(n, r)` in which groups are made, and which of their numbers are there."""
    n = len(next(iter(held.values())).present)
    if "graph" in known:
        graph = known["graph"]
        total = np.zeros((n, len(graph["values"])))
        for name, block in held.items():
            if name in graph["views"]:
                there = np.flatnonzero(block.present)
                for start in range(0, len(there), 1000):
                    part = there[start : start + 1000]
                    total[part] += spectral.place(graph, name, block.values[part])
        lengths = np.linalg.norm(total, axis=1, keepdims=True)
        return total / np.where(lengths > 0, lengths, 1), np.repeat(lengths > 0, total.shape[1], axis=1)
    rows, mask = [], []
    for name, width, weight in zip(known["names"], known["widths"], known["weights"], strict=True):
        one = held.get(name)
        rows.append(np.zeros((n, width)) if one is None else np.sqrt(weight) * np.asarray(one.values))
        mask.append(np.repeat(np.zeros((n, 1), bool) if one is None else one.present[:, None], width, axis=1))
    return np.concatenate(rows, axis=1), np.concatenate(mask, axis=1)


def _kmeans(rows: np.ndarray, k: int, seed: int, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans

    k = min(k, len(np.unique(rows.round(12), axis=0)))
    same = start is not None and len(start) == k
    model = KMeans(k, init=start if same else "k-means++", n_init=1 if same else STARTS, random_state=seed).fit(rows)
    return model.cluster_centers_, model.labels_


def _mean(rows: np.ndarray, mine: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows[mine].mean(axis=0) if mine.any() else rows.mean(axis=0)
    return found


def _distances(rows: np.ndarray, mask: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """`(n, k)`; what is absent of a row counts nothing."""
    known = np.where(mask, rows, 0)
    squares = np.square(known).sum(axis=1)[:, None] - 2 * known @ centers.T + mask @ np.square(centers).T
    found: np.ndarray = np.sqrt(np.maximum(squares, 0))
    return found
