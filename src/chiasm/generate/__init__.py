"""Generators: what some views hold, told in another form, as words or as its features; one file, one method."""

from typing import Any

from chiasm import registry
from chiasm.generate._generator import Generator
from chiasm.generate._writer import Writer

__all__ = ["Generator", "Writer"]


def __getattr__(name: str) -> Any:
    return registry.look_up("generate", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("generate")})
