"""Which rows to score share an item with rows that were learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from chiasm.views import Views

__all__ = ["shared"]


def shared(
    encoded: Views, tainted: np.ndarray, names: Iterable[str], train: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, int]]:
    """`(n,)` the rows that share an item with training rows, and by view how many do.

    Args:
        tainted: `(n,)` the rows of which `fit` found as much. names: the views that are looked at.
        train: by view the digests `(m, 16)` of the items that were learned from.
    """
    found, equal = tainted.copy(), {}
    for name in names:
        column = encoded[name]
        same = np.isin(np.asarray(column.digests).view("V16").ravel(), train[name].view("V16").ravel())
        rows = np.append(same, False)[column.index]
        equal[name] = int(rows.sum())
        found |= rows
    return found, equal
