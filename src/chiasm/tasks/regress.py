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

    half_width_: float
    half_widths_: list[float]

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
        """Learn how far answers to held-out rows are off: the conformal half width of a 90 % interval.

        `half_width_` is that of rows as they come; `half_widths_` those of rows that have some views alone, by the
        answers of the same method learned for these views: by their number, the widest of as many, none first.
        """
        truth = self.fuser_.folds_.truth_[:, 0]
        self.half_width_ = _within(self.fuser_.crossed(train)[:, 0] - truth)
        widths = {0: _within(truth - truth.mean())}
        for count, fusers in ((1, self.alone_), (len(self.alone_) - 1, self.without_)):
            if each := [_within(one.crossed(train)[:, 0] - one.folds_.truth_[:, 0]) for one in fusers.values()]:
                widths[count] = max(each)
        self.half_widths_ = [
            max(self.half_width_, widths[max(n for n in widths if n <= count)]) for count in range(len(self.views_))
        ]

    def widths(self, views: np.ndarray) -> np.ndarray:
        """`(n,)` the half widths of rows of which so many views `(n,)` are there."""
        known = [*vars(self).get("half_widths_", []), self.half_width_]  # saved before there were any: one for all
        found: np.ndarray = np.array(known)[np.minimum(views, len(known) - 1)]
        return found

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """The number of each row `(n,)` and the half width `(n,)` of an interval that holds 90 % of such rows.

        The width comes from out-of-fold answers (Barber et al. 2021): it holds on average over rows like the training
        rows. A row that lacks views has a wider one, by how far the same method is off that learned from as few views,
        whichever of them tell least.
        """
        outputs, report, ids, there = self._said(views, progress)
        values, widths = outputs[:, 0], self.widths(there)
        told = {"id": ids, "answer": values, "plus_minus_90": widths, "views": there}
        return Answers((values, widths), report, outputs, ids, told)


def _within(errors: np.ndarray) -> float:
    """What 90 % of errors do not exceed: the conformal quantile."""
    apart = np.sort(np.abs(errors))
    return float(apart[min(int(np.ceil(0.9 * (len(apart) + 1))), len(apart)) - 1])
