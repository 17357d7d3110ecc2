"""What the encoders of words share: which items are texts, what their words are, and how often each occurs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.checks import is_unseen
from chiasm.media.images import Note

__all__ = ["commonest", "counts", "fold", "readable", "spans", "words"]

LONGEST = 20_000
"""Characters read of a text: a guard, not a setting; NFKC takes quadratic time on rows of combining marks."""

_UNSPACED = (  # scripts written without spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3\u3005-\u3007\u3041-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0900-\u0963\u0966-\u0dff"  # \w leaves these out
_SYMBOLS = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"  # each a word: emoji
_WORDS = re.compile(rf"([{_UNSPACED}]+)|[^\W_{_UNSPACED}]+(?:[{_MARKS}]+[^\W_{_UNSPACED}]*)*|[{_SYMBOLS}]")


def words(text: str) -> list[str]:
    """The words of a text in order, compatibility forms unified (NFKC) and case folded.

    A word is a run of letters and digits, or one emoji. Where a script has no spaces (Chinese, Japanese, Thai), every
    character and every two neighbors are words: no dictionary is needed, and most words of a reader are among them.

    >>> words("Two RED buses, ２０24")
    ['two', 'red', 'buses', '2024']
    >>> words("红色汽车 No. 7")
    ['红', '红色', '色', '色汽', '汽', '汽车', '车', 'no', '7']
    """
    found = []
    for match in _WORDS.finditer(fold(text)):
        run = match[0]
        if match[1] is None:
            found.append(run)
            continue
        for i in range(len(run) - 1):
            found += (run[i], run[i : i + 2])
        found.append(run[-1])
    return found


def spans(text: str) -> list[tuple[int, int, bool]]:
    """Where the words of a text stand: start, end, and whether it is one character of a script without spaces.

    >>> spans("a red 汽车!")
    [(0, 1, False), (2, 5, False), (6, 7, True), (7, 8, True)]
    """
    found = []
    for match in _WORDS.finditer(text[:LONGEST]):
        start, end = match.span()
        found += [(start, end, False)] if match[1] is None else [(i, i + 1, True) for i in range(start, end)]
    return found


def fold(text: str) -> str:
    """The first `LONGEST` characters with compatibility forms unified (NFKC) and case folded."""
    return unicodedata.normalize("NFKC", text[:LONGEST]).casefold()


def readable(items: Sequence[Any]) -> tuple[list[str], dict[int, list[Note]]]:
    """The items as texts ("" where one cannot be used) and notes on those skipped or cut, by position."""
    texts, notes = [], {}
    for i, item in enumerate(items):
        text = ""
        if not isinstance(item, str):
            notes[i] = [Note("not_text", f"wanted a text, got {type(item).__name__}", skipped=True)]
        elif is_unseen(item[:LONGEST]):
            notes[i] = [Note("empty", "a text without a visible character", skipped=True)]
        else:
            text = item
            if len(item) > LONGEST:
                notes[i] = [Note("cut", f"read the first {LONGEST} of {len(item)} characters")]
        texts.append(text)
    return texts, notes


def commonest(texts: Iterable[str], most: int) -> dict[str, int]:
    """The `most` commonest words of the texts with their counts, falling; of equals the first by code point."""
    total: Counter[str] = Counter()
    for text in texts:
        total.update(words(text))
    return {word: total[word] for word in sorted(total, key=lambda word: (-total[word], word))[:most]}


def counts(texts: Sequence[str], place: Mapping[str, int]) -> Any:
    """How often each text holds each known word: a sparse `(n, len(place))` float32 matrix."""
    from scipy.sparse import csr_array

    columns: list[int] = []
    values: list[int] = []
    ends = [0]
    for text in texts:
        held = Counter(place[word] for word in words(text) if word in place)
        for column in sorted(held):
            columns.append(column)
            values.append(held[column])
        ends.append(len(columns))
    data = np.array(values, dtype=np.float32)
    return csr_array((data, np.array(columns, dtype=np.int32), np.array(ends)), shape=(len(texts), len(place)))
