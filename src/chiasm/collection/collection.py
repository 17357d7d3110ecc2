"""Collection: a model, the ledger of a folder's files, and their vectors in an index, as one folder that is kept up."""

from __future__ import annotations

import errno
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from chiasm import recipe, registry
from chiasm.collection import _alike
from chiasm.collection._adding import Adding
from chiasm.collection._asking import model_name
from chiasm.collection._catalog import MEDIA
from chiasm.collection._damage import away, made_anew, whole
from chiasm.collection._intake import look_again, redate, take_in
from chiasm.collection._making import begin, plan_of, saved_at, windows_of
from chiasm.collection._moments import keys_of
from chiasm.collection._moving import moved
from chiasm.collection._said import Said
from chiasm.collection._switch import carry, encode, say_anew
from chiasm.collection._whole import NOTED, adopt, make, note, noted, sweep, token
from chiasm.data.text_file import checked_encoding
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.files import lock
from chiasm.media.ocr import check_reader
from chiasm.scale import Progress

__all__ = ["COLUMNS", "Collection", "load", "renew"]

COLUMNS = {"path": "path", "date": "date", "modified": "date", "size": "number", "kind": "category", "caption": "text"}
"""What is known of every file, to choose by. `date`: when a picture was taken, else when the file was changed."""

PLACE = {"latitude": "number", "longitude": "number"}
"""What is known too where it was asked for, degrees."""


WORDS = {"words": "text"}
"""What is known too where it was asked for: the text read in a picture."""


class Collection(Adding):
    """A folder of media that stays searchable by a fitted `Retrieve` model.

    `build` makes one; `update` looks at the folder again and encodes what is new; `hits` searches. Every file that was
    seen is searchable, failed with its reason, or waiting, at every moment (`ledger`). Whatever dies in between, what
    was counted as searchable is found again, once.

    Args:
        path: its folder, which `build` has made.

    Raises a ChiasmError for a folder that is none, or is damaged.
    """

    @classmethod
    def build(
        cls,
        path: str | os.PathLike[str],
        model: Any,
        folder: str | os.PathLike[str],
        *,
        index: str | None = None,
        place: bool = False,
        encoding: str | None = None,
        root: str | os.PathLike[str] | None = None,
        column: str | None = None,
        window: float | None = None,
        read_text: bool = False,
        progress: Progress | None = None,
    ) -> Collection:
        """Make one at `path`, or go on with it, and take in the folder.

        Args:
            model: a fitted `Retrieve`, or where it is saved. folder: of pictures, sounds or videos; links may not lead
                out of it. Or a table of such files, whose other columns are known of each (`columns`).
            index: an index's name; left out, exact, or the one that it has. place: know where pictures were taken, too.
            root: the folder that a table's paths are below; left out, the table's. column: of a table, which has the
                paths; left out, the one that the model's files were read from.
            window: long sounds and videos are searched by moments of so many seconds; left out, of those that the model
                learned from. It holds from the first `build` on.
            read_text: read the text in pictures, too (`chiasm.media.ocr`, some .35 s of a core a picture).
            encoding: of the texts beside media ("gb18030"); left out, as before, at first UTF-8 or what they begin as.

        Raises a ChiasmError where `path` holds something else, or an index of another model, folder or engine.
        """
        at, given = Path(path).expanduser(), Path(folder).expanduser().resolve()
        if given.is_file():
            source = given.parent if root is None else Path(root).expanduser().resolve()
        elif root is not None or column is not None:
            raise ChiasmError(f"wanted root and column together with a table, got {folder}, which is none.")
        else:
            source = given
        if not source.is_dir():
            shown = folder if source == given else root
            raise ChiasmError(f"wanted a folder of media, got {shown}: there is no such folder.")
        if not given.is_file() and at.resolve().is_relative_to(source):
            raise ChiasmError(f"the index {at} would lie in the folder that it is of: name a place outside {source}.")
        engine = registry.make("index", index or "exact")
        if not {"path", "table"} & set(engine.get_params(deep=False)):
            raise ChiasmError(f"wanted an index that is kept in a folder or a database, got {index}, kept in memory.")
        len(engine)  # before anything is made: a server may not be there
        checked_encoding(encoding or "utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            saved = saved_at(model, Path(scratch))
            if not (at / "catalog.sqlite").exists():
                if read_text:
                    check_reader()
                columns = COLUMNS | (PLACE if place else {}) | (WORDS if read_text else {})
                plan = plan_of(saved, given, column, columns, encoding) if given.is_file() else None
                columns |= plan.types if plan else {}
                facts = {"folder": str(source), "engine": index or "exact", "columns": columns, "table": plan}
                begin(at, saved, {**facts, "windows": windows_of(saved, window)})
            made = cls(at)
            if (made.folder, made._of) != (source, given):
                raise ChiasmError(f"{at} is the index of {made._of}, got {given}: name another place (path='INDEX').")
            digest, engine = made._catalog.facts("model", "engine")
            if recipe.digest_of(saved) != digest:
                raise ChiasmError(
                    f"{at} was built with another model: switch it to this one, or name another place (path='INDEX')."
                )
            if index not in (None, engine):
                raise ChiasmError(f"{at} keeps its vectors in {engine!r}, got {index!r}: name another place.")
            if place and not set(PLACE) <= set(made.columns):
                raise ChiasmError(f"{at} was built without places: build another that has them.")
            if read_text and not set(WORDS) <= set(made.columns):
                raise ChiasmError(f"{at} was built without reading the text in pictures: build another that does.")
        if encoding is not None and not given.is_file():
            made._read_as(encoding)
        made.update(progress=progress)
        return made

    def update(
        self, *, retry: bool = False, folder: str | os.PathLike[str] | None = None, progress: Progress | None = None
    ) -> dict[str, int]:
        """Look at the folder again; what is new or changed is encoded, what is gone is found no more.

        Files whose size and time are as they were are not opened; one that was moved or renamed is known by its bytes.

        Args:
            retry: try what has failed again (a package was installed), and make damaged vectors anew.
            folder: where the folder lies now, if it was moved; its files are compared, and none is encoded again.

        Returns the ledger.

        Raises a ChiasmError where another process is at it, or the folder is not there (nothing is forgotten then).
        """
        with self._alone():
            if folder is not None:
                self._catalog.set(**moved(self._catalog, self.path, self.folder, folder))
                self.folder = Path(self._catalog.fact("folder"))
            self._update(retry, progress)
        return self.ledger()

    def _update(self, retry: bool, progress: Progress | None) -> None:
        views = self.media
        note(self.path, self._told())
        self._sweep()
        self.drop_drafts()
        self._mend(retry)
        gone, beside, redated = look_again(self._catalog, self.folder, views, retry, progress)
        for view in views:
            self.engine(view).delete(gone)
            self.said.delete(view, gone)
        redate(self._catalog, self.model, self.folder, self.columns, self.engine, self.said, redated)
        changed = bool(gone) or self.ledger()["waiting"] > 0
        take_in(self._catalog, self.model, self.folder, self.columns, self.engine, beside, self.said, progress)
        for view in views:
            self.said.sample(view, self.engine(view), changed)
        pictures = [view for view, kind in views.items() if kind == "image"]
        _alike.group(self._catalog, self.folder, pictures, progress)
        self._renew()
        before = self._catalog.fact("before")
        if before and not before["keep"] and not self._catalog.mapped():
            self._catalog.forget(before=None)
            self._sweep()

    def switch(
        self, model: Any, sample: float = 0.1, *, keep: bool = True, seed: int = 0, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Search by another model from now on, without a time in which files are not found.

        A sample is encoded by the new model, and all other vectors are mapped into its space; one step then makes it
        the one that is searched, and the rest is encoded behind. Where that is broken off, `update` goes on; the
        ledger says how many are still `mapped`. Until the next switch `rollback` goes back.

        Args:
            model: a fitted `Retrieve` with the same views of media, or where it is saved. sample: the share that is
                encoded first, drawn at random. keep: False drops the old vectors once all is encoded.
            seed: of the draw.

        Returns `status()["switch"]`: what is kept of the new model's answers as long as the rest is mapped, estimated
        on held-out items of the sample (`chiasm.collection` has the figures of whole packs in its docs).

        Raises a ChiasmError for other views of media, and while an earlier switch is not through.
        """
        if not 0 < sample <= 1:
            raise ChiasmError(f"wanted a sample between 0 and 1, a share of the files, got {sample!r}.")
        with self._alone(), tempfile.TemporaryDirectory() as scratch:
            saved = saved_at(model, Path(scratch))
            digest = recipe.digest_of(saved)
            if digest != self._catalog.fact("model"):
                self._turn(saved, digest, sample, keep, seed, progress)
            elif not self._catalog.mapped():
                told = f"{self.path} is searched by this model already: nothing was switched"
                warnings.warn(told, ChiasmWarning, stacklevel=2)
            self._update(False, progress)
        loss: dict[str, Any] = self.status()["switch"]
        return loss

    def _turn(self, saved: Path, digest: str, sample: float, keep: bool, seed: int, progress: Progress | None) -> None:
        """The new model's vectors, then the one step."""
        if left := self._catalog.mapped():
            raise ChiasmError(f"{left} files are still mapped by the last switch: update {self.path}, or roll it back.")
        new, old = recipe.load(saved), self.model
        mine, other = (sorted(one for one in part.views_.items() if one[1] in MEDIA) for part in (old, new))
        if mine != other:
            raise ChiasmError(
                f"wanted a model whose views of media are {dict(mine)}, got {dict(other)}: build another index with it."
            )
        self._sweep()
        self._mend(False)
        part = token()
        adopt(saved, self.path / model_name(digest))
        told: dict[str, Any] = {}
        leading: dict[int, bytes] = {}
        facts: dict[int, dict[str, Any]] = {}
        said = Said(self.path, self._catalog, new, self.columns, part)
        for view in self.media:
            sides = self._side(view, self.engine(view), old), self._side(view, self.engine(view, part), new)
            names, told[view] = carry(self._catalog, *sides, sample, seed, progress)
            leading |= names
            facts |= say_anew(said, view, self._catalog.items("state = 'searchable' AND view = ?", [view]))
        unmapped = [view for view, one in told.items() if not one["loss"]]
        before = dict(zip(("part", "model"), self._catalog.facts("part", "model"), strict=True))
        self._catalog.turn(
            leading, unmapped, facts, part=part, model=digest, before={**before, "keep": keep}, switch=told
        )
        note(self.path, self._told())
        self._taught_anew()

    def rollback(self, *, progress: Progress | None = None) -> dict[str, int]:
        """Go back to the model and the vectors before the last switch. Returns the ledger.

        What is new or has changed since is encoded first. The new model and its vectors are dropped.

        Raises a ChiasmError where nothing was switched, or the old vectors were not kept.
        """
        with self._alone():
            before = self._catalog.fact("before")
            if not before:
                raise ChiasmError(f"{self.path} has no earlier vectors to go back to: none were kept.")
            model, part = self._model_of(before["model"]), before["part"]
            leading: dict[int, bytes] = {}
            facts: dict[int, dict[str, Any]] = {}
            said = Said(self.path, self._catalog, model, self.columns, part)
            for view in self.media:
                since = self._catalog.since(view)
                leading |= encode(self._side(view, self.engine(view, part), model), since, progress)
                facts |= {item.id: item.facts for item in since} | say_anew(said, view, since)
            self._catalog.turn_back(leading, facts, part=part, model=before["model"], before=None, switch=None)
            self._taught_anew()
            self._update(False, progress)
        return self.ledger()

    def _taught_anew(self) -> None:
        """Taught names in the space that is searched now; which are lost is told once the folder was looked at."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ChiasmWarning)
            self._renew()

    def watch(self, *, progress: Progress | None = None) -> Iterator[dict[str, int]]:
        """Update whenever something changes in the folder; gives the ledger each time, for as long as it is asked.

        Raises a ChiasmError where the package watchfiles is missing.
        """
        try:
            import watchfiles
        except ImportError:
            raise ChiasmError("watching a folder needs a package: pip install 'chiasm[watch]'.") from None
        for _ in watchfiles.watch(*{self.folder, self._of}):
            yield self.update(progress=progress)

    def rebuild(self, *, progress: Progress | None = None) -> dict[str, int]:
        """Make all vectors anew, from the cache where it has them. Returns the ledger.

        Until a file is through it is waiting, and not found. See `renew` for an index that cannot be opened.
        """
        if not self.folder.is_dir():
            raise ChiasmError(away(self.folder))
        with self._alone():
            self._catalog.begin_anew(token())
            self._update(False, progress)
        return self.ledger()

    def _read_as(self, encoding: str) -> None:
        """Read texts beside media in an encoding from now on; those that were read in another are read again."""
        if encoding != (self._catalog.fact("encoding") or "utf-8"):
            self._catalog.set(encoding=encoding)
            self._catalog.change(
                "UPDATE items SET state = 'waiting', code = '' WHERE state = 'searchable' "
                "AND (code = 'caption_unread' OR json_extract(facts, '$.caption') IS NOT NULL)"
            )

    def _mend(self, thoroughly: bool) -> None:
        """After a death between the index and the ledger: what only one of them knows is done again.

        What was copied half, or is no index any more, is made anew.

        Args:
            thoroughly: what is damaged inside, too.
        """
        part = str(self._catalog.fact("part"))
        for view in self.media:
            if made_anew(partial(self.engine, view), self.path / self.vectors(view, part), thoroughly):
                self._engines.pop((part, view), None)
            index = self.engine(view)
            keys = set(index.keys().tolist())
            items = self._catalog.items("state = 'searchable' AND view = ?", [view])
            index.delete(sorted(keys - {key for item in items for key in keys_of(item)}))
            bad = set(getattr(index, "damaged", list)()) if thoroughly else set()
            lost = (item.id for item in items if self._lacks(item, keys) or bad.intersection(keys_of(item)))
            self._catalog.put({"id": id_, "state": "waiting"} for id_ in lost)
            self.said.mend(view, thoroughly)

    def _sweep(self) -> None:
        """What belongs to no part that counts goes."""
        keep = self._keep()
        self._engines = {at: held for at, held in self._engines.items() if at[0] in {part for part, _ in keep}}
        sweep(self.path, keep)

    def _told(self) -> dict[str, Any]:
        """What is noted beside the catalog."""
        return dict(zip(NOTED, self._catalog.facts(*NOTED), strict=True))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """As the only one that writes."""
        try:
            with (
                lock(self.path, f"another process is updating {self.path}: wait for it, or look with status."),
                whole(self.path),
            ):
                yield
        except PermissionError as error:
            place = error.filename or self.path
            raise ChiasmError(f"no permission to write {place}: {self.path} can be searched only.") from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ChiasmError(
                f"no space is left ({error.filename or self.path}): make room, then update {self.path}. What was "
                "counted is kept."
            ) from None


def renew(path: str | os.PathLike[str], *, progress: Progress | None = None) -> Collection:
    """Rebuild an index, also one whose catalog is damaged: anew from its model, its folder and the cache.

    Raises a ChiasmError where its model is damaged too.
    """
    home = Path(path).expanduser()
    try:
        made = Collection(home)
        made._catalog.check()
    except ChiasmError:
        told = noted(home)
        digest = told.pop("model")
        saved = home / model_name(digest)
        recipe.load(saved)
        if not Path(told["folder"]).is_dir():
            raise ChiasmError(f"the folder {told['folder']} is not there: mount it, or move it back.") from None
        with lock(home, f"another process is updating {home}: wait for it."):
            sweep(home, [("none", digest)])
            make(home, saved, told)
        made = Collection(home)
        made.update(progress=progress)
        return made
    made.rebuild(progress=progress)
    return made


def load(path: str | os.PathLike[str]) -> Any:
    """A collection, or any part that is saved at `path`, whichever lies there."""
    home = Path(path).expanduser()
    ours = (home / "catalog.sqlite").exists() or (home / "about.json").exists()
    return Collection(path) if ours else recipe.load(Path(path))
