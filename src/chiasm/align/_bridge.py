"""The names bridge: a classifier's names, and its directions for them, as pairs that cost no caption."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from scipy.special import softmax

from chiasm.align._aligner import centered
from chiasm.known import Names
from chiasm.part import Part
from chiasm.views import Views, normalize

__all__ = ["Bridge", "bridged", "made"]

SHARP = 0.1
"""Temperature of a text's likeness to the names."""

SURE = 1.5
"""Temperature of the classifier's logits."""

SECOND = 0.5
"""What the second part counts beside the first."""

_CHUNK = 4096


class Bridge(Part):
    """Two views in one space by names alone: `(n, d + e)` float32, of length 1 or less.

    A text q becomes a direction of the classified view, by its likeness to the names, beside itself:
    g(q) = unit(softmax(unit(q - c_T) unit(E - m_E)' / .1) W - mean(W)) and unit(q - c_T). A picture x becomes itself,
    unit(x - c_I), beside what its classifier names in it: unit((softmax((W x + b) / 1.5) - prior) (E - m_E)). The
    product of two such is that of the first parts plus half of that of the second ones, over 1.5.

    Args:
        speaks, shows: the view of texts and the view that is classified.

    Learned: `weights_` `(m, d)`, `biases_` `(m,)`, `vectors_` `(m, e)` of the names; `told_` c_T and `seen_` c_I, the
    means of known items (the names' mean and 0 without any); `prior_` `(m,)`, each name's mean share of known pictures.

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
        self.told_ = self.vectors_.mean(axis=0, dtype=np.float64)
        self.seen_ = np.zeros(self.weights_.shape[1])
        self.prior_ = np.full(len(self.biases_), 1 / len(self.biases_))
        if count := _count(views, self.speaks):
            self.told_ = _total(_items(views, self.speaks)) / count
        if count := _count(views, self.shows):
            self.seen_ = _total(_items(views, self.shows)) / count
            self.prior_ = _total(self.named(rows) for rows in _items(views, self.shows)) / count
        return self

    @property
    def names(self) -> Names:
        """What it was made of."""
        return Names(self.weights_, self.biases_, self.vectors_)

    @property
    def width(self) -> int:
        """d + e."""
        return self.weights_.shape[1] + self.vectors_.shape[1]

    def __call__(self, view: str, rows: np.ndarray) -> np.ndarray:
        """Vectors of either view `(n, e)` or `(n, d)` -> `(n, d + e)`; of any other view zeros."""
        if view == self.speaks:
            own = normalize(centered(rows, self.told_))
            about = softmax(own @ normalize(self._apart).T / SHARP, axis=1)
            first = normalize((about @ self.weights_ - self.weights_.mean(axis=0)).astype(np.float32))
            return _beside(first, own)
        if view == self.shows:
            second = ((self.named(rows) - self.prior_) @ self._apart).astype(np.float32)
            return _beside(normalize(centered(rows, self.seen_)), normalize(second))
        return np.zeros((len(rows), self.width), np.float32)

    def named(self, rows: np.ndarray) -> np.ndarray:
        """`(n, m)` the classifier's shares of vectors `(n, d)`, softened; rows sum to 1."""
        found: np.ndarray = softmax((np.asarray(rows, np.float32) @ self.weights_.T + self.biases_) / SURE, axis=1)
        return found

    @property
    def _apart(self) -> np.ndarray:
        return centered(self.vectors_, self.vectors_.mean(axis=0, dtype=np.float64))


def bridged(bridges: list[Bridge], view: str, rows: np.ndarray) -> np.ndarray:
    """What all bridges say of a view's rows side by side, of length 1 or less."""
    parts = [bridge(view, rows) for bridge in bridges]
    return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))


def made(known: Mapping[tuple[str, str], Names] | None, views: Views) -> list[Bridge]:
    """A fitted bridge for each pair of views (that speaks, that is classified) with known names."""
    return [Bridge(*pair).fit(views, names) for pair, names in (known or {}).items()]


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
