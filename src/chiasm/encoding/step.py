"""Encoding: the pipeline step that applies one encoder a column, or several side by side, through the cache."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chiasm import registry
from chiasm.cache import key_of
from chiasm.encoding.joined import Joined, members
from chiasm.encoding.passes import Passes, drive
from chiasm.encoding.said import said
from chiasm.errors import ChiasmError, unknown
from chiasm.finite import check_column
from chiasm.known import Names, Same
from chiasm.media.images import Note
from chiasm.part import Part
from chiasm.scale import Progress
from chiasm.tokens import Tokens
from chiasm.views import ABSENT, Column, Views

__all__ = ["DEFAULTS", "Encoding", "Report", "with_digests"]

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

    def by_row(self, views: Views) -> list[list[str]]:
        """What was skipped or altered in each row of the views that were encoded: ["photo: no such file [missing]"]."""
        told: list[list[str]] = [[] for _ in range(len(views))]
        places: dict[str, dict[str, int]] = {}
        for name, label, note in self.notes:
            view = name if name in views.columns else name.rpartition(".")[0]  # the motion and sound of a video
            if view not in views.columns:
                continue
            column = views[view]
            at = places.setdefault(view, {column.label(int(item)): int(item) for item in column.used})
            for row in np.flatnonzero(column.index == at.get(label, len(column.items))).tolist():
                told[row].append(f"{name}: {note.message} [{note.code}]")
        return told

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
        encoders: by view's name or modality, an encoder or its name; left out, `DEFAULTS`, for texts the other tower of
            a folder whose one tower reads another view. "name:value" sets the encoder's first parameter
            ("hf_text:FOLDER"), "name:parameter=value" another ("mel_audio:steps=75"), and both may stand together
            ("hf_text:FOLDER:prompt=query").
            Several: names joined by "+", or a list of encoders and names.

    >>> texts = ["a red car", "a blue bus", "a red bus"]
    >>> views = Views({"caption": Column("text", texts)})
    >>> Encoding({"caption": "hashed_text+bow_text"}).fit_transform(views)["caption"].width
    2053
    """

    def __init__(self, encoders: Mapping[str, Any] | None = None):
        self.encoders = encoders

    def fit(self, views: Views, y: None = None) -> Encoding:
        """Choose each column's encoder; those that learn (TF-IDF, `adapter` from labels) do from these: training rows.

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
        chosen = self._choose(views).items()
        self.encoders_ = {name: _learned(encoder, views, name) for name, encoder in chosen}
        fresh = {}
        for name, encoder in self.encoders_.items():
            if isinstance(encoder, Joined):
                used = views[name].used
                few = used[np.linspace(0, len(used) - 1, min(len(used), SAMPLE)).astype(int)]
                run = Passes(encoder, views[name])
                drive({name: run}, few)
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
                code = np.unique(np.asarray(with_digests(column).digests).view("V16").ravel(), return_inverse=True)[1]
            codes.append(np.append(code, -1)[column.index])  # the last serves index -1: absent
        shared: np.ndarray = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].ravel()
        return shared

    def _choose(self, views: Views) -> dict[str, Any]:
        """A new encoder for each column of raw items."""
        chosen = dict(self.encoders or {})
        for name in chosen:
            if name not in views.columns and name not in {c.modality for c in views.columns.values()}:
                raise unknown("view", name, views.columns)
        encoders: dict[str, Any] = {}
        for name, column in sorted(views.columns.items(), key=lambda one: one[1].modality == "text"):  # these come last
            if hasattr(column.items, "shape"):
                if column.modality == "vector" and (named := chosen.get(name) or chosen.get("vector")):
                    raise ChiasmError(
                        f"view {name!r} holds vectors, which no encoder reads: leave out {named!r}, or give the texts, "
                        "pictures, sounds or videos that it is for."
                    )
                continue
            wanted = chosen.get(name) or chosen.get(column.modality) or DEFAULTS.get(column.modality)
            if column.modality == "text" and not (chosen.get(name) or chosen.get("text")):
                wanted = next(filter(None, map(_speaker, encoders.values())), wanted)
            if wanted is None:
                raise ChiasmError(
                    f"view {name!r}: there is no encoder for {column.modality} yet; pass vectors instead."
                )
            encoders[name] = _make(wanted, column.modality)
            for one in members(encoders[name]):
                if one.modality != column.modality:
                    raise ChiasmError(f"view {name!r} holds {column.modality}; {one!r} reads {one.modality}.")
        return {name: encoders[name] for name in views.columns if name in encoders}

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
        runs: dict[str, Passes] = {}
        for names in self._groups(views):
            together = {name: Passes(self.encoders_[name], views[name]) for name in names}
            drive(together, views[names[0]].used, progress)
            runs |= together
        for name, column in views.columns.items():
            if hasattr(column.items, "shape"):
                check_column(name, column)
                columns[name] = with_digests(column)
                continue
            run = runs[name]
            report.notes += [(name, _label(views, column, position), note) for position, note in run.notes]
            report.items[name] = len(column.used)
            report.encoded[name] = len(run.fresh | (before.get(name, set()) & set(run.keys.values())))
            report.found[name] = len(run.keys) - report.encoded[name]  # equal bytes are encoded once
            columns[name] = run.column()
        return views.replace(columns), report

    def known(self, progress: Progress | None = None) -> dict[tuple[str, str], Names | Same]:
        """By (view of texts, view that shows) what encoders know of each other: see `chiasm.known`.

        The names that a classifier brings are encoded as texts, through the cache.
        """
        found: dict[tuple[str, str], Names | Same] = {}
        for shows, encoder in self.encoders_.items():
            brought, speaker = getattr(encoder, "known", lambda: None)(), _speaker(encoder)
            for speaks, other in self.encoders_.items():
                if other.modality != "text" or speaks == shows or getattr(other, "in_parts", False):
                    continue
                if speaker is not None and speaker.fingerprint == other.fingerprint:
                    found[speaks, shows] = Same(np.asarray(other.encode([])).shape[1])
                elif brought is not None:
                    names = [phrasings[0] for phrasings in brought.phrasings]
                    found[speaks, shows] = Names(
                        brought.weights, brought.biases, said(other, brought.phrasings, progress), names
                    )
        return found

    def unheard(self) -> dict[str, str]:
        """By view whose encoder has a side for texts in its own space, a view of texts that is read otherwise."""
        found: dict[str, str] = {}
        texts = {name: one for name, one in self.encoders_.items() if one.modality == "text"}
        for shows, encoder in self.encoders_.items():
            for speaker in filter(None, map(_speaker, members(encoder))):
                alike = [isinstance(one, Joined) or speaker.fingerprint != one.fingerprint for one in texts.values()]
                if texts and (isinstance(encoder, Joined) or all(alike)):
                    found[shows] = next(iter(texts))
        return found

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


def _speaker(encoder: Any) -> Any:
    """The encoder of texts that shares a space with this one, or None."""
    return getattr(encoder, "speaker", lambda: None)()


def _label(views: Views, column: Column, position: int) -> str:
    """An item for a person; what has no name of its own, a record or the bytes of a picture, by its first row's id."""
    label = column.label(position)
    if not isinstance(column.items[position], dict | bytes):
        return label
    return f"{views.ids[int(np.flatnonzero(column.index == position)[0])]}: {label}"


def _learned(encoder: Any, views: Views, name: str) -> Any:
    """An encoder that has learned from a view's items, and from the labels of its rows where it asks for them.

    A ChiasmError says which need no items where there are no texts.
    """
    column = views[name]
    if registry.takes(encoder, "y"):
        rows = np.flatnonzero(column.present)
        labels = None if views.label is None else views.label[rows]
        return registry.fit(encoder, column.take(column.index[rows]), y=labels, groups=views.clusters[rows])
    items = column.take(column.used)
    try:
        return encoder.fit(items)
    except ChiasmError as error:
        if len(items) or encoder.modality != "text":
            raise
        told = str(error).rstrip(".")
        do = "without captions take one that is trained already (e5_text, minilm_text)"
        raise ChiasmError(f"{told}: {do}.") from None


def _make(wanted: Any, modality: str) -> Any:
    """A new encoder of a column from an encoder, a name, names joined by "+", or a list of these."""
    if isinstance(wanted, str):
        made = [_named(name.strip(), modality) for name in wanted.split("+")]
    elif isinstance(wanted, list | tuple):
        made = [one for each in wanted for one in members(_make(each, modality))]
    else:
        return copy.deepcopy(wanted) if isinstance(wanted, Joined) else registry.make("encode", wanted)
    shown = [repr(one) for one in made]
    if twice := [one for one in shown if shown.count(one) > 1]:
        raise ChiasmError(f"wanted different encoders side by side, got {twice[0]} twice: name it once.")
    return made[0] if len(made) == 1 else Joined(made)


def _named(name: str, modality: str) -> Any:
    """The encoder of a name; one of two towers takes the column's modality."""
    encoder = registry.make("encode", name)
    if "modality" in encoder.get_params(deep=False):
        encoder.set_params(modality=modality)
    return encoder


def _key(encoder: Any, item: Any) -> bytes | None:
    try:
        return key_of(encoder.content(item))
    except ChiasmError:
        return None


def _each(items: Any) -> Iterator[np.ndarray]:
    """The vectors of a column one by one; of ragged tokens those of an item `(t, d)`."""
    if isinstance(items, Tokens) and not items.steps:
        yield from (items.batch([i])[0][0] for i in range(len(items)))
        return
    for start in range(0, len(items), 4096):
        yield from np.asarray(items[start : start + 4096])


def with_digests(column: Column) -> Column:
    """A column of ready-made vectors with a hash of each, as encoded ones have; equal vectors become one item."""
    if column.digests is not None:
        return column
    hashed = [key_of(np.ascontiguousarray(row).tobytes()) for row in _each(column.items)]
    digests = np.frombuffer(b"".join(hashed), np.uint8).reshape(-1, 16)
    _, first, same = np.unique(digests.view("V16").ravel(), return_index=True, return_inverse=True)
    index = np.append(first[same], ABSENT)[column.index]  # the last serves index -1
    whole = column.at(index)
    whole.digests = digests
    return whole
