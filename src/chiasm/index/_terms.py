"""What full text is made of: words folded to what is compared, single characters where no spaces part words; quotes."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import NamedTuple

__all__ = ["APART", "Asked", "asked", "quotes", "terms"]

APART = "\f"
"""Between two parts of one text: no quoted words go across."""

_WALL = "\ue000"
"""The token of `APART`; for private use, so that no other text has it."""

_QUOTED = re.compile(r'"([^"]*)"|“([^“”]*)”|「([^「」]*)」')
_MARKS = 4
"""Combining marks in a row that are kept: putting very many of them in order takes seconds."""
_LATIN = 0x0590
"""Below are the scripts whose accents are folded (Latin, Greek, Cyrillic, Armenian)."""
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x3035),
    (0x3038, 0x303C),
    (0x3040, 0x318F),  # kana, bopomofo, Hangul
    (0x31A0, 0x31FF),
    (0x3400, 0x9FFF),  # Chinese
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
"""Scripts whose words are not parted by spaces, or bear endings: a token a character."""


class Asked(NamedTuple):
    """A query as tokens."""

    exact: list[list[str]]
    """What stood in quotes: tokens that have to stand side by side, in this order."""
    others: list[list[str]]
    """Each different word, or two characters that stand side by side, or one that stands alone, in order."""


def quotes(query: str) -> tuple[str, list[str]]:
    """A query without its quotation marks, and what stood between them: "...", “...” or 「...」. One alone is no quote.

    >>> quotes('"red bus" at night')
    ('red bus at night', ['red bus'])
    """
    found = [next(filter(None, one), "") for one in _QUOTED.findall(query)]
    plain = _QUOTED.sub(lambda one: next(filter(None, one.groups()), ""), query)
    return plain, [one for one in found if terms(one)]


def terms(text: str) -> list[str]:
    """The tokens of a text: words without case and accents, single characters of Chinese, kana and their like.

    >>> terms("Café 海边的狗, iPhone手机")
    ['cafe', '海', '边', '的', '狗', 'iphone', '手', '机']
    """
    return _parted(text).split()


def asked(query: str) -> Asked:
    """A query as it is looked for.

    >>> asked('"red bus" 海边的狗')
    Asked(exact=[['red', 'bus']], others=[['海', '边'], ['边', '的'], ['的', '狗']])
    """
    others: dict[tuple[str, ...], None] = {}
    for stretch in _parted(_QUOTED.sub(APART, query)).split("\n"):
        run: list[str] = []
        for token in [*stretch.split(), ""]:
            if token and _is_unspaced(ord(token[0])):
                run.append(token)
                continue
            pairs = itertools.pairwise(run)
            others.update(dict.fromkeys(pairs if len(run) > 1 else [(one,) for one in run]))
            run = []
            if token and token != _WALL:
                others[(token,)] = None
    return Asked([terms(one) for one in quotes(query)[1]], [list(one) for one in others])


def _parted(text: str) -> str:
    """A text folded, tokens between spaces, and line breaks where something else stood."""
    if text.isascii():
        return text.lower().translate(_TABLE)
    kept, run = [], 0
    for letter in text:
        run = run + 1 if unicodedata.combining(letter) else 0
        if run <= _MARKS:
            kept.append(letter)
    return unicodedata.normalize("NFKC", "".join(kept)).casefold().translate(_TABLE)


def _is_unspaced(code: int) -> bool:
    return any(first <= code <= last for first, last in _UNSPACED)


class _Table(dict[int, str]):
    """What becomes of each character; found out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        first = unicodedata.normalize("NFD", letter)[0]
        if letter == APART:
            made = f" {_WALL} "
        elif 0x300 <= code < 0x370 or 0xFE00 <= code < 0xFE10:  # accents, variants of drawing
            made = ""
        elif unicodedata.category(letter)[0] not in "LNM" and unicodedata.category(letter) != "So":
            made = "\n"
        elif _is_unspaced(code) or unicodedata.category(letter) == "So":
            made = f" {letter} "
        else:
            made = first if ord(first) < _LATIN else letter
        self[code] = made
        return made


_TABLE = _Table()
