"""What the tasks that answer share: encode, learn with every view, each alone and all but each, then score honestly."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chiasm import recipe, registry
from chiasm.allowed import ORDER, VIEWS, allowed_of
from chiasm.checks import check_indexes, odd_labels, some
from chiasm.encoding import Progress, Report
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.frames import cells
from chiasm.measure.evidence import evidence, held_out, suspects
from chiasm.measure.truth import PRIMARY, Truth
from chiasm.part import Part
from chiasm.report.text import SIMPLEST, lines
from chiasm.score import Score
from chiasm.splits import check_splits
from chiasm.target import Target
from chiasm.tasks._answers import rows
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Answers, recalled, remember
from chiasm.views import Column, Views, as_views

__all__ = ["Answering", "Said"]


class Said(NamedTuple):
    """What a fused model says of rows."""

    outputs: np.ndarray
    """`(n, c)` probabilities, or numbers."""
    report: Report
    """What encoding did."""
    ids: np.ndarray
    """`(n,)`."""
    views: np.ndarray
    """`(n,)` how many views of each row were there."""


class Answering(KnownRows):
    """The base of `classify`, `regress` and `tag`: a task names the kind of its answer and says what it gives back."""

    kind: ClassVar[str]

    fuse: Any
    teacher: Any
    distill: Any
    seed: int

    wrong = recalled("wrong", "the wrong of a score")

    def fit(
        self,
        views: Any,
        y: Any = None,
        *,
        progress: Progress | None = None,
        foretell: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Any:
        """Learn from the rows of split "train" and "val" (all, when the views have no split); "test" is for `score`.

        What is chosen is chosen by cross-validation within these rows, in folds that cut no id and no group; so
        validation rows are learned from too. The same method is also learned from each view alone and from all but
        each, for `score` to say what a view adds.

        Args:
            views: raw or encoded. y: labels, one a row; by default the views' label. progress: called while encoding.
            foretell: with a teacher, called with its forecast before the student is taught.

        Raises a ChiasmError for labels that teach nothing, and when an id, a group or a whole row stands in train and
        test.
        """
        return self.fit_whole(views, y, progress, foretell).slim()

    def fit_whole(
        self,
        views: Any,
        y: Any,
        progress: Progress | None,
        foretell: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> Any:
        """As `fit`, with what folds learned still there (`crossed`), for a task that goes on from it."""
        check_indexes({**(views if isinstance(views, Mapping) else {"views": views}), "y": y})
        views = _labeled(as_views(views), y)
        if y is not None and self.kind == "classes":
            for _, sentence in odd_labels(views.label, "y"):
                warnings.warn(sentence, ChiasmWarning, stacklevel=4)
        if hasattr(part := self._fuser([]), "check_params"):  # before anything is encoded
            part.check_params()
        teachers = [self.teacher] if isinstance(self.teacher, str) else list(self.teacher)
        for name in teachers:
            if name not in views.columns:
                raise unknown("view", name, views.columns)
        if len(teachers) == len(views.columns):
            raise ChiasmError(f"wanted a view for the student beside the teacher's, got {', '.join(teachers)} alone.")
        known = np.ones(len(views), bool) if views.split is None else check_splits(views.split) != "test"
        Target(self.kind).fit(views.label[known])  # labels that teach nothing are told before the work, not after
        started = time.perf_counter()
        train = self._learn_rows(views, progress).train
        encoding = time.perf_counter() - started
        started = time.perf_counter()
        names = [name for name in train.names if name not in teachers]
        told = {"foretell": foretell} if foretell and teachers else {}
        self.fuser_ = self._distiller(teachers).fit(train, **told) if teachers else self._fuser(names).fit(train)
        learning = time.perf_counter() - started
        self.alone_ = {v: self._fuser([v]).fit(_only(train, [v])) for v in names} if len(names) > 1 else {}
        rest = {v: [w for w in names if w != v] for v in names}
        self.without_ = {
            v: self.alone_[others[0]] if len(others) == 1 else self._fuser(others).fit(_only(train, others))
            for v, others in rest.items()
            if others
        }
        self.controls_ = self._controls(train, names, teachers) if teachers else {}
        for name in teachers:  # from now on the student's views are all there is
            del self.views_[name]
            for held in (self.encoding_.encoders_, self.widths_, self.features_):
                held.pop(name, None)
        self.teachers_ = teachers
        self.seconds_ = {
            "encoding": round(encoding, 3),
            "learning": round(learning, 3),
            "learning_each_alone_and_without": round(time.perf_counter() - started - learning, 3),
        }
        self.crossed_ = held_out(self, train)
        self.suspects_ = suspects(self, train)
        self.calibrate(train)
        return self

    def calibrate(self, train: Views) -> None:
        """What a task learns from the encoded training rows beyond the fusers (thresholds)."""

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """What each row is given: see the task."""
        raise NotImplementedError

    def outputs(self, views: Any, *, progress: Progress | None = None) -> np.ndarray:
        """`(n, c)` what the fused model says of raw rows: probabilities, or numbers. Views may be absent."""
        return self._said(views, progress).outputs

    def predict(self, views: Any) -> np.ndarray:
        """The answers alone, as scikit-learn calls them."""
        return np.asarray(self.answer(views)[0])

    def predict_proba(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities in the order of `classes_`; a ChiasmError for numbers, which have none."""
        if self.kind == "numbers":
            raise ChiasmError("numbers have no probabilities: call predict.")
        return self.outputs(views)

    @property
    def classes_(self) -> np.ndarray:
        """The classes or tags, in the type of the labels that were given."""
        found: np.ndarray = self.fuser_.classes_
        return found

    def _said(self, views: Any, progress: Progress | None) -> Said:
        """What the fused model says, and of what; a warning names the rows of which no view is there."""
        self.check_fitted()
        given = self._views(views)
        encoded, report = self._encode(given, progress)
        there = np.sum([encoded.present(name) for name in encoded.names], axis=0)
        if len(bare := np.flatnonzero(there == 0)):
            told = some([str(i) for i in given.ids[bare].tolist()])
            warnings.warn(
                f"{len(bare)} of {len(given)} rows hold none of the views {', '.join(self.views_)} ({told}): their "
                f"answer is {SIMPLEST[registry_name(self)]} of the rows learned from",
                ChiasmWarning,
                stacklevel=3,
            )
        return Said(self.fuser_.outputs(encoded), report, given.ids, there)

    def rows(self, ids: Any, outputs: np.ndarray, views: Any = None) -> list[dict[str, Any]]:
        """`outputs` as plain values, a dict a row: its id, the answer, how sure that is, and `views`, where given."""
        return rows(self, ids, outputs, views)

    def score(
        self,
        views: Any,
        y: Any = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How right the answers are and what each view adds, with 95 % intervals, on rows that were not learned from.

        The table: metrics of the fused model; each view alone and all but each (the same method, learned for it);
        paired differences in words; the fused model with views dropped; one view shuffled; the additive projection;
        confusion, calibration, the most confident errors, leaks. Intervals resample whole ids and groups.

        Raises a ChiasmError when rows that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        check_indexes({**(views if isinstance(views, Mapping) else {"views": views}), "y": y})
        views = _labeled(self._views(views), y)
        started = time.perf_counter()
        encoded, report = self._encode(views, progress)
        mine = self._learned_from(encoded, allow_train)
        self.fuser_.target_.check(views.label)
        if np.isnan(self.fuser_.target_.encode(views.label)).any(axis=1).all():
            raise ChiasmError(f"wanted rows with labels to score, got {len(views)} without: name their column at fit.")
        truth = Truth(self, encoded)
        table: dict[str, Any] = {
            "task": registry_name(self),
            "rows": len(truth.rows),
            "unlabeled": len(encoded) - len(truth.rows),
            "split": split,
            "seed": self.seed,
            "model": {**recipe.describe(self), "fuser": self.fuser_.choices()},
        }
        table |= evidence(self, encoded, truth)
        wrong = views[np.array([error["row"] for error in table.get("errors", ())], dtype=np.int64)]
        tainted = self._tainted(encoded)
        clean = np.flatnonzero(~tainted)
        if tainted.any():
            table["clean"] = {"rows": len(clean), "removed": int(tainted.sum()), **self._short(encoded[clean])}
        table["leaks"] = {**self.leaks_, "fitted_rows": mine, "suspect_views": self.suspects_}
        table["seconds"] = {**self.seconds_, "scoring": round(time.perf_counter() - started, 3)}
        remember(self, wrong=wrong)
        return Score(table[PRIMARY[self.kind]]["value"] or 0.0, table, lines, report=report, wrong=wrong)

    def _short(self, encoded: Views) -> dict[str, Any]:
        """The metrics alone, of some rows."""
        if not len(encoded) or np.isnan(self.fuser_.target_.encode(encoded.label)).any(axis=1).all():
            return {}
        truth = Truth(self, encoded)
        return truth.figures(truth.measure(self.fuser_.outputs(encoded[truth.rows])))

    def _distiller(self, teachers: list[str]) -> Any:
        """A new, unfitted distiller of this task's kind."""
        part = registry.make("distill", self.distill, seed=self.seed)
        return part.set_params(kind=self.kind, teacher=teachers, student=self.fuse)

    def _controls(self, train: Views, names: list[str], teachers: list[str]) -> dict[str, Any]:
        """What teaching is compared with: no teacher; one whose rows were dealt anew; the student's own views."""
        dealt = np.random.default_rng(self.seed).permutation(len(train))
        students = {name: train.columns[name] for name in names}
        others = {
            name: Column(column.modality, column.items, column.index[dealt])
            for name, column in train.columns.items()
            if name in teachers
        }
        own = {f"{name} as teacher": train.columns[name] for name in names}
        return {
            "untaught": self._fuser(names).fit(_only(train, names)),
            "taught by shuffled rows": self._distiller(teachers).fit(train.replace({**students, **others})),
            "taught by its own views": self._distiller(list(own)).fit(train.replace({**students, **own})),
        }

    def _fuser(self, names: list[str]) -> Any:
        """A new, unfitted fuser of this task's kind, for these views."""
        part = registry.make("fuse", self.fuse, seed=self.seed).set_params(kind=self.kind)
        params = part.get_params(deep=False)
        gone = {v for v in vars(self).get("views_", {}) if v not in names}  # others are for the fuser to refuse
        kept: dict[str, Any] = {
            key: {v: one for v, one in held.items() if v not in gone}
            for key, held in params.items()
            if isinstance(held, dict)
        }
        for key in _of_views(part):
            listed = [params[key]] if isinstance(params[key], str) else list(params[key] or ())
            if gone & set(listed):
                kept[key] = [v for v in listed if v not in gone]
        return part.set_params(**kept)


def _of_views(part: Any) -> list[str]:
    """The parameters of a part that name views."""
    return [key for key, one in allowed_of(type(part)).items() if one is VIEWS or one is ORDER]


def registry_name(part: Part) -> str:
    """The name of a task's file."""
    return type(part).__module__.rsplit(".", 1)[-1]


def _only(views: Views, names: list[str]) -> Views:
    return views.replace({name: views.columns[name] for name in names})


def _labeled(views: Views, y: Any) -> Views:
    if y is None:
        if views.label is None:
            raise ChiasmError("wanted labels, got none: name the column of labels (label='COL'), or pass y, one a row.")
        return views
    y = y if isinstance(y, np.ndarray) and not isinstance(y, np.ma.MaskedArray) else cells(y)
    if len(y) != len(views):
        raise ChiasmError(f"wanted {len(views)} labels, one a row, got {len(y)}.")
    label = np.empty(len(y), dtype=object)
    for row, one in enumerate(y):  # lists of tags of one length would be taken for a matrix
        label[row] = one
    return Views(views.columns, views.ids, {**views.facts, "label": label})
