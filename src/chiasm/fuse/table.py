"""Table: a few numbers of every view side by side, answered by a learner of tables, boosted trees or TabICL."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT, PART, TEXT
from chiasm.errors import ChiasmError, unknown
from chiasm.fuse._axes import Axes
from chiasm.fuse._calibrated import Calibrated
from chiasm.fuse._fuser import Fuser
from chiasm.stats.blocks import Block, Blocks, means

__all__ = ["Table"]

_LEARNERS = ("trees", "tabicl")
_TINY = 1e-6


class Table(Fuser):
    """Principal components of every view, and numbers as they are, as one table for a learner of tables.

    A view of at most `components` numbers stands in the table as it is (the fields of a record); a wider one by so many
    of its principal components. What is absent is empty: trees and TabICL read that by themselves, for another learner
    it is 0. The learner's answers are calibrated by its answers to rows that it did not see; so it learns six times.

    Choose it for records of many fields whose thresholds and products count, and to bring a learner of your own. For
    vectors of encoders `early` is quicker and better: with trees this loses to it on news, products, and sound and lips
    (docs/fuse.md, benchmarks/fuse/every_fuser.py). TabICL's weights were not at hand: it is not measured.

    - "trees": scikit-learn's histogram gradient boosting.
    - "tabicl": TabICL, which has learned to learn from tables and reads your rows as its context; the package `tabicl`
      (BSD license) with its weights in `file`, which you bring: nothing is downloaded, and no code in it is run.
    - an object with `fit(x, y)`, `predict_proba(x)` and `classes_` (or `predict`, for numbers), unfitted, from Python:
      `TabPFNClassifier(model_path=...)`, whose newer weights are licensed for research alone; what it draws at random
      is drawn by `seed`. A model with it is saved where its class may be (`chiasm.recipe.SKLEARN`), which is told when
      it is saved.

    **A model keeps the table** of its training rows, by which it learns again when it is loaded.

    Args:
        kind: "classes", "tags" (a learner each) or "numbers". learner: as above. file: TabICL's weights, a .ckpt of the
            kind of answer. components: of a wide view. seed: of folds and draws.

    Learned: `axes_` by wide view; `table_` `(n, d)` and `truth_` `(n, c)`; `calibrated_`. Raises a ChiasmError for an
    unknown learner, where the package or its file is lacking, and where a learner refuses the table.

    >>> rng = np.random.default_rng(0)
    >>> record = rng.normal(size=(300, 2))
    >>> y = (record[:, 0] > 0) ^ (record[:, 1] > 0)  # neither says anything alone
    >>> Table().fit({"record": record[:200]}, y[:200]).score({"record": record[200:]}, y[200:]) > 0.8
    True

    Sources: Friedman 2001; Ke et al. 2017 (histograms); Qu et al. 2025 (TabICL); of components before a learner of
    tables: MulTaBench 2026.
    """

    allowed: ClassVar = {"learner": PART, "file": TEXT, "components": COUNT}
    crosses_cheaply = True

    axes_: dict[str, Axes]
    table_: np.ndarray
    truth_: np.ndarray
    calibrated_: Calibrated

    def __init__(
        self, kind: str = "classes", learner: Any = "trees", file: str = "", components: int = 30, seed: int = 0
    ):
        self.kind = kind
        self.learner = learner
        self.file = file
        self.components = components
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
        plain = {name: Block(means(block), block.present) for name, block in held.items()}
        self.columns_ = {name: block.values.shape[1] for name, block in plain.items()}
        wide = {name: block for name, block in plain.items() if self.columns_[name] > self.components}
        self.axes_ = {name: Axes(self.components).fit(block) for name, block in wide.items()}
        self.table_, self.truth_ = self._rows(held, len(truth)), truth.astype(np.float32)
        scores = np.empty_like(truth)
        for fold in np.unique(folds):
            inside, outside = folds != fold, folds == fold
            scores[outside] = self._scores(self._fitted(inside), self.table_[outside])
        self.calibrated_ = Calibrated(self.kind).fit(scores, truth)
        self._all = self._fitted(slice(None))
        return self.calibrated_.crossed(scores, truth, folds)

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        if getattr(self, "_all", None) is None:
            self._all = self._fitted(slice(None))
        return self.calibrated_(self._scores(self._all, self._rows(held, n)))

    def _rows(self, held: Blocks, n: int) -> np.ndarray:
        """`(n, d)` float32 the table; NaN where a view is absent."""
        parts = []
        for name, d in self.columns_.items():
            axes = self.axes_.get(name)
            part = np.full((n, axes.width if axes else d), np.nan, dtype=np.float32)
            if name in held:
                block = Block(means(held[name]), held[name].present)
                there = block.present
                part[there] = (axes(block) if axes else block.values)[there]
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def _fitted(self, rows: Any) -> list[Any]:
        """The learner, or of tags and numbers one a column, learned from these rows of the table.

        Where all these rows are of one class, or tag, it stands instead of a learner, as a number.
        """
        x, truth = self.table_[rows], self.truth_[rows]
        targets = [truth.argmax(axis=1)] if self.kind == "classes" else list(truth.T)
        if self.kind == "tags":
            targets = [target.astype(np.int64) for target in targets]
        return [self._one(x, y) if y.min() < y.max() else y[0] for y in targets]

    def _one(self, x: np.ndarray, y: np.ndarray) -> Any:
        learner = self._new()
        with _told(learner, f"learn from {len(x)} rows of {x.shape[1]} numbers", self.file):
            learner.fit(_filled(learner, x), y)
        return learner

    def _new(self) -> Any:
        numbers = self.kind == "numbers"
        if not isinstance(self.learner, str):
            wanted = ("fit", "predict" if numbers else "predict_proba")
            if isinstance(self.learner, type) or any(not hasattr(self.learner, name) for name in wanted):
                raise ChiasmError(
                    f"table: wanted a learner of {self.kind}, an object with {' and '.join(wanted)}, got "
                    f"{self.learner!r}."
                )
            learner = copy.deepcopy(self.learner)
            if hasattr(learner, "get_params"):  # what is drawn is drawn alike when a loaded model learns again
                drawn = [name for name in learner.get_params() if name.rpartition("__")[2] == "random_state"]
                learner.set_params(**{name: self.seed for name in drawn if learner.get_params()[name] is None})
            return learner
        if self.learner == "trees":
            from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

            return (HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier)(
                random_state=self.seed, early_stopping=False
            )
        if self.learner != "tabicl":
            raise unknown("learner", self.learner, _LEARNERS)
        if not Path(self.file).is_file():
            raise ChiasmError(
                f"table: wanted a file of TabICL's weights (.ckpt), got {self.file or 'none'!r}: say "
                "table:learner=tabicl:file=FILE. They are not part of the package and are not downloaded."
            )
        try:
            from tabicl import TabICLClassifier, TabICLRegressor
        except ImportError:
            raise ChiasmError("table: TabICL is a package of its own (BSD license): pip install tabicl.") from None
        return (TabICLRegressor if numbers else TabICLClassifier)(
            model_path=self.file, allow_auto_download=False, device="cpu", random_state=self.seed, n_jobs=1
        )

    def _scores(self, learners: list[Any], x: np.ndarray) -> np.ndarray:
        """`(n, c)` logarithms of probabilities, log odds of tags, or numbers."""
        if self.kind == "numbers":
            said = [_number(one, x) if hasattr(one, "predict") else np.full(len(x), one) for one in learners]
            return np.stack(said, axis=1)
        if self.kind == "tags":
            said = [_chance(one, x, 2)[:, 1] for one in learners]
            p = np.clip(np.stack(said, axis=1), _TINY, 1 - _TINY)
            odds: np.ndarray = np.log(p / (1 - p))
            return odds
        found: np.ndarray = np.log(np.maximum(_chance(learners[0], x, self.truth_.shape[1]), _TINY))
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in vars(self).items() if name != "_all"}


def _chance(learner: Any, x: np.ndarray, c: int) -> np.ndarray:
    """`(n, c)` probabilities of the classes 0 to c - 1, of which a learner may know some, or one alone."""
    out = np.zeros((len(x), c))
    if hasattr(learner, "predict_proba"):
        with _told(learner, f"answer {len(x)} rows"):
            known = np.asarray(learner.classes_, dtype=np.int64)
            out[:, known] = _finite(learner.predict_proba(_filled(learner, x)), (len(x), len(known)))
    else:
        out[:, int(learner)] = 1
    return out


def _number(learner: Any, x: np.ndarray) -> np.ndarray:
    """`(n,)` what a learner of numbers answers."""
    with _told(learner, f"answer {len(x)} rows"):
        return _finite(learner.predict(_filled(learner, x)), (len(x),))


def _finite(said: Any, shape: tuple[int, ...]) -> np.ndarray:
    found = np.asarray(said, dtype=np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        raise ValueError(f"wanted finite numbers {shape}, got an array {found.shape} or numbers that are not finite")
    return found


@contextmanager
def _told(learner: Any, what: str, file: str = "") -> Iterator[None]:
    """Whatever a learner of another package raises, as a sentence."""
    try:
        yield
    except Exception as error:
        if file:
            told = f"wanted a file of TabICL's weights for this kind of answer, got {file} ({type(error).__name__})."
        else:
            told = f"{type(learner).__name__} does not {what} ({error}): take another learner."
        raise ChiasmError(f"table: {told}") from error


def _filled(learner: Any, x: np.ndarray) -> np.ndarray:
    """The table as the learner reads it: 0 where it is empty, unless the learner reads that by itself."""
    from sklearn.utils import get_tags

    reads = hasattr(learner, "__sklearn_tags__") and get_tags(learner).input_tags.allow_nan
    return x if reads else np.nan_to_num(x)
