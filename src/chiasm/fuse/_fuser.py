"""What every fuser shares: the door, folds that cut no group, absent views, and answers by name."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm import registry
from chiasm.allowed import DEVICE, SEED, choice
from chiasm.asked import check_width, features_of, in_order
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.graph import Symbol
from chiasm.part import Part
from chiasm.scale import one_thread
from chiasm.score import Score
from chiasm.splits import FOLDS, folds_of
from chiasm.stats.blocks import Block, Blocks, blocks, presence, restrict
from chiasm.stats.resample import Draws, interval_of
from chiasm.target import ANSWER_KINDS, Target
from chiasm.views import Views

__all__ = ["FOLDS", "Folds", "Fuser"]


class Folds(Part):
    """The rows that a fuser learned from and what it says of each without that row's fold.

    Learned: `rows_` `(m,)` positions among the rows given; `truth_` `(m, c)`; `numbers_` `(m,)` the fold of each;
    `outputs_` `(m, c)` out of fold, or None.
    """

    rows_: np.ndarray
    truth_: np.ndarray
    numbers_: np.ndarray
    outputs_: np.ndarray | None

    def record(self, rows: np.ndarray, truth: np.ndarray, numbers: np.ndarray, outputs: np.ndarray | None) -> Folds:
        """Keep what a fit knows; returns self."""
        self.rows_, self.truth_, self.numbers_, self.outputs_ = rows, truth, numbers, outputs
        return self


class Fuser(Part):
    """Several views -> one answer a row. A file of this folder implements `_learn` and `_answer`; the rest follows.

    Every fuser has the parameters `kind` ("classes", "tags" or "numbers", what is answered) and `seed`. Any view may be
    absent in any row, in training and later; a row in which all are absent gets the training mean as its answer.

    Learned: `target_` (the classes or tags), `widths_` by view, `features_` (what a DataFrame called the numbers),
    `prior_`, `unlabeled_` (training rows left out),
    `folds_` (what `crossed` needs; a task drops it).
    """

    allowed: ClassVar = {"kind": choice(*ANSWER_KINDS), "seed": SEED, "device": DEVICE}

    kind: str
    seed: int
    folds_: Folds
    crosses_cheaply: ClassVar[bool] = False
    """Whether `fit` gives out-of-fold answers at no further cost."""
    spare = ("folds_",)

    def fit(self, views: Any, y: Any = None) -> Fuser:
        """Learn from encoded views and their labels: one a row, by default `views.label`; rows without are left out.

        Everything that is chosen is chosen by cross-validation within these rows, in folds that cut no id and no group.
        Raises a ChiasmError where labels are missing or all equal, or where a view is absent in every row.
        """
        views = checked(views)
        self.features_ = features_of(views)
        y = views.label if y is None else y
        if y is None:
            raise ChiasmError("wanted labels, got none: pass y, one a row, or name the column of labels (label='COL').")
        if len(y) != len(views):
            raise ChiasmError(f"wanted {len(views)} labels, one a row, got {len(y)}.")
        self.target_ = Target(self.kind).fit(y)
        truth = self.target_.encode(y)
        rows = np.flatnonzero(~np.isnan(truth).any(axis=1))
        held = self._held(views[rows])
        for name, block in held.items():
            if not block.present.any():
                raise ChiasmError(f"view {name!r} is absent in all {len(rows)} labeled training rows: leave it out.")
        self._facts(views[rows])
        self.widths_ = {name: self._numbers(block) for name, block in held.items()}
        self.prior_ = truth[rows].mean(axis=0)
        self.unlabeled_ = len(views) - len(rows)
        truth = truth[rows]
        folds = folds_of(views.clusters[rows], truth, self.kind, self.seed)
        with one_thread(len(rows)):
            self.folds_ = Folds().record(rows, truth, folds, self._learn(held, truth, folds))
        return self

    def _facts(self, views: Views) -> None:
        """What a fuser takes of the labeled rows beside views and labels: nothing."""

    def _held(self, views: Views, names: Sequence[str] | None = None) -> Blocks:
        """The views (those of these names) as blocks, tokens only where every row has as many."""
        return blocks(views, names)

    def _numbers(self, block: Block) -> int:
        """The numbers of a row, or of what else it must have as many of as the rows learned from."""
        wide: int = block.values.shape[1]
        return wide

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray | None:
        """Learn from blocks of n rows, their truth `(n, c)` and their folds `(n,)`.

        Returns `(n, c)` the answer to every row by what was learned without its fold, where learning gives it anyway
        (`crosses_cheaply`); else None.
        """
        raise NotImplementedError

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, c)` outputs; views may be absent in rows, or missing from `held` altogether."""
        raise NotImplementedError

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """What `outputs` makes of rows that have just these views `(n, d)`, written down (`chiasm.export`).

        Raises a ChiasmError where the fuser does not tell.
        """
        raise ChiasmError(
            f"wanted a fuser whose answers can be written as ONNX, got {type(self).__name__}, which does not tell its "
            "own (no method traced): fit with auto, early or bilinear."
        )

    def _inside(self, part: Any, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> tuple[Fuser, np.ndarray]:
        """Another fuser, or its name, learned from the same rows to answer the same; its out-of-fold answers."""
        fuser: Fuser = registry.make("fuse", part, seed=self.seed).set_params(kind=self.kind)
        fuser.target_, fuser.widths_, fuser.prior_ = self.target_, self.widths_, self.prior_
        crossed = fuser._learn(held, truth, folds)
        return fuser, fuser._again(held, truth, folds) if crossed is None else crossed

    def _again(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """`(n, c)` the answer to every row by what is learned without its fold, learning again for every fold."""
        out = np.empty_like(truth)
        for fold in np.unique(folds):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            part = copy.copy(self)
            part._learn(restrict(held, inside), truth[inside], folds[inside])
            out[outside] = part._whole(restrict(held, outside), len(outside), truth[inside].mean(axis=0))
        return out

    def crossed(self, views: Any) -> np.ndarray:
        """`(m, c)` outputs for the labeled rows that were learned from, each by what was learned without its fold.

        Args:
            views: the Views that were fitted. A fuser that does not `crosses_cheaply` learns from them again.

        Raises a ChiasmError where what folds learned was dropped (`slim`, as a task does).
        """
        self.check_fitted()
        if not hasattr(self, "folds_"):
            raise ChiasmError("what folds learned was dropped to keep the model small: fit the fuser itself again.")
        kept = self.folds_
        if kept.outputs_ is not None:
            return kept.outputs_.copy()
        return self._again(self._held(checked(views)[kept.rows_], list(self.widths_)), kept.truth_, kept.numbers_)

    def outputs(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities of the classes or tags, or numbers. Views that were not fitted are not looked at."""
        held, n = self._asked_of(views)
        return self._whole(held, n, self.prior_)

    def _asked_of(self, views: Any) -> tuple[Blocks, int]:
        """New rows as blocks of the views that were fitted and are there, and how many rows these are."""
        self.check_fitted()
        views = in_order(checked(views, self.widths_), vars(self).get("features_", {}))
        held = self._held(views, list(self.widths_))
        if not held:
            raise ChiasmError(f"wanted some of the views {', '.join(self.widths_)}, got {', '.join(views.names)}.")
        for name, block in list(held.items()):
            if not block.present.any():
                del held[name]  # nothing of it could be read: its width is not known
            else:
                check_width(name, self._numbers(held[name]), self.widths_[name])
        return held, len(views)

    def _whole(self, held: Blocks, n: int, prior: np.ndarray) -> np.ndarray:
        if not held:
            return np.tile(prior, (n, 1))
        with one_thread(n):
            out = self._answer(held, n)
        out[~presence(held, list(held), n).any(axis=1)] = prior
        return out

    def predict_proba(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities in the order of `classes_`; a ChiasmError for numbers, which have none."""
        if self.kind == "numbers":
            raise ChiasmError("numbers have no probabilities: call predict.")
        return self.outputs(views)

    def predict(self, views: Any) -> np.ndarray:
        """`(n,)` classes in the type of the labels given, `(n, c)` booleans a tag, or `(n,)` numbers."""
        return self.target_.decode(self.outputs(views))

    @property
    def classes_(self) -> np.ndarray:
        """The classes or tags, as scikit-learn calls them: in the type of the labels that were given."""
        return self.target_.values()

    def _widths(self) -> dict[str, int]:
        return dict(self.widths_)

    def score(self, views: Any, y: Any = None) -> Score:
        """Accuracy, share of right tags, or R2 (the float), with its 95 % interval; `chiasm score` says more.

        Args:
            views: rows with labels, not those that were learned from. y: labels, one a row; by default the views'.
        """
        views = checked(views, self.widths_)
        y = views.label if y is None else y
        if y is None:
            raise ChiasmError("wanted labels to score by, got none: pass y, one a row.")
        self.target_.check(y)
        truth = self.target_.encode(y)
        out = self.outputs(views)
        known = np.flatnonzero(~np.isnan(truth).any(axis=1))
        if not len(known):
            raise ChiasmError(f"wanted rows with labels to score, got {len(views)} without.")
        truth, out, draws = truth[known], out[known], Draws(views.clusters[known], seed=self.seed)
        name = {"classes": "accuracy", "tags": "right_tags", "numbers": "r2"}[self.kind]
        if self.kind == "numbers":
            found = draws.r2(truth[:, 0], out[:, 0]) if truth.shape[1] == 1 else (_r2(truth, out), np.zeros(0))
        elif self.kind == "tags":
            found = draws.mean(((out >= 0.5) == (truth > 0.5)).mean(axis=1))
        else:
            found = draws.mean(truth[np.arange(len(truth)), out.argmax(axis=1)])
        table = {"task": "fuse", "fuser": type(self).__name__, "answers": self.kind, "rows": len(known)}
        value = float(found[0])
        interval = interval_of(*found) if len(found[1]) else {"value": round(value, 6), "low": None, "high": None}
        return Score(value, {**table, "split": "given", name: interval})


def _r2(truth: np.ndarray, out: np.ndarray) -> float:
    return float(1 - np.square(out - truth).sum() / np.square(truth - truth.mean(axis=0)).sum())
