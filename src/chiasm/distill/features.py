"""Feature distillation: the teacher's own vectors, told from what the student sees."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT
from chiasm.distill._distiller import Distiller
from chiasm.views import Views

__all__ = ["Features"]


class Features(Distiller):
    """The student's ridge regression on the teacher's leading principal coordinates is one more view of it.

    Choose it where labels are few, rows without labels many, and the student can see something of what the teacher
    knows; `soft_labels` first (docs/distill.md).

    Args:
        teacher: the view that teaches, or several. student: a fuser or its name. coordinates: of the teacher, at most.
        kind: "classes", "tags" or "numbers". seed: of folds.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> notes = rng.normal(size=(300, 4)) + 2 * y[:, None]
    >>> views = {"picture": notes @ rng.normal(size=(4, 6)) + rng.normal(size=(300, 6)), "notes": notes}
    >>> labels = [label if row < 40 else None for row, label in enumerate(y.tolist())]
    >>> model = Features(teacher="notes").fit(views, labels)
    >>> model.predict({"picture": views["picture"][:2]}).shape
    (2,)

    Sources: Romero et al. 2015 (FitNets); Hoffman, Gupta & Darrell 2016 (side information, hallucinated).
    """

    allowed: ClassVar = {"coordinates": COUNT}

    def __init__(
        self, teacher: Any = "", student: Any = "auto", coordinates: int = 128, kind: str = "classes", seed: int = 0
    ):
        self.teacher = teacher
        self.student = student
        self.coordinates = coordinates
        self.kind = kind
        self.seed = seed

    def _targets(self, views: Views, known: np.ndarray) -> np.ndarray:
        near = self._teachers_rows(views)
        if near.shape[1] <= self.coordinates:
            return near
        _, basis = np.linalg.eigh(near.T @ near)
        found: np.ndarray = near @ basis[:, ::-1][:, : self.coordinates]
        return found
