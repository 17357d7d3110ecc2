"""Source: how a table or folder was read, kept with the model, and how more of it is read the same way."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.data.cells import composed, is_empty
from chiasm.data.folder import modality_of
from chiasm.data.notes import sentences
from chiasm.data.read import Names, names_of, read
from chiasm.data.table import A_FILE, TABLES, read_table
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.media.images import Note
from chiasm.media.windows import windows
from chiasm.part import Part
from chiasm.views import Column, Views

__all__ = ["TABLES", "Source"]

_TIMED = ("audio", "video")
_MEDIA = ("image", *_TIMED)
_KINDS = ("text", "image", "audio", "video", "vector", "number", "category", "date")

Place = str | os.PathLike[str]


class Source(Part):
    """Which columns of DATA hold what: read once to learn, then more of it the same way, to answer, score or search.

    A model keeps it as `source_` and it is saved inside; where DATA lies is not kept. What is known of the fitted model
    is passed in as plain values, so that the command line and a server read alike.

    Args:
        text, image, audio, video, vector, number, category, date: columns, as `chiasm.data.read.read` takes them.
        id, split, group: a column each. label: a column, or several.
        encoding: of text files.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "t.csv"
    >>> _ = file.write_text("caption,size\\na dog,3\\na cat,2\\n")
    >>> source = Source(text=["words=caption"], number=["size"])
    >>> source.read(file).names
    ['words', 'record']
    >>> _ = file.write_text("caption\\na bird\\n")
    >>> source.read_present(file, ["words", "record"]).names
    ['words']
    """

    def __init__(
        self,
        text: Names = None,
        image: Names = None,
        audio: Names = None,
        video: Names = None,
        vector: Names = None,
        number: Names = None,
        category: Names = None,
        id: str | None = None,
        split: str | None = None,
        label: str | Sequence[str] | None = None,
        group: str | None = None,
        encoding: str = "utf-8",
        date: Names = None,
    ):
        self.text = text
        self.image = image
        self.audio = audio
        self.video = video
        self.vector = vector
        self.number = number
        self.category = category
        self.id = id
        self.split = split
        self.label = label
        self.group = group
        self.encoding = encoding
        self.date = date

    @classmethod
    def of(cls, part: Any) -> Source:
        """How the rows were read that a part was fitted on; one that names no columns where the part does not tell.

        Models of chiasm 0.1 keep plain values, which mean the same. Raises a ChiasmError where these are others.
        """
        held = getattr(part, "source_", None) or {}
        if isinstance(held, cls):
            return held
        made = cls()
        made.set_params(**held)
        return made

    def read(self, data: Place, *, root: Place | None = None, where: Mapping[str, str] | None = None) -> Views:
        """All that was named, to learn from or to score.

        Args:
            data: a table or folder. root: the folder that paths are below; left out, that of `data`.
            where: keep the rows in which each column has the given value.

        Raises a ChiasmError as `chiasm.data.read.read` does: for a column that `data` lacks, or that is empty in it.
        """
        return read(data, root=root, where=where, **self.get_params(deep=False))

    def read_present(
        self,
        data: Place,
        views: Iterable[str],
        *,
        root: Place | None = None,
        where: Mapping[str, str] | None = None,
    ) -> Views:
        """Rows to answer: a column that `data` lacks, or that is empty in it, is left out, and the others answer.

        Split, label and group are not read; the ids are, where their column is there.

        Args:
            data, root, where: as in `read`. views: the names of the fitted views, for the error.

        Raises a ChiasmError where none of the columns is there, and as `read` does.
        """
        cells = read_table(data, self.encoding, self._named, root).cells
        held = {name for name, values in cells.items() if not all(is_empty(value) for value in values)}
        named = {kind: names_of(getattr(self, kind)) for kind in _KINDS}
        kept: dict[str, Any] = {
            kind: {n: c for n, c in columns.items() if c in held} for kind, columns in named.items()
        }
        if any(named.values()) and not any(kept.values()):
            raise ChiasmError(f"{data} has none of the columns that {', '.join(views)} were read from at fit.")
        id_ = self.id if self.id and composed(self.id) in cells else None
        return read(data, id=id_, encoding=self.encoding, root=root, where=where, **kept)

    def read_gallery(
        self, data: Place, view: str, modality: str, *, column: str | None = None, root: Place | None = None
    ) -> Views:
        """Rows to search in: of `data` what view `view` can find, and nothing else.

        Of a folder its pictures, sounds, videos or texts; of a table the column that the view was read from, else the
        column of its name; or one picture, sound or video. The ids are read where their column is there.

        Args:
            data: a table, a folder, or a media file. view, modality: a fitted view.
            column: the column of a table; left out, the one that the view was read from.
            root: the folder that a table's paths are below; left out, that of `data`.

        Raises a ChiasmError where `data` holds nothing of the kind.
        """
        place = Path(data).expanduser()
        if place.is_dir():
            return self._read_folder(place, view, modality, root)
        kind = modality_of(place.name)
        if kind is not None and (kind == modality or (modality in _TIMED and kind in _TIMED)):
            if not place.is_file():
                raise ChiasmError(f"no file {str(data)!r}: wanted a media file, a folder or a table.")
            return Views({view: Column(modality, [str(place.resolve())], labels=[place.name])}, [place.name])
        if kind is not None and place.is_file():
            raise ChiasmError(
                f"view {view!r} holds {modality}, and {place.name} is {A_FILE[kind]}: wanted a folder or a table with "
                f"{modality}, or {A_FILE[modality] if modality in A_FILE else 'a model of ' + kind}."
            )
        cells = read_table(data, self.encoding, [*self._named, column or view], root).cells
        # Another table may lack the ids: its paths or rows name the hits.
        id_ = self.id if self.id and composed(self.id) in cells else None
        options: dict[str, Any] = {"number": self.number, "category": self.category, "date": self.date}
        if modality != "record":
            name = composed(column or names_of(getattr(self, modality)).get(composed(view), view))
            if modality == "vector" and name not in cells and list(cells) == ["vector"]:  # an array of NumPy
                name = "vector"
            if name not in cells:
                raise ChiasmError(
                    f"{place.name} has no column {name!r}, from which view {view!r} was read: say which of its columns "
                    f"holds {modality} (column='COL'): {', '.join(cells)}."
                )
            options = {modality: {view: name}}
        return read(data, id=id_, encoding=self.encoding, root=root, **options)

    def read_moments(
        self,
        data: Place,
        view: str,
        modality: str,
        *,
        window: float | None = None,
        usual: float | None = None,
        column: str | None = None,
        root: Place | None = None,
    ) -> Views:
        """As `read_gallery`, long sounds and videos by moment: see `chiasm.media.windows.windows`.

        Args:
            data, view, modality, column, root: as there. window: a moment's seconds; left out, `usual`.
            usual: how long the clips are that a model learned from (its `seconds_`), None where it does not know.

        Raises a ChiasmError for a window where there is no time, and where nobody knows how long a moment is.
        """
        rows = self.read_gallery(data, view, modality, column=column, root=root)
        if modality not in _TIMED:
            if window is not None:
                raise ChiasmError(f"window=SECONDS is for sounds and videos; view {view!r} holds {modality}.")
            return rows
        seconds = window or usual
        if not seconds:
            raise ChiasmError("how long is a moment? The model does not know: say window=SECONDS.")
        return windows(rows, view, seconds)

    def rows_of(self, split: str, views: Views, ids: Sequence[str], splits: Sequence[str]) -> np.ndarray:
        """`(n,)` mask of the rows of a split: by the data's own column where one was named, else as recorded at fit.

        Args:
            split: train, val or test. views: read by `read`.
            ids, splits: `(m,)` the ids that a model was fitted on, and the split of each (`ids_`, `splits_`).
        """
        if views.split is not None:
            own: np.ndarray = views.split == split
            return own
        recorded = dict(zip(map(str, ids), splits, strict=True))
        return np.array([recorded.get(str(i)) == split for i in views.ids], dtype=bool)

    def of_split(
        self, split: str, views: Views, ids: Sequence[str], splits: Sequence[str], *, model: str = "the model"
    ) -> Views:
        """The rows of a split.

        Args:
            split, views, ids, splits: as in `rows_of`. model: what the error calls who recorded the splits.

        Raises a ChiasmError where there are none.
        """
        mask = self.rows_of(split, views, ids, splits)
        if not mask.any():
            known = ", ".join(sorted(set(splits)))
            raise ChiasmError(
                f"no rows of split {split!r} in the data ({model} recorded {known}): "
                "score other rows (where={'COL': 'VALUE'})."
            )
        kept: Views = views[mask]
        return kept

    @property
    def _named(self) -> list[str]:
        """The columns that were named."""
        return [c for kind in _KINDS for c in names_of(getattr(self, kind)).values()] + ([self.id] if self.id else [])

    def _read_folder(self, folder: Path, view: str, modality: str, root: Place | None) -> Views:
        """What a folder holds of a modality, as one view; links may lead as far as a `root` that holds the folder."""
        if modality == "record":
            raise ChiasmError(f"view {view!r} holds records, which lie in tables: wanted a table, got a folder.")
        if modality == "text":
            return read(folder, text={view: "text"}, encoding=self.encoding)
        if root is not None and not folder.resolve().is_relative_to(Path(root).expanduser().resolve()):
            root = None
        cells = read_table(folder, self.encoding, root=root).cells
        options: dict[str, Any] = {modality: {view: modality if modality in cells else "path"}}
        views = read(folder, encoding=self.encoding, root=root, **options)
        unasked = Note("other_kind", f"not searched: view {view!r} holds {modality}", skipped=True)
        others = [cell for kind in _MEDIA if kind != modality for cell in cells.get(kind, ()) if cell]
        told = [(view, cell, unasked) for cell in others]
        views.notes = [*views.notes, *told]
        for sentence in sentences(told):
            warnings.warn(sentence, ChiasmWarning, stacklevel=2)
        return views
