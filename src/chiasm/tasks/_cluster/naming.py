"""What a group is called: the words that are particular to its texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from chiasm.stats.captions import words

__all__ = ["particular"]

STRENGTH = 100.0
"""How much the usual share of a word weighs against what a group's texts say, in texts."""
LONGEST = 4
"""Characters of a word of a script without spaces."""
WITHIN = 0.7
"""The share of a run's texts that hold a longer one, from which the run is but a part of it."""
SURE = 2.0
"""Standard errors by which a word is more usual in a group than elsewhere, to be called particular."""


def particular(texts: Sequence[str], labels: np.ndarray, groups: int, most: int = 6) -> list[list[str]]:
    """By group at most so many words, the most particular first; none where its texts are like all others.

    The log odds that a text of the group holds the word less that of the other texts, both drawn to the usual share,
    over its standard error. In scripts without spaces (Chinese) every run of 2 to 4 characters is tried; one that
    stands mostly within a longer one is left out for it, and so is what overlaps a word that was chosen.

    Args:
        texts: n texts. labels: `(n,)` integers, the group of each.

    >>> names = particular(["a red bus", "the red bus", "a blue car", "blue, a car"] * 9, np.array([0, 0, 1, 1] * 9), 2)
    >>> sorted(names[0]), sorted(names[1])
    (['bus', 'red'], ['blue', 'car'])

    Source: Monroe, Colaresi & Quinn 2008.
    """
    held: list[Counter[str]] = [Counter() for _ in range(groups)]
    for text, label in zip(texts, labels.tolist(), strict=True):
        held[label].update(set(_terms(text)))
    whole: Counter[str] = sum(held, Counter())
    n, sizes = len(texts), np.bincount(labels, minlength=groups)
    found = []
    for mine, size in zip(held, sizes.tolist(), strict=True):
        scores = {}
        for word, count in mine.items():
            if count < 2:
                continue
            usual = STRENGTH * whole[word] / n
            here, there = count + usual, whole[word] - count + usual
            odds = np.log(here / (size + STRENGTH - here + 1)) - np.log(there / (n - size + STRENGTH - there + 1))
            if (score := odds / np.sqrt(1 / here + 1 / there)) > SURE:
                scores[word] = float(score)
        found.append(_best(scores, mine, most))
    return found


def _best(scores: dict[str, float], counts: Counter[str], most: int) -> list[str]:
    chosen: list[str] = []
    runs = [word for word in scores if _unspaced(word)]
    for word in sorted(scores, key=lambda one: (-scores[one], one)):
        if len(chosen) == most:
            break
        if _unspaced(word):
            longer = [run for run in runs if word in run and counts[run] >= WITHIN * counts[word]]
            word = max(longer, key=lambda run: (len(run), counts[run], run))
            if any(_overlap(word, other) for other in chosen):
                continue
        chosen.append(word)
    return chosen


def _terms(text: str) -> Iterator[str]:
    """Words of two letters or more, and runs of characters where no spaces part words."""
    for piece in re.split(r"[^\w']+", text):
        run = ""
        for token in [*words(piece), ""]:
            if token and _unspaced(token):
                run += token
                continue
            for size in range(2, LONGEST + 1):
                yield from (run[i : i + size] for i in range(len(run) - size + 1))
            run = ""
            if len(token) > 1 and not token.isdigit():
                yield token


def _unspaced(word: str) -> bool:
    return 0x3040 <= ord(word[0]) <= 0x9FFF or 0x0E00 <= ord(word[0]) <= 0x0EFF


def _overlap(one: str, other: str) -> bool:
    """Whether two runs share two characters that stand side by side."""
    return _unspaced(other) and any(one[i : i + 2] in other for i in range(len(one) - 1))
