"""How a score is shown: text, page, plots, sheets."""

from typing import Any

from chiasm import registry


def __getattr__(name: str) -> Any:
    return registry.submodule(__name__, name)
