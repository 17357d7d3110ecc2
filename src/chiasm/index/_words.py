"""Full text: keys found by the words of their texts, ranked by BM25; in SQLite, beside the vectors of an index."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from chiasm.errors import ChiasmError, Damaged
from chiasm.files import database, lock, transaction
from chiasm.index._held import checked_k, checked_keys
from chiasm.index._terms import asked, terms

__all__ = ["MOST", "Words"]

MOST = 256
"""The different words of a query that rank; quoted ones, which choose, all count."""

_FORMAT = 1
_WAIT = 60.0
"""Seconds that a writer waits for another."""
_MANY = 500
"""Keys or quoted words that one statement asks for."""


class Words:
    """Keys and their texts, found by words: any language, exact, no model; Chinese and Japanese by their characters.

    Choose it for names, numbers and quoted words, which vectors blur. Words are compared without case and accents, and
    whole: "bus" is not in "busy". Where no spaces part words (Chinese, kana, Hangul, Thai) a query's characters are
    looked for two by two, so that what it has in common with a text counts wherever words begin; one alone works too.
    Words in "double quotes" (also “ ” and 「 」) have to be there, side by side and in this order; of others one is
    enough. Punctuation is passed over. Nothing in a query has any other meaning (AND, *, col:).

    Args:
        path: a folder of its own, every change on disk before a call returns; None: in memory.

    Threads may share it; processes read while one writes, and see the state before a call or after it.

    Raises a ChiasmError for a folder that holds something else, another format, or is damaged.

    >>> index = Words().add([1, 2], ["a red bus at night", "海边的狗"])
    >>> index.search("bus, red")[0].tolist(), index.search("海边")[0].tolist(), index.search('"bus red"')[0].tolist()
    ([1], [2], [])

    Source: Robertson & Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009 (k1 = 1.2, b = .75).
    """

    def __init__(self, path: str | os.PathLike[str] | None = None):
        self.path = None if path is None else Path(path).expanduser()
        self._guard = threading.RLock()
        if self.path is not None:
            if self.path.exists() and not self.path.is_dir():
                raise ChiasmError(f"wanted a folder to keep the words in, got the file {self.path}.")
            self.path.mkdir(parents=True, exist_ok=True)
        with self._told():
            if self.path is None:
                self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            else:
                self._db = database(self.path / "words.sqlite", _WAIT)
            self._db.execute("PRAGMA synchronous=FULL")
            if not self._made():
                with self._writing():
                    if not self._made():  # another process may have been first
                        self._make()
            (found,) = self._db.execute("SELECT value FROM facts WHERE name = 'format'").fetchone()
            if json.loads(found) != _FORMAT:
                raise ChiasmError(f"{self.path} is of format {found}, this chiasm reads {_FORMAT}: build it again.")

    def _made(self) -> bool:
        return self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone() is not None

    def _make(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        with transaction(self._db):
            self._db.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)")
            self._db.execute("CREATE TABLE rows (row INTEGER PRIMARY KEY AUTOINCREMENT, key UNIQUE, sum INTEGER)")
            # Tokens are made here, and this tokenizer only parts them at the spaces.
            self._db.execute("CREATE VIRTUAL TABLE texts USING fts5(tokens, tokenize = 'ascii')")
            self._db.execute("INSERT INTO facts VALUES ('format', ?)", (json.dumps(_FORMAT),))

    def add(self, keys: Sequence[Any] | np.ndarray, texts: Sequence[str]) -> Self:
        """Add n keys that are new, and their texts; all of them or none. A form feed keeps parts of a text apart.

        Raises a ChiasmError for keys that are there or come twice, and for a text that is none.
        """
        return self._put(keys, texts, replace=False)

    def update(self, keys: Sequence[Any] | np.ndarray, texts: Sequence[str]) -> Self:
        """As `add`, but keys that are there get the new texts. Returns self."""
        return self._put(keys, texts, replace=True)

    def delete(self, keys: Sequence[Any]) -> int:
        """Remove keys; those that are not there are passed over. Returns how many went."""
        listed = keys.tolist() if isinstance(keys, np.ndarray) else list(keys)
        with self._writing(), transaction(self._db):
            return self._remove(listed)

    def keys(self) -> np.ndarray:
        """`(n,)` all keys, in the order in which they were added."""
        with self._guard, self._told():
            return self._array([key for (key,) in self._db.execute("SELECT key FROM rows ORDER BY row")])

    def __len__(self) -> int:
        with self._guard, self._told():
            return int(self._db.execute("SELECT COUNT(*) FROM rows").fetchone()[0])

    def search(self, query: str, k: int = 5, within: Iterable[Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best keys `(m,)` and their BM25 `(m,)`, falling, of equal ones the first; fewer where no more match.

        Args:
            query: words in any language, of which one has to be there, and all those in quotes. Of the others the
                first 256 different ones count. k: at least 1. within: only these keys. What a word weighs is judged by
                all texts, whatever `within` allows.
        """
        k, wanted = checked_k(k), asked(query)
        ranking = [*wanted.exact, *wanted.others][:MOST]
        allowed = None if within is None else {_plain(key) for key in within}
        keys: list[Any] = []
        scores: list[float] = []
        with self._guard, self._told(), transaction(self._db, "DEFERRED"):
            if wanted.exact:
                exact = set(self._holding(wanted.exact))
                allowed = exact if allowed is None else allowed & exact
            for key, score in self._ranked(ranking, k if allowed is None else -1) if ranking else ():
                if allowed is None or key in allowed:
                    keys.append(key)
                    scores.append(score)
                    if len(keys) == k:
                        break
            return self._array(keys), np.array(scores, dtype=np.float64)

    def holding(self, exact: Iterable[str]) -> np.ndarray:
        """The keys whose texts hold each of these words or phrases as they stand, in the order of adding."""
        phrases = [found for one in exact if (found := terms(one))]
        with self._guard, self._told(), transaction(self._db, "DEFERRED"):
            return self._array(self._holding(phrases)) if phrases else self.keys()

    def damaged(self) -> list[Any]:
        """The keys whose texts are not what was written; a ChiasmError where SQLite itself is damaged."""
        with self._guard, self._told():
            said = self._db.execute("PRAGMA integrity_check").fetchone()[0]
            if said != "ok":
                raise Damaged(f"{self._file()} is damaged ({said[:80]})")
            found = self._db.execute(
                "SELECT rows.key, rows.sum, texts.tokens FROM rows LEFT JOIN texts ON texts.rowid = rows.row"
            ).fetchall()
        return [key for key, told, tokens in found if tokens is None or zlib.crc32(tokens.encode()) != told]

    def _put(self, keys: Any, texts: Sequence[str], replace: bool) -> Self:
        listed = checked_keys(keys).tolist()
        if isinstance(texts, str) or len(listed) != len(texts):
            raise ChiasmError(f"wanted one text a key, got {len(listed)} keys and {len(texts)} texts.")
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ChiasmError(f"wanted texts, got {wrong[0]!r}.")
        lines = [" ".join(terms(text)) for text in texts]
        with self._writing(), transaction(self._db):
            one = self._db.execute("SELECT key FROM rows LIMIT 1").fetchone()
            if listed and one is not None and isinstance(one[0], int) != isinstance(listed[0], int):
                raise ChiasmError(f"wanted keys like {one[0]!r}, got {listed[0]!r}: an index has strings or integers.")
            there = self._places(listed)
            if there and not replace:
                raise ChiasmError(
                    f"wanted keys that are new to the index, got {next(iter(there))!r}: update it instead."
                )
            self._remove(listed)
            for key, line in zip(listed, lines, strict=True):
                row = self._db.execute(
                    "INSERT INTO rows (key, sum) VALUES (?, ?)", (key, zlib.crc32(line.encode()))
                ).lastrowid
                self._db.execute("INSERT INTO texts (rowid, tokens) VALUES (?, ?)", (row, line))
        return self

    def _array(self, keys: list[Any]) -> np.ndarray:
        """Keys as an array of their kind, where there are none too."""
        one = self._db.execute("SELECT key FROM rows LIMIT 1").fetchone()
        return np.array(keys, dtype=np.int64 if one is not None and isinstance(one[0], int) else object)

    def _remove(self, keys: list[Any]) -> int:
        rows = [(row,) for row in self._places(keys).values()]
        self._db.executemany("DELETE FROM texts WHERE rowid = ?", rows)
        self._db.executemany("DELETE FROM rows WHERE row = ?", rows)
        return len(rows)

    def _places(self, keys: list[Any]) -> dict[Any, int]:
        found: dict[Any, int] = {}
        for start in range(0, len(keys), _MANY):
            some = [_plain(key) for key in keys[start : start + _MANY]]
            marks = ", ".join("?" * len(some))
            found.update(self._db.execute(f"SELECT key, row FROM rows WHERE key IN ({marks})", some))
        return found

    def _ranked(self, phrases: list[list[str]], most: int) -> list[tuple[Any, float]]:
        """(key, BM25) of the texts that hold any of some phrases, the best first; at most so many, -1: all."""
        return self._db.execute(
            "SELECT rows.key, -bm25(texts) FROM texts JOIN rows ON rows.row = texts.rowid WHERE texts MATCH ? "
            "ORDER BY bm25(texts), texts.rowid LIMIT ?",
            (" OR ".join(map(_phrase, phrases)), most),
        ).fetchall()

    def _holding(self, phrases: list[list[str]]) -> list[Any]:
        """The keys that hold all of some phrases."""
        asked_for, kept = "SELECT key FROM rows WHERE row IN (SELECT rowid FROM texts WHERE texts MATCH ?)", None
        for start in range(0, len(phrases), _MANY):
            every = " AND ".join(map(_phrase, phrases[start : start + _MANY]))
            some = [key for (key,) in self._db.execute(f"{asked_for} ORDER BY row", (every,))]
            kept = some if kept is None else [key for key in kept if key in set(some)]
        return kept or []

    def _file(self) -> str:
        return "the words in memory" if self.path is None else str(self.path / "words.sqlite")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guard, self._told():
            if self.path is None:
                yield
                return
            with lock(self.path):
                yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite and the disk have to say as one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise ChiasmError(f"no space is left for {self._file()}: make room, then do it again.") from None
            raise ChiasmError(f"{self._file()} cannot be used: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{self._file()} is damaged ({error})") from None
        except PermissionError as error:
            raise ChiasmError(f"no permission to write {self._file()} ({error.strerror}).") from None


def _phrase(tokens: list[str]) -> str:
    """Tokens as FTS5 reads a phrase; none has a quotation mark in it."""
    return f'"{" ".join(tokens)}"'


def _plain(key: Any) -> Any:
    return key.item() if isinstance(key, np.generic) else key
