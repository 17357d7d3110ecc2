"""What a task remembers of the rows that it learned from: to encode more of them alike, and to refuse to score them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chiasm import recipe
from chiasm.data.source import Source
from chiasm.encoding import Encoding, Report
from chiasm.encoding.streams import drop_empty, spread
from chiasm.errors import ChiasmError
from chiasm.part import Part
from chiasm.scale import Progress
from chiasm.splits import Leaks, check_splits, leaks
from chiasm.views import Views

__all__ = ["KnownRows"]


class KnownRows(Part):
    """A task that encodes raw rows, learns from those that are not "test", and knows them again.

    Learned: `encoding_`, `views_` (modality by view), `ids_` and `splits_`, `fitted_` (a hash of each row), `leaks_`,
    `tainted_` (ids that share an item with rows that were learned from).
    """

    encoders: Mapping[str, Any] | None
    allow_leaks: bool

    streams: ClassVar[bool] = True
    """Whether a video is read as several views: what it shows, how it moves, what is heard."""

    encoding_: Encoding
    views_: dict[str, str]
    leaks_: dict[str, Any]
    source_: Source | dict[str, Any]
    """How DATA was read, to read more of it the same way; `Source.of` takes either."""

    def _learn_rows(self, views: Views, progress: Progress | None) -> Views:
        """Fit the encoders, look for leaks, remember the rows: the encoded rows to learn from."""
        split = check_splits(views.split) if views.split is not None else np.full(len(views), "train", dtype=object)
        learn = split != "test"
        given = views
        encoders = self.encoders
        if self.streams:
            views, encoders = spread(views, encoders)
        self.encoding_ = Encoding(encoders).fit(views[learn])
        encoded, self._report = self.encoding_.apply(views, progress)
        encoded = drop_empty(encoded, self.encoding_, self._report, given)
        near = {name: encoder.near for name, encoder in self.encoding_.encoders_.items()}
        found = leaks(encoded, np.where(learn, "train", "test"), near)
        if found.fatal and not self.allow_leaks:
            raise ChiasmError(found.fatal)
        self._leaks: Leaks = found
        self.leaks_ = found.as_dict()
        self.views_ = {name: column.modality for name, column in encoded.columns.items()}
        ids = _strings(encoded)
        first = np.unique(ids, return_index=True)[1]
        self.ids_, self.splits_ = ids[first], split[first]
        whole = [digest for digest in _digests(encoded)[learn] if digest]
        self.fitted_ = np.frombuffer(b"".join(whole), np.uint8).reshape(-1, 16)
        self.tainted_ = np.unique(ids[found.tainted].astype(str)).astype(object)
        train: Views = encoded[learn]
        return train

    def _encode(self, views: Views, progress: Progress | None) -> Views:
        """The rows in the fitted views' features; a fitted view that is not there is absent in every row."""
        if self.streams:
            views = spread(views, None)[0]
        known = {name: column for name, column in views.columns.items() if name in self.views_}
        if not known:
            raise ChiasmError(f"wanted some of the views {', '.join(self.views_)}, got {', '.join(views.names)}.")
        encoded, self._report = self.encoding_.apply(views.replace(known), progress)
        return encoded

    def _learned_from(self, encoded: Views, allow: bool) -> int:
        """How many rows the model was fitted on; a ChiasmError when there are any, unless allowed."""
        fitted = set(self.fitted_.view("V16").ravel().tolist())
        mine = np.array([digest in fitted for digest in _digests(encoded)])
        if self.allow_leaks:  # who let equal rows stand in two splits is refused the training rows themselves only
            mine &= np.isin(_strings(encoded), self.ids_[self.splits_ != "test"])
        if mine.any() and not allow:
            raise ChiasmError(
                f"{mine.sum()} of the {len(encoded)} rows are rows that the model was fitted on: score other rows "
                "(--where split=test), or insist with --allow-train."
            )
        return int(mine.sum())

    def _tainted(self, encoded: Views) -> np.ndarray:
        """`(n,)` the rows that share an item, or nearly, with rows that were learned from, as found by `fit`."""
        mask: np.ndarray = np.isin(_strings(encoded), self.tainted_)
        return mask

    def save(self, path: Any) -> Any:
        """Save as a folder; see `chiasm.save`."""
        return recipe.save(self, path)

    @property
    def report(self) -> Report:
        """What the last encoding did (fit, answer or score)."""
        return self._report

    @property
    def modalities_(self) -> dict[str, str]:
        """The modality of each fitted view."""
        return dict(self.views_)


def _strings(views: Views) -> np.ndarray:
    return np.array([str(i) for i in views.ids], dtype=object)


def _digests(views: Views) -> np.ndarray:
    """`(n,)` 16-byte hashes of what is there of each row; empty where only a record is, which others may equal."""
    out = np.full(len(views), b"", dtype=object)
    names = sorted(views.columns)
    telling = [views.present(name) for name in names if views[name].modality != "record"]
    cells = [np.concatenate([np.asarray(views[name].digests), np.zeros((1, 16), np.uint8)]) for name in names]
    for row in np.flatnonzero(np.any(telling or [out != b""], axis=0)).tolist():
        held = (cell[views[name].index[row]].tobytes() for name, cell in zip(names, cells, strict=True))
        out[row] = hashlib.blake2b(b"".join(held), digest_size=16).digest()
    return out
