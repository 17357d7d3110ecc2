"""Truth: the labeled rows that a score is about, and every figure of what was answered, on shared draws."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.stats.resample import Draws, Sampled, difference, interval_of, verdict
from chiasm.views import Views

__all__ = ["PRIMARY", "Truth"]

PRIMARY = {"classes": "accuracy", "tags": "f1_micro", "numbers": "r2"}
"""The figure that a task is judged by."""


class Truth:
    """The labeled rows of a table, their truth and the draws that every interval shares.

    Args:
        task: a fitted task that answers. views: encoded rows with labels. rows: positions of those that count; left
            out, all that have a label.
    """

    def __init__(self, task: Any, views: Views, rows: np.ndarray | None = None):
        self.kind, self.target = task.kind, task.fuser_.target_
        self.thresholds = getattr(task, "thresholds_", None)
        truth = self.target.encode(views.label)
        self.rows = np.flatnonzero(~np.isnan(truth).any(axis=1)) if rows is None else rows
        self.truth = truth[self.rows]
        self.draws = Draws(views.clusters[self.rows], seed=task.seed)
        self.names = list(self.target.names_)
        if self.kind == "classes":
            self.unknown = int((self.truth.sum(axis=1) == 0).sum())
            if self.unknown:  # classes that training lacked: never answered right
                self.truth = np.column_stack([self.truth, self.truth.sum(axis=1) == 0])
                self.names.append("(a class not in training)")
            self.codes = self.truth.argmax(axis=1)

    def at(self, places: np.ndarray, draws: Draws) -> Truth:
        """The same of some of these rows (positions among them), with other draws."""
        some = copy.copy(self)
        some.rows, some.truth, some.draws = self.rows[places], self.truth[places], draws
        if self.kind == "classes":
            some.codes = self.codes[places]
        return some

    def widen(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs with a column of zeros for classes that training lacked, where there are such rows."""
        more = len(self.names) - outputs.shape[1]
        return np.column_stack([outputs, np.zeros((len(outputs), more))]) if more else outputs

    def decide(self, outputs: np.ndarray) -> np.ndarray:
        """Class codes, tags or numbers."""
        if self.kind == "classes":
            codes: np.ndarray = outputs.argmax(axis=1)
            return codes
        return self.target.decode(outputs, self.thresholds)

    def measure(self, outputs: np.ndarray) -> dict[str, Sampled]:
        """Every figure of some outputs, with its samples over the draws."""
        d = self.draws
        answers = self.decide(outputs)
        if self.kind == "numbers":
            return {"r2": d.r2(self.truth[:, 0], answers), "mae": d.mae(self.truth[:, 0], answers)}
        if self.kind == "tags":
            true = self.truth > 0.5
            return {
                "f1_micro": d.f1_micro(true, answers),
                "f1_macro": d.f1_macro(true, answers),
                "average_precision": d.average_precision(true, outputs),
            }
        ranked = self.widen(outputs)
        auc = d.auc(self.codes == 1, ranked[:, 1]) if len(self.names) == 2 else d.auc_ovr(self.codes, ranked)
        return {
            "accuracy": d.accuracy(self.codes, answers),
            "f1_macro": d.f1_macro(self.codes, answers),
            "f1_weighted": d.f1_weighted(self.codes, answers),
            "auc": auc,
        }

    def figures(self, measured: Mapping[str, Sampled]) -> dict[str, Any]:
        """Values with intervals."""
        return {name: (interval_of(*sampled)) for name, sampled in measured.items()}

    @property
    def judged(self) -> str:
        """The figure of the verdict: of two classes the AUC, which a rare class cannot hide from."""
        return "auc" if self.kind == "classes" and len(self.names) == 2 else PRIMARY[self.kind]

    def compared(self, one: Mapping[str, Sampled], other: Mapping[str, Sampled]) -> dict[str, Any]:
        """Paired differences, one less other; of errors other less one, so that more is better."""
        return {
            name: (difference(other[name], one[name]) if name == "mae" else difference(one[name], other[name]))
            for name in one
        }

    def words(self, view: str, others: Sequence[str], differences: Mapping[str, Any], rows: int) -> str:
        """The verdict on a view."""
        unit = {"auc": "points of AUC", "r2": "R2"}.get(self.judged, "points")
        found = differences[self.judged]
        if unit == "points of AUC":
            return verdict(view, others, found, rows).replace(" points", " points of AUC")
        return verdict(view, others, found, rows, unit=unit)
