"""What a score is made of: figures with intervals, as plain values; no page, no text."""

from typing import Any

from chiasm import registry


def __getattr__(name: str) -> Any:
    return registry.submodule(__name__, name)
