"""The ledger of a collection in SQLite: every file that was seen, what it is now, and why it failed."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chiasm.errors import ChiasmError

__all__ = ["STATES", "Catalog", "Item"]

STATES = ("searchable", "failed", "waiting")
"""What a file can be; those that are gone are none of it."""

_FORMAT = 1
_MANY = 500


class Item(NamedTuple):
    """A file of the collection."""

    id: int
    """Its key in the index, the same for as long as its content is here, whatever it is called."""
    name: str
    """The path below the folder."""
    view: str
    stamp: str
    """Size and time: what has the same is not read again."""
    content: bytes
    """A hash of the bytes; empty where it has not been read."""
    state: str
    code: str
    message: str
    facts: dict[str, Any]
    leading: bytes


_FIELDS = ", ".join(Item._fields)


class Catalog:
    """The file `catalog.sqlite` of a collection. Safe for threads; processes read while one writes.

    Args:
        new: make it. tables: what a new one has beside facts and items, as SQL.
    """

    def __init__(self, file: Path, new: bool = False, tables: Iterable[str] = ()):
        self.file = file
        self._guard = threading.RLock()
        if not new and not file.is_file():
            raise ChiasmError(f"{file.parent} is not an index: chiasm index build makes one.")
        with self.told():
            self._db = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous=FULL")
            if new:
                self._make(tables)
            if (found := self.fact("format")) != _FORMAT:
                raise ChiasmError(f"{file.parent} is an index of format {found}, this chiasm reads {_FORMAT}.")

    def _make(self, tables: Iterable[str]) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        with self.transaction():
            self._db.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)")
            self._db.execute(
                "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, view TEXT, stamp TEXT, "
                "content BLOB, state TEXT, code TEXT, message TEXT, facts TEXT, leading BLOB)"
            )
            self._db.execute("CREATE INDEX states ON items (state, code)")
            self._db.execute("CREATE INDEX contents ON items (content)")
            for table in tables:
                self._db.execute(table)
            self._db.execute("INSERT INTO facts VALUES ('format', ?)", (json.dumps(_FORMAT),))

    def fact(self, name: str) -> Any:
        """What was set by this name, or None."""
        with self._guard, self.told():
            found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def set(self, **facts: Any) -> None:
        """Keep plain values by name."""
        with self._guard, self.told():
            told = [(name, json.dumps(value)) for name, value in facts.items()]
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", told)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many items there are by state and code."""
        with self._guard, self.told():
            found = self._db.execute("SELECT state, code, COUNT(*) FROM items GROUP BY state, code").fetchall()
        return {(state, code): n for state, code, n in found}

    def stamps(self) -> dict[str, tuple[int, str, str]]:
        """Name -> (id, stamp, state) of all items."""
        with self._guard, self.told():
            found = self._db.execute("SELECT name, id, stamp, state FROM items").fetchall()
        return {name: (id_, stamp, state) for name, id_, stamp, state in found}

    def items(self, where: str = "1", values: Sequence[Any] = (), limit: int = -1) -> list[Item]:
        """Items in the order of their ids; `where` is a condition of this package's own, with ? for the values."""
        with self._guard, self.told():
            asked = f"SELECT {_FIELDS} FROM items WHERE {where} ORDER BY id LIMIT ?"
            return [_item(row) for row in self._db.execute(asked, (*values, limit))]

    def by_id(self, ids: Iterable[int]) -> dict[int, Item]:
        """The items with these ids, as far as there are any."""
        listed, found = list(dict.fromkeys(ids)), {}
        for start in range(0, len(listed), _MANY):
            some = listed[start : start + _MANY]
            marks = ", ".join("?" * len(some))
            found.update({item.id: item for item in self.items(f"id IN ({marks})", some)})
        return found

    def put(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Insert items (without id) or change some fields of those with an id, all or none."""
        with self._guard, self.told(), self.transaction():
            for item in items:
                held = {name: json.dumps(v) if name == "facts" else v for name, v in item.items() if name != "id"}
                if "id" in item:
                    marks = ", ".join(f"{name} = ?" for name in held)
                    self._db.execute(f"UPDATE items SET {marks} WHERE id = ?", (*held.values(), item["id"]))
                else:
                    whole = {"content": b"", "code": "", "message": "", "facts": "{}", "leading": b""} | held
                    marks = ", ".join("?" * len(whole))
                    self._db.execute(f"INSERT INTO items ({', '.join(whole)}) VALUES ({marks})", (*whole.values(),))

    def read(self, asked: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of this package's own, with ? for the values."""
        with self._guard, self.told():
            return self._db.execute(asked, values).fetchall()

    def among(self, asked: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query that ends in IN, with any number of values."""
        listed, found = list(dict.fromkeys(values)), []
        for start in range(0, len(listed), _MANY):
            some = listed[start : start + _MANY]
            found += self.read(f"{asked} ({', '.join('?' * len(some))})", some)
        return found

    def change(self, asked: str, rows: Iterable[Sequence[Any]] = ((),)) -> None:
        """Do a change of this package's own for each row of values, all or none."""
        with self._guard, self.told(), self.transaction():
            self._db.executemany(asked, rows)

    def changes(self, changes: Iterable[tuple[str, Iterable[Sequence[Any]]]]) -> None:
        """Do several changes, each for its rows of values, all or none."""
        with self._guard, self.told(), self.transaction():
            for asked, rows in changes:
                self._db.executemany(asked, rows)

    def drop(self, ids: Iterable[int]) -> None:
        """Forget items."""
        with self._guard, self.told(), self.transaction():
            self._db.executemany("DELETE FROM items WHERE id = ?", ((id_,) for id_ in ids))

    def begin_anew(self) -> None:
        """All items wait, for an index that is another part."""
        with self._guard, self.told(), self.transaction():
            self._db.execute("UPDATE items SET state = 'waiting', code = '', message = ''")
            self._db.execute("UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'part'")

    def close(self) -> None:
        """Write what SQLite keeps apart into the file itself, which can be moved then."""
        with self._guard, self.told():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    def check(self) -> None:
        """Raise a ChiasmError where SQLite says that the file is damaged."""
        with self._guard, self.told():
            if (said := self._db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise ChiasmError(f"{self.file} is damaged ({said[:80]}): build the index again.")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def told(self) -> Iterator[None]:
        """What SQLite has to say as one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ChiasmError(f"the index {self.file.parent} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise ChiasmError(f"{self.file} is damaged ({error}): build the index again.") from None


def _item(row: tuple[Any, ...]) -> Item:
    item = Item(*row)
    return item._replace(facts=json.loads(row[Item._fields.index("facts")]))
