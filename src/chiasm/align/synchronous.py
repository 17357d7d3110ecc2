"""Canonical correlation of what happens at the same time: for views of several steps of time, such as sound and video.

Sources: Hotelling 1936; Slaney & Covell, FaceSync, NIPS 2000 (canonical directions of sound and face, over time);
Li et al. 2024, arXiv 2410.07610 (weighting by correlation).
"""

from __future__ import annotations

from itertools import groupby, product
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

from chiasm.align._aligner import Aligner
from chiasm.align._canonical import canonical
from chiasm.align._moments import widths
from chiasm.align._select import folds
from chiasm.allowed import COUNT, POSITIVE, SEED, SIZE
from chiasm.errors import ChiasmError
from chiasm.scale import one_thread
from chiasm.stats.covariance import Covariance
from chiasm.stats.relevance import check_pairs, reciprocal_rank
from chiasm.views import ABSENT, Column, Views, as_views

__all__ = ["Synchronous"]

_RIDGES = (0.01, 0.1, 1.0, 10.0)
_CONTEXTS = (2, 1, 0, 4)
_KS = (32, 8, 16, 64)
_MOST_STEPS = 16_384
"""Of one product, and of the rows from which a view's components are taken."""


class Synchronous(Aligner):
    """CCA between steps of time, each with its neighbors; a clip becomes its steps' coordinates side by side.

    A view is a column of T tokens of width d in order of time, which every encoder of audio or video gives with
    `steps=T`, or the same side by side, `(n, T * d)`. From each clip its own mean over time is taken off, since what
    never changes tells nothing about when.
    A view's steps are reduced to their `components` first principal components, each is joined with `context` steps
    before and after it (at the edges the last one again), and the n T pairs of steps are solved as in `cca`. With u_t
    and v_t the coordinates of two clips at step t, each direction scaled by sqrt(its correlation) and of mean 0 over
    time, the cosine of the mapped clips is the correlation of what happens at the same time:

        sum_t <u_t, v_t> / sqrt(sum_t |u_t|^2 sum_t |v_t|^2)

    Choose it where two recordings of one event must be matched by their timing: which face says this, which film has
    this sound track. A clip of 75 steps teaches 75 times, so some hundred clips are enough. Choose `cca` on pooled
    features where views agree in what they show rather than in when. With one step it is `cca` on the principal
    components. The views must be in time with each other to a step or so, when learning and when asked.

    On 650 clips of one talker (benchmarks/time/talking_face.py) a voice finds its face among 75 in 94.0 % of cases
    [91.0, 97.0] and a face its voice in 96.3 % [94.5, 98.0]; `cca` on the principal components of all steps side by
    side in 57.1 % and 56.0 %, on means and deviations over time in 36.9 % and 33.9 %, on the means alone, which know
    no time, still in 22 %. Sound that comes 40 ms late leaves 65 %, 80 ms late
    12 %. The sound has then taught where to look: of the words, a fuser reads 52.9 % from the face's coordinates, and
    39.2 % from the principal components that they are made of.

    Args:
        steps: T, the same in all views; None: as many as the columns hold tokens (the encoders' `steps`), else 1.
        k: coordinates a step; None: chosen by retrieval of whole clips on validation rows among 8, 16, 32, 64.
        ridge: in units of the mean eigenvalue; None: chosen likewise among 0.01, 0.1, 1, 10.
        context: steps on each side; None: chosen likewise among 0, 1, 2, 4.
        components: principal components of a view's steps that are kept; no less than d keeps them all.
        seed: of the draw of clips for the components, and of the choice when `fit` is given no validation rows.

    Learned: `steps_` (T); by view `bases_` `(d, r)`, `weights_` `((2 context + 1) r, k)`, `offsets_` `(k,)`;
    `correlations_` `(k,)` of steps, `chosen_`, `trials_`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> loud = rng.normal(size=(80, 20, 1))  # what 80 clips of 20 steps have in common, under two kinds of noise
    >>> views = {name: (loud + rng.normal(size=(80, 20, 3))).reshape(80, 60) for name in ("sound", "lips")}
    >>> model = Synchronous(steps=20, k=1, ridge=0.01, context=0).fit({name: v[:40] for name, v in views.items()})
    >>> model.score({name: v[40:] for name, v in views.items()}) > 0.9, model.transform(views)["sound"].width
    (True, 20)
    """

    bases_: dict[str, np.ndarray]
    weights_: dict[str, np.ndarray]
    offsets_: dict[str, np.ndarray]
    correlations_: np.ndarray
    chosen_: dict[str, Any]
    trials_: list[dict[str, Any]]

    allowed: ClassVar = {
        "steps": COUNT.or_none(),
        "k": COUNT.or_none(),
        "ridge": POSITIVE.or_none(),
        "context": SIZE.or_none(),
        "components": COUNT,
        "seed": SEED,
    }

    def __init__(
        self,
        steps: int | None = None,
        k: int | None = None,
        ridge: float | None = None,
        context: int | None = None,
        components: int = 100,
        seed: int = 0,
    ):
        self.steps = steps
        self.k = k
        self.ridge = ridge
        self.context = context
        self.components = components
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, val: Any = None) -> Synchronous:
        """Learn from the pairs of `views` (Views, dict of arrays `(n, T * d_v)`, DataFrame), ids weighing the same.

        What is left open is chosen on `val`, or without it on rows of `views`, which are learned from in the end.
        Raises a ChiasmError for fewer than two views or pairs, or a view that does not divide into `steps`.
        """
        views, val = as_views(views), None if val is None else as_views(val)
        check_pairs(views)
        self.steps_ = self._count(views)
        self._check(views)
        if val is not None:
            self._check(val)
        self.bases_ = {name: self._basis(views, name) for name in views.names}
        views, val = self._each(views, self._reduced), None if val is None else self._each(val, self._reduced)
        tried = self._candidates()
        self.trials_ = []
        if len(tried) > 1:
            cuts = folds(views, val, self.seed)
            scores = np.zeros((max(len(cuts), 1), len(tried)))
            for row, (mask, held) in zip(scores, cuts, strict=False):
                row[:] = self._tried(views if mask is None else views[~mask], held, tried)
            means = scores.mean(axis=0).tolist()
            self.trials_ = [{**one, "score": score} for one, score in zip(tried, means, strict=True)]
            self.chosen_ = tried[int(np.argmax(means))]  # the first of equals
        else:
            self.chosen_ = tried[0]
        moments = self._moments(views, self.chosen_["context"])
        with one_thread():
            found, correlations = canonical(moments, self.chosen_["ridge"], moments.widths)
        self.correlations_ = correlations[: self.chosen_["k"]]
        scale = np.sqrt(self.correlations_)
        self.weights_ = {name: matrix[:, : len(scale)] * scale for name, matrix in found.items()}
        self.offsets_ = {name: moments.mean(name) @ matrix for name, matrix in self.weights_.items()}
        return self

    def _count(self, views: Views) -> int:
        """T: as given, or as the columns of tokens say; 1 where they hold none."""
        told = {column.steps for column in views.columns.values()} - {0}
        if self.steps is None and len(told) > 1:
            raise ChiasmError(
                f"wanted as many steps in every view, got {' and '.join(map(str, sorted(told)))}: encode them alike."
            )
        return self.steps if self.steps is not None else max(told, default=1)

    @property
    def _t(self) -> int:
        """T; models of format 1 kept it as the parameter alone."""
        return int(getattr(self, "steps_", self.steps or 1))

    def _check(self, views: Views) -> None:
        for name, width in widths(views).items():
            if width % self._t:
                raise ChiasmError(
                    f"wanted {self._t} steps of equal width side by side, got view {name!r} of width {width}: "
                    f"encode it with steps={self._t}."
                )

    def _candidates(self) -> list[dict[str, Any]]:
        """All that is tried, the candidates of one context together."""
        least = min(basis.shape[1] for basis in self.bases_.values())
        contexts = [c for c in _CONTEXTS if 2 * c < self._t] if self.context is None else [self.context]
        ridges = _RIDGES if self.ridge is None else (self.ridge,)
        found = []
        for context in contexts:
            widest = (2 * context + 1) * least
            ks = ([k for k in _KS if k < widest] or [widest]) if self.k is None else [self.k]
            found += [{"context": context, "ridge": ridge, "k": k} for ridge, k in product(ridges, ks)]
        return found

    def _tried(self, train: Views, held: Views, candidates: list[dict[str, Any]]) -> list[float]:
        """How well each candidate, learned from the components of `train`, finds the clips of `held`."""
        rows = {name: np.asarray(c.items[c.used]) for name, c in held.columns.items() if len(c.used)}
        found = []
        for context, same in groupby(candidates, itemgetter("context")):
            moments = self._moments(train, context)
            seen = {name: self._near(values, context) - moments.mean(name) for name, values in rows.items()}
            for ridge, ks in groupby(same, itemgetter("ridge")):
                with one_thread():
                    weights, correlations = canonical(moments, ridge, moments.widths)
                mapped = {name: values @ (weights[name] * np.sqrt(correlations)) for name, values in seen.items()}
                for one in ks:
                    sides = {name: self._flat(values[..., : one["k"]]) for name, values in mapped.items()}
                    found.append(reciprocal_rank(held, sides))
        return found

    def _basis(self, views: Views, name: str) -> np.ndarray:
        """`(d, r)` the first principal directions of a view's steps around their clip's mean."""
        column = views[name]
        width = column.width // self._t
        if width <= self.components:
            return np.eye(width, dtype=np.float32)
        from sklearn.utils.extmath import randomized_svd

        drawn = np.random.default_rng(self.seed).permutation(column.used)[: max(2, _MOST_STEPS // self._t)]
        rows = np.asarray(column.items[np.sort(drawn)])
        steps = rows.reshape(len(rows), self._t, width)
        steps = (steps - steps.mean(axis=1 if self._t > 1 else 0, keepdims=True)).reshape(-1, width)
        count = min(self.components, len(steps))
        basis: np.ndarray = randomized_svd(steps, n_components=count, random_state=self.seed)[2].T
        return np.ascontiguousarray(basis)

    def _reduced(self, name: str, rows: np.ndarray) -> np.ndarray:
        """`(m, T * d)` -> `(m, T * r)`: the components of each step, the clip's mean taken off."""
        basis, found = self.bases_[name], []
        for part in np.array_split(rows, len(rows) * self._t // _MOST_STEPS + 1):
            steps = part.reshape(len(part), self._t, len(basis))
            if self._t > 1:
                steps = steps - steps.mean(axis=1, keepdims=True)
            found.append((steps @ basis).reshape(len(part), self._t * basis.shape[1]))
        return np.concatenate(found)

    def _near(self, rows: np.ndarray, context: int) -> np.ndarray:
        """`(m, T * r)` -> `(m, T, (2 context + 1) r)`: each step beside its neighbors."""
        steps = rows.reshape(len(rows), self._t, rows.shape[1] // self._t)
        near = np.arange(self._t)[:, None] + np.arange(-context, context + 1)
        seen: np.ndarray = steps[:, np.clip(near, 0, self._t - 1)]
        return seen.reshape(len(rows), self._t, near.shape[1] * steps.shape[2])

    def _flat(self, values: np.ndarray) -> np.ndarray:
        """`(m, T, k)` -> `(m, T * k)`, of mean 0 over time where there is a time."""
        if self._t > 1:
            values = values - values.mean(axis=1, keepdims=True)
        return values.reshape(len(values), self._t * values.shape[2])

    def _moments(self, views: Views, context: int) -> Covariance:
        """Moments of the steps, from their components: step t of an id is one thing."""
        moments, time = Covariance(), np.arange(self._t)
        for part in views.chunks(max(1, _MOST_STEPS // self._t)):
            columns = {}
            for name, column in part.columns.items():
                if len(used := column.used):
                    seen = self._near(np.asarray(column.items[used]), context)
                    place = np.searchsorted(used, column.index)[:, None] * self._t + time
                    index = np.where(column.present[:, None], place, ABSENT).ravel()
                    columns[name] = Column("vector", seen.reshape(-1, seen.shape[2]), index)
            if columns:
                moments.add(Views(columns, (part.codes[:, None] * self._t + time).ravel()))
        return moments

    def _widths(self) -> dict[str, int]:
        return {name: len(basis) * self._t for name, basis in self.bases_.items()}

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        seen = self._near(self._reduced(name, rows), self.chosen_["context"])
        dtype = seen.dtype  # float64 where the view is: an offset costs no digits
        mapped = seen @ self.weights_[name].astype(dtype) - self.offsets_[name].astype(dtype)
        return self._flat(mapped)
