"""What `talk` says: templates of replies, and why a slot can never be sure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["below_one", "never_sure", "percent", "question", "summary"]


def below_one(share: float) -> float:
    """A probability to six places, 1 only where it is 1."""
    return min(round(share, 6), 0.999999) if share < 1 else 1.0


def percent(share: float) -> str:
    """A share as a percentage, never rounded up: what is not certain is not called 100 %.

    >>> percent(0.9996), percent(0.5), percent(1.0)
    ('99.9 %', '50 %', '100 %')
    """
    return f"{math.floor(1000 * below_one(share) + 1e-6) / 10:g} %"


def question(slot: str, value: str | None, sure: float, threshold: float) -> str:
    """What asks for a slot: with what was understood, how sure that is, and how sure it would have to be."""
    if value is None:
        return f"Which {slot}?"
    needed = f"I need {math.ceil(1000 * threshold - 1e-6) / 10:g} %" if threshold < 1 else "I can never be sure of it"
    return f"Which {slot}? I understood {value} with {percent(sure)} confidence; {needed}."


def summary(values: Mapping[str, str | None], unsure: Sequence[str]) -> str:
    """What was understood of every slot."""
    parts = []
    for slot, value in values.items():
        doubt = " (not sure)" if slot in unsure and value is not None else ""
        parts.append(f"{slot} {'unknown' if value is None else value}{doubt}")
    return f"Understood: {', '.join(parts)}."


def never_sure(slot: str, error: float, least: int, rows: int = 0, wrong: int = 0) -> str:
    """Why no value of a slot can be sure.

    Args:
        error: the share of wrong values that is allowed. least: rows that it takes, all of them right. rows, wrong: how
            many there were.
    """
    if rows < least:
        return (
            f"{slot}: too few validation rows to be sure of any value at {100 * error:g} %: {rows}, it takes {least} "
            "or more"
        )
    return f"{slot}: too many wrong validation rows to be sure of any value at {100 * error:g} %: {wrong} of {rows}"
