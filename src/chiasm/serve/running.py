"""Starting and ending the server."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chiasm.errors import ChiasmError
from chiasm.serve.guard import LOCAL
from chiasm.serve.tokens import Tokens

__all__ = ["check_host", "listen", "names_of", "read_score", "run"]


def check_host(host: str, tokens: Tokens | None) -> None:
    """Raise a ChiasmError where others than this machine could ask, and no token is wanted of them."""
    if tokens is not None and len(tokens):
        return
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ChiasmError(
            f"wanted tokens together with the host {host}, which other machines reach: make one (chiasm token add), or "
            "stay at 127.0.0.1."
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address. Raises a ChiasmError where it is taken, or is not of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
    except OSError as error:
        held.close()
        said = error.strerror or str(error)
        raise ChiasmError(
            f"cannot listen at {host}:{port} ({said}): name another port, or end what is there."
        ) from None
    return held


def run(app: Any, held: socket.socket, ready: Callable[[], None], drain: int = 20) -> None:
    """Serve until a signal ends it (SIGTERM, Ctrl-C); what was asked before is answered, for `drain` seconds at most.

    Args:
        ready: called once the server answers.
    """
    import uvicorn

    _share_memory()

    class _Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=drain,
        timeout_keep_alive=10,
        h11_max_incomplete_event_size=32 * 1024,
        limit_concurrency=None,
        http="h11",
        ws="none",
    )
    _Server(config).run([held])


def _share_memory() -> None:
    """Have all threads take their memory from two heaps: from one each, glibc would keep what each once needed."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENAS, 2)


_ARENAS = -8
"""M_ARENA_MAX of malloc.h."""


def names_of(host: str, allowed: Iterable[str]) -> set[str]:
    """The names that the server may be called by: of this machine, its own, and those allowed."""
    own = f"[{host}]" if ":" in host else host
    return {*LOCAL, own, *(name.lower() for name in allowed)} - {"0.0.0.0", "[::]"}


def read_score(file: str) -> dict[str, Any]:
    """What `chiasm score --json` printed, from a file. Raises a ChiasmError for another content."""
    try:
        found = json.loads(Path(file).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ChiasmError(f"wanted what a score is as JSON, got {file}, which cannot be read ({error}).") from None
    if not isinstance(found, dict) or "directions" not in found:
        raise ChiasmError(f"wanted what a score is as JSON, got {file}, which holds something else.")
    return found
