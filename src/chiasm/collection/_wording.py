"""The words of queries, read before they are encoded: what has to be there exactly, and the taught names in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chiasm.collection._marks import among_words
from chiasm.collection._taught import Taught, said
from chiasm.errors import ChiasmError
from chiasm.index import quotes
from chiasm.tasks.retrieve import At, Question, questions
from chiasm.views import as_views

__all__ = ["Reading", "asked_with", "elsewhere", "reading"]


class Reading(NamedTuple):
    """What was read in some queries."""

    queries: Any
    """As `Retrieve.hits` takes them, without what was read."""
    exact: list[list[str]]
    """Of each query that is there the phrases that stood in quotes."""
    names: list[list[Taught]]
    """The taught names among its words; of several terms those of what is added."""
    bare: list[bool]
    """Whether it has no other words."""
    placed: list[bool]
    """Whether its names are terms of it already, as of several terms."""
    texts: list[str] | None
    """The words that are left, where every query is words and nothing else."""


def asked_with(model: Any, queries: Any) -> list[str]:
    """The fitted views that queries are of."""
    if (some := questions(queries)) is not None:
        return list(dict.fromkeys(view for one in some for view in model.views_asked(one)))
    if hasattr(queries, "views") and hasattr(queries, "toward"):
        return list(queries.views)
    return [model.view(name) for name in as_views(queries, _views(model)).names]


def reading(model: Any, queries: Any, target: str, taught: Mapping[str, Taught]) -> Reading:
    """Read queries, as `Retrieve.hits` takes them.

    Args:
        target: the view that answers. taught: by name, those whose files are of it.
    """
    texts = {name for name, kind in model.views_.items() if kind == "text"} | {"text"}
    if (some := questions(queries)) is not None:
        if all(one.alone and one.terms[0].view in texts for one in some):
            terms = [one.terms[0] for one in some]
            return _words(
                [str(term.item) for term in terms],
                taught,
                lambda left: [
                    Question([(term.weight, {term.view: text})]) for term, text in zip(terms, left, strict=True)
                ],
            )
        read = [_terms(model, one, texts, target, taught) for one in some]
        exact, names = [phrases for _, phrases, _ in read], [named for _, _, named in read]
        return Reading([one for one, _, _ in read], exact, names, [False] * len(some), [True] * len(some), None)
    none = Reading(queries, [], [], [], [], None)
    if not isinstance(queries, Mapping) and not hasattr(queries, "columns"):
        return none
    views = as_views(queries, _views(model))
    if len(views.names) != 1 or model.views_[(name := model.view(views.names[0]))] != "text":
        return none
    column = views[views.names[0]]
    there = column.present.tolist()

    def put(left: Sequence[str]) -> Any:
        words = iter(left)
        return {name: [next(words) if one else None for one in there]}

    held = [str(text) for text in column.take(column.index[column.present])]
    return _words(held, taught, put) if held else none


def elsewhere(read: Reading, taught: Mapping[str, Taught]) -> list[Taught]:
    """Which taught names are among the words of queries, of those that files of another view were taught by."""
    texts = read.texts
    if texts is None:
        asked = questions(read.queries) or []
        texts = [str(term.item) for one in asked for term in one.terms if isinstance(term.item, str)]
    return [taught[name] for name in dict.fromkeys(name for text in texts for name in said(text, taught)[0])]


def _words(texts: list[str], taught: Mapping[str, Taught], put: Callable[[list[str]], Any]) -> Reading:
    """Queries that are words and nothing else."""
    parted = [quotes(text) for text in texts]
    plain = [left if left.strip() else text for text, (left, _) in zip(texts, parted, strict=True)]
    found = [said(text, taught) for text in plain]
    left = [rest or text for text, (_, rest) in zip(plain, found, strict=True)]
    names = [[taught[name] for name in one] for one, _ in found]
    bare = [not rest for _, rest in found]
    return Reading(put(left), [phrases for _, phrases in parted], names, bare, [False] * len(texts), left)


def _terms(
    model: Any, question: Question, texts: set[str], target: str, taught: Mapping[str, Taught]
) -> tuple[Question, list[str], list[Taught]]:
    """A question of several terms, what stood in quotes, and the taught names in what it adds.

    A term that is taught names and no more is what their files have in common; one with other words too lies where
    these words are searched when they stand alone, and counts as words do.
    """
    terms: list[tuple[float, dict[str, Any]]] = []
    exact: list[str] = []
    added: dict[str, Taught] = {}
    for term in question.terms:
        view, item = term.view, term.item
        if view in texts:
            left, phrases = quotes(str(item))
            if phrases and term.weight < 0:
                raise ChiasmError(
                    f"wanted words without quotes to take out, got {term}: what is in quotes has to be there."
                )
            exact += phrases
            item = left if left.strip() else item
            names, rest = said(item, taught)
            if names:
                some = {name: taught[name] for name in names}
                place = among_words(model, target, list(some.values()), {view: rest} if rest else None)
                view, item = view if rest else target, At(place, str(term.item))
                added |= some if term.weight > 0 else {}
        terms.append((term.weight, {view: item}))
    return Question(terms), exact, list(added.values())


def _views(model: Any) -> dict[str, str]:
    return {kind: kind for kind in model.views_.values()} | model.views_
