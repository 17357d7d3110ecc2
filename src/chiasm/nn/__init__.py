"""What torch trains: heads, losses, the loop, the bridge from Views to tensors; and networks from a user's folder."""

from typing import Any

from chiasm import registry


def __getattr__(name: str) -> Any:
    return registry.submodule(__name__, name)
