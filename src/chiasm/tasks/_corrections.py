"""Words that take back what was understood: "no, blue", "not red but blue", 不是红色，是蓝色."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Correction", "called_by", "correction"]


class Correction(NamedTuple):
    """What is meant, and what is not. Both are empty where something is wrong and it is not said what."""

    new: str = ""
    old: str = ""


_PAUSE = r"\s*[,.;:!，、。；：！-]+\s*"
_NO = rf"(?:no|nope|nah|wrong|sorry|actually|i mean|不是|不对|错了|错|不){_PAUSE}"
_IS = r"(?:it'?s|it is|i said|i meant?|i want(?:ed)?|make it) "
_MINE = r"(?:我(?:要|说)的)?"
_FORMS = [
    re.compile(form, re.IGNORECASE | re.DOTALL)
    for form in (
        r"(?:no|nope|nah|wrong|不是|不对|错了|不)",
        # both are named
        rf"(?:{_NO})*(?:{_IS})?not (?P<old>.+?)(?:{_PAUSE}(?:but )?| but )(?P<new>.+)",
        rf"(?:{_NO})*(?!{_NO})(?P<new>[^,，]+?){_PAUSE}(?:not |不是|而不是)(?P<old>.+)",
        rf"(?:{_NO})*{_MINE}不是(?P<old>[^,，、]+?)(?:{_PAUSE})?(?:而是|应该是|是|我?要)(?P<new>.+)",
        rf"(?:{_NO})*{_MINE}不是(?P<old>[^,，、\s]+)(?:{_PAUSE}|\s+)(?P<new>.+)",
        # what is not meant
        rf"(?:{_NO})*(?:it'?s |that'?s )?not (?P<old>.+)",
        rf"(?:{_NO})*{_MINE}不是(?P<old>[^,，、\s].*)",
        # what is meant
        rf"(?:{_NO})+(?:{_IS}|{_MINE}(?:应该)?是)?(?P<new>.+)",
        rf"no {_IS}(?P<new>.+)",
    )
]


def correction(text: str) -> Correction | None:
    """What an utterance puts right, None where it is worded as no correction.

    >>> correction("no, blue"), correction("Not red but blue!"), correction("不是红色，是蓝色")
    (Correction(new='blue', old=''), Correction(new='blue', old='red'), Correction(new='蓝色', old='红色'))
    >>> correction("no sugar please")
    """
    said = text.strip().strip("。.!！?？").strip()
    for form in _FORMS:
        if found := form.fullmatch(said):
            named = found.groupdict()
            return Correction((named.get("new") or "").strip(), (named.get("old") or "").strip())
    return None


def called_by(text: str, names: Sequence[str]) -> str | None:
    """The one of the names that a text contains as a word; None where it is none, or two.

    >>> called_by("the Dark red one", ["red", "dark red", "blue"]), called_by("要蓝色", ["红色", "蓝色"])
    ('dark red', '蓝色')
    >>> called_by("hundred", ["red"])
    """
    found: list[str] = []
    for name in sorted(names, key=len, reverse=True):
        edge = (r"(?<!\w)", r"(?!\w)") if name.isascii() else ("", "")  # Chinese has no spaces between words
        if re.search(edge[0] + re.escape(name) + edge[1], text, re.IGNORECASE):
            found += [name] if not any(name.lower() in longer.lower() for longer in found) else []
    return found[0] if len(found) == 1 else None
