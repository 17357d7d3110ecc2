"""A search whose questions are moved: towards taught names and files marked +, away from files marked -."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.collection._catalog import Catalog
from chiasm.collection._gallery import Gallery
from chiasm.collection._taught import Taught
from chiasm.errors import ChiasmError
from chiasm.index import Index
from chiasm.stats.prototypes import Others, mixed
from chiasm.tasks.retrieve import Question
from chiasm.views import Column, Views, normalize

__all__ = ["MOST", "Moved", "Moves", "among_words", "encoded", "found", "meaning", "usual"]

NAMED = 0.4
"""What a taught name counts beside the other words (benchmarks/search/teach.py)."""

MARKED = (1.0, 0.3)
"""What files marked + and - count beside the question (benchmarks/search/marks.py)."""

MOST = 2000
"""The most items of the model's own that say what is usual."""


class Moves:
    """What moves some questions before files are searched by them.

    Args:
        names: of each question the taught names among its words; of questions that are no words none.
        alone: of each question whether it has no other words; placed: whether its names are terms of it already.
        more, less: vectors `(n, d)`, `(m, d)` of the files that are marked + and -.
        target: the view of the files.
    """

    def __init__(
        self,
        model: Any,
        target: str,
        names: Sequence[Sequence[Taught]],
        alone: Sequence[bool],
        placed: Sequence[bool],
        more: np.ndarray,
        less: np.ndarray,
    ):
        self.model = model
        self.target = target
        self.names = names
        self.alone = alone
        self.placed = placed
        self.marks = (more, less)

    @classmethod
    def of(
        cls,
        model: Any,
        folder: Path,
        target: str,
        names: Sequence[Sequence[Taught]],
        alone: Sequence[bool],
        placed: Sequence[bool],
        more: Sequence[str | os.PathLike[str]] = (),
        less: Sequence[str | os.PathLike[str]] = (),
    ) -> Moves | None:
        """What moves questions; None where nothing does."""
        for option, files in (("more", more), ("less", less)):
            if isinstance(files, str | os.PathLike):
                raise ChiasmError(f"wanted {option} as a list of files, got {files!r}.")
        if not any(names) and not more and not less:
            return None
        places = [{found(folder, file): file for file in files} for files in (more, less)]
        if both := places[0].keys() & places[1].keys():
            raise ChiasmError(f"wanted each file marked + or -, got {places[0][min(both)]} marked as both.")
        plus, minus = (encoded(model, target, folder, files)[1] for files in (more, less))
        return cls(model, target, names, alone, placed, plus, minus)

    def check(self, reject: float | None, sort: str | None) -> None:
        """Raise a ChiasmError where it would have to be known what taught names and marked files score."""
        if reject is not None and any(self.names):
            one = next(one for names in self.names for one in names)
            raise ChiasmError(
                f"wanted words to reject by, got the taught name {one.name!r}: nobody knows what its matches score, so "
                "search without rejecting."
            )
        if reject is not None and sort is not None:
            raise ChiasmError(
                "wanted among beside sort, since nobody knows what marked files make a match score: the best fifty, "
                "among=50, without rejecting."
            )

    def tell(self, found: Any, rows: np.ndarray) -> None:
        """Name in `why` of each hit the names that were taught."""
        for row, names in zip(rows.tolist(), self.names, strict=False):
            for hit in found[row] if names else ():
                hit["why"] = {**hit.get("why", {}), "taught": [one.name for one in names]}

    def moved(self, vectors: np.ndarray) -> np.ndarray:
        """The questions' vectors `(q, d)` -> those that are searched by."""
        own, width = usual(self.model, self.target), meaning(self.model, self.target)
        others = Others(own[:, :width], ridge=np.inf)  # Rocchio's means: told apart as names are, marks did no better
        more, less = (others.directions([one[:, :width]] if len(one) else []) for one in self.marks)
        moved = np.zeros_like(vectors)
        for row, (vector, into) in enumerate(zip(normalize(vectors), moved, strict=True)):
            taught = self.names[row] if self.names and not self.placed[row] else ()
            names = np.array([one.direction for one in taught], dtype=np.float32).reshape(-1, width)
            if not taught or not self.alone[row]:
                into[:] = others.scaled(vector, own)
            into[:width] = mixed(into[:width], names, names[:0], (self.counts(row), 0.0))
            into[:width] = mixed(into[:width], more, less, MARKED)
        return moved

    def counts(self, row: int) -> float:
        """What each taught name of a question counts beside its other words."""
        return NAMED if self.names and not self.alone[row] else 1.0

    def slope(self, row: int, moved: np.ndarray, one: Taught) -> float:
        """By how much a file's score rises with its product with what the examples of a name have in common."""
        length = float(np.linalg.norm(moved))
        if not self.placed[row]:
            return self.counts(row) / length
        return float(moved[: len(one.direction)] @ one.direction) / (length * float(one.direction @ one.direction))


class Moved:
    """Files that can be searched, by questions that are moved before; what `Retrieve.hits` takes as `within`."""

    def __init__(self, gallery: Gallery, moves: Moves, catalog: Catalog):
        self.index = gallery.index
        self._gallery = gallery
        self._moves = moves
        self._catalog = catalog
        self._least: np.ndarray | None = None

    def accepting(self, least: np.ndarray) -> Moved:
        """The same, but a question finds only files that count for it as it was before it was moved: see `Gallery`."""
        made = Moved(self._gallery, self._moves, self._catalog)
        made._least = least
        return made

    def values(self, hits: list[dict[str, Any]], column: str) -> list[Any]:
        """As the gallery's."""
        return self._gallery.values(hits, column)

    def best(self, vectors: np.ndarray, k: int) -> list[list[dict[str, Any]]]:
        """As the gallery's, but an example of a name scores as one that the name was not taught by.

        The names of things that hits bring are not told where no other words led to them.
        """
        moves = self._moves
        moved = moves.moved(vectors)
        files = {one.name: self._files(one) for names in moves.names for one in names}
        more = max((sum(len(files[one.name]) for one in names) for names in moves.names), default=0)
        gallery = self._gallery if self._least is None else self._gallery.accepting(self._least, vectors)
        found = gallery.best(moved, k + more)
        for at, names in enumerate(moves.names or [[]] * len(found)):
            for one in names:
                slope = moves.slope(at, moved[at], one)
                for hit in found[at]:
                    if (place := files[one.name].get(hit["item"])) is not None:
                        own = float(one.vectors[place, : len(one.direction)] @ one.direction)
                        hit["score"] -= max(own - one.typical, 0.0) * slope
            found[at] = sorted(found[at], key=lambda hit: -hit["score"])[:k]
            for hit in found[at] if names and moves.alone[at] else ():
                hit.pop("names", None)
        return found

    def _files(self, one: Taught) -> dict[str, int]:
        """The files that a name was taught by, and their copies: of which example each has the bytes."""
        contents = [bytes.fromhex(example["content"]) for example in one.examples]
        return {
            item.name: place
            for place, content in enumerate(contents)
            for item in self._catalog.items("content = ?", [content])
        }


def among_words(model: Any, target: str, names: Sequence[Taught], words: Any) -> np.ndarray:
    """`(k,)` where taught names lie in the space of a view of files, without what corrects for hubs.

    Args:
        words: that stand beside them, as `Retrieve.asked` takes them; None: no other ones.
    """
    width, wide = meaning(model, target), names[0].vectors.shape[1]
    vectors = np.zeros((1, wide), np.float32)
    if words is not None:
        vectors, _ = model.asked(Question([(1, words)])).toward(target)
    none = np.zeros((0, wide), np.float32)
    place = np.zeros(wide, np.float32)
    place[:width] = Moves(model, target, [names], [words is None], [False], none, none).moved(vectors)[0, :width]
    return place


def meaning(model: Any, view: str) -> int:
    """How many of the first numbers of a mapped item of a view carry meaning: what follows corrects for hubs."""
    aligner = model.aligner_
    row = Column("vector", np.zeros((1, aligner.reads[view]), np.float32))
    return int(aligner.uncorrected(Views({view: row}))[view].width)


def usual(model: Any, view: str) -> np.ndarray:
    """`(m, d)` of length 1, items of a view that the model was fitted on: at most 2,000, evenly spaced."""
    index: Index = model.indexes_[view]
    held = getattr(index, "vectors_", None)
    if held is None or not len(held):
        return np.zeros((0, meaning(model, view)), np.float32)
    rows = np.unique(np.linspace(0, len(held) - 1, min(len(held), MOST)).astype(int))
    return np.asarray(held[rows], dtype=np.float32)


def encoded(model: Any, view: str, folder: Path, files: Sequence[str | os.PathLike[str]]) -> tuple[list[Path], Any]:
    """Files of a collection, or elsewhere, and their vectors `(n, d)` of length 1 in the shared space.

    Args:
        files: by their names below the folder, else by their paths.

    Raises a ChiasmError for a file that is not there, is of another kind or cannot be read.
    """
    paths = [found(folder, file) for file in files]
    if not paths:
        return [], np.zeros((0, 0), np.float32)
    kind = model.views_[view]
    views = Views({view: Column(kind, [str(path) for path in paths], labels=[str(file) for file in files])})
    column, _, report = model.placed(view, views)
    unread = [(label, note) for _, label, note in report.notes if note.skipped]
    if unread or not (column.index >= 0).all():
        label, why = (unread[0][0], unread[0][1].message) if unread else (str(files[0]), "could not be read")
        raise ChiasmError(f"wanted files of {view!r} ({kind}), got {label}: {why}.")
    return paths, normalize(np.asarray(column.items)[column.index])


def found(folder: Path, file: str | os.PathLike[str]) -> Path:
    """Where a file is: below the folder where there is such a one, else where its path says."""
    inside, elsewhere = folder / file, Path(file).expanduser()
    for path in (inside, elsewhere):
        if path.is_file():
            return path.resolve()
    raise ChiasmError(f"wanted a file, got {file}: there is none below {folder}, nor by that path.")
