"""What all aligners share: mapping in chunks and the score; and the linear map that most of them learn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from chiasm.errors import unknown
from chiasm.part import Part
from chiasm.stats.relevance import recall_sum
from chiasm.views import Column, Views, as_views

__all__ = ["Aligner", "Linear"]

_CHUNK = 4096


class Aligner(Part):
    """Views -> Views of one shared width, a view at a time. A subclass implements `fit`, `_widths` and `_map`."""

    def fit_transform(self, views: Any, y: None = None) -> Views:
        """`fit`, then `transform`."""
        return self.fit(views).transform(views)  # type: ignore[attr-defined]

    def transform(self, views: Any) -> Views:
        """The views that were fitted -> columns of the shared width k. A view maps alone as in company."""
        return self._each(views, self._map)

    def _each(self, views: Any, function: Callable[[str, np.ndarray], np.ndarray]) -> Views:
        """The views with `function(name, rows)` of their items, in chunks."""
        self.check_fitted()
        views = as_views(views)
        widths = self._widths()
        columns = {}
        for name, column in views.columns.items():
            if name not in widths:
                raise unknown("fitted view", name, widths)
            if column.width != widths[name]:
                raise unknown(f"width of view {name!r}", str(column.width), [str(widths[name])])
            starts = range(0, len(column.items), _CHUNK)
            rows = (np.arange(s, min(s + _CHUNK, len(column.items))) for s in starts)
            parts = [function(name, np.asarray(column.items[r], dtype=np.float32)) for r in rows]
            mapped = np.concatenate(parts or [function(name, np.zeros((0, widths[name]), np.float32))])
            columns[name] = Column(column.modality, mapped, column.index, labels=column.labels, digests=column.digests)
        return views.replace(columns)

    def score(self, views: Any, y: None = None) -> float:
        """Mean R@1 over the ordered pairs of views, 0..1; a gallery holds each distinct item of these rows once."""
        mapped = self.transform(views)
        pairs = [(a, b) for a, b in permutations(mapped.columns, 2)]
        used = {name: column.items[column.used] for name, column in mapped.columns.items()}
        return recall_sum(mapped, used, at=(1,)) if pairs else 0.0

    def _widths(self) -> dict[str, int]:
        """By fitted view, the width d that it takes."""
        raise NotImplementedError

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a view `(m, d)` float32 -> the shared space `(m, k)` float32."""
        raise NotImplementedError


class Linear(Aligner):
    """An aligner whose every view maps by `(x - mean) @ weights`: `means_` `(d,)` and `weights_` `(d, k)` by view.

    A view without weights is only centered.
    """

    means_: dict[str, np.ndarray]
    weights_: dict[str, np.ndarray]

    def _widths(self) -> dict[str, int]:
        return {name: len(mean) for name, mean in self.means_.items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        mean, matrix = self.means_[name], self.weights_.get(name)
        if matrix is None:
            return rows - mean.astype(np.float32)
        mapped: np.ndarray = rows @ matrix.astype(np.float32) - (mean @ matrix).astype(np.float32)
        return mapped
