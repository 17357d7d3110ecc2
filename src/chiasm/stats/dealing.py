"""Wrong pairs, made by dealing an item of a row to another row; and how near the items of a pair are beside rivals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from chiasm.views import Views, normalize

__all__ = ["DEALT", "NEIGHBORS", "cosine", "deal", "margins"]

DEALT = ("right", "random", "near")
NEIGHBORS = 10
_NEAREST, _LEAST = 0.02, 5
_TRIES = 20
_SAME = 1 - 1e-4
_CELLS = 4_000_000

Taken = tuple[np.ndarray, np.ndarray]
"""Rows that are made wrong, and the row that each takes an item from."""


def deal(views: Views, seed: int) -> tuple[Views, np.ndarray]:
    """Right rows and two kinds of wrong ones: the dealt views, and the kind `(m,)` of each row (place in `DEALT`).

    Of every row with two views or more, one view's item is replaced by that of another row, one that no id holds
    together with the kept ones: of any row ("random"), and of a row whose item in one of the kept views is among the
    nearest 2 % ("near": the caption of the most alike pictures). Near ones are drawn by one view's own features, not by
    how well the pair fits: drawn by the fit they would by choice fit better than many right pairs. Rows that no other
    could be dealt to have no wrong kind.

    Args:
        views: encoded.
    """
    rng = np.random.default_rng(seed)
    here = np.stack([views.present(name) for name in views.names], axis=1)
    rows = np.flatnonzero(here.sum(axis=1) > 1)
    order = rng.random((len(rows), here.shape[1])) * here[rows]
    moved, kept = np.argsort(-order, axis=1)[:, :2].T  # two different views that are there, at random
    parts: list[tuple[np.ndarray, int, int, np.ndarray]] = [(rows, 0, 0, rows)]
    for view, name in enumerate(views.names):
        chosen = rows[moved == view]
        mine, taken = _at_random(views, name, chosen, rng)
        parts.append((mine, 1, view, taken))
        for other, beside in enumerate(views.names):
            asked = rows[(moved == view) & (kept == other)]
            if other != view and len(asked):
                mine, taken = _near(views, name, beside, asked, rng)
                parts.append((mine, 2, view, taken))
    source = np.concatenate([part[0] for part in parts])
    kinds = np.concatenate([np.full(len(part[0]), part[1]) for part in parts])
    dealt: Views = views[source]
    columns = {}
    for view, (name, column) in enumerate(dealt.columns.items()):
        index = np.concatenate(
            [views[name].index[taken if v == view and kind else mine] for mine, kind, v, taken in parts]
        )
        columns[name] = column.at(index)
    return dealt.replace(columns), kinds


def _at_random(views: Views, name: str, rows: np.ndarray, rng: np.random.Generator) -> Taken:
    """For each row another row whose item of the view is wrong here."""
    able, item, known = np.flatnonzero(views.present(name)), views[name].index, _known(views, name)
    taken = rows.copy()

    def right() -> np.ndarray:
        out = np.zeros(len(rows), bool)
        for other, together in known.items():
            here = np.flatnonzero(views.present(other)[rows])
            out[here] |= np.asarray(together[views[other].index[rows[here]], item[taken[here]]]).ravel() > 0
        return out

    for _ in range(_TRIES):
        again = right()
        if not again.any():
            break
        taken[again] = rng.choice(able, int(again.sum()))
    fine = ~right()
    return rows[fine], taken[fine]


def _near(views: Views, name: str, beside: str, rows: np.ndarray, rng: np.random.Generator) -> Taken:
    """The same, drawn from the rows whose item of the view `beside` is nearest."""
    able = np.flatnonzero(views.present(name) & views.present(beside))
    column, known = views[beside], _known(views, name)
    used, place = np.unique(column.index[np.concatenate([able, rows])], return_inverse=True)
    values = np.asarray(column.items[used], dtype=np.float32)
    unit = normalize(values - values.mean(axis=0))
    pool, asked = place[: len(able)], place[len(able) :]
    many = min(len(able), max(_LEAST, round(_NEAREST * len(able))))
    taken = np.full(len(rows), -1)
    step = max(1, _CELLS // max(len(able), 1))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        likeness = unit[asked[part]] @ unit[pool].T
        right = np.zeros(likeness.shape, bool)
        for other, together in known.items():
            here = np.flatnonzero(views.present(other)[rows[part]])
            right[here] |= together[views[other].index[rows[part][here]]][:, views[name].index[able]].toarray() > 0
        likeness[right] = -np.inf
        best = np.argpartition(-likeness, many - 1, axis=1)[:, :many]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(likeness, best, axis=1), axis=1), axis=1)
        drawn = best[np.arange(len(best)), rng.integers(np.clip((~right).sum(axis=1), 1, many))]
        taken[part] = np.where(right.all(axis=1), -1, able[drawn])
    return rows[taken >= 0], taken[taken >= 0]


def _known(views: Views, name: str) -> dict[str, Any]:
    """By other view, sparse `(its items, items of the view)`: above 0 where some id holds both."""
    from scipy.sparse import csr_array

    held = {}
    for view, column in views.columns.items():
        rows = np.flatnonzero(column.present)
        shape = (views.things, len(column.items))
        held[view] = csr_array((np.ones(len(rows)), (views.codes[rows], column.index[rows])), shape=shape)
    return {view: (one.T @ held[name]).tocsr() for view, one in held.items() if view != name}


def cosine(space: Views) -> np.ndarray:
    """`(n, pairs)` the cosine of each two views of a row; NaN where one is absent."""
    units = {name: normalize(column.items) for name, column in space.columns.items()}
    return _pairwise(space, lambda a, b, i, j: np.einsum("ij,ij->i", units[a][i], units[b][j])[:, None])


def margins(space: Views, banks: Mapping[str, np.ndarray]) -> np.ndarray:
    """`(n, 4 pairs)` by how much the items of each two views of a row are nearer to each other than known ones are.

    The cosine less the mean of its 10 nearest rivals, and less the nearest: known items of b beside a, then known items
    of a beside b. That an item is near to everything then counts for nothing. NaN where a view is absent.

    Args:
        space: aligned views. banks: by view, known items `(m, k)` of length 1.
    """
    units = {name: normalize(column.items) for name, column in space.columns.items()}

    def both(a: str, b: str, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        left, right = units[a][i], units[b][j]
        near = np.einsum("ij,ij->i", left, right)[:, None]
        return np.concatenate([near - _rivals(left, right, banks[b]), near - _rivals(right, left, banks[a])], axis=1)

    return _pairwise(space, both)


def _pairwise(space: Views, function: Callable[[str, str, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """`function(a, b, items of a, items of b)` of every two views side by side; NaN where one is absent."""
    parts = []
    for a, b in combinations(space.names, 2):
        rows = np.flatnonzero(space.present(a) & space.present(b))
        values = function(a, b, space[a].index[rows], space[b].index[rows])
        whole = np.full((len(space), values.shape[1]), np.nan)
        whole[rows] = values
        parts.append(whole)
    return np.concatenate(parts, axis=1)


def _rivals(asking: np.ndarray, partner: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """`(n, 2)` the cosines to known rivals of the partner: the mean of the nearest 10, and the nearest."""
    out = np.empty((len(asking), 2))
    take = min(NEIGHBORS, len(bank))
    step = max(1, _CELLS // len(bank))
    for start in range(0, len(asking), step):
        part = slice(start, start + step)
        scores = asking[part] @ bank.T
        scores[partner[part] @ bank.T > _SAME] = -1  # the partner itself, known already, is no rival
        best = np.partition(scores, len(bank) - take, axis=1)[:, len(bank) - take :]
        out[part] = np.stack([best.mean(axis=1), best.max(axis=1)], axis=1)
    return out
