"""Asking a collection: what is open of it, and the files that fit a query best."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from chiasm import recipe, registry
from chiasm.collection._catalog import MEDIA, Catalog, Item, place_of
from chiasm.collection._damage import away, emptied, whole
from chiasm.collection._fused import carried
from chiasm.collection._gallery import Gallery
from chiasm.collection._listing import listed
from chiasm.collection._marks import Moved, Moves
from chiasm.collection._moments import keys_of, span_of
from chiasm.collection._said import Said
from chiasm.collection._standing import Standing
from chiasm.collection._taught import kept
from chiasm.collection._wording import Reading, asked_with, elsewhere, reading
from chiasm.errors import ChiasmError
from chiasm.index import Index, Where, checked_k
from chiasm.scale import Progress
from chiasm.where import typed

__all__ = ["Asking", "model_name"]

RECENT = 1000
"""Questions in words whose places are kept."""


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
        self.columns: dict[str, str] = self._catalog.fact("columns")
        self._engines: dict[tuple[str, str], Index] = {}
        self._models: dict[str, Any] = {}
        self._said: Said | None = None
        self._recent: dict[tuple[str, str, str], Any] = {}
        self._standing: dict[Any, Any] = {}
        self._guard = threading.Lock()
        self._loading = threading.Lock()
        self.model  # noqa: B018 - now, rather than at the first search

    @property
    def model(self) -> Any:
        """The model whose space is searched now."""
        return self._model_of(self._catalog.fact("model"))

    @property
    def searched(self) -> tuple[str, str]:
        """Whose vectors are searched now: another value once another model has taken its place."""
        part, model = self._catalog.facts("part", "model")
        return str(part), str(model)

    def _model_of(self, digest: str) -> Any:
        """The model of that digest, which lies in the folder; loaded once, whoever asks meanwhile."""
        held = self._models.get(digest)
        if held is not None:
            return held
        with self._loading:
            return self._loaded(digest)

    def _loaded(self, digest: str) -> Any:
        if digest not in self._models:
            place = self.path / model_name(digest)
            if not place.is_dir():
                raise ChiasmError(
                    f"the index {self.path} lacks its model ({place.name}): it was copied half, or {place.name} was "
                    "removed. Copy it again, or build it anew."
                )
            try:
                found = recipe.digest_of(place)
                made = recipe.load(place) if found == digest else None
            except ChiasmError:
                raise ChiasmError(
                    f"the model in the index {self.path} ({place.name}) is not whole: it was copied half, or is "
                    f"damaged. Copy {place.name} again, or the saved model to that place, or build the index anew."
                ) from None
            if found != digest:
                raise ChiasmError(
                    f"{place} is another model than the one that the vectors were made with: put that one back, or "
                    "build the index anew."
                )
            self._models = {digest: made}
        return self._models[digest]

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
        more: Sequence[str | os.PathLike[str]] = (),
        less: Sequence[str | os.PathLike[str]] = (),
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
            more, less: files that are marked + and -, by their names here or by paths: what fits is moved towards what
                the ones have in common and away from the others.

        Captions and read text count beside the picture where words alone are asked for, without taught names and marks
        (docs/collection.md), which `why` tells; it withholds names, which tell of the picture, where that counted
        little. Where captions are left out, `notes` of what comes back says so. Words in "quotes" have to be in a
        file's caption or read text as they stand. A taught name among words stands for what its files have in common,
        and `why` names it (`taught`).
        `reject` judges each file by its picture and the words alone, whatever ranks it: one that only its caption fits
        is no match. What it accepts is sorted by them; what taught names score nobody knows: a ChiasmError.
        """
        ask = (queries, to, k, where, reject, group, skip, sort, among, more, less, progress)
        while True:
            now = self._catalog.facts("part", "model")
            try:
                with whole(self.path):
                    found = self._hits(*ask)
            except (ChiasmError, LookupError, ValueError, OSError):
                if self._catalog.facts("part", "model") == now:
                    raise
                continue  # another process has switched the model meanwhile: ask the new one
            if self._catalog.facts("part", "model") == now:
                return found

    def _hits(
        self,
        queries: Any,
        to: str | Sequence[str] | None,
        k: int,
        where: Where,
        reject: float | None,
        group: bool,
        skip: int,
        sort: str | None,
        among: int | None,
        more: Sequence[str | os.PathLike[str]],
        less: Sequence[str | os.PathLike[str]],
        progress: Progress | None,
    ) -> Any:
        k = checked_k(k)
        if not self.folder.is_dir():
            raise ChiasmError(away(self.folder))
        target = self.target(asked_with(self.model, queries), to)
        digest = self._catalog.fact("model")
        names = [one for one in kept(self._catalog) if one.model == digest]
        taught = {one.name: one for one in names if one.view == target}
        read = reading(self.model, queries, target, taught)
        asked = self._asked(read, digest)
        pictures = self.gallery(target, where, group)
        if reject is not None:
            state = (self._catalog.fact("part"), target, self._catalog.state())
            pictures.index = cast(Index, Standing(pictures.index, self._standing, state))
        moves = Moves.of(self.model, self.folder, target, read.names, read.bare, read.placed, more, less)
        judged, ranked = self.said.within(pictures, target, read.exact, read.texts if moves is None else None)
        better: Gallery | Moved | None = ranked
        if moves is not None:
            moves.check(reject, sort)
            better = Moved(judged, moves, self._catalog)
        ask: dict[str, Any] = {"k": k, "skip": skip, "sort": sort, "among": among, "progress": progress}
        by_rank = reject is None or sort is None
        found = self.model.hits(asked, target, within=(by_rank and better) or judged, reject=reject, **ask)
        for row in found:
            carried(row)
        if moves is not None:
            moves.tell(found, asked.rows)
        worded = any(self.model.views_[view] == "text" for view in asked.views)
        unread = self.said.counting(target, pictures.index) if worded and (read.texts is None or moves) else []
        for one in elsewhere(read, {one.name: one for one in names if one.view != target}):
            found.notes.append(f"{one.name!r} was taught by files of {one.view!r}: it does not count among {target!r}.")
        if unread:
            found.notes.append(
                f"{' and '.join(unread)} did not count: they do where words stand alone, without other terms, taught "
                "names and marks."
            )
        return found

    def _asked(self, read: Reading, digest: str) -> Any:
        """What is asked with, mapped; the words of a while ago are not mapped again: they come out the same."""
        if read.texts is None or len(read.texts) != 1:
            return self.model.asked(read.queries)
        key = (digest, read.texts[0], str(read.queries))
        with self._guard:
            known = self._recent.get(key)
        if known is None:
            known = self.model.asked(read.queries)
            with self._guard:
                self._recent[key] = known
                while len(self._recent) > RECENT:
                    self._recent.pop(next(iter(self._recent)))
        return known

    @property
    def said(self) -> Said:
        """What is said of the files: captions and text read in them."""
        if self._said is None or self._said.model is not self.model:
            self._said = Said(self.path, self._catalog, self.model, self.columns)
        return self._said

    def target(self, start: str | Sequence[str], to: str | Sequence[str] | None = None) -> str:
        """The view whose files answer: `to`; left out, the only one that is indexed, or the only other one.

        Args:
            start: the view, or views, that are asked with.
        """
        asked = [to] if isinstance(to, str) else list(to or ())
        if len(asked) > 1:
            raise ChiasmError("wanted one view to answer with, got several: ask each on its own.")
        held = list(self.media)
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
        for one in typed(where, self.columns):
            if one.type == "path" and one.op != "~" and str(one.value).startswith("/"):
                raise ChiasmError(
                    f"{one.column} is told below the folder: wanted a path such as holiday/2024, got {one.value}."
                )
        return Gallery(self._catalog, self.reading(view), self.folder, where, group)

    @property
    def media(self) -> dict[str, str]:
        """The views that are indexed, with their modalities."""
        return {name: kind for name, kind in self.model.views_.items() if kind in MEDIA}

    def reading(self, view: str) -> Index:
        """The index of a view, to be searched: a ChiasmError where its vectors are not there."""
        if view not in (held := self.media):
            first = next(iter(held))
            raise ChiasmError(f"{self.path} indexes {', '.join(held)}, not {view!r}: answer with to={first!r}.")
        part = str(self._catalog.fact("part"))
        index, place = self.engine(view, part), self.path / self.vectors(view, part)
        if getattr(index, "path", None) is None:
            return index
        if not place.is_dir() or emptied(place):
            if self._catalog.items("state = 'searchable' AND view = ?", [view], 1):
                raise ChiasmError(
                    f"the vectors of {view!r} ({place.name}) are missing in {self.path}: it was copied half, or they "
                    "were removed. Update it, and they are made anew."
                )
            empty: Index = registry.make("index", "exact", columns=self.columns)
            return empty
        with whole(self.path):
            len(index)
        return index

    def vectors(self, view: str, part: str) -> str:
        """What the folder of a view's vectors is called, where the engine keeps them in one."""
        return f"vectors-{part}-{place_of(self.model, view)}"

    def engine(self, view: str, part: str | None = None) -> Index:
        """The index of a view; `part`: not of the one that is searched now."""
        part = part or str(self._catalog.fact("part"))
        if (part, view) not in self._engines:
            name, engine = self.vectors(view, part), self._catalog.fact("engine")
            table = f"chiasm_{name.removeprefix('vectors-').replace('-', '_')}"
            made = registry.make("index", engine, columns=self.columns, path=self.path / name, table=table)
            self._engines[part, view] = made
        return self._engines[part, view]

    def items(
        self, state: str = "", after: int = -1, k: int = 1000, *, where: Where = None, sort: str = ""
    ) -> list[dict[str, Any]]:
        """Files in the order in which they were seen: `key`, `item` (path below the folder), `state`, `code` and facts.

        Args:
            state: "searchable", "failed" or "waiting"; left out, all. after: a key; those that follow. where: as for
                `hits`. sort: "date" or "-date", the newest first; what has no date comes last.
        """
        return [_told(item) for item in listed(self._catalog, self.columns, state, after, k, where, sort)]

    def moment(self, key: int, start: float) -> tuple[int, tuple[float, float] | None]:
        """Of a file that is searched by moment the one that begins nearest to `start` seconds.

        Its key in the engine and its span in seconds; the file's own key and None where it is one as a whole, or none.
        """
        found = self._catalog.by_id([key]).get(key)
        if found is None:
            return key, None
        spans = {one: span for one in keys_of(found) if (span := span_of(found, one))}
        nearest = min(spans, key=lambda one: abs(spans[one][0] - start), default=key)
        return nearest, spans.get(nearest)

    def item(self, key: int) -> dict[str, Any] | None:
        """What is known of a file by its key; None where there is none."""
        found = self._catalog.by_id([key]) if 0 <= key < 2**63 else {}
        return _told(found[key]) if found else None


def _told(item: Item) -> dict[str, Any]:
    facts = {name: value for name, value in item.facts.items() if name != "path"}
    plain = {"key": item.id, "item": item.name, "view": item.view, "state": item.state, "code": item.code}
    return plain | {"message": item.message, "content": item.content.hex()} | facts


def model_name(digest: str) -> str:
    """What the folder of a model is called inside an index."""
    return f"model-{digest[:12]}"
