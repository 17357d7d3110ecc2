"""From one model's space into another's: a map learned from items that both have placed, and what is lost by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh, svd

from chiasm.stats.resample import Draws, interval_of
from chiasm.views import normalize

__all__ = ["Asked", "Map", "held_by_both", "held_out", "lost", "texts_of"]

SHARES = (0.0, 0.25, 0.5, 1.0)
"""What ridge regression may count beside the rotation."""

NEAREST = 10
FOLDS = 4

TEXTS, QUERIES = 1000, 500
"""The most texts that a map is learned from and is tried with; as many items that both models hold."""

_SAME = 0.99999
"""The cosine from which on two vectors are of one item."""

_RIDGES = 10.0 ** np.arange(-4, 3)
"""In mean eigenvalues."""


class Map:
    """Old vectors `(n, c)` to new ones `(n, d)`: a rotation, a ridge regression, or a mean of the two.

    The rotation (orthogonal Procrustes analysis) keeps angles, and what both models have learned alike: a few hundred
    pairs are enough for it. Ridge regression, its penalty chosen by generalized cross-validation, needs more of them
    than the vectors are wide, and is better then.

    Args:
        old, new: `(m, c)` and `(m, d)` pairs, of any views of the two models. share: what the regression counts, 0..1.
    """

    def __init__(self, old: np.ndarray, new: np.ndarray, share: float = 0.0):
        self.share = share
        self.start, self.end = old.mean(axis=0), new.mean(axis=0)
        a, b = (old - self.start).astype(np.float64), (new - self.end).astype(np.float64)
        self.matrices = (_rotation(a, b), _ridge(a, b))

    def __call__(self, old: np.ndarray) -> np.ndarray:
        """The vectors `(n, d)` of length 1 that come nearest to what the new model would give."""
        away = old - self.start
        parts = [
            part * normalize(away @ matrix + self.end)
            for part, matrix in zip((1 - self.share, self.share), self.matrices, strict=True)
            if part
        ]
        found: np.ndarray = normalize(np.sum(parts, axis=0)).astype(np.float32)
        return found


class Asked(NamedTuple):
    """Queries with which the loss is measured."""

    what: str
    """What they are: captions, texts or files."""
    vectors: np.ndarray
    """`(q, d)` in the new space, of length 1."""
    owners: np.ndarray
    """`(q,)` the item of the sample that a caption belongs to, or a file is; -1 where it is nobody's."""


def held_out(
    sample: tuple[np.ndarray, np.ndarray], beside: tuple[np.ndarray, np.ndarray], groups: np.ndarray, seed: int
) -> dict[float, np.ndarray]:
    """By share of the regression, every item of a sample `(m, d)` as a map that did not learn from it places it.

    Args:
        sample: m items as the old and the new model place them. beside: further pairs, never held out.
        groups: `(m,)` items of one group (moments of a film) are held out together.
    """
    old, new = sample
    names, codes = np.unique(groups, return_inverse=True)
    held = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[codes]
    mapped = {share: np.zeros_like(new) for share in SHARES}
    for fold in range(FOLDS):
        rest = held != fold
        pairs = [np.concatenate([mine[rest], more]) for mine, more in zip(sample, beside, strict=True)]
        learned = Map(pairs[0], pairs[1])
        for learned.share, rows in mapped.items():
            rows[~rest] = learned(old[~rest])
    return mapped


def lost(new: np.ndarray, held: Mapping[float, np.ndarray], asked: Asked, total: int) -> tuple[float, dict[str, Any]]:
    """The best share of the regression, and what is kept of the new model's answers, on items that were held out.

    `nearest`: which share of the 10 nearest of a query are still among its 10 nearest. `found`: how often a caption
    finds its own item among its 10 nearest, as a share of how often it does by the new model (None without captions).
    The sample stands for the whole: where it is a tenth, its one nearest stands for the 10 nearest of all, which is a
    little harder to keep: the figures are on the safe side.

    Args:
        new: m items as the new model places them. held: what `held_out` gave. total: items that they stand for.
    """
    trials = [(share, _kept(new, rows, asked, total)) for share, rows in held.items()]
    return max(trials, key=lambda trial: trial[1]["nearest"]["value"])


def _kept(new: np.ndarray, mapped: np.ndarray, asked: Asked, total: int) -> dict[str, Any]:
    """As `lost` tells it."""
    k = max(1, round(NEAREST * len(new) / total))
    scores = [asked.vectors @ rows.T for rows in (new, mapped)]
    if asked.what == "files":  # each is its own nearest
        for one in scores:
            one[np.arange(len(one)), asked.owners] = -np.inf
    first = [np.argsort(-one, axis=1, kind="stable")[:, :k] for one in scores]
    shared = np.array([len(set(a) & set(b)) / k for a, b in zip(*(one.tolist() for one in first), strict=True)])
    clusters = np.where(asked.owners >= 0, asked.owners, len(new) + np.arange(len(asked.owners)))
    draws = Draws(clusters)
    told: dict[str, Any] = {"nearest": interval_of(*draws.mean(shared)), "found": None}
    if asked.what == "captions":
        hits = [(one == asked.owners[:, None]).any(axis=1) for one in first]
        (before, befores), (after, afters) = (draws.mean(one) for one in hits)
        if before:
            with np.errstate(divide="ignore", invalid="ignore"):
                told["found"] = interval_of(after / before, np.asarray(afters) / np.asarray(befores))
    return told


def _rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(c, d)`, the turn that brings centered rows a nearest to b (Schoenemann 1966); what no row spans is left out."""
    if len(a) >= min(a.shape[1], b.shape[1]):
        left, _, right = svd((a.T @ b).astype(np.float32), full_matrices=False)
        turn: np.ndarray = left @ right
        return turn
    cores, bases = [], []
    for rows in (a, b):
        values, axes = eigh(rows @ rows.T)
        some = values > 1e-9 * values[-1]
        cores.append(axes[:, some] * np.sqrt(values[some]))
        bases.append(rows.T @ (axes[:, some] / np.sqrt(values[some])))
    left, _, right = svd((cores[0].T @ cores[1]).astype(np.float32), full_matrices=False)
    turn = (bases[0] @ left) @ (right @ bases[1].T)
    return turn


def _ridge(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(c, d)` by ridge regression, its penalty by generalized cross-validation (Golub, Heath & Wahba 1979)."""
    wide = a.shape[1] < len(a)
    values, axes = eigh(a.T @ a if wide else a @ a.T)
    values = np.clip(values, 0, None)
    turned = axes.T @ (a.T @ b if wide else b)
    rows, best = len(a), (np.inf, 0.0)
    for penalty in _RIDGES * max(float(values.sum()) / rows, 1e-12):
        left = penalty / (values + penalty)
        free = (left.sum() + (rows - len(values))) / rows
        if wide:  # residual = |b|^2 - explained, in the coordinates of the axes
            fit = (2 / (values + penalty) - values / (values + penalty) ** 2)[:, None] * turned**2
            residual = float((b**2).sum() - fit.sum())
        else:
            residual = float(((left[:, None] * turned) ** 2).sum())
        best = min(best, (residual / max(free, 1e-9) ** 2, penalty))
    solved = axes @ (turned / (values + best[1])[:, None])
    found: np.ndarray = solved if wide else a.T @ solved
    return found


def texts_of(models: Sequence[Any], without: Collection[str], seed: int) -> tuple[list[str], list[str]]:
    """Texts to learn a map from, and others to try it with: those that the models hold, and names that encoders know.

    Names only teach, where there is anything else to ask: few ask for an ImageNet class.

    Args:
        without: texts that are to be left out.
    """
    held: dict[str, None] = {}
    names: dict[str, None] = {}
    for model in models:
        for name, kind in model.views_.items():
            if kind == "text":
                held.update(dict.fromkeys(str(one) for one in model.items_[name]["item"]))
        names.update(dict.fromkeys(getattr(model.aligner_, "names_", ())))
    rng, left = np.random.default_rng(seed), set(without)
    asked = [one for one in (held or names) if one not in left]
    asked = [asked[at] for at in rng.permutation(len(asked)).tolist()]
    queries = asked[: min(QUERIES, len(asked) // 3)]
    rest = [*asked[len(queries) :], *(one for one in names if held and one not in left and one not in held)]
    return [rest[at] for at in rng.permutation(len(rest))[:TEXTS].tolist()], queries


def held_by_both(models: tuple[Any, Any], view: str, without: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of items that both models learned from or hold: `(m, c)` and `(m, d)`, at most as many as texts.

    Where both were fitted on one table they hold the same items under the same names.

    Args:
        without: old vectors `(n, c)` of length 1; items that lie where one of these does are left out.
    """
    places = [
        {(str(item), str(id_)): row for row, (item, id_) in enumerate(zip(held["item"], held["id"], strict=True))}
        for held in (model.items_[view] for model in models)
    ]
    shared = [name for name in places[0] if name in places[1]]
    drawn = [shared[at] for at in np.random.default_rng(seed).permutation(len(shared))[:TEXTS].tolist()]
    if not drawn:
        return without[:0], np.zeros((0, 0), np.float32)
    found = []
    for model, place in zip(models, places, strict=True):
        rows = np.array([place[name] for name in drawn])
        keys, vectors = model.indexes_[view].vectors(rows)
        found.append(vectors[np.searchsorted(keys, rows)])  # keys are places: they rise
    fresh = (found[0] @ without.T).max(axis=1, initial=0) < _SAME
    return found[0][fresh], found[1][fresh]
