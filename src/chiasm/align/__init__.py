"""Aligners: several views -> one space that they share; one file, one method, as `chiasm.align.CCA`."""

from typing import Any

from chiasm import registry
from chiasm.align._adopted import adopt
from chiasm.align._aligner import Aligner, Linear

__all__ = ["Aligner", "Linear", "adopt"]


def __getattr__(name: str) -> Any:
    return registry.look_up("align", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("align")})
