"""Kinds of answers: yes or no, a number, or something else; and answers written one way."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np

from chiasm.column import missing

__all__ = ["KINDS", "kind_of", "kinds_of", "plain"]

KINDS = ("yes or no", "number", "other")

_YES_OR_NO = frozenset("yes no true false y n 是 否 是的 不是 对 不对 有 没有 在 不在 会 不会 能 不能".split())
_NUMBERS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve none "
    "零 一 二 两 三 四 五 六 七 八 九 十 十一 十二 一个 两个 三个 四个 五个".split()
)
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)*\s?(%|cm|mm|m|kg|g)?")


def plain(answer: Any) -> str | None:
    """An answer in lower case with single spaces, without a period at its end; None where there is none.

    Answers that are then the same count as one, at fit and in scores.

    >>> plain(" Right  Lung. "), plain(True), plain(" "), plain("是。"), plain(float("nan"))
    ('right lung', 'true', None, '是', None)
    """
    if missing(answer):
        return None
    text = unicodedata.normalize("NFKC", str(answer)).casefold()
    return re.sub(r"[\s.。!]+$", "", " ".join(text.split())) or None


def kind_of(answer: str) -> str:
    """The kind of a plain answer.

    >>> [kind_of(one) for one in ("no", "12", "two", "5.6 cm", "不是", "left lung")]
    ['yes or no', 'number', 'number', 'number', 'yes or no', 'other']
    """
    if answer in _YES_OR_NO:
        return KINDS[0]
    return KINDS[1] if answer in _NUMBERS or _NUMBER.fullmatch(answer) else KINDS[2]


def kinds_of(answers: np.ndarray) -> np.ndarray:
    """`(n,)` the kind of each plain answer."""
    return np.array([kind_of(one) for one in answers], dtype=object)
