"""What every explainer shares: rows of pairs in, rows of what their scores rest on out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from chiasm.column import ABSENT
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError
from chiasm.part import Part
from chiasm.views import Column, Views

__all__ = ["Explainer", "Scoring"]

Scoring = Callable[[Sequence[Any]], np.ndarray]
"""Altered copies of an item, n of them -> what each scores beside the other item of its row, `(n,)`."""


class Explainer(Part):
    """Why two items score as they do. A subclass says which modalities it `reads` and writes `told`.

    The part that is explained is asked for `pair_scores(query, candidates)` alone: Views of one column each, one row
    against n, -> `(n,)`, higher is closer. Where it also has `patches(views)` (a list of `(t, d)`, row by row of a
    square grid, or None), a picture is cut by what the encoder saw.
    """

    reads: ClassVar[tuple[str, ...]] = ("text", "image")

    def explain(self, part: Any, views: Views) -> Views:
        """What each item of a row adds to the score of that row's two items.

        Args:
            part: something with `pair_scores`. views: two columns, a pair a row; an absent item is absent in the
                answer, and nothing is told of what stands beside it.

        The same rows and columns come back, each item a dict (modality record): `score`, that of the row as it is; and
        either what was found, `words` of a text or `region` of a picture (see `told`), or `withheld`, a sentence that
        says why nothing is told.

        Raises a ChiasmError for a part without `pair_scores` and for other than two columns.
        """
        self.check_params()
        if not hasattr(part, "pair_scores"):
            raise ChiasmError(
                f"wanted a part that scores pairs (pair_scores), got {type(part).__name__}: a fitted Retrieve has it."
            )
        if len(views.columns) != 2:
            raise ChiasmError(f"wanted two columns, a pair a row, got {', '.join(views.names)}.")
        both = views.present(views.names[0]) & views.present(views.names[1])
        found = {}
        for name, other in (views.names, views.names[::-1]):
            index = np.where(both, np.cumsum(both) - 1, ABSENT)
            rows = np.flatnonzero(both).tolist()
            found[name] = Column("record", [self._row(part, views, row, name, other) for row in rows], index)
        return views.replace(found)

    def told(self, modality: str, item: Any, score: Scoring, patches: Callable[[Any], Any]) -> dict[str, Any]:
        """What is told of one item.

        Args:
            score: scores altered copies of it. patches: an altered or unaltered copy -> its `(t, d)`, or None.

        Returns `words` or `region`, or `withheld`; and `score`. Of a text, `words` are its pieces in order, dicts of
        `word`, `start` and `end` (characters) and `share` (of what all its pieces are worth, 0 to 1). Of a picture,
        `region` is a dict of `box` (left, top, right, bottom, each 0 to 1), `mask` (a line of 0 and 1 a row of the
        grid), `share` (of what all its parts are worth, one at a time), `drop` (what the score loses without it) and
        `random` (the most that it loses without a random part of equal area).
        """
        raise NotImplementedError

    def _row(self, part: Any, views: Views, row: int, name: str, other: str) -> dict[str, Any]:
        column = views[name]
        if column.modality not in self.reads:
            return {"withheld": f"{column.modality} is not taken apart, {' or '.join(self.reads)} is"}
        (item,) = column.take(column.index[row : row + 1])
        beside = Views({other: views[other][row : row + 1]})

        def as_views(items: Sequence[Any]) -> Views:
            return Views({name: Column(column.modality, list(items))})

        def score(items: Sequence[Any]) -> np.ndarray:
            return np.asarray(part.pair_scores(beside, as_views(items)), dtype=np.float64)

        def patches(item: Any) -> Any:
            found = part.patches(as_views([item])) if hasattr(part, "patches") else None
            return None if found is None else found[0]

        try:
            return self.told(column.modality, item, score, patches)
        except MediaError as error:
            return {"withheld": f"it cannot be read: {error}"}
