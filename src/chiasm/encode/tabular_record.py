"""Numbers and categories of a row as one vector: scaled, one-hot, with indicators of what is missing or rare.

Sources: Tukey 1977 (median and quartiles, which wild values do not move); Jones 1996 (indicators of missing values);
Josse et al. 2019 (a constant in the place of a missing value, for prediction).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import COUNT
from chiasm.checks import is_unseen
from chiasm.encode._encoder import Encoder
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, Note

__all__ = ["TabularRecord"]

CLIP = 5.0
"""How far from 0 a scaled number may be: one typing error must not decide an answer."""

NORMAL = 1.349
"""The distance between the quartiles of a normal distribution, in standard deviations."""

_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class TabularRecord(Encoder):
    """Records `(n, d)` float32: a record is a dict of field -> number, text, or None where it is missing.

    A number x becomes (x - median) / s, drawn in at +-5, and 0 where missing; s is 1 / 1.349 of the distance between
    the quartiles of the training records (the sd of a normal distribution), or their sd where the quartiles are equal.
    A text is a category: 1 in its own column, 0 in the others. Where training records lacked a field, a column more
    says so; where they had more than `most` categories, one stands for all the rarer ones and for those never seen.

    Choose it for what stands beside pictures and texts in a table: age, sex, price, brand. Every column has a name
    (`names_`), so that a linear answer can be read. Mean and sd would let a few wild values flatten all the others;
    ranks would change what a step of a number means. Where a field spans powers of ten, give its logarithm instead.
    Choose `chiasm.Column("vector", ...)` where the numbers are alike (spectra, embeddings).

    A category that training records lack is noted as altered (unknown_category), a field that they lack too
    (unknown_field); a number beyond +-3.4e38 is missing, and noted too (not_finite). A record is skipped that holds
    nothing (empty), nothing but such numbers, a number where texts were learned or the reverse, or a list (wrong_type).

    Args:
        most: the most categories of a field that have a column of their own, the commonest first.

    Learned: `names_`, the d columns' names, and `fields_`, by field what was learned of it.

    >>> encoder = TabularRecord().fit([{"age": 30, "sex": "F"}, {"age": 50, "sex": "M"}, {"age": None, "sex": "F"}])
    >>> encoder.names_
    ['age', 'age missing', 'sex=F', 'sex=M']
    >>> encoder.encode([{"age": 45, "sex": "M"}, {"sex": "F"}]).round(2)
    array([[0.67, 0.  , 0.  , 1.  ],
           [0.  , 1.  , 1.  , 0.  ]], dtype=float32)
    """

    modality = "record"
    batch = 4096

    allowed: ClassVar = {"most": COUNT}

    def __init__(self, most: int = 50):
        self.most = most

    def fit(self, items: Sequence[Any]) -> TabularRecord:
        """Learn the fields of m training records, all that any of them has; unusable records are left out.

        Raises a ChiasmError when no record holds a value, or a field holds numbers in some and texts in others.
        """
        usable = [(item, record) for item in items if (record := _try(item)[0]) is not None]
        records = [record for _, record in usable]
        if not records:
            raise ChiasmError(
                f"tabular_record: wanted training records with values, got {len(items)} items without any."
            )
        fields: dict[str, dict[str, Any]] = {}
        names: list[str] = []
        for name in dict.fromkeys(name for item, _ in usable for name in item):  # in the order of the table
            values = [record[name] for record in records if name in record]
            if not values:
                continue
            texts = [value for value in values if isinstance(value, str)]
            if 0 < len(texts) < len(values):
                raise ChiasmError(
                    f"field {name!r}: wanted numbers, or texts, got both ({texts[0][:40]!r} in some records): make all "
                    "of it texts, or leave what is no number empty."
                )
            learned = _categories(values, self.most) if texts else _numbers(values)
            learned["gaps"] = len(values) < len(records)
            fields[name] = learned
            names += [f"{name}={category}" for category in learned["known"]] if texts else [name]
            names += [f"{name} rare"] if texts and learned["rare"] else []
            names += [f"{name} missing"] if learned["gaps"] else []
        self.fields_, self.names_ = fields, names
        return self

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Vectors of the records; those that cannot be used are noted as skipped."""
        self.check_fitted()
        seen = {name: {*known.get("known", ()), *known.get("rare", ())} for name, known in self.fields_.items()}
        records: list[dict[str, Any]] = []
        notes: dict[int, list[Note]] = {}
        for i, item in enumerate(items):
            record, found = _try(item)
            if record is not None:
                found = found + self._judge(record, seen)
            records.append({} if record is None or any(note.skipped for note in found) else record)
            if found:
                notes[i] = found
        columns = [column for name in self.fields_ for column in self._columns(name, [r.get(name) for r in records])]
        return np.stack(columns, axis=1).astype(np.float32), notes

    def content(self, item: Any) -> bytes:
        """The record as JSON: fields in the order of their names, missing ones left out, numbers as floats."""
        return json.dumps(_record(item)[0], sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _judge(self, record: dict[str, Any], seen: dict[str, set[str]]) -> list[Note]:
        """What is wrong with a record, or altered of it; `seen` are the categories of training by field."""
        notes = []
        for name, value in record.items():
            learned = self.fields_.get(name)
            if learned is None:
                notes.append(Note("unknown_field", f"no training record has a value in {name!r}"))
            elif isinstance(value, str) != ("known" in learned):
                wanted, got = ("a text", "the number") if "known" in learned else ("a number", "the text")
                message = f"field {name!r}: wanted {wanted}, as in training, got {got} {str(value)[:40]!r}"
                return [Note("wrong_type", message, skipped=True)]
            elif isinstance(value, str) and value not in seen[name]:
                notes.append(Note("unknown_category", f"no training record has {name}={value[:40]}"))
        return notes

    def _columns(self, name: str, values: list[Any]) -> list[np.ndarray]:
        """The columns `(n,)` of one field."""
        learned = self.fields_[name]
        missing = np.array([value is None for value in values], dtype=bool)
        if "known" in learned:
            place = {category: i for i, category in enumerate(learned["known"])}
            code = np.array([place.get(value, -1) for value in values], dtype=np.int64)
            columns = [code == i for i in range(len(place))]
            columns += [(code < 0) & ~missing] if learned["rare"] else []
        else:
            center = learned["center"]
            numbers = np.array([center if value is None else value for value in values], dtype=np.float64)
            columns = [np.clip((numbers - center) * learned["scale"], -CLIP, CLIP)]
        return columns + ([missing] if learned["gaps"] else [])


def _numbers(values: list[float]) -> dict[str, Any]:
    """Median and 1 / s of a field; the scale of one that is constant is 0: training says nothing of its size."""
    numbers = np.array(values)
    low, center, high = np.percentile(numbers, (25, 50, 75)).tolist()
    spread = (high - low) / NORMAL
    if low == high and numbers.min() < numbers.max():
        spread = float(numbers.std())
    return {"center": center, "scale": 1 / spread if spread > _SMALLEST else 0.0}


def _categories(values: list[str], most: int) -> dict[str, Any]:
    """The categories that have a column, the commonest first and equals by name, and the rarer ones."""
    counts = Counter(values)
    order = sorted(counts, key=lambda category: (-counts[category], category))
    return {"known": order[:most], "rare": order[most:]}


def _try(item: Any) -> tuple[dict[str, Any] | None, list[Note]]:
    """The record, or None and the note that says what is wrong with it."""
    try:
        return _record(item)
    except MediaError as error:
        return None, [error.note]


def _record(item: Any) -> tuple[dict[str, Any], list[Note]]:
    """The fields that hold a value, numbers as floats, and notes on those that are left out.

    Raises a MediaError where it is no record or cannot be used.
    """
    if not isinstance(item, dict):
        raise MediaError("not_a_record", f"wanted a dict of field -> number, text or None, got {type(item).__name__}")
    if odd := [type(name).__name__ for name in item if not isinstance(name, str)]:
        raise MediaError("not_a_record", f"wanted texts as names of fields, got {odd[0]}")
    record: dict[str, Any] = {}
    notes: list[Note] = []
    for name, value in item.items():
        if isinstance(value, str):
            if not is_unseen(value):
                record[name] = value.strip()
        elif isinstance(value, Real | np.bool_):
            number = _float(value) + 0.0  # -0.0 is 0.0
            if abs(number) > _LARGEST:
                message = f"field {name!r}: wanted a finite number of float range, got {number:g}"
                notes.append(Note("not_finite", message))
            elif number == number:  # not NaN, which is missing
                record[name] = number
        elif value is not None:
            raise MediaError(
                "wrong_type", f"field {name!r}: wanted a number, a text or None, got {type(value).__name__}"
            )
    if not record and notes:
        raise MediaError(notes[0].code, notes[0].message)
    if not record:
        raise MediaError("empty", "a record without a value")
    return record, notes


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
