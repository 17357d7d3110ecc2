"""What the linear aligners share: means and weights by view, mapping in chunks, and the score."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from chiasm.errors import unknown
from chiasm.matching import recall_sum
from chiasm.part import Part
from chiasm.views import Column, Views, as_views

__all__ = ["Linear"]

_CHUNK = 4096


class Linear(Part):
    """An aligner whose every view maps by `(x - mean) @ weights`: `means_` `(d,)` and `weights_` `(d, k)` by view.

    A view without weights is only centered.
    """

    means_: dict[str, np.ndarray]
    weights_: dict[str, np.ndarray]

    def fit_transform(self, views: Any, y: None = None) -> Views:
        """`fit`, then `transform`."""
        return self.fit(views).transform(views)  # type: ignore[attr-defined]

    def transform(self, views: Any) -> Views:
        """The views that were fitted -> columns of the shared width k. A view maps alone as in company."""
        self.check_fitted()
        views = as_views(views)
        columns = {}
        for name, column in views.columns.items():
            if name not in self.means_:
                raise unknown("fitted view", name, self.means_)
            mapped = self._map(name, column)
            columns[name] = Column(column.modality, mapped, column.index, labels=column.labels, digests=column.digests)
        return views.replace(columns)

    def score(self, views: Any, y: None = None) -> float:
        """Mean R@1 over the ordered pairs of views, 0..1; a gallery holds each distinct item of these rows once."""
        mapped = self.transform(views)
        pairs = [(a, b) for a, b in permutations(mapped.columns, 2)]
        used = {name: column.items[column.used] for name, column in mapped.columns.items()}
        return recall_sum(mapped, used, at=(1,)) if pairs else 0.0

    def _map(self, name: str, column: Column) -> np.ndarray:
        mean, matrix = self.means_[name], self.weights_.get(name)
        if column.width != len(mean):
            raise unknown(f"width of view {name!r}", str(column.width), [str(len(mean))])
        weights = None if matrix is None else matrix.astype(np.float32)
        offset = (mean if matrix is None else mean @ matrix).astype(np.float32)
        out = np.zeros((len(column.items), len(offset)), dtype=np.float32)
        for start in range(0, len(out), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(out)))
            items = np.asarray(column.items[rows], dtype=np.float32)
            out[rows] = (items if weights is None else items @ weights) - offset
        return out
