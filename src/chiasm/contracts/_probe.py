"""What every promise is tried on: new copies of the part, generated data, and the words for what was found."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from chiasm import recipe, registry
from chiasm.data.toy import COLORS, SHAPES, planted_pair, shape_image, square_film, tone_wav
from chiasm.tokens import Tokens
from chiasm.views import ABSENT, Column, Views

__all__ = [
    "BrokenError",
    "Probe",
    "Promise",
    "SkippedError",
    "answered",
    "apart",
    "hold",
    "items_of",
    "pair",
    "printed",
    "reloaded",
    "rows_of",
    "stateless",
    "thinned",
]


class BrokenError(Exception):
    """A promise that is not kept: what was found, in words."""


class SkippedError(Exception):
    """A promise that cannot be tried here: why not."""


@dataclass
class Probe:
    """One part under test."""

    kind: str
    given: Any
    """The part as it was handed over; it is never fitted itself."""
    items: Sequence[Any] | None = None
    other: Mapping[str, Any] = field(default_factory=dict)
    within: float = 0.0
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def cls(self) -> type:
        """The part's class."""
        return type(self.given)

    def params(self) -> dict[str, Any]:
        """The constructor's values by name; `SkippedError` for an object that does not tell them."""
        if not hasattr(self.given, "get_params"):
            raise SkippedError(f"{self.cls.__name__} has no get_params, so that its parameters are not known")
        held: dict[str, Any] = self.given.get_params(deep=False)
        return held

    def make(self, **params: Any) -> Any:
        """A new, unfitted copy with other parameters, with all that its kind's base has."""
        part = copy.deepcopy(self.given)
        if params:
            part.set_params(**params)
        return registry.make(self.kind, part)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once: promises share what is fitted."""
        if name not in self.memo:
            self.memo[name] = make()
        return self.memo[name]


@dataclass(frozen=True)
class Promise:
    """One promise: its words, and what tries it on a `Probe`.

    Made of a function, whose docstring's first line is the words. It returns a note or None, or else raises
    `BrokenError` or `SkippedError`.
    """

    name: str
    words: str
    keep: Callable[[Probe], str | None]

    @classmethod
    def of(cls, keep: Callable[[Probe], str | None]) -> Promise:
        """The promise that a function tries."""
        return cls(keep.__name__, (keep.__doc__ or "").split("\n")[0].rstrip("."), keep)


def printed(score: Any) -> None:
    """Hold that a score prints as a table of its own, which is JSON too; a plain number has none."""
    if not hasattr(score, "table"):
        raise SkippedError("its score is a plain number")
    text = str(score)
    hold(len(text.splitlines()) > 1, f"its score prints as {text!r}, wanted the table behind it")
    hold(json.loads(score.to_json()) is not None, "its score has no JSON")
    hold(np.isfinite(float(score)), f"its score is {float(score)}")


def stateless(on: Probe, part: Any, *calls: Callable[[], Any]) -> None:
    """Hold that calls leave nothing of themselves on a part; what it opens or works out at the first may stay."""
    calls[0]()
    before = _held(on, part)
    for call in calls[1:]:
        call()
    after = _held(on, part)
    moved = sorted(name for name in before.keys() | after.keys() if not _same(before.get(name), after.get(name)))
    hold(not moved, f"a call changes {', '.join(moved)}: return what a call has to tell, since threads share a part")


def _held(on: Probe, part: Any) -> dict[str, tuple[Any, int]]:
    """What is on a part, and on the object that it wraps: by name the thing and its length."""
    held = dict(vars(part))
    for value in list(held.values()):
        if type(value) is on.cls:
            held |= vars(value)
    return {name: (value, len(value) if isinstance(value, list | dict | set) else 0) for name, value in held.items()}


def _same(one: tuple[Any, int] | None, other: tuple[Any, int] | None) -> bool:
    if one is None or other is None or one[1] != other[1]:
        return False
    plain = isinstance(one[0], str | int | float) and isinstance(other[0], str | int | float)
    return one[0] is other[0] or (plain and one[0] == other[0])


def hold(right: Any, told: str) -> None:
    """Raise `BrokenError` with what was found, unless it is right."""
    if not right:
        raise BrokenError(told)


@contextmanager
def reloaded(on: Probe, part: Any) -> Iterator[Any]:
    """The part after saving and loading, as long as its folder is there."""
    package, cls = on.cls.__module__.split(".")[0], on.cls
    if package == "__main__" or not _importable(cls):
        raise SkippedError(f"{cls.__name__} is not in a module that can be imported again: put it in a file of its own")
    on.params()
    if registry.make(on.kind, on.given).__class__ is not cls and package not in registry.packages():
        raise SkippedError(f"{cls.__name__} has no base of chiasm's: it can be saved once an entry point names it")
    with TemporaryDirectory() as folder, registry.trusting(package):
        yield recipe.load(recipe.save(part, Path(folder) / "part"))


def _importable(cls: type) -> bool:
    try:
        return getattr(importlib.import_module(cls.__module__), cls.__name__, None) is cls
    except ImportError:
        return False


def rows_of(values: Any) -> list[np.ndarray]:
    """What an encoder says of each item: a vector `(d,)`, or its tokens `(t, d)`."""
    if isinstance(values, Tokens):
        return [values.batch([i])[0][0] for i in range(len(values))]
    return list(np.asarray(values))


def apart(one: Any, other: Any) -> float:
    """The largest difference of two arrays, in units of the largest number; infinite for other shapes or NaN."""
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if one.shape != other.shape:
        return float("inf")
    if np.array_equal(one, other):
        return 0.0
    found = np.abs(one - other).max() / max(np.abs(other).max(), 1e-30)
    return float("inf") if np.isnan(found) else float(found)


TEXTS = [f"a {c} {s} on a white ground" for c in COLORS for s in SHAPES] + [
    "一只红色的圆",
    "蓝色的方块",
    "绿色的三角形",
]


@cache
def items_of(modality: str) -> tuple[Sequence[Any], Any]:
    """Items of a modality that all differ, and one that cannot be read; `SkippedError` where none are generated."""
    kinds = list(product(COLORS, SHAPES))
    if modality == "text":
        return TEXTS, "  "
    if modality == "image":
        return [np.asarray(shape_image(c, s, seed=i)) for i, (c, s) in enumerate(kinds)], b"no picture"
    if modality == "audio":
        return [tone_wav(start=float(i)) for i in range(len(kinds))], b"no sound"
    if modality == "video":
        return [square_film(3 * i, float(i)) for i in range(len(kinds))], b"no film"
    if modality == "record":
        sizes = [None, *range(len(kinds) - 1)]
        records = [{"大小": n, "color": c, "shape": s} for n, (c, s) in zip(sizes, kinds, strict=True)]
        return records, {"color": ["red", "blue"]}
    raise SkippedError(
        f"no items of modality {modality!r} are generated: pass items=[...], some sixteen that all differ"
    )


@cache
def pair() -> Views:
    """Views a (20 wide) and b (12) of 600 things, 8 of whose directions correlate by .99: 500 to learn from."""
    a, b = planted_pair(600, correlations=(0.99,) * 8)
    return Views({"a": Column("vector", a), "b": Column("vector", b)})


@cache
def answered() -> Views:
    """Two views and a class that each tells in part; 400 rows to learn from, 200 to score."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    a = rng.normal(size=(600, 6)) + 1.2 * np.eye(3)[y] @ rng.normal(size=(3, 6))
    b = rng.normal(size=(600, 5)) + 1.2 * np.eye(3)[y] @ rng.normal(size=(3, 5))
    names = np.array(["猫", "狗", "bird"], dtype=object)[y]
    return Views({"a": Column("vector", a), "b": Column("vector", b)}, np.arange(600), {"label": names})


def thinned(views: Views, **every: int) -> Views:
    """The views with the item of every so many rows absent, by view."""
    index = np.arange(len(views))
    columns = dict(views.columns)
    for name, step in every.items():
        columns[name] = Column("vector", views[name].items, np.where(index % step == 0, ABSENT, index))
    return views.replace(columns)
