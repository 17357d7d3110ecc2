"""Detect: what is unusual: a row unlike normal ones, or views of a row that do not belong together; in a film, when."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from chiasm import recipe, registry
from chiasm.encoding import Progress, Report
from chiasm.errors import ChiasmError
from chiasm.media.windows import typical_seconds
from chiasm.report.scores import detected
from chiasm.score import Score
from chiasm.splits import check_splits, cut
from chiasm.stats.dealing import deal
from chiasm.stats.resample import Draws, interval_of
from chiasm.tasks._detect import disagreement as pairs
from chiasm.tasks._detect import unusual as unusual
from chiasm.tasks._detect.alarms import Alarm
from chiasm.tasks._detect.naming import Name, alarm_name, columns_of, ranked, row_events
from chiasm.tasks._detect.tail import Tail, bulk_tail, combined, surprise, tail
from chiasm.tasks._detect.watch import FEEDS, Watch
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Answers
from chiasm.views import Views, as_views

__all__ = ["Alarm", "Detect", "Name", "alarm_name", "columns_of", "ranked", "row_events"]

FOLDS = 5
LEAST = 20
"""Normal rows from which anything is learned at all."""

LABELS = "labels"


class Detect(KnownRows):
    """Rows in, how unusual each is: by each view alone, by how badly each two views fit, or as labels say.

    `fit` needs no anomaly. Of each view it learns how far out normal vectors lie (`_unusual`), of each two views an
    aligned space and how near the items of a pair lie in it (`_disagreement`): another picture's caption is a normal
    text beside a normal picture, and only the pair gives it away. Each figure becomes p, the share of normal rows that
    are as unusual; a row's p is their harmonic mean, so that one strong sign is enough. The surprise is -log p in nats,
    calibrated once more, so that a share `rate` of normal rows is called unusual.

    All is learned in five folds that cut no id and no group, and a row that was learned from is judged by what was
    learned without its fold: to find what is wrong in a table, learn from that very table and ask about it.

    Choose it when anomalies are rare or of unknown kinds, or when pairs may be broken. Where some dozens are labeled,
    `learn="labels"` may do better on those kinds; compare them on held-out rows. For the probability that one pair is a
    pair use `match`; for wrong labels `chiasm doctor labels`.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        normal: the label of normal rows; only those are learned from. None: no label is looked at, and all rows are
            learned from, a few anomalies among them or not.
        learn: "normal": what normal rows are like, by "views" and by "pairs"; or only one of these: where broken pairs
            are sought, "pairs" finds them better, since what is odd in itself no longer ranks among them. "labels":
            `classify` learns all labels; a row is as unusual as it is unlikely to be `normal`, and `events` says what
            else it is.
        align: the aligner of "normal", or its name. fuse: the fuser of "labels", or its name.
        rate: the share of normal rows that may be called unusual.
        allow_leaks: go on when ids, groups or whole rows stand in train and test.
        seed: of everything drawn at random.

    Learned: `signs_` (their names), `tails_` (by sign, what normal rows score), `normals_`, `aligner_`, `banks_`,
    `weights_`, or `classifier_`; `marks_` and `crossed_`, the rows learned from and their figures out of fold;
    `seconds_`, the usual length of the clips learned from, 0 where there are none.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(300, 4))
    >>> a, b = z @ rng.normal(size=(4, 7)), z @ rng.normal(size=(4, 6))
    >>> a[5] += 9
    >>> b[[10, 20]] = b[[20, 10]]
    >>> model = Detect().fit({"a": a, "b": b})
    >>> sorted(np.argsort(-model.outputs({"a": a, "b": b}))[:3].tolist())
    [5, 10, 20]

    Sources: Ramaswamy et al. 2000 (neighbors); Hotelling 1936 (alignment); Wilson 2019 (harmonic mean p).
    """

    signs_: list[str]
    tails_: dict[str, Tail]
    normals_: dict[str, unusual.Normal]
    weights_: pairs.Weights
    banks_: dict[str, np.ndarray]
    seconds_: float

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        normal: str | None = None,
        learn: str = "normal",
        align: Any = "cca",
        fuse: Any = "auto",
        rate: float = 0.05,
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.encoders = encoders
        self.normal = normal
        self.learn = learn
        self.align = align
        self.fuse = fuse
        self.rate = rate
        self.allow_leaks = allow_leaks
        self.seed = seed

    def fit(self, views: Any, y: Any = None, *, progress: Progress | None = None) -> Detect:
        """Learn from the rows of split "train" and "val" (all, when the views have no split); "test" is for `score`.

        Args:
            views: raw or encoded. y: labels, one a row; by default the views' label. progress: called while encoding.

        Raises a ChiasmError for fewer than 20 normal rows, for a `normal` that no row is labeled with, and when an id,
        a group or a whole row stands in train and test.
        """
        views = self._checked(as_views(views), y)
        train = self._learn_rows(views, progress).train
        figures = self._learn_labels(train) if self.learn == LABELS else self._learn_normal(train)
        mine = np.ones(len(train), bool) if self.normal is None else train.label == self.normal
        figures = {name: values for name, values in figures.items() if np.isfinite(values[mine]).sum() >= LEAST}
        if not figures:
            raise ChiasmError(
                f"wanted {'two views' if self.learn == 'pairs' else 'a view'} with at least {LEAST} readable items, "
                "got none: there is nothing to learn from."
            )
        self.signs_ = list(figures)
        self.crossed_ = np.stack(list(figures.values()), axis=1)
        self.marks_ = _marks(train)
        clips = [c for c in views.columns.values() if c.modality in ("audio", "video") and isinstance(c.items, list)]
        self.seconds_ = (typical_seconds(clips[0].items) or 0.0) if clips else 0.0
        self.tails_ = {name: bulk_tail(values[mine]) for name, values in figures.items()}
        self.tails_[""] = tail(self._together(self.crossed_)[mine])
        return self.slim()

    def _checked(self, views: Views, y: Any) -> Views:
        """The rows to learn from and to score, with their labels; what cannot be asked for is told."""
        if not 0 < self.rate < 1:
            raise ChiasmError(f"wanted a rate between 0 and 1 (the share of false alarms), got {self.rate}.")
        if y is not None:
            views = Views(views.columns, views.ids, {**views.facts, "label": np.asarray(y, dtype=object)})
        if self.normal is None and self.learn == LABELS:
            raise ChiasmError("wanted to know which label is normal, got none: say normal='LABEL'.")
        learn = np.ones(len(views), bool) if views.split is None else check_splits(views.split) != "test"
        normal = learn
        if self.normal is not None:
            labels = np.full(len(views), None, dtype=object) if views.label is None else views.label
            normal = learn & (labels == self.normal)
            if not normal.any():
                known = sorted({str(one) for one in labels[learn].tolist() if one is not None})[:10]
                raise ChiasmError(
                    f"wanted training rows labeled {self.normal!r}, got {', '.join(known) or 'no labels'}: name their "
                    "column (label='COL'), or leave `normal` out to learn from all rows."
                )
        if normal.sum() < LEAST:
            raise ChiasmError(f"wanted at least {LEAST} normal rows to learn from, got {normal.sum()}.")
        kept: Views = views if self.learn == LABELS else views[normal | ~learn]
        return kept

    def _learn_labels(self, train: Views) -> dict[str, np.ndarray]:
        """Learn the classifier; each row's log odds of not being normal, out of fold, NaN where it has no label."""
        classify = registry.get("tasks", "classify")
        whole = classify(fuse=copy.deepcopy(self.fuse), allow_leaks=True, seed=self.seed)
        self.classifier_ = whole.fit_whole(train, None, None)
        fuser = self.classifier_.fuser_
        odds = np.full(len(train), np.nan)
        odds[fuser.folds_.rows_] = self._odds(fuser.crossed(train))
        return {LABELS: odds}

    def _learn_normal(self, train: Views) -> dict[str, np.ndarray]:
        """Learn each view, the space and its margins; by sign, each row's figure out of fold; NaN: absent."""
        fold = cut(train, {str(k): 1 for k in range(FOLDS)}, self.seed).astype(str)
        folds = np.unique(fold, return_inverse=True)[1]
        figures: dict[str, np.ndarray] = {}
        vars(self).pop("classifier_", None)  # of another fit
        self.normals_ = {}
        for name in train.names if self.learn != "pairs" else ():
            rows = np.flatnonzero(train.present(name))
            if len(rows) < LEAST or len(np.unique(folds[rows])) < 2:
                continue
            values = _vectors(train, name, rows)
            figures[name] = np.full(len(train), np.nan)
            self.normals_[name], figures[name][rows] = unusual.learn(values, folds[rows], self.seed)
        self.weights_, self.banks_ = {}, {}
        if self.learn != "views":
            found, self.weights_, sizes = pairs.crossed(train, folds, self._aligner, self.seed)
            figures |= found
        if self.weights_:
            shared = train.replace({name: train.columns[name] for name in sizes})
            self.aligner_ = registry.fit(self._aligner(), shared).slim()
            space = self.aligner_.transform(shared)
            self.banks_ = {name: pairs.bank(space, name, size, self.seed) for name, size in sizes.items()}
        return figures

    def signs(self, views: Any, *, progress: Progress | None = None) -> dict[str, np.ndarray]:
        """By sign (a view, "a, b" for a pair of views, or "labels"), `(n,)` -log p in nats; NaN where it cannot tell.

        A row that was learned from is judged by what was learned without its fold.
        """
        figures = self._figures(self._encoded(views, progress)[0])
        return {name: surprise(self.tails_[name], figures[:, i]) for i, name in enumerate(self.signs_)}

    def outputs(self, views: Any, *, progress: Progress | None = None) -> np.ndarray:
        """`(n,)` how surprising each row is: -log of the share of normal rows that are as unusual, in nats."""
        return self.answer(views, progress=progress)[1]

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """Whether each row is unusual, booleans `(n,)` (p at most `rate`), and its surprise `(n,)` in nats."""
        encoded, report = self._encoded(views, progress)
        found = self._surprise(self._figures(encoded))
        unusual = found >= self.threshold
        told = {"id": encoded.ids, "unusual": unusual, "p": np.exp(-found), "surprise": found}
        return Answers((unusual, found), report, ids=encoded.ids, columns=told)

    def events(self, views: Any) -> np.ndarray:
        """`(n,)` of a detector that learned labels, each row's likeliest label, the normal one among them."""
        if self.learn != LABELS:
            raise ChiasmError("a detector that learned normal rows alone knows no events: fit with learn='labels'.")
        self.check_fitted()
        labels: np.ndarray = self.classifier_.answer(self._encoded(views, None)[0])[0]
        return labels

    @property
    def threshold(self) -> float:
        """The surprise from which a row is unusual: -log rate."""
        return float(-np.log(self.rate))

    def watch(
        self,
        *,
        window: float | None = None,
        step: float = 0.5,
        smooth: float = 1.0,
        high: float | None = None,
        low: float | None = None,
        names: Any = None,
        feeds: Sequence[str] = FEEDS,
    ) -> Watch:
        """What looks at a film or a stream through this detector: see `Watch`. The window is by default `seconds_`."""
        self.check_fitted()
        return Watch(self, window or self.seconds_ or 2.0, step, smooth, high, low, names, feeds)

    def narrowed(self, views: Sequence[str]) -> Detect:
        """A detector that judges by some of the views alone, calibrated on the same rows without the others.

        One that learned labels stays as it is. Raises a ChiasmError where nothing was learned of these views alone.
        """
        self.check_fitted()
        if self.learn == LABELS:
            return self
        known = {*views, *(pairs.key(a, b) for a, b in permutations(views, 2))}
        kept = [i for i, name in enumerate(self.signs_) if name in known]
        if not kept:
            of = f"wanted a detector that knows {', '.join(views)} alone, got one of {', '.join(self.signs_)}"
            raise ChiasmError(f"{of}: fit with learn='views'.")
        made = copy.copy(self)
        made.signs_, made.crossed_ = [self.signs_[i] for i in kept], self.crossed_[:, kept]
        made.tails_ = {name: self.tails_[name] for name in made.signs_}
        made.tails_[""] = tail(made._together(made.crossed_))
        return made

    def score(
        self,
        views: Any,
        y: Any = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How well unusual rows are told from normal ones: AUROC (the float), average precision, and each sign's.

        Where `normal` is known, the rows with another label are to be found. Else pairs are broken, an item dealt from
        another row at random, and are to be found among the rows as they are. Intervals resample whole ids and groups.
        Raises a ChiasmError where there is nothing to find, and when rows that the model was fitted on are among them,
        unless `allow_train`.
        """
        self.check_fitted()
        views = self._views(views)
        if y is not None:
            views = Views(views.columns, views.ids, {**views.facts, "label": np.asarray(y, dtype=object)})
        encoded, report = self._encode(views, progress)
        mine = self._learned_from(encoded, allow_train)
        if self.normal is not None and encoded.label is not None:
            rows = encoded[np.array([label is not None for label in encoded.label.tolist()])]
            wrong, what = rows.label != self.normal, "labels"
        elif np.sum([encoded.present(name) for name in encoded.names], axis=0).max() > 1:
            rows, wrong, what = *_dealt(encoded, self.seed), "broken pairs"
        else:
            rows, wrong, what = encoded, np.zeros(len(encoded), bool), "nothing"
        if wrong.all() or not wrong.any():
            raise ChiasmError("wanted normal and unusual rows to score, got one kind: label some, or give two views.")
        figures = self._figures(rows)
        values = self._surprise(figures)
        draws = Draws(rows.clusters, seed=self.seed)
        alone = {name: np.where(np.isnan(v := figures[:, i]), -np.inf, v) for i, name in enumerate(self.signs_)}
        table: dict[str, Any] = {
            "task": "detect",
            "rows": len(views),
            "split": split,
            "seed": self.seed,
            "model": recipe.describe(self),
            "found": what,
            "unusual": int(wrong.sum()),
            "normal": int((~wrong).sum()),
            "auroc": interval_of(*draws.auc(wrong, values)),
            "average_precision": interval_of(*draws.average_precision(wrong, values)),
            "share": round(float(wrong.mean()), 6),
            "alarms": {
                "rate": self.rate,
                "false": round(float((values[~wrong] >= self.threshold).mean()), 6),
                "found": round(float((values[wrong] >= self.threshold).mean()), 6),
            },
            "signs": {name: interval_of(*draws.auc(wrong, one)) for name, one in alone.items()},
            "majority": 0.5,
            "leaks": {**self.leaks_, "fitted_rows": mine},
        }
        return Score(table["auroc"]["value"], table, detected, report=report)

    def _encoded(self, views: Any, progress: Progress | None) -> tuple[Views, Report]:
        self.check_fitted()
        return self._encode(self._views(views), progress)

    def _figures(self, encoded: Views) -> np.ndarray:
        """`(n, signs)` the figures of encoded rows; those of rows that were learned from are out of fold."""
        found: dict[str, np.ndarray] = {}
        if self.learn == LABELS:
            found[LABELS] = self._odds(self.classifier_.outputs(encoded))
        else:
            for name, normal in self.normals_.items():
                if name in encoded.columns and len(rows := np.flatnonzero(encoded.present(name))):
                    found[name] = np.full(len(encoded), np.nan)
                    found[name][rows] = unusual.figure(normal, _vectors(encoded, name, rows))
            if self.weights_ and (shared := [name for name in encoded.names if name in self.banks_]):
                space = self.aligner_.transform(encoded.replace({name: encoded.columns[name] for name in shared}))
                found |= pairs.disagreement(space, self.banks_, self.weights_)
        absent = np.full(len(encoded), np.nan)
        figures = np.stack([found.get(name, absent) for name in self.signs_], axis=1)
        if set(encoded.names) == set(self.views_):
            place = self._places()
            for row, mark in enumerate(_marks(encoded).view("V16").ravel().tolist()):
                if mark in place:
                    figures[row] = self.crossed_[place[mark]]
        return figures

    def _places(self) -> dict[bytes, int]:
        """By mark, the place of each row that was learned from."""
        held: tuple[Any, dict[bytes, int]] | None = vars(self).get("_held")
        if held is None or held[0] is not self.marks_:
            held = self.marks_, {mark: i for i, mark in enumerate(self.marks_.view("V16").ravel().tolist())}
            self._held = held
        return held[1]

    def _together(self, figures: np.ndarray) -> np.ndarray:
        each = [surprise(self.tails_[name], figures[:, i]) for i, name in enumerate(self.signs_)]
        return combined(np.stack(each, axis=1))

    def _surprise(self, figures: np.ndarray) -> np.ndarray:
        return surprise(self.tails_[""], self._together(figures))

    def _odds(self, outputs: np.ndarray) -> np.ndarray:
        """`(n,)` log odds of not being normal, from probabilities of the classes `(n, c)`."""
        sure = outputs[:, self.classifier_.fuser_.target_.names_.index(self.normal)].astype(np.float64)
        sure = np.clip(sure, 1e-9, 1 - 1e-9)
        odds: np.ndarray = np.log1p(-sure) - np.log(sure)
        return odds

    def _aligner(self) -> Any:
        return registry.make("align", self.align, seed=self.seed)


def _vectors(views: Views, name: str, rows: np.ndarray) -> np.ndarray:
    column = views[name]
    used, place = np.unique(column.index[rows], return_inverse=True)
    values: np.ndarray = np.asarray(column.items[used], dtype=np.float64)[place]
    return values


def _marks(views: Views) -> np.ndarray:
    """`(n, 16)` bytes: equal for rows that are equal in every view."""
    names = sorted(views.columns)
    cells = [np.concatenate([np.asarray(views[name].digests), np.zeros((1, 16), np.uint8)]) for name in names]
    whole = np.concatenate([cell[views[name].index] for name, cell in zip(names, cells, strict=True)], axis=1)
    marks = b"".join(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in whole)
    return np.frombuffer(marks, np.uint8).reshape(-1, 16)


def _dealt(encoded: Views, seed: int) -> tuple[Views, np.ndarray]:
    """Rows as they are and rows with an item dealt at random, and which are the latter."""
    dealt, kinds = deal(encoded, seed)
    kept = kinds < 2
    return dealt[kept], kinds[kept] == 1
