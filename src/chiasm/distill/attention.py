"""Attention: which patches of a picture the teacher speaks of, told without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

from chiasm.distill._distiller import Distiller
from chiasm.distill._regression import Regression
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.graph import Symbol
from chiasm.stats.blocks import Block, blocks
from chiasm.tokens import Tokens
from chiasm.views import ABSENT, Column, Views

__all__ = ["Attention"]

EACH, FOLDS = 9, 5
"""Tokens of an item that the query is learned from; folds of its ridge."""
CHUNK = 256


class Attention(Distiller):
    """The student pools its patches by a query that was learned to find those that the teacher speaks of.

    A view of tokens (`effnet_image` with pooled=False; words; frames) becomes two: the mean of an item's tokens, and
    their mean weighted by softmax(query . token). What a token has of the teacher is what ridge regression of the
    teacher on means says of it alone, times the teacher's own vector of that item; the query is the ridge regression of
    that on tokens, so that it needs no teacher. Beside them the student is taught as by `soft_labels`; where it has no
    view of tokens, that is all.

    Args:
        teacher: the view that teaches, or several. student: a fuser or its name. kind: "classes", "tags" or "numbers".
        seed: of folds, and of the tokens that are learned from.

    It finds a planted patch. On pictures of news, with a quarter of the labels, it was above the student alone over
    five splits, on the setting that methods here were designed on and not compared with patches alone; with a
    twentieth, and on X-rays, no gain is shown (docs/distill.md): take `features` or `soft_labels` first.

    Learned: `means_` `(d,)`, `spreads_` `(d,)` and `queries_` `(d,)` by view of tokens.

    >>> from chiasm.tokens import Tokens
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 300)
    >>> notes = rng.normal(size=(300, 4)) + 2 * y[:, None]
    >>> patches = [rng.normal(size=(5, 4)) + (np.arange(5) == 2)[:, None] * note for note in notes]
    >>> views = Views({"picture": Column("image", Tokens.of(patches)), "notes": Column("vector", notes)})
    >>> labels = [label if row < 40 else None for row, label in enumerate(y.tolist())]
    >>> Attention(teacher="notes", student="early").fit(views, labels).predict(views[:2]).shape
    (2,)

    Source: Bahdanau, Cho & Bengio 2015 (attention); Zagoruyko & Komodakis 2017 (attention as what is taught).
    """

    def __init__(self, teacher: Any = "", student: Any = "auto", kind: str = "classes", seed: int = 0):
        self.teacher = teacher
        self.student = student
        self.kind = kind
        self.seed = seed

    def fit(
        self, views: Any, y: Any = None, *, foretell: Callable[[Mapping[str, Any]], None] | None = None
    ) -> Attention:
        """As every distiller's; views of tokens are read by their mean and by what the query picks."""
        views = checked(views)
        teachers = self._named(views)
        self.means_: dict[str, np.ndarray] = {}
        self.spreads_: dict[str, np.ndarray] = {}
        self.queries_: dict[str, np.ndarray] = {}
        for name in views.names:
            if name not in teachers and isinstance(views[name].items, Tokens):
                self._look(name, views, teachers)
        super().fit(self._pooled(views), y, foretell=foretell)
        return self

    def crossed(self, views: Any) -> np.ndarray:
        """As every distiller's."""
        return super().crossed(self._pooled(checked(views)))

    def traced(self, rows: Mapping[str, Symbol]) -> Symbol:
        """As every distiller's; a ChiasmError where the student pools tokens, which an export cannot."""
        if self.queries_:
            raise ChiasmError(
                f"wanted views of one vector an item, got tokens of {', '.join(self.queries_)}, whose pooling cannot "
                "be exported: teach by soft_labels."
            )
        return super().traced(rows)

    def _targets(self, views: Views, known: np.ndarray) -> np.ndarray:
        return known

    def _mine(self, views: Any) -> Views:
        return super()._mine(self._pooled(checked(views)))

    def _look(self, name: str, views: Views, teachers: list[str]) -> None:
        """Learn the query of a view of tokens."""
        held = blocks(views, teachers)
        both = np.all([block.present for block in held.values()], axis=0) & views.present(name)
        rows = np.flatnonzero(both)
        self.means_[name] = self.spreads_[name] = self.queries_[name] = np.zeros(0, np.float32)
        if len(rows) < FOLDS:
            return
        taught = np.concatenate([np.asarray(block.values[rows], dtype=np.float32) for block in held.values()], axis=1)
        taught = taught - taught.mean(axis=0)
        rng = np.random.default_rng(self.seed)
        whole, some, of = [], [], []
        for start in range(0, len(rows), CHUNK):
            values, there = views[name].batch(rows[start : start + CHUNK])
            whole.append((values * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True))
            for place, mask in enumerate(there):
                kept = rng.permutation(np.flatnonzero(mask))[:EACH]
                some.append(values[place, kept])
                of.append(np.full(len(kept), start + place))
        tokens, item = np.concatenate(some), np.concatenate(of)
        told = Regression()
        told.cross_fit({name: _block(np.concatenate(whole))}, taught, np.arange(len(rows)) % FOLDS)
        spoken = (told.answer({name: _block(tokens)}) * (taught @ told.turn_)[item]).sum(axis=1)
        spoken = spoken / np.maximum(np.linalg.norm(taught, axis=1), 1e-6)[item]
        query = Regression()
        query.cross_fit({name: _block(tokens)}, spoken[:, None], item % FOLDS)
        self.means_[name], self.spreads_[name] = query.means_[name], query.spreads_[name]
        weights = query.weights_[:, 0] * float(np.sign(query.turn_[0, 0]))
        likes = ((tokens - self.means_[name]) / self.spreads_[name]) @ weights
        self.queries_[name] = weights / max(float(likes.std()), 1e-9)

    def _pooled(self, views: Views) -> Views:
        """Views of tokens as two of vectors: the mean of an item's tokens, and their mean by the query."""
        found: dict[str, Column] = {}
        for name, column in views.columns.items():
            if name not in self.queries_ or not isinstance(column.items, Tokens):
                found[name] = column
                continue
            rows = np.flatnonzero(column.present)
            pooled = np.zeros((2, len(views), column.items.width), np.float32)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                values, there = column.batch(part)
                pooled[0, part] = (values * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
                pooled[1, part] = np.einsum("btd,bt->bd", values, self._weights(name, values, there))
            index = np.where(column.present, np.arange(len(views)), ABSENT)
            found[name] = Column("vector", pooled[0], index)
            found[f"{name}, attended"] = Column("vector", pooled[1], index)
        return views.replace(found)

    def _weights(self, name: str, values: np.ndarray, there: np.ndarray) -> np.ndarray:
        """`(b, t)` how much each token counts; they sum to 1."""
        if not len(self.queries_[name]):
            return there / there.sum(axis=1, keepdims=True)
        likes = ((values - self.means_[name]) / self.spreads_[name]) @ self.queries_[name]
        found: np.ndarray = softmax(np.where(there, likes, -np.inf), axis=1)
        return found


def _block(rows: np.ndarray) -> Block:
    return Block(np.asarray(rows, dtype=np.float32), np.ones(len(rows), bool))
