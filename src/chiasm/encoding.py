"""Encoding: the pipeline step that applies one encoder a column, through the cache."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.cache import Cache, Scratch, Shelf, key_of
from chiasm.errors import ChiasmError, unknown
from chiasm.media import MediaError, Note
from chiasm.part import Part
from chiasm.views import ABSENT, Column, Views

__all__ = ["DEFAULTS", "Encoding", "Report"]

DEFAULTS = {"text": "e5_text", "image": "effnet_image"}
"""The encoder of a modality that nobody chose one for."""

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with (view, items done, items in all); an item is counted when it is on disk."""


@dataclass
class Report:
    """What encoding a table did, a view at a time."""

    items: dict[str, int] = field(default_factory=dict)
    encoded: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    notes: list[tuple[str, str, Note]] = field(default_factory=list)
    """(view, item's label, note) for every skipped or altered item."""

    @property
    def skipped(self) -> list[tuple[str, str, Note]]:
        """The notes of items that could not be used."""
        return [entry for entry in self.notes if entry[2].skipped]

    def as_dict(self) -> dict[str, Any]:
        """Counts by view, and by reason code."""
        codes: dict[str, dict[str, int]] = {}
        for view, _, note in self.notes:
            of_view = codes.setdefault(view, {})
            of_view[note.code] = of_view.get(note.code, 0) + 1
        skipped = {view: sum(1 for v, _, n in self.notes if v == view and n.skipped) for view in self.items}
        return {
            view: {
                "items": self.items[view],
                "encoded": self.encoded[view],
                "found": self.found[view],
                "skipped": skipped[view],
                "notes": codes.get(view, {}),
            }
            for view in self.items
        }


class Encoding(Part):
    """Raw views -> views of vectors: each column through its encoder, each distinct item once, through the cache.

    What is in the cache is not encoded again; what is encoded is on disk before it is counted. An encoder that learned
    from training rows (TF-IDF) is not cached: another fit makes another encoder. An item that cannot be read is absent
    in the result and named in the report. Columns of vectors pass through.

    Args:
        encoders: by view's name or modality, an encoder or its name; left out, `DEFAULTS`.
    """

    def __init__(self, encoders: Mapping[str, Any] | None = None):
        self.encoders = encoders

    def fit(self, views: Views, y: None = None) -> Encoding:
        """Choose each column's encoder; those that learn (TF-IDF) learn from these rows: training rows only."""
        self.encoders_ = {
            name: encoder.fit(views[name].take(views[name].used)) for name, encoder in self._choose(views).items()
        }
        return self

    def twins(self, views: Views) -> np.ndarray:
        """`(n,)` integers: rows whose items have equal bytes in every view share one. Nothing is encoded."""
        encoders = self._choose(views)
        codes = []
        for name, column in views.columns.items():
            if name in encoders:
                keys = [_key(encoders[name], item) or b"%d" % place for place, item in enumerate(column.items)]
                code = np.unique(np.array(keys, dtype=object), return_inverse=True)[1]
            else:
                code = np.unique(np.asarray(_with_digests(column).digests).view("V16").ravel(), return_inverse=True)[1]
            codes.append(np.append(code, -1)[column.index])  # the last serves index -1: absent
        shared: np.ndarray = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].ravel()
        return shared

    def _choose(self, views: Views) -> dict[str, Any]:
        """A new encoder for each column of raw items."""
        chosen = dict(self.encoders or {})
        for name in chosen:
            if name not in views.columns and name not in {c.modality for c in views.columns.values()}:
                raise unknown("view", name, views.columns)
        encoders = {}
        for name, column in views.columns.items():
            if hasattr(column.items, "shape"):
                continue
            wanted = chosen.get(name) or chosen.get(column.modality) or DEFAULTS.get(column.modality)
            if wanted is None:
                raise ChiasmError(
                    f"view {name!r}: there is no encoder for {column.modality} yet; pass vectors instead."
                )
            encoder = registry.get("encode", wanted)() if isinstance(wanted, str) else copy.deepcopy(wanted)
            if encoder.modality != column.modality:
                raise ChiasmError(f"view {name!r} holds {column.modality}; {encoder!r} reads {encoder.modality}.")
            encoders[name] = encoder
        return encoders

    def transform(self, views: Views) -> Views:
        """The same rows with a vector column for each view; see `apply` for the report."""
        return self.apply(views)[0]

    def fit_transform(self, views: Views, y: None = None) -> Views:
        """`fit`, then `transform`."""
        return self.fit(views).transform(views)

    def apply(self, views: Views, progress: Progress | None = None) -> tuple[Views, Report]:
        """The encoded views and what happened. Values stay on disk until a chunk of them is asked for."""
        report = Report()
        columns = {}
        for name, column in views.columns.items():
            if hasattr(column.items, "shape"):
                columns[name] = _with_digests(column)
                continue
            if name not in self.encoders_:
                raise unknown("encoded view", name, self.encoders_)
            columns[name] = self._encode(name, column, report, progress)
        return views.replace(columns), report

    def _encode(self, name: str, column: Column, report: Report, progress: Progress | None) -> Column:
        encoder = self.encoders_[name]
        shelf = Scratch() if encoder.learned() else Cache().shelf(encoder.fingerprint)
        positions = column.used
        keys: dict[int, bytes] = {}
        report.items[name], report.found[name], report.encoded[name] = len(positions), 0, 0
        done = 0
        for batch in _batches(positions, encoder.batch):
            waiting: dict[bytes, int] = {}
            for position in batch:
                try:
                    key = key_of(encoder.content(column.items[position]))
                except MediaError as error:
                    report.notes.append((name, column.label(position), error.note))
                    continue
                if key not in shelf:
                    waiting.setdefault(key, position)
                keys[position] = key
            fresh = self._fill(encoder, shelf, column, waiting)
            report.encoded[name] += len(fresh[0])
            failed = fresh[1]
            for position in batch:
                key_ = keys.get(position)
                if key_ in failed:
                    del keys[position]
                    report.notes.append((name, column.label(position), failed[key_]))
                elif key_ in shelf.notes:
                    report.notes.append(
                        (name, column.label(position), Note(shelf.notes[key_]["code"], shelf.notes[key_]["message"]))
                    )
            done += len(batch)
            if progress:
                progress(name, done, len(positions))
        report.found[name] = len(keys) - report.encoded[name]  # equal bytes are encoded once
        shelf.merge()
        return _encoded(column, keys, shelf)

    def _fill(
        self, encoder: Any, shelf: Shelf, column: Column, waiting: Mapping[bytes, int]
    ) -> tuple[list[bytes], dict[bytes, Note]]:
        """Encode the waiting items and put them on the shelf: the keys that are on disk now, and what failed."""
        if not waiting:
            return [], {}
        order = list(waiting)
        values, notes = encoder.attempt([column.items[waiting[key]] for key in order])
        failed = {order[i]: n for i, found in notes.items() for n in found if n.skipped}
        finite = np.isfinite(values).all(axis=1)
        for i in np.flatnonzero(~finite).tolist():
            failed.setdefault(order[i], Note("not_finite", "its features are not finite numbers", skipped=True))
        good = [i for i, key in enumerate(order) if key not in failed]
        told = {}
        for row, i in enumerate(good):
            if altered := notes.get(i):
                told[row] = {"code": altered[0].code, "message": "; ".join(n.message for n in altered)}
        kept = [order[i] for i in good]
        shelf.add(kept, values[good], told)
        return kept, failed


def _key(encoder: Any, item: Any) -> bytes | None:
    try:
        return key_of(encoder.content(item))
    except ChiasmError:
        return None


def _encoded(column: Column, keys: Mapping[int, bytes], shelf: Shelf) -> Column:
    """The column over the cached vectors; items of equal bytes become one item."""
    place: dict[bytes, int] = {}
    moved = np.full(len(column.items) + 1, ABSENT, dtype=np.int64)  # the last entry serves index -1
    labels: list[str] = []
    for position, key in keys.items():
        if key not in place:
            place[key] = len(place)
            labels.append(column.label(position))
        moved[position] = place[key]
    digests = np.frombuffer(b"".join(place), np.uint8).reshape(-1, 16)
    return Column(column.modality, shelf.stored(place), moved[column.index], labels=labels, digests=digests)


def _with_digests(column: Column) -> Column:
    """A column of ready-made vectors with a hash of each row, as encoded ones have."""
    if column.digests is not None:
        return column
    rows = range(0, len(column.items), 4096)
    hashed = [
        key_of(np.ascontiguousarray(row).tobytes()) for s in rows for row in np.asarray(column.items[s : s + 4096])
    ]
    digests = np.frombuffer(b"".join(hashed), np.uint8).reshape(-1, 16)
    return Column(column.modality, column.items, column.index, labels=column.labels, digests=digests)


def _batches(positions: np.ndarray, size: int) -> Iterator[list[int]]:
    for start in range(0, len(positions), size):
        yield positions[start : start + size].tolist()
