"""Questions that come while another is answered wait, and are answered together: one pass over the vectors for all."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

__all__ = ["Together"]

_MOST = 64
"""Queries that are answered in one go, at most, beyond those of one call."""

Find = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Queries `(q, d)` and k -> rows `(q, k)` and scores `(q, k)`, falling."""


class _Waiting:
    def __init__(self, among: tuple[object, ...], queries: np.ndarray, k: int):
        self.among, self.queries, self.k = among, queries, k
        self.found: tuple[np.ndarray, np.ndarray] | None = None
        self.error: BaseException | None = None

    def beside(self, other: _Waiting) -> bool:
        """Whether both are asked among the same things."""
        return all(mine is theirs for mine, theirs in zip(self.among, other.among, strict=True))


class Together:
    """Calls from several threads, one answered at a time, those that wait meanwhile as one.

    Where a pass over all vectors takes its time for reading them, eight queries cost what one does.
    """

    def __init__(self) -> None:
        self._guard, self._turn = threading.Lock(), threading.Lock()
        self._waiting: list[_Waiting] = []

    def __call__(
        self, find: Find, among: tuple[object, ...], queries: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `find` gives for these queries and k, perhaps asked together with those of others.

        Args:
            find: the best k must begin with the best of any smaller k. among: what is searched; calls whose objects
                are the same ones can be answered by one `find`.
        """
        mine = _Waiting(among, queries, k)
        with self._guard:
            self._waiting.append(mine)
        with self._turn:
            if mine.found is None and mine.error is None:
                self._answer(find, mine)
        if mine.error is not None:
            raise mine.error
        assert mine.found is not None
        rows, scores = mine.found
        return rows[:, :k], scores[:, :k]

    def _answer(self, find: Find, mine: _Waiting) -> None:
        with self._guard:
            others = [one for one in self._waiting if one is not mine and one.beside(mine)]
            some, room = [mine], _MOST
            for one in others:
                if (room := room - len(one.queries)) < 0:
                    break
                some.append(one)
            self._waiting = [one for one in self._waiting if one not in some]
        try:
            rows, scores = find(np.concatenate([one.queries for one in some]), max(one.k for one in some))
        except BaseException as error:
            for one in some:
                one.error = error
            return
        edges = np.cumsum([len(one.queries) for one in some])[:-1]
        for one, *found in zip(some, np.split(rows, edges), np.split(scores, edges), strict=True):
            one.found = (found[0], found[1])
