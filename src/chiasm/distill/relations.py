"""Relations: which rows are alike to the teacher, told from what the student sees."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT
from chiasm.distill._distiller import Distiller
from chiasm.views import Views, normalize

__all__ = ["Relations"]

LANDMARKS = 1000


class Relations(Distiller):
    """The student's regression on the leading directions of the teacher's likenesses (kernel PCA) is one more view.

    Likeness is exp((cosine - 1) / s) of centered vectors, s the median of 1 - cosine. Choose it where the teacher tells
    groups apart that lie in no direction of its own.

    Args:
        teacher: the view that teaches, or several. student: a fuser or its name. coordinates: at most.
        kind: "classes", "tags" or "numbers". seed: of folds and of at most 1,000 landmarks.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> notes = rng.normal(size=(300, 4)) + 2 * y[:, None]
    >>> views = {"picture": notes @ rng.normal(size=(4, 6)) + rng.normal(size=(300, 6)), "notes": notes}
    >>> labels = [label if row < 40 else None for row, label in enumerate(y.tolist())]
    >>> Relations(teacher="notes").fit(views, labels).predict({"picture": views["picture"][:2]}).shape
    (2,)

    Sources: Park et al. 2019 (relational knowledge distillation); Schoelkopf, Smola & Mueller 1998 (kernel PCA).
    """

    allowed: ClassVar = {"coordinates": COUNT}

    def __init__(
        self, teacher: Any = "", student: Any = "auto", coordinates: int = 64, kind: str = "classes", seed: int = 0
    ):
        self.teacher = teacher
        self.student = student
        self.coordinates = coordinates
        self.kind = kind
        self.seed = seed

    def _targets(self, views: Views, known: np.ndarray) -> np.ndarray:
        units = normalize(self._teachers_rows(views)[0])
        marks = units[np.random.default_rng(self.seed).permutation(len(units))[:LANDMARKS]]
        cosines = marks @ marks.T
        spread = max(float(np.median(1 - cosines[np.triu_indices(len(marks), 1)])), 1e-6)
        values, basis = np.linalg.eigh(np.exp((cosines - 1) / spread).astype(np.float64))
        kept = values > 1e-6 * values[-1]
        mapped = np.exp((units @ marks.T - 1) / spread) @ (basis[:, kept] / np.sqrt(values[kept])).astype(np.float32)
        near = mapped - mapped.mean(axis=0)
        _, turned = np.linalg.eigh(near.T @ near)
        found: np.ndarray = near @ turned[:, ::-1][:, : self.coordinates]
        return found
