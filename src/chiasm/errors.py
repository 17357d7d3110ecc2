"""The one error a caller meets: what was wanted, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ChiasmError", "ChiasmWarning", "unknown"]


class ChiasmError(ValueError):
    """A request that cannot be met. The message is one sentence or two, written for the person who asked.

    The command line prints it without a traceback and exits 1.
    """


class ChiasmWarning(UserWarning):
    """What a caller should know of a request that was met all the same; the command line prints it as a line."""


def unknown(what: str, name: str, known: Iterable[str]) -> ChiasmError:
    """The error for a name that is not there, with the closest known name beside it."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return ChiasmError(f"no {what} named {name!r}{hint} Known: {', '.join(known) or 'none'}.")
