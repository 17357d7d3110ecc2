"""Distillers that are taught the teacher's own vectors: what they tell lies in its space, and names what lies there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chiasm.checks import some
from chiasm.distill._distiller import Distiller, _any, _dealt
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.scale import one_thread
from chiasm.stats.blocks import blocks, restrict
from chiasm.views import Views, normalize

__all__ = ["Translating"]


class Translating(Distiller):
    """The base of those; `coordinates` of the teacher are taught, the leading principal ones.

    Learned too: `middle_` `(d,)`, the teacher's mean; `basis_` `(d, t)`, its coordinates.
    """

    coordinates: int

    def fit(
        self, views: Any, y: Any = None, *, foretell: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Distiller:
        """As every distiller; without any label it learns to `translate` and `name` alone, and forecasts nothing."""
        views = checked(views)
        y = views.label if y is None else y
        if y is not None and any(one is not None for one in y):
            return super().fit(views, y, foretell=foretell)
        rows = np.flatnonzero(self._paired(views))
        with one_thread(len(rows)):
            held, targets = restrict(blocks(views, self.students_), rows), self._targets(views[rows], np.empty(0))
            self.regression_ = self._regression()
            self.regression_.cross_fit(held, targets, _dealt(views.clusters[rows], self.seed))
        self.student_, self.forecast_ = None, {}
        vars(self).pop("told_", None)
        return self

    def translate(self, views: Any) -> np.ndarray:
        """`(n, d)` the vectors that the teacher would have of rows, as the student tells them.

        Where none of the student's views is there they are the teacher's mean. With several teachers their vectors lie
        side by side, in the order of `teachers_`.
        """
        self.check_fitted()
        told = self._taught(self._mine(views))
        found: np.ndarray = told @ (self.basis_ @ self.regression_.turn_).T + self.middle_
        return found

    def name(self, views: Any, classes: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of some classes by what the teacher has of them, and cosines `(n, c)` in their order.

        None of the classes needs to have been a label. Of a class that has, `predict` knows more.

        Where none of the student's views is there the name is None and the cosines are NaN.

        Args:
            views: the student's. classes: by name a vector `(d,)` of the teacher's view, encoded as its rows were: of
                the class's name, or the mean of some examples.

        Raises a ChiasmError for less than two classes, for what is no vector of the teacher's width, and for one that
        is not finite, zeros alone, or the teacher's mean, which has no direction.
        """
        self.check_fitted()
        told = self._vectors(classes)
        mine = self._mine(views)
        there = _any(mine, mine.names)
        seen = normalize(self.translate(mine) - self.middle_)
        cosines = seen @ normalize(np.stack([*told.values()]) - self.middle_).T
        names = np.array([*told], dtype=object)[cosines.argmax(axis=1)]
        names[~there], cosines[~there] = None, np.nan
        return names, cosines

    def _vectors(self, classes: Any) -> dict[Any, np.ndarray]:
        """By class its vector `(d,)`, as `name` wants them."""
        if not isinstance(classes, Mapping):
            raise ChiasmError(
                f"wanted a dict of vectors by the names of classes, got {type(classes).__name__}: pass "
                "{'NAME': vector, ...}."
            )
        if len(classes) < 2:
            raise ChiasmError(f"wanted at least two classes to choose from, got {some([*classes]) or 'none'}.")
        width, teachers = len(self.middle_), " and ".join(self.teachers_)
        told = {}
        for one, given in classes.items():
            try:
                vector = np.asarray(given, dtype=np.float32)
            except (TypeError, ValueError) as error:
                raise ChiasmError(
                    f"wanted {width} numbers for class {one!r}, got {type(given).__name__}: encode its name, or some "
                    f"examples, as the rows of {teachers} were."
                ) from error
            if vector.shape != (width,):
                raise ChiasmError(
                    f"wanted {width} numbers a class, as {teachers} has them, got an array of shape {vector.shape} for "
                    f"{one!r}: encode it as the teacher's rows were."
                )
            if not np.isfinite(vector).all():
                raise ChiasmError(f"wanted finite numbers for class {one!r}, got NaN or infinity: encode it anew.")
            if not vector.any() or np.array_equal(vector, self.middle_):
                what = "zeros alone" if not vector.any() else f"the mean of {teachers}"
                raise ChiasmError(f"wanted a vector with a direction for class {one!r}, got {what}: encode it anew.")
            told[one] = vector
        return told

    def _targets(self, views: Views, known: np.ndarray) -> np.ndarray:
        near, self.middle_ = self._teachers_rows(views)
        self.basis_ = _leading(near)[:, : self.coordinates]
        found: np.ndarray = near @ self.basis_
        return found


def _leading(rows: np.ndarray) -> np.ndarray:
    """`(d, t)` the principal axes of centered rows `(n, d)`, the one of the largest spread first; t at most n and d."""
    if rows.shape[1] <= len(rows):
        return np.ascontiguousarray(np.linalg.eigh(rows.T @ rows)[1][:, ::-1], dtype=np.float32)
    values, basis = np.linalg.eigh(rows @ rows.T)
    kept = values > 1e-6 * max(float(values[-1]), 1e-12)
    return np.ascontiguousarray(rows.T @ (basis[:, kept] / np.sqrt(values[kept]))[:, ::-1], dtype=np.float32)
