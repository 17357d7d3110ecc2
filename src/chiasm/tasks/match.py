"""Match: is this pair a pair? A calibrated probability, from how near its items are beside known rivals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm import recipe, registry
from chiasm.errors import ChiasmError
from chiasm.report.scores import matched
from chiasm.scale import Progress
from chiasm.score import Score
from chiasm.splits import cut
from chiasm.stats import answers as classification
from chiasm.stats.blocks import patterns, subsets
from chiasm.stats.dealing import DEALT, cosine, deal, margins
from chiasm.stats.relevance import check_pairs
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Answers
from chiasm.views import Views, as_views, normalize

__all__ = ["Match"]

FOLDS = 3
LEAST = 12
"""Pairs from which a calibration is learned at all."""

MOST = 2000
"""Known items of a view, and rows of a fold, that are used at most."""


class Match(KnownRows):
    """Rows in, whether each row's views belong together, and how probably.

    `fit` learns a shared space from right pairs alone; wrong ones are made by dealing an item to another row, at random
    and to rows that are alike (`_dealing.deal`). The probability is a logistic regression on margins: by how much the
    two items are nearer to each other than the nearest known rivals are, asked from both sides. It is learned from rows
    that the space was not learned from (three folds, which cut no id and no group).

    Choose it to check what claims to be a pair: captions of pictures, products in two catalogs, the first hits of a
    search. To find the partner of an item use `retrieve`, to pair two whole collections `link`. A row is judged alone,
    the same in any batch. With three views or more a row is right when all that it has belong together.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        align: an aligner or its name.
        prior: the share of right pairs among those that will be asked about, which the probability is calibrated for.
            The wrong ones are taken to be half random and half alike.
        allow_leaks: go on when ids, groups or whole rows stand in train and test.
        seed: of everything drawn at random.

    Learned: `aligner_`, `banks_` (known items by view), `logistic_` (weights and offset, by the views that are there).

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(240, 6))
    >>> a, b = z @ rng.normal(size=(6, 9)), z @ rng.normal(size=(6, 8))
    >>> model = Match(align="cca").fit({"a": a[:200], "b": b[:200]})
    >>> model.answer({"a": a[200:203], "b": b[[200, 201, 230]]})[0].tolist()
    [True, True, False]

    Sources: Platt 1999 (logistic calibration); Conneau et al. 2018 (nearest rivals); Saerens et al. 2002 (prior).
    """

    streams = False

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        align: Any = "auto",
        prior: float = 0.5,
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.encoders = encoders
        self.align = align
        self.prior = prior
        self.allow_leaks = allow_leaks
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, progress: Progress | None = None) -> Match:
        """Learn from the rows of split "train" and "val" (all, when the views have no split); "test" is for `score`.

        A right pair is a row with two views or more. Raises a ChiasmError for fewer than 12 of them, and when an id, a
        group or a whole row stands in train and test.
        """
        if not 0 < self.prior < 1:
            raise ChiasmError(f"wanted a prior between 0 and 1 (the share of right pairs), got {self.prior}.")
        views = as_views(views)
        check_pairs(views)
        self._aligner()
        train = self._learn_rows(views, progress).train
        whole = train[np.sum([train.present(name) for name in train.names], axis=0) > 1]
        if whole.things < LEAST:
            raise ChiasmError(
                f"wanted at least {LEAST} things with two views in one row, got {whole.things}: with fewer "
                "no probability can be learned."
            )
        check_pairs(whole)
        sizes = self._calibrate(whole)
        self.aligner_ = registry.fit(self._aligner(), train).slim()
        space = self.aligner_.transform(whole)
        self.banks_ = {name: _bank(space, name, size, self.seed) for name, size in sizes.items()}
        return self

    def _calibrate(self, whole: Views) -> dict[str, int]:
        """Learn the logistic regressions on folds that their space was not learned from.

        Returns by view how many known items its bank held, and has to hold.
        """
        fold = cut(whole, {str(k): 1 for k in range(FOLDS)}, self.seed)
        found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        sizes = {
            name: min(MOST, *(len(whole[name][fold != str(k)].used) for k in range(FOLDS))) for name in whole.names
        }
        for k in range(FOLDS):
            learn, held = whole[fold != str(k)], whole[fold == str(k)]
            held = held[np.sort(np.random.default_rng(self.seed).permutation(len(held))[:MOST])]
            aligner = registry.fit(self._aligner(), learn)
            known = aligner.transform(learn)
            banks = {name: _bank(known, name, size, self.seed) for name, size in sizes.items()}
            for subset in subsets(len(whole.names)):
                names = [whole.names[i] for i in subset]
                if len(names) < 2:
                    continue
                rows = held.replace({name: held.columns[name] for name in names})
                rows = rows[np.all([rows.present(name) for name in names], axis=0)]
                if len(rows) > 1:
                    dealt, kinds = deal(rows, self.seed)
                    key = ",".join(map(str, subset))
                    found.setdefault(key, []).append((margins(aligner.transform(dealt), banks), kinds == 0))
        self.logistic_ = {}
        for key, parts in found.items():
            features, right = (np.concatenate(part) for part in zip(*parts, strict=True))
            if min(right.sum(), (~right).sum()) >= LEAST:
                self.logistic_[key] = _logistic(features, right)
        return sizes

    def outputs(self, views: Any, *, progress: Progress | None = None) -> np.ndarray:
        """`(n,)` the probability that a row's views belong together; the prior where fewer than two are there."""
        return self.answer(views, progress=progress)[1]

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """Whether each row is right, booleans `(n,)` (a probability of .5 or more), and the probability `(n,)`."""
        self.check_fitted()
        encoded, report = self._encode(self._views(views), progress)
        odds = self._odds(self.aligner_.transform(encoded)) + np.log(self.prior / (1 - self.prior))
        sure = _sigmoid(odds)
        there = np.sum([encoded.present(name) for name in encoded.names], axis=0)
        told = {"id": encoded.ids, "answer": sure >= 0.5, "probability": sure, "views": there}
        return Answers((sure >= 0.5, sure), report, ids=encoded.ids, columns=told)

    def score(
        self,
        views: Any,
        y: None = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How well right rows are told from dealt ones: AUC (the float), average precision, accuracy, calibration.

        As many wrong pairs as right ones, half of them random and half alike; accuracy and calibration are those at
        that base rate, whatever `prior` is. Beside it: the plain cosine of the space (the mean over pairs of views) and
        chance. Intervals resample whole ids and groups.

        Raises a ChiasmError when rows that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        views = self._views(views)
        encoded, report = self._encode(views, progress)
        mine = self._learned_from(encoded, allow_train)
        measured = self._measure(encoded)
        if measured is None:
            raise ChiasmError("wanted at least two rows with two views to deal items between, got fewer.")
        table: dict[str, Any] = {
            "task": "match",
            "rows": len(views),
            "split": split,
            "seed": self.seed,
            "prior": self.prior,
            "model": {**recipe.describe(self), "aligner": self.aligner_.choices()},
            **measured,
        }
        tainted = self._tainted(encoded)
        if tainted.any():
            table["clean"] = {"removed": int(tainted.sum()), **(self._measure(encoded[~tainted]) or {})}
        table["leaks"] = {**self.leaks_, "fitted_rows": mine}
        return Score(table["auc"]["value"], table, matched, report=report)

    def _measure(self, encoded: Views) -> dict[str, Any] | None:
        """The figures of a score; None where there is nothing to deal."""
        dealt, kinds = deal(encoded, self.seed)
        space = self.aligner_.transform(dealt)
        whole = np.arange(len(kinds))
        alternate = np.where(dealt.clusters % 2, 1, 2)  # as many wrong ones as right ones: each row gives one kind
        even = np.flatnonzero((kinds == 0) | (kinds == alternate))
        if len(np.unique(kinds[even] > 0)) < 2:
            return None
        sure, plain = _sigmoid(self._odds(space)), np.nanmean(cosine(space), axis=1)
        right, draws = kinds[even] == 0, Draws(dealt.clusters[even], seed=self.seed)
        ours, theirs = (draws.auc(right, values[even]) for values in (sure, plain))
        precise = [draws.average_precision(right, values[even]) for values in (sure, plain)]
        both = np.stack([1 - sure[even], sure[even]], axis=1)
        table: dict[str, Any] = {
            "pairs": int(right.sum()),
            "wrong": {DEALT[k]: int((kinds[even] == k).sum()) for k in (1, 2)},
            "auc": interval_of(*ours),
            "average_precision": interval_of(*precise[0]),
            "accuracy": interval_of(*draws.accuracy(right, sure[even] >= 0.5)),
            "ece": round(classification.ece(right.astype(int), both), 6),
            "log_loss": round(classification.log_loss(right.astype(int), both), 6),
            "majority": round(float(max(right.mean(), 1 - right.mean())), 6),
            "cosine": {"auc": interval_of(*theirs), "average_precision": interval_of(*precise[1])},
            "difference": {"auc": difference(ours, theirs), "average_precision": difference(*precise)},
            "against": {},
        }
        for k in (1, 2):
            rows = whole[(kinds == 0) | (kinds == k)]
            one = Draws(dealt.clusters[rows], seed=self.seed)
            mine, cos = (one.auc(kinds[rows] == 0, values[rows]) for values in (sure, plain))
            entry = {"auc": interval_of(*mine), "cosine": interval_of(*cos), "difference": difference(mine, cos)}
            table["against"][DEALT[k]] = entry
        return table

    def _odds(self, space: Views) -> np.ndarray:
        """`(n,)` log odds at a base rate of one half; 0 where fewer than two views are there."""
        names = list(self.views_)
        here = np.stack([space.present(n) if n in space.columns else np.zeros(len(space), bool) for n in names], axis=1)
        odds = np.zeros(len(space))
        for columns, rows in patterns(here):
            if len(columns) > 1:
                part = space[rows]
                odds[rows] = self._odds_of(part.replace({names[i]: part.columns[names[i]] for i in columns}), columns)
        return odds

    def _odds_of(self, space: Views, columns: tuple[int, ...]) -> np.ndarray:
        """Log odds of rows that have just these views: their own regression's, or else the mean of those of pairs."""
        key = ",".join(map(str, columns))
        if key in self.logistic_:
            one = self.logistic_[key]
            odds: np.ndarray = margins(space, self.banks_) @ one["weights"] + one["offset"]
            return odds
        if len(columns) == 2:
            return np.zeros(len(space))
        found = []
        for i, a in enumerate(columns):
            for j, b in enumerate(columns[i + 1 :], i + 1):
                two = {name: space.columns[name] for name in (space.names[i], space.names[j])}
                found.append(self._odds_of(space.replace(two), (a, b)))
        mean: np.ndarray = np.mean(found, axis=0)
        return mean

    def _aligner(self) -> Any:
        return registry.make("align", self.align, seed=self.seed)


def _bank(space: Views, name: str, size: int, seed: int) -> np.ndarray:
    """`(size, k)` known items of a view of length 1, drawn at random: as many as the calibration was learned with."""
    used = space[name].used
    chosen = np.sort(np.random.default_rng(seed).permutation(used)[:size])
    return normalize(space[name].items[chosen])


def _logistic(features: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Weights and offset of log odds at a base rate of one half."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    model = LogisticRegression(max_iter=1000).fit((features - mean) / spread, right)
    weights = model.coef_[0] / spread
    rate = np.log(right.sum() / (~right).sum())
    return {"weights": weights, "offset": float(model.intercept_[0] - mean @ weights - rate)}


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    probability: np.ndarray = expit(odds)
    return probability
