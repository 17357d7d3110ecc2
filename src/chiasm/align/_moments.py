"""What the closed forms share: fit from moments; then update, merge and forget at the same hyperparameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from chiasm.align._aligner import Linear
from chiasm.align._known_ids import digests, joined, without
from chiasm.align._select import Candidate, Maps, fit_moments
from chiasm.allowed import PRECISION, SEED
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.scale import one_thread
from chiasm.splits import cut
from chiasm.stats.covariance import Covariance, check_narrow
from chiasm.stats.relevance import check_pairs
from chiasm.views import Column, Views, as_views

__all__ = ["Closed", "Span", "Spans", "means_by_id", "spans", "turned", "widths"]


class Span(NamedTuple):
    """The space that a view's few rows span: a center `(d,)` and an orthonormal basis `(d, r)`."""

    center: np.ndarray
    basis: np.ndarray


Spans = Mapping[str, Span]


class Closed(Linear):
    """A linear aligner whose weights follow from the moments of the views alone.

    Moments add, so all of these equal a fit of the whole at the same hyperparameters (tested): `partial_fit` adds rows,
    `merge` adds what another aligner has learned, `forget` takes rows out. Every id comes wholly in one call.

    Where the rows have ids (`Views` with ids, as `chiasm.read` gives them), what would be learned twice, or forgotten
    though it was never learned, is refused with how many ids. Plain arrays have none: there the caller has to know.

    Learned: `moments_`, `means_`, `weights_`, `chosen_` (hyperparameters), `trials_` (candidates and their scores);
    `ids_`, 8 bytes an id, where there are ids.

    A subclass says what its candidates are, what a candidate solves and the weights of a solution.
    """

    moments_: Covariance
    spare = ("moments_", "ids_")
    ids_: np.ndarray
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]
    precision: str
    seed: int

    allowed: ClassVar = {"precision": PRECISION, "seed": SEED}

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
        wide = widths(views)
        check_narrow(wide)
        bases = spans(views, val)
        solver = _Solver(self, wide)
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
        self._know(digests(views))
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
            self._resolve(moments, self._usual(moments), [])
            return self._know(digests(views))
        ids = joined(self._known(), digests(views))
        moments = copy.deepcopy(self._moments())
        self._resolve(moments.merge(moments.empty_like().add(views)), self.chosen_, self.trials_)
        return self._know(ids)

    def merge(self, other: Self) -> Self:
        """Learn what another aligner of this class has learned from other ids, at this one's hyperparameters.

        Raises a ChiasmError when the two share no view or share ids, or a view has another width there.
        """
        self.check_fitted()
        if type(other) is not type(self):
            raise ChiasmError(f"wanted another {type(self).__name__} to merge, got {type(other).__name__}.")
        other.check_fitted()
        if not set(self.means_) & set(other.means_):
            raise ChiasmError(
                f"wanted aligners that share a view, got {', '.join(self.means_)} and {', '.join(other.means_)}."
            )
        ids = joined(self._known(), other._known())
        self._resolve(copy.deepcopy(self._moments()).merge(other._moments()), self.chosen_, self.trials_)
        return self._know(ids)

    def forget(self, views: Any) -> Self:
        """Take rows out again, as if they had never been learned from, at the same hyperparameters.

        The rows must be those that were given, with the same vectors. Raises a ChiasmError, and changes nothing, when
        they are more than were learned from, or cannot have been among them.
        """
        self.check_fitted()
        views = checked(views)
        ids = without(self._known(), digests(views))
        gone = self._moments().empty_like().add(views)
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
        self._resolve(moments, self.chosen_, self.trials_)
        return self._know(ids)

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

    def _moments(self) -> Covariance:
        """The moments; a ChiasmError where they were dropped."""
        if not hasattr(self, "moments_"):
            raise ChiasmError("what updates need was dropped to keep the model small: fit the aligner itself again.")
        return self.moments_

    def _known(self) -> np.ndarray | None:
        """Digests of the ids learned from; None where they are not known (plain arrays, a model saved before 0.2)."""
        held: np.ndarray | None = vars(self).get("ids_")
        return held

    def _know(self, ids: np.ndarray | None) -> Self:
        vars(self).pop("ids_", None)
        if ids is not None:
            self.ids_ = ids
        return self

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
