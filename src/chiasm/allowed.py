"""What a parameter may be: declared on a class by name, checked when it learns, told in a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError, unknown

__all__ = [
    "COUNT",
    "DEVICE",
    "ENCODERS",
    "FLAG",
    "LABEL",
    "MODEL",
    "NOT_NEGATIVE",
    "ORDER",
    "PART",
    "POSITIVE",
    "PRECISION",
    "SEED",
    "SHARE",
    "SIZE",
    "TEXT",
    "VIEWS",
    "Allowed",
    "allowed_of",
    "check",
    "choice",
    "listed",
    "number",
    "one_of",
]


class Allowed(NamedTuple):
    """The values that a parameter may have."""

    words: str
    """What is wanted, for the sentence of a refusal."""
    holds: Callable[[Any], bool]
    names: tuple[str, ...] = ()
    """Where it is a choice among names."""
    views: bool = False
    """Whether there may be one by view."""

    def or_none(self) -> Allowed:
        """These, or None: what is left open."""
        return Allowed(f"{self.words}, or None", lambda value: value is None or self.holds(value))

    def each(self, least: int = 1) -> Allowed:
        """A list of at least so many of these."""

        def holds(values: Any) -> bool:
            listed = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str)
            return listed and len(values) >= least and all(map(self.holds, values))

        return Allowed(f"a list{' that is not empty' if least else ''}, each entry {self.words}", holds)

    def by_view(self) -> Allowed:
        """One of these for all, or a dict of them by view."""

        def holds(value: Any) -> bool:
            return all(map(self.holds, value.values())) if isinstance(value, Mapping) else self.holds(value)

        return Allowed(f"{self.words} (or a dict by view)", holds, self.names, True)


def number(least: float, most: float = math.inf, *, open: bool = False, whole: bool = False) -> Allowed:
    """Finite numbers from `least` to `most`; `open`: more than `least`; `whole`: 1, 2, 3."""
    words = f"{'a whole number' if whole else 'a number'} {'above' if open else 'of at least'} {least:g}"
    words += "" if math.isinf(most) else f" and at most {most:g}"

    def holds(value: Any) -> bool:
        if not _is_number(value) or not math.isfinite(value) or (whole and not isinstance(value, int | np.integer)):
            return False
        return least < value <= most if open else least <= value <= most

    return Allowed(words, holds)


def choice(*names: str) -> Allowed:
    """One of these names."""
    return Allowed(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names, names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


COUNT = number(1, whole=True)
SIZE = number(0, whole=True)
POSITIVE = number(0, open=True)
NOT_NEGATIVE = number(0)
SHARE = number(0, 1)
SEED = number(0, 2**32 - 1, whole=True)
FLAG = Allowed("True or False", lambda value: isinstance(value, bool | np.bool_))
TEXT = Allowed("a text", lambda value: isinstance(value, str))
PART = Allowed(
    "a name or a part", lambda value: isinstance(value, str) or hasattr(value, "fit") or hasattr(value, "add")
)
ENCODERS = Allowed("a dict by view or modality, or None", lambda held: held is None or hasattr(held, "items"))
VIEWS = Allowed(
    "the name of a view, or a list of names",
    lambda value: (
        isinstance(value, str) or (isinstance(value, Sequence) and all(isinstance(name, str) for name in value))
    ),
)
ORDER = TEXT.each().or_none()
"""All views in an order, by their names; None: left open."""
LABEL = Allowed("a label, or None", lambda value: value is None or isinstance(value, str | int | np.generic))
MODEL = Allowed("a fitted part, or None", lambda value: value is None or hasattr(value, "check_fitted"))
PRECISION = choice("float32", "float64")
DEVICE = Allowed(
    "auto, cpu, cuda or cuda:NUMBER",
    lambda value: isinstance(value, str) and re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", value) is not None,
)


def allowed_of(part: type) -> dict[str, Allowed]:
    """What the parameters of a class may be, those of the classes that it inherits from among them."""
    known: dict[str, Allowed] = {}
    for cls in reversed(part.__mro__):
        known |= vars(cls).get("allowed", {})
    return known


def listed(text: str, usual: Any, allowed: Allowed | None) -> Any:
    """What a command line says of a parameter that holds several values; None where it holds one.

    "b,a" is a list where `usual`, the parameter's default, is one, or where names of views are wanted;
    "VIDEO=gru,WORDS=conv" a dict where there may be one by view, of values like the default.

    Raises a ValueError where a value is none like the usual ones, or a view has two.

    >>> listed("b,a", (), VIEWS), listed("video=25,sound=10", 0, SIZE.by_view()), listed("gru", "conv", None)
    (['b', 'a'], {'video': 25, 'sound': 10}, None)
    """
    parts = [one.strip() for one in text.split(",") if one.strip()]
    if isinstance(usual, tuple | list):
        like = float if any(isinstance(one, float) for one in usual) else type(next(iter(usual), ""))
        return [like(one) for one in parts]
    if allowed in (VIEWS, ORDER) and len(parts) > 1:
        return parts
    if allowed is not None and allowed.views and parts and all("=" in one for one in parts):
        pairs = [one.rpartition("=") for one in parts]
        found = {view.strip(): type(usual)(value.strip()) for view, _, value in pairs}
        if len(found) < len(pairs) or "" in found:
            raise ValueError(text)
        return found
    return None


def one_of(text: str, allowed: Allowed | None) -> Any:
    """What a command line says of a parameter that is left open: a whole number, a number or a text; None: neither.

    >>> one_of("3", COUNT.or_none()), one_of("0.5", POSITIVE.or_none()), one_of("text", LABEL), one_of("x", COUNT)
    (3, 0.5, 'text', None)
    """
    for like in (int, float, str) if allowed is not None else (int,):
        try:
            value = like(text)
        except ValueError:
            continue
        if allowed is None or allowed.holds(value):
            return value
    return None


def check(owner: str, params: Mapping[str, Any], allowed: Mapping[str, Allowed]) -> None:
    """Raise a ChiasmError that names the first parameter whose value is not allowed."""
    for name, one in allowed.items():
        if name not in params or one.holds(params[name]):
            continue
        if one.names and isinstance(params[name], str):
            raise unknown(name, params[name], one.names)
        raise ChiasmError(f"{owner}: wanted {name} to be {one.words}, got {params[name]!r}.")
