"""Encoding: the pipeline step that applies one encoder a column, or several side by side, through the cache."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.cache import Cache, Scratch, SideBySide, Stored, key_of
from chiasm.encoding.joined import Joined, members
from chiasm.errors import ChiasmError, unknown
from chiasm.media.clips import one_decode
from chiasm.media.images import MediaError, Note
from chiasm.part import Part
from chiasm.scale import Progress
from chiasm.views import ABSENT, Column, Views

__all__ = ["DEFAULTS", "Encoding", "Report"]

DEFAULTS = {
    "text": "e5_text",
    "image": "effnet_image",
    "audio": "spectrogram_audio",
    "video": "frames_video",
    "record": "tabular_record",
}
"""The encoder of a modality that nobody chose one for."""

SAMPLE = 1000
"""Training items that the scales of encoders side by side are learned from: they are within about 1 % then."""

log = logging.getLogger(__name__)


@dataclass
class Report:
    """What encoding a table did, a view at a time."""

    items: dict[str, int] = field(default_factory=dict)
    encoded: dict[str, int] = field(default_factory=dict)
    """Items that some encoder of the view had to encode, of equal ones the first."""
    found: dict[str, int] = field(default_factory=dict)
    """Items that none had to encode."""
    notes: list[tuple[str, str, Note]] = field(default_factory=list)
    """(view, item's label, note) for every skipped or altered item."""

    def __or__(self, other: Report) -> Report:
        """Both, of views of different names (of one name the other's counts)."""
        return Report(
            self.items | other.items,
            self.encoded | other.encoded,
            self.found | other.found,
            self.notes + other.notes,
        )

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

    Several encoders of one view stand side by side, each through the cache on its own, each block divided by its
    spread over training items; an item that one of them cannot read is absent. Choose that where they see different
    things; compare it with the better one alone on validation rows.

    Args:
        encoders: by view's name or modality, an encoder or its name; left out, `DEFAULTS`. "name:value" sets the
            encoder's first parameter ("hf_text:FOLDER"), "name:parameter=value" another ("mel_audio:steps=75").
            Several: names joined by "+", or a list of encoders and names.

    >>> texts = ["a red car", "a blue bus", "a red bus"]
    >>> views = Views({"caption": Column("text", texts)})
    >>> Encoding({"caption": "hashed_text+bow_text"}).fit_transform(views)["caption"].width
    2053
    """

    def __init__(self, encoders: Mapping[str, Any] | None = None):
        self.encoders = encoders

    def fit(self, views: Views, y: None = None) -> Encoding:
        """Choose each column's encoder; those that learn (TF-IDF) learn from these rows: training rows only.

        Of encoders side by side the scales are learned too, for which up to `SAMPLE` items of these rows are encoded.
        """
        self._fit(views)
        return self

    def learn(self, views: Views, rows: np.ndarray, progress: Progress | None = None) -> tuple[Views, Report]:
        """`fit` on some rows, then `apply` to all: what `fit` had to encode counts as encoded in the report.

        Args:
            rows: `(n,)` mask of the training rows. progress: called while encoding.
        """
        return self._apply(views, progress, self._fit(views[rows]))

    def _fit(self, views: Views) -> dict[str, set[bytes]]:
        """Choose encoders and let them learn; by view the keys of what had to be encoded for that."""
        self.encoders_ = {
            name: encoder.fit(views[name].take(views[name].used)) for name, encoder in self._choose(views).items()
        }
        fresh = {}
        for name, encoder in self.encoders_.items():
            if isinstance(encoder, Joined):
                used = views[name].used
                few = used[np.linspace(0, len(used) - 1, min(len(used), SAMPLE)).astype(int)]
                run = _Run(encoder, views[name])
                _drive({name: run}, few)
                encoder.weigh(run.blocks)
                fresh[name] = run.fresh
        return fresh

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
            encoders[name] = _make(wanted, column.modality)
            for one in members(encoders[name]):
                if one.modality != column.modality:
                    raise ChiasmError(f"view {name!r} holds {column.modality}; {one!r} reads {one.modality}.")
        return encoders

    def transform(self, views: Views) -> Views:
        """The same rows with a vector column for each view; see `apply` for the report."""
        return self.apply(views)[0]

    def fit_transform(self, views: Views, y: None = None) -> Views:
        """`fit`, then `transform`."""
        return self.fit(views).transform(views)

    def apply(self, views: Views, progress: Progress | None = None) -> tuple[Views, Report]:
        """The encoded views and what happened. Values stay on disk until a chunk of them is asked for."""
        return self._apply(views, progress, {})

    def _apply(self, views: Views, progress: Progress | None, before: Mapping[str, set[bytes]]) -> tuple[Views, Report]:
        """As `apply`; `before` are by view the keys of what was encoded just before, which counts as encoded too."""
        report = Report()
        columns = {}
        runs: dict[str, _Run] = {}
        for names in self._groups(views):
            together = {name: _Run(self.encoders_[name], views[name]) for name in names}
            _drive(together, views[names[0]].used, progress)
            runs |= together
        for name, column in views.columns.items():
            if hasattr(column.items, "shape"):
                columns[name] = _with_digests(column)
                continue
            run = runs[name]
            report.notes += [(name, column.label(position), note) for position, note in run.notes]
            report.items[name] = len(column.used)
            report.encoded[name] = len(run.fresh | (before.get(name, set()) & set(run.keys.values())))
            report.found[name] = len(run.keys) - report.encoded[name]  # equal bytes are encoded once
            columns[name] = run.column()
        return views.replace(columns), report

    def _groups(self, views: Views) -> list[list[str]]:
        """The raw views, those together that read the same audio or video files: one decode serves them."""
        groups: list[list[str]] = []
        for name, column in views.columns.items():
            if hasattr(column.items, "shape"):
                continue
            if name not in self.encoders_:
                raise unknown("encoded view", name, self.encoders_)
            for group in groups:
                other = views[group[0]]
                same = column.modality == other.modality and column.modality in ("audio", "video")
                if same and column.items == other.items and np.array_equal(column.used, other.used):
                    group.append(name)
                    break
            else:
                groups.append([name])
        return groups


def _drive(runs: Mapping[str, _Run], positions: np.ndarray, progress: Progress | None = None) -> None:
    """Encode the items at these positions by all the runs, a batch of items at a time."""
    passes = [one for run in runs.values() for one in run.passes]
    wanted = [one.encoder.wants for one in passes if hasattr(one.encoder, "wants")]
    done = 0
    for batch in _batches(positions, min(run.encoder.batch for run in runs.values())):
        with one_decode(wanted) if len(wanted) > 1 else contextlib.nullcontext():
            for run in runs.values():
                run.take(batch)
        done += len(batch)
        if progress:
            for name in runs:
                progress(name, done, len(positions))
    for run in runs.values():
        run.end()


class _Run:
    """An encoder, or several side by side, over items of one column."""

    def __init__(self, encoder: Any, column: Column):
        self.encoder, self.source = encoder, column
        self.passes = [_Pass(one, column) for one in members(encoder)]
        self.notes: list[tuple[int, Note]] = []
        """(position, note) for every skipped or altered item; what two encoders note alike stands once."""

    def take(self, batch: list[int]) -> None:
        """Put the items at these positions on the encoders' shelves."""
        told: list[tuple[int, Note]] = []
        for one in self.passes:
            told += one.take(batch)
            batch = [position for position in batch if position in one.keys]
        self.notes += dict.fromkeys(told)

    def end(self) -> None:
        """No item follows: find what is equal, and what had to be encoded."""
        for one in self.passes:
            one.shelf.merge()
        self.keys = self._keys()
        """The key of each item that every encoder could read, by position."""
        now = set().union(*(one.fresh for one in self.passes))
        self.fresh = {self.keys[position] for position in now & self.keys.keys()}
        """The keys of what had to be encoded."""
        self.first: dict[bytes, int] = {}
        """The first position of each key: items of equal bytes are one item."""
        for position, key in self.keys.items():
            self.first.setdefault(key, position)

    def _keys(self) -> dict[int, bytes]:
        if len(self.passes) == 1:
            return self.passes[0].keys
        keys = {}
        for position in self.passes[-1].keys:  # the last was asked for what all before it could read
            found = [one.keys[position] for one in self.passes]
            keys[position] = found[0] if len(set(found)) == 1 else key_of(b"".join(found))  # as `Joined.content` has it
        return keys

    @property
    def blocks(self) -> list[Stored]:
        """The vectors of the distinct items, an array `(m, d_i)` an encoder."""
        return [one.shelf.stored(one.keys[position] for position in self.first.values()) for one in self.passes]

    def column(self) -> Column:
        """The column over the encoded vectors; items of equal bytes become one item."""
        place = {key: i for i, key in enumerate(self.first)}
        moved = np.full(len(self.source.items) + 1, ABSENT, dtype=np.int64)  # the last entry serves index -1
        moved[list(self.keys)] = [place[key] for key in self.keys.values()]
        labels = [self.source.label(position) for position in self.first.values()]
        digests = np.frombuffer(b"".join(self.first), np.uint8).reshape(-1, 16)
        blocks = self.blocks
        items = SideBySide(blocks, self.encoder.scales_) if isinstance(self.encoder, Joined) else blocks[0]
        return Column(self.source.modality, items, moved[self.source.index], labels=labels, digests=digests)


class _Pass:
    """One encoder over items of one column, through its shelf."""

    def __init__(self, encoder: Any, column: Column):
        self.encoder, self.column = encoder, column
        self.shelf = Scratch() if encoder.learned() else Cache().shelf(encoder.fingerprint)
        self.keys: dict[int, bytes] = {}
        """The key of each item that is on the shelf, by position."""
        self.fresh: set[int] = set()
        """The positions that were encoded; of items of equal bytes, the first."""

    def take(self, batch: list[int]) -> list[tuple[int, Note]]:
        """Put the items on the shelf that are not there yet: what was skipped or altered."""
        told = []
        waiting: dict[bytes, int] = {}
        for position in batch:
            try:
                key = key_of(self.encoder.content(self.column.items[position]))
            except MediaError as error:
                told.append((position, error.note))
                continue
            if key not in self.shelf:
                waiting.setdefault(key, position)
            self.keys[position] = key
        failed = self._fill(waiting)
        self.fresh |= {position for key, position in waiting.items() if key not in failed}
        for position in batch:
            key_ = self.keys.get(position)
            if key_ in failed:
                del self.keys[position]
                told.append((position, failed[key_]))
            elif key_ in self.shelf.notes:
                told.append((position, Note(self.shelf.notes[key_]["code"], self.shelf.notes[key_]["message"])))
        return told

    def _fill(self, waiting: Mapping[bytes, int]) -> dict[bytes, Note]:
        """Encode the waiting items and put them on the shelf, which is on disk: what failed."""
        if not waiting:
            return {}
        order = list(waiting)
        values, notes = self.encoder.attempt([self.column.items[waiting[key]] for key in order])
        failed = {order[i]: n for i, found in notes.items() for n in found if n.skipped}
        finite = np.isfinite(values).all(axis=1)
        for i in np.flatnonzero(~finite).tolist():
            failed.setdefault(order[i], Note("not_finite", "its features are not finite numbers", skipped=True))
        good = [i for i, key in enumerate(order) if key not in failed]
        told = {}
        for row, i in enumerate(good):
            if altered := notes.get(i):
                told[row] = {"code": altered[0].code, "message": "; ".join(n.message for n in altered)}
        self.shelf.add([order[i] for i in good], values[good], told)
        return failed


def _make(wanted: Any, modality: str) -> Any:
    """A new encoder of a column from an encoder, a name, names joined by "+", or a list of these."""
    if isinstance(wanted, str):
        made = [_named(name.strip(), modality) for name in wanted.split("+")]
    elif isinstance(wanted, list | tuple):
        made = [one for each in wanted for one in members(_make(each, modality))]
    else:
        return copy.deepcopy(wanted)
    shown = [repr(one) for one in made]
    if twice := [one for one in shown if shown.count(one) > 1]:
        raise ChiasmError(f"wanted different encoders side by side, got {twice[0]} twice: name it once.")
    return made[0] if len(made) == 1 else Joined(made)


def _named(name: str, modality: str) -> Any:
    """The encoder "name", "name:value", whose first parameter is the value, or "name:parameter=value".

    One of two towers takes the column's modality.
    """
    name, colon, value = name.partition(":")
    encoder = registry.get("encode", name)()
    settings = encoder.get_params(deep=False)
    if colon:
        first, known = next(iter(settings.items()), ("", None))
        parameter, equals, rest = value.partition("=")
        if equals and parameter in settings:
            first, known, value = parameter, settings[parameter], rest
        elif equals and parameter.isidentifier() and not isinstance(known, str):
            raise unknown(f"parameter of {name}", parameter, settings)
        if not isinstance(known, str | int | float):
            raise ChiasmError(f"wanted {name} alone, got {name}:{value}: it takes no value here; set it in Python.")
        try:
            encoder.set_params(**{first: type(known)(value)})
        except ValueError:
            raise ChiasmError(f"wanted {name}:NUMBER, its {first}, got {name}:{value}.") from None
    if "modality" in settings:
        encoder.set_params(modality=modality)
    return encoder


def _key(encoder: Any, item: Any) -> bytes | None:
    try:
        return key_of(encoder.content(item))
    except ChiasmError:
        return None


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
