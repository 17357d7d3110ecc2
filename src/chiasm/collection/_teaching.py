"""Teaching a collection names by pictures, and telling at once how well each is found."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.collection._asking import Asking
from chiasm.collection._catalog import MEDIA
from chiasm.collection._damage import whole
from chiasm.collection._intake import content_of
from chiasm.collection._marks import MOST, encoded, found, meaning, usual
from chiasm.collection._measured import left_out, luck, measured, note
from chiasm.collection._taught import Taught, checked_name, forgotten, keep, kept
from chiasm.data.folder import modality_of
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.files import lock
from chiasm.stats.prototypes import Others
from chiasm.views import normalize

__all__ = ["TYPICAL", "WAIT", "Teaching"]

WAIT = 5.0
"""Seconds that who adds or teaches waits for another one that writes."""

TYPICAL = 2.5
"""What an example that a name was not learned from scores, where there is but one (benchmarks/search/teach.py)."""

_ALIKE = 5
"""The nearest files that were not taught, of which a user is told."""


class Teaching(Asking):
    """A collection that learns names from examples, and forgets them."""

    def teach(self, name: str, files: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
        """Learn a name from files; searches for words with the name in them then find what the files have in common.

        Taught again, the files are added to those that it has; `forget` first to replace them. Their vectors are kept:
        a file need not stay. The name stands for the files even where it is a word that the model knows.

        Args:
            files: by their names in the collection, or by paths anywhere; pictures all, or sounds all, or videos all.

        Returns `name`, `view`, `pictures` (all that it has), `added`, `measured`, `note` and `alike`. `measured`: each
        example searched for by the others, its rank among the files that are not taught (`median_rank`, and of the
        share in the first 10 a 95 % interval, `first_10`; `chance` of that; `of` how many files), None where there is
        one, or are fewer than ten others; `by_luck`: whether as many files at random often find each other as well,
        None among fewer than twenty. `alike`: the files nearest to it that were not taught, to add or to leave.

        Raises a ChiasmError for a file that cannot be read, and a name that could not be found among words.
        """
        name = checked_name(name)
        if isinstance(files, str | os.PathLike) or not len(files):
            got = repr(files) if len(os.fspath(files) if isinstance(files, os.PathLike) else files) else "none"
            raise ChiasmError(f"wanted some files to teach {name!r} by, got {got}: a list of at least one.")
        with lock(self.path, f"another process is updating {self.path}: wait for it.", WAIT), whole(self.path):
            view = self._view_of(files)
            model = self._catalog.fact("model")
            paths, vectors = encoded(self.model, view, self.folder, files)
            before = next((one for one in kept(self._catalog) if one.name.casefold() == name.casefold()), None)
            if before is not None and (before.view != view or before.model != model):
                was = "another model" if before.model != model else f"files of {before.view!r}"
                raise ChiasmError(f"wanted files to add to {name!r}, which was taught by {was}: forget it first.")
            examples, rows = ([], []) if before is None else (list(before.examples), list(before.vectors))
            for path, vector in zip(paths, vectors, strict=True):
                content = content_of(path).hex()
                if content not in {one["content"] for one in examples}:
                    examples.append({"file": self._named(path), "content": content})
                    rows.append(vector)
            added = len(examples) - (0 if before is None else len(before.examples))
            one, told = self._learned(before.name if before else name, view, model, examples, np.stack(rows))
            keep(self._catalog, [one])
        return {
            "name": one.name,
            "view": view,
            "pictures": len(examples),
            "added": added,
            "measured": told,
            "note": note(one.name, told),
            "alike": self._alike(one),
        }

    def forget(self, name: str) -> None:
        """Forget a taught name: searches answer as they did before it was taught.

        Raises a ChiasmError for a name that was not taught.
        """
        known, name = [one.name for one in kept(self._catalog)], checked_name(name)
        if name.casefold() not in [one.casefold() for one in known]:
            raise unknown("taught name", name, known)
        with lock(self.path, f"another process is updating {self.path}: wait for it.", WAIT):
            forgotten(self._catalog, name)

    def names(self) -> list[dict[str, Any]]:
        """What was taught, by the alphabet: `name`, `view`, `pictures`, `files`, and whether it is `lost`.

        It is while the collection has another model and none of the files is there to be encoded again.
        """
        model = self._catalog.fact("model")
        return [
            {
                "name": one.name,
                "view": one.view,
                "pictures": len(one.examples),
                "files": [example["file"] for example in one.examples],
                "lost": one.model != model,
            }
            for one in kept(self._catalog)
        ]

    def _renew(self) -> None:
        """Encode again what was taught to another model, as far as files are there; warns of names that are lost."""
        model, renewed, lost, fewer = self._catalog.fact("model"), [], [], []
        for one in kept(self._catalog):
            if one.model == model:
                continue
            there = [(example, path) for example in one.examples if (path := self._again(example)) is not None]
            try:
                _, vectors = encoded(self.model, one.view, self.folder, [path for _, path in there])
            except ChiasmError:
                there = []
            if not there:
                lost.append(one.name)
                continue
            if len(there) < len(one.examples):
                fewer.append(one.name)
            examples = [example for example, _ in there]
            renewed.append(self._learned(one.name, one.view, model, examples, vectors, measure=False)[0])
        if renewed:
            keep(self._catalog, renewed)
        for names, what in ((lost, "are lost until a file of theirs is back"), (fewer, "have fewer files than before")):
            if names:
                told = f"with this model some taught names {what}: {', '.join(names)}"
                warnings.warn(told, ChiasmWarning, stacklevel=3)

    def _again(self, example: dict[str, str]) -> Path | None:
        """Where an example is now: by its bytes in the collection, else where it was, if it has the same bytes."""
        content = bytes.fromhex(example["content"])
        items = [self.folder / item.name for item in self._catalog.items("content = ?", [content])]
        with suppress(ChiasmError):
            items.append(found(self.folder, example["file"]))
        return next((path for path in items if content_of(path) == content), None)

    def _view_of(self, files: Sequence[str | os.PathLike[str]]) -> str:
        """The view that takes some files."""
        kinds = {modality_of(os.fspath(file)) for file in files}
        views = [view for view, kind in self.model.views_.items() if kind in MEDIA and {kind} == kinds]
        if len(views) != 1:
            held = ", ".join(view for view, kind in self.model.views_.items() if kind in MEDIA)
            raise ChiasmError(f"wanted files of one of {held}, got {', '.join(sorted(str(kind) for kind in kinds))}.")
        return views[0]

    def _named(self, path: Path) -> str:
        """A file's name below the folder, or its whole path."""
        inside = path.is_relative_to(self.folder)
        return path.relative_to(self.folder).as_posix() if inside else str(path)

    def _learned(
        self,
        name: str,
        view: str,
        model: str,
        examples: list[dict[str, str]],
        vectors: np.ndarray,
        measure: bool = True,
    ) -> tuple[Taught, dict[str, Any] | None]:
        """A name with its direction, and how it is found by all examples but one."""
        width = meaning(self.model, view)
        taught = {bytes.fromhex(example["content"]) for example in examples}
        files, near = self._sample(view, taught)[:, :width], vectors[:, :width]
        others = Others(np.concatenate([usual(self.model, view)[:, :width], files]))
        (direction,) = others.directions([near])
        if len(near) < 2:
            return Taught(name, view, model, examples, vectors, direction, TYPICAL), None
        left = left_out(others, near)
        one = Taught(name, view, model, examples, vectors, direction, float((left * near).sum(axis=1).mean()))
        if not measure:
            return one, None
        ranks = [self._rank(view, *pair, taught) for pair in zip(left, vectors, strict=True)]
        return one, measured([rank for rank, _ in ranks], ranks[0][1], luck(others, files, near))

    def _sample(self, view: str, taught: set[bytes]) -> np.ndarray:
        """At most 2,000 of the collection's files in the shared space, without those that are taught."""
        items = [i for i in self._catalog.items("state = 'searchable' AND view = ?", [view]) if i.content not in taught]
        some = [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(len(items), MOST)).astype(int))]
        _, vectors = self.engine(view).vectors([item.id for item in some])
        return normalize(vectors) if len(vectors) else np.zeros((0, usual(self.model, view).shape[1]), np.float32)

    def _rank(self, view: str, direction: np.ndarray, vector: np.ndarray, taught: set[bytes]) -> tuple[int, int]:
        """The rank of a held-out example among the files that are not taught, and how many these are."""
        query = np.zeros(len(vector), np.float32)
        query[: len(direction)] = direction / np.linalg.norm(direction)
        index, own = self.engine(view), float(query @ vector)
        same = {item.id for content in taught for item in self._catalog.items("content = ?", [content])}
        here = sum(1 for item in self._catalog.by_id(same).values() if item.state == "searchable")
        above = 0
        for key, score in index.ranked(query):
            if score <= own:
                break
            above += key not in same
        return above + 1, len(index) - here

    def _alike(self, one: Taught) -> list[dict[str, Any]]:
        """The nearest files that were not taught."""
        taught = {example["content"] for example in one.examples}
        query = np.zeros((1, one.vectors.shape[1]), np.float32)
        query[0, : len(one.direction)] = one.direction
        hits = self.gallery(one.view).best(query, _ALIKE + len(taught))[0]
        names = {
            item.name for content in taught for item in self._catalog.items("content = ?", [bytes.fromhex(content)])
        }
        left = [{"item": hit["item"], "score": round(hit["score"], 6)} for hit in hits if hit["item"] not in names]
        return left[:_ALIKE]
