"""Heads: a fuser for every kind of answer, and one that tells the kind from what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.part import Part
from chiasm.tasks._ask.kinds import kinds_of
from chiasm.views import Views

__all__ = ["Heads"]

_LEAST = 20
"""Rows that a kind of answer has a head of its own for."""


class Heads(Part):
    """P(answer) = sum over kinds P(kind | the question) P(answer | kind, views).

    Of a kind whose answers all views do not tell better than the question alone, by more than the standard error of the
    gain on rows that were not learned from, the question alone answers (`looks="chosen"`).

    Args:
        fuse: a fuser or its name: of the heads, and of what tells the kind. route: "learned", or "none", one head of
            all answers. looks: "chosen" or "always", whether a kind may do without what is asked about.
        asked: the view that the kind is told from; where it is not among those fitted, from all. seed: of the fusers.

    Learned: `names_` (the C answers), `heads_` by kind, `blind_` by kind that does without, `router_` where there are
    several kinds, `crossed_` `(n, C)` what is said of each row by what was learned without its fold, until `slim`.
    """

    spare = ("crossed_",)

    def __init__(
        self, fuse: Any = "tensor", route: str = "learned", looks: str = "chosen", asked: str = "", seed: int = 0
    ):
        self.fuse = fuse
        self.route = route
        self.looks = looks
        self.asked = asked
        self.seed = seed

    def fit(self, views: Views, answers: np.ndarray) -> Heads:
        """Learn from encoded rows and their plain answers, one a row. Folds cut no id and no group of the views."""
        self.names_ = sorted(set(answers.tolist()))
        place = {name: i for i, name in enumerate(self.names_)}
        kinds = self._kinds(views, answers)
        self.kinds_ = sorted(set(kinds.tolist()))
        self.crossed_ = np.zeros((len(views), len(self.names_)))
        self.heads_, self.places_, self.blind_ = {}, {}, {}
        chooses = self.looks == "chosen" and self.asked in views.columns and len(views.columns) > 1
        for kind in self.kinds_:
            rows = np.flatnonzero(kinds == kind)
            head = self._fuser().fit(views[rows], answers[rows])
            self.heads_[kind] = head
            self.places_[kind] = np.array([place[name] for name in head.target_.names_])
            said = head.outputs(views)
            said[rows] = head.crossed(views[rows])
            if chooses:
                alone = self._fuser().fit(self._asked(views[rows]), answers[rows])
                crossed = alone.crossed(self._asked(views[rows]))
                names = np.array(head.target_.names_, dtype=object)
                gained = (names[said[rows].argmax(axis=1)] == answers[rows]) * 1.0
                gained -= names[crossed.argmax(axis=1)] == answers[rows]
                if gained.mean() <= gained.std() / np.sqrt(len(rows)):
                    self.blind_[kind] = alone.slim()
                    here = views.present(self.asked)
                    blind = alone.outputs(self._asked(views))
                    blind[rows] = crossed
                    said[here] = blind[here]
            self.crossed_[:, self.places_[kind]] = said
        self.router_ = None
        if len(self.kinds_) > 1:
            self.router_ = self._fuser().fit(self._asked(views), kinds)
            shares = self.router_.crossed(self._asked(views))
            for column, kind in enumerate(self.router_.target_.names_):
                self.crossed_[:, self.places_[kind]] *= shares[:, [column]]
            self.router_ = self.router_.slim()
        self.heads_ = {kind: head.slim() for kind, head in self.heads_.items()}
        return self

    def outputs(self, views: Views) -> np.ndarray:
        """`(n, C)` the probability of each answer."""
        out = np.zeros((len(views), len(self.names_)))
        for kind, head in self.heads_.items():
            if kind in self.blind_ and self.asked in views.columns:
                said = self.blind_[kind].outputs(self._asked(views))
                rest = np.flatnonzero(~views.present(self.asked))
                if len(rest):
                    said[rest] = head.outputs(views[rest])
            else:
                said = head.outputs(views)
            out[:, self.places_[kind]] = said
        if self.router_ is not None:
            told = set(self.router_.widths_) & set(views.columns)
            shares = self.router_.outputs(views) if told else np.tile(self.router_.prior_, (len(views), 1))
            for column, kind in enumerate(self.router_.target_.names_):
                out[:, self.places_[kind]] *= shares[:, [column]]
        return out

    def _asked(self, views: Views) -> Views:
        """What the kind is told from."""
        return views.replace({self.asked: views.columns[self.asked]}) if self.asked in views.columns else views

    def _kinds(self, views: Views, answers: np.ndarray) -> np.ndarray:
        """`(n,)` the kind of each row's answer; kinds that are too few to learn from go with others."""
        kinds = kinds_of(answers) if self.route == "learned" else np.full(len(answers), "any", dtype=object)
        for kind in ("number", "yes or no"):
            rows = np.flatnonzero(kinds == kind)
            if len(rows) and not _enough(answers[rows], views.clusters[rows]):
                kinds[rows] = "other"
        rest = np.flatnonzero(kinds == "other")
        if len(rest) and len(rest) < len(kinds) and not _enough(answers[rest], views.clusters[rest]):
            kinds[:] = "any"
        return kinds

    def _fuser(self) -> Any:
        return registry.make("fuse", self.fuse, seed=self.seed).set_params(kind="classes")


def _enough(answers: np.ndarray, clusters: Sequence[int] | np.ndarray) -> bool:
    """Whether a head can be learned: two answers, some of them given twice, of things apart."""
    counts = np.unique(answers.astype(str), return_counts=True)[1]
    return len(answers) >= _LEAST and len(counts) > 1 and counts.max() > 1 and len(np.unique(clusters)) > 1
