"""Soft labels: what a teacher would answer of every row, labeled or not, told from what the student sees."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from chiasm.allowed import NOT_NEGATIVE
from chiasm.distill._distiller import Distiller
from chiasm.views import Views

__all__ = ["SoftLabels"]


class SoftLabels(Distiller):
    """A fuser on the teacher's view answers all rows; the student's regression on these answers is one more view of it.

    Choose it where labels are few and rows without labels, but with both views, are many.

    Args:
        teacher: the view that teaches, or several. student: a fuser or its name; the teacher's answers come from one of
            its kind.
        temperature: of the answers' softmax, from 1 (the probabilities) on; 0: their logarithms, which is what high
            temperatures come to.
        kind: "classes", "tags" or "numbers" (which have no temperature). seed: of folds.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> notes = rng.normal(size=(300, 4)) + 2 * y[:, None]
    >>> views = {"picture": notes @ rng.normal(size=(4, 6)) + rng.normal(size=(300, 6)), "notes": notes}
    >>> labels = [label if row < 40 else None for row, label in enumerate(y.tolist())]
    >>> model = SoftLabels(teacher="notes").fit(views, labels)
    >>> model.forecast_["teacher"] > model.forecast_["student"]
    True

    Sources: Ba & Caruana 2014 (logits); Hinton, Vinyals & Dean 2015; Gupta, Hoffman & Malik 2016 (across modalities).
    """

    allowed: ClassVar = {"temperature": NOT_NEGATIVE}

    def __init__(
        self, teacher: Any = "", student: Any = "auto", temperature: float = 0.0, kind: str = "classes", seed: int = 0
    ):
        self.teacher = teacher
        self.student = student
        self.temperature = temperature
        self.kind = kind
        self.seed = seed

    def _targets(self, views: Views, known: np.ndarray) -> np.ndarray:
        if not self.temperature or self.kind == "numbers":
            return known
        if self.kind == "tags":
            return 1 / (1 + np.exp(-known / self.temperature))
        found: np.ndarray = softmax(known / self.temperature, axis=1)
        return found
