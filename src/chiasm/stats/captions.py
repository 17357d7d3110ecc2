"""How like captions are to what people wrote: BLEU-4, ROUGE-L and CIDEr-D, as the COCO evaluation defines them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["Frequencies", "bleu", "bleu_counts", "cider", "frequencies", "grams", "rouge", "words"]

ORDERS = 4
SIGMA = 6.0
BETA = 1.2
_SMALL, _TINY = 1e-9, 1e-15

_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts without spaces between words: each character is a word."""
_SYMBOLS = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_WORDS = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+|[{_SYMBOLS}]")

Grams = Counter[tuple[str, ...]]


class Frequencies(NamedTuple):
    """In how many things' captions an n-gram stands: what CIDEr weighs n-grams by."""

    counts: dict[tuple[str, ...], int]
    documents: int
    """Things, at least 1."""

    def weight(self, gram: tuple[str, ...]) -> float:
        """log(documents / those that have it); of one that none has, log(documents)."""
        return math.log(self.documents) - math.log(max(1, self.counts.get(gram, 0)))


def words(text: str) -> list[str]:
    """The words of a caption, lower case, without punctuation; of scripts without spaces every character; emoji.

    The COCO evaluation cuts English by the Penn Treebank's rules; on captions without apostrophes it is the same.

    >>> words("A man, riding a wave.")
    ['a', 'man', 'riding', 'a', 'wave']
    >>> words("一只狗 in 2024 🐶")
    ['一', '只', '狗', 'in', '2024', '🐶']
    """
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


def grams(told: Sequence[str], orders: int = ORDERS) -> Grams:
    """How often each run of 1 to 4 words occurs."""
    return Counter(tuple(told[i : i + n]) for n in range(1, orders + 1) for i in range(len(told) - n + 1))


def frequencies(references: Iterable[Sequence[str]]) -> Frequencies:
    """The document frequencies of a set of things, each with one caption or more: of training captions, as a rule.

    The published CIDEr takes them from the captions that are scored against; then a set of one thing has a score of 0,
    and the same caption another score in another set. Say which ones a figure was made with.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    documents = 0
    for mine in references:
        documents += 1
        counts.update({gram for text in mine for gram in grams(words(text))})
    return Frequencies(dict(counts), max(1, documents))


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]], known: Frequencies) -> np.ndarray:
    """CIDEr-D `(n,)` of n captions, from 0 to 10, higher is better: cosines of n-grams weighed by how rare they are.

    For n of 1 to 4, the cosine of tf-idf vectors whose counts are cut at the reference's, times
    exp(-(difference of lengths)^2 / 72); the mean over n and over the references, times 10.

    Args:
        references: of each caption one or more; blank ones are passed over. known: what `frequencies` gives.

    Source: Vedantam, Zitnick & Parikh 2015.

    >>> known = frequencies([["a red bus"], ["a blue car"], ["two dogs"]])
    >>> cider(["a red bus", "two dogs"], [["a red bus"], ["a blue car"]], known).round(2).tolist()
    [7.5, 0.0]
    """
    found = np.zeros(len(candidates))
    for row, (told, mine) in enumerate(zip(candidates, _checked(candidates, references), strict=True)):
        ours = _weighed(words(told), known)
        found[row] = np.mean([_alike(ours, _weighed(words(one), known)) for one in mine])
    return found


class _Weighed(NamedTuple):
    vectors: list[dict[tuple[str, ...], float]]
    norms: list[float]
    length: int


def _weighed(told: Sequence[str], known: Frequencies) -> _Weighed:
    vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
    for gram, count in grams(told).items():
        vectors[len(gram) - 1][gram] = count * known.weight(gram)
    norms = [math.sqrt(sum(value * value for value in vector.values())) for vector in vectors]
    return _Weighed(vectors, norms, max(0, len(told) - 1))  # the reference code's length: the number of word pairs


def _alike(ours: _Weighed, theirs: _Weighed) -> float:
    total = 0.0
    for mine, other, a, b in zip(ours.vectors, theirs.vectors, ours.norms, theirs.norms, strict=True):
        if a and b:
            shared = sum(min(value, other[gram]) * other[gram] for gram, value in mine.items() if gram in other)
            total += shared / (a * b)
    return 10 * total / ORDERS * math.exp(-((ours.length - theirs.length) ** 2) / (2 * SIGMA**2))


def rouge(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """ROUGE-L `(n,)`, from 0 to 1: words in common in the same order, precision and recall at beta = 1.2.

    Of several references the best precision and the best recall count. Source: Lin 2004.

    >>> rouge(["a red bus"], [["the red bus"]]).round(3).tolist()
    [0.667]
    """
    found = np.zeros(len(candidates))
    for row, (text, mine) in enumerate(zip(candidates, _checked(candidates, references), strict=True)):
        told = words(text)
        if not told:
            continue
        others = [words(one) for one in mine]
        common = [(_common(told, other), len(other)) for other in others]
        precision = max(n / len(told) for n, _ in common)
        recall = max(n / size for n, size in common)
        if precision and recall:
            found[row] = (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)
    return found


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for j, its in enumerate(other):
            before, row[j + 1] = row[j + 1], before + 1 if word == its else max(row[j + 1], row[j])
    return row[-1]


def bleu_counts(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """`(n, 10)` what BLEU-4 is made of, which adds over rows.

    Of each order the runs of words that a reference has too, then of each order all runs, the words of the caption and
    of the reference nearest in length.
    """
    found = np.zeros((len(candidates), 2 * ORDERS + 2))
    for row, (text, mine) in enumerate(zip(candidates, _checked(candidates, references), strict=True)):
        told, others = words(text), [words(one) for one in mine]
        most: Grams = Counter()
        for other in others:
            most |= grams(other)
        for gram, count in grams(told).items():
            found[row, len(gram) - 1] += min(count, most[gram])
        found[row, ORDERS : 2 * ORDERS] = [max(0, len(told) - n) for n in range(ORDERS)]
        found[row, -2] = len(told)
        found[row, -1] = min((abs(len(other) - len(told)), len(other)) for other in others)[1]
    return found


def bleu(counts: np.ndarray) -> float:
    """BLEU-4 of a corpus, from 0 to 1, from its rows' `bleu_counts`. Source: Papineni, Roukos, Ward & Zhu 2002.

    >>> bleu(bleu_counts(["a red bus on a road"], [["a red bus on the road"]]))  # doctest: +ELLIPSIS
    0.53...
    """
    total = np.asarray(counts, dtype=np.float64).reshape(-1, 2 * ORDERS + 2).sum(axis=0)
    right, all_ = total[:ORDERS], total[ORDERS : 2 * ORDERS]
    mean = float(np.exp(np.log((right + _TINY) / (all_ + _SMALL)).mean()))
    ratio = (total[-2] + _TINY) / (total[-1] + _SMALL)
    return mean * (math.exp(1 - 1 / ratio) if ratio < 1 else 1.0)


def _checked(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[list[str]]:
    if len(candidates) != len(references):
        raise ChiasmError(f"wanted {len(candidates)} lists of references, one a caption, got {len(references)}.")
    kept = [[one for one in mine if words(one)] for mine in references]
    if empty := [row for row, mine in enumerate(kept) if not mine]:
        raise ChiasmError(f"row {empty[0] + 1}: wanted a reference with a word in it, got none: leave the row out.")
    return kept
