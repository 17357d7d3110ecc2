"""Chiasm: cross-modal learning. Text, images and vectors that belong together are learned together.

>>> import chiasm
>>> chiasm.names("index")
['exact']
"""

from __future__ import annotations

try:
    import fcntl  # noqa: F401
except ImportError:
    raise ImportError(
        "Chiasm runs on Linux and macOS: it needs POSIX file locks, which this system lacks. On Windows, run it in WSL."
    ) from None

from typing import Any

from chiasm import moved
from chiasm.errors import ChiasmError
from chiasm.recipe import load, save
from chiasm.registry import get, names
from chiasm.views import Column, Views

__all__ = ["ChiasmError", "Column", "Views", "get", "load", "names", "read", "save"]
__version__ = "0.2.0"
"""The one place that states it: the package's metadata is made from this line."""

moved.install()


def read(data: Any, **options: Any) -> Views:
    """Read a table or folder into Views: see `chiasm.data.read.read` for the options."""
    from chiasm.data.read import read as read_data

    return read_data(data, **options)
