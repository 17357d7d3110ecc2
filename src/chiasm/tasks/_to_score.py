"""Which rows of some data a saved model is scored on: those held out at fit, and those that it has never seen."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from chiasm.encoding.keys import keyed
from chiasm.encoding.streams import spread
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.splits import row_digests
from chiasm.views import Views

__all__ = ["Chosen", "to_score"]


class Chosen(NamedTuple):
    """The rows to score."""

    rows: Views
    split: str
    """What the score calls them: "test", "new", or "test and new"."""
    told: list[str]
    """What there is to say of the others, in sentences."""


def to_score(task: Any, views: Views, *, allow_train: bool = False) -> Chosen:
    """The rows that `task` held out as test, and those that it has never seen.

    By the data's own split where it has one; else by the ids recorded at fit. Where ids are but numbers of rows they
    count only if a row that was learned from stands at its number: in another table they mean other rows. A row of an
    unknown id that equals one that was learned from is left out too. What is chosen and left out is warned of as soon
    as some row is new.

    Args:
        task: fitted, with `ids_` and `splits_`. views: raw rows.
        allow_train: where nothing else is there, the rows that were learned from.

    Raises a ChiasmError where there is no row to score.
    """
    if views.split is not None:
        mask = views.split == "test"
        if not mask.any():
            there = ", ".join(sorted(map(str, set(views.split.tolist()))))
            raise ChiasmError(
                f"no rows of split 'test' in the data, which has {there}: say which to score "
                "(where={'split': 'NAME'})."
            )
        return Chosen(views[mask], "test", [])
    recorded = dict(zip(map(str, task.ids_), task.splits_, strict=True))
    split = np.array([recorded.get(str(one), "") for one in views.ids], dtype=object)
    learned = ~np.isin(split, ["", "test"])
    if not views.has_ids or (split == "").any():
        equal = _equal(task, views)
        if equal is not None and task.repeats:
            equal &= learned | task.whole(views)
        if not views.has_ids and equal is not None and not (equal & learned).any():  # the numbers of another table
            split[:] = ""
        learned = ~np.isin(split, ["", "test"])
        if equal is not None:
            learned |= equal & (split == "")
    new, held = (split == "") & ~learned, split == "test"
    rows = held | new
    if not rows.any():
        if not allow_train:
            raise ChiasmError(
                f"all {len(views)} rows are rows that the model was fitted on: score other rows, or insist with "
                "allow_train=True."
            )
        return Chosen(views, "train", [])
    told = _sentences(len(views), int(new.sum()), int(held.sum()), int(learned.sum())) if new.any() else []
    for sentence in told:
        warnings.warn(sentence, ChiasmWarning, stacklevel=2)
    name = " and ".join(name for name, mask in (("test", held), ("new", new)) if mask.any())
    return Chosen(views[rows], name, told)


def _sentences(n: int, new: int, held: int, learned: int) -> list[str]:
    """How many rows are scored, and how many are left out."""
    if new == n:
        return [f"none of the {n} rows is one that the model was fitted on: all are scored"]
    parts = [f"{new} of the {n} rows are new to the model", f"{held} were held out at fit" if held else ""]
    left = f"{learned} that it was fitted on are left out" if learned else ""
    scored = ", and ".join(part for part in parts if part) + ": these are scored"
    return [f"{scored}{f'; {left}' if left else ''}"]


def _equal(task: Any, views: Views) -> np.ndarray | None:
    """`(n,)` the rows whose items are those of a row that was learned from; None where no row can be told so."""
    if task.streams:
        views = spread(views, None)[0]
    known = {name: column for name, column in views.columns.items() if name in task.views_}
    digests = row_digests(keyed(task.encoding_, views.replace(known)), partial=task.partial)
    if not any(digests):
        return None
    fitted = set(task.fitted_.view("V16").ravel().tolist())
    return np.array([digest in fitted for digest in digests], dtype=bool)
