"""Classify: one class a thing, from any of its views; calibrated, with evidence of what each view adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.encoding import Progress
from chiasm.tasks._answering import Answering
from chiasm.tasks._answers import columns
from chiasm.tasks._results import Answers

__all__ = ["Classify"]


class Classify(Answering):
    """Several views in, one of a few classes out.

    `fit` learns from the rows that are not "test"; `answer` gives classes and calibrated confidences, whichever views
    are there; `score` measures it, and says what each view adds.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        fuse: a fuser or its name. teacher: a view, or several, that is there for learning only; the others are the
            student's, and `distill`, a distiller or its name, teaches it. allow_leaks: go on when ids, groups or whole
            rows stand in train and test.
        seed: of everything drawn at random.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.choice(["cat", "dog"], 200)
    >>> views = {"a": rng.normal(size=(200, 4)) + 2 * (y == "dog")[:, None], "b": rng.normal(size=(200, 4))}
    >>> model = Classify().fit({v: x[:150] for v, x in views.items()}, y[:150])
    >>> labels, confidence = model.answer({"a": [[2.0, 2, 2, 2]]})
    >>> labels[0], bool(confidence[0] > 0.9)
    ('dog', True)
    """

    kind = "classes"

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

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """The likeliest class of each row `(n,)` and its probability `(n,)`.

        Views may be absent in any row, or altogether; a row without any view gets the commonest training class.
        """
        outputs, report, ids, there = self._said(views, progress)
        target = self.fuser_.target_
        labels, sure = target.decode(outputs), outputs.max(axis=1)
        told = {"id": ids, "answer": labels, "confidence": sure, "views": there, **columns(target.names_, outputs)}
        return Answers((labels, sure), report, outputs, ids, told)
