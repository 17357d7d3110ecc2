"""What a group is called: the words that are particular to its texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from chiasm.stats.captions import words

__all__ = ["particular"]

STRENGTH = 100.0
"""How much the usual share of a word weighs against what a group's texts say, in texts."""
TRIED, LONGEST = 4, 12
"""Characters of a run of a script without spaces: of those that are counted, and of those that it may be a part of."""
WITHIN = 0.7
"""The share of a run's places where the same character stands beside it, from which both are of one longer run."""
FREE = 0.08
"""The least share of a word's places that begin or end a phrase; a run that is cut out of others has next to none."""
READ = 2000
"""Texts of a group, at most, in which the places of runs are looked up."""
SURE = 2.0
"""Standard errors by which a word is more usual in a group than elsewhere, to be called particular."""


def particular(texts: Sequence[str], labels: np.ndarray, groups: int, most: int = 6) -> list[list[str]]:
    """By group at most so many words, the most particular first; none where its texts are like all others.

    The log odds that a text of the group holds the word less that of the other texts, both drawn to the usual share,
    over its standard error. In scripts without spaces (Chinese) every run of 2 to 4 characters is tried. One that the
    same character stands beside in most places is grown by it, until none does; one that hardly ever stands at the
    begin or end of a phrase is no word but the end of one and the begin of the next, and left out, and so is what
    overlaps a word that was chosen. (These two shares were set on the names of web_news_zh.)

    Args:
        texts: n texts. labels: `(n,)` integers, the group of each.

    >>> names = particular(["a red bus", "the red bus", "a blue car", "blue, a car"] * 9, np.array([0, 0, 1, 1] * 9), 2)
    >>> sorted(names[0]), sorted(names[1])
    (['bus', 'red'], ['blue', 'car'])

    Sources: Monroe, Colaresi & Quinn 2008; Feng et al. 2004 (what stands beside a run tells whether it is a word).
    """
    held: list[Counter[str]] = [Counter() for _ in range(groups)]
    for text, label in zip(texts, labels.tolist(), strict=True):
        held[label].update(set(_terms(text)))
    whole: Counter[str] = sum(held, Counter())
    n, sizes = len(texts), np.bincount(labels, minlength=groups)
    found = []
    for group, (mine, size) in enumerate(zip(held, sizes.tolist(), strict=True)):
        scores = {}
        for word, count in mine.items():
            if count < 2:
                continue
            usual = STRENGTH * whole[word] / n
            here, there = count + usual, whole[word] - count + usual
            odds = np.log(here / (size + STRENGTH - here + 1)) - np.log(there / (n - size + STRENGTH - there + 1))
            if (score := odds / np.sqrt(1 / here + 1 / there)) > SURE:
                scores[word] = float(score)
        found.append(_best(scores, [texts[i] for i in np.flatnonzero(labels == group)[:READ]], most))
    return found


def _best(scores: dict[str, float], texts: Sequence[str], most: int) -> list[str]:
    chosen: list[str] = []
    page = "\n".join(["", *(unicodedata.normalize("NFKC", text).casefold() for text in texts), ""])
    for word in sorted(scores, key=lambda one: (-scores[one], one)):
        if len(chosen) == most:
            break
        if _unspaced(word):
            word = _grown(word, page)
            if not word or any(_overlap(word, other) for other in chosen):
                continue
        chosen.append(word)
    return chosen


def _grown(run: str, page: str) -> str:
    """The longest run that this one is nearly always a part of; "" where that is no word."""
    while True:
        places = [match.start() for match in re.finditer(re.escape(run), page)]
        befores, afters = (Counter(page[i + step] for i in places) for step in (-1, len(run)))
        (before, left), (after, right) = (beside.most_common(1)[0] for beside in (befores, afters))
        if len(run) < LONGEST and left >= max(right, WITHIN * len(places)) and _unspaced(before):
            run = before + run
        elif len(run) < LONGEST and right >= WITHIN * len(places) and _unspaced(after):
            run += after
        else:
            free = sum(n for beside in (befores, afters) for one, n in beside.items() if not one.isalnum())
            return run if free >= FREE * len(places) else ""


def _terms(text: str) -> Iterator[str]:
    """Words of two letters or more, and runs of characters where no spaces part words."""
    for piece in re.split(r"[^\w']+", text):
        run = ""
        for token in [*words(piece), ""]:
            if token and _unspaced(token):
                run += token
                continue
            for size in range(2, TRIED + 1):
                yield from (run[i : i + size] for i in range(len(run) - size + 1))
            run = ""
            if len(token) > 1 and not token.isdigit():
                yield token


def _unspaced(word: str) -> bool:
    return 0x3040 <= ord(word[0]) <= 0x9FFF or 0x0E00 <= ord(word[0]) <= 0x0EFF


def _overlap(one: str, other: str) -> bool:
    """Whether two runs share two characters that stand side by side."""
    return _unspaced(other) and any(one[i : i + 2] in other for i in range(len(one) - 1))
