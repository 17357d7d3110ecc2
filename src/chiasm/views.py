"""Views: what flows. Named, row-aligned columns; a row is one observation, rows of equal id are one thing."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chiasm.checks import check_indexes, odd_ids, odd_labels
from chiasm.column import ABSENT, MODALITIES, Column, missing
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.frames import MATRIX, are_numbers, cells, column_of, columns_of, is_frame, is_matrix, is_rows, side_by_side
from chiasm.tokens import Tokens

__all__ = ["ABSENT", "MODALITIES", "Column", "Views", "as_views", "connected", "normalize", "not_looked_at"]


class Views:
    """Named, row-aligned columns, one id a row, and facts (split, label, group) that no encoder learns from.

    What pairs with what: rows of equal `id` are one thing; a pair is any two present items of one id, in one row
    or not. Rows of equal `group` (a patient, a film) are different things that never come apart: what splits, folds
    or resamples rows takes whole `clusters`. Indexing: `views["caption"]` is a column; `views[rows]` (integer array,
    mask, slice) gives Views.

    >>> views = Views({"a": Column("vector", np.eye(3)), "b": Column("text", ["x", "y", "z"])})
    >>> views.shape, views[1:].ids.tolist(), views["b"].take(views["b"].index[1:])
    ((3, 2), [1, 2], ['y', 'z'])
    """

    has_ids: bool
    """Whether the caller gave the ids; else they are numbers of rows, which mean nothing beside another table."""

    report: Any = None
    """What encoding did, where a task's `transform` gave these Views."""

    notes: Sequence[tuple[str, str, Any]] = ()
    """(column, item, note) of all that was passed over or is odd in what was read, where `chiasm.read` gave these."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        ids: Sequence[Any] | np.ndarray | None = None,
        facts: Mapping[str, np.ndarray] | None = None,
    ):
        if not isinstance(columns, Mapping) or not all(isinstance(column, Column) for column in columns.values()):
            raise ChiasmError(
                "wanted a dict of name -> chiasm.Column: chiasm.Views.of takes arrays, lists and DataFrames, "
                "chiasm.read tables."
            )
        if not columns:
            raise ChiasmError("wanted at least one column, got none.")
        self.columns = dict(columns)
        lengths = {name: len(column) for name, column in self.columns.items()}
        n = next(iter(lengths.values()))
        if any(length != n for length in lengths.values()):
            raise ChiasmError(f"wanted columns of one length, got {lengths}: rows must be aligned.")
        self.ids = np.arange(n) if ids is None else np.asarray(ids)
        self.has_ids = ids is not None
        self.facts = {name: np.asarray(values) for name, values in (facts or {}).items()}
        for name, values in {"ids": self.ids, **self.facts}.items():
            if len(values) != n:
                raise ChiasmError(f"wanted {n} {name}, one a row, got {len(values)}.")
        self._codes: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        data: Any,
        modalities: Mapping[str, str] | None = None,
        *,
        id: Any = None,
        split: Any = None,
        label: Any = None,
        group: Any = None,
    ) -> Views:
        """Views of what is in memory: a dict of columns, a list of rows, a DataFrame (pandas, polars), an Arrow table.

        Numbers alone, an array `(n, d)` or a DataFrame or list of lists of nothing else, are one view, "x".

        A column is a list, an array, a Series, a sparse matrix, a DataFrame of numbers (a vector a row), or a `Column`.
        Arrays `(n, d)` and lists of numbers are vectors; what anything else holds stands in `modalities`: nothing
        guesses. Cells that are None, NaN or NA are absent; a row of vectors that is wholly NaN is absent.

        Args:
            data: the columns, of one length. modalities: name -> modality (`MODALITIES`); of a DataFrame and of rows,
                these columns are taken and no others.
            id, split, label, group: a value a row, or the name of a column of `data`, which is then no view.

        >>> views = Views.of({"words": ["a dog", None], "v": np.eye(2), "who": [7, 8]}, {"words": "text"}, id="who")
        >>> views.names, views.ids.tolist(), views.present("words").tolist()
        (['words', 'v'], [7, 8], [True, False])
        """
        if isinstance(data, Views):
            told = {"split": split, "label": label, "group": group}
            given = {name: _objects(cells(values)) for name, values in told.items() if values is not None}
            return cls(data.columns, data.ids if id is None else cells(id), data.facts | given)
        held = {MATRIX: data} if not is_frame(data) and is_matrix(data) else columns_of(data)
        named = {"id": id, "split": split, "label": label, "group": group}
        check_indexes({**held, **{name: given for name, given in named.items() if not isinstance(given, str)}})
        facts: dict[str, list[Any]] = {}
        for name, given in named.items():
            if isinstance(given, str):
                if given not in held:
                    raise unknown("column", given, held)
                facts[name] = cells(held.pop(given))
            elif given is not None:
                facts[name] = cells(given)
        known = dict(modalities or {})
        if known and (is_frame(data) or is_rows(data)):
            held = {name: values for name, values in held.items() if name in known}
        elif is_frame(data) and are_numbers(held):
            held = {MATRIX: side_by_side(held) if facts else data}
        ids = facts.pop("id", None)
        if ids is not None and (empty := [row for row, one in enumerate(ids) if one is None]):
            raise ChiasmError(f"ids, row {empty[0] + 1}: wanted an id, got nothing: give each row one.")
        for _, sentence in odd_ids(ids or [], "id") + odd_labels(facts.get("label", []), "label"):
            warnings.warn(sentence, ChiasmWarning, stacklevel=2)
        arrays = {name: _objects(values) for name, values in facts.items()}
        return cls({name: column_of(name, values, known) for name, values in held.items()}, ids, arrays)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), as scikit-learn asks."""
        return len(self), len(self.columns)

    @property
    def names(self) -> list[str]:
        """The views' names in order."""
        return list(self.columns)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.columns[self.resolve(key)]
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]
        some = Views(
            {name: column[key] for name, column in self.columns.items()},
            self.ids[key],
            {name: values[key] for name, values in self.facts.items()},
        )
        some.has_ids, some.notes = self.has_ids, self.notes
        return some

    def __repr__(self) -> str:
        held = ", ".join(f"{n}: {c.modality} x {len(c.used)}" for n, c in self.columns.items())
        return f"Views({len(self)} rows, {self.things} things; {held})"

    def resolve(self, name: str) -> str:
        """The view meant by `name`: a view's own name, or a modality when exactly one view has it."""
        if name in self.columns:
            return name
        same = [n for n, column in self.columns.items() if column.modality == name]
        if len(same) == 1:
            return same[0]
        if len(same) > 1:
            raise ChiasmError(f"{name!r} could mean {' or '.join(same)}: say which view by its name.")
        raise unknown("view", name, self.columns)

    def present(self, name: str) -> np.ndarray:
        """`(n,)` mask of the rows in which the view has an item."""
        mask: np.ndarray = self[name].present
        return mask

    @property
    def split(self) -> np.ndarray | None:
        """`(n,)` of "train", "val", "test", or None when no split is known."""
        return self.facts.get("split")

    @property
    def label(self) -> np.ndarray | None:
        """`(n,)` class labels, or None."""
        return self.facts.get("label")

    @property
    def group(self) -> np.ndarray | None:
        """`(n,)` strings: rows of equal group stay on one side of every split; "" is a row that has none. Or None."""
        held = self.facts.get("group")
        if held is None:
            return None
        return np.array(["" if missing(value) else str(value) for value in held.tolist()], dtype=object)

    @property
    def codes(self) -> np.ndarray:
        """`(n,)` integers 0..things-1: rows of equal id share one."""
        if self._codes is None:
            ids = self.ids
            if ids.dtype.kind in "iu" and len(ids) and np.array_equal(ids, np.arange(ids[0], ids[0] + len(ids))):
                self._codes = np.arange(len(ids))
            else:
                self._codes = _numbered(ids)
        return self._codes

    @property
    def clusters(self) -> np.ndarray:
        """`(n,)` integers 0..clusters-1: rows that share an id or a group, also by way of other rows, share one.

        Equal to `codes` where there are no groups. What is cut, folded or resampled whole.

        >>> rows = Column("vector", np.zeros((4, 1)))
        >>> Views({"a": rows}, ["x", "x", "y", "z"], {"group": ["p", "q", "q", ""]}).clusters.tolist()
        [0, 0, 0, 1]
        """
        group = self.group
        if group is None or not (group != "").any():
            return self.codes
        alone = group == ""
        linked = np.unique(group, return_inverse=True)[1]
        linked[alone] = len(group) + self.codes[alone]  # a row without a group hangs together with its id alone
        return connected(self.codes, linked)

    @property
    def things(self) -> int:
        """The number of distinct ids."""
        return int(self.codes.max()) + 1 if len(self) else 0

    def chunks(self, size: int = 4096) -> Iterator[Views]:
        """Views of about `size` rows each, in order; no id is ever cut in two."""
        codes = self.codes
        if np.all(codes[1:] > codes[:-1]):
            for start in range(0, len(self), size):
                yield self[start : start + size]
            return
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        start = 0
        while start < len(order):
            end = int(np.searchsorted(starts, start + size))
            stop = int(starts[end]) if end < len(starts) else len(order)
            yield self[order[start:stop]]
            start = stop

    def replace(self, columns: Mapping[str, Column]) -> Views:
        """The same rows, ids and facts with other columns."""
        same = Views(columns, self.ids, self.facts)
        same.has_ids, same.notes = self.has_ids, self.notes
        return same

    @staticmethod
    def stack(*tables: Views) -> Views:
        """Tables with different columns under one another; what a table lacks is absent in its rows.

        Views of one name must have one modality. Rows of equal id in two tables are one thing. Facts that every table
        has are kept, and groups where any has them.
        """
        names: dict[str, str] = {}
        for table in tables:
            for name, column in table.columns.items():
                if names.setdefault(name, column.modality) != column.modality:
                    raise ChiasmError(f"view {name!r} is {names[name]} in one table and {column.modality} in another.")
        columns = {name: _stack([t.columns.get(name) for t in tables], [len(t) for t in tables]) for name in names}
        shared = set.intersection(*(set(t.facts) for t in tables))
        facts = {name: np.concatenate([t.facts[name] for t in tables]) for name in shared}
        if any("group" in t.facts for t in tables):  # lost groups would come apart without a word
            held = [np.full(len(t), "", dtype=object) if t.group is None else t.group for t in tables]
            facts["group"] = np.concatenate(held)
        stacked = Views(columns, np.concatenate([t.ids for t in tables]), facts)
        stacked.has_ids = all(t.has_ids for t in tables)
        stacked.notes = [note for t in tables for note in t.notes]
        return stacked


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 `(n, d)` float32; a zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def connected(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`(n,)` integers 0..m-1: rows that hang together by equal numbers in `a` or in `b` share one.

    >>> connected(np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7])).tolist()
    [0, 0, 0, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = int(a.max()) + 1
    size = n + int(b.max()) + 1
    links = coo_array((np.ones(len(a)), (a, n + b)), shape=(size, size))
    group = connected_components(links, directed=False)[1][a]
    joined: np.ndarray = np.unique(group, return_inverse=True)[1]
    return joined


def _objects(values: Sequence[Any]) -> np.ndarray:
    """`(n,)` values as they are, lists of tags too."""
    return np.fromiter(values, dtype=object, count=len(values))


def _numbered(ids: np.ndarray) -> np.ndarray:
    """`(n,)` integers 0..m-1: equal ids share one; ids of several types are compared as text."""
    try:
        return np.unique(ids, return_inverse=True)[1].astype(np.int64)
    except TypeError:
        if empty := [row for row, one in enumerate(ids) if missing(one)]:
            raise ChiasmError(
                f"ids, row {empty[0] + 1}: wanted an id, got nothing: give each row one, or leave the ids out."
            ) from None
        return np.unique([str(one) for one in ids], return_inverse=True)[1].astype(np.int64)


def _stack(parts: Sequence[Column | None], lengths: Sequence[int]) -> Column:
    """One column from a column (or None: absent) of each table."""
    held = [part for part in parts if part is not None]
    arrays = all(hasattr(part.items, "shape") for part in held)
    items: Any = []
    if held and all(isinstance(part.items, Tokens) for part in held):
        items = Tokens.stack([part.items for part in held])
    elif arrays:
        items = np.concatenate([np.asarray(part.items[np.arange(len(part.items))]) for part in held])
    labels: list[str] | None = [] if all(part.labels is not None for part in held) else None
    index, offset = [], 0
    for part, length in zip(parts, lengths, strict=True):
        if part is None:
            index.append(np.full(length, ABSENT, dtype=np.int64))
            continue
        index.append(np.where(part.index == ABSENT, ABSENT, part.index + offset))
        offset += len(part.items)
        if not arrays:
            items.extend(part.items)
        if labels is not None:
            labels.extend(part.labels or ())
    known = [part.digests for part in held if part.digests is not None]
    digests = np.concatenate(known) if len(known) == len(held) else None
    named = held[0].names if len({tuple(part.names or ()) for part in held}) == 1 else None
    return Column(held[0].modality, items, np.concatenate(index), labels=labels, digests=digests, names=named)


def as_views(data: Any, modalities: Mapping[str, str] | None = None) -> Views:
    """Views from Views, a mapping of name to values, rows, a DataFrame, or a matrix: what every public door accepts.

    As `Views.of`; of a frame and of rows, columns that are not in `modalities` are named in a warning and left out. A
    matrix without a name is the view of `modalities` where there is one alone.
    """
    if isinstance(data, Views):
        return data
    known = dict(modalities or {})
    names = list(known)
    able = list(known.values()) == ["vector"] if is_frame(data) else bool(known)  # a frame may be columns of others
    if able and is_matrix(data, known):
        if len(names) > 1 and MATRIX not in names:
            raise ChiasmError(
                f"wanted some of the views {', '.join(names)}, got numbers without a name: say which view they are, "
                f"for example {{{names[0]!r}: rows}}."
            )
        return Views.of({names[0] if len(names) == 1 else MATRIX: data}, known)
    if known and (is_frame(data) or is_rows(data)):
        held = list(columns_of(data))
        if not set(held) & set(names):
            raise ChiasmError(f"wanted some of the columns {', '.join(names)}, got {', '.join(held)}.")
        not_looked_at(held, names)
    return Views.of(data, known)


def not_looked_at(names: Iterable[str], known: Iterable[str]) -> None:
    """Warn of the names that are none of the `known` views, with the nearest of these beside each."""
    known = list(known)
    other = [name for name in names if name not in known]
    near = {name: difflib.get_close_matches(name, known, n=1) for name in other}
    if other:
        told = ", ".join(f"{name} (did you mean {near[name][0]!r}?)" if near[name] else name for name in other)
        warnings.warn(
            f"not looked at, no fitted view has the name: {told}; fitted are {', '.join(known)}",
            ChiasmWarning,
            stacklevel=3,
        )
