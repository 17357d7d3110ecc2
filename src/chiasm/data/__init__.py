"""Data: reading a user's tables and folders, toy generators with known answers, the embedded demo."""

from typing import Any

from chiasm import registry


def __getattr__(name: str) -> Any:
    return registry.submodule(__name__, name)
