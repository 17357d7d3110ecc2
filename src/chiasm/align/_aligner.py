"""What all aligners share: mapping in chunks and the score; and the linear map that most of them learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from itertools import permutations
from typing import Any, Self

import numpy as np

from chiasm.asked import check_width, features_of, in_order
from chiasm.encoding import with_digests
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.finite import check_varied, checked
from chiasm.frames import is_matrix
from chiasm.graph import Symbol
from chiasm.part import Part
from chiasm.scale import one_thread
from chiasm.score import Score
from chiasm.stats.ranking import ranks
from chiasm.stats.relevance import relevance
from chiasm.stats.resample import bootstrap, interval
from chiasm.views import Column, Views, normalize

__all__ = ["Aligner", "Linear", "centered"]

_CHUNK = 4096
_AT = (1, 5, 10)


class Aligner(Part):
    """Views -> Views of one shared width, a view at a time. A subclass implements `fit`, `_widths` and `_map`.

    One that maps in another way overrides `transform` instead of these two. `fit(views, y=None)` may also name `val`
    (validation rows, or None) and gets them then.

    Whatever a subclass does, its `fit` and `partial_fit` get Views whose vectors are finite, and `fit` views that vary;
    others are refused by name. A warning tells where the space came out narrower than the `k` that was asked for.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("fit", "partial_fit"):
            if name in vars(cls):
                setattr(cls, name, _at_the_door(vars(cls)[name], varied=name == "fit"))

    features_: dict[str, list[str]]
    """By view what a DataFrame called its numbers, learned by whatever `fit` a subclass has."""

    def fit(self, views: Any, y: Any = None) -> Self:
        """Learn from encoded views (Views, a dict of arrays `(n, d)`, a DataFrame). Returns self."""
        raise NotImplementedError

    def fit_transform(self, views: Any, y: Any = None) -> Views:
        """`fit`, then `transform`."""
        _check_several(views, y)
        return self.fit(views).transform(views)

    def transform(self, views: Any) -> Views:
        """The views that were fitted -> columns of the shared width k. A view maps alone as in company."""
        return self._each(views, lambda name, rows: self._map(name, rows).astype(np.float32, copy=False))

    def _each(self, views: Any, function: Callable[[str, np.ndarray], np.ndarray]) -> Views:
        """The views with `function(name, rows)` of their items, in chunks; rows are float64 where the view is."""
        self.check_fitted()
        widths = self._widths()
        views = in_order(checked(views, widths), vars(self).get("features_", {}))
        columns = {}
        for name, column in views.columns.items():
            if name not in widths:
                raise unknown("fitted view", name, widths)
            check_width(name, column.width, widths[name])
            starts = range(0, len(column.items), _CHUNK)
            rows = (np.arange(s, min(s + _CHUNK, len(column.items))) for s in starts)
            with one_thread(len(column.items)):
                parts = [function(name, _floats(column.items[r])) for r in rows]
                mapped = np.concatenate(parts or [function(name, np.zeros((0, widths[name]), np.float32))])
            columns[name] = Column(column.modality, mapped, column.index, labels=column.labels, digests=column.digests)
        return views.replace(columns)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """A name for every number of what `transform` gives, view after view: "caption_0"."""
        self.check_fitted()
        widths = {name: self._mapped_width(name) for name in self._widths()}
        return np.array([f"{name}_{i}" for name, width in widths.items() for i in range(width)], dtype=object)

    def set_output(self, *, transform: str | None = None) -> Self:
        """As scikit-learn's pipelines ask. An aligner gives Views: "default" is all that there is. Returns self."""
        if transform not in (None, "default"):
            raise ChiasmError(
                f'wanted transform="default", got {transform!r}: an aligner gives Views, whose columns have different '
                "rows absent; take views[name].items, and name them by get_feature_names_out."
            )
        return self

    def uncorrected(self, views: Any) -> Views:
        """As `transform`, without what tells a view by the places it fills, where the aligner adds such; else equal."""
        return self.transform(views)

    def without_correction(self, vectors: np.ndarray) -> np.ndarray:
        """Mapped vectors `(n, k)`, 0 where a correction is folded into them (`auto`, `corrected`); else as they are.

        The product of such a one with any mapped vector is that of `uncorrected` ones, up to a factor that all share.
        Items of one view are compared so, since equal biases of a correction between views are no likeness, and items
        of several views are added so.
        """
        return vectors

    def owed(self, name: str, to: str, vectors: np.ndarray) -> np.ndarray:
        """`(n,)` by how much less mapped vectors of view `name` score with every item of `to` than a cosine would say.

        Nothing but where a correction is folded into the vectors (`auto`, `corrected`).
        """
        return np.zeros(len(vectors), np.float32)

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """What `transform` does to rows `(n, d)` of a view, written down: `chiasm.export` makes an ONNX file of it.

        Raises a ChiasmError where the aligner does not tell.
        """
        raise ChiasmError(
            f"wanted an aligner whose map can be written as ONNX, got {type(self).__name__}, which does not tell its "
            "own (no method traced): fit with auto, corrected, cca, ridge, pls, procrustes, kcca, asif or contrastive."
        )

    @property
    def reads(self) -> dict[str, int]:
        """By fitted view, how many numbers a row of it has."""
        self.check_fitted()
        return dict(self._widths())

    def score(self, views: Any, y: None = None) -> Score:
        """Mean R@1 over the ordered pairs of views (the float), 0..1, and for each R@1, 5, 10 with 95 % intervals.

        A gallery holds each distinct item of these rows once; a hit is any item of the query's id. Intervals resample
        ids. `retrieve` says more: chance, a baseline, leaks.
        """
        views = checked(views)
        mapped = self.transform(views.replace({name: with_digests(column) for name, column in views.columns.items()}))
        unit = {name: normalize(column.items[column.used]) for name, column in mapped.columns.items()}
        directions: list[dict[str, Any]] = []
        first: list[float] = []
        for a, b in permutations(unit, 2):
            if (answers := relevance(mapped, a, b)) is None:
                continue
            queries, hits, starts = answers
            rank = ranks(unit[a][queries], unit[b], hits, starts)
            clusters = mapped.codes[mapped[a].first_rows[queries]]
            found = bootstrap(np.stack([rank <= k for k in _AT], axis=1), clusters)
            recalls = {f"R@{k}": interval(*one) for k, one in zip(_AT, zip(*found, strict=True), strict=True)}
            first.append(float(found[0][0]))
            directions.append({"from": a, "to": b, "queries": len(queries), "gallery": len(unit[b]), **recalls})
        value = float(np.mean(first)) if first else 0.0
        table = {"task": "align", "aligner": type(self).__name__, "rows": len(mapped), "split": "given"}
        return Score(value, {**table, "directions": directions})

    def _widths(self) -> dict[str, int]:
        """By fitted view, the width d that it takes."""
        raise NotImplementedError

    def _map(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a view `(m, d)`, float32 or as float64 as they came -> the shared space `(m, k)`."""
        raise NotImplementedError

    def _mapped_width(self, name: str) -> int:
        row = Column("vector", np.zeros((1, self._widths()[name]), np.float32))
        return self.transform(Views({name: row}))[name].width

    def _tell_narrow(self) -> None:
        """Warn where the space is narrower than the k that was asked for."""
        wanted, got = getattr(self, "k", None), max(map(self._mapped_width, self._widths()))
        if wanted is not None and got < wanted:
            warnings.warn(
                f"{type(self).__name__}: wanted k={wanted}, got {got}: the views vary together in no more directions.",
                ChiasmWarning,
                stacklevel=3,
            )


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
            return centered(rows, mean)
        mapped: np.ndarray = centered(rows, mean) @ matrix.astype(np.float32)
        return mapped

    def traced(self, name: str, rows: Symbol) -> Symbol:
        """As `Aligner.traced`."""
        apart, matrix = rows.centered(self.means_[name]), self.weights_.get(name)
        return apart if matrix is None else apart @ matrix


def centered(rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """`(m, d)` float32 `rows - mean`, taken off in float64: an offset far beyond the spread costs no digits."""
    return (np.asarray(rows, dtype=np.float64) - mean).astype(np.float32)


def _check_several(data: Any, y: Any) -> None:
    """Raise a ChiasmError for numbers without a name, alone or beside others, as scikit-learn's own CCA takes them."""
    if is_matrix(data):
        got = "two arguments" if is_matrix(y) else "the numbers of one"
        raise ChiasmError(
            f"wanted the views by name in one argument, got {got}: fit(chiasm.Views.of({{'x': X, 'y': Y}})), which "
            "pipelines and searches take too."
        )


def _floats(rows: Any) -> np.ndarray:
    """Rows as they are where they are float32 or float64; else float32, or float64 where they are whole numbers."""
    found = np.asarray(rows)
    if found.dtype.kind in "iub":
        return found.astype(np.float64)
    return found if found.dtype == np.float64 else found.astype(np.float32, copy=False)


def _at_the_door(learn: Callable[..., Any], *, varied: bool) -> Callable[..., Any]:
    @wraps(learn)
    def opened(self: Aligner, views: Any, *args: Any, **options: Any) -> Any:
        if varied:
            _check_several(views, args[0] if args else options.get("y"))
        views = checked(views)
        if varied:
            check_varied(views)
        else:
            views = in_order(views, vars(self).get("features_", {}))
        if options.get("val") is not None:
            options["val"] = checked(options["val"])
        found = learn(self, views, *args, **options)
        if varied or "features_" not in vars(self):
            self.features_ = features_of(views)
        if isinstance(getattr(self, "k", None), int) and type(self)._widths is not Aligner._widths:
            self._tell_narrow()
        return found

    return opened
