"""What the closed forms share: fit from moments; then update, merge and forget at the same hyperparameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from chiasm.align._aligner import Linear
from chiasm.align._select import Candidate, Maps, fit_moments
from chiasm.errors import ChiasmError
from chiasm.scale import one_thread
from chiasm.splits import cut
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import check_pairs
from chiasm.views import Column, Views, as_views

__all__ = ["Closed", "Span", "Spans", "check_finite", "means_by_id", "spans", "turned", "widths"]


class Span(NamedTuple):
    """The space that a view's few rows span: a center `(d,)` and an orthonormal basis `(d, r)`."""

    center: np.ndarray
    basis: np.ndarray


Spans = Mapping[str, Span]


class Closed(Linear):
    """A linear aligner whose weights follow from the moments of the views alone.

    Moments add, so all of these equal a fit of the whole at the same hyperparameters (tested): `partial_fit` adds rows,
    `merge` adds what another aligner has learned, `forget` takes rows out. Every id comes wholly in one call.

    Learned: `moments_`, `means_`, `weights_`, `chosen_` (hyperparameters), `trials_` (candidates and their scores).

    A subclass says what its candidates are, what a candidate solves and the weights of a solution.
    """

    moments_: Covariance
    spare = ("moments_",)
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]
    precision: str
    seed: int

    _free: ClassVar[tuple[str, ...]] = ()
    """The hyperparameters that `_weights` applies: candidates that differ in these alone share one solution."""

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Self:
        """Learn from the pairs of `views` (Views, dict of arrays `(n, d_v)`, DataFrame), every id weighing the same.

        What is left open (None) is chosen by retrieval on `val`, which is not learned from; without `val`, on rows of
        `views`, which are all learned from in the end.

        Raises a ChiasmError for fewer than two views or fewer than two pairs.
        """
        views = as_views(views)
        check_pairs(views)
        val = None if val is None else as_views(val)
        bases = spans(views, val)
        solver = _Solver(self, widths(views))
        moments, self.chosen_, self.trials_ = fit_moments(
            turned(views, bases),
            None if val is None else turned(val, bases),
            self._candidates(views),
            solver,
            precision="float64" if bases else self.precision,
            seed=self.seed,
        )
        solution = solver.solve(moments, self.chosen_)
        weights = self._lift(self._weights(solution, self.chosen_), bases)
        return self._learn(Covariance(self.precision).add(views) if bases else moments, solution, weights)

    def partial_fit(self, views: Any, y: None = None) -> Self:
        """Learn from more rows, of new ids, at the same hyperparameters.

        On an aligner that is not fitted: the first rows, nothing chosen; what is left open takes its usual value. So
        can shards be fitted apart and merged.
        """
        views = as_views(views)
        if not self.learned():
            check_pairs(views)
            moments = Covariance(self.precision).add(views)
            return self._resolve(moments, self._usual(moments), [])
        moments = copy.deepcopy(self.moments_)
        return self._resolve(moments.merge(moments.empty_like().add(views)), self.chosen_, self.trials_)

    def merge(self, other: Self) -> Self:
        """Learn what another aligner of this class has learned from other ids, at this one's hyperparameters.

        Raises a ChiasmError when the two share no view, or a view has another width there.
        """
        self.check_fitted()
        if type(other) is not type(self):
            raise ChiasmError(f"wanted another {type(self).__name__} to merge, got {type(other).__name__}.")
        other.check_fitted()
        if not set(self.means_) & set(other.means_):
            raise ChiasmError(
                f"wanted aligners that share a view, got {', '.join(self.means_)} and {', '.join(other.means_)}."
            )
        return self._resolve(copy.deepcopy(self.moments_).merge(other.moments_), self.chosen_, self.trials_)

    def forget(self, views: Any) -> Self:
        """Take rows out again, as if they had never been learned from, at the same hyperparameters.

        The rows must be those that were given, with the same vectors. Raises a ChiasmError, and changes nothing, when
        they are more than were learned from, or cannot have been among them.
        """
        self.check_fitted()
        views = as_views(views)
        gone = self.moments_.empty_like().add(views)
        moments = copy.deepcopy(self.moments_).merge(gone, sign=-1)
        for name in moments.names:
            met = [moments.count(name, other) for other in moments.names if other != name]
            if moments.count(name) < 2 or max(met) < 2 or min(met) < 0:
                raise ChiasmError(
                    f"wanted to keep at least 2 things that have {name!r} and another view, got {gone.count(name)} to "
                    f"forget of {self.moments_.count(name)} learned from."
                )
            spread = np.diag(moments.auto(name))
            if spread.min() < -1e-5 * np.abs(spread).max():
                raise ChiasmError(f"wanted rows that were learned from, got others: view {name!r} varies less than 0.")
        return self._resolve(moments, self.chosen_, self.trials_)

    def permutation_test(self, views: Any, permutations: int = 199) -> dict[str, Any]:
        """Whether the views have anything in common: the chance that unrelated views would agree as much.

        A fresh copy of this aligner learns from half of the ids (and chooses there). The statistic is the correlation
        of the views in the shared space over the other half: with the centered, mapped rows as one long vector a view,
        the mean cosine of two views' vectors. Then the rows of each view but the first are dealt to other ids
        `permutations` times. p = (1 + times the statistic was reached) / (1 + permutations): exact whatever the
        distribution, as those rows were not learned from. Source: Phipson & Smyth 2010.

        Returns statistic, p, permutations, things (ids in the held-out half), null_mean, null_sd.
        """
        views = as_views(views)
        if permutations < 1:
            raise ChiasmError(f"wanted at least 1 permutation, got {permutations}.")
        half = cut(views, {"learn": 1, "test": 1}, self.seed)
        mapped = type(self)(**self.get_params(deep=False)).fit(views[half == "learn"]).transform(views[half == "test"])
        vectors, present = [], []
        for name in mapped.names:
            values, held = means_by_id(mapped, name)
            values[held] -= values[held].mean(axis=0)
            vectors.append(values)
            present.append(np.flatnonzero(held))
        rng = np.random.default_rng(self.seed)
        statistic, null = _agreement(vectors), np.empty(permutations)
        for i in range(permutations):
            dealt = [vectors[0]]
            for values, at in zip(vectors[1:], present[1:], strict=True):
                moved = values.copy()
                moved[at] = values[rng.permutation(at)]
                dealt.append(moved)
            null[i] = _agreement(dealt)
        return {
            "statistic": statistic,
            "p": float((1 + (null >= statistic).sum()) / (1 + permutations)),
            "permutations": permutations,
            "things": mapped.things,
            "null_mean": float(null.mean()),
            "null_sd": float(null.std()),
        }

    def _resolve(self, moments: Covariance, chosen: dict[str, Any], trials: list[dict[str, Any]]) -> Self:
        solution = _Solver(self, moments.widths).solve(moments, chosen)
        weights = self._weights(solution, chosen)
        self.chosen_, self.trials_ = chosen, trials
        return self._learn(moments, solution, weights)

    def _learn(self, moments: Covariance, solution: Any, weights: dict[str, np.ndarray]) -> Self:
        self.moments_ = moments
        self.means_ = {name: moments.mean(name) for name in moments.names}
        self.weights_ = {name: np.ascontiguousarray(matrix) for name, matrix in weights.items()}
        self._record(solution, self.chosen_)
        return self

    def _candidates(self, views: Views) -> Sequence[Candidate]:
        """What `fit` chooses from; of equals the first is taken."""
        raise NotImplementedError

    def _usual(self, moments: Covariance) -> dict[str, Any]:
        """The hyperparameters when nothing is chosen."""
        raise NotImplementedError

    def _solve(self, moments: Covariance, candidate: Candidate, widths: Mapping[str, int]) -> Any:
        """The costly part. `widths` are the views' own; `moments` may be in the coordinates of the rows' span."""
        raise NotImplementedError

    def _weights(self, solution: Any, candidate: Candidate) -> dict[str, np.ndarray]:
        """`(d, k)` by view; a view left out is only centered."""
        raise NotImplementedError

    def _lift(self, weights: dict[str, np.ndarray], bases: Spans) -> dict[str, np.ndarray]:
        """Weights for the coordinates of the spans -> weights for the views."""
        return {name: bases[name].basis @ w if name in bases else w for name, w in weights.items()}

    def _record(self, solution: Any, candidate: Candidate) -> None:
        """Store what else a solution tells."""


class _Solver:
    """Maps for a candidate; the last solution is kept for candidates that share it."""

    def __init__(self, part: Closed, widths: Mapping[str, int]) -> None:
        self.part = part
        self.widths = widths
        self.last: tuple[Any, Any] | None = None

    def solve(self, moments: Covariance, candidate: Candidate) -> Any:
        counts = {name: (moments.count(name), moments.alone_[name][1].tobytes()) for name in moments.names}
        key = (counts, {k: v for k, v in candidate.items() if k not in self.part._free})
        if self.last is None or self.last[0] != key:
            with one_thread():
                self.last = (key, self.part._solve(moments, candidate, self.widths))
        return self.last[1]

    def __call__(self, moments: Covariance, candidate: Candidate) -> Maps:
        weights = self.part._weights(self.solve(moments, candidate), candidate)

        def mapper(name: str) -> Any:
            mean = moments.mean(name)
            return lambda rows: (rows - mean) @ weights[name] if name in weights else rows - mean

        return {name: mapper(name) for name in moments.names}


def widths(views: Views) -> dict[str, int]:
    """By view, its width d."""
    return {name: column.width for name, column in views.columns.items()}


def spans(views: Views, val: Views | None) -> dict[str, Span]:
    """The spans of the views that have clearly fewer items than dimensions.

    There every closed form with a ridge is exact in n coordinates instead of d, as its weights are combinations of the
    rows. Validation rows belong to the span, so that their lengths stay what they are.
    """
    found = {}
    for name, column in views.columns.items():
        more = val.columns[name] if val is not None and name in val.columns else None
        if len(column.used) + (0 if more is None else len(more.used)) > 0.7 * column.width:
            continue
        rows = np.asarray(column.items[column.used], dtype=np.float64)
        if more is not None and more.width == column.width:
            rows = np.concatenate([rows, np.asarray(more.items[more.used], dtype=np.float64)])
        if np.isfinite(rows).all():  # what is not is refused by name where moments are taken
            center = rows.mean(axis=0)
            found[name] = Span(center, np.linalg.qr((rows - center).T)[0])
    return found


def turned(views: Views, bases: Spans) -> Views:
    """The views in the coordinates of their spans."""
    columns = dict(views.columns)
    for name, span in bases.items():
        if name in columns:
            column = columns[name]
            used = column.used
            index = np.where(column.present, np.searchsorted(used, column.index), column.index)
            columns[name] = Column(column.modality, (column.items[used] - span.center) @ span.basis, index)
    return views.replace(columns)


def check_finite(rows: np.ndarray, name: str) -> None:
    """Raise a ChiasmError when a view's rows hold NaN or infinity."""
    if not np.isfinite(rows).all():
        raise ChiasmError(f"view {name!r} holds values that are not finite: leave such rows absent.")


def means_by_id(views: Views, name: str) -> tuple[np.ndarray, np.ndarray]:
    """`(things, d)` mean item of each id (zeros where it has none), and a mask `(things,)` of those that have one."""
    column, mask = views[name], views.present(name)
    found = np.unique(np.stack([views.codes[mask], column.index[mask]], axis=1), axis=0)
    sums, counts = np.zeros((views.things, column.width)), np.bincount(found[:, 0], minlength=views.things)
    np.add.at(sums, found[:, 0], column.items[found[:, 1]])
    return sums / np.maximum(counts, 1)[:, None], counts > 0


def _agreement(vectors: Sequence[np.ndarray]) -> float:
    """The mean cosine between the views' rows laid end to end."""
    unit = [values.ravel() / max(np.linalg.norm(values), 1e-300) for values in vectors]
    whole = np.sum(unit, axis=0)
    pairs = len(unit) * (len(unit) - 1) / 2
    return float((whole @ whole - sum(u @ u for u in unit)) / 2 / pairs)
