"""Learning to link: from known pairs, then from one's own surest links; without pairs, from the collections' shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.stats.calibration import Platt
from chiasm.stats.filtering import Pairs
from chiasm.stats.relevance import recall_sum
from chiasm.tasks._link.assigning import assign, by_shape, likeness, objective, similarities
from chiasm.tasks._link.common_shape import linkable
from chiasm.views import Column, Views

__all__ = ["FEW", "Known", "Learner", "place"]

FEW = 8
"""Fewer known pairs than this are no ground to align on: the shapes of the two collections start instead."""

ENOUGH = 20
"""Held-out things that it takes to tell whether learning from one's own links helps."""

FOLDS = 5
SURE = 200
"""Held-out links from which confidences are learned, where there are as many."""

Sides = tuple[np.ndarray, np.ndarray]
"""Item positions of what is to be linked, on the left and on the right, in an order that tells nothing."""


class Known(NamedTuple):
    """Pairs to learn from: item positions `(p,)` on both sides, and what they are about."""

    left: np.ndarray
    right: np.ndarray
    ids: np.ndarray

    @property
    def things(self) -> int:
        """The number of distinct ids."""
        return len(np.unique(self.ids))

    def keep(self, mask: np.ndarray) -> Known:
        """The pairs that a mask or positions select."""
        return Known(self.left[mask], self.right[mask], self.ids[mask])

    def with_links(self, left: np.ndarray, right: np.ndarray) -> Known:
        """These pairs and further ones, each a thing of its own."""
        fresh = self.ids.max(initial=-1) + 1 + np.arange(len(left))
        return Known(np.append(self.left, left), np.append(self.right, right), np.append(self.ids, fresh))


@dataclass
class Learner:
    """Fits aligners on what is known of two columns, and on links of what is not.

    Args:
        columns: the two encoded columns by name. align: fits an aligner on Views, with validation Views or None.
        rounds: of learning from its own links, at most.

    `kept` and `trials` tell how many rounds were kept, and by which score of each.
    """

    columns: dict[str, Column]
    align: Callable[[Views, Views | None], Any]
    rounds: int
    seed: int
    kept: int = 0
    trials: list[float] = field(default_factory=list)

    def from_pairs(self, known: Known, val: Known, sides: Sides) -> Any:
        """The aligner of the number of rounds that retrieves held-out pairs best; the first of equals, so none if so.

        Held out are the validation pairs, or an eighth of the known ones (at least 20), learned from afterwards.
        """
        if not self.rounds or not min(map(len, sides)):
            return self._fit(known, val)
        learn, held = known, val
        if val.things < ENOUGH:
            ids = np.random.default_rng(self.seed).permutation(np.unique(known.ids))
            mask = np.isin(known.ids, ids[: max(ENOUGH, known.things // 8)])
            learn, held = known.keep(~mask), known.keep(mask)
        if learn.things < ENOUGH:
            return self._fit(known, val)
        rng = np.random.default_rng(self.seed)
        items = (np.unique(held.left), np.unique(held.right))  # they stand among the unlinked, as those stand there
        world = [rng.permutation(np.concatenate([part, more])) for part, more in zip(sides, items, strict=True)]
        asked, tried = self._views(held), []
        for aligner, _ in self._rounds(learn, val, (world[0], world[1])):
            found = self._vectors(aligner, items)
            self.trials.append(recall_sum(asked, dict(zip(self.columns, found, strict=True))))
            tried.append(aligner)
        self.kept = int(np.argmax(self.trials))
        if held is val:
            return tried[self.kept]
        again = self._rounds(known, val, sides)
        return [next(again)[0] for _ in range(self.kept + 1)][-1]

    def calibrated(self, known: Known, val: Known, sides: Sides) -> Platt | None:
        """What makes probabilities of likenesses: how often links of known pairs are right that were not learned from.

        The known pairs of one fold after the other are hidden among the unlinked items, linked by an aligner of the
        other folds (without rounds), and looked at. None where fewer than 20 pairs are known.
        """
        if known.things < ENOUGH:
            return None
        rng = np.random.default_rng(self.seed)
        likenesses: list[np.ndarray] = []
        right: list[np.ndarray] = []
        for ids in np.array_split(rng.permutation(np.unique(known.ids)), FOLDS):
            mask = np.isin(known.ids, ids)
            held, aligner = known.keep(mask), self._fit(known.keep(~mask), val)
            mine = np.unique(held.left), np.unique(held.right)
            left, other = (rng.permutation(np.concatenate([a, b])) for a, b in zip(mine, sides, strict=True))
            scores = similarities(*self._vectors(aligner, (left, other)))
            links = assign(scores)
            links = links.keep(np.isin(left[links.left], mine[0]))
            true = set(zip(held.left.tolist(), held.right.tolist(), strict=True))
            found = zip(left[links.left].tolist(), other[links.right].tolist(), strict=True)
            right.append(np.array([pair in true for pair in found], dtype=bool))
            likenesses.append(likeness(scores, links))
            if sum(map(len, right)) >= SURE:
                break
        told = np.concatenate(likenesses)[:, None], np.concatenate(right)[:, None]
        return Platt().fit(*told) if len(told[0]) else None

    def from_shape(self, known: Known, val: Known, sides: Sides) -> Any:
        """The aligner of the number of rounds under whose links the two sides are most alike in shape.

        Raises a ChiasmError where the shapes have too little in common to link by; see `linkable`.
        """
        if known.things + min(map(len, sides)) < FEW:
            raise ChiasmError(
                f"wanted at least {FEW} known pairs (rows that have both views) or {FEW} unlinked items a side, got "
                f"{known.things} pairs and {len(sides[0])} and {len(sides[1])} items."
            )
        one = known.keep(np.unique(known.ids, return_index=True)[1])
        x, y = (
            np.asarray(column.take(np.concatenate([seeds, part])), dtype=np.float32)
            for column, seeds, part in zip(self.columns.values(), one[:2], sides, strict=True)
        )
        found = by_shape(x, y, one.things, self.seed)
        if not linkable(x, y, found, one.things, self.seed):
            a, b = self.columns
            raise ChiasmError(
                f"not linkable: by their shapes alone {a!r} and {b!r} fit each other no better than collections would "
                f"whose items do not belong together; wanted at least {FEW} known pairs (rows that have both views), "
                f"got {one.things}."
            )
        found = found.keep(found.left >= one.things)
        first = Pairs(found.left - one.things, found.right - one.things, found.score)
        tried = []
        for aligner, links in self._rounds(known, val, sides, first):
            self.trials.append(objective(x[one.things :], y[one.things :], links))
            tried.append(aligner)
        self.kept = int(np.argmax(self.trials))
        return tried[self.kept]

    def _rounds(
        self, known: Known, val: Known, sides: Sides, first: Pairs | None = None
    ) -> Iterator[tuple[Any, Pairs]]:
        """Aligners, each with its links between the sides: of the known pairs, then of ever more links beside them."""
        more = known if first is None else known.with_links(sides[0][first.left], sides[1][first.right])
        for turn in range(1, self.rounds + 2):
            aligner = self._fit(more, val)
            scores = similarities(*self._vectors(aligner, sides))
            links = assign(scores)
            yield aligner, links
            if turn <= self.rounds:
                order = np.argsort(-likeness(scores, links), kind="stable")
                sure = links.keep(order[: len(order) * turn // self.rounds])
                more = known.with_links(sides[0][sure.left], sides[1][sure.right])

    def _fit(self, known: Known, val: Known) -> Any:
        return self.align(self._views(known), self._views(val) if val.things > 1 else None)

    def _views(self, known: Known) -> Views:
        indexes = zip(self.columns.items(), known[:2], strict=True)
        return Views({name: Column(c.modality, c.items, index) for (name, c), index in indexes}, known.ids)

    def _vectors(self, aligner: Any, sides: Sides) -> list[np.ndarray]:
        return [place(aligner, name, c, part) for (name, c), part in zip(self.columns.items(), sides, strict=True)]


def place(aligner: Any, name: str, column: Column, positions: np.ndarray) -> np.ndarray:
    """A column's items at `positions` (repeats allowed) in the shared space `(len, k)`."""
    items, at = np.unique(positions, return_inverse=True)
    vectors = np.asarray(column.take(items), dtype=np.float32)
    return np.asarray(aligner.transform(Views({name: Column(column.modality, vectors)}))[name].items)[at]
