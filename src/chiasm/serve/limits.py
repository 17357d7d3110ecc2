"""What a request may be at most, and the answer to one that may not."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

__all__ = ["Limits", "Refusal", "Sentence", "check_json"]

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_ODD = re.compile(rb"NaN|Infinity")


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        json: bytes of a request in JSON. asked: bytes of a file to ask with. upload: bytes of a file to add. depth:
            how deep JSON may nest. seconds: that a request may take, its sending too. at_once: requests that are
            worked on or wait; more are refused with 503.
    """

    json: int = 2**20
    asked: int = 32 * 2**20
    upload: int = 512 * 2**20
    depth: int = 32
    seconds: float = 30.0
    at_once: int = 64


class Refusal(Exception):  # noqa: N818
    """An answer with a reason code instead of what was asked for.

    Args:
        status: of HTTP. code: the reason, for programs. message: one sentence for people: no path, no traceback.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}

    def told(self, request: str) -> dict[str, Any]:
        """What is sent: the reason and the number of the request, by which the server's log names it."""
        return {"error": {"code": self.code, "message": self.message, "request": request}}


class Sentence(Refusal):
    """A refusal in a sentence of the library's, which may name files: it is told to who asks as far as they may see."""


def check_json(body: bytes, depth: int) -> None:
    """Raise a Refusal for what is no JSON, nests too deep, holds NaN or Infinity, or a name twice in one object."""
    bare, level = _STRING.sub(b"", body), 0
    for mark in _BRACKET.finditer(bare):
        level += 1 if mark[0] in b"[{" else -1
        if level > depth:
            raise Refusal(400, "too_deep", f"wanted JSON that nests at most {depth} deep.")
    if _ODD.search(bare):
        raise Refusal(400, "not_json", "wanted JSON, whose numbers are finite.")
    try:
        json.loads(body, object_pairs_hook=_once)
    except ValueError:
        raise Refusal(400, "not_json", "wanted JSON, got what cannot be read as such.") from None


def _once(pairs: list[tuple[str, Any]]) -> None:
    """Raise a Refusal for an object that has a name twice: readers would differ in which one counts."""
    if twice := [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]:
        raise Refusal(400, "not_json", f"wanted each name once in an object, got {twice[0][:100]!r} twice.")
