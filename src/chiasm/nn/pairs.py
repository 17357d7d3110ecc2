"""The one bridge from Views to tensors: rows turned onto few axes, pairs as positions, batches drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from chiasm.scale import one_thread
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import pairs
from chiasm.views import Views

__all__ = ["Axes", "Batch", "PairRows", "axes", "batches", "links", "turn"]

_CHUNK = 4096


class Axes(NamedTuple):
    """What a view's rows go through before a head: x -> (x - center) @ basis."""

    center: np.ndarray
    """`(d,)`."""
    basis: np.ndarray
    """`(d, r)` float32: principal axes, orthogonal and of one length, which gives coordinates a variance of 1."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """`(m, d)` -> `(m, r)` float32."""
        turned: np.ndarray = (np.asarray(rows) - self.center).astype(np.float32) @ self.basis
        return turned


class PairRows(NamedTuple):
    """The pairs of two views: positions among their used items, and the id of each pair."""

    left: np.ndarray
    right: np.ndarray
    ids: np.ndarray


class Batch(NamedTuple):
    """Row i of one view belongs to row i of the other. Arrays, or tensors of the same."""

    left: np.ndarray
    """`(n,)` positions among the used items of the first view."""
    right: np.ndarray
    same: np.ndarray | None
    """`(n, 2)` left and right, where items repeat: equal items are no negatives of each other. None: none repeats."""


def axes(views: Views, most: int) -> dict[str, Axes]:
    """By view its center and at most `most` principal axes: a rotation, exact where the rows span no more than that.

    It is not whitening: what varies more stays longer. On frozen features whitened inputs retrieve far worse.
    """
    found = {}
    for name in views.columns:
        moments = Covariance().add(views.replace({name: views.columns[name]}))
        covariance = moments.auto(name)
        d = len(covariance)
        with one_thread():
            values, vectors = eigh(covariance, subset_by_index=[max(0, d - most), d - 1])
        values, vectors = values[::-1], vectors[:, ::-1]
        kept = max(1, int((values > 1e-6 * values[0]).sum()))
        scale = 1 / np.sqrt(max(values[:kept].mean(), 1e-30))
        basis = np.ascontiguousarray(vectors[:, :kept] * scale, dtype=np.float32)
        found[name] = Axes(moments.mean(name), basis)
    return found


def turn(views: Views, axes: Mapping[str, Axes]) -> dict[str, np.ndarray]:
    """By view, `(m, r)` float32 its used items on its axes, in order, held in memory; unused views are left out."""
    turned = {}
    for name, column in views.columns.items():
        used = column.used
        if name in axes and len(used):
            parts = [axes[name](column.take(used[start : start + _CHUNK])) for start in range(0, len(used), _CHUNK)]
            turned[name] = np.concatenate(parts)
    return turned


def links(views: Views) -> dict[tuple[str, str], PairRows]:
    """By two views, their pairs. Two views that no id has both of are left out."""
    found = {}
    for a, b in combinations(views.columns, 2):
        left, right, ids, _ = pairs(views, a, b)
        if len(ids) > 1:
            used = views[a].used, views[b].used
            found[a, b] = PairRows(np.searchsorted(used[0], left), np.searchsorted(used[1], right), ids)
    return found


def batches(
    links: Mapping[tuple[str, str], PairRows], size: int, rng: np.random.Generator
) -> Iterator[dict[tuple[str, str], Batch]]:
    """One epoch: steps of about `size` pairs for every two views, one pair an id, drawn anew each epoch.

    So every id weighs the same. Two views with fewer pairs than others come round again until all have been seen.
    """
    drawn = {views: _draw(link, rng) for views, link in links.items()}
    steps = max(max(1, round(len(order) / size)) for order in drawn.values())
    parts = {}
    for views, order in drawn.items():
        mine = np.array_split(order, min(steps, max(1, round(len(order) / size))))
        parts[views] = [mine[i % len(mine)] for i in range(steps)]
    for step in range(steps):
        yield {views: _batch(links[views], parts[views][step]) for views in links}


def _draw(link: PairRows, rng: np.random.Generator) -> np.ndarray:
    """Positions of one pair of each id, in random order."""
    order = rng.permutation(len(link.ids))
    first = np.unique(link.ids[order], return_index=True)[1]
    return order[np.sort(first)]


def _batch(link: PairRows, rows: np.ndarray) -> Batch:
    left, right = link.left[rows], link.right[rows]
    repeats = len(np.unique(left)) < len(left) or len(np.unique(right)) < len(right)
    return Batch(left, right, np.stack([left, right], axis=1) if repeats else None)
