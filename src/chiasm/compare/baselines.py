"""What a fuser has to beat: each view alone, plain concatenation with scikit-learn, and the commonest answer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from chiasm.fuse import Fuser
from chiasm.part import Part
from chiasm.stats.blocks import Blocks
from chiasm.target import Target
from chiasm.views import Views

__all__ = ["Alone", "Concat", "Majority"]

STRENGTHS = 10.0 ** np.arange(-5, 1.5, 0.5)
"""The values of C that are tried, from the smallest until held-out rows are answered worse twice in a row."""

_TRIES = 2


class Alone(Part):
    """A fuser that is given one view.

    Args:
        view: its name. fuse: the fuser, unfitted. kind, seed: as of fusers.
    """

    def __init__(self, view: str = "", fuse: Any = None, kind: str = "classes", seed: int = 0):
        self.view = view
        self.fuse = fuse
        self.kind = kind
        self.seed = seed

    def fit(self, views: Views) -> Alone:
        """Learn from the one view."""
        self.fuser_ = copy.deepcopy(self.fuse).set_params(kind=self.kind, seed=self.seed)
        self.fuser_.fit(views.replace({self.view: views[self.view]}))
        return self

    @property
    def target_(self) -> Target:
        """The fuser's."""
        target: Target = self.fuser_.target_
        return target

    def outputs(self, views: Views) -> np.ndarray:
        """`(n, c)` the fuser's outputs, which looks at no other view."""
        outputs: np.ndarray = self.fuser_.outputs(views)
        return outputs


class Concat(Fuser):
    """What most people would do: the views standardized, side by side, and one linear model of scikit-learn's.

    Logistic regression for classes, one a tag for tags, ridge regression for numbers. Its C (of ridge, 1 / alpha) is
    the one with which held-out folds, the same as every fuser's, are most likely (numbers: have least squared error);
    then it is learned from all rows. Where a view is absent, its mean stands in.

    Learned: `chosen_` (C), `means_` and `scales_` by view, `coef_` `(d, c)`, `intercept_` `(c,)`.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 200)
    >>> views = {"a": rng.normal(size=(200, 3)) + y[:, None], "b": rng.normal(size=(200, 4))}
    >>> Concat().fit(views, y).score(views, y) > 0.7
    True
    """

    def __init__(self, kind: str = "classes", seed: int = 0):
        self.kind = kind
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        self.means_, self.scales_ = {}, {}
        for name, block in held.items():
            values = block.values[block.present].astype(np.float64)
            spread = values.std(axis=0)
            self.means_[name] = values.mean(axis=0).astype(np.float32)
            self.scales_[name] = np.where(spread > 1e-6 * max(spread.max(), 1e-30), spread, np.inf).astype(np.float32)
        wide = self._wide(held, len(truth))
        parts = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
        models = [_model(self.kind, truth.shape[1], self.seed) for _ in parts]
        best, worse = -np.inf, 0
        for strength in STRENGTHS.tolist():
            outputs = np.empty_like(truth)
            for model, (inside, outside) in zip(models, parts, strict=True):
                outputs[outside] = model.fit(wide[inside], truth[inside], strength).outputs(wide[outside])
            gain = float(self.target_.gain(outputs, truth).mean())
            if gain > best:
                best, self.chosen_, worse = gain, {"C": strength}, 0
            elif (worse := worse + 1) == _TRIES:
                break
        last = _model(self.kind, truth.shape[1], self.seed).fit(wide, truth, self.chosen_["C"])
        self.coef_, self.intercept_ = last.coef, last.intercept

    def _wide(self, held: Blocks, n: int) -> np.ndarray:
        found = []
        for name, mean in self.means_.items():
            if name in held:
                standard = (np.asarray(held[name].values, np.float64) - mean) / self.scales_[name]
                found.append(np.where(held[name].present[:, None], standard, 0))
            else:
                found.append(np.zeros((n, len(mean))))
        return np.concatenate(found, axis=1)

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        model = _model(self.kind, len(self.intercept_), self.seed)
        model.coef, model.intercept = self.coef_, self.intercept_
        return model.outputs(self._wide(held, n))


class Majority(Fuser):
    """The same answer to every row: the shares of the classes or tags among the training rows, or the mean number."""

    def __init__(self, kind: str = "classes", seed: int = 0):
        self.kind = kind
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        """The prior is all."""

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        return np.tile(self.prior_, (n, 1))


class _Linear:
    """A linear model of scikit-learn's as arrays; fitted again, it starts from where it was."""

    coef: np.ndarray
    intercept: np.ndarray

    def fit(self, x: np.ndarray, truth: np.ndarray, strength: float) -> _Linear:
        raise NotImplementedError

    def outputs(self, x: np.ndarray) -> np.ndarray:
        scores: np.ndarray = x @ self.coef + self.intercept
        return scores


class _Ridge(_Linear):
    def fit(self, x: np.ndarray, truth: np.ndarray, strength: float) -> _Linear:
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=1 / strength).fit(x, truth)
        self.coef, self.intercept = np.atleast_2d(model.coef_).T.astype(np.float32), np.atleast_1d(model.intercept_)
        return self


class _Logistic(_Linear):
    """Of classes, multinomial; a class that the rows lack is never answered."""

    def __init__(self, c: int, seed: int):
        self.c, self.seed = c, seed
        self.model: Any = None

    def fit(self, x: np.ndarray, truth: np.ndarray, strength: float) -> _Linear:
        from sklearn.linear_model import LogisticRegression

        codes = truth.argmax(axis=1)
        known = np.unique(codes)
        self.coef, self.intercept = np.zeros((x.shape[1], self.c), np.float32), np.full(self.c, -1e3)
        if len(known) == 1:
            self.intercept[known] = 0
            return self
        if self.model is None:
            self.model = LogisticRegression(max_iter=1000, warm_start=True, random_state=self.seed)
        self.model.set_params(C=strength).fit(x, codes)
        coef, intercept = self.model.coef_.T, self.model.intercept_
        if len(known) == 2:
            coef, intercept = np.hstack([-coef, coef]) / 2, np.array([-intercept[0], intercept[0]]) / 2
        self.coef[:, known], self.intercept[known] = coef, intercept
        return self

    def outputs(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        found: np.ndarray = softmax(super().outputs(x), axis=1)
        return found


class _Tags(_Linear):
    """One logistic regression a tag."""

    def __init__(self, c: int, seed: int):
        self.each = [_Logistic(2, seed) for _ in range(c)]

    def fit(self, x: np.ndarray, truth: np.ndarray, strength: float) -> _Linear:
        found = [one.fit(x, np.stack([1 - t, t], axis=1), strength) for one, t in zip(self.each, truth.T, strict=True)]
        self.coef = np.stack([one.coef[:, 1] - one.coef[:, 0] for one in found], axis=1)
        self.intercept = np.array([one.intercept[1] - one.intercept[0] for one in found])
        return self

    def outputs(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        found: np.ndarray = expit(super().outputs(x))
        return found


def _model(kind: str, c: int, seed: int) -> Any:
    if kind == "numbers":
        return _Ridge()
    return _Logistic(c, seed) if kind == "classes" else _Tags(c, seed)
