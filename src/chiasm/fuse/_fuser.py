"""What every fuser shares: the door, folds that cut no group, absent views, and answers by name."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.score import Score
from chiasm.stats.blocks import Blocks, blocks, presence, restrict
from chiasm.target import Target
from chiasm.views import as_views

__all__ = ["FOLDS", "Fuser", "folds_of"]

FOLDS = 5


class Fuser(Part):
    """Several views -> one answer a row. A file of this folder implements `_learn` and `_answer`; the rest follows.

    Every fuser has the parameters `kind` ("classes", "tags" or "numbers", what is answered) and `seed`. Any view may be
    absent in any row, in training and later; a row in which all are absent gets the training mean as its answer.

    Learned: `target_` (the classes or tags), `widths_` by view, `prior_`, `unlabeled_` (training rows left out).
    """

    kind: str
    seed: int

    def fit(self, views: Any, y: Any = None) -> Fuser:
        """Learn from encoded views and their labels: one a row, by default `views.label`; rows without are left out.

        Everything that is chosen is chosen by cross-validation within these rows, in folds that cut no id and no group.
        Raises a ChiasmError where labels are missing or all equal, or where a view is absent in every row.
        """
        views = as_views(views)
        y = views.label if y is None else y
        if y is None:
            raise ChiasmError("wanted labels, got none: pass y, one a row, or name the column of labels (--label).")
        if len(y) != len(views):
            raise ChiasmError(f"wanted {len(views)} labels, one a row, got {len(y)}.")
        self.target_ = Target(self.kind).fit(y)
        truth = self.target_.encode(y)
        rows = np.flatnonzero(~np.isnan(truth).any(axis=1))
        held = blocks(views[rows])
        for name, block in held.items():
            if not block.present.any():
                raise ChiasmError(f"view {name!r} is absent in all {len(rows)} labeled training rows: leave it out.")
        self.widths_ = {name: block.values.shape[1] for name, block in held.items()}
        self.prior_ = truth[rows].mean(axis=0)
        self.unlabeled_ = len(views) - len(rows)
        self.rows = rows
        self.truth = truth[rows]
        self.folds = folds_of(views.clusters[rows], self.truth, self.kind, self.seed)
        self._learn(held, self.truth, self.folds)
        return self

    rows: np.ndarray
    """The positions of the rows that the last `fit` learned from (not saved)."""
    truth: np.ndarray
    """Their `(m, c)` labels (not saved)."""
    folds: np.ndarray
    """Their folds (not saved)."""

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        """Learn from blocks of n rows, their truth `(n, c)` and their folds `(n,)`."""
        raise NotImplementedError

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, c)` outputs; views may be absent in rows, or missing from `held` altogether."""
        raise NotImplementedError

    def _crossed(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """`(n, c)` the answer to every row by what is learned without its fold: here by learning again."""
        out = np.empty_like(truth)
        for fold in np.unique(folds):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            part = copy.copy(self)
            part._learn(restrict(held, inside), truth[inside], folds[inside])
            out[outside] = part._whole(restrict(held, outside), len(outside), truth[inside].mean(axis=0))
        return out

    def crossed(self, views: Any) -> np.ndarray:
        """`(m, c)` outputs for the labeled rows of the last `fit`, each by what was learned without its fold.

        Args:
            views: the Views that were fitted.
        """
        return self._crossed(blocks(as_views(views)[self.rows], list(self.widths_)), self.truth, self.folds)

    def outputs(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities of the classes or tags, or numbers. Views that were not fitted are not looked at."""
        self.check_fitted()
        views = as_views(views)
        held = blocks(views, list(self.widths_))
        if not held:
            raise ChiasmError(f"wanted some of the views {', '.join(self.widths_)}, got {', '.join(views.names)}.")
        for name, block in list(held.items()):
            if not block.present.any():
                del held[name]  # nothing of it could be read: its width is not known
            elif block.values.shape[1] != self.widths_[name]:
                raise ChiasmError(
                    f"view {name!r}: wanted vectors of {self.widths_[name]} numbers, got {block.values.shape[1]}: "
                    "encode it as for fit."
                )
        return self._whole(held, len(views), self.prior_)

    def _whole(self, held: Blocks, n: int, prior: np.ndarray) -> np.ndarray:
        if not held:
            return np.tile(prior, (n, 1))
        out = self._answer(held, n)
        out[~presence(held, list(held), n).any(axis=1)] = prior
        return out

    def predict_proba(self, views: Any) -> np.ndarray:
        """`(n, c)` probabilities in the order of `classes_`; a ChiasmError for numbers, which have none."""
        if self.kind == "numbers":
            raise ChiasmError("numbers have no probabilities: call predict.")
        return self.outputs(views)

    def predict(self, views: Any) -> np.ndarray:
        """`(n,)` class names, `(n, c)` booleans a tag, or `(n,)` numbers."""
        return self.target_.decode(self.outputs(views))

    @property
    def classes_(self) -> np.ndarray:
        """The classes or tags, as scikit-learn calls them."""
        return np.array(self.target_.names_, dtype=object)

    def score(self, views: Any, y: Any = None) -> Score:
        """Accuracy, share of right tags, or R2, as a float; `chiasm score` says more."""
        views = as_views(views)
        truth = self.target_.encode(views.label if y is None else y)
        out = self.outputs(views)
        known = ~np.isnan(truth).any(axis=1)
        if self.kind == "numbers":
            error = np.square(out - truth)[known].sum()
            value = 1 - error / np.square(truth[known] - truth[known].mean(axis=0)).sum()
        elif self.kind == "tags":
            value = ((out >= 0.5) == (truth > 0.5))[known].mean()
        else:
            value = truth[known, out[known].argmax(axis=1)].mean()
        return Score(float(value), {"task": "fuse", "rows": int(known.sum()), "split": "given"})


def folds_of(clusters: np.ndarray, truth: np.ndarray, kind: str, seed: int = 0, most: int = FOLDS) -> np.ndarray:
    """`(n,)` fold numbers: rows of one cluster in one fold; of classes, each fold has its share as nearly as may be."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    count = min(most, len(np.unique(clusters)))
    if kind == "classes":  # scikit-learn wants a class with as many rows as folds
        count = min(count, max(2, int(truth.sum(axis=0).max())))
    if count < 2:
        raise ChiasmError("wanted at least two things to learn from that share no id and no group, got one.")
    out = np.empty(len(truth), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds
        if kind == "classes":
            cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            parts = cut.split(truth, truth.argmax(axis=1), clusters)
        else:
            parts = GroupKFold(count, shuffle=True, random_state=seed).split(truth, groups=clusters)
        for number, (_, rows) in enumerate(parts):
            out[rows] = number
    return out
