"""Feature distillation: the teacher's own vectors, told from what the student sees."""

from __future__ import annotations

from typing import Any, ClassVar

from chiasm.allowed import COUNT
from chiasm.distill._translating import Translating

__all__ = ["Features"]


class Features(Translating):
    """The student's ridge regression on the teacher's leading principal coordinates is one more view of it.

    Choose it where labels are few, rows without labels many, and the student can see something of what the teacher
    knows; `soft_labels` first (docs/distill.md). What it tells lies in the teacher's own space, so that it also names
    classes of which no row had a label (`name`), by their names or by examples that the teacher has of them.

    Args:
        teacher: the view that teaches, or several. student: a fuser or its name. coordinates: of the teacher, at most.
        kind: "classes", "tags" or "numbers". seed: of folds.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> notes = rng.normal(size=(300, 4)) + 2 * y[:, None]
    >>> views = {"picture": notes @ rng.normal(size=(4, 6)) + rng.normal(size=(300, 6)), "notes": notes}
    >>> labels = [label if row < 40 else None for row, label in enumerate(y.tolist())]
    >>> model = Features(teacher="notes").fit(views, labels)
    >>> model.predict({"picture": views["picture"][:2]}).shape
    (2,)

    >>> seen = model.translate({"picture": views["picture"][:5]})
    >>> seen.shape
    (5, 4)
    >>> names, cosines = model.name({"picture": views["picture"][:5]}, {"low": [-1] * 4, "high": [3] * 4})
    >>> names.shape, cosines.shape
    ((5,), (5, 2))

    Sources: Romero et al. 2015 (FitNets); Hoffman, Gupta & Darrell 2016 (side information, hallucinated); naming what
    was never labeled by vectors of names: Frome et al. 2013 (DeViSE).
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
