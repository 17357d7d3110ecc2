"""An index in a folder: vectors in a file that only grows, keys and metadata in SQLite, which says what counts.

`vectors-G.f32` holds row after row; a row counts once the transaction that names it is committed, after the vectors
are on disk. What a writer that died had appended beyond is written over by the next. Every row has a checksum.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError, Damaged
from chiasm.files import database, lock, sync, transaction
from chiasm.index._held import Held

__all__ = ["Journal", "Moved"]

_FORMAT = 1
_WAIT = 60.0
"""Seconds that a writer waits for another."""
_CHUNK = 16_384
_OURS = re.compile(r"vectors-\d+\.f32")
_NAMED = 500
"""Keys that one statement asks for."""


class Moved(Exception):  # noqa: N818 - no error: the caller asks again
    """The rows that were asked about are elsewhere now: ask what is held again."""


class Journal:
    """The folder of one index, opened or made. Safe for threads; processes read while one writes.

    Args:
        path: the folder. columns: name -> type of the metadata.

    Raises a ChiasmError for a folder that holds something else, another format or other columns, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], columns: Mapping[str, str]):
        self.path = Path(path).expanduser()
        self.columns = dict(columns)
        self._guard = threading.RLock()
        self._seen: tuple[int, int] | None = None
        self._held: Held | None = None
        self._line: object = None
        self._part = -1
        if self.path.exists() and not self.path.is_dir():
            raise ChiasmError(f"wanted a folder to keep the index in, got the file {self.path}.")
        self.path.mkdir(parents=True, exist_ok=True)
        new = not (self.path / "rows.sqlite").exists()
        beside = [name for name in os.listdir(self.path) if not name.startswith(".")]
        if any(_OURS.fullmatch(name) for name in beside) and (new or not (self.path / "rows.sqlite").stat().st_size):
            raise Damaged(f"{self.path} lacks its rows.sqlite, or has an empty one (copied half, or damaged)")
        if new and beside:
            raise ChiasmError(f"{self.path} holds something else than an index: name a folder that is new or empty.")
        with self._told():
            self._db = database(self.path / "rows.sqlite", _WAIT)
            self._db.execute("PRAGMA synchronous=FULL")
            if new or not self._made():
                self._make()
            if (found := self._fact("format")) != _FORMAT:
                raise ChiasmError(f"{self.path} is of format {found}, this chiasm reads {_FORMAT}: build it again.")
        kept = self._fact("columns")
        if kept != self.columns:
            raise ChiasmError(
                f"{self.path} was made with the columns {_shown(kept)}, got {_shown(self.columns)}: open it with "
                "its own, or make another."
            )

    def _made(self) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lately'").fetchone() is not None

    def _make(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        typed = "".join(
            f", m{i} {'REAL' if t in ('number', 'date') else 'TEXT'}" for i, t in enumerate(self.columns.values())
        )
        with lock(self.path), transaction(self._db):
            self._db.execute("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT)")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS rows (row INTEGER PRIMARY KEY, key, alive INTEGER, changed INTEGER, "
                f"sum INTEGER{typed})"
            )
            self._db.execute("CREATE UNIQUE INDEX IF NOT EXISTS one ON rows (key) WHERE alive")
            self._db.execute("CREATE INDEX IF NOT EXISTS lately ON rows (changed)")
            first = {"format": _FORMAT, "columns": self.columns, "version": 0, "part": 0, "width": 0}
            self._db.executemany(
                "INSERT OR IGNORE INTO facts VALUES (?, ?)", [(k, json.dumps(v)) for k, v in first.items()]
            )

    def held(self) -> Held:
        """What is committed now, by this process or another."""
        with self._guard, self._told():
            commits = self._db.execute("PRAGMA data_version").fetchone()[0]
            if self._held is None or self._seen is None or self._seen[0] != commits:
                self._read(commits)
            assert self._held is not None
            return self._held

    def _read(self, commits: int) -> None:
        """Take in what has changed since it was read last."""
        with transaction(self._db, "DEFERRED"):
            version, part, width = (self._fact(name) for name in ("version", "part", "width"))
            known, since = self._held, -1
            if known is not None and known.line is self._line and self._part == part and self._seen is not None:
                since = self._seen[1]
            else:
                known = None
            found = self._db.execute(
                "SELECT row, key, alive FROM rows WHERE changed > ? ORDER BY row", (since,)
            ).fetchall()
        before = 0 if known is None else len(known.keys)
        fresh = [key for row, key, _ in found if row >= before]
        whole = bool(fresh) and all(isinstance(key, int) for key in fresh)
        keys = np.array(fresh, dtype=np.int64 if whole else object)
        alive = np.ones(before + len(fresh), dtype=bool)
        if known is not None:
            keys = np.concatenate([known.keys, keys]) if len(fresh) else known.keys
            alive[:before] = True if known.alive is None else known.alive
        alive[[row for row, _, living in found if not living]] = False
        vectors = self._mapped(part, len(keys), width)
        if known is None:
            self._line, self._part = object(), part
        table = _Table(self, part, len(keys))
        self._held = Held(keys, vectors, None if alive.all() else alive, table, self._line)
        self._seen = (commits, version)

    def _mapped(self, part: int, count: int, width: int) -> np.ndarray:
        if not count:
            return np.zeros((0, width), dtype=np.float32)
        file = self._file(part)
        size = file.stat().st_size if file.exists() else 0
        if size < 4 * count * width:
            raise Damaged(f"{file} is not whole ({size} of {4 * count * width} bytes; copied half, or damaged)")
        return np.memmap(file, dtype=np.float32, mode="r", shape=(count, width))

    def column(self, name: str, count: int, part: int) -> np.ndarray:
        """`(count,)` a column of the metadata; a `Moved` where the rows have been numbered anew since."""
        place, kind = list(self.columns).index(name), self.columns[name]
        with self._guard, self._told(), transaction(self._db, "DEFERRED"):
            if self._fact("part") != part:
                raise Moved
            found = self._db.execute(f"SELECT m{place} FROM rows WHERE row < ? ORDER BY row", (count,)).fetchall()
        if kind in ("number", "date"):
            return np.array([np.nan if value is None else value for (value,) in found], dtype=np.float64)
        return np.array([value or "" for (value,) in found], dtype=object)

    def write(self, keys: np.ndarray, vectors: np.ndarray, table: Mapping[str, np.ndarray], replace: bool) -> int:
        """Append rows; when this returns they survive `kill -9` and power loss. Returns how many were replaced.

        Raises a ChiasmError, and changes nothing, for vectors of another width, and for a key that is there already
        unless `replace`.
        """
        with self._guard, lock(self.path), self._told():
            width, part = self._fact("width"), self._fact("part")
            count = self._db.execute("SELECT COALESCE(MAX(row) + 1, 0) FROM rows").fetchone()[0]
            if count and vectors.shape[1] != width:
                raise ChiasmError(f"wanted vectors of width {width}, got {vectors.shape[1]}.")
            listed = keys.tolist()
            there = self._places(listed)
            if there and not replace:
                raise ChiasmError(
                    f"wanted keys that are new to the index, got {next(iter(there))!r}: update it instead."
                )
            self._check_kind(listed)
            self._append(part, count, vectors)
            columns = [[_cell(value) for value in table[name].tolist()] for name in self.columns]
            sums = [zlib.crc32(vector.tobytes()) for vector in vectors]
            marks = ", ".join("?" * (5 + len(columns)))
            with transaction(self._db):
                version = self._fact("version") + 1
                self._bury(there.values(), version)
                places = range(count, count + len(listed))
                lines = zip(places, listed, repeat(1), repeat(version), sums, *columns, strict=False)
                self._db.executemany(f"INSERT INTO rows VALUES ({marks})", lines)
                self._say(version=version, width=int(vectors.shape[1]))
            self._seen = None if self._seen is None else (-1, self._seen[1])
            return len(there)

    def delete(self, keys: Sequence[Any]) -> int:
        """Rows of these keys are found no more; how many there were."""
        with self._guard, lock(self.path), self._told():
            there = self._places(list(keys))
            with transaction(self._db):
                version = self._fact("version") + 1
                self._bury(there.values(), version)
                self._say(version=version)
            self._seen = None if self._seen is None else (-1, self._seen[1])
            dead, count = self._db.execute("SELECT COALESCE(SUM(NOT alive), 0), COUNT(*) FROM rows").fetchone()
            if 2 * dead > count:
                self._compact()
            return len(there)

    def damaged(self) -> list[Any]:
        """The keys whose vectors are not what was written; a ChiasmError where SQLite itself is damaged."""
        held = self.held()
        with self._guard, self._told():
            if (said := self._db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                raise Damaged(f"{self.path / 'rows.sqlite'} is damaged ({said[:80]})")
            sums = self._db.execute(
                "SELECT row, key, sum FROM rows WHERE alive AND row < ?", (len(held.keys),)
            ).fetchall()
        return [key for row, key, told in sums if zlib.crc32(held.vectors[row].tobytes()) != told]

    def _append(self, part: int, count: int, vectors: np.ndarray) -> None:
        with open(os.open(self._file(part), os.O_WRONLY | os.O_CREAT, 0o666), "wb") as file:
            file.seek(4 * count * vectors.shape[1])
            for start in range(0, len(vectors), _CHUNK):
                file.write(np.ascontiguousarray(vectors[start : start + _CHUNK], dtype=np.float32).data)
            file.flush()
            os.fsync(file.fileno())
        sync(self.path)

    def _compact(self) -> None:
        """Write the living rows as a new part; who maps the old file keeps it until it looks again."""
        part, width = self._fact("part"), self._fact("width")
        rows = [row for (row,) in self._db.execute("SELECT row FROM rows WHERE alive ORDER BY row")]
        held = self._mapped(part, (rows[-1] + 1) if rows else 0, width)
        self._file(part + 1).unlink(missing_ok=True)
        for start in range(0, len(rows), _CHUNK):
            self._append(part + 1, start, np.asarray(held[rows[start : start + _CHUNK]]))
        with transaction(self._db):
            version = self._fact("version") + 1
            self._db.execute("DELETE FROM rows WHERE NOT alive")
            self._db.executemany(  # rising: a row moves to a place that is free, or stays
                "UPDATE rows SET row = ?, changed = ? WHERE row = ?",
                ((new, version, old) for new, old in enumerate(rows)),
            )
            self._say(version=version, part=part + 1)
        self._file(part).unlink(missing_ok=True)

    def _file(self, part: int) -> Path:
        return self.path / f"vectors-{part}.f32"

    def _places(self, keys: list[Any]) -> dict[Any, int]:
        """The living rows of those keys that there are."""
        found: dict[Any, int] = {}
        for start in range(0, len(keys), _NAMED):
            some = keys[start : start + _NAMED]
            marks = ", ".join("?" * len(some))
            found.update(self._db.execute(f"SELECT key, row FROM rows WHERE alive AND key IN ({marks})", some))
        return found

    def _check_kind(self, keys: list[Any]) -> None:
        one = self._db.execute("SELECT key FROM rows LIMIT 1").fetchone()
        if keys and one is not None and isinstance(one[0], int) != isinstance(keys[0], int):
            raise ChiasmError(f"wanted keys like {one[0]!r}, got {keys[0]!r}: an index has strings or integers.")

    def _bury(self, rows: Any, version: int) -> None:
        self._db.executemany("UPDATE rows SET alive = 0, changed = ? WHERE row = ?", ((version, row) for row in rows))

    def _fact(self, name: str) -> Any:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else json.loads(found[0])

    def _say(self, **facts: int) -> None:
        self._db.executemany(
            "UPDATE facts SET value = ? WHERE name = ?", [(json.dumps(v), k) for k, v in facts.items()]
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite and the disk have to say as one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ChiasmError(f"another process is writing to {self.path}: try again when it is done.") from None
            if "full" in str(error):
                raise ChiasmError(f"no space is left for {self.path}: make room, then do it again.") from None
            if "no such" in str(error):
                raise Damaged(f"{self.path / 'rows.sqlite'} is damaged ({error})") from None
            raise ChiasmError(f"the index {self.path} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{self.path / 'rows.sqlite'} is damaged ({error})") from None
        except PermissionError as error:
            raise ChiasmError(f"no permission to write the index {self.path} ({error.strerror}).") from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ChiasmError(f"no space is left for {self.path}: make room, then do it again.") from None


class _Table(Mapping[str, np.ndarray]):
    """The metadata of some rows, read when a column is asked for."""

    def __init__(self, journal: Journal, part: int, count: int):
        self.journal, self.part, self.count = journal, part, count
        self.read: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.read:
            self.read[name] = self.journal.column(name, self.count, self.part)
        return self.read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.journal.columns)

    def __len__(self) -> int:
        return len(self.journal.columns)


def _cell(value: Any) -> Any:
    return None if value == "" or value != value else value


def _shown(columns: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in (columns or {}).items()) or "none"
