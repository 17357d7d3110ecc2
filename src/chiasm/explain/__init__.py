"""Explainers: what in an item a score rests on; one file, one method, as `chiasm.explain.Occlusion`."""

from typing import Any

from chiasm import registry
from chiasm.explain._explainer import Explainer

__all__ = ["Explainer"]


def __getattr__(name: str) -> Any:
    return registry.look_up("explain", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("explain")})
