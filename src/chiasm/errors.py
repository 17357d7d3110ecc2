"""The one error a caller meets: what was wanted, what came, what to do."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

__all__ = ["Away", "BusyError", "ChiasmError", "ChiasmWarning", "Damaged", "not_fitted", "unknown"]


class ChiasmError(ValueError):
    """A request that cannot be met. The message is one sentence or two, written for the person who asked.

    The command line prints it without a traceback and exits 1.
    """


class Away(ChiasmError):  # noqa: N818
    """Another program that is needed, a database, does not answer now: the same request may be met later."""


class Damaged(ChiasmError):  # noqa: N818
    """What was kept on disk is not whole any more.

    Args:
        what: is wrong. help_: what to do about it; what it is a part of may know better.
    """

    def __init__(self, what: str, help_: str = "build the index again"):
        super().__init__(what, help_)
        self.what = what

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.args[1]}."


class BusyError(ChiasmError):
    """A request that cannot be met now, since another process is at it, but may be met later."""


class ChiasmWarning(UserWarning):
    """What a caller should know of a request that was met all the same; the command line prints it as a line."""


def unknown(what: str, name: str, known: Iterable[str]) -> ChiasmError:
    """The error for a name that is not there, with the closest known name beside it."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return ChiasmError(f"no {what} named {name!r}{hint} Known: {', '.join(known) or 'none'}.")


def not_fitted(message: str) -> ChiasmError:
    """The error for a part that has learned nothing yet: scikit-learn's `NotFittedError` too, where that is loaded."""
    loaded = sys.modules.get("sklearn.exceptions")
    return ChiasmError(message) if loaded is None else _also(loaded.NotFittedError)(message)


@cache
def _also(base: type) -> type[ChiasmError]:
    def reduce(self: ChiasmError) -> tuple[Any, ...]:
        return not_fitted, self.args

    return type("NotFittedError", (ChiasmError, base), {"__doc__": base.__doc__, "__reduce__": reduce})
