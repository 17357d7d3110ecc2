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
from chiasm.files import database, transaction

__all__ = ["MEDIA", "STATES", "Catalog", "Item", "place_of"]

MEDIA = ("image", "audio", "video")
"""The modalities of files that a collection takes in."""

STATES = ("searchable", "failed", "waiting")
"""What a file can be; those that are gone are none of it."""

_FORMAT = 2
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
            if (file.parent / "about.json").is_file():
                if not any(one for part in ("vectors-*", "said-*") for one in file.parent.glob(part)):
                    raise ChiasmError(
                        f"{file.parent} has no {file.name} yet and no vectors: build it again, as before."
                    )
                raise ChiasmError(f"{file.parent} lacks its {file.name}: rebuild the index, or copy it again.")
            raise ChiasmError(f"{file.parent} is not an index: chiasm index build makes one.")
        with self.told():
            self._db = database(file)
            self._db.execute("PRAGMA synchronous=FULL")
            if new:
                self._make(tables)
            if (found := self.fact("format")) != _FORMAT:
                raise ChiasmError(
                    f"{file.parent} is an index of format {found}, this chiasm reads {_FORMAT}: build it anew."
                )

    def _make(self, tables: Iterable[str]) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        with transaction(self._db):
            self._db.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)")
            self._db.execute(
                "CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, view TEXT, stamp TEXT, "
                "content BLOB, state TEXT, code TEXT, message TEXT, facts TEXT, leading BLOB)"
            )
            self._db.execute(
                "CREATE TABLE kept (id INTEGER PRIMARY KEY, name TEXT, stamp TEXT, state TEXT, code TEXT, "
                "message TEXT, facts TEXT, leading BLOB)"
            )
            self._db.execute("CREATE TABLE mapped (id INTEGER PRIMARY KEY)")
            self._db.execute("CREATE INDEX states ON items (state, code)")
            self._db.execute("CREATE INDEX contents ON items (content)")
            for table in tables:
                self._db.execute(table)
            self._db.execute("INSERT INTO facts VALUES ('format', ?)", (json.dumps(_FORMAT),))

    def fact(self, name: str) -> Any:
        """What was set by this name, or None."""
        return self.facts(name)[0]

    def facts(self, *names: str) -> list[Any]:
        """What was set by these names, all at one moment."""
        with self._guard, self.told():
            marks = ", ".join("?" * len(names))
            found = dict(self._db.execute(f"SELECT name, value FROM facts WHERE name IN ({marks})", names).fetchall())
        return [json.loads(found[name]) if name in found else None for name in names]

    def set(self, **facts: Any) -> None:
        """Keep plain values by name."""
        with self._guard, self.told():
            self._say(**facts)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many items there are by state and code."""
        with self._guard, self.told():
            found = self._db.execute("SELECT state, code, COUNT(*) FROM items GROUP BY state, code").fetchall()
        return {(state, code): n for state, code, n in found}

    def searchable(self) -> dict[str, int]:
        """How many items are searchable, by view."""
        asked = "SELECT view, COUNT(*) FROM items WHERE state = 'searchable' GROUP BY view ORDER BY view"
        with self._guard, self.told():
            return dict(self._db.execute(asked).fetchall())

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
        with self._guard, self.told(), transaction(self._db):
            for item in items:
                held = {name: json.dumps(v) if name == "facts" else v for name, v in item.items() if name != "id"}
                if "id" in item:
                    marks = ", ".join(f"{name} = ?" for name in held)
                    self._db.execute(f"UPDATE items SET {marks} WHERE id = ?", (*held.values(), item["id"]))
                    if "content" in item or item.get("state", "searchable") != "searchable":  # taken in, or will be
                        self._db.execute("DELETE FROM mapped WHERE id = ?", (item["id"],))
                else:
                    whole = {"content": b"", "code": "", "message": "", "facts": "{}", "leading": b""} | held
                    marks = ", ".join("?" * len(whole))
                    self._db.execute(f"INSERT INTO items ({', '.join(whole)}) VALUES ({marks})", (*whole.values(),))

    def read(self, asked: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of this package's own, with ? for the values."""
        with self._guard, self.told():
            return self._db.execute(asked, values).fetchall()

    def state(self) -> tuple[int, int]:
        """What is another one after any change, of this process or another."""
        with self._guard, self.told():
            return int(self._db.execute("PRAGMA data_version").fetchone()[0]), self._db.total_changes

    def among(self, asked: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query that ends in IN, with any number of values."""
        listed, found = list(dict.fromkeys(values)), []
        for start in range(0, len(listed), _MANY):
            some = listed[start : start + _MANY]
            found += self.read(f"{asked} ({', '.join('?' * len(some))})", some)
        return found

    def change(self, asked: str, rows: Iterable[Sequence[Any]] = ((),)) -> None:
        """Do a change of this package's own for each row of values, all or none."""
        with self._guard, self.told(), transaction(self._db):
            self._db.executemany(asked, rows)

    def changes(self, changes: Iterable[tuple[str, Iterable[Sequence[Any]]]]) -> None:
        """Do several changes, each for its rows of values, all or none."""
        with self._guard, self.told(), transaction(self._db):
            for asked, rows in changes:
                self._db.executemany(asked, rows)

    def drop(self, ids: Iterable[int]) -> None:
        """Forget items."""
        with self._guard, self.told(), transaction(self._db):
            listed = [(id_,) for id_ in ids]
            for table in ("items", "mapped"):
                self._db.executemany(f"DELETE FROM {table} WHERE id = ?", listed)

    def begin_anew(self, part: str) -> None:
        """All items wait, for an index that is another part."""
        with self._guard, self.told(), transaction(self._db):
            self._db.execute("UPDATE items SET state = 'waiting', code = '', message = ''")
            self._db.execute("DELETE FROM mapped")
            self._say(part=part)

    def turn(
        self, leading: Mapping[int, bytes], unmapped: Iterable[str], told: Mapping[int, Any], **facts: Any
    ) -> None:
        """From now on another part answers: what was searchable is mapped, except what was encoded; what failed waits.

        Args:
            leading: by id, the leading names of what was encoded. unmapped: views of which the rest waits.
            told: by id, facts of items that are other ones in the new part. facts: what is set in the same step.
        """
        with self._guard, self.told(), transaction(self._db):
            self._db.execute("DELETE FROM kept")
            self._db.execute(
                "INSERT INTO kept SELECT id, name, stamp, state, code, message, facts, leading FROM items "
                "WHERE state != 'waiting'"
            )
            self._db.execute("UPDATE items SET state = 'waiting', code = '', message = '' WHERE state = 'failed'")
            self._db.execute("UPDATE items SET leading = x'' WHERE state = 'searchable'")
            self._db.execute("DELETE FROM mapped")
            self._db.execute("INSERT INTO mapped SELECT id FROM items WHERE state = 'searchable'")
            rows = [(names, id_) for id_, names in leading.items()]
            self._db.executemany("UPDATE items SET leading = ? WHERE id = ?", rows)
            self._db.executemany("DELETE FROM mapped WHERE id = ?", ((id_,) for _, id_ in rows))
            waits = "UPDATE items SET state = 'waiting', code = '' WHERE view = ? AND id IN (SELECT id FROM mapped)"
            self._db.executemany(waits, ((view,) for view in unmapped))
            self._db.execute("DELETE FROM mapped WHERE id IN (SELECT id FROM items WHERE state = 'waiting')")
            changed = ((json.dumps(one), id_) for id_, one in told.items())
            self._db.executemany("UPDATE items SET facts = ? WHERE id = ?", changed)
            self._say(**facts)

    def since(self, view: str) -> list[Item]:
        """The searchable items of a view that are new or have changed since `turn`."""
        known = "SELECT 1 FROM kept WHERE kept.id = items.id AND kept.name = items.name AND kept.stamp = items.stamp"
        return self.items(f"state = 'searchable' AND view = ? AND NOT EXISTS ({known})", [view])

    def turn_back(self, leading: Mapping[int, bytes], told: Mapping[int, Any], **facts: Any) -> None:
        """As it was before `turn`; what is new or has changed since waits, except what was encoded.

        Args:
            leading: by id, the leading names of what was encoded; told: their facts. facts: what is set in the same
                step.
        """
        with self._guard, self.told(), transaction(self._db):
            self._db.execute("UPDATE items SET state = 'waiting', code = '', message = '', leading = x''")
            self._db.execute(
                "UPDATE items SET state = kept.state, code = kept.code, message = kept.message, facts = kept.facts, "
                "leading = kept.leading FROM kept "
                "WHERE kept.id = items.id AND kept.name = items.name AND kept.stamp = items.stamp"
            )
            rows = ((names, json.dumps(told[id_]), id_) for id_, names in leading.items())
            encoded = "UPDATE items SET state = 'searchable', leading = ?, facts = ? WHERE id = ? AND state = 'waiting'"
            self._db.executemany(encoded, rows)
            self._db.execute("DELETE FROM kept")
            self._db.execute("DELETE FROM mapped")
            self._say(**facts)

    def mapped(self) -> int:
        """How many searchable items have vectors that were mapped, and are yet to be encoded."""
        asked = "SELECT COUNT(*) FROM mapped JOIN items USING (id) WHERE state = 'searchable'"
        return int(self.read(asked)[0][0])

    def forget(self, **facts: Any) -> None:
        """What was before `turn` is known no more."""
        with self._guard, self.told(), transaction(self._db):
            self._db.execute("DELETE FROM kept")
            self._say(**facts)

    def _say(self, **facts: Any) -> None:
        told = [(name, json.dumps(value)) for name, value in facts.items()]
        self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", told)

    def close(self) -> None:
        """Write what SQLite keeps apart into the file itself, which can be moved then."""
        with self._guard, self.told():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()

    def check(self) -> None:
        """Raise a ChiasmError where SQLite says that the file is damaged."""
        with self._guard, self.told():
            if (said := self._db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise ChiasmError(f"{self.file} is damaged ({said[:80]}): rebuild the index.")

    @contextmanager
    def told(self) -> Iterator[None]:
        """What SQLite has to say as one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            home = self.file.parent
            if "full" in str(error):
                raise ChiasmError(f"no space is left for the index {home}: make room, then update it.") from None
            if "readonly" in str(error):
                raise ChiasmError(f"no permission to write the index {home}: it can be searched.") from None
            if "no such" in str(error):
                raise ChiasmError(f"{self.file} is damaged ({error}): rebuild the index.") from None
            raise ChiasmError(f"the index {home} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise ChiasmError(f"{self.file} is damaged ({error}): rebuild the index.") from None


def place_of(model: Any, view: str) -> int:
    """The number of a view of media in the names of folders, the same for every model that has the same ones."""
    return sorted(name for name, kind in model.views_.items() if kind in MEDIA).index(view)


def _item(row: tuple[Any, ...]) -> Item:
    item = Item(*row)
    return item._replace(facts=json.loads(row[Item._fields.index("facts")]))
