"""Start: the parameters of heads before the first step; the training loop knows nothing of where they come from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chiasm.nn.blocks import Head, Params
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
    return params
