"""Which rows of a table are linked: those that lack a partner, and known pairs that are hidden on purpose."""

from __future__ import annotations

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.views import Views

__all__ = ["has_all", "to_link"]


def has_all(views: Views) -> np.ndarray:
    """`(n,)` mask of the rows whose thing has every view, in this row or in another.

    >>> from chiasm.views import Column
    >>> a, b = Column("text", ["x", "y"], [0, 1, -1]), Column("text", ["z"], [-1, -1, 0])
    >>> has_all(Views({"a": a, "b": b}, [1, 2, 1])).tolist()
    [True, False, True]
    """
    mask = np.ones(len(views), bool)
    for name in views.names:
        mask &= np.isin(views.codes, views.codes[views.present(name)])
    return mask


def to_link(views: Views, known: int | None = None, seed: int = 0) -> np.ndarray:
    """`(n,)` mask of the rows to link: those without a partner, and those of all but `known` pairs, drawn at random.

    Args:
        known: how many of the pairs that the rows tell stay known; None: all.

    Raises a ChiasmError for more known pairs than there are.
    """
    paired = np.unique(views.codes[has_all(views)])
    if known is not None:
        if known > len(paired):
            raise ChiasmError(f"wanted {known} known pairs, got {len(paired)} rows with both columns: ask for fewer.")
        paired = np.random.default_rng(seed).permutation(paired)[:known]
    return ~np.isin(views.codes, paired)
