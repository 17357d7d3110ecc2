"""Items of a shared space as a sample: unit vectors with view, thing and class; probes and means over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chiasm.column import missing
from chiasm.errors import ChiasmError
from chiasm.stats.resample import bootstrap, interval
from chiasm.views import Views, normalize

__all__ = ["NO_LABELS", "Sample", "balanced", "fit_probe", "half", "learnable", "sample"]

LEAST = 10
"""Fewer things than this are too few to cut in half and learn from."""

NO_LABELS = "the rows have no labels: name a label column"

FOLDS = 5
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
"""The candidate inverse regularizations (C) of a probe; vectors have length 1, so coordinates are small."""


@dataclass(frozen=True)
class Sample:
    """Every distinct item of every view once, as a unit vector, with the facts of the first row that refers to it."""

    vectors: np.ndarray
    view: np.ndarray
    """`(n,)` the number of its view."""
    thing: np.ndarray
    label: np.ndarray
    """`(n,)` class numbers, -1 = unknown."""
    row: np.ndarray
    views: list[str]

    def where(self, mask: np.ndarray) -> Sample:
        """The items of a mask."""
        return Sample(
            self.vectors[mask], self.view[mask], self.thing[mask], self.label[mask], self.row[mask], self.views
        )

    def of(self, view: int) -> Sample:
        """The items of one view."""
        return self.where(self.view == view)


def sample(space: Views) -> Sample:
    """The items of a space. Raises a ChiasmError for fewer than 10 things or columns of different widths."""
    columns = {name: column for name, column in space.columns.items() if len(column.used)}
    widths = {name: column.width for name, column in columns.items()}
    if len(set(widths.values())) > 1:
        raise ChiasmError(f"wanted views of one shared width, got {widths}: map them with a fitted aligner first.")
    things = np.concatenate([space.codes[column.present] for column in columns.values()]) if columns else np.zeros(0)
    if len(np.unique(things)) < LEAST:
        raise ChiasmError(
            f"wanted at least {LEAST} held-out things to measure a space on, got {len(np.unique(things))}: "
            "give more rows that the model was not fitted on."
        )
    numbers = np.full(len(space), -1)
    if space.label is not None:
        named = np.array([not missing(value) and str(value) != "" for value in space.label.tolist()])
        numbers[named] = np.unique(space.label[named].astype(str), return_inverse=True)[1]
    rows = [column.first_rows for column in columns.values()]
    return Sample(
        np.concatenate([normalize(np.asarray(column.items[column.used])) for column in columns.values()]),
        np.repeat(np.arange(len(rows)), [len(first) for first in rows]),
        space.codes[np.concatenate(rows)],
        numbers[np.concatenate(rows)],
        np.concatenate(rows),
        list(columns),
    )


def balanced(values: np.ndarray, group: np.ndarray, things: np.ndarray, seed: int) -> dict[str, float]:
    """The mean of the groups' means of `(n,)` values with its interval, resampling things."""
    code = np.unique(group, return_inverse=True)[1]
    counts = np.bincount(code)
    weighted = values * (len(values) / len(counts) / counts)[code]
    return interval(*(edge[0] for edge in bootstrap(weighted, things, seed=seed)))


def half(things: np.ndarray, seed: int) -> np.ndarray:
    """`(n,)` mask of the items to learn from: half of the things, at random."""
    codes = np.unique(things)
    mask: np.ndarray = np.isin(things, np.random.default_rng(seed).permutation(codes)[: len(codes) // 2])
    return mask


def learnable(classes: np.ndarray, things: np.ndarray) -> bool:
    """Whether two classes have two things each, so that every fold of a probe sees both."""
    pairs = np.unique(np.stack([classes, things]), axis=1)
    return int((np.unique(pairs[0], return_counts=True)[1] > 1).sum()) > 1


def fit_probe(vectors: np.ndarray, classes: np.ndarray, things: np.ndarray, weight: str | None, seed: int) -> Any:
    """Logistic regression whose C is chosen by cross-validation over things, each class spread over the folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    codes, first, thing = np.unique(things, return_index=True, return_inverse=True)
    order = np.lexsort((np.random.default_rng(seed).random(len(codes)), classes[first]))
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % FOLDS
    model = LogisticRegression(class_weight=weight, max_iter=2000)
    search = GridSearchCV(model, {"C": list(STRENGTHS)}, cv=PredefinedSplit(fold[thing]))
    return search.fit(vectors, classes)
