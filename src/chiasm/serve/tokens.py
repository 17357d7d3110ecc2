"""Who may ask what: tokens whose hashes lie in one file, and the sessions of pages that traded one in."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from chiasm.errors import ChiasmError, unknown
from chiasm.files import write_atomic

__all__ = ["SCOPES", "Sessions", "Tokens"]

SCOPES = ("read", "write", "admin")
"""read: search and look; write: add, teach and mark too; admin: paths and figures of the server too."""

LASTS = 12 * 3600.0
"""Seconds that a session is good for."""

_MOST = 10_000
"""Sessions that are kept; the oldest go first."""


class Tokens:
    """The hashes of tokens in a file that its owner alone reads. A token itself is shown once, when it is made.

    Args:
        path: the file; it need not be there yet.

    Raises a ChiasmError for a file that others may read or write, or that holds something else.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path).expanduser()
        self._known: dict[str, tuple[str, frozenset[str]]] = {}
        self._stamp: tuple[int, int] | None = None
        self._guard = threading.Lock()
        self._read()

    def __len__(self) -> int:
        self._read()
        return len(self._known)

    def names(self) -> dict[str, tuple[str, ...]]:
        """Name -> scopes of every token."""
        self._read()
        return {name: tuple(scope for scope in SCOPES if scope in held) for name, held in self._known.values()}

    def add(self, name: str, scopes: Iterable[str], *, replace: bool = False) -> str:
        """Make a token, 43 letters of 32 random bytes.

        Args:
            replace: take the place of the token that the name has, which is good no longer.

        Raises a ChiasmError for a scope that is none, no name, and one that has a token where it is not to be replaced.
        """
        wanted = list(scopes)
        for scope in wanted:
            if scope not in SCOPES:
                raise unknown("scope", scope, SCOPES)
        if not name.strip() or not wanted:
            raise ChiasmError("wanted a name for the token and at least one scope (read, write, admin).")
        token = secrets.token_urlsafe(32)
        self._read()
        if name in self.names() and not replace:
            raise ChiasmError(
                f"wanted a name without a token, got {name}, which has one: take another name, remove that token, or "
                "replace it."
            )
        kept = {hash_: told for hash_, told in self._known.items() if told[0] != name}
        self._write(kept | {_hash(token): (name, _whole(wanted))})
        return token

    def remove(self, name: str) -> None:
        """A token is good no longer. Raises a ChiasmError where there is none of that name."""
        self._read()
        if name not in (known := self.names()):
            raise unknown("token", name, list(known))
        self._write({hash_: told for hash_, told in self._known.items() if told[0] != name})

    def scopes(self, token: str) -> frozenset[str]:
        """What a token is good for; nothing where it is not one. A removed one is noticed at once."""
        return self.known(token)[1]

    def known(self, token: str) -> tuple[str, frozenset[str]]:
        """The name of a token and what it is good for; nothing of either where it is not one."""
        self._read()
        asked = _hash(token)
        found: tuple[str, frozenset[str]] = ("", frozenset())
        for hash_, told in self._known.items():
            if hmac.compare_digest(hash_, asked):
                found = told
        return found

    def _read(self) -> None:
        with self._guard:
            try:
                facts = os.stat(self.path)
            except FileNotFoundError:
                self._known, self._stamp = {}, None
                return
            stamp = (facts.st_mtime_ns, facts.st_size)
            if stamp == self._stamp:
                return
            if facts.st_mode & 0o077:
                raise ChiasmError(f"others may read or write the tokens in {self.path}: chmod 600 it.")
            try:
                listed = json.loads(self.path.read_text(encoding="utf-8"))["tokens"]
                known = {one["hash"]: (str(one["name"]), _whole(one["scopes"])) for one in listed}
            except (ValueError, KeyError, TypeError):
                raise ChiasmError(f"{self.path} does not hold tokens: name another file.") from None
            self._known, self._stamp = known, stamp

    def _write(self, known: dict[str, tuple[str, frozenset[str]]]) -> None:
        told = [
            {"name": name, "scopes": [s for s in SCOPES if s in scopes], "hash": h}
            for h, (name, scopes) in known.items()
        ]
        write_atomic(self.path, [json.dumps({"tokens": told}, ensure_ascii=False, indent=1).encode()], 0o600)
        self._stamp = None
        self._read()


class Sessions:
    """Pages that traded a token for a cookie. Kept in memory: after a restart a page asks for its token again."""

    def __init__(self, lasts: float = LASTS):
        self.lasts = lasts
        self._held: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._guard = threading.Lock()

    def open(self, token: str) -> str:
        """The value of a new cookie that stands for a token."""
        value = secrets.token_urlsafe(32)
        with self._guard:
            self._held[_hash(value)] = (time.monotonic() + self.lasts, token)
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return value

    def token(self, value: str) -> str | None:
        """The token that a cookie stands for; None for one that was forged, or is too old."""
        with self._guard:
            until, token = self._held.get(_hash(value), (0.0, ""))
            return token if until > time.monotonic() else None

    def close(self, value: str) -> None:
        """A cookie is good no longer."""
        with self._guard:
            self._held.pop(_hash(value), None)


def _whole(scopes: Iterable[str]) -> frozenset[str]:
    """Scopes with those that they include: who may write may read."""
    highest = max(SCOPES.index(scope) for scope in scopes)
    return frozenset(SCOPES[: highest + 1])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
