"""What torch trains: heads, losses, the loop, and the bridge from Views to tensors."""

from typing import Any

from chiasm import registry


def __getattr__(name: str) -> Any:
    return registry.submodule(__name__, name)
