"""Retrieve: search any view by any other; scored with intervals, beside chance and a baseline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chiasm import recipe, registry
from chiasm.encoding import Report
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.index import checked_k
from chiasm.measure.retrieval import directions
from chiasm.media.windows import typical_seconds
from chiasm.report.scores import retrieved
from chiasm.scale import Progress
from chiasm.score import Score
from chiasm.stats.relevance import check_pairs
from chiasm.tasks._known_rows import Learned, strings
from chiasm.tasks._results import Answers, Hits, recalled, remember
from chiasm.tasks._retrieve import names, reranking, telling
from chiasm.tasks._retrieve.asking import Asking
from chiasm.tasks._retrieve.hits import merged, numbered
from chiasm.tasks._retrieve.paging import checked_skip, page, read_order
from chiasm.tasks._retrieve.question import At, Question, Term, questions
from chiasm.tasks._retrieve.rejection import Standards, calibrate, known_enough, known_scripts, no_pairs, standards
from chiasm.tasks._retrieve.shared import shared
from chiasm.tasks._to_score import Chosen
from chiasm.views import Views, as_views

__all__ = ["At", "Question", "Retrieve", "Term", "questions"]


class Retrieve(Asking):
    """Pairs in, a searchable shared space out.

    `fit` learns from the training rows, chooses on the validation rows and indexes every row; `answer` finds items of
    one view by items of another; `score` measures it on rows that were not learned from.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several (a list, names joined by +);
            None: the default of each modality.
        align: an aligner or its name. index: an index or its name.
        allow_leaks: go on when ids or whole rows stand in two splits (otherwise refused).
        seed: of everything drawn at random.
        baseline: fit ridge regression too, which `score` compares with; False saves its time in a search over
            parameters.
        rerank: an aligner that scores pairs, or its name (coattention): the best 20 hits of a query that is one item
            are looked at again by it, where held-out pairs gain more than a standard error (`besides` tells); the
            first ranking reads tokens as their mean. On photographs with captions no gain is shown (docs/search.md).
            An index of a folder, and what is joined of several terms, are ranked once.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(300, 8))
    >>> views = {"a": z @ rng.normal(size=(8, 16)), "b": z @ rng.normal(size=(8, 12))}
    >>> model = Retrieve().fit(views)
    >>> keys, scores = model.answer({"a": views["a"][:2]}, to="b", k=1)
    >>> keys.tolist()
    [['vector 0'], ['vector 1']]
    """

    def __init__(
        self,
        encoders: Mapping[str, Any] | None = None,
        align: Any = "auto",
        index: Any = "exact",
        allow_leaks: bool = False,
        seed: int = 0,
        baseline: bool = True,
        rerank: Any = None,
    ):
        self.encoders = encoders
        self.align = align
        self.index = index
        self.allow_leaks = allow_leaks
        self.seed = seed
        self.baseline = baseline
        self.rerank = rerank

    streams = False
    learns = ("train",)
    partial = False

    paired_: int = 1
    """Things that several views were learned from; of a model saved before 0.2 some."""

    per_query = recalled("per_query", "the per_query of a score")

    def fit(self, views: Any, y: None = None, *, progress: Progress | None = None) -> Retrieve:
        """Learn from the rows of split "train" (all, when the views have no split), choose on "val", index all.

        Without validation rows an eighth of the training ids is set aside for the choice and learned from afterwards.
        `report` then tells what was skipped or altered, `leaks_` what the splits share.

        What encoders know of each other (a classifier's names, `names_` of them, or a space that both share) counts as
        much as held-out pairs say, if the aligner reads it (`auto`). So one view of media alone can be learned from: it
        gets a view `text` beside it, absent in every row, and is found by words without a single pair (`paired_` 0).

        Raises a ChiasmError without pairs and names, or when an id or a whole row stands in two splits.
        """
        given = as_views(views)
        views = names.with_words(given)
        if not (alone := names.silent(views)):
            if names.mute(views):
                raise telling.mixed(views)
            check_pairs(views, least=1)
        aligner = registry.make("align", self.align, seed=self.seed)
        registry.make("index", self.index)
        looker = None if self.rerank is None else reranking.made(self.rerank, self.seed)
        known = self._learn_rows(views, progress)
        train = self._flat(known.train)
        bridges = self.encoding_.known(progress) if registry.takes(aligner, "known") else {}
        if not bridges:
            if alone:
                raise names.unknown_alone(given, self.align, self.encoding_)
            check_pairs(train)
        self.paired_ = max((one["learned"] for one in self.counts_["pairs"].values()), default=0)
        if looker is not None:
            reranking.check_enough(self.paired_)
        held = known.rows[known.split == "val"] if (known.split == "val").any() else None
        val = None if held is None else self._flat(held)
        more = {"known": bridges} if bridges else {}
        self.aligner_ = registry.fit(aligner, train, val=val, **more).slim()
        own = self.align, self.aligner_, more
        self.reranker_, self.reranked_ = reranking.learned(looker, own, known.train, held, self.seed)
        self.names_ = names.added(bridges)
        self.known_ = {shows: len(getattr(one, "names", ())) for (_, shows), one in bridges.items()}
        if registry.takes(aligner, "known"):
            encoders = self.encoding_.encoders_
            for told in telling.unheard(self.encoding_.unheard(), encoders) + telling.unsaid(encoders):
                warnings.warn(told, ChiasmWarning, stacklevel=2)
        if told := names.unsure(self.names_, self.paired_, self.aligner_.choices()):
            warnings.warn(told, ChiasmWarning, stacklevel=2)
        self.baseline_ = None
        if self.baseline and self.paired_ > 1 and not isinstance(self.aligner_, registry.get("align", "ridge")):
            self.baseline_ = registry.make("align", "ridge", seed=self.seed).fit(train, val=val).slim()
        self._record(views, known)
        return self

    def answer(
        self,
        queries: Any,
        to: str | Sequence[str] | None = None,
        k: int = 5,
        within: Any = None,
        reject: float | None = None,
        *,
        progress: Progress | None = None,
    ) -> Answers:
        """The k items of view `to` that fit each query best: labels `(q, k)` and cosines `(q, k)`, falling.

        A query that `reject` finds without a match has None and NaN, and so has one that is absent.

        Args:
            queries: one view's items by its name, `{"caption": ["a dog in snow"]}`, or Views; words, "a dog in snow"; a
                `Question` of several terms; or a list of these.
            to: the view to answer with; needed only when more than one other view was fitted. Several: one gallery.
            within: search these Views instead of what was indexed by `fit`, or what has `best(vectors, k)`, lists of
                hits a query, and an `index`.
            reject: say that nothing matches, at the price of rejecting up to this share of the queries that do have a
                match (0.1: one in ten). Nine of ten fits keep to it, for queries like the validation rows of `fit`;
                with fewer than 22 ids among those (at 0.1) nothing is rejected, and a warning is logged. So it is for
                queries in a script that too few of these ids are in.
        """
        found = self.hits(queries, to, k, within, reject, progress=progress)
        wide = k if reject is not None else max((len(row) for row in found), default=0) or k
        labels = np.full((len(found), wide), None, dtype=object)
        scores = np.full((len(found), wide), np.nan, dtype=np.float32)
        for i, row in enumerate(found):
            if row:
                labels[i, : len(row)] = [hit["item"] for hit in row]
                scores[i, : len(row)] = [hit["score"] for hit in row]
        return Answers((labels, scores), found.report, columns=found.columns)

    def hits(
        self,
        queries: Any,
        to: str | Sequence[str] | None = None,
        k: int = 5,
        within: Any = None,
        reject: float | None = None,
        *,
        skip: int = 0,
        sort: str | None = None,
        among: int | None = None,
        progress: Progress | None = None,
    ) -> Hits:
        """As `answer`, a list a query: each hit a dict with rank, score, item, id and split.

        Args:
            queries, to, k, within, reject: as there. skip: hits that are passed over first: `skip=k` is the second
                page, which shares no hit with the first one.
            sort: a column of what hits tell, `"id"`, falling with a minus, `"-start"`: the order of all hits that
                `reject` accepts, or of the best ones, as many as `among` says.

        The list of a query that is rejected is empty, and so is that of an absent one, which a warning names. With
        `reject` it holds nothing that is too far for a match by itself, and each hit has its `probability`: that it is
        the very one that is meant, supposing that one in the gallery is; none where too few validation rows tell.

        Where `within` holds moments of long media (`chiasm.media.windows.windows`), a hit has `file`, `start` and
        `end` too, and hides what overlaps it. Where `to` names several views, their items are one gallery, ranked by
        cosine, and a hit tells its `view`. Where names join the two views, `why` has the `names` that a query and its
        hit have in common, each with its `share`; none where what they share has no name. `explain` tells more.
        """
        self.check_fitted()
        k, skip, order = checked_k(k), checked_skip(skip), read_order(sort, among, reject)
        asked = self.asked(queries)
        wanted = [to] if to is None or isinstance(to, str) else to
        targets = [self.target(asked.views, one, own=within is None) for one in wanted]
        if len(targets) > 1 and (reject is not None or order is not None):
            raise ChiasmError("wanted one view to reject by or to sort, got several: ask each view on its own.")
        if reject is not None:
            asked.check_alone()
            if not self.paired_:
                raise no_pairs()
        each, report, looks = {}, asked.report, asked.looks if len(targets) == 1 else None
        unjudged: set[int] = set()
        for view in targets:
            gallery = within if hasattr(within, "best") else self._own(view, looks)
            if within is None and not len(gallery.table["item"]):
                raise telling.nothing_to_find(view, [name for name in self.views_ if len(self.items_[name]["item"])])
            if within is not None and gallery is not within:
                gallery, read = self._gallery(self._views(within), view, looks, progress)
                report |= read
            vectors, factors = asked.toward(view)
            said: Standards | None = None
            if reject is not None:
                known = self.calibration_, self.aligner_, asked.views[0], view
                index = None if within is None else gallery.index
                said = standards(*known, vectors, reject, self.indexes_[view], index, asked.written)
                unjudged |= set(asked.rows[np.isneginf(said.least) & ~said.gone].tolist())
                gallery = gallery.accepting(said.ends) if hasattr(gallery, "accepting") else gallery
            wide, past = (k, skip) if len(targets) == 1 else (k + skip, 0)
            found = page(gallery, vectors, wide, past, order, None if said is None else said.least)
            found = found if said is None else said.keep(found)
            for row, factor in zip(found, factors.tolist(), strict=True):
                for hit in row:
                    hit["score"] *= factor
            each[view] = found
        remember(self, report=report)
        found = merged(each, k + skip, skip) if len(targets) > 1 else each[targets[0]]
        names.explain(self.aligner_, asked.shares, found)
        each_row: list[list[dict[str, Any]]] = [[] for _ in range(asked.n)]
        for row, one in zip(asked.rows.tolist(), numbered(found, skip), strict=True):
            each_row[row] = one
        return Hits(each_row, report, unjudged=unjudged)

    def judges(self, to: str) -> bool:
        """Whether it is known well enough what matches among items of a view score, so that `reject` works at 0.1."""
        return bool(self.paired_) and known_enough(self.calibration_, to)

    def judged_scripts(self, to: str) -> list[str]:
        """The scripts ("LATIN", "CJK") of words that `reject` judges at 0.1 among items of a view."""
        return known_scripts(self.calibration_, to) if self.judges(to) else []

    def transform(self, views: Any, *, progress: Progress | None = None) -> Views:
        """The views in the shared space: raw items -> columns of one width."""
        self.check_fitted()
        encoded, report = self._encode(self._views(views), progress)
        mapped: Views = self.aligner_.transform(self._flat(encoded))
        mapped.report = report
        return mapped

    def score(
        self,
        views: Any,
        y: None = None,
        *,
        allow_train: bool = False,
        split: str = "given",
        progress: Progress | None = None,
    ) -> Score:
        """R@1, 5, 10, median rank and (with labels) mAP for every ordered pair of views; the float is mean R@1.

        The gallery is the scored rows only, each distinct item once; a hit is any item of the query's id. Beside it:
        chance, and ridge regression on the same features and training rows. `table["clean"]` repeats the scores
        without the rows that share an item with training rows, when there are any.

        Of a model without pairs the pictures that it was fitted on may be scored: `table["seen"]` of them.
        Raises a ChiasmError when rows that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        views = self._views(views)
        encoded, report = self._encode(views, progress)
        if sum(bool(len(column.used)) for column in encoded.columns.values()) < 2:
            raise telling.nothing_to_score(encoded, self.views_)
        check_pairs(self._flat(encoded))
        mine = self._learned_from(encoded, allow_train) if self.paired_ else 0
        tainted, equal = shared(encoded, self._tainted(encoded), self.leaks_["equal"], self.train_items_)
        seen = {name: n for name, n in equal.items() if n} if not self.paired_ else {}
        tainted &= not seen
        tables, ranked = self._directions(encoded)
        table: dict[str, Any] = {
            "task": "retrieve",
            "rows": len(views),
            "split": split,
            "seed": self.seed,
            "model": {**recipe.describe(self), "aligner": self.aligner_.choices()},
            "leaks": {**self.leaks_, "scored_equal": equal, "fitted_rows": mine},
            **({"seen": seen} if seen else {}),
            "directions": tables,
        }
        if tainted.any():
            clean = encoded[~tainted]
            table["clean"] = {
                "rows": len(clean),
                "removed": int(tainted.sum()),
                "directions": self._directions(clean)[0] if len(clean) > 1 else [],
            }
        remember(self, per_query=ranked)
        value = float(np.mean([d["R@1"]["value"] for d in tables]))
        return Score(value, table, retrieved, report=report, per_query=ranked)

    def properties(
        self, views: Any, train: Any = None, val: Any = None, *, allow_train: bool = False
    ) -> dict[str, Any]:
        """Whether the space forgets the modality, keeps the meaning and serves other tasks unchanged: plain values.

        Args:
            views: held-out rows, with labels where there are any. train, val: the raw rows that the model learned from
                and chose on; with them the meaning is compared to plain statistics of characters and pixels.

        The coordinates that correct for hubs (`auto`, `corrected`) are left out: they fill other places for each view.

        Raises a ChiasmError when rows that the model was fitted on are among `views`, unless `allow_train`.
        """
        from chiasm.measure.properties import properties, statistics_space

        self.check_fitted()
        views = self._views(views)
        encoded, _ = self._encode(views)
        self._learned_from(encoded, allow_train)
        plain = None if train is None else statistics_space(train, views, self.aligner_, val=val)
        return properties(self.aligner_.uncorrected(self._flat(encoded)), plain, seed=self.seed)

    def _encode(self, views: Views, progress: Progress | None = None) -> tuple[Views, Report]:
        """As the base has it, but a view that was not fitted is an error."""
        encoded, report = self.encoding_.apply(views, progress)
        remember(self, report=report)
        return encoded, report

    def to_score(self, views: Views, *, allow_train: bool = False) -> Chosen:
        """As the base has it; of a model that learned from no pair every row is held out."""
        if self.paired_ or views.split is not None:
            return super().to_score(views, allow_train=allow_train)
        return Chosen(views, "all", ["the model learned from no pair: all rows are scored"])

    def besides(self) -> list[str]:
        """What `fit` learned from besides pairs, and what that counts, in sentences."""
        self.check_fitted()
        told = telling.besides(vars(self).get("known_", {}), self.counts_, self.paired_, self.aligner_.choices())
        chosen = vars(self).get("reranked_")
        return [*told, reranking.said(self.rerank, chosen)] if chosen else told

    def _record(self, views: Views, known: Learned) -> None:
        """Index every row, and keep what score and search will ask for."""
        encoded, split = self._flat(known.rows), known.split
        self.looks_ = {} if self._looker is None else reranking.kept(self._looker.unpooled(known.rows), encoded)
        self.seconds_ = {
            name: typical_seconds(column.take(column.used))
            for name, column in views.columns.items()
            if column.modality in ("audio", "video") and not hasattr(column.items, "shape")
        }
        mapped = self.aligner_.transform(encoded)
        ids = strings(encoded.ids)
        self.indexes_, self.items_, self.train_items_ = {}, {}, {}
        for name, column in mapped.columns.items():
            used, first = column.used, column.first_rows
            labels = np.array([column.label(p) for p in used.tolist()], dtype=object)
            leading = names.top(self.aligner_, name, encoded[name].items[encoded[name].used])
            self.items_[name] = {"item": labels, "id": ids[first], "split": split[first], **leading}
            self.indexes_[name] = registry.make("index", self.index).add(np.arange(len(used)), column.items[used])
            digests = np.asarray(encoded[name].digests)
            self.train_items_[name] = digests[encoded[name][known.learn].used]
        self.calibration_ = (
            calibrate(mapped[split == "val"], self.indexes_, self.aligner_) if (split == "val").any() else {}
        )

    def _directions(self, tokens: Views) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        encoded, second = self._flat(tokens), None
        if self._looker is not None and "start" not in tokens.facts:  # moments are ranked once
            met, share = self._looker.unpooled(tokens), self.reranked_["share"]
            second = partial(reranking.second, self._looker, share, met, encoded)
        baseline = None if self.baseline_ is None else self.baseline_.transform(encoded)
        return directions(encoded, self.aligner_.transform(encoded), baseline, self.seed, second)
