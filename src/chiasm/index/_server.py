"""Connections to a PostgreSQL server: lent one at a time, and what goes wrong with them in one sentence."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from chiasm.errors import Away, ChiasmError

__all__ = ["Server", "hidden"]

_WAIT = 10
"""Seconds that a server may take to answer a new connection."""


class Server:
    """Connections to one address, as many as threads ask at once; they end with the object.

    Args:
        address: as libpq takes it, `postgresql://user@host/database` or `host=... dbname=...`; what it lacks comes
            from the environment (PGHOST, PGUSER ...) and from ~/.pgpass.
    """

    def __init__(self, address: str):
        self.address = address
        self._guard = threading.Lock()
        self._idle: list[Any] = []
        self._process = os.getpid()

    @contextmanager
    def lent(self, *, writing: bool = False) -> Iterator[Any]:
        """A connection in a transaction, which is committed at the end; a reader's sees one state all along.

        Raises a ChiasmError in place of what the server or the network says.
        """
        import psycopg

        db = self._taken()
        try:
            db.execute(f"BEGIN ISOLATION LEVEL {'READ COMMITTED' if writing else 'REPEATABLE READ, READ ONLY'}")
            yield db
            self.commit(db)
        except psycopg.Error as error:
            self._given(db)
            raise self._told(error, db) from None
        except BaseException:
            self._given(db)
            raise
        self._given(db)

    def commit(self, db: Any) -> None:
        """What was written is kept when this returns."""
        db.execute("COMMIT")

    def _taken(self) -> Any:
        import psycopg

        while True:
            with self._guard:
                if self._process != os.getpid():  # a forked child leaves its parent's connections alone
                    self._idle, self._process = [], os.getpid()
                db = self._idle.pop() if self._idle else None
            if db is None:
                return self._opened()
            try:
                db.execute("SELECT 1")
                return db
            except psycopg.Error:  # the server went away since: the others may be gone too
                db.close()

    def _opened(self) -> Any:
        import psycopg

        try:
            parts = psycopg.conninfo.conninfo_to_dict(self.address)
        except psycopg.ProgrammingError:
            raise ChiasmError(
                "wanted an address such as postgresql://user@host/database, got one that cannot be read."
            ) from None
        wait = {} if "connect_timeout" in parts or os.environ.get("PGCONNECT_TIMEOUT") else {"connect_timeout": _WAIT}
        try:
            db = psycopg.connect(self.address, autocommit=True, client_encoding="utf8", **wait)
        except psycopg.Error as error:
            said = hidden(_first_line(error), self.address)
            if "authentication" in said or "password" in said:
                raise ChiasmError(
                    f"the PostgreSQL server {self._place()} let nobody in ({said}): name the right user and password "
                    "in the address, or keep the password in ~/.pgpass."
                ) from None
            raise Away(
                f"no PostgreSQL server answers {self._place()} ({said}): start it, or name another address."
            ) from None
        return db

    def _given(self, db: Any) -> None:
        """Take a connection back, out of any transaction; one that is broken is dropped."""
        from psycopg.pq import TransactionStatus

        with suppress(Exception):
            if db.info.transaction_status != TransactionStatus.IDLE:
                db.execute("ROLLBACK")
            if db.info.transaction_status == TransactionStatus.IDLE:
                with self._guard:
                    self._idle.append(db)
                return
        db.close()

    def _told(self, error: Any, db: Any) -> ChiasmError:
        if db.closed or db.broken:
            return Away(
                f"the PostgreSQL server {self._place()} went away while it was asked: nothing or all of this call is "
                "written; once it is back, `update` may be asked again."
            )
        said = hidden(error.diag.message_primary or _first_line(error), self.address)
        return ChiasmError(f"the PostgreSQL server {self._place()} refused ({said}).")

    def _place(self) -> str:
        """Where it is, without the user's secrets."""
        import psycopg

        parts = psycopg.conninfo.conninfo_to_dict(self.address)
        host = parts.get("host") or os.environ.get("PGHOST") or "this machine"
        port = parts.get("port") or os.environ.get("PGPORT")
        return f"at {host}" + (f", port {port}" if port else "")

    def close(self) -> None:
        """End the connections that nobody uses."""
        with self._guard:
            idle, self._idle = self._idle, []
        if self._process == os.getpid():
            for db in idle:
                db.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


def hidden(text: str, address: str) -> str:
    """A text without the password of an address."""
    import psycopg

    try:
        password = psycopg.conninfo.conninfo_to_dict(address).get("password")
    except psycopg.ProgrammingError:
        return "***"
    return text.replace(str(password), "***") if password else text


def _first_line(error: Any) -> str:
    """What libpq says of the last address that it tried, without the addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else type(error).__name__
    return said.rpartition("FATAL: ")[2].strip() or said
