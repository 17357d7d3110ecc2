"""Kernel canonical correlation analysis: CCA on nonlinear features, which compare an item with some landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from chiasm.align._aligner import Aligner
from chiasm.align._canonical import Canonical, canonical
from chiasm.align._moments import widths
from chiasm.align._select import Candidate, Maps, fit_moments
from chiasm.allowed import COUNT, POSITIVE, PRECISION, SEED, number
from chiasm.graph import Symbol
from chiasm.scale import one_thread
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import check_pairs
from chiasm.views import Column, Views, as_views

__all__ = ["KCCA"]

_MOST = 500


class KCCA(Aligner):
    """CCA between Gaussian kernel features of the views, by the Nystroem method.

    m landmarks L are drawn among a view's items. An item x becomes f(x) = K(x, L) K(L, L)^-1/2 with K(x, l) =
    exp(-|x - l|^2 / (2 w^2)) and w = bandwidth x the median distance between landmarks; two items' features multiply to
    their kernel as far as the landmarks span it. The features are then solved as in `cca`, each direction scaled by
    sqrt(its correlation).

    Choose it when the views agree in something curved (a sign is lost, a distance from a center counts) that no linear
    map finds. On captions and pictures of pretrained encoders it found less than `cca` with all pairs, at many times
    the cost; on lips and voices, handwritten digits and simulated views more (docs/align.md).

    Args:
        landmarks: m, at most 500 and at most a view's items.
        bandwidth: in median distances between landmarks; None: chosen by retrieval on validation rows.
        k: the shared width; None: chosen likewise among 16, 64 and m.
        ridge: in units of the mean eigenvalue of the features; None: chosen likewise.
        precision: of the products, "float32" or "float64".
        seed: of the landmarks, and of the choice when `fit` is given no validation rows.

    Learned: by view `landmarks_` `(m, d)`, `bandwidths_`, `weights_` `(m, k)` (K(L, L)^-1/2 is in them), `offsets_`
    `(k,)`; `correlations_` `(k,)`, `chosen_`, `trials_`. Takes n x m distances a view: minutes for millions of rows.

    >>> import numpy as np
    >>> a = np.random.default_rng(0).normal(size=(400, 2))
    >>> model = KCCA(landmarks=100, bandwidth=1.0, k=2, ridge=0.1).fit({"a": a, "b": a**2})
    >>> bool(model.correlations_[1] > 0.8)
    True

    Sources: Lai & Fyfe 2000; Akaho 2001; Bach & Jordan 2002; Williams & Seeger 2001 (Nystroem).
    """

    landmarks_: dict[str, np.ndarray]
    bandwidths_: dict[str, float]
    weights_: dict[str, np.ndarray]
    offsets_: dict[str, np.ndarray]
    correlations_: np.ndarray
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {
        "landmarks": number(2, whole=True),
        "bandwidth": POSITIVE.or_none(),
        "k": COUNT.or_none(),
        "ridge": POSITIVE.or_none(),
        "precision": PRECISION,
        "seed": SEED,
    }

    def __init__(
        self,
        landmarks: int = 200,
        bandwidth: float | None = None,
        k: int | None = None,
        ridge: float | None = None,
        precision: str = "float32",
        seed: int = 0,
    ):
        self.landmarks = landmarks
        self.bandwidth = bandwidth
        self.k = k
        self.ridge = ridge
        self.precision = precision
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> KCCA:
        """Learn from the pairs of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), every id weighing the same.

        What is left open is chosen on `val`, or without it on rows of `views`, which are learned from in the end.
        Raises a ChiasmError for fewer than two views or fewer than two pairs.
        """
        views = as_views(views)
        check_pairs(views)
        val = None if val is None else as_views(val)
        rng = np.random.default_rng(self.seed)
        self.landmarks_ = {name: self._draw(views, name, rng) for name in widths(views)}
        medians = {name: float(np.median(cdist(rows, rows))) or 1.0 for name, rows in self.landmarks_.items()}
        found: list[Any] = []
        self.trials_ = []
        for bandwidth in (2.0, 1.0) if self.bandwidth is None else (self.bandwidth,):
            self.bandwidths_ = {name: bandwidth * median for name, median in medians.items()}
            roots = {name: _root(self._kernel(name, rows)) for name, rows in self.landmarks_.items()}
            moments, chosen, trials = fit_moments(
                self._featured(views, roots),
                None if val is None else self._featured(val, roots),
                self._candidates(roots),
                _solver(),
                precision=self.precision,
                seed=self.seed,
            )
            self.trials_ += [{"bandwidth": bandwidth, **trial} for trial in trials]
            best = max((trial["score"] for trial in trials), default=0.0)
            found.append((best, -len(found), moments, {"bandwidth": bandwidth, **chosen}, self.bandwidths_, roots))
        _, _, moments, self.chosen_, self.bandwidths_, roots = max(found, key=lambda entry: entry[:2])
        with one_thread():
            weights, correlations = canonical(moments, self.chosen_["ridge"], moments.widths)
        self.correlations_ = correlations[: self.chosen_["k"]]
        scaled = {name: w[:, : self.chosen_["k"]] * np.sqrt(self.correlations_) for name, w in weights.items()}
        self.weights_ = {name: roots[name] @ matrix for name, matrix in scaled.items()}
        self.offsets_ = {name: moments.mean(name) @ matrix for name, matrix in scaled.items()}
        return self

    def _draw(self, views: Views, name: str, rng: np.random.Generator) -> np.ndarray:
        column = views[name]
        drawn = np.sort(rng.permutation(column.used)[: min(self.landmarks, _MOST)])
        rows = np.asarray(column.items[drawn], dtype=np.float64)
        return rows

    def _kernel(self, name: str, rows: np.ndarray) -> np.ndarray:
        squares = cdist(np.asarray(rows, dtype=np.float64), self.landmarks_[name], "sqeuclidean")
        values: np.ndarray = np.exp(-squares / (2 * self.bandwidths_[name] ** 2))
        return values

    def _featured(self, views: Views, roots: Mapping[str, np.ndarray]) -> Views:
        columns = {}
        for name, column in views.columns.items():
            used = column.used
            index = np.where(column.present, np.searchsorted(used, column.index), column.index)
            blocks = np.array_split(used, len(used) // 4096 + 1)
            rows = [(self._kernel(name, column.items[b]) @ roots[name]).astype(self.precision) for b in blocks]
            columns[name] = Column(column.modality, np.concatenate(rows), index)
        return views.replace(columns)

    def _candidates(self, roots: Mapping[str, np.ndarray]) -> list[Candidate]:
        widest = min(root.shape[1] for root in roots.values())
        ks = [self.k] if self.k is not None else [k for k in (16, 64) if k < widest] + [widest]
        ridges = [self.ridge] if self.ridge is not None else [1.0, 0.1, 0.01]
        return [{"ridge": ridge, "k": k} for ridge in ridges for k in ks]

    def _widths(self) -> dict[str, int]:
        return {name: rows.shape[1] for name, rows in self.landmarks_.items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        mapped: np.ndarray = self._kernel(name, rows) @ self.weights_[name] - self.offsets_[name]
        return mapped.astype(np.float32)

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        middle = self.landmarks_[name].mean(axis=0)  # taken off both: what is left of a distance keeps its digits
        near, marks = rows.wide() - middle, self.landmarks_[name] - middle
        squares = ((near * near).sum() + np.square(marks).sum(axis=1) - (near @ marks.T) * 2.0).at_least(0)
        kernel = (squares * (-0.5 / self.bandwidths_[name] ** 2)).exp()
        return (kernel @ self.weights_[name] - self.offsets_[name]).narrow()


def _root(kernel: np.ndarray) -> np.ndarray:
    """`(m, r)` K^-1/2 on the r directions in which K is more than rounding."""
    values, vectors = eigh(kernel)
    held = values > 1e-8 * values[-1]
    root: np.ndarray = vectors[:, held] / np.sqrt(values[held])
    return root


def _solver() -> Any:
    """Maps for a candidate; candidates that differ in k alone share one solution."""
    last: list[Any] = [None, None]

    def solve(moments: Covariance, candidate: Candidate) -> Maps:
        key = (candidate["ridge"], {name: moments.mean(name).tobytes() for name in moments.names})
        if last[0] != key:
            with one_thread():
                last[:] = key, canonical(moments, candidate["ridge"], moments.widths)
        return {name: _mapper(moments.mean(name), last[1], name, candidate["k"]) for name in moments.names}

    return solve


def _mapper(mean: np.ndarray, solution: Canonical, name: str, k: int) -> Any:
    matrix = solution[0][name][:, :k] * np.sqrt(solution[1][:k])
    return lambda rows: (rows - mean) @ matrix
