"""A single file more, and marks that are kept: what users of a collection give back while they search."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from chiasm.collection._intake import Beside, content_of, take_in
from chiasm.collection._scan import stamp
from chiasm.collection._teaching import WAIT
from chiasm.collection._telling import Telling
from chiasm.data.folder import modality_of
from chiasm.errors import ChiasmError
from chiasm.files import lock, sync

__all__ = ["Adding", "Marks"]

_LONGEST = 100
_DRAFT = ".chiasm-new-"
_STALE = 600.0
_MARKS = (
    "CREATE TABLE IF NOT EXISTS judged (words TEXT, who TEXT, id INTEGER, sign INTEGER, PRIMARY KEY (words, who, id))"
)
_OLDER = "marks"
"""The table of before it was kept whose marks they are."""


class Marks(NamedTuple):
    """Marked files that count, by their names as `hits` takes them."""

    more: list[str]
    less: list[str]
    notes: list[str]
    """Which marked files do not count, and why, in sentences."""


class Adding(Telling):
    """A collection that files are added to one by one, and that keeps what was right and wrong."""

    def add(self, draft: str | os.PathLike[str], name: str) -> int:
        """Take in one file more, without looking at the folder again; its key. It is moved into the folder.

        A file whose bytes are there already is not kept twice, broken or not: the key is that of the one that is there.

        When this returns the file is on disk and the ledger counts it: as searchable, or as failed with the reason.

        Args:
            draft: the file, on the same disk as the folder. name: what it is to be called; one that is taken gets a
                number.

        Raises a ChiasmError for a name of another kind, and for a collection of a table; a BusyError where another
        process has been writing for five seconds, and goes on.
        """
        if self._catalog.fact("table"):
            raise ChiasmError(
                "wanted a collection of a folder to add to, got one of a table: add a row to it, and update."
            )
        kind = modality_of(name)
        view = next((view for view, modality in self.model.views_.items() if modality == kind), None)
        if view is None:
            held = ", ".join(sorted(set(self.model.views_.values()) & {"image", "audio", "video"}))
            raise ChiasmError(f"wanted a file of {held}, as its name ends, got {plain_name(name)!r}.")
        with lock(self.path, f"another process is updating {self.path}: wait for it.", WAIT):
            taken = "content = ? AND state IN ('searchable', 'failed')"
            same = self._catalog.items(taken, [content_of(Path(draft))])
            if there := [item.id for item in same if (self.folder / item.name).is_file()]:
                return there[0]
            path = _free(self.folder / plain_name(name))
            os.replace(draft, path)
            path.chmod(0o644)
            sync(path)
            sync(self.folder)
            told = {"name": path.name, "view": view, "stamp": stamp(path), "state": "waiting"}
            self._catalog.put([told])
            beside = Beside({path.name: None}, {})
            take_in(self._catalog, self.model, self.folder, self.columns, self.engine, beside, self.said, None)
        return int(self.keys([path.name])[path.name])

    def draft(self) -> Path:
        """A new file in the folder to write to, which nobody sees, for `add`."""
        handle, name = _hidden(self.folder)
        os.close(handle)
        return Path(name)

    def drop_drafts(self) -> None:
        """Remove drafts that nobody has written to for ten minutes: whoever began them died."""
        for path in self.folder.glob(f"{_DRAFT}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()

    def mark(self, words: str, more: Sequence[int] = (), less: Sequence[int] = (), who: str = "") -> None:
        """Keep which files, by their keys, were right and wrong for some words.

        Args:
            who: whose marks they are; they take the place of what this one marked for these words, and of no other's.
        """
        key = _folded(words)
        rows = [(key, who, id_, sign) for ids, sign in ((more, 1), (less, -1)) for id_ in dict.fromkeys(ids)]
        older: list[tuple[str, list[tuple[str, ...]]]] = []
        if self._has(_OLDER):
            older = [("INSERT OR IGNORE INTO judged SELECT words, '', id, sign FROM marks", [()])]
            older += [("DROP TABLE marks", [()])]
        self._catalog.change(_MARKS)
        self._catalog.changes(
            [
                *older,
                ("DELETE FROM judged WHERE words = ? AND who = ?", [(key, who)]),
                ("INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?)", rows),
            ]
        )

    def marks(self, words: str, view: str | None = None) -> Marks:
        """The files that were right and those that were wrong for some words, as far as they count (see `counted`).

        Of several people's marks the sum counts: a file that as many call right as wrong is neither.
        """
        tables = [name for name in ("judged", _OLDER) if self._has(name)]
        if not tables:
            return Marks([], [], [])
        each = " UNION ALL ".join(f"SELECT words, id, sign FROM {name}" for name in tables)
        found = self._catalog.read(
            f"SELECT id, SUM(sign) FROM ({each}) WHERE words = ? GROUP BY id ORDER BY id", (_folded(words),)
        )
        right, wrong = ([id_ for id_, sum_ in found if sign * sum_ > 0] for sign in (1, -1))
        return self.counted(right, wrong, view)

    def counted(self, more: Sequence[int], less: Sequence[int], view: str | None = None) -> Marks:
        """Which marked files, by their keys, count: those that are there, could be read, and are of a view.

        Args:
            view: whose files answer; left out, any.
        """
        items = self._catalog.by_id([*more, *less])
        left = Counter[str]()

        def names(keys: Sequence[int]) -> list[str]:
            found = []
            for key in dict.fromkeys(keys):
                item = items.get(key)
                if item is None or not (self.folder / item.name).is_file():
                    left["gone"] += 1
                elif item.state != "searchable":
                    left["could not be read" if item.state == "failed" else "not taken in yet"] += 1
                elif view not in (None, item.view):
                    left["of another kind than what answers"] += 1
                else:
                    found.append(item.name)
            return found

        plus, minus = names(more), names(less)
        notes = [f"marked files that did not count: {n}, {why}" for why, n in left.items()]
        return Marks(plus, minus, notes)

    def _has(self, table: str) -> bool:
        """Whether there is such a table: those of marks are made when something is first marked."""
        return bool(self._catalog.read("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    def keys(self, names: Iterable[str]) -> dict[str, int]:
        """The keys of files by their names."""
        return dict(self._catalog.among("SELECT name, id FROM items WHERE name IN", names))

    def mentioned(self, sentence: str) -> list[tuple[str, int]]:
        """The files that a sentence names, by their paths below the folder or by the last parts: (name, key).

        The longest names first: they may hold others.
        """
        last = "replace(name, rtrim(name, replace(name, '/', '')), '')"  # what stands behind the last /
        found = self._catalog.read(f"SELECT name, {last}, id FROM items WHERE instr(?, {last}) > 0", (sentence,))
        each = {name: key for whole, short, key in found for name in (short, whole) if name in sentence}
        return sorted(each.items(), key=lambda pair: (-len(pair[0]), pair[0]))


def plain_name(name: str) -> str:
    """A name that leads nowhere: the last part, no signs that shells or file systems read, not hidden."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1].strip()
    kept = "".join(c if c.isalnum() or c in " ._-()" else "_" for c in last if c.isprintable()).rstrip(" .")
    stem, dot, suffix = kept.rpartition(".")
    stem = stem.strip(" .")
    while len((stem + dot + suffix).encode()) > _LONGEST:
        stem = stem[:-1]
    return f"{stem or ('file' if dot else '')}{dot}{suffix}" or "file"


def _free(path: Path) -> Path:
    """A path that is not taken."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _hidden(folder: Path) -> tuple[int, str]:
    with contextlib.suppress(FileNotFoundError):
        return tempfile.mkstemp(prefix=_DRAFT, dir=folder)
    raise ChiasmError("the folder of the collection is not there: mount it, or move it back.")


def _folded(words: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", words).casefold().split())
