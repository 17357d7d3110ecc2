"""Beam search in numpy: the likeliest texts of a writer that tells the next piece, bounded in length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from chiasm.allowed import number
from chiasm.generate._pieces import END, START, Pieces
from chiasm.stats.captions import words

__all__ = ["BEAM", "Wishes", "Written", "search"]

BEAM = number(1, 50, whole=True)
"""Texts that are followed at a time: time and memory grow with it, and nothing is gained by hundreds."""

NEVER = -1e9

Next = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Pieces so far `(m, t)` and the row `(m,)` that each is about -> log probabilities of the next `(m, v)`."""


class Written(NamedTuple):
    """One text."""

    text: str
    likelihood: float
    """Its log probability, the end's too."""
    pieces: int
    """The end counts."""


class Wishes(NamedTuple):
    """What a text must hold, and what it must not: words as `chiasm.stats.captions.words` cuts them."""

    forced: tuple[tuple[str, ...], ...] = ()
    forbidden: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, forced: Sequence[str] = (), forbidden: Sequence[str] = ()) -> Wishes:
        """From words or phrases."""
        return cls(tuple(tuple(words(one)) for one in forced), tuple(tuple(words(one)) for one in forbidden))

    def refused(self, text: str) -> bool:
        """Whether a text holds a forbidden one."""
        return self.broken(words(text))

    def granted(self, text: str) -> bool:
        """Whether a text is as wished."""
        told = words(text)
        return not self.broken(told) and self.met(told) == len(self.forced)

    def met(self, told: Sequence[str]) -> int:
        """How many of the forced ones some words hold."""
        return sum(_holds(told, one) for one in self.forced)

    def broken(self, told: Sequence[str]) -> bool:
        """Whether words hold a forbidden one."""
        return any(_holds(told, one) for one in self.forbidden)


def search(
    following: Next, rows: int, pieces: Pieces, *, beam: int, longest: int, wishes: Wishes | None = None
) -> list[list[Written]]:
    """For each row up to `beam` texts, the likeliest first; of equals the one whose pieces come first.

    Where words are forced, as many texts are kept for every number of them that is met, and a word may be written whole
    at any place; none is given back in which one is missing, so that there may be fewer, or none. Texts end after
    `longest` pieces at the latest.

    Sources: Graves 2012; forced words: Hokamp & Liu 2017.
    """
    wishes = wishes or Wishes()
    whole = [pieces.ids([" ".join(one)], longest)[0] for one in wishes.forced]
    jumps = [one[(one != START) & (one != END) & (one > 0)] for one in whole]
    alive: list[list[tuple[float, tuple[int, ...]]]] = [[(0.0, (START,))] for _ in range(rows)]
    done: list[list[Written]] = [[] for _ in range(rows)]
    for size in range(1, longest + 2):
        flat = [(row, score, ids) for row, held in enumerate(alive) for score, ids in held if len(ids) == size]
        if not any(alive):
            break
        if not flat:
            continue
        told = following(np.array([ids for _, _, ids in flat]), np.array([row for row, _, _ in flat]))
        told[:, :END] = NEVER
        if size > longest:
            told[:, END + 1 :] = NEVER
        rest: list[list[tuple[float, tuple[int, ...]]]] = [[h for h in held if len(h[1]) != size] for held in alive]
        for (row, score, ids), next_ in zip(flat, told, strict=True):
            best = np.argpartition(-next_, min(2 * beam, len(next_) - 1))[: 2 * beam]
            for piece in best[np.argsort(-next_[best], kind="stable")].tolist():
                if next_[piece] <= NEVER / 2:
                    continue
                whole_score = score + float(next_[piece])
                if piece == END:
                    text = pieces.text(ids)
                    if words(text) and wishes.granted(text):
                        done[row].append(Written(text, whole_score, size))
                else:
                    rest[row].append((whole_score, (*ids, piece)))
            for jump in jumps:
                if size + len(jump) <= longest + 1 and wishes.forced:
                    rest[row].append((_along(following, row, score, ids, jump), (*ids, *jump.tolist())))
        alive = [_kept(held, done[row], beam, pieces, wishes, longest) for row, held in enumerate(rest)]
    return [sorted(_distinct(mine), key=lambda one: -one.likelihood / one.pieces)[:beam] for mine in done]


def _along(following: Next, row: int, score: float, ids: tuple[int, ...], jump: np.ndarray) -> float:
    """The score with the pieces of a forced word behind it."""
    for piece in jump.tolist():
        score += float(following(np.array([ids]), np.array([row]))[0, piece])
        ids = (*ids, piece)
    return score


def _kept(
    held: list[tuple[float, tuple[int, ...]]],
    done: list[Written],
    beam: int,
    pieces: Pieces,
    wishes: Wishes,
    longest: int,
) -> list[tuple[float, tuple[int, ...]]]:
    """The best of the unfinished: `beam` of them, for every number of forced words met as many."""
    held = sorted(set(held), key=lambda one: (-one[0] / len(one[1]), one[1]))
    if len(done) >= beam and not wishes.forced:
        bar = sorted((one.likelihood / one.pieces for one in done), reverse=True)[beam - 1]
        held = [one for one in held if one[0] / (longest + 1) > bar]  # not even at full length could it be better
    counts: dict[int, int] = {}
    kept = []
    for score, ids in held:
        met = 0
        if wishes.forced or wishes.forbidden:
            told = words(pieces.text(ids))
            if wishes.broken(told[:-1]):
                continue
            met = wishes.met(told)
        if counts.get(met, 0) < beam:
            counts[met] = counts.get(met, 0) + 1
            kept.append((score, ids))
    return kept


def _distinct(found: Sequence[Written]) -> list[Written]:
    best: dict[str, Written] = {}
    for one in found:
        if one.text not in best or best[one.text].likelihood < one.likelihood:
            best[one.text] = one
    return list(best.values())


def _holds(told: Sequence[str], run: tuple[str, ...]) -> bool:
    return bool(run) and any(tuple(told[i : i + len(run)]) == run for i in range(len(told) - len(run) + 1))
