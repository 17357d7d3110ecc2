"""What tasks give back: arrays and lists that also carry what encoding did; and, for one release, the last of these."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from chiasm import frames
from chiasm.encoding import Report

__all__ = ["Answers", "Hits", "recalled", "remember"]


class Answers(tuple[np.ndarray, ...]):
    """What a task answered, to unpack: `labels, confidence = model.answer(rows)`.

    Args:
        parts: the arrays, as the task's `answer` describes them.
        report: what encoding skipped or altered (`chiasm.encoding.Report`).
        outputs: `(n, c)` probabilities of the classes or tags, or numbers, where the task has them.
        ids: `(n,)` the rows' ids.
        columns: name -> values, what a table of the answers shows: `to_pandas`, a notebook, a csv.
    """

    report: Report
    outputs: Any
    ids: np.ndarray | None
    columns: dict[str, Any]

    def __new__(
        cls,
        parts: Iterable[np.ndarray],
        report: Report,
        outputs: np.ndarray | None = None,
        ids: np.ndarray | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> Answers:
        """Make a tuple and hang the rest on it."""
        made = super().__new__(cls, tuple(parts))
        made.report, made.outputs, made.ids = report, outputs, ids
        made.columns = dict(columns or {})
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (tuple(self), self.report, self.outputs, self.ids, self.columns)

    def to_pandas(self) -> Any:
        """A DataFrame, a line a row: id, answer, how sure it is; of classes and tags a column of probabilities each.

        Of a search a line a hit. Raises a ChiasmError where pandas is not installed.
        """
        return frames.to_pandas(self.columns)

    def as_rows(self) -> list[dict[str, Any]]:
        """The same as plain values, a dict a row, for JSON: ids as text, numbers to six places."""
        return [
            {name: str(value) if name == "id" else _plain(value) for name, value in zip(self.columns, row, strict=True)}
            for row in zip(*self.columns.values(), strict=True)
        ]

    def _repr_html_(self) -> str:
        return frames.html_table(self.columns)


class Hits(list[Any]):
    """What was found: a list of dicts (of a search, a list of hits a query), and the `report` of encoding.

    Args:
        notes: what else is to be told of how it was found, in sentences.
        unjudged: the queries, by number, of which nobody knows what a match scores, though it was asked (`reject`).
    """

    def __init__(self, found: Iterable[Any], report: Report, notes: Iterable[str] = (), unjudged: Iterable[int] = ()):
        super().__init__(found)
        self.report = report
        self.notes = list(notes)
        self.unjudged = frozenset(unjudged)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Name -> values, a line a hit; of a search with `query`, the number of what was asked, from 0."""
        found: list[dict[str, Any]] = []
        for place, one in enumerate(self):
            found += [dict(one)] if isinstance(one, Mapping) else [{"query": place, **hit} for hit in one]
        names = list(dict.fromkeys(name for hit in found for name in hit))
        return {name: [hit.get(name) for hit in found] for name in names}

    def to_pandas(self) -> Any:
        """A DataFrame, a line a hit. Raises a ChiasmError where pandas is not installed."""
        return frames.to_pandas(self.columns)

    def _repr_html_(self) -> str:
        return frames.html_table(self.columns)


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return round(value, 6) if isinstance(value, float) else list(value) if isinstance(value, tuple) else value


_threads = threading.local()


def remember(model: Any, **what: Any) -> None:
    """Keep what a call told, for this thread's `recalled` properties; nothing of it is on the model."""
    held: WeakKeyDictionary[Any, dict[str, Any]] = vars(_threads).setdefault("held", WeakKeyDictionary())
    held.setdefault(model, {}).update(what)


def recalled(what: str, instead: str) -> Any:
    """A property that gives the calling thread's last, and warns.

    Args:
        what: its name. instead: where it is now, for the warning.
    """

    def last(model: Any) -> Any:
        name = f"{type(model).__name__}.{what}"
        warnings.warn(f"{name} goes with chiasm 0.3: use {instead}.", DeprecationWarning, stacklevel=2)
        try:
            return vars(_threads).get("held", {})[model][what]
        except KeyError:
            raise AttributeError(f"{name}: this thread has asked this model nothing yet; use {instead}.") from None

    return property(last, doc=f"The calling thread's last one (goes with chiasm 0.3): use {instead}.")
