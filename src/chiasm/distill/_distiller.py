"""What every distiller shares: a teacher's view is there while learning, and the student answers without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import PART, SEED, VIEWS, choice
from chiasm.asked import features_of
from chiasm.distill._regression import Regression
from chiasm.errors import ChiasmError, unknown
from chiasm.finite import checked
from chiasm.graph import Symbol
from chiasm.part import Part
from chiasm.scale import one_thread
from chiasm.score import Score
from chiasm.stats.blocks import blocks, presence, restrict
from chiasm.target import ANSWER_KINDS, Target
from chiasm.views import ABSENT, Column, Views

__all__ = ["Distiller"]

FOLDS = 5
LEAST = 10
"""Rows on which teacher and student are there, at least."""


class Distiller(Part):
    """A teacher's view and a student's views -> a student that answers from its own views alone.

    A file of this folder says what is taught (`_targets`): numbers `(m, t)` that the teacher has of rows. They are told
    from the student's views by ridge regression on all rows where both are there, with a label or without; what is told
    of a row is one more view, `taught`, for the fuser that learns the labels. Of rows that were learned from it is told
    out of fold, as it will be of new ones.

    Parameters of every distiller: `teacher` (the name of its view, or several), `student` (a fuser or its name), `kind`
    ("classes", "tags" or "numbers") and `seed`.

    Learned: `student_` (the fuser), `regression_`, `teachers_`, `students_` (the views), `paired_` (rows that taught),
    `forecast_` (see `fit`); `told_`, what the student was told of the rows learned from.
    """

    allowed: ClassVar = {"kind": choice(*ANSWER_KINDS), "teacher": VIEWS, "student": PART, "seed": SEED}
    spare = ("told_",)

    kind: str
    teacher: Any
    student: Any
    seed: int

    def fit(
        self, views: Any, y: Any = None, *, foretell: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Distiller:
        """Learn from encoded views, the teacher's among them, and labels: one a row, by default `views.label`.

        Rows without a label teach what the teacher has of them. `forecast_` says beforehand what the teacher knows, by
        answers out of fold: how right `student` and `teacher` are alone (accuracy, share of right tags, or R2) on the
        `judged` rows, which are labeled and have both (None where these are too few to tell), and how much of what the
        teacher would answer the student can `see` (a share of variance, at most 1; below 0: nothing), of `rows` that
        have both. `gain` is what the teacher is right more, times what is seen, 0 at least: it foretells what teaching
        gains poorly (docs/distill.md).

        Args:
            foretell: called with the forecast before the student learns from what it is told.

        Raises a ChiasmError for a teacher that is no view, where nothing is left for the student, where fewer than ten
        rows have both, and for labels that are missing or all equal.
        """
        views = checked(views)
        y = views.label if y is None else y
        if y is None:
            raise ChiasmError("wanted labels, got none: pass y, one a row, or name the column of labels (label='COL').")
        if len(y) != len(views):
            raise ChiasmError(f"wanted {len(views)} labels, one a row, got {len(y)}.")
        both = self._paired(views)
        rows = np.flatnonzero(both)
        y = np.asarray(y, dtype=object) if isinstance(y, list) else np.asarray(y)
        self.target_ = Target(self.kind).fit(y)
        labeled = ~np.isnan(self.target_.encode(y)).any(axis=1)
        folds = _dealt(views.clusters[rows], self.seed)
        teacher = self._fuser().fit(_only(views, self.teachers_), y)
        known = self._known(teacher, views, rows)
        alone = self._fuser().fit(_only(views, self.students_), y)
        with one_thread(len(rows)):
            held, would = restrict(blocks(views, self.students_), rows), known[rows]
            sight = Regression()
            told = sight.cross_fit(held, would, folds)
        student = _right(alone, _only(views, self.students_), both)
        taught_by = _right(teacher, _only(views, self.teachers_), both)
        more = None if student is None or taught_by is None else max(0.0, taught_by - student) * max(0.0, sight.seen_)
        self.forecast_ = {
            "student": student,
            "teacher": taught_by,
            "see": sight.seen_,
            "gain": None if more is None else round(more, 6),
            "rows": len(rows),
            "judged": int((labeled & both).sum()),
            "labeled": int(labeled.sum()),
        }
        if foretell:
            foretell(dict(self.forecast_))
        targets = self._targets(views[rows], would)
        self.regression_ = sight
        if targets is not would:
            self.regression_ = self._regression()
            with one_thread(len(rows)):
                told = self.regression_.cross_fit(held, targets, folds)
        taught = self._taught(views)
        taught[rows] = told
        self.told_ = taught
        self.student_ = self._fuser().fit(self._augmented(views, taught), y)
        return self

    def _targets(self, views: Views, known: np.ndarray) -> np.ndarray:
        """`(m, t)` what is taught of m rows on which the teacher is there.

        Args:
            known: `(m, c)` what a fuser that reads the teacher's views alone makes of the rows, out of fold where they
                have labels: the logarithms of probabilities, or numbers.
        """
        raise NotImplementedError

    def _regression(self) -> Regression:
        """An unfitted one of what is taught on what the student sees."""
        return Regression()

    def outputs(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities of the classes or tags, or numbers. The teacher's views are not looked at."""
        self.check_fitted()
        views = self._mine(views)
        found: np.ndarray = self._labels_student().outputs(self._augmented(views, self._taught(views)))
        return found

    def predict_proba(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities in the order of `classes_`; a ChiasmError for numbers, which have none."""
        if self.kind == "numbers":
            raise ChiasmError("numbers have no probabilities: call predict.")
        return self.outputs(views)

    def predict(self, views: Any) -> np.ndarray:
        """`(n,)` classes in the type of the labels given, `(n, c)` booleans a tag, or `(n,)` numbers."""
        return self._labels_student().target_.decode(self.outputs(views))

    def score(self, views: Any, y: Any = None) -> Score:
        """As a fuser's: accuracy, share of right tags, or R2, of the student alone."""
        views = self._mine(views)
        y = views.label if y is None else y
        found: Score = self._labels_student().score(self._augmented(views, self._taught(views)), y)
        return found

    def crossed(self, views: Any) -> np.ndarray:
        """As a fuser's: `(m, c)` outputs for the labeled rows that were learned from, out of fold."""
        if not hasattr(self, "told_"):
            raise ChiasmError("what folds learned was dropped to keep the model small: fit the distiller itself again.")
        found: np.ndarray = self.student_.crossed(self._augmented(checked(views), self.told_))
        return found

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """What `outputs` makes of rows that have just these views of the student, written down (`chiasm.export`)."""
        mine = {name: rows[name] for name in self.students_ if name in rows}
        found: Symbol = self._labels_student().traced({**mine, _view(self.students_): self.regression_.traced(mine)})
        return found

    def choices(self) -> dict[str, Any]:
        """What the student's fuser chose, the forecast, and whether the teaching was left out."""
        return {**self._labels_student().choices(), "forecast": dict(self.forecast_), "left_out": self.left_out_}

    @property
    def crosses_cheaply(self) -> bool:
        """Whether `fit` gave out-of-fold answers at no further cost."""
        return bool(self.student_.crosses_cheaply)

    @property
    def folds_(self) -> Any:
        """As a fuser's."""
        return self._labels_student().folds_

    @property
    def weights_(self) -> dict[str, float]:
        """As a fuser's, where it has some; what is told of the teacher is the view `taught`."""
        return dict(getattr(self.student_, "weights_", {}))

    @property
    def left_out_(self) -> bool:
        """Whether the student's fuser does without what it is told: that did not help on held-out folds."""
        weights = self.weights_
        return bool(weights) and not weights.get(_view(self.students_), 0.0)

    @property
    def widths_(self) -> dict[str, int]:
        """By view of the student, how many numbers a row has."""
        return {name: len(mean) for name, mean in self.regression_.means_.items()}

    def _widths(self) -> dict[str, int]:
        return self.widths_

    @property
    def classes_(self) -> np.ndarray:
        """The classes or tags, as scikit-learn calls them."""
        found: np.ndarray = self._labels_student().classes_
        return found

    @property
    def prior_(self) -> np.ndarray:
        """`(c,)` the training mean of the answers, which a row without any view gets."""
        found: np.ndarray = self._labels_student().prior_
        return found

    # ---- inside ----
    def _paired(self, views: Views) -> np.ndarray:
        """`(n,)` mask of the rows on which teacher and student are there; says which views are whose."""
        self.teachers_ = self._named(views)
        self.students_ = [name for name in views.names if name not in self.teachers_]
        if not self.students_:
            raise ChiasmError(
                f"wanted a view for the student beside the teacher's, got {', '.join(views.names)} alone."
            )
        self.features_ = {name: one for name, one in features_of(views).items() if name in self.students_}
        both = _any(views, self.teachers_) & _any(views, self.students_)
        if both.sum() < LEAST:
            raise ChiasmError(
                f"wanted at least {LEAST} rows with {' and '.join(self.teachers_)} beside "
                f"{' or '.join(self.students_)} to teach with, got {int(both.sum())}."
            )
        self.paired_ = int(both.sum())
        return both

    def _labels_student(self) -> Any:
        """The fuser that learned the labels; a ChiasmError where there was none."""
        self.check_fitted()
        if self.student_ is None:
            raise ChiasmError(
                "wanted to answer with labels, but fit had none: call translate or name, or fit with labels."
            )
        return self.student_

    def _teachers_rows(self, views: Views) -> tuple[np.ndarray, np.ndarray]:
        """`(m, d)` the vectors of the teacher's views side by side, less their means, and the means `(d,)`."""
        held = blocks(views, self.teachers_)
        rows = np.concatenate([np.asarray(block.values, dtype=np.float32) for block in held.values()], axis=1)
        middle: np.ndarray = rows.mean(axis=0)
        return rows - middle, middle

    def _mine(self, views: Any) -> Views:
        """The student's views of rows; a ChiasmError where none is there."""
        views = checked(views)
        mine = [name for name in self.students_ if name in views.columns]
        if not mine:
            raise ChiasmError(f"wanted some of the views {', '.join(self.students_)}, got {', '.join(views.names)}.")
        return _only(views, mine)

    def _named(self, views: Views) -> list[str]:
        """The teacher's views."""
        asked = [self.teacher] if isinstance(self.teacher, str) else list(self.teacher)
        if not asked or asked == [""]:
            raise ChiasmError(f"wanted the view that teaches (teacher='NAME'), got none: {', '.join(views.names)}.")
        for name in asked:
            if name not in views.columns:
                raise unknown("view", name, views.columns)
        return asked

    def _known(self, fuser: Any, views: Views, rows: np.ndarray) -> np.ndarray:
        """`(n, c)` what the teacher alone makes of rows, out of fold where they have labels; elsewhere zeros."""
        taught = _only(views, self.teachers_)
        out = np.zeros((len(views), len(self.target_.names_)))
        out[rows] = fuser.outputs(taught[rows])
        out[fuser.folds_.rows_] = fuser.crossed(taught)
        if self.kind == "numbers":
            return out
        return np.log(np.clip(out, _SURE, 1)) - (np.log(np.clip(1 - out, _SURE, 1)) if self.kind == "tags" else 0)

    def _fuser(self) -> Any:
        return registry.make("fuse", self.student, seed=self.seed).set_params(kind=self.kind)

    def _taught(self, views: Views) -> np.ndarray:
        return self.regression_.answer(blocks(views, [name for name in self.students_ if name in views.columns]))

    def _augmented(self, views: Views, taught: np.ndarray) -> Views:
        """The student's views and what is told of the teacher's, absent where the student sees nothing."""
        mine = [name for name in self.students_ if name in views.columns]
        there = presence(blocks(views, mine), mine, len(views)).any(axis=1)
        index = np.where(there, np.arange(len(views)), ABSENT)
        named = {name: views.columns[name] for name in mine}
        return views.replace({**named, _view(self.students_): Column("vector", taught, index)})


_SURE = 1e-3
"""Probabilities nearer to 0 and 1 teach nothing more."""


def _view(students: Sequence[str]) -> str:
    """What the view that is told is called."""
    name = "taught"
    while name in students:
        name += "_"
    return name


def _any(views: Views, names: Sequence[str]) -> np.ndarray:
    found: np.ndarray = np.any([views.present(name) for name in names], axis=0)
    return found


def _only(views: Views, names: Sequence[str]) -> Views:
    return views.replace({name: views.columns[name] for name in names})


def _dealt(clusters: np.ndarray, seed: int) -> np.ndarray:
    """`(n,)` folds that cut no id and no group."""
    _, codes = np.unique(clusters, return_inverse=True)
    folds: np.ndarray = np.random.default_rng(seed).permutation(codes.max() + 1)[codes] % FOLDS
    return folds


def _right(fuser: Any, views: Views, both: np.ndarray) -> float | None:
    """How right a fuser is out of fold on the rows of a mask: accuracy, share of right tags, R2; None: too few."""
    here = both[fuser.folds_.rows_]
    out, truth = fuser.crossed(views)[here], fuser.folds_.truth_[here]
    if len(truth) < 2 or (fuser.kind == "numbers" and not np.ptp(truth)):
        return None
    if fuser.kind == "classes":
        return round(float(truth[np.arange(len(out)), out.argmax(axis=1)].mean()), 6)
    if fuser.kind == "tags":
        return round(float(((out >= 0.5) == (truth > 0.5)).mean()), 6)
    return round(1 - float(np.square(out - truth).sum() / np.square(truth - truth.mean(axis=0)).sum()), 6)
