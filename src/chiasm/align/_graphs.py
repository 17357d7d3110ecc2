"""What `spectral` and `sue` share: things as rows of their views, and the width chosen among held-out pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chiasm.align._moments import means_by_id
from chiasm.align._select import folds
from chiasm.stats.blocks import Block
from chiasm.stats.relevance import reciprocal_rank
from chiasm.views import Views

__all__ = ["Map", "chosen", "things"]

Map = Callable[[str, np.ndarray, int], np.ndarray]
"""Maps rows `(m, d)` of a view to `(m, k)`, for any k."""


def things(views: Views) -> dict[str, Block]:
    """By view the mean item of each id `(things, d)`, zeros where it has none."""
    return {name: Block(*means_by_id(views, name)) for name in views.names}


def chosen(
    views: Views, val: Any, makers: Mapping[int, Callable[[Views], Map]], widths: tuple[int, ...], seed: int
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The neighbors and k under which held-out items find each other best, and every trial.

    Args:
        makers: by number of neighbors, what learns a map from views. widths: the candidates for k.
    """
    pairs = [(near, k) for near in makers for k in widths]
    if len(pairs) == 1:
        return {"neighbors": pairs[0][0], "k": pairs[0][1]}, []
    scores = np.zeros(len(pairs))
    cuts = folds(views, val, seed)
    for mask, held in cuts:
        maps = {near: make(views if mask is None else views[~mask]) for near, make in makers.items()}
        items = {name: np.asarray(column.items[column.used]) for name, column in held.columns.items()}
        for place, (near, k) in enumerate(pairs):
            scores[place] += reciprocal_rank(held, {name: maps[near](name, rows, k) for name, rows in items.items()})
    trials = [
        {"neighbors": near, "k": k, "score": float(score) / max(len(cuts), 1)}
        for (near, k), score in zip(pairs, scores, strict=True)
    ]
    near, k = pairs[int(scores.argmax())]
    return {"neighbors": near, "k": k}, trials
