"""Cluster: which things belong to one group, over all views at once; groups named by words and shown by pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm import recipe
from chiasm.allowed import COUNT, choice
from chiasm.asked import check_width
from chiasm.checks import some
from chiasm.encoding import Progress
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.report.scores import clustered
from chiasm.score import Score
from chiasm.splits import check_splits
from chiasm.stats.blocks import Blocks, blocks
from chiasm.stats.partitions import adjusted_rand, mutual_information
from chiasm.stats.resample import Draws, Sampled, difference, interval_of
from chiasm.tasks._cluster import groups, space, stability
from chiasm.tasks._cluster.naming import particular
from chiasm.tasks._known_rows import KnownRows
from chiasm.tasks._results import Answers
from chiasm.tasks._to_score import Chosen
from chiasm.views import Views, as_views

__all__ = ["Cluster"]

LEAST = 4
"""Things from which groups are made at all."""
Measure = Callable[[np.ndarray, np.ndarray], float]

MEASURES: dict[str, Measure] = {"ari": adjusted_rand, "nmi": mutual_information}


class Cluster(KnownRows):
    """Rows in, the group of each out, 0 for the largest; no label is learned from.

    The views' vectors, side by side (`_cluster.space`) and weighed by how steady the groups of each view alone are
    when its rows are re-drawn (`_cluster.stability`), are grouped, by "kmeans"; by "mixture",
    Gaussians of one shared covariance (`stats.mixture`); or by "spectral", k-means on the leading
    eigenvectors of the views' joint graph of neighbors (`stats.spectral`). A row without some views is judged by the
    others. Where rows hold texts, a group's name is what its texts say and others do not.

    Choose "spectral" for groups of any shape among some thousand things (of more, the graph is drawn from 4,000),
    "kmeans" for very many, "mixture" for probabilities. "spectral" is the default as it was nearest to classes in the
    mean of five sets; which is differs by data (docs/cluster.md).
    All views together are not always better than one: on news with pictures no method is shown to gain over the texts
    alone, and "spectral" loses to them. The score shows each view alone.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several joined by +; None: the defaults.
        k: how many groups; None: the most on which re-drawn halves of the rows agree as well as on any number from 2 to
            15, to a standard error (`stability_`, the curve).
        learn: "spectral", "kmeans" or "mixture".
        allow_leaks: go on when ids, groups or whole rows stand in train and test.
        seed: of everything drawn at random.

    Learned: `space_`, `weights_` by view, `groups_`, `alone_` (groups of each view by itself), `stability_`, `words_`
    and `names_` of the groups, `sizes_`.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 3, 300)
    >>> views = {name: rng.normal(size=(300, 4)) + 5 * np.eye(4)[truth] for name in ("a", "b")}
    >>> model = Cluster(learn="kmeans").fit(views)
    >>> len(model.names_), round(float(model.score(views, truth)), 1)
    (3, 1.0)
    >>> found, sure = model.answer({"a": 5 * np.eye(4)[[0, 0, 1]]})
    >>> bool(found[0] == found[1] != found[2])
    True
    """

    kind = "clusters"

    allowed: ClassVar = {"k": COUNT.or_none(), "learn": choice(*groups.METHODS)}

    space_: space.Space
    weights_: dict[str, float]
    groups_: groups.Groups
    alone_: dict[str, groups.Groups]
    stability_: list[dict[str, Any]]
    words_: list[list[str]]
    names_: list[str]
    sizes_: np.ndarray

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        k: int | None = None,
        learn: str = "spectral",
        allow_leaks: bool = False,
        seed: int = 0,
    ):
        self.encoders = encoders
        self.k = k
        self.learn = learn
        self.allow_leaks = allow_leaks
        self.seed = seed

    def fit(self, views: Any, y: Any = None, *, progress: Progress | None = None) -> Cluster:
        """Learn from the rows of split "train" and "val" (all, when the views have no split); "test" is for `score`.

        Args:
            views: raw or encoded. y: not looked at. progress: called while encoding.

        Raises a ChiasmError for fewer than four things, for views that do not vary, and for more groups than things.
        """
        views = as_views(views)
        mine = np.ones(len(views), bool) if views.split is None else check_splits(views.split) != "test"
        learned = self._learn_rows(views, progress)
        held = space.things(learned.train)
        n = learned.train.things
        if n < max(LEAST, self.k or 0):
            raise ChiasmError(
                f"wanted at least {max(LEAST, self.k or 0)} things to group, got {n}: give more rows"
                f"{', or ask for fewer groups' if (self.k or 0) > LEAST else ''}."
            )
        self.space_ = space.learn(held, directions=self.learn != "spectral")
        if not self.space_:
            raise ChiasmError("wanted a view whose items differ, got none: there is nothing to tell groups by.")
        placed = space.place(self.space_, held)
        seen = np.sum([block.present for block in placed.values()], axis=0)
        if len(placed) > 1 and seen.max() < 2:
            warnings.warn(
                f"no thing has two of the views {', '.join(placed)}: nothing tells which groups of one belong to which "
                "of another, so that groups may be of views",
                ChiasmWarning,
                stacklevel=2,
            )
        self.weights_ = stability.weights(self.learn, placed, self.k, self.seed)
        self.stability_ = stability.curve(self.learn, placed, self.seed, self.weights_) if self.k is None else []
        k = stability.steady(self.stability_) if self.k is None else self.k
        if (most := max((one["agreement"] for one in self.stability_), default=1.0)) < stability.FAINT:
            warnings.warn(
                f"halves of the rows hardly agree on any number of groups (adjusted Rand at most {most:.2f}, and noise "
                f"alone was seen to reach .18): there may be none, and {k} is little more than a guess",
                ChiasmWarning,
                stacklevel=2,
            )
        self.groups_ = groups.learn(self.learn, placed, k, self.seed, self.weights_)
        self.alone_ = {v: groups.learn(self.learn, {v: b}, k, self.seed) for v, b in placed.items()}
        self.sizes_ = self.groups_["sizes"]
        self._name(views[mine], learned.train)
        return self.slim()

    def _name(self, raw: Views, encoded: Views) -> None:
        """The words of each group, from the texts among its rows."""
        k = len(self.sizes_)
        labels = self._assign(self.groups_, encoded)[0]
        texts, places = [], []
        for column in raw.columns.values():
            if column.modality == "text" and isinstance(column.items, list):
                for row in np.flatnonzero(column.present).tolist():
                    texts.append(str(column.items[column.index[row]]))
                    places.append(labels[row])
        self.words_ = particular(texts, np.array(places, dtype=np.int64), k) if texts else [[] for _ in range(k)]
        self.names_ = [" · ".join(words[:3]) or f"group {i}" for i, words in enumerate(self.words_)]

    def answer(self, views: Any, *, progress: Progress | None = None) -> Answers:
        """The group of each row, integers `(n,)`, and how sure it is `(n,)`, 0 to 1.

        Of "mixture" that is the component's probability, which is not calibrated and with few rows near 1; else 1 - its
        distance to the center over that to the next one's. Views may be absent in any row, or altogether; a row without
        any view gets the largest group, at 0.
        """
        self.check_fitted()
        given = self._views(views)
        encoded, report = self._encode(given, progress)
        labels, sure = self._assign(self.groups_, encoded)
        there = np.sum([encoded.present(name) for name in encoded.names], axis=0)
        if len(bare := np.flatnonzero(there == 0)):
            told = some([str(i) for i in given.ids[bare].tolist()])
            warnings.warn(
                f"{len(bare)} of {len(given)} rows hold none of the views {', '.join(self.views_)} ({told}): their "
                "group is the largest",
                ChiasmWarning,
                stacklevel=2,
            )
        names = np.array(self.names_, dtype=object)[labels]
        columns = {"id": given.ids, "answer": labels, "name": names, "confidence": sure, "views": there}
        return Answers((labels, sure), report, ids=given.ids, columns=columns)

    def predict(self, views: Any) -> np.ndarray:
        """The groups alone, as scikit-learn calls them."""
        return np.asarray(self.answer(views)[0])

    def topics(self, views: Any, most: int = 8, *, progress: Progress | None = None) -> list[dict[str, Any]]:
        """Each group as a dict: `group`, `name`, `words`, its `rows` among these (a count), and the `nearest` of them.

        Rows without any view are counted in no group.

        Args:
            views: raw or encoded. most: at most so many of the nearest, by number of row, the nearest first.
        """
        self.check_fitted()
        encoded = self._encode(self._views(views), progress)[0]
        held = self._placed(encoded)
        labels = self._assign(self.groups_, encoded)[0]
        there = np.any([encoded.present(name) for name in encoded.names], axis=0)
        far = groups.nearness(self.groups_, held) if held else np.zeros((len(encoded), len(self.names_)))
        found = []
        for group, (name, words) in enumerate(zip(self.names_, self.words_, strict=True)):
            mine = np.flatnonzero((labels == group) & there)
            nearest = mine[np.argsort(far[mine, group], kind="stable")][:most].tolist()
            found.append({"group": group, "name": name, "words": words, "rows": len(mine), "nearest": nearest})
        return found

    def to_score(self, views: Views, *, allow_train: bool = False) -> Chosen:
        """The rows of split "test" where the data says so, else all: no label was learned from."""
        if views.split is not None and (views.split == "test").any():
            return Chosen(views[views.split == "test"], "test", [])
        return Chosen(views, "all", [])

    def score(
        self,
        views: Any,
        y: Any = None,
        *,
        allow_train: bool = True,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """How alike groups and labels are: adjusted Rand index (the float) and normalized mutual information.

        Beside these: groups made from each view alone, as many, by the same method, with paired differences; rows dealt
        to groups of these sizes at random; one group of all, which has 0 of both. Intervals resample whole ids and
        groups. Rows that were learned from may be among them, since no label was; `leaks` counts them.
        """
        self.check_fitted()
        views = self._views(views)
        if y is not None:
            views = Views(views.columns, views.ids, {**views.facts, "label": np.asarray(y, dtype=object)})
        named = np.array([one is not None for one in ([] if views.label is None else views.label.tolist())], dtype=bool)
        if not named.any():
            raise ChiasmError("wanted rows with labels to score, got none: name their column at fit (label='COL').")
        encoded, report = self._encode(views[named], progress)
        mine = self._learned_from(encoded, True)
        truth = np.unique(np.array(encoded.facts["label"].tolist(), dtype=str), return_inverse=True)[1].ravel()
        labels = self._assign(self.groups_, encoded)[0]
        draws = Draws(encoded.clusters, resamples=500, seed=self.seed)
        alone = {v: self._assign(one, encoded)[0] for v, one in self.alone_.items()} if len(self.alone_) > 1 else {}
        dealt = np.random.default_rng(self.seed).permutation(labels)
        table: dict[str, Any] = {
            "task": "cluster",
            "rows": len(encoded),
            "unlabeled": len(views) - len(encoded),
            "split": split,
            "seed": self.seed,
            "model": recipe.describe(self),
            "groups": len(self.names_),
            "classes": int(truth.max()) + 1,
            "majority": 0.0,
            "views_alone": {v: {} for v in alone},
        }
        for name, measure in MEASURES.items():
            whole = _sampled(draws, measure, truth, labels)
            table[name] = interval_of(*whole)
            table[f"chance_{name}"] = round(measure(truth, dealt), 6)
            for view, one in alone.items():
                single = _sampled(draws, measure, truth, one)
                table["views_alone"][view] |= {
                    name: interval_of(*single),
                    f"{name}_difference": difference(whole, single),
                }
        table["leaks"] = {**self.leaks_, "fitted_rows": mine}
        return Score(table["ari"]["value"], table, clustered, report=report)

    def _placed(self, encoded: Views) -> Blocks:
        for name, one in self.space_.items():
            if name in encoded.columns and encoded.present(name).any():
                check_width(name, encoded[name].width, len(one["mean"]))
        return space.place(self.space_, blocks(encoded))

    def _assign(self, known: groups.Groups, encoded: Views) -> tuple[np.ndarray, np.ndarray]:
        return groups.assign(
            known, {n: b for n, b in self._placed(encoded).items() if n in known["names"]}, len(encoded)
        )


def _sampled(draws: Draws, measure: Measure, truth: np.ndarray, labels: np.ndarray) -> Sampled:
    """A measure of rows and of draws of them, these less what they are above it on average.

    A row that is drawn twice agrees with itself, so that draws are too high.
    """
    value, drawn = draws.repeated(lambda rows: measure(truth[rows], labels[rows]))
    return value, drawn - (np.nanmean(drawn) - value)
