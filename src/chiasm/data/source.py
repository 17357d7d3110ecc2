"""Source: how a table or folder was read, kept with the model, and how more of it is read the same way."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.data._unlike import by_kind, one_file, other_columns, other_kind, spoken, texts_of, told_in
from chiasm.data.cells import composed
from chiasm.data.folder import modality_of
from chiasm.data.notes import Noted, sentences
from chiasm.data.read import Names, names_of, read
from chiasm.data.table import TABLES, read_table
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.media.images import Note
from chiasm.media.windows import windows
from chiasm.part import Part
from chiasm.views import Views

__all__ = ["TABLES", "Source"]

_TIMED = ("audio", "video")
_MEDIA = ("image", *_TIMED)
_ITEMS = ("text", *_MEDIA, "vector")
_KINDS = ("text", "image", "audio", "video", "vector", "number", "category", "date")
_WITHOUT = {
    "label": "labels",
    "id": "ids that were given, and known by their paths or numbers",
    "split": "a split of their own",
    "group": "groups, and resampled by id alone",
}

Place = str | os.PathLike[str]


class Source(Part):
    """Which columns of DATA hold what: read once to learn, then more of it the same way, to answer, score or search.

    A model keeps it as `source_` and it is saved inside; where DATA lies is not kept. What is known of the fitted model
    is passed in as plain values, so that the command line and a server read alike.

    Args:
        text, image, audio, video, vector, number, category, date: columns, as `chiasm.data.read.read` takes them.
        id, split, group: a column each. label: a column, or several.
        encoding: of text files. answers: labels are answers to questions, as `read` takes it.

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
        answers: bool = False,
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
        self.date, self.answers = date, answers

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

    def read_to_score(
        self,
        data: Place,
        views: Mapping[str, str],
        *,
        root: Place | None = None,
        where: Mapping[str, str] | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
    ) -> Views:
        """As `read`, of data that may lack the columns of ids, groups and splits, which is told.

        Args:
            data, root, where: as in `read`. views: the fitted views, name -> modality.
            columns, encoding: as in `read_present`; what holds labels, ids, groups and splits may have other names too.

        Raises a ChiasmError that tells which columns there are where one that was named is not.
        """
        encoding = encoding or self.encoding
        named = self._named_as({} if Path(data).expanduser().is_dir() else views, columns, facts=True)
        held = read_table(data, encoding, [c for some in named.values() for c in some.values()], root).cells
        if self._named:
            named["text"] = told_in(held, named["text"], [*names_of(self.text), *(columns or {})])
        options: dict[str, Any] = {kind: held for kind, held in named.items() if kind in _KINDS}
        facts = {kind: list(held.values()) for kind, held in named.items() if kind not in _KINDS}
        asked = {name: column for kind in (*_KINDS, "label") for name, column in named[kind].items()}
        if lost := {name: column for name, column in asked.items() if column not in held}:
            raise other_columns(data, "lacks columns", lost, held, lost)
        told: list[Noted] = []
        for kind in ("id", "split", "group"):
            here = [column for column in facts[kind] if column in held]
            options[kind] = here[0] if here else None
            if facts[kind] and not here:
                message = f"{data} has no column {facts[kind][0]!r}: its rows are without {_WITHOUT[kind]}"
                told.append((facts[kind][0], "", Note("no_column", message)))
        options["label"] = facts["label"][0] if isinstance(self.label, str) else facts["label"]
        return _tell(read(data, root=root, where=where, encoding=encoding, answers=self.answers, **options), told)

    def read_present(
        self,
        data: Place,
        views: Mapping[str, str] | Iterable[str],
        *,
        root: Place | None = None,
        where: Mapping[str, str] | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
    ) -> Views:
        """Rows to answer: a column that `data` lacks, or of which nothing can be used, is left out; the others answer.

        Split, label and group are not read; the ids are, where their column is there. Of a folder, of an array of NumPy
        and of one media file everything goes to the one view of its modality, whatever the view was read from.

        Args:
            data, root, where: as in `read`. views: the fitted views, name -> modality.
            columns: view or field -> the column of `data` that holds it; left out, the one that it was read from.
            encoding: of text files; left out, as at fit.

        Raises a ChiasmError where none of the columns is there, which tells those that are, and as `read` does.
        """
        views = views if isinstance(views, Mapping) else {name: name for name in views}
        encoding = encoding or self.encoding
        named = self._named_as(views, columns)
        place = Path(data).expanduser()
        if modality_of(place.name) is not None and not place.is_dir():
            return self._read_file(place, named, columns or {}, where)
        asked = [column for held in named.values() for column in held.values()] + self._ids
        asked = asked if not place.is_dir() else ["text"] if named["text"] else ["path"]
        cells = read_table(data, encoding, asked, root).cells
        told: list[Noted] = []
        if place.is_dir() or list(cells) == ["vector"]:
            kept: dict[str, Any] = {"text": {n: c for n, c in named["text"].items() if c == "class" in cells}}
            for kind, column in by_kind(cells).items():
                if of := self._of_kind(kind, named, columns or {}):
                    kept[kind] = dict.fromkeys(of, column)
                elif kind in _MEDIA:
                    note = Note("other_kind", f"not answered: the model reads no {kind}", skipped=True)
                    told += [(kind, cell, note) for cell in cells[column] if cell]
        else:
            given = set((columns or {}).values())
            kept = {kind: {n: c for n, c in held.items() if c in cells or c in given} for kind, held in named.items()}
        if not any(kept.values()):
            flat = {name: column for held in named.values() for name, column in held.items()}
            raise other_columns(data, "has none of the columns", flat, cells, views)
        id_ = next((column for column in self._ids if column in cells), None)
        return _tell(read(data, id=id_, encoding=encoding, root=root, where=where, partial=True, **kept), told)

    def read_gallery(
        self,
        data: Place,
        view: str,
        modality: str,
        *,
        column: str | None = None,
        root: Place | None = None,
        encoding: str | None = None,
    ) -> Views:
        """Rows to search in: of `data` what view `view` can find, and nothing else.

        Of a folder its pictures, sounds, videos or texts; of a table the column that the view was read from, else the
        column of its name; or one picture, sound or video. The ids are read where their column is there.

        Args:
            data: a table, a folder, or a media file. view, modality: a fitted view.
            column: the column of a table; left out, the one that the view was read from.
            root: the folder that a table's paths are below; left out, that of `data`.
            encoding: of text files; left out, as at fit.

        Raises a ChiasmError where `data` holds nothing of the kind.
        """
        place = Path(data).expanduser()
        encoding = encoding or self.encoding
        if place.is_dir():
            return self._read_folder(place, view, modality, root, encoding)
        if (kind := modality_of(place.name)) == modality or {kind, modality} == set(_TIMED):
            return one_file(place, {view: modality})
        if kind and place.is_file():
            raise other_kind(place, view, modality, kind)
        cells = read_table(data, encoding, [*self._named, column or view], root).cells
        id_ = self.id if self.id and composed(self.id) in cells else None  # else its paths or rows name the hits
        options: dict[str, Any] = {"number": self.number, "category": self.category, "date": self.date}
        if modality != "record":
            name = composed(column or names_of(getattr(self, modality)).get(composed(view), view))
            free = modality == "text" and not column and view not in names_of(self.text)  # words to name pictures by
            if name not in cells and len(cells) == 1 and (free or (modality == "vector" and "vector" in cells)):
                (name,) = cells
            if name not in cells:
                raise ChiasmError(
                    f"{place.name} has no column {name!r}, from which view {view!r} was read: say which of its columns "
                    f"holds {modality} (column='COL'): {', '.join(cells)}."
                )
            options = {modality: {view: name}}
        return read(data, id=id_, encoding=encoding, root=root, **options)

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
        encoding: str | None = None,
    ) -> Views:
        """As `read_gallery`, long sounds and videos by moment: see `chiasm.media.windows.windows`.

        Args:
            data, view, modality, column, root, encoding: as there. window: a moment's seconds; left out, `usual`.
            usual: how long the clips are that a model learned from (its `seconds_`), None where it does not know.

        Raises a ChiasmError for a window where there is no time, and where nobody knows how long a moment is.
        """
        rows = self.read_gallery(data, view, modality, column=column, root=root, encoding=encoding)
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
                "score other rows (where={'COL': 'VALUE'}), or name no split: rows never seen are scored then."
            )
        kept: Views = views[mask]
        return kept

    @property
    def _ids(self) -> list[str]:
        """The column of ids, if any was named."""
        return [composed(self.id)] if self.id else []

    @property
    def _named(self) -> list[str]:
        """The columns that were named."""
        return [c for kind in _KINDS for c in names_of(getattr(self, kind)).values()] + self._ids

    def _named_as(
        self, views: Mapping[str, str], columns: Mapping[str, str] | None, *, facts: bool = False
    ) -> dict[str, dict[str, str]]:
        """By kind: view or field -> its column in data whose columns may be called otherwise.

        Args:
            views: name -> modality, for who learned from a folder, where nothing was named. facts: with the columns of
                labels, ids, splits and groups.

        Raises a ChiasmError for a name in `columns` that none of them has.
        """
        named = {kind: names_of(getattr(self, kind)) for kind in _KINDS}
        if not any(named.values()):
            whole = {name: kind for name, kind in views.items() if name.rpartition(".")[0] not in views}
            named |= {kind: {name: name for name, of in whole.items() if of == kind} for kind in _ITEMS}
        named["text"] |= spoken(views, named)
        if facts:
            for kind in _WITHOUT:
                held = getattr(self, kind) or ()
                named[kind] = {name: name for name in map(composed, [held] if isinstance(held, str) else held)}
        asked = {composed(name): composed(column) for name, column in (columns or {}).items()}
        known = {name for held in named.values() for name in held}
        for name in asked:
            if name not in known:
                raise unknown("view or field", name, known)
        return {kind: {n: asked.get(n, c) for n, c in held.items()} for kind, held in named.items()}

    def _of_kind(self, kind: str, named: Mapping[str, Mapping[str, str]], columns: Mapping[str, str]) -> list[str]:
        """The views that what lies in a folder, an array or a file goes to: the one of the modality, or of the column.

        Raises a ChiasmError where several could be meant, and `columns` names none of them.
        """
        held = named[kind]
        if not held and kind in _TIMED:
            held = named[next(other for other in _TIMED if other != kind)]
        held = {name: column for name, column in held.items() if name in columns} or held
        if len(set(held.values())) > 1:
            raise ChiasmError(
                f"which view is the {kind}: {', '.join(held)}? Say it with columns={{{next(iter(held))!r}: '{kind}'}}."
            )
        return list(held)

    def _read_file(
        self, place: Path, named: Mapping[str, Mapping[str, str]], columns: Mapping[str, str], where: Any
    ) -> Views:
        """One picture, sound or video to answer."""
        kind = str(modality_of(place.name))
        if where:
            raise ChiasmError(f"a condition chooses rows of a table, and {place.name} is one file: leave where out.")
        if not (of := self._of_kind(kind, named, columns)):
            kinds = ", ".join(kind for kind, held in named.items() if held)
            raise ChiasmError(f"wanted {kinds}, which the model learned from, got {place.name}, which is {kind}.")
        return one_file(place, {name: next(k for k in _MEDIA if name in named[k]) for name in of})

    def _read_folder(self, folder: Path, view: str, modality: str, root: Place | None, encoding: str) -> Views:
        """What a folder holds of a modality, as one view; links may lead as far as a `root` that holds the folder."""
        if modality == "record":
            raise ChiasmError(f"view {view!r} holds records, which lie in tables: wanted a table, got a folder.")
        if modality == "text":
            return texts_of(folder, view, encoding)
        if root is not None and not folder.resolve().is_relative_to(Path(root).expanduser().resolve()):
            root = None
        cells = read_table(folder, encoding, ["path"], root).cells
        options: dict[str, Any] = {modality: {view: modality if modality in cells else "path"}}
        views = read(folder, encoding=encoding, root=root, **options)
        unasked = Note("other_kind", f"not searched: view {view!r} holds {modality}", skipped=True)
        others = (cell for kind in _MEDIA if kind != modality for cell in cells.get(kind, ()))
        return _tell(views, [(view, cell, unasked) for cell in others if cell])


def _tell(views: Views, told: list[Noted]) -> Views:
    """The views with more notes, which are warned of."""
    views.notes = [*views.notes, *told]
    for sentence in sentences(told):
        warnings.warn(sentence, ChiasmWarning, stacklevel=3)
    return views
