"""Statistics: functions and small parts of arrays; no file, no network, no model."""

from typing import Any

from chiasm import registry


def __getattr__(name: str) -> Any:
    return registry.submodule(__name__, name)
