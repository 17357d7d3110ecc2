"""Tasks: a question over views; `fit`, `answer`, `score`. One file, one task, as `chiasm.tasks.Retrieve`."""

from typing import Any

from chiasm import registry
from chiasm.tasks._answering import Answering

__all__ = ["Answering"]


def __getattr__(name: str) -> Any:
    return registry.look_up("tasks", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("tasks")})
