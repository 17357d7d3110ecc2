"""Start: the parameters of heads before the first step; the training loop knows nothing of where they come from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.nn.blocks import ArrayOps, Head, Params
from chiasm.nn.pairs import Axes

__all__ = ["started"]

_WIDEST = 512


def started(
    head: Head,
    axes: Mapping[str, Axes],
    maps: Mapping[str, np.ndarray | None] | None,
    width: int | None,
    rng: np.random.Generator,
) -> dict[str, Params]:
    """By view the parameters of its head.

    Args:
        axes: by view, what its rows stand on. maps: by view `(d, k)` a linear map that its head begins as (None: the
            identity); left out, heads begin at random.
        width: k of heads that begin at random; None: 4 x the most axes of a view, at most 512.

    Raises a ChiasmError for a head that takes a norm over the axes of a view which has but one or two: it would map all
    rows to as many points.
    """
    widest = max(basis.shape[1] for _, basis in axes.values())
    params = {}
    for name, (center, basis) in axes.items():
        matrix = None
        if maps is not None:
            held = maps[name]
            matrix = basis.T @ (np.eye(len(center)) if held is None else held) / np.square(basis[:, 0]).sum()
            matrix = matrix / max(np.linalg.norm(matrix) / np.sqrt(matrix.shape[1]), 1e-30)
        k = (width or min(_WIDEST, 4 * widest)) if matrix is None else matrix.shape[1]
        params[name] = head.init(basis.shape[1], k, rng, matrix)
        if (few := basis.shape[1]) < 3:
            tried = 100 * np.random.default_rng(0).normal(size=(64, few)).astype(np.float32)
            found = head.forward(params[name], tried, ArrayOps(), 0.0)
            if len(np.unique((found / max(np.abs(found).max(), 1e-30)).round(2), axis=0)) <= few:
                raise ChiasmError(
                    f"view {name!r} varies in {('one direction', 'two directions')[few - 1]} alone, of which an mlp "
                    f"head makes {('one point', 'two points')[few - 1]}: wanted "
                    'head="linear" or "residual" where the aligner has them, or items that differ in more.'
                )
    return params
