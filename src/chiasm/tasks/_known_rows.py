"""What a task remembers of the rows that it learned from: to encode more of them alike, and to refuse to score them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chiasm import recipe
from chiasm.allowed import ENCODERS, FLAG, LABEL, PART, SEED, SIZE, VIEWS, choice, number
from chiasm.asked import features_of, in_order
from chiasm.data.dates import PARTS
from chiasm.data.record import record_column
from chiasm.data.source import Source
from chiasm.encoding import Encoding, Progress, Report
from chiasm.encoding.streams import drop_empty, spread
from chiasm.encoding.usable import check_usable
from chiasm.errors import ChiasmError
from chiasm.frames import cells, columns_of, is_frame, is_matrix, is_rows
from chiasm.measure.coverage import coverage
from chiasm.part import Part
from chiasm.splits import check_splits, leaks, row_digests
from chiasm.stats.blocks import in_means
from chiasm.tasks._results import recalled, remember
from chiasm.tasks._to_score import Chosen, to_score
from chiasm.tokens import Tokens
from chiasm.views import Views, as_views, not_looked_at

__all__ = ["KnownRows", "Learned", "strings"]


class Learned(NamedTuple):
    """The encoded rows of `fit`, which of them are learned from, and what the splits share."""

    rows: Views
    learn: np.ndarray
    """`(n,)` mask."""
    split: np.ndarray
    """`(n,)` names."""
    tainted: np.ndarray
    """`(n,)` mask of the held-out rows that share an item with rows learned from."""

    @property
    def train(self) -> Views:
        """The rows to learn from."""
        kept: Views = self.rows[self.learn]
        return kept


class KnownRows(Part):
    """A task that encodes raw rows, learns from some of them, and knows them again.

    Learned: `encoding_`, `views_` (modality by view), `widths_` of vectors and `features_` (what a
    DataFrame called their numbers), `ids_` and `splits_`, `fitted_` (a hash of each row), `leaks_`,
    `counts_` (what the rows hold: `chiasm.measure.coverage`), `tainted_` (ids that share an item with rows that were
    learned from). `fit_report` is what encoding did in `fit`; it is not saved.
    """

    encoders: Mapping[str, Any] | None
    allow_leaks: bool

    allowed: ClassVar = {
        "encoders": ENCODERS,
        "align": PART,
        "fuse": PART,
        "distill": PART,
        "teacher": VIEWS,
        "index": PART,
        "rerank": PART.or_none(),
        "allow_leaks": FLAG,
        "baseline": FLAG,
        "prior": number(0, 1),
        "normal": LABEL,
        "learn": choice("normal", "views", "pairs", "labels"),
        "rate": number(0, 1),
        "error": number(0, 1),
        "asks": SIZE,
        "seed": SEED,
    }

    streams: ClassVar[bool] = True
    """Whether a video is read as several views: what it shows, how it moves, what is heard."""
    learns: ClassVar[tuple[str, ...]] = ("train", "val")
    """The splits whose rows are learned from."""
    partial: ClassVar[bool] = True
    """Whether a row that lacks views is known again by those that it has."""
    repeats: ClassVar[bool] = False
    """Whether other rows may well hold the item alone (a question): a row that lacks views needs a known id too."""

    encoding_: Encoding
    views_: dict[str, str]
    widths_: dict[str, int]
    features_: dict[str, list[str]]
    leaks_: dict[str, Any]
    counts_: dict[str, Any]
    source_: Source | dict[str, Any]
    """How DATA was read, to read more of it the same way; `Source.of` takes either."""
    fit_report: Report

    report = recalled("report", "the report of what was returned, or fit_report")

    def _learn_rows(self, views: Views, progress: Progress | None) -> Learned:
        """Fit the encoders, look for leaks, remember the rows."""
        split = check_splits(views.split) if views.split is not None else np.full(len(views), "train", dtype=object)
        learn = np.isin(split, self.learns)
        given = views
        encoders = self._encoders()
        if self.streams:
            views, encoders = spread(views, encoders)
        self.encoding_ = Encoding(encoders)
        encoded, report = self.encoding_.learn(views, learn, progress)
        if self.streams:
            encoded = drop_empty(encoded, self.encoding_, report, given)
        check_usable(given, encoded, learn, report)
        near = {name: encoder.near for name, encoder in self.encoding_.encoders_.items()}
        ragged = any(isinstance(one.items, Tokens) and not one.steps for one in encoded.columns.values())
        found = leaks(in_means(encoded) if ragged else encoded, np.where(learn, "train", split), near)
        if found.fatal and not self.allow_leaks:
            raise ChiasmError(found.fatal)
        self.fit_report = report
        remember(self, report=report)
        self.leaks_ = found.as_dict()
        self.views_ = {name: column.modality for name, column in encoded.columns.items()}
        self._remember_vectors(given)
        self.counts_ = coverage(encoded, learn)
        ids = strings(encoded.ids)
        first = np.unique(ids, return_index=True)[1]
        self.ids_, self.splits_ = ids[first], split[first]
        known = [digest for digest in row_digests(encoded, partial=self.partial)[learn] if digest]
        self.fitted_ = np.frombuffer(b"".join(known), np.uint8).reshape(-1, 16)
        self.tainted_ = np.unique(ids[found.tainted].astype(str)).astype(object)
        return Learned(encoded, learn, split, found.tainted)

    def _encoders(self) -> Mapping[str, Any] | None:
        """What the views are encoded by."""
        return self.encoders

    def _views(self, data: Any) -> Views:
        """What a caller asks about as Views: fitted views by their names, and a record's fields by theirs.

        Columns of a DataFrame or of rows that are neither are named in a warning and left out. The numbers of a vector
        that have names come in the order that was learned.
        """
        return in_order(self._named(data), vars(self).get("features_", {}))

    def _named(self, data: Any) -> Views:
        if isinstance(data, Views) or (is_matrix(data) and not is_frame(data)):
            return as_views(data, self.modalities_)
        held = columns_of(data)
        for view, encoder in self.encoding_.encoders_.items():
            fields = getattr(encoder, "fields_", {})
            given = {name: cells(held[name]) for name in fields if name in held and name not in self.views_}
            given = {name: values for name, values in given.items() if any(value is not None for value in values)}
            dates = {name: name for name in held if f"{name} {PARTS[0]}" in fields}
            given |= {name: cells(held[name]) for name in dates}
            if self.views_.get(view) != "record" or view in held or not given:
                continue
            texts = {name: name for name in given if "known" in fields.get(name, ())}
            numbers = {name: name for name in given if name not in texts and name not in dates}
            record = record_column(given, numbers, texts, range(len(next(iter(given.values())))), None, dates)
            kept = {name: values for name, values in held.items() if name not in given}
            if is_frame(data) or is_rows(data):
                not_looked_at(kept, [*self.views_, *given])
                kept = {name: values for name, values in kept.items() if name in self.views_}
            return as_views({**kept, view: record}, self.modalities_)
        return as_views(data, self.modalities_)

    def _encode(self, views: Views, progress: Progress | None = None) -> tuple[Views, Report]:
        """The rows in the fitted views' features, and what encoding did.

        A fitted view that is not there is absent in every row; views that were not fitted are not looked at.
        """
        teachers = vars(self).get("teachers_", [])
        not_looked_at([name for name in views.names if name not in teachers], self.views_)
        if self.streams:
            views = spread(views, None)[0]
        known = {name: column for name, column in views.columns.items() if name in self.views_}
        if not known:
            raise ChiasmError(f"wanted some of the views {', '.join(self.views_)}, got {', '.join(views.names)}.")
        encoded, report = self.encoding_.apply(views.replace(known), progress)
        remember(self, report=report)
        return encoded, report

    def _learned_from(self, encoded: Views, allow: bool) -> int:
        """How many rows the model was fitted on; a ChiasmError when there are any, unless allowed."""
        fitted = set(self.fitted_.view("V16").ravel().tolist())
        mine = np.array([digest in fitted for digest in row_digests(encoded, partial=self.partial)])
        if self.allow_leaks:  # who let equal rows stand in two splits is refused the training rows themselves only
            mine &= self._known_ids(encoded)
        elif self.repeats:
            mine &= self.whole(encoded) | self._known_ids(encoded)
        if mine.any() and not allow:
            where = " (where={'split': 'test'})" if "test" in self.splits_ else ""
            raise ChiasmError(
                f"{mine.sum()} of the {len(encoded)} rows are rows that the model was fitted on: score other rows"
                f"{where}, or insist with allow_train=True."
            )
        return int(mine.sum())

    def _known_ids(self, encoded: Views) -> np.ndarray:
        """`(n,)` the rows of ids that were learned from."""
        mask: np.ndarray = np.isin(strings(encoded.ids), self.ids_[np.isin(self.splits_, self.learns)])
        return mask

    def whole(self, views: Views) -> np.ndarray:
        """`(n,)` the rows that hold every fitted view."""
        mask = np.ones(len(views), dtype=bool)
        for name in self.views_:
            mask &= views.present(name) if name in views.columns else False
        return mask

    def _tainted(self, encoded: Views) -> np.ndarray:
        """`(n,)` the rows that share an item, or nearly, with rows that were learned from, as found by `fit`."""
        mask: np.ndarray = np.isin(strings(encoded.ids), self.tainted_)
        return mask

    def _widths(self) -> dict[str, int]:
        """By fitted view its width, where every view is of vectors as the caller gave them."""
        if raw := [view for view, modality in self.views_.items() if modality != "vector"]:
            raise AttributeError(f"{type(self).__name__} reads {', '.join(raw)}, which are no vectors, as they are")
        if "widths_" not in vars(self):  # saved before 0.2
            raise AttributeError(f"{type(self).__name__} does not tell how many numbers its vectors have")
        return dict(self.widths_)

    def _remember_vectors(self, views: Views) -> None:
        """Keep how wide the given vectors are, and what a DataFrame called their numbers."""
        vectors = {name: column for name, column in views.columns.items() if column.modality == "vector"}
        self.widths_ = {name: column.width for name, column in vectors.items()}
        self.features_ = features_of(views)

    def to_score(self, views: Views, *, allow_train: bool = False) -> Chosen:
        """The raw rows that were held out as test and those never seen, what to call them, and what to say of others.

        See `chiasm.tasks._to_score.to_score`.
        """
        return to_score(self, views, allow_train=allow_train)

    def save(self, path: Any) -> Any:
        """Save as a folder; see `chiasm.save`."""
        return recipe.save(self, path)

    @property
    def modalities_(self) -> dict[str, str]:
        """The modality of each fitted view."""
        return dict(self.views_)


def strings(ids: np.ndarray) -> np.ndarray:
    """Ids as text `(n,)`."""
    return np.array([str(i) for i in ids], dtype=object)
