"""Link: two unlinked collections, linked one to one; scored with the pairing hidden, beside greedy and chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chiasm import recipe, registry
from chiasm.allowed import ENCODERS, PART, SEED, SIZE
from chiasm.asked import features_of, in_order
from chiasm.encoding import Encoding, Report
from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.report.scores import linked
from chiasm.scale import Progress
from chiasm.score import Score
from chiasm.splits import check_splits
from chiasm.stats.relevance import pairs
from chiasm.stats.resample import bootstrap, interval, paired
from chiasm.tasks._link.assigning import assign, hide, likeness, nearest_first, records, similarities
from chiasm.tasks._link.choosing import has_all, to_link
from chiasm.tasks._link.self_training import FEW, Known, Learner, place
from chiasm.tasks._results import Answers, Hits, recalled, remember
from chiasm.views import Views, as_views

__all__ = ["Link", "has_all", "hide", "to_link"]


class Link(Part):
    """Two collections of which few, some or no pairs are known -> which item belongs to which, one to one.

    The known pairs fit an aligner; the assignment with the largest sum of cosines links what is left. With `rounds` the
    aligner is then refitted with ever more of the surest links beside the known pairs, and the number of rounds that
    retrieves held-out known pairs best is kept (none wins ties). With fewer than 8 known pairs the shapes of the two
    collections are matched first (quadratic assignment); of the rounds the one is kept that makes them most alike.

    A link's `likeness` orders links and is no probability. With 20 known pairs or more its `confidence` is one: learned
    from known pairs that were hidden among what is to be linked (Platt scaling, five folds), so it holds for
    collections about as large as those that `fit` saw. With fewer nothing tells how often links are right.

    Expect little of the rounds: they help on planted data with few pairs; on photos and captions what they change is
    within the noise, with 100 known pairs and with 1,400 (`benchmarks/search/link.py`).

    Choose it to join two tables that lack a common key. Each item is used once, which makes links right more often
    where every item has one partner; where many items are alike (one description for many products) it gains nothing
    over taking the nearest pair first. Without any known pair it works only where both collections have nearly one
    geometry. Photos and captions do not, and `fit` says so in nine draws of ten (*not linkable*: a Monte Carlo test at
    the level of 5 % against collections of the same density whose items do not belong together; docs/align.md).

    Args:
        encoders: by view's name or modality, an encoder or its name, or several (a list, names joined by +);
            None: the default of each modality.
        align: an aligner or its name.
        rounds: of learning from its own links, at most; 0: none.
        seed: of everything drawn at random.

    Learned: `aligner_`, `platt_` (what makes confidences; None: nothing does), `known_` (things whose pair was known),
    `start_` ("pairs" or "shape"), `rounds_` (that were kept) and `trials_` (what each was chosen by).

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(120, 6))
    >>> views = {"a": z @ rng.normal(size=(6, 8)), "b": z @ rng.normal(size=(6, 7))}
    >>> model = Link().fit({name: values[:100] for name, values in views.items()})
    >>> left, right, sure = model.answer({"a": views["a"][100:]}, {"b": views["b"][100:]})
    >>> float((left == right).mean())
    1.0

    Sources: Kuhn 1955 (assignment); Artetxe, Labaka & Agirre 2018, arXiv 1805.06297 (self-training);
    Vogelstein et al. 2015 (quadratic assignment).
    """

    fit_report: Report
    """What encoding did in `fit`; it is not saved."""
    report = recalled("report", "the report of what was returned, or fit_report")

    allowed: ClassVar = {"encoders": ENCODERS, "align": PART, "rounds": SIZE, "seed": SEED}

    def __init__(self, encoders: Mapping[str, Any] | None = None, align: Any = "auto", rounds: int = 0, seed: int = 0):
        self.encoders = encoders
        self.align = align
        self.rounds = rounds
        self.seed = seed

    def fit(self, views: Any, y: None = None, *, progress: Progress | None = None) -> Link:
        """Learn from the things that have both views, and from those that have one.

        Of rows of split "val" the pairs only choose; of rows of split "test" the pairing is not looked at: their items
        count as unlinked. Without validation rows some known pairs are set aside for the choice and learned from
        afterwards.

        Raises a ChiasmError for other than two views, too little to learn from, or fewer than 8 known pairs between
        collections that their shapes do not tell how to link.
        """
        views = as_views(views)
        if len(views.columns) != 2:
            raise ChiasmError(f"wanted two views, one a collection, got {', '.join(views.names)}: name two columns.")
        split = check_splits(views.split) if views.split is not None else np.full(len(views), "train", dtype=object)
        self.encoding_ = Encoding(self.encoders)
        encoded, self.fit_report = self.encoding_.learn(views, split == "train", progress)
        remember(self, report=self.fit_report)
        self.views_ = {name: column.modality for name, column in views.columns.items()}
        self.features_ = features_of(views)
        a, b = views.names
        encoded.facts["split"] = split
        pool = hide(encoded, split == "test")
        left, right, ids, _ = pairs(pool, a, b)
        held = np.isin(ids, pool.codes[pool.split == "val"])
        known, val = Known(left, right, ids).keep(~held), Known(left, right, ids).keep(held)
        lone = np.setdiff1d(pool.codes, ids)
        sides = records(pool, a, lone)[1], records(pool, b, lone)[1]
        self.known_ = known.things
        self.start_ = "pairs" if self.known_ >= FEW else "shape"
        learner = Learner(pool.columns, self._align, self.rounds, self.seed)
        learn = learner.from_pairs if self.start_ == "pairs" else learner.from_shape
        self.aligner_ = learn(known, val, sides)
        self.rounds_, self.trials_ = learner.kept, learner.trials
        self.platt_ = learner.calibrated(known, val, sides) if self.start_ == "pairs" else None
        digests = [np.asarray(pool[name].digests)[part] for name, part in ((a, known.left), (b, known.right))]
        self.fitted_ = np.concatenate(digests, axis=1)
        self.ids_ = np.unique([str(i) for i in pool.facts["id"][np.isin(pool.codes, known.ids)]]).astype(object)
        return self

    def answer(self, left: Any, right: Any = None, *, progress: Progress | None = None) -> Answers:
        """Links: left items, right items and confidences `(p,)`, the surest first; no item twice.

        Where there are no confidences (fewer than 20 known pairs), likenesses stand there; see the class.

        Args:
            left: items of the first fitted view by its name, `{"caption": [...]}`, or Views.
            right: those of the second; left out, `left` holds both views, whose pairing is not looked at.
        """
        found = self.links(left, right, progress=progress)
        labels = [np.array([link[side] for link in found], dtype=object) for side in ("left", "right")]
        sure = np.array([link["likeness"] if link["confidence"] is None else link["confidence"] for link in found])
        return Answers((*labels, sure), found.report, columns=found.columns)

    def links(self, left: Any, right: Any = None, *, progress: Progress | None = None) -> Hits:
        """As `answer`, each link a dict with left, right, confidence (or None), likeness, left_id and right_id."""
        self.check_fitted()
        a, b, report = self._sides(left, right, progress)
        scores = similarities(a.vectors, b.vectors)
        found = assign(scores)
        like = likeness(scores, found)
        platt = vars(self).get("platt_")  # models of before have none
        sure = None if platt is None else platt.apply(like[:, None])[:, 0]
        order = np.argsort(-like, kind="stable")
        links = [
            {
                "left": a.views[a.name].label(int(a.items[i])),
                "right": b.views[b.name].label(int(b.items[j])),
                "confidence": None if sure is None else float(sure[place]),
                "likeness": float(like[place]),
                "left_id": str(a.ids[i]),
                "right_id": str(b.ids[j]),
            }
            for place, i, j in zip(order.tolist(), found.left[order], found.right[order], strict=True)
        ]
        return Hits(links, report)

    def score(
        self,
        views: Any,
        y: None = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """The share of items linked right when the pairing of these rows is hidden; the float is that share.

        It counts over the smaller collection's items that have a partner; right is any item of the same id. Beside it:
        greedy (the nearest pair by cosine first, on the same features and aligner) and chance.

        Raises a ChiasmError when pairs that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        a, b, report = self._sides(views, None, progress)
        true = pairs(a.views, a.name, b.name)[:2]
        if not len(true[0]):
            raise ChiasmError("wanted rows that have both views, got none: there is no pairing to hide and find again.")
        if (learned := self._learned(a.views, true)) and not allow_train:
            raise ChiasmError(
                f"{learned} of the {len(true[0])} pairs are pairs that the model was fitted on: score others, or "
                "insist (allow_train)."
            )
        right = set(zip(*(part.tolist() for part in true), strict=True))
        truth = np.array([[(i, j) in right for j in b.items.tolist()] for i in a.items.tolist()])
        ours = assign(similarities(a.vectors, b.vectors))
        theirs = nearest_first(a.vectors, b.vectors)
        small, axis = (a, 1) if len(a.items) <= len(b.items) else (b, 0)
        has = truth.any(axis=axis)
        hit = np.zeros((2, len(small.items)))
        for row, links in zip(hit, (ours, theirs), strict=True):
            row[(links.left, links.right)[1 - axis]] = truth[links.left, links.right]
        hit, codes = hit[:, has], small.codes[has]
        center, low, high = bootstrap(hit.T, codes, seed=self.seed)
        table = {
            "task": "link",
            "rows": len(a.views),
            "split": split,
            "seed": self.seed,
            "model": {**recipe.describe(self), "aligner": self.aligner_.choices()},
            "known": self.known_,
            "start": self.start_,
            "rounds": self.rounds_,
            "fitted_pairs": learned,
            "left": {"view": a.name, "items": len(a.items)},
            "right": {"view": b.name, "items": len(b.items)},
            "scored": int(has.sum()),
            "accuracy": interval(center[0], low[0], high[0]),
            "greedy": interval(center[1], low[1], high[1]),
            "difference": interval(*paired(hit[0], hit[1], codes, seed=self.seed)),
            "chance": round(float(truth.mean(axis=axis)[has].mean()), 6),
        }
        return Score(float(center[0]), table, linked, report=report)

    def save(self, path: Any) -> Any:
        """Save as a folder; see `chiasm.save`."""
        return recipe.save(self, path)

    def _align(self, views: Views, val: Views | None) -> Any:
        return registry.fit(registry.make("align", self.align, seed=self.seed), views, val=val)

    def _learned(self, views: Views, true: tuple[np.ndarray, np.ndarray]) -> int:
        """How many of the true pairs the model was fitted on: by what they hold, or by their id."""
        digests = [np.asarray(views[name].digests)[part] for name, part in zip(self.views_, true, strict=True)]
        seen = np.isin(
            np.ascontiguousarray(np.concatenate(digests, axis=1)).view("V32").ravel(),
            np.ascontiguousarray(self.fitted_).view("V32").ravel(),
        )
        codes = pairs(views, *self.views_)[2]
        known = set(self.ids_.tolist())
        named = np.array([str(i) in known for i in views.ids[np.unique(views.codes, return_index=True)[1]]], dtype=bool)
        return int((seen | named[codes]).sum())

    def _sides(self, left: Any, right: Any, progress: Progress | None) -> tuple[_Side, _Side, Report]:
        """Both collections, encoded and mapped, and what encoding did."""
        given: dict[str, Views] = {}
        whole = Report()
        for one in (left,) if right is None else (left, right):
            views = in_order(as_views(one, self.views_), vars(self).get("features_", {}))
            encoded, report = self.encoding_.apply(views, progress)
            whole = whole | report
            given |= dict.fromkeys(encoded.names, encoded)
        if set(given) != set(self.views_):
            raise ChiasmError(f"wanted items of both {' and '.join(self.views_)}, got {', '.join(given)}.")
        sides = []
        for name in self.views_:
            views = given[name]
            codes, items = records(views, name, views.codes)
            if not len(items):
                raise ChiasmError(f"nothing to link: view {name!r} has no item that can be read.")
            ids = views.ids[np.unique(views.codes, return_index=True)[1]][codes]
            sides.append(_Side(name, views, codes, items, ids, place(self.aligner_, name, views[name], items)))
        remember(self, report=whole)
        return sides[0], sides[1], whole


class _Side(NamedTuple):
    """One collection: what is linked, an item a place."""

    name: str
    views: Views
    codes: np.ndarray
    items: np.ndarray
    ids: np.ndarray
    vectors: np.ndarray
