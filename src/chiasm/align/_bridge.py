"""Bridges, pairs that cost no caption: a classifier's names and its directions for them; a space shared already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.special import softmax

from chiasm.align._aligner import centered
from chiasm.graph import Symbol, join
from chiasm.known import KnownPairs, Names, Same
from chiasm.part import Part
from chiasm.scale import one_thread
from chiasm.views import Views, normalize

__all__ = ["Bridge", "Shared", "bridged", "made", "trace_bridged"]

SHARP = 0.1
"""Temperature of a text's likeness to the names."""

SURE = 1.5
"""Temperature of the classifier's logits."""

SECOND = 0.5
"""What the second part counts beside the first."""

RANK = 512
"""The numbers that a bridge takes in the shared space: 256 cost 10 of coco2k's rsum at 20 pairs (docs/log.md)."""

PRIOR = 5
"""The texts that the names' own mean counts as, beside the mean of known texts."""

_CHUNK = 4096


class Bridge(Part):
    """Two views in one space by names alone: `(n, d + e)` float32, of length 1 or less; `(n, 512)` once `narrowed`.

    A text q becomes a direction of the classified view, by its likeness to the names, beside itself:
    g(q) = unit(softmax(unit(q - c_T) unit(E - m_E)' / .1) W - mean(W)) and unit(q - c_T). A picture x becomes itself,
    unit(x - c_I), beside what its classifier names in it: unit((softmax((W x + b) / 1.5) - prior) (E - m_E)). The
    product of two such is that of the first parts plus half of that of the second ones, over 1.5.

    Args:
        speaks, shows: the view of texts and the view that is classified.

    Learned: `weights_` `(m, d)`, `biases_` `(m,)`, `vectors_` `(m, e)` of the names; `told_` c_T and `seen_` c_I, the
    means of known items, of which the names' mean counts as five and 0 as one; `prior_` `(m,)`, each name's mean share
    of known pictures;
    `names_`; `basis_` `(d + e, 512)`.

    Source of the second part: Norouzi et al. 2014 (ConSE), here with a prior.
    """

    def __init__(self, speaks: str = "", shows: str = ""):
        self.speaks = speaks
        self.shows = shows

    def fit(self, views: Views, names: Names) -> Bridge:
        """Learn the means and the prior from every item of both views, paired or not."""
        self.weights_ = np.asarray(names.weights, dtype=np.float32)
        self.biases_ = np.asarray(names.biases, dtype=np.float32)
        self.vectors_ = np.asarray(names.vectors, dtype=np.float32)
        for made in ("_apart", "_units", "_middle"):
            vars(self).pop(made, None)
        self.names_ = list(names.names)
        self.basis_ = np.zeros((0, 0), np.float32)
        self.told_ = self.vectors_.mean(axis=0, dtype=np.float64)
        self.seen_ = np.zeros(self.weights_.shape[1])
        self.prior_ = np.full(len(self.biases_), 1 / len(self.biases_))
        if count := _count(views, self.speaks):
            self.told_ = (_total(_items(views, self.speaks)) + PRIOR * self.told_) / (count + PRIOR)
        if count := _count(views, self.shows):
            self.seen_ = _total(_items(views, self.shows)) / (count + 1)
            self.prior_ = (_total(self._seen(rows) for rows in _items(views, self.shows)) + self.prior_) / (count + 1)
        return self

    def narrowed(self, views: Views) -> Bridge:
        """In the leading directions of the names and of known pictures: products stay nearly what they are.

        Without a known picture nothing is left out.
        """
        width = self.weights_.shape[1] + self.vectors_.shape[1]
        if width > RANK and (count := _count(views, self.shows)):
            told = self(self.speaks, self.vectors_)
            shown = (self(self.shows, rows) for rows in _items(views, self.shows))
            gram = np.sum([rows.T @ rows for rows in shown], axis=0) / np.float32(count)
            with one_thread():
                found = eigh(gram + told.T @ told / np.float32(len(told)), subset_by_index=[width - RANK, width - 1])[1]
            self.basis_ = np.ascontiguousarray(found[:, ::-1], dtype=np.float32)
        return self

    @property
    def known(self) -> Names:
        """What it was made of."""
        return Names(self.weights_, self.biases_, self.vectors_, self.names_)

    @property
    def width(self) -> int:
        """d + e, or what is left of it."""
        return self.basis_.shape[1] or self.weights_.shape[1] + self.vectors_.shape[1]

    def __call__(self, view: str, rows: np.ndarray) -> np.ndarray:
        """Vectors of either view `(n, e)` or `(n, d)` -> `(n, d + e)` or narrower; of any other view zeros."""
        if view == self.speaks:
            own = normalize(centered(rows, self.told_))
            first = normalize((self._about(own) @ self.weights_ - self._middle).astype(np.float32))
            return self._narrow(_beside(first, own))
        if view == self.shows:
            second = ((self._seen(rows) - self.prior_) @ self._apart).astype(np.float32)
            return self._narrow(_beside(normalize(centered(rows, self.seen_)), normalize(second)))
        return np.zeros((len(rows), self.width), np.float32)

    def traced(self, view: str, rows: Symbol) -> Symbol:
        """As a call, written down."""
        if view == self.speaks:
            own = rows.centered(self.told_).unit()
            about = ((own @ self._units.T) * (1 / SHARP)).softmax()
            first, second = about @ self.weights_ - self.weights_.mean(axis=0), own
        elif view == self.shows:
            seen = ((rows @ self.weights_.T + self.biases_) * (1 / SURE)).softmax()
            first, second = rows.centered(self.seen_), ((seen - self.prior_) @ self._apart).unit()
        else:
            return rows.constant(np.zeros(self.width))
        found = join([first.unit(), second * np.sqrt(SECOND)]) * (1 / np.sqrt(1 + SECOND))
        return found @ self.basis_ if self.basis_.size else found

    def named(self, view: str, rows: np.ndarray) -> np.ndarray | None:
        """`(n, m)` how much of a row each name is, rows sum to 1: what is near a text, what is seen; else None."""
        if view == self.speaks:
            return self._about(normalize(centered(rows, self.told_)))
        return self._seen(rows) if view == self.shows else None

    def _about(self, own: np.ndarray) -> np.ndarray:
        found: np.ndarray = softmax(own @ self._units.T / SHARP, axis=1)
        return found

    def _seen(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = softmax((np.asarray(rows, np.float32) @ self.weights_.T + self.biases_) / SURE, axis=1)
        return found

    def _narrow(self, rows: np.ndarray) -> np.ndarray:
        return rows @ self.basis_ if self.basis_.size else rows

    @cached_property
    def _apart(self) -> np.ndarray:
        return centered(self.vectors_, self.vectors_.mean(axis=0, dtype=np.float64))

    @cached_property
    def _middle(self) -> np.ndarray:
        return self.weights_.mean(axis=0)

    @cached_property
    def _units(self) -> np.ndarray:
        return normalize(self._apart)


class Shared(Part):
    """Two views whose encoders share a space: `(n, d)` unit vectors as the encoders gave them.

    Args:
        speaks, shows: the two views, that of texts first. width: d.
    """

    names_: Sequence[str] = ()

    def __init__(self, speaks: str = "", shows: str = "", width: int = 0):
        self.speaks = speaks
        self.shows = shows
        self.width = width

    def narrowed(self, views: Views) -> Shared:
        """As it is: the space is that of the encoders."""
        return self

    @property
    def known(self) -> Same:
        """What it was made of."""
        return Same(self.width)

    def __call__(self, view: str, rows: np.ndarray) -> np.ndarray:
        """Vectors of either view `(n, d)` at length 1; of any other view zeros."""
        if view in (self.speaks, self.shows):
            return normalize(np.asarray(rows, np.float32))
        return np.zeros((len(rows), self.width), np.float32)

    def traced(self, view: str, rows: Symbol) -> Symbol:
        """As a call, written down."""
        return rows.unit() if view in (self.speaks, self.shows) else rows.constant(np.zeros(self.width))

    def named(self, view: str, rows: np.ndarray) -> None:
        """No names."""


def bridged(bridges: Sequence[Any], view: str, rows: np.ndarray) -> np.ndarray:
    """What all bridges say of a view's rows side by side, of length 1 or less."""
    parts = [bridge(view, rows) for bridge in bridges]
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))


def trace_bridged(bridges: Sequence[Any], view: str, rows: Symbol) -> Symbol:
    """As `bridged`, written down."""
    return join([bridge.traced(view, rows) for bridge in bridges]) * (1 / np.sqrt(len(bridges)))


def made(known: KnownPairs | None, views: Views) -> list[Any]:
    """A fitted bridge for each pair of views (that speaks, that shows) of which something is known."""
    bridges: list[Any] = []
    for pair, what in (known or {}).items():
        bridges.append(Shared(*pair, what.width) if isinstance(what, Same) else Bridge(*pair).fit(views, what))
    return bridges


def _count(views: Views, name: str) -> int:
    return len(views[name].used) if name in views.columns else 0


def _items(views: Views, name: str) -> Iterator[np.ndarray]:
    column = views[name]
    for start in range(0, len(column.used), _CHUNK):
        yield np.asarray(column.items[column.used[start : start + _CHUNK]], dtype=np.float32)


def _total(blocks: Iterable[np.ndarray]) -> np.ndarray:
    found: np.ndarray = np.sum([rows.sum(axis=0, dtype=np.float64) for rows in blocks], axis=0)
    return found


def _beside(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([first, np.float32(np.sqrt(SECOND)) * second], axis=1) / np.float32(np.sqrt(1 + SECOND))
