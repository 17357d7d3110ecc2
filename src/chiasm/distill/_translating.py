"""Distillers that are taught the teacher's own vectors: what they tell lies in its space, and names what lies there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.checks import some
from chiasm.distill._distiller import Distiller
from chiasm.errors import ChiasmError
from chiasm.views import Views, normalize

__all__ = ["Translating"]


class Translating(Distiller):
    """The base of those; `coordinates` of the teacher are taught, the leading principal ones.

    Learned too: `middle_` `(d,)`, the teacher's mean; `basis_` `(d, t)`, its coordinates.
    """

    coordinates: int

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

        Args:
            views: the student's. classes: by name a vector `(d,)` of the teacher's view, encoded as its rows were: of
                the class's name, or the mean of some examples.

        Raises a ChiasmError for less than two classes, and for vectors of another width.
        """
        self.check_fitted()
        if len(classes) < 2:
            raise ChiasmError(f"wanted at least two classes to choose from, got {some([*classes]) or 'none'}.")
        width = len(self.middle_)
        told = {one: np.asarray(vector, dtype=np.float32) for one, vector in classes.items()}
        if wrong := [one for one, vector in told.items() if vector.shape != (width,)]:
            raise ChiasmError(
                f"wanted {width} numbers a class, as {', '.join(self.teachers_)} has them, got an array of shape "
                f"{told[wrong[0]].shape} for {wrong[0]!r}: encode it as the teacher's rows were."
            )
        cosines = (
            normalize(self.translate(views) - self.middle_) @ normalize(np.stack([*told.values()]) - self.middle_).T
        )
        return np.array([*told], dtype=object)[cosines.argmax(axis=1)], cosines

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
