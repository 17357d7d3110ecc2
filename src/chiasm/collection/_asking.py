"""Asking a collection: what is open of it, and the files that fit a query best."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chiasm import recipe, registry
from chiasm.collection._catalog import Catalog
from chiasm.collection._gallery import Gallery
from chiasm.errors import ChiasmError
from chiasm.index import Index, Where, checked_k
from chiasm.scale import Progress

__all__ = ["MEDIA", "Asking"]

MEDIA = ("image", "audio", "video")
"""The modalities of files that a collection takes in."""


class Asking:
    """A collection that is there, open to be asked.

    Args:
        path: its folder.

    Raises a ChiasmError for a folder that is none, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path).expanduser()
        self._catalog = Catalog(self.path / "catalog.sqlite")
        self.folder = Path(self._catalog.fact("folder"))
        self.model: Any = recipe.load(self.path / "model")
        self.columns: dict[str, str] = self._catalog.fact("columns")
        self._engines: dict[tuple[int, str], Index] = {}

    def hits(
        self,
        queries: Any,
        to: str | Sequence[str] | None = None,
        k: int = 5,
        where: Where = None,
        reject: float | None = None,
        *,
        group: bool = True,
        skip: int = 0,
        sort: str | None = None,
        among: int | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """The k files that fit each query best, as `Retrieve.hits` gives them; near-duplicates are one.

        A hit names the others of its group: `copies` (the same bytes), `same_picture` (saved otherwise), `burst` (taken
        within seconds, alike). Groups depend on the files alone, neither on the query nor on `where`.

        Args:
            queries, to, k, reject, skip, among: as there. group: False gives every file as a hit of its own.
            where: conditions on `columns` (`["date>=2024-05", "path=holiday"]`).
                What counts as a match is judged against the whole collection, whatever `where` chooses.
            sort: any of `columns`, as there.
        """
        k = checked_k(k)
        asked = self.model.asked(queries)
        target = self.target(asked.views, to)
        paged = {"skip": skip, "sort": sort, "among": among}
        gallery = self.gallery(target, where, group)
        return self.model.hits(asked, target, k, gallery, reject, **paged, progress=progress)

    def target(self, start: str | Sequence[str], to: str | Sequence[str] | None = None) -> str:
        """The view whose files answer: `to`; left out, the only one that is indexed, or the only other one.

        Args:
            start: the view, or views, that are asked with.
        """
        asked = [to] if isinstance(to, str) else list(to or ())
        if len(asked) > 1:
            raise ChiasmError("wanted one view to answer with, got several: ask each on its own.")
        held = [name for name, kind in self.model.views_.items() if kind in MEDIA]
        starts = [self.model.view(one) for one in ([start] if isinstance(start, str) else start)]
        others = [name for name in held if name not in starts]
        if not asked and len(held) == 1:
            asked = held
        elif not asked and len(others) == 1:
            asked = others
        return str(self.model.target(starts, asked[0] if asked else None))

    def gallery(self, view: str, where: Where = None, group: bool = True) -> Gallery:
        """The files of a view that meet the conditions, as `Retrieve.hits` takes them.

        Raises a ChiasmError for a view whose files are not indexed.
        """
        held = [name for name, kind in self.model.views_.items() if kind in MEDIA]
        if view not in held:
            raise ChiasmError(f"{self.path} indexes {', '.join(held)}, not {view!r}: answer with to={held[0]!r}.")
        return Gallery(self._catalog, self.engine(view), self.folder, where, group)

    def engine(self, view: str) -> Index:
        """The index of a view."""
        part = self._catalog.fact("part")
        if (part, view) not in self._engines:
            path = self.path / f"vectors-{part}-{list(self.model.views_).index(view)}"
            made = registry.make("index", self._catalog.fact("engine"), columns=self.columns, path=path)
            self._engines[part, view] = made
        return self._engines[part, view]
