"""Regress: a number a thing, from any of its views, with evidence of what each view adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.encoding import Progress
from chiasm.tasks._answering import Answering
from chiasm.tasks._results import Answers

__all__ = ["Regress"]


class Regress(Answering):
    """Several views in, a number out, with the spread of what was answered wrong by how much on held-out rows.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        fuse: a fuser or its name. teacher: a view, or several, that is there for learning only; the others are the
            student's, and `distill`, a distiller or its name, teaches it. allow_leaks: go on when ids, groups or whole
            rows stand in train and test.
        seed: of everything drawn at random.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 300, 3))
    >>> y = a[:, 0] + b[:, 0] + 0.1 * rng.normal(size=300)
    >>> model = Regress().fit({"a": a[:200], "b": b[:200]}, y[:200])
    >>> model.score({"a": a[200:], "b": b[200:]}, y[200:]) > 0.9
    True
    """

    kind = "numbers"

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        fuse: Any = "auto",
        teacher: Any = (),
        distill: Any = "soft_labels",
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.encoders = encoders
        self.fuse = fuse
        self.teacher = teacher
        self.distill = distill
        self.allow_leaks = allow_leaks
        self.seed = seed

    def calibrate(self, train: Any) -> None:
        """Learn how far answers to held-out rows are off: the conformal half width of a 90 % interval."""
        apart = np.sort(np.abs(self.fuser_.crossed(train)[:, 0] - self.fuser_.folds_.truth_[:, 0]))
        place = min(int(np.ceil(0.9 * (len(apart) + 1))), len(apart)) - 1
        self.half_width_ = float(apart[place])

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """The number of each row `(n,)` and the half width `(n,)` of an interval that holds 90 % of such rows.

        The width comes from out-of-fold answers (Barber et al. 2021) and is the same for every row: it holds on
        average over rows like the training rows; for a row that lacks views it is too narrow.
        """
        outputs, report, ids, there = self._said(views, progress)
        values, widths = outputs[:, 0], np.full(len(outputs), self.half_width_)
        told = {"id": ids, "answer": values, "plus_minus_90": widths, "views": there}
        return Answers((values, widths), report, outputs, ids, told)
