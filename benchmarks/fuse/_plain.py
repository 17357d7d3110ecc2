"""What a good engineer does with scikit-learn on the same features: the peers that fusers are compared with.

Each view is imputed, then standardized column by column or centered, perhaps reduced by PCA, and given the same total
variance; then logistic regression, an RBF-kernel SVM, or both of every view stacked. All settings are chosen by
accuracy on the validation rows, then learned again from training and validation rows together, as the fusers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from chiasm.views import Views

__all__ = ["METHODS", "Plain"]

METHODS = ("logistic", "SVM", "averaged", "stacked")
"""What is learned from several views: both of all views side by side, the mean of each view's logistic regression's
probabilities, and logistic regression on the out-of-fold answers of both learners of every view."""

VARIANTS = tuple(product(("columns", "whole"), (0, 128)))
"""Each column standardized or the view centered; all coordinates or so many principal ones."""
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""C of logistic regression on views of total variance 1."""
WIDTHS, COSTS = (0.5, 1.0), (1.0, 3.0)
"""gamma of the SVM, times the number of views, and its C."""
FINAL = (0.1, 1.0, 10.0)
"""C of the last step of stacking."""
FOLDS = 5

Fitted = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(features to learn from, their classes, features to answer) -> scores `(n, c)`."""


class Plain:
    """The peers of one pack.

    Args:
        views: encoded views with labels.
    """

    def __init__(self, views: Views):
        self.names, self.y = np.unique(views.label.astype(str), return_inverse=True)
        self.x = {}
        for name, column in views.columns.items():
            values = np.full((len(views), column.width), np.nan)
            values[column.present] = column.take(column.index[column.present])
            self.x[name] = values

    def outputs(self, split: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
        """By method scores `(n, c)` of the test rows, and which method the validation rows find best.

        Methods: "VIEW, logistic" and "VIEW, SVM" of every view, and `METHODS`.
        """
        train, val, test = (np.flatnonzero(split == part) for part in ("train", "val", "test"))
        both = np.flatnonzero(split != "test")
        found: dict[str, np.ndarray] = {}
        chosen: dict[str, np.ndarray] = {}
        kept: dict[str, tuple[Any, Fitted]] = {}
        for names in [[name] for name in self.x] + [list(self.x)] * (len(self.x) > 1):
            for learner, (settings, variants) in LEARNERS.items():
                key = learner if len(names) > 1 else f"{names[0]}, {learner}"
                kept[key] = self._best(names, variants, list(settings(len(names))), train, val)
                found[key] = self._answers(names, *kept[key], both, test)
                chosen[key] = self._answers(names, *kept[key], train, val)
        if len(self.x) > 1:
            for answers in (found, chosen):
                answers["averaged"] = np.mean([answers[f"{name}, logistic"] for name in self.x], axis=0)
            chosen["stacked"], strength = self._stacked(kept, train, val, FINAL)
            found["stacked"], _ = self._stacked(kept, both, test, (strength,))
        right = {key: self._right(outputs, val) for key, outputs in chosen.items()}
        return found, max(right, key=lambda key: right[key])

    def _turned(self, names: Sequence[str], variant: Any, learn: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
        """Features of both sets of rows, from what the first one says."""
        parts = [_view(self.x[name], variant, learn, rows) for name in names]
        return [np.hstack(part) for part in zip(*parts, strict=True)]

    def _best(
        self, names: Sequence[str], variants: Any, settings: Sequence[Fitted], train: np.ndarray, val: np.ndarray
    ) -> tuple[Any, Fitted]:
        """The variant and the setting with the highest accuracy on the validation rows; the first of equals."""
        tried: list[tuple[float, Any, Fitted]] = []
        for variant in variants:
            inside, outside = self._turned(names, variant, train, val)
            for setting in settings:
                outputs = self._wide(setting(inside, self.y[train], outside), train)
                tried.append((self._right(outputs, val), variant, setting))
        _, variant, setting = max(tried, key=lambda one: one[0])
        return variant, setting

    def _answers(
        self, names: Sequence[str], variant: Any, setting: Fitted, learn: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        inside, outside = self._turned(names, variant, learn, rows)
        return self._wide(setting(inside, self.y[learn], outside), learn)

    def _wide(self, outputs: np.ndarray, learn: np.ndarray) -> np.ndarray:
        """Scores in the order of all classes; the least for one that the rows learned from do not have."""
        out = np.full((len(outputs), len(self.names)), outputs.min() if outputs.size else 0.0)
        out[:, np.unique(self.y[learn])] = outputs
        return out

    def _stacked(
        self, kept: dict[str, tuple[Any, Fitted]], learn: np.ndarray, rows: np.ndarray, strengths: Sequence[float]
    ) -> tuple[np.ndarray, float]:
        """Logistic regression on out-of-fold answers of every view's learners; its C by the rows where several."""
        bases = {f"{name}, {how}": [name] for name in self.x for how in LEARNERS}
        inside: dict[str, np.ndarray] = {key: np.zeros((len(learn), len(self.names))) for key in bases}
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        for fit, held in folds.split(learn, self.y[learn]):
            for key, names in bases.items():
                inside[key][held] = self._answers(names, *kept[key], learn[fit], learn[held])
        outside = {key: self._answers(names, *kept[key], learn, rows) for key, names in bases.items()}
        scale = {key: max(float(values.std()), 1e-12) for key, values in inside.items()}
        seen, asked = (np.hstack([part[key] / scale[key] for key in bases]) for part in (inside, outside))
        tried = {}
        for c in strengths:
            outputs = _fitted(LogisticRegression(C=c, max_iter=2000), seen, self.y[learn], asked)
            tried[c] = self._wide(outputs, learn)
        best = strengths[0] if len(tried) == 1 else max(tried, key=lambda c: self._right(tried[c], rows))
        return tried[best], best

    def _right(self, outputs: np.ndarray, rows: np.ndarray) -> float:
        return float((outputs.argmax(axis=1) == self.y[rows]).mean())


def _view(x: np.ndarray, variant: Any, learn: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """One view of total variance 1 on the rows learned from."""
    scaling, coordinates = variant
    fill = SimpleImputer(keep_empty_features=True).fit(x[learn])
    parts = [fill.transform(x[at]) for at in (learn, rows)]
    scaler = StandardScaler(with_std=scaling == "columns").fit(parts[0])
    parts = [scaler.transform(part) for part in parts]
    if 0 < coordinates < min(parts[0].shape):
        pca = PCA(coordinates, svd_solver="randomized", random_state=0).fit(parts[0])
        parts = [pca.transform(part) for part in parts]
    total = max(float(np.sqrt(parts[0].var(axis=0).sum())), 1e-12)
    return [(part / total).astype(np.float32) for part in parts]


def _fitted(model: Any, inside: np.ndarray, y: np.ndarray, outside: np.ndarray) -> np.ndarray:
    found: np.ndarray = model.fit(inside, y).predict_proba(outside)
    return found


def _logistic(views: int) -> Iterator[Fitted]:
    for c in STRENGTHS:
        yield partial(_fitted, LogisticRegression(C=c, max_iter=1000))


def _svm(views: int) -> Iterator[Fitted]:
    for gamma, c in product(WIDTHS, COSTS):
        yield partial(_decided, SVC(C=c, gamma=gamma / views))


def _decided(model: Any, inside: np.ndarray, y: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The SVM by its kernel's matrix: the same as with the kernel's name, and several times as fast."""
    kernel = [rbf_kernel(rows, inside, model.gamma) for rows in (inside, outside)]
    found: np.ndarray = clone(model).set_params(kernel="precomputed").fit(kernel[0], y).decision_function(kernel[1])
    return np.stack([-found, found], axis=1) if found.ndim == 1 else found


LEARNERS = {"logistic": (_logistic, VARIANTS), "SVM": (_svm, VARIANTS[::2])}
"""By name the settings tried, and on which features: to the SVM's kernel a PCA is little but lost coordinates."""
