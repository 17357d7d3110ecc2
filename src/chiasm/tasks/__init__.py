"""Tasks: a question over views; `fit`, `answer`, `score`. One file, one task, as `chiasm.tasks.Retrieve`."""

from typing import TYPE_CHECKING, Any

from chiasm import registry

if TYPE_CHECKING:  # at run time when it is asked for: a search needs none of it
    from chiasm.tasks._answering import Answering

__all__ = ["Answering"]


def __getattr__(name: str) -> Any:
    if name == "Answering":
        from chiasm.tasks._answering import Answering

        return Answering
    return registry.look_up("tasks", name)


def __dir__() -> list[str]:
    return sorted({*__all__, *registry.classes("tasks")})
