"""The words of queries, to be read before they are encoded, and the queries with other words in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chiasm.tasks.retrieve import Question, questions
from chiasm.views import as_views

__all__ = ["Wording", "wording"]


class Wording(NamedTuple):
    """What some queries say in words."""

    rows: list[list[str]]
    """The texts of each query that is there; none for one that asks with pictures alone."""
    alone: bool
    """Whether every query is one text and nothing else."""
    put: Callable[[Sequence[Sequence[str]]], Any]
    """The queries with these texts, as many of each, in the place of `rows`."""


def wording(model: Any, queries: Any) -> Wording | None:
    """The words of queries as `Retrieve.hits` takes them; None where there are none."""
    texts = {name for name, kind in model.views_.items() if kind == "text"} | {"text"}
    if (some := questions(queries)) is not None:
        rows = [[str(term.item) for term in one.terms if term.view in texts] for one in some]
        alone = all(one.alone and row for one, row in zip(some, rows, strict=True))
        return (
            Wording(rows, alone, lambda new: [_with(*pair, texts) for pair in zip(some, new, strict=True)])
            if any(rows)
            else None
        )
    if not isinstance(queries, dict) and not hasattr(queries, "columns"):
        return None
    views = as_views(queries, {kind: kind for kind in model.views_.values()} | model.views_)
    if len(views.names) != 1 or model.views_[(name := model.view(views.names[0]))] != "text":
        return None
    column = views[views.names[0]]
    there = column.present.tolist()
    held = [[str(text)] for text in column.take(column.index[column.present])]

    def put(new: Sequence[Sequence[str]]) -> Any:
        left = iter(new)
        return {name: [next(left)[0] if one else None for one in there]}

    return Wording(held, True, put) if held else None


def _with(question: Question, new: Sequence[str], texts: set[str]) -> Question:
    left = iter(new)
    return Question(
        [(term.weight, {term.view: next(left) if term.view in texts else term.item}) for term in question.terms]
    )
