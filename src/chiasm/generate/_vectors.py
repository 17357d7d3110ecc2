"""What the generators of vectors share: the door, a closed guess to start from, draws, and the score."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from chiasm.allowed import COUNT, DEVICE, SEED
from chiasm.asked import features_of, in_order
from chiasm.errors import ChiasmError
from chiasm.finite import checked
from chiasm.generate._generator import Generator
from chiasm.scale import one_thread
from chiasm.score import Score
from chiasm.stats.blocks import Blocks, blocks, presence
from chiasm.stats.ranking import chance_recall, ranks
from chiasm.stats.resample import Draws, interval_of
from chiasm.views import normalize

__all__ = ["FOLDS", "Known", "VectorGenerator", "checked_vectors"]

FOLDS = 5
LEAST = 10
ALPHAS = tuple(float(10**power) for power in np.arange(1, 6.1, 0.5))
AT = (1, 5, 10)
_MOST = 256


class Known(NamedTuple):
    """What is learned from: n rows."""

    guess: np.ndarray
    """`(n, k)` what ridge regression makes of each row's views, by what was learned without its fold."""
    left: np.ndarray
    """`(n, k)` what the truth has beyond the guess, turned so that its covariance is the identity."""
    folds: np.ndarray
    """`(n,)` numbers; rows of one id or group share one."""


class VectorGenerator(Generator):
    """Encoded views -> vectors of another form, such as the features that a picture of these words would have.

    Every one starts from a closed guess, ridge regression from all views side by side (each number with a spread of 1,
    absent views at their mean) to the vectors on their principal axes (at most 256 of them). A file of this folder says
    what there may be beyond it (`_learn`, `_more`). A row without any view gets the mean, and draws from the normal
    distribution of all vectors.

    `generate(views)` gives the one vector that is meant; `draw(views, 5)` five that might be. Both are the same for a
    row alone as in company, and the same each time.

    Learned: `means_` and `spreads_` by view, `weights_` `(d, k)`, `alpha_`; `middle_` `(t,)`, `axes_` `(k, t)` and
    `size_` of the vectors; `around_` and `alone_` `(k, k)`, factors L: L L' is the covariance of what held-out
    rows have beyond the guess, and of all vectors; `paired_`, the rows that were learned from.
    """

    makes = "vectors"
    allowed: ClassVar = {"seed": SEED, "device": DEVICE, "epochs": COUNT}

    seed: int
    means_: dict[str, np.ndarray]
    spreads_: dict[str, np.ndarray]

    def fit(self, views: Any, y: Any = None) -> Self:
        """Learn from encoded views and the `(n, t)` vectors to make; a row of NaN is left out.

        Raises a ChiasmError for vectors that are not finite or of which fewer than ten rows are left, and for a view
        that is absent in all of these.
        """
        views = checked(views)
        wanted = _vectors(y, len(views))
        self.features_ = features_of(views)
        here = np.any([views.present(name) for name in views.names], axis=0) & ~np.isnan(wanted).any(axis=1)
        rows = np.flatnonzero(here)
        if len(rows) < LEAST:
            raise ChiasmError(f"wanted at least {LEAST} rows with a view and a vector, got {len(rows)}.")
        views, wanted = views[rows], wanted[rows].astype(np.float32)
        self.paired_ = len(rows)
        codes = np.unique(views.clusters, return_inverse=True)[1]
        folds = np.random.default_rng(self.seed).permutation(codes.max() + 1)[codes] % FOLDS
        held = blocks(views)
        self.means_, self.spreads_ = {}, {}
        for name, block in held.items():
            if not block.present.any():
                raise ChiasmError(f"view {name!r} is absent in all {len(rows)} rows that have a vector: leave it out.")
            values = np.asarray(block.values, dtype=np.float64)[block.present]
            spread = values.std(axis=0)
            self.means_[name] = values.mean(axis=0).astype(np.float32)
            self.spreads_[name] = np.maximum(spread, max(1e-6 * float(spread.max()), 1e-12)).astype(np.float32)
        self._stand(wanted)
        truth = self._placed(wanted)
        with one_thread(len(rows)):
            guess = self._regress(self._rows(held, len(rows)), truth, folds)
            self.around_, self.alone_ = _factor(truth - guess), _factor(truth)
            left = np.linalg.solve(self.around_.astype(np.float64), (truth - guess).T).T
            self._learn(Known(guess, np.ascontiguousarray(left, dtype=np.float32), folds))
        return self

    def generate(self, views: Any) -> np.ndarray:
        """`(n, t)` float32, a vector a row; views that were not fitted are not looked at."""
        guess, there = self._guess(views)
        more = self._more(guess, None) * there[:, None]
        return self._back(guess + more @ self.around_.T)

    def draw(self, views: Any, count: int = 1) -> np.ndarray:
        """`(n, count, t)` float32: vectors that might be, drawn by `seed`, the same for all rows."""
        guess, there = self._guess(views)
        rng = np.random.default_rng(self.seed)
        return np.stack([self._back(self._drawn(guess, there, rng)) for _ in range(count)], axis=1)

    def _drawn(self, guess: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`(n, k)` one draw for all rows."""
        alone = self.alone_ @ np.float32(rng.standard_normal(guess.shape[1]))
        drawn: np.ndarray = guess + np.where(there[:, None], self._more(guess, rng) @ self.around_.T, alone)
        return drawn

    def score(self, views: Any, y: Any = None) -> Score:
        """How well what is made of a row finds the row's own vector among all of `y`: R@1 (the float), R@5, R@10; R2.

        By cosine of what is left of vectors when the training mean is taken off; chance beside it. Rows of equal id are
        one thing: each of its vectors is right.
        """
        views = checked(views, self.means_)
        wanted = _vectors(y, len(views))
        rows = np.flatnonzero(~np.isnan(wanted).any(axis=1))
        if len(rows) < 2:
            raise ChiasmError(f"wanted at least 2 rows with a vector to score, got {len(rows)}.")
        views, wanted = views[rows], wanted[rows]
        made = self.generate(views)
        codes = views.codes
        order = np.argsort(codes, kind="stable")
        of_code = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
        place = {int(codes[some[0]]): some for some in of_code}
        hits = [place[int(code)] for code in codes]
        lengths = np.array([len(some) for some in hits])
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        told, true = normalize(made - self.middle_), normalize((wanted - self.middle_).astype(np.float32))
        found = ranks(told, true, np.concatenate(hits), starts)
        draws = Draws(views.clusters, seed=self.seed)
        near = [k for k in AT if k < len(rows)]
        table: dict[str, Any] = {"rows": len(rows)}
        table |= {f"R@{k}": interval_of(*draws.mean((found <= k).astype(float))) for k in near}
        table |= {f"R@{k} by chance": round(chance_recall(lengths, len(rows), k), 6) for k in near}
        spread = np.square(wanted - wanted.mean(axis=0)).sum()
        table["R2"] = round(1 - float(np.square(wanted - made).sum() / spread), 6) if spread else None
        return Score(float(np.mean(found <= 1)), table)

    def _learn(self, known: Known) -> None:
        """Learn from guesses and what they leave."""
        raise NotImplementedError

    def _more(self, guess: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """`(n, k)` what there may be beyond guesses `(n, k)`, turned: one draw for all rows; None: what is meant."""
        raise NotImplementedError

    # ---- inside ----
    def _guess(self, views: Any) -> tuple[np.ndarray, np.ndarray]:
        """`(n, k)` the closed guess, and `(n,)` which rows have a view."""
        self.check_fitted()
        views = in_order(checked(views, self.means_), vars(self).get("features_", {}))
        held = self._seen(views, self._widths())
        guess = self._rows(held, len(views)) @ self.weights_
        there = presence(held, list(held) or list(self.means_), len(views))
        return guess.astype(np.float32), np.any(there, axis=1)

    def _rows(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, d)` the views side by side."""
        parts = []
        for name, mean in self.means_.items():
            part = np.zeros((n, len(mean)), dtype=np.float32)
            if name in held:
                here = held[name].present
                part[here] = (np.asarray(held[name].values, np.float32)[here] - mean) / self.spreads_[name]
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def _stand(self, wanted: np.ndarray) -> None:
        """Learn the axes that vectors are made on, and one scale for all of them."""
        self.middle_ = wanted.mean(axis=0, dtype=np.float64).astype(np.float32)
        centered = (wanted - self.middle_).astype(np.float64)
        values, basis = np.linalg.eigh(centered.T @ centered if centered.shape[1] <= len(centered) else _gram(centered))
        values = np.maximum(values[::-1], 0)
        if not values.sum():
            raise ChiasmError("wanted vectors that differ, got equal ones in all rows.")
        basis = basis[:, ::-1]
        if centered.shape[1] > len(centered):
            basis = centered.T @ basis / np.sqrt(np.maximum(values, 1e-9 * values[0]))
        count = min(_MOST, int((values > 1e-9 * values[0]).sum()))
        self.axes_ = np.ascontiguousarray(basis[:, :count].T, dtype=np.float32)
        self.size_ = float(np.sqrt(values[:count].sum() / len(wanted) / count))

    def _placed(self, wanted: np.ndarray) -> np.ndarray:
        placed: np.ndarray = (wanted - self.middle_) @ self.axes_.T / np.float32(self.size_)
        return placed

    def _back(self, placed: np.ndarray) -> np.ndarray:
        back: np.ndarray = (placed * np.float32(self.size_)) @ self.axes_ + self.middle_
        return back.astype(np.float32)

    def _regress(self, rows: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Learn the guess, its strength chosen by leaving rows out; `(n, k)` of each row by the other folds."""
        from sklearn.linear_model import Ridge, RidgeCV

        self.alpha_ = float(RidgeCV(ALPHAS, fit_intercept=False).fit(rows, truth).alpha_)
        guess = np.empty_like(truth)
        for fold in np.unique(folds):
            held = folds == fold
            solved = Ridge(self.alpha_, fit_intercept=False).fit(rows[~held], truth[~held])
            guess[held] = rows[held] @ solved.coef_.T
        self.weights_ = np.ascontiguousarray(Ridge(self.alpha_, fit_intercept=False).fit(rows, truth).coef_.T)
        return guess

    def _widths(self) -> dict[str, int]:
        return {name: len(mean) for name, mean in self.means_.items()}


def _gram(centered: np.ndarray) -> np.ndarray:
    gram: np.ndarray = centered @ centered.T
    return gram


def _vectors(y: Any, n: int) -> np.ndarray:
    """`(n, t)` numbers, a row of NaN where there is none."""
    if y is None:
        raise ChiasmError("wanted vectors to make, got none: pass y, a vector a row.")
    wanted = np.asarray(y, dtype=np.float64)
    if wanted.ndim != 2 or len(wanted) != n:
        raise ChiasmError(f"wanted {n} vectors (n, t), one a row, got an array of shape {wanted.shape}.")
    absent = np.isnan(wanted).all(axis=1)
    if not np.isfinite(wanted[~absent]).all():
        row = int(np.flatnonzero(~absent)[~np.isfinite(wanted[~absent]).all(axis=1)][0])
        raise ChiasmError(
            f"vectors, row {row + 1}: wanted finite numbers, or NaN in all of the row where there is none."
        )
    return wanted


def checked_vectors(vectors: Any, width: int) -> np.ndarray:
    """Vectors `(n, width)` as they are, or a ChiasmError."""
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or found.shape[1] != width or not np.isfinite(found).all():
        raise ChiasmError(f"wanted finite vectors of {width} numbers, a row each, got an array of shape {found.shape}.")
    return found


def _factor(rows: np.ndarray) -> np.ndarray:
    """`(k, k)` principal axes times spreads of the covariance of rows `(n, k)`, shrunk as Ledoit & Wolf 2004 do."""
    from sklearn.covariance import ledoit_wolf

    covariance = ledoit_wolf(rows.astype(np.float64), assume_centered=True)[0]
    values, axes = np.linalg.eigh(covariance)
    factor: np.ndarray = axes * np.sqrt(values)
    return factor.astype(np.float32)
