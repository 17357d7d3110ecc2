"""Retrieve: search any view by any other; scored with intervals, beside chance and a baseline."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chiasm import recipe, registry
from chiasm.data.source import Source
from chiasm.encoding import Encoding, Report
from chiasm.errors import ChiasmError, unknown
from chiasm.measure.retrieval import directions, first_rows
from chiasm.media.windows import suppress, typical_seconds
from chiasm.part import Part
from chiasm.scale import Progress
from chiasm.score import Score
from chiasm.splits import check_splits, leaks, row_digests
from chiasm.stats.relevance import check_pairs
from chiasm.tasks._retrieve.rejection import calibrate, rejected
from chiasm.views import Column, Views, as_views

__all__ = ["Retrieve"]


class Retrieve(Part):
    """Pairs in, a searchable shared space out.

    `fit` learns from the training rows, chooses on the validation rows and indexes every row; `answer` finds items of
    one view by items of another; `score` measures it on rows that were not learned from.

    Args:
        encoders: by view's name or modality, an encoder or its name, or several (a list, names joined by +);
            None: the default of each modality.
        align: an aligner or its name. index: an index or its name.
        allow_leaks: go on when ids or whole rows stand in two splits (otherwise refused).
        seed: of everything drawn at random.

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
    ):
        self.encoders = encoders
        self.align = align
        self.index = index
        self.allow_leaks = allow_leaks
        self.seed = seed

    source_: Source | dict[str, Any]
    """How DATA was read, to read more of it the same way; `Source.of` takes either."""

    def fit(self, views: Any, y: None = None, *, progress: Progress | None = None) -> Retrieve:
        """Learn from the rows of split "train" (all, when the views have no split), choose on "val", index all.

        Without validation rows an eighth of the training ids is set aside for the choice and learned from afterwards.
        `report` then tells what was skipped or altered, `leaks_` what the splits share.

        Raises a ChiasmError when there are no pairs, or when an id or a whole row stands in two splits.
        """
        views = as_views(views)
        split = check_splits(views.split) if views.split is not None else np.full(len(views), "train", dtype=object)
        check_pairs(views)
        aligner = self._make("align", self.align)
        self._make("index", self.index)
        self.encoding_ = Encoding(self.encoders).fit(views[split == "train"])
        encoded, self._report = self.encoding_.apply(views, progress)
        found = leaks(encoded, split, {name: e.near for name, e in self.encoding_.encoders_.items()})
        if found.fatal and not self.allow_leaks:
            raise ChiasmError(found.fatal)
        self._leaks = found
        self.leaks_ = found.as_dict()
        train = encoded[split == "train"]
        check_pairs(train)
        val = encoded[split == "val"] if (split == "val").any() else None
        self._tell_steps(aligner)
        self.aligner_ = aligner.fit(train, val=val)
        self.baseline_ = None
        ridge = registry.get("align", "ridge")
        if not isinstance(self.aligner_, ridge):
            self.baseline_ = ridge(seed=self.seed).fit(train, val=val)
        for part in (self.aligner_, self.baseline_):
            vars(part or self).pop("moments_", None)  # they would double the model
        self._record(views, encoded, split, found.tainted)
        return self

    def answer(
        self,
        queries: Any,
        to: str | Sequence[str] | None = None,
        k: int = 5,
        within: Any = None,
        reject: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k items of view `to` that fit each query best: labels `(q, k)` and cosines `(q, k)`, falling.

        A query that `reject` finds without a match has None and NaN.

        Args:
            queries: one view's items by its name, `{"caption": ["a dog in snow"]}`, or Views.
            to: the view to answer with; needed only when more than one other view was fitted. Several: one gallery.
            within: search these Views instead of what was indexed by `fit`.
            reject: say that nothing matches, at the price of rejecting this share of the queries that do have a match
                (0.1: one in ten). Needs validation rows in `fit`; holds for queries like those.
        """
        found = self.hits(queries, to, k, within, reject)
        wide = max((len(row) for row in found), default=0) or k
        labels = np.full((len(found), wide), None, dtype=object)
        scores = np.full((len(found), wide), np.nan, dtype=np.float32)
        for i, row in enumerate(found):
            if row:
                labels[i, : len(row)] = [hit["item"] for hit in row]
                scores[i, : len(row)] = [hit["score"] for hit in row]
        return labels, scores

    def hits(
        self,
        queries: Any,
        to: str | Sequence[str] | None = None,
        k: int = 5,
        within: Any = None,
        reject: float | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[list[dict[str, Any]]]:
        """As `answer`, each hit with rank, score, item, id and split; an empty list for a query that is rejected.

        Where `within` holds moments of long media (`chiasm.media.windows.windows`), a hit has `file`, `start` and
        `end` too,
        and hides what overlaps it. Where `to` names several views, their items are one gallery, ranked by cosine, and a
        hit tells its `view`.
        """
        self.check_fitted()
        views = as_views(queries, {**{m: m for m in self.views_.values()}, **self.views_})
        if len(views.columns) != 1:
            raise ChiasmError(f"wanted queries of one view, got {', '.join(views.names)}: ask with one at a time.")
        start = self.view(views.names[0])
        column = views.columns[views.names[0]]
        if not column.present.all():
            raise ChiasmError(f"wanted something to ask with, got an empty query ({start}).")
        vectors = self._place(start, column.take(column.index))
        targets = [self.target(start, one) for one in ([to] if to is None or isinstance(to, str) else to)]
        if len(targets) > 1:
            if reject is not None:
                raise ChiasmError("wanted one view to reject by, got several: ask each view on its own.")
            return self._mixed(start, vectors, targets, k, within, progress)
        to = targets[0]
        if within is None:
            index, table = self.indexes_[to], self.items_[to]
        else:
            index, table = self._gallery(as_views(within, self.modalities_), to, progress)
        moments = "start" in table
        keys, scores = index.search(vectors, len(table["item"]) if moments else k)
        gone = np.zeros(len(vectors), bool)
        if reject is not None:
            gallery = None if within is None else index
            gone = rejected(self.calibration_, self.aligner_, start, to, vectors, scores[:, 0], reject, gallery)
        found = []
        for row, row_scores, none in zip(keys, scores, gone.tolist(), strict=True):
            if moments:
                files, starts, ends = (table[name][row].tolist() for name in ("file", "start", "end"))
                best = suppress(files, starts, ends, k)
                row, row_scores = row[best], row_scores[best]
            pairs = [] if none else zip(row.tolist(), row_scores.tolist(), strict=True)
            found.append(
                [
                    {"rank": rank, "score": score, **{name: _value(values[key]) for name, values in table.items()}}
                    for rank, (key, score) in enumerate(pairs, 1)
                ]
            )
        return found

    def _mixed(
        self, start: str, vectors: np.ndarray, to: list[str], k: int, within: Any, progress: Progress | None
    ) -> list[list[dict[str, Any]]]:
        """The best k of several views' items together."""
        merged: list[list[dict[str, Any]]] = [[] for _ in vectors]
        for view in to:
            if within is None:
                index, table = self.indexes_[view], self.items_[view]
            else:
                index, table = self._gallery(as_views(within, self.modalities_), view, progress)
            keys, scores = index.search(vectors, k)
            for found, row, row_scores in zip(merged, keys.tolist(), scores.tolist(), strict=True):
                found += [
                    {"score": score, "view": view, **{name: _value(values[key]) for name, values in table.items()}}
                    for key, score in zip(row, row_scores, strict=True)
                ]
        best = [sorted(found, key=lambda hit: -hit["score"])[:k] for found in merged]
        return [[{"rank": rank, **hit} for rank, hit in enumerate(found, 1)] for found in best]

    def transform(self, views: Any, *, progress: Progress | None = None) -> Views:
        """The views in the shared space: raw items -> columns of one width."""
        self.check_fitted()
        encoded, self._report = self.encoding_.apply(as_views(views, self.modalities_), progress)
        mapped: Views = self.aligner_.transform(encoded)
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

        Raises a ChiasmError when rows that the model was fitted on are among them, unless `allow_train`.
        """
        self.check_fitted()
        views = as_views(views, self.modalities_)
        encoded, self._report = self.encoding_.apply(views, progress)
        check_pairs(encoded)
        mine = self._learned_from(encoded, allow_train)
        tainted, equal = self._tainted(encoded)
        tables, ranked = self._directions(encoded)
        table: dict[str, Any] = {
            "task": "retrieve",
            "rows": len(views),
            "split": split,
            "seed": self.seed,
            "model": {**recipe.describe(self), "aligner": self.aligner_.chosen_},
            "leaks": {**self.leaks_, "scored_equal": equal, "fitted_rows": mine},
            "directions": tables,
        }
        if tainted.any():
            clean = encoded[~tainted]
            table["clean"] = {
                "rows": len(clean),
                "removed": int(tainted.sum()),
                "directions": self._directions(clean)[0] if len(clean) > 1 else [],
            }
        self._ranked = ranked
        self._tainted_rows = tainted
        return Score(float(np.mean([d["R@1"]["value"] for d in tables])), table)

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
        views = as_views(views, self.modalities_)
        encoded, self._report = self.encoding_.apply(views)
        self._learned_from(encoded, allow_train)
        plain = None if train is None else statistics_space(train, views, self.aligner_, val=val)
        plainly = getattr(self.aligner_, "uncorrected", self.aligner_.transform)
        return properties(plainly(encoded), plain, seed=self.seed)

    def _learned_from(self, encoded: Views, allow: bool) -> int:
        """How many rows the model was fitted on; a ChiasmError when there are any, unless allowed."""
        fitted = set(self.fitted_.view("V16").ravel().tolist())
        mine = np.array([digest in fitted for digest in row_digests(encoded)])
        if self.allow_leaks:  # who let equal rows stand in two splits is refused the training rows themselves only
            mine &= np.isin(_strings(encoded.ids), self.ids_[self.splits_ == "train"])
        if mine.any() and not allow:
            raise ChiasmError(
                f"{mine.sum()} of the {len(encoded)} rows are rows that the model was fitted on: score other rows "
                "(--where split=test), or insist with --allow-train."
            )
        return int(mine.sum())

    def save(self, path: Any) -> Any:
        """Save as a folder; see `chiasm.save`."""
        return recipe.save(self, path)

    @property
    def report(self) -> Report:
        """What the last encoding did (fit, transform or score)."""
        return self._report

    @property
    def per_query(self) -> list[dict[str, Any]]:
        """The last score, a query a row: from, to, query, id, rank, answers."""
        return self._ranked

    @property
    def modalities_(self) -> dict[str, str]:
        """The modality of each fitted view."""
        return dict(self.views_)

    def target(self, start: str, to: str | None = None) -> str:
        """The view to answer with: `to` by its name or modality; left out, the only one beside the view asked with."""
        if to is not None:
            return self.view(to)
        others = [view for view in self.views_ if view != start]
        if len(others) != 1:
            raise ChiasmError(f"say which view to answer with (--to): {', '.join(others)}.")
        return others[0]

    def view(self, name: str) -> str:
        """A fitted view by its name, or by its modality when one view alone has it."""
        if name in self.views_:
            return name
        same = [view for view, modality in self.views_.items() if modality == name]
        if len(same) == 1:
            return same[0]
        if same:
            raise ChiasmError(f"{name!r} could mean {' or '.join(same)}: say which (--from, --to).")
        raise unknown("fitted view", name, self.views_)

    def _make(self, kind: str, wanted: Any) -> Any:
        part = registry.get(kind, wanted)() if isinstance(wanted, str) else copy.deepcopy(wanted)
        if isinstance(wanted, str) and "seed" in part.get_params(deep=False):
            part.set_params(seed=self.seed)
        return part

    def _tell_steps(self, aligner: Any) -> None:
        """An aligner over time, chosen by name, is told the steps that all encoders have."""
        steps = {getattr(encoder, "steps", 0) for encoder in self.encoding_.encoders_.values()}
        if isinstance(self.align, str) and "steps" in aligner.get_params(deep=False) and len(steps) == 1 and max(steps):
            aligner.set_params(steps=steps.pop())

    def _record(self, views: Views, encoded: Views, split: np.ndarray, tainted: np.ndarray) -> None:
        """Index every row, and keep what score and search will ask for."""
        self.views_ = {name: column.modality for name, column in views.columns.items()}
        self.seconds_ = {
            name: typical_seconds(column.take(column.used))
            for name, column in views.columns.items()
            if column.modality in ("audio", "video") and not hasattr(column.items, "shape")
        }
        mapped = self.aligner_.transform(encoded)
        ids = _strings(encoded.ids)
        self.indexes_, self.items_, self.train_items_ = {}, {}, {}
        for name, column in mapped.columns.items():
            used = column.used
            first = first_rows(column)
            self.items_[name] = {
                "item": np.array([column.label(p) for p in used.tolist()], dtype=object),
                "id": ids[first],
                "split": split[first],
            }
            self.indexes_[name] = self._make("index", self.index).add(np.arange(len(used)), column.items[used])
            digests = np.asarray(encoded[name].digests)
            self.train_items_[name] = digests[encoded[name][split == "train"].used]
        whole = [d for d in row_digests(encoded)[split == "train"] if d]
        self.fitted_ = np.frombuffer(b"".join(whole), np.uint8).reshape(-1, 16)
        first_row = np.unique(ids, return_index=True)[1]
        self.ids_, self.splits_ = ids[first_row], split[first_row]
        self.tainted_ = np.unique(ids[tainted].astype(str)).astype(object)
        self.calibration_ = (
            calibrate(mapped[split == "val"], self.indexes_, self.aligner_) if (split == "val").any() else {}
        )

    def _place(self, name: str, items: Any) -> np.ndarray:
        """Raw items (or vectors) of a view -> `(n, k)` in the shared space; strict: an unreadable item is an error."""
        encoder = self.encoding_.encoders_.get(name)
        vectors = np.asarray(items, dtype=np.float32) if encoder is None else encoder.encode(items)
        mapped = self.aligner_.transform(Views({name: Column(self.views_[name], vectors)}))
        return np.asarray(mapped[name].items)

    def _gallery(self, views: Views, to: str, progress: Progress | None) -> tuple[Any, dict[str, np.ndarray]]:
        name = views.resolve(to) if to in views.columns else views.resolve(self.views_[to])
        encoded, self._report = self.encoding_.apply(views.replace({to: views[name]}), progress)
        if not len(encoded[to].used):
            codes = ", ".join(sorted({note.code for _, _, note in self._report.skipped}))
            raise ChiasmError(f"nothing to search: none of the {len(views)} items could be read ({codes}).")
        mapped = self.aligner_.transform(encoded)[to]
        used = mapped.used
        labels = np.array([mapped.label(p) for p in used.tolist()], dtype=object)
        ids = _strings(views.ids[first_rows(mapped)])
        index = self._make("index", self.index).add(np.arange(len(used)), mapped.items[used])
        table = {"item": labels, "id": ids}
        if "start" in views.facts:
            rows = first_rows(mapped)
            table |= {fact: views.facts[fact][rows] for fact in ("file", "start", "end")}
        return index, table

    def _tainted(self, encoded: Views) -> tuple[np.ndarray, dict[str, int]]:
        """Rows that share an item with training rows: equal by digest, or near-equal as found by `fit`."""
        ids = _strings(encoded.ids)
        tainted = np.isin(ids, self.tainted_)
        equal = {}
        for name in self.leaks_["equal"]:
            column = encoded[name]
            train = self.train_items_[name].view("V16").ravel()
            same = np.isin(np.asarray(column.digests).view("V16").ravel(), train)
            rows = np.append(same, False)[column.index]
            equal[name] = int(rows.sum())
            tainted |= rows
        return tainted, equal

    def _directions(self, encoded: Views) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        baseline = None if self.baseline_ is None else self.baseline_.transform(encoded)
        return directions(encoded, self.aligner_.transform(encoded), baseline, self.seed)


def _value(value: Any) -> Any:
    """A plain value of an array's."""
    return value.item() if isinstance(value, np.generic) else value


def _strings(ids: np.ndarray) -> np.ndarray:
    return np.array([str(i) for i in ids], dtype=object)
