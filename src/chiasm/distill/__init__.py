"""Distillers: what one form knows, taught to a student that reads another; one file, one method."""

from typing import Any

from chiasm import registry
from chiasm.distill._distiller import Distiller

__all__ = ["Distiller"]


def __getattr__(name: str) -> Any:
    return registry.look_up("distill", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("distill")})
