"""Tag: any number of tags a thing, from any of its views; a threshold a tag, evidence of what each view adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.encoding import Progress
from chiasm.stats.calibration import Thresholds
from chiasm.tasks._answering import Answering
from chiasm.tasks._answers import columns
from chiasm.tasks._results import Answers

__all__ = ["Tag"]


class Tag(Answering):
    """Several views in, all the tags that fit out.

    A row's tags are a list, a JSON list in a cell, or names between semicolons. A tag is given where its calibrated
    probability is above the threshold that maximizes its F1 on out-of-fold answers.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        fuse: a fuser or its name. teacher: a view, or several, that is there for learning only; the others are the
            student's, and `distill`, a distiller or its name, teaches it. allow_leaks: go on when ids, groups or whole
            rows stand in train and test.
        seed: of everything drawn at random.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(2, 300, 3))
    >>> tags = [["warm"] * bool(x > 0) + ["wet"] * bool(z > 0) for x, z in zip(a[:, 0], b[:, 0])]
    >>> model = Tag().fit({"a": a, "b": b}, tags)
    >>> model.answer({"a": [[3.0, 0, 0]], "b": [[-3.0, 0, 0]]})[0].tolist()
    [('warm',)]
    """

    kind = "tags"

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
        """Learn a threshold a tag."""
        crossed = self.fuser_.crossed(train)
        self.thresholds_ = Thresholds().fit(crossed, self.fuser_.folds_.truth_ > 0.5).thresholds_

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """The tags of each row, `(n,)` tuples of names, likeliest first, and the probability of every tag `(n, t)`."""
        outputs, report, ids, there = self._said(views, progress)
        chosen = self.fuser_.target_.decode(outputs, self.thresholds_)
        names = self.fuser_.target_.names_
        found = np.empty(len(outputs), dtype=object)
        for row, (mask, sure) in enumerate(zip(chosen, outputs, strict=True)):
            found[row] = tuple(names[t] for t in np.argsort(-sure, kind="stable") if mask[t])
        told = {"id": ids, "answer": found, "views": there, **columns(names, outputs)}
        return Answers((found, outputs), report, outputs, ids, told)
