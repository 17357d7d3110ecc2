"""Tuning: a part of another kind, taught for a task; one file, one method, as `chiasm.tune.Adapter`."""

from typing import Any

from chiasm import registry
from chiasm.tune._tuner import Tuner

__all__ = ["Tuner"]


def __getattr__(name: str) -> Any:
    return registry.look_up("tune", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("tune")})
