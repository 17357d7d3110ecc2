"""Collection: a model, the ledger of a folder's files, and their vectors in an index, as one folder that is kept up."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chiasm import recipe, registry
from chiasm.collection import _alike, _passed
from chiasm.collection._adding import Adding
from chiasm.collection._asking import MEDIA
from chiasm.collection._catalog import STATES, Catalog, Item
from chiasm.collection._intake import look_again, take_in
from chiasm.collection._moments import keys_of
from chiasm.collection._table import Plan, planned
from chiasm.data.cells import composed
from chiasm.data.read import names_of
from chiasm.data.source import Source
from chiasm.data.text_file import checked_encoding
from chiasm.errors import ChiasmError
from chiasm.files import lock
from chiasm.media.ocr import check_reader
from chiasm.scale import Progress

__all__ = ["COLUMNS", "Collection", "load"]

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
        index: str = "exact",
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
            index: an index's name. place: know where pictures were taken, too.
            root: the folder that a table's paths are below; left out, the table's. column: of a table, which has the
                paths; left out, the one that the model's files were read from.
            window: long sounds and videos are searched by moments of so many seconds; left out, of those that the model
                learned from. It holds from the first `build` on.
            read_text: read the text in pictures, too (`chiasm.media.ocr`, some .35 s of a core a picture).
            encoding: of the texts beside media ("gb18030"); left out, as before, at first UTF-8 or what they begin as.

        Raises a ChiasmError where `path` holds something else, or an index of another model or folder.
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
        registry.get("index", index)
        checked_encoding(encoding or "utf-8")
        with tempfile.TemporaryDirectory() as scratch:
            saved = _saved(model, Path(scratch))
            if not (at / "catalog.sqlite").exists():
                if read_text:
                    check_reader()
                columns = COLUMNS | (PLACE if place else {}) | (WORDS if read_text else {})
                plan = _plan(saved, given, column, columns, encoding) if given.is_file() else None
                columns |= plan.types if plan else {}
                _make(at, saved, source, index, columns, table=plan, windows=_windows(saved, window))
            made = cls(at)
            if (made.folder, made._of) != (source, given):
                raise ChiasmError(f"{at} is the index of {made._of}, got {given}: name another place.")
            if recipe.digest_of(saved) != made._catalog.fact("model"):
                raise ChiasmError(f"{at} was built with another model: rebuild it with this one.")
            if read_text and not set(WORDS) <= set(made.columns):
                raise ChiasmError(f"{at} was built without reading the text in pictures: build another that does.")
        if encoding is not None and not given.is_file():
            made._read_as(encoding)
        made.update(progress=progress)
        return made

    def update(self, *, retry: bool = False, progress: Progress | None = None) -> dict[str, int]:
        """Look at the folder again; what is new or changed is encoded, what is gone is found no more.

        Files whose size and time are as they were are not opened; one that was moved or renamed is known by its bytes.

        Args:
            retry: try what has failed again (a package was installed). Returns the ledger.

        Raises a ChiasmError where another process is at it, or the folder is not there (nothing is forgotten then).
        """
        busy = f"another process is updating {self.path}: wait for it, or look with status."
        with lock(self.path, busy):
            views = {name: kind for name, kind in self.model.views_.items() if kind in MEDIA}
            self._mend(views)
            gone, captions = look_again(self._catalog, self.folder, views, retry, progress)
            for view in views:
                self.engine(view).delete(gone)
                self.said.delete(view, gone)
            changed = bool(gone) or self.ledger()["waiting"] > 0
            take_in(self._catalog, self.model, self.folder, self.columns, self.engine, captions, self.said, progress)
            for view in views:
                self.said.sample(view, self.engine(view), changed)
            pictures = [view for view, kind in views.items() if kind == "image"]
            _alike.group(self._catalog, self.folder, pictures, progress)
            self._renew()
        return self.ledger()

    def watch(self, *, progress: Progress | None = None) -> Iterator[dict[str, int]]:
        """Update whenever something changes in the folder; gives the ledger each time, for as long as it is asked.

        Raises a ChiasmError where the package watchfiles is missing.
        """
        try:
            import watchfiles
        except ImportError:
            raise ChiasmError("watching a folder needs a package: pip install 'chiasm[watch]'.") from None
        for _ in watchfiles.watch(*{self.folder, self._of}, raise_interrupt=False):
            yield self.update(progress=progress)

    def ledger(self) -> dict[str, int]:
        """How many files were seen, and how many of them are searchable, failed and waiting."""
        counts = Counter[str]()
        for (state, _), n in self._catalog.counts().items():
            counts[state] += n
        return {"seen": sum(counts.values()), **{state: counts[state] for state in STATES}}

    def status(self) -> dict[str, Any]:
        """What it is and holds, as plain values: `ledger`; by reason `failed`, `noted`, `passed_over`; and more."""
        failed = {code: n for (state, code), n in sorted(self._catalog.counts().items()) if state == "failed"}
        noted = {
            code: n for (state, code), n in sorted(self._catalog.counts().items()) if state == "searchable" and code
        }
        size = sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        return {
            "index": str(self.path),
            "folder": str(self.folder),
            **({"table": str(self._of)} if self._of != self.folder else {}),
            "columns": self.columns,
            "views": {view: len(self.engine(view)) for view, kind in self.model.views_.items() if kind in MEDIA},
            "texts": {view: self.said.counts(view) for view, kind in self.model.views_.items() if kind in MEDIA},
            "engine": self._catalog.fact("engine"),
            "ledger": self.ledger(),
            "failed": failed,
            "noted": noted,
            "passed_over": _passed.counts(self._catalog),
            "looked": self._catalog.fact("looked"),
            "MiB": round(size / 2**20, 1),
        }

    def failures(self) -> list[dict[str, str]]:
        """The files that failed: name, code and message."""
        found = self._catalog.items("state = 'failed'")
        return [{"file": item.name, "code": item.code, "message": item.message} for item in found]

    def notes(self) -> list[dict[str, str]]:
        """Files that are searchable, but of which something was altered or not read: name, code and message."""
        found = self._catalog.items("state = 'searchable' AND code <> ''")
        return [{"file": item.name, "code": item.code, "message": item.message} for item in found]

    def passed(self) -> list[dict[str, str]]:
        """The files of the folder that are no items, such as hidden ones: name, code and message."""
        return _passed.listed(self._catalog)

    def duplicates(self) -> list[dict[str, Any]]:
        """Every group of files that a search shows as one: the largest as `file`, the others by level, as in `hits`."""
        return _alike.duplicates(self._catalog, self.folder)

    def verify(self) -> dict[str, Any]:
        """Whether all is as it was written: `sound`, and the files whose vectors are `damaged`, `missing` or `stray`.

        Raises a ChiasmError where more than vectors is damaged: the index has to be built again.
        """
        self._catalog.check()
        damaged: list[str] = []
        missing: list[str] = []
        stray = 0
        for view, kind in self.model.views_.items():
            if kind in MEDIA:
                index = self.engine(view)
                keys = set(index.keys().tolist())
                items = self._catalog.items("state = 'searchable' AND view = ?", [view])
                there = {key: item.name for item in items for key in keys_of(item)}
                broken = [there.get(key, str(key)) for key in getattr(index, "damaged", list)()]
                damaged += dict.fromkeys(broken)
                missing += [item.name for item in items if self._lacks(item, keys)]
                stray += len(keys - set(there))
                more = self.said.verify(view)
                damaged, missing, stray = damaged + more[0], missing + more[1], stray + more[2]
        sound = not damaged and not missing and not stray
        return {"sound": sound, "damaged": damaged, "missing": missing, "stray": stray, "ledger": self.ledger()}

    def rebuild(self, model: Any = None, *, progress: Progress | None = None) -> dict[str, int]:
        """Make all vectors anew, from the cache where it has them; with another model where one is given.

        Until a file is through it is waiting, and not found. Returns the ledger.
        """
        if not self.folder.is_dir():
            raise ChiasmError(f"the folder {self.folder} is not there: mount it, or move it back.")
        with lock(self.path, f"another process is updating {self.path}: wait for it."):
            if model is not None:
                with tempfile.TemporaryDirectory() as scratch:
                    saved = _saved(model, Path(scratch))
                    mine, other = (
                        [one for one in part.views_.items() if one[1] in MEDIA]
                        for part in (self.model, recipe.load(saved))
                    )
                    if mine != other:
                        raise ChiasmError(
                            f"wanted a model whose views of media are {dict(mine)}, got {dict(other)}: build another "
                            "index with it."
                        )
                    shutil.rmtree(self.path / "model")
                    shutil.copytree(saved, self.path / "model")
                    self._catalog.set(model=recipe.digest_of(saved))
                self.model = recipe.load(self.path / "model")
            old = self._catalog.fact("part")
            self._catalog.begin_anew()
            for folder in (*self.path.glob(f"vectors-{old}-*"), *self.path.glob(f"said-{old}-*")):
                shutil.rmtree(folder)
            self._engines.clear()
            self._said = None
        return self.update(progress=progress)

    @property
    def _of(self) -> Path:
        """The folder or the table that it is of."""
        plan = self._catalog.fact("table")
        return Path(Plan(*plan).table) if plan else self.folder

    def _read_as(self, encoding: str) -> None:
        """Read texts beside media in an encoding from now on; those that were read in another are read again."""
        if encoding != (self._catalog.fact("encoding") or "utf-8"):
            self._catalog.set(encoding=encoding)
            self._catalog.change(
                "UPDATE items SET state = 'waiting', code = '' WHERE state = 'searchable' "
                "AND (code = 'caption_unread' OR json_extract(facts, '$.caption') IS NOT NULL)"
            )

    def _mend(self, views: Mapping[str, str]) -> None:
        """After a death between the index and the ledger: what only one of them knows is done again."""
        for view in views:
            index = self.engine(view)
            keys = set(index.keys().tolist())
            items = self._catalog.items("state = 'searchable' AND view = ?", [view])
            index.delete(sorted(keys - {key for item in items for key in keys_of(item)}))
            self._catalog.put({"id": item.id, "state": "waiting"} for item in items if self._lacks(item, keys))
            self.said.mend(view)

    @staticmethod
    def _lacks(item: Item, keys: set[int]) -> bool:
        """Whether an item has no vector; of moments some may be missing where they could not be read."""
        held = keys_of(item)
        return not any(key in keys for key in held) if item.code == "moments_unread" else not keys.issuperset(held)


def load(path: str | os.PathLike[str]) -> Any:
    """A collection, or any part that is saved at `path`, whichever lies there."""
    return Collection(path) if (Path(path).expanduser() / "catalog.sqlite").exists() else recipe.load(Path(path))


def _saved(model: Any, scratch: Path) -> Path:
    """Where a model that searches is saved, saved to a new folder first where it is not."""
    saved = Path(model).expanduser() if isinstance(model, str | os.PathLike) else scratch / "model"
    if saved == scratch / "model":
        recipe.save(model, saved)
    elif not hasattr(part := recipe.load(saved), "placed"):
        raise ChiasmError(
            f"wanted a model that searches, got {model}, which is a {type(part).__name__.lower()} model: fit one with "
            "the task retrieve."
        )
    return saved


def _plan(saved: Path, table: Path, column: str | None, own: Mapping[str, str], encoding: str | None) -> Plan:
    """How a table is read: of the model's media those whose column it has, or the one that is named."""
    part = recipe.load(saved)
    source = Source.of(part)
    media = {view: kind for view, kind in part.views_.items() if kind in MEDIA}
    if column is not None:
        if len(media) > 1:
            raise ChiasmError(f"wanted no column where a model has several views of media: {', '.join(media)}.")
        paths = {composed(column): kind for kind in media.values()}
    else:
        paths = {names_of(getattr(source, kind)).get(view, view): kind for view, kind in media.items()}
    return planned(table, paths, own, encoding or source.encoding)


def _windows(saved: Path, window: float | None) -> dict[str, float]:
    """How long a moment is, in seconds, by view of sounds or videos."""
    part = recipe.load(saved)
    timed = [view for view, kind in part.views_.items() if kind in ("audio", "video")]
    if window is not None and (not timed or not window > 0):
        asked = "seconds above 0" if timed else "no window of a model that reads neither sounds nor videos"
        raise ChiasmError(f"wanted {asked}, got window={window}.")
    usual = getattr(part, "seconds_", {})
    return {view: seconds for view in timed if (seconds := window or usual.get(view))}


def _make(at: Path, saved: Path, source: Path, index: str, columns: Mapping[str, str], **more: Any) -> None:
    """The folder of a new collection, whole or not at all."""
    if at.exists() and (not at.is_dir() or any(at.iterdir())):
        raise ChiasmError(f"{at} holds something else than an index: name a place that is new or empty.")
    at.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=at.parent))
    try:
        shutil.copytree(saved, draft / "model")
        catalog = Catalog(draft / "catalog.sqlite", new=True, tables=_alike.TABLES + _passed.TABLES)
        facts = {"folder": str(source), "engine": index, "columns": dict(columns), "part": 0}
        catalog.set(model=recipe.digest_of(saved), **facts, **more)
        catalog.close()
        draft.chmod(0o755)
        draft.replace(at)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
