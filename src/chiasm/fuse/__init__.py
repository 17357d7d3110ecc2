"""Fusers: several views -> one answer a row; one file, one method, as `chiasm.fuse.Early`."""

from typing import Any

from chiasm import registry
from chiasm.fuse._adopted import adopt
from chiasm.fuse._fuser import Fuser

__all__ = ["Fuser", "adopt"]


def __getattr__(name: str) -> Any:
    return registry.look_up("fuse", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("fuse")})
