"""Encoders: items of one modality -> vectors; one file, one encoder, as `chiasm.encode.E5Text`."""

from typing import Any

from chiasm import registry
from chiasm.encode._adopted import adopt
from chiasm.encode._encoder import Encoder, each, packed
from chiasm.encode._words import readable, spans

__all__ = ["Encoder", "adopt", "each", "packed", "readable", "spans"]


def __getattr__(name: str) -> Any:
    return registry.look_up("encode", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("encode")})
