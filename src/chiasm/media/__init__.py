"""Pictures, sounds and films: opened in one place each, with bounds; what cannot be read is told by a reason code."""

from typing import Any

from chiasm import moved, registry
from chiasm.media.images import MediaError, Note

__all__ = ["MediaError", "Note"]


def __getattr__(name: str) -> Any:
    if f"{__name__}:{name}" in moved.NAMES:
        return moved.renamed(__name__, name)
    return registry.submodule(__name__, name)
