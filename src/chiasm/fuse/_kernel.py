"""Feature maps of one view, or of several multiplied: rows -> coordinates in which a kernel is an inner product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.linalg import eigh

from chiasm.graph import Symbol, join
from chiasm.part import Part
from chiasm.stats.blocks import Blocks
from chiasm.tokens import Tokens

__all__ = ["Kernel", "shared"]

_JITTER = 1e-4
_CLIP = 5.0
_CHUNK = 8192
_WIDE, _MARKS = 256, 0.9
"""Columns of a view of marks, at least, and the share of them that are zero in most rows."""


class Kernel(Part):
    """The feature map of a kernel over one view, or the product of such kernels over several.

    "rbf": k(x, x') = exp(-|z - z'|^2 / m), where z is x standardized over training rows (cut at 5 standard deviations)
    and m the median squared distance between landmarks; of several views the product. A view of marks (words, tags,
    buyers: 256 columns and more, nine in ten of them zero in most rows) keeps the sizes of its columns, of which rare
    ones would be blown up (docs/log.md). By Nystrom's method on `landmarks` training rows: phi(x) = S^-1/2 V'
    k(landmarks, x) with V S V' = k(landmarks, landmarks), its largest `coordinates` eigenvalues; the kernel itself
    where every row is a landmark and every coordinate is kept.
    "linear": phi(x) = z / sqrt(d), all d coordinates.

    Args:
        views: the views' names, in order. kind: "rbf" or "linear". landmarks, coordinates: at most so many.
        seed: of the landmarks' draw.

    Sources: Williams & Seeger 2001 (Nystrom); Liu et al. 2018 (low-rank tensors, which products are).
    """

    def __init__(
        self,
        views: Sequence[str] = (),
        kind: str = "rbf",
        landmarks: int = 1000,
        coordinates: int = 500,
        seed: int = 0,
    ):
        self.views = views
        self.kind = kind
        self.landmarks = landmarks
        self.coordinates = coordinates
        self.seed = seed

    def fit(self, held: Blocks) -> Kernel:
        """Learn scales and landmarks from the training rows in which every one of the views is present."""
        rows = np.flatnonzero(shared(held, self.views))
        drawn = np.sort(np.random.default_rng(self.seed).permutation(rows)[: self.landmarks])
        self.means_, self.scales_, self.landmarks_, self.widths_ = {}, {}, {}, {}
        gram = np.ones((len(drawn), len(drawn)))
        for view in self.views:
            values = held[view].values
            mean, spread = _moments(values, rows)
            self.means_[view] = mean
            self.scales_[view] = np.where(spread > 1e-6 * max(spread.max(), 1e-30), spread, np.inf).astype(np.float32)
            if self.kind == "linear":
                continue
            if not isinstance(values, Tokens) and _sparse(marks := np.asarray(values[drawn])):
                self.scales_[view] = np.full(len(mean), max(np.abs(marks).max(), 1e-30) / _CLIP, dtype=np.float32)
            self.landmarks_[view] = np.concatenate([self._standard(view, values[p]) for p in _parts([values], drawn)])
            apart = _distances(self.landmarks_[view], self.landmarks_[view])
            some = apart[apart > 1e-9]
            self.widths_[view] = float(np.median(some)) if len(some) else 1.0
            gram *= np.exp(-apart / self.widths_[view])
        if self.kind == "rbf":
            values, vectors = eigh(gram, subset_by_index=[max(0, len(gram) - self.coordinates), len(gram) - 1])
            kept = values > _JITTER
            self.whiten_ = np.ascontiguousarray(vectors[:, kept] / np.sqrt(values[kept]), dtype=np.float32)
        return self

    @property
    def width(self) -> int:
        """The number of coordinates."""
        if self.kind == "linear":
            return sum(len(self.means_[view]) for view in self.views)
        return int(self.whiten_.shape[1])

    def __call__(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, width)` float32; zero in the rows that lack one of the views."""
        out = np.zeros((n, self.width), dtype=np.float32)
        if not all(view in held for view in self.views):
            return out
        rows = np.flatnonzero(shared(held, self.views))
        for part in _parts([held[view].values for view in self.views], rows):
            standard = {view: self._standard(view, held[view].values[part]) for view in self.views}
            if self.kind == "linear":
                out[part] = np.concatenate(list(standard.values()), axis=1)
                continue
            likeness = np.ones((len(part), len(self.whiten_)), dtype=np.float32)
            for view, values in standard.items():
                likeness *= np.exp(-_distances(values, self.landmarks_[view]) / self.widths_[view])
            out[part] = likeness @ self.whiten_
        return out

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As a call on rows that have every view, written down."""
        standard = {}
        for view in self.views:
            spread, d = np.asarray(self.scales_[view], np.float64), len(self.means_[view])
            apart = ((rows[view].wide() - self.means_[view]) * (1 / spread)).clip(-_CLIP, _CLIP)
            standard[view] = (apart * (1 / np.sqrt(d))).narrow()
        if self.kind == "linear":
            return join(list(standard.values()))
        likeness: Symbol | None = None
        for view, values in standard.items():
            marks = self.landmarks_[view]
            apart = ((values * values).sum() + np.square(marks).sum(axis=1) - (values @ marks.T) * 2.0).at_least(0)
            near = (apart * (-1 / self.widths_[view])).exp()
            likeness = near if likeness is None else likeness * near
        assert likeness is not None
        return likeness @ self.whiten_

    def _standard(self, view: str, values: np.ndarray) -> np.ndarray:
        standard = np.clip((values - self.means_[view]) / self.scales_[view], -_CLIP, _CLIP)
        return (standard / np.sqrt(values.shape[1])).astype(np.float32)


def shared(held: Blocks, views: Sequence[str]) -> np.ndarray:
    """`(n,)` the rows in which every one of the views is present."""
    mask: np.ndarray = np.all([held[view].present for view in views], axis=0)
    return mask


def _sparse(rows: np.ndarray) -> bool:
    """Whether there are many columns, and of nine in ten most rows have a zero."""
    return rows.shape[1] >= _WIDE and bool(((rows == 0).mean(axis=0) > 0.5).mean() >= _MARKS)


def _moments(values: np.ndarray | Tokens, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(d,)` mean and standard deviation over some rows, some thousands in memory at a time."""
    parts = _parts([values], rows)
    mean = sum(values[part].astype(np.float64).sum(axis=0) for part in parts) / len(rows)
    squares = sum(np.square(values[part].astype(np.float64) - mean).sum(axis=0) for part in parts)
    return mean, np.sqrt(squares / len(rows))


def _parts(several: Sequence[np.ndarray | Tokens], rows: np.ndarray) -> list[np.ndarray]:
    """The rows, as many at a time as some thousand vectors or tokens of any of these are."""
    steps = max([1, *(values.steps for values in several if isinstance(values, Tokens))])
    size = max(1, _CHUNK // steps)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(n, m)` squared Euclidean distances."""
    apart: np.ndarray = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * (a @ b.T)
    return np.maximum(apart, 0)
