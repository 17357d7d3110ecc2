"""Indexes: vectors -> (keys, scores), higher is closer; one file, one index, as `chiasm.index.Exact`."""

from typing import Any

from chiasm import registry
from chiasm.index._adopted import adopt
from chiasm.index._held import checked_k
from chiasm.index._index import Index, Where
from chiasm.index._terms import APART, quotes
from chiasm.index._words import Words

__all__ = ["APART", "Index", "Where", "Words", "adopt", "checked_k", "quotes"]


def __getattr__(name: str) -> Any:
    return registry.look_up("index", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("index")})
