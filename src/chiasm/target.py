"""What is asked for: a class, tags or a number; between a person's labels and `(n, c)` arrays."""

from __future__ import annotations

import difflib
import json
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.checks import some
from chiasm.column import missing
from chiasm.errors import ChiasmError, ChiasmWarning, unknown
from chiasm.finite import LARGEST
from chiasm.frames import cells
from chiasm.part import Part

__all__ = ["ANSWER_KINDS", "Target"]

ANSWER_KINDS = ("classes", "tags", "numbers")

_TINY = 1e-12


class Target(Part):
    """The kind of an answer and the names of its columns.

    Outputs are `(n, c)` float64: probabilities of c classes that sum to 1; probabilities of c tags, each on its own;
    or c numbers. Truth has the same shape: indicators of 0 and 1, or the numbers; a row of NaN has no label.

    Args:
        kind: "classes", "tags" (a row has any number of them) or "numbers".

    Learned: `names_`, the classes or tags as text, in order of the labels' value; `dtype_` of class labels, where they
    are whole numbers, numbers or booleans: classes are answered in that type.

    >>> target = Target("classes").fit(["cat", "dog", "cat", None])
    >>> target.names_, target.encode(["dog", None]).tolist()
    (['cat', 'dog'], [[0.0, 1.0], [nan, nan]])
    """

    def __init__(self, kind: str = "classes"):
        self.kind = kind

    def fit(self, y: Any) -> Target:
        """Learn the names from labels; a ChiasmError where there are too few to learn anything."""
        if self.kind not in ANSWER_KINDS:
            raise unknown("kind of answer", self.kind, ANSWER_KINDS)
        if self.kind == "numbers":
            values = _numbers(y)
            self.names_ = ["value"] if values.shape[1] == 1 else [f"value {i}" for i in range(values.shape[1])]
            known = values[~np.isnan(values).any(axis=1)]
            if not len(known) or not (np.ptp(known, axis=0) > 0).all():
                raise ChiasmError(
                    f"wanted numbers that differ, got {len(known)} labels of one value: nothing to learn."
                )
            return self
        if self.kind == "tags":
            found = _tags(y)
            self.names_ = sorted({tag for tags in found if tags is not None for tag in tags})
            if not self.names_:
                raise ChiasmError("wanted rows with tags, got none: nothing to learn.")
            return self
        self.dtype_ = _dtype(y)
        names = sorted({name for name in _classes(y) if name is not None}, key=self._value)
        if len(names) < 2:
            held = f"only {names[0]!r}" if names else "no label at all"
            raise ChiasmError(f"wanted at least two classes in the training rows, got {held}: nothing to tell apart.")
        self.names_ = names
        return self

    def encode(self, y: Any) -> np.ndarray:
        """Labels -> `(n, c)`; a missing label is a row of NaN, a class that `fit` did not meet a row of zeros.

        Where the classes are numbers, or true and false, a label is the class of its value: 1, 1.0, "1" and True.
        """
        if self.kind == "numbers":
            return _numbers(y)
        place = {name: i for i, name in enumerate(self.names_)}
        labels = self._given(y)
        out = np.zeros((len(labels), len(self.names_)))
        for row, names in enumerate(labels):
            if names is None:
                out[row] = np.nan
            else:
                out[row, [place[name] for name in names if name in place]] = 1
        return out

    def check(self, y: Any) -> None:
        """Look whether labels to score by are those that were learned.

        Raises a ChiasmError where none of them is a class or tag that `fit` met; warns of those that are not.
        """
        if self.kind == "numbers":
            return
        given = Counter(name for names in self._given(y) if names is not None for name in names)
        strange = [name for name in given if name not in self.names_]
        if not strange:
            return
        what = "class" if self.kind == "classes" else "tag"
        near = {name: self._near(name) for name in strange}
        told = some([f"{n!r} {given[n]}" + (f" (did you mean {near[n]!r}?)" if near[n] else "") for n in strange], 5)
        if len(strange) == len(given):
            raise ChiasmError(
                f"wanted labels as they were learned ({some([repr(name) for name in self.names_], 9)}), got {told}: "
                "write them the same way."
            )
        several = "are no classes" if what == "class" else "are no tags"
        warnings.warn(
            f"{sum(given[n] for n in strange)} labels {several} that were learned, and count as wrong: {told}",
            ChiasmWarning,
            stacklevel=3,
        )

    def _near(self, name: str) -> str | None:
        """The class or tag that a label was perhaps meant to be."""
        number = _value_of(name)
        for known in self.names_:
            if known.casefold().strip() == name.casefold().strip() or (
                number is not None and _value_of(known) == number
            ):
                return str(known)
        return next(iter(difflib.get_close_matches(name, self.names_, n=1)), None)

    def _given(self, y: Any) -> list[tuple[str, ...] | None]:
        """The classes or tags of each row; None where it has no label."""
        if self.kind == "tags":
            return _tags(y)
        known, by_value = set(self.names_), {}
        if np.dtype(vars(self).get("dtype_", "object")).kind in "biuf":
            by_value = {_value_of(name): name for name in self.names_}
        return [
            None if name is None else (name if name in known else by_value.get(_value_of(name), name),)
            for name in _classes(y)
        ]

    def decode(self, outputs: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
        """Outputs -> `(n,)` class names, `(n, c)` booleans (tags above their thresholds, .5 by default) or numbers."""
        if self.kind == "classes":
            decoded: np.ndarray = self.values()[outputs.argmax(axis=1)]
            return decoded
        if self.kind == "tags":
            above: np.ndarray = outputs >= (0.5 if thresholds is None else thresholds)
            return above
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def values(self) -> np.ndarray:
        """`(c,)` the classes or tags, in the type of the labels that were learned from."""
        dtype = vars(self).get("dtype_", "object")  # saved before 0.2 without
        return np.array([self._value(name) for name in self.names_], dtype=dtype)

    def _value(self, name: str) -> Any:
        kind = np.dtype(vars(self).get("dtype_", "object")).kind
        if kind == "b":
            return name == "True"
        return int(name) if kind in "iu" else float(name) if kind == "f" else name

    def gain(self, outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """`(n,)` how good each answer is: its log likelihood; of numbers the negative squared error.

        What methods are chosen by, higher is better: unlike accuracy it moves with every probability. A class that
        training lacked has probability 1e-12.
        """
        if self.kind == "numbers":
            error: np.ndarray = -np.square(outputs - truth).sum(axis=1)
            return error
        if self.kind == "classes":
            right = (outputs * truth).sum(axis=1)
        else:
            outputs = np.clip(outputs, _TINY, 1 - _TINY)
            likely: np.ndarray = (truth * np.log(outputs) + (1 - truth) * np.log(1 - outputs)).mean(axis=1)
            return likely
        gained: np.ndarray = np.log(np.maximum(right, _TINY))
        return gained


def _missing(value: Any) -> bool:
    return missing(value) or (isinstance(value, str) and value == "")


def _listed(y: Any) -> Any:
    """Labels one a row; what a masked array masks is missing."""
    return cells(y) if isinstance(y, np.ma.MaskedArray) else y


def _classes(y: Any) -> list[str | None]:
    return [None if _missing(value) else str(value) for value in np.asarray(_listed(y), dtype=object).tolist()]


def _value_of(name: str) -> float | None:
    """The number that a label is, also true and false."""
    try:
        return float({"True": "1", "False": "0"}.get(name, name))
    except ValueError:
        return None


def _dtype(y: Any) -> str:
    """The type of class labels: of an array its own, of other rows that of their values; "object" for texts."""
    y = _listed(y)
    own = getattr(y, "dtype", None)
    if isinstance(own, np.dtype) and own.kind in "biuf":
        return str(own)
    known = [value for value in np.asarray(y, dtype=object).tolist() if not _missing(value)]
    held = {type(value) for value in known}
    if held and any(all(issubclass(one, kinds) for one in held) for kinds in _KINDS) and not {bool, int} <= held:
        return str(np.asarray(known).dtype)
    return "object"


_KINDS = ((bool, np.bool_), (int, np.integer), (float, np.floating))


def _numbers(y: Any) -> np.ndarray:
    rows = [list(row) if isinstance(row, list | tuple | np.ndarray) else [row] for row in _listed(y)]
    try:
        found = np.array([[np.nan if _missing(v) else float(v) for v in row] for row in rows], dtype=np.float64)
        if (far := np.flatnonzero((np.abs(found) > LARGEST).any(axis=1))).size:
            held = found[far[0]][np.abs(found[far[0]]) > LARGEST][0]
            more = f" ({far.size} such rows)" if far.size > 1 else ""
            raise ChiasmError(
                f"labels, row {far[0]} holds {'infinity' if np.isinf(held) else f'{held:.3g}'}{more}: wanted numbers "
                f"within +-{LARGEST:g}; scale them, or leave out what is unknown (None)."
            )
        return found
    except ChiasmError:
        raise
    except (TypeError, ValueError):
        wrong = next(str(v) for row in rows for v in row if not _is_number(v))
        raise ChiasmError(f"wanted numbers as labels, got {wrong[:40]!r}: classify is the task for names.") from None


def _is_number(value: Any) -> bool:
    try:
        float(0 if _missing(value) else value)
    except (TypeError, ValueError):
        return False
    return True


def _tags(y: Any) -> list[tuple[str, ...] | None]:
    """Tags of each row: from a sequence, a JSON list, or names between semicolons; None where the label is missing."""
    return [_split(value) for value in y]


def _split(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return tuple(sorted({str(tag) for tag in value}))
    if _missing(value):
        return None
    if isinstance(value, str) and value.startswith("["):
        try:
            return _split(json.loads(value))
        except ValueError:
            pass
    if not isinstance(value, str):
        raise ChiasmError(f"wanted a list of tags a row, or names between semicolons, got {value!r}.")
    names: Sequence[str] = [part.strip() for part in value.replace("；", ";").split(";")]
    return tuple(sorted({name for name in names if name}))
