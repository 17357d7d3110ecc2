"""Labels that are likely wrong: where the views, each learned without the row, agree on another one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.encoding import Encoding, Report
from chiasm.errors import ChiasmError
from chiasm.scale import Progress
from chiasm.views import Views, as_views

__all__ = ["LabelErrors", "confident_joint", "label_errors", "wrong_share"]

SUREST = 0.2


@dataclass
class LabelErrors:
    """What the views say of m labels, each row by what was learned without its fold. Classes are codes into `names`."""

    names: list[str]
    views: Views
    """The labeled rows as they were given."""
    given: np.ndarray
    """`(m,)` the labels."""
    together: np.ndarray
    """`(m, c)` what all views together say."""
    alone: dict[str, np.ndarray]
    """By view, `(m, c)` what it says alone; NaN where it is absent."""
    unlabeled: int
    report: Report
    """What encoding did."""

    @property
    def doubt(self) -> np.ndarray:
        """`(m,)` 1 - p(given label), all views together: what rows are ranked by.

        Chosen on planted errors among the training rows of two packs (docs/fuse.md): where classes are unlike, better
        than the margin to the best other class, which takes an unsure row for a wrong one.
        """
        doubt: np.ndarray = 1 - self.together[np.arange(len(self.given)), self.given]
        return doubt

    @property
    def suggested(self) -> np.ndarray:
        """`(m,)` the likeliest class; it may be the given one."""
        best: np.ndarray = self.together.argmax(axis=1)
        return best

    @property
    def clash(self) -> np.ndarray:
        """`(m,)` how likely two views, each asked alone, name different classes: 1 - sum_c p_a(c) p_b(c).

        The mean over pairs of views that are there; NaN for a row with fewer than two. Views clash where one of them
        is misleading, whatever the label.
        """
        each = [1 - (self.alone[a] * self.alone[b]).sum(axis=1) for a, b in combinations(self.alone, 2)]
        if not each:
            return np.full(len(self.given), np.nan)
        stacked = np.stack(each)
        known = ~np.isnan(stacked)
        clash: np.ndarray = np.where(
            known.any(axis=0), np.nansum(stacked, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
        )
        return clash

    @property
    def order(self) -> np.ndarray:
        """`(m,)` rows, the most doubtful first."""
        ranked: np.ndarray = np.argsort(-self.doubt, kind="stable")
        return ranked

    def ranked(self, most: int | None = None) -> list[dict[str, Any]]:
        """The most doubtful rows as plain values: label, suggestion, each view's own opinion, what the row holds."""
        doubt, suggested, clash = self.doubt, self.suggested, self.clash
        found = []
        for rank, row in enumerate(self.order[:most].tolist(), 1):
            opinions = {view: self._opinion(said[row]) for view, said in self.alone.items()}
            found.append(
                {
                    "rank": rank,
                    "id": str(self.views.ids[row]),
                    "given": self.names[self.given[row]],
                    "suggested": self.names[suggested[row]],
                    "doubt": round(float(doubt[row]), 6),
                    "views": opinions,
                    "clash": None if np.isnan(clash[row]) else round(float(clash[row]), 6),
                    "items": {
                        name: column.label(int(column.index[row]))
                        for name, column in self.views.columns.items()
                        if column.index[row] >= 0
                    },
                }
            )
        return found

    def _opinion(self, said: np.ndarray) -> dict[str, Any] | None:
        if np.isnan(said).any():
            return None
        return {"says": self.names[int(said.argmax())], "sure": round(float(said.max()), 6)}

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        """Everything as plain values; `most` rows of the ranking."""
        joint = confident_joint(self.given, self.together)
        share = wrong_share(self.given, self.together)
        m = len(self.given)
        return {
            "rows": m,
            "unlabeled": self.unlabeled,
            "classes": self.names,
            "views": list(self.alone),
            "agree": round(float((self.suggested == self.given).mean()), 6),
            "estimate": {
                "wrong": round(share["value"] * m),
                "share": share,
                "confident_joint": round(float(joint.sum() - np.trace(joint))),
            },
            "joint": np.round(joint, 3).tolist(),
            "ranked": self.ranked(most),
        }


def label_errors(
    views: Any,
    y: Any = None,
    *,
    encoders: Any = None,
    fuse: Any = "early",
    seed: int = 0,
    progress: Progress | None = None,
) -> LabelErrors:
    """Judge every label by what the views say of its row, learned without the row's fold.

    The views together, and each alone, are learned from the given labels, errors included, in five folds that cut no id
    and no group; calibrated probabilities of each row come from the four folds that lack it. Nothing is held back: all
    labeled rows are judged. Choose it before training on labels that people, or a search, gave. It finds errors that
    are exceptions; a mistake made the same way in every like row looks right to it.

    Args:
        views: raw or encoded, with two classes or more. y: labels, one a row; by default the views' label. Rows without
            a label are left out.
        encoders: by view's name or modality, an encoder or its name; None: the defaults.
        fuse: a fuser or its name; `early` gives its out-of-fold answers for free.
        seed: of folds and draws. progress: called while encoding.

    Raises a ChiasmError where there are no labels or only one class.

    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 60)
    >>> views = {v: rng.normal(size=(120, 3)) + 2 * (y == "dog")[:, None] for v in ("words", "picture")}
    >>> y[7] = "dog"
    >>> found = label_errors(views, y)
    >>> found.ranked(1)[0]["id"], found.ranked(1)[0]["suggested"]
    ('7', 'cat')

    Source: Northcutt, Jiang & Chuang 2021 (confident learning), arXiv 1911.00068.
    """
    views = as_views(views)
    y = views.label if y is None else y
    if y is None:
        raise ChiasmError("wanted labels to judge, got none: name their column (label='COL'), or pass y, one a row.")
    encoded, report = Encoding(encoders).learn(views, np.ones(len(views), bool), progress)
    whole = _fuser(fuse, seed).fit(encoded, y)
    rows = whole.folds_.rows_
    together = whole.crossed(encoded)
    alone = {}
    for name, column in encoded.columns.items():
        if len(encoded.columns) == 1:
            said = together.copy()
        else:
            one = encoded.replace({name: column})
            said = _fuser(fuse, seed).fit(one, y).crossed(one)
        said[~encoded[rows].present(name)] = np.nan
        alone[name] = said
    given = whole.folds_.truth_.argmax(axis=1)
    return LabelErrors(list(whole.target_.names_), views[rows], given, together, alone, len(views) - len(rows), report)


def wrong_share(given: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The estimated share of wrong labels, with a 95 % interval: value, low, high.

    Of the fifth of rows that the model is surest of, the share that bears another label: there the model itself errs
    least, so what is left is the labels' fault. It counts the model's own confident errors too, and supposes that easy
    rows are labeled no better than hard ones.

    Args:
        given: `(m,)` codes. probabilities: `(m, c)` out of fold.

    Source: after the anchor points of Patrini et al. 2017, arXiv 1609.03683; Wilson 1927 (interval).

    >>> sure = np.tile([0.9, 0.1], (100, 1))
    >>> wrong_share(np.arange(100) % 10 == 0, sure)["value"]
    0.1
    """
    surest = np.argsort(-probabilities.max(axis=1), kind="stable")[: max(1, round(SUREST * len(given)))]
    n = len(surest)
    share = float((probabilities[surest].argmax(axis=1) != np.asarray(given)[surest]).mean())
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return {"value": round(share, 6), "low": round(float(low), 6), "high": round(float(high), 6)}


def confident_joint(given: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """How many rows `(c, c)` of a given class (down) are likely of a true class (across).

    A row counts where its probability of a class reaches the mean probability of that class among the rows given it
    (where of several classes, the likeliest); each given class is then scaled to its rows. The sum off the diagonal is
    the literature's estimate of the wrong labels; with a model that is often wrong it is far too high (docs/fuse.md).

    Args:
        given: `(m,)` codes. probabilities: `(m, c)` out of fold.

    Source: Northcutt, Jiang & Chuang 2021, arXiv 1911.00068.
    """
    given = np.asarray(given).astype(np.int64)
    c = probabilities.shape[1]
    level = np.array([probabilities[given == j, j].mean() if (given == j).any() else 1.0 for j in range(c)])
    above = probabilities >= level
    best = np.where(above, probabilities, -1).argmax(axis=1)
    counted = above.any(axis=1)
    joint = np.zeros((c, c))
    np.add.at(joint, (given[counted], best[counted]), 1)
    rows = np.bincount(given, minlength=c)
    empty = joint.sum(axis=1) == 0
    joint[empty, empty] = 1
    scaled: np.ndarray = joint / joint.sum(axis=1, keepdims=True) * rows[:, None]
    return scaled


def _fuser(fuse: Any, seed: int) -> Any:
    """A new, unfitted fuser of classes."""
    return registry.make("fuse", fuse, seed=seed).set_params(kind="classes")
