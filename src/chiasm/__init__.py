"""Chiasm: cross-modal learning. Text, images and vectors that belong together are learned together.

>>> import chiasm
>>> chiasm.names("index")
['exact', 'faiss', 'hamming', 'postgres', 'signs']
>>> chiasm.align.CCA(k=2)
CCA(k=2)
"""

from __future__ import annotations

try:
    import fcntl  # noqa: F401
except ImportError:
    raise ImportError(
        "Chiasm runs on Linux and macOS: it needs POSIX file locks, which this system lacks. On Windows, run it in WSL."
    ) from None

import importlib
from typing import TYPE_CHECKING, Any

from chiasm import moved
from chiasm.errors import ChiasmError
from chiasm.recipe import load, save
from chiasm.registry import KINDS, get, names
from chiasm.views import Column, Views

if TYPE_CHECKING:  # at run time `__getattr__` imports these when they are asked for, so that `import chiasm` is quick
    from chiasm import align as align
    from chiasm import compare as compare
    from chiasm import contracts as contracts
    from chiasm import data as data
    from chiasm import encode as encode
    from chiasm import encoding as encoding
    from chiasm import explain as explain
    from chiasm import fuse as fuse
    from chiasm import index as index
    from chiasm import measure as measure
    from chiasm import media as media
    from chiasm import report as report
    from chiasm import stats as stats
    from chiasm import tasks as tasks
    from chiasm.data.read import read

__all__ = ["ChiasmError", "Column", "Views", "get", "load", "names", "read", "save"]
__version__ = "0.2.0"
"""The one place that states it: the package's metadata is made from this line."""

_FOLDERS = (*KINDS, "compare", "contracts", "data", "encoding", "measure", "media", "report", "stats")
_ELSEWHERE = {"read": "chiasm.data.read"}

moved.install()


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return importlib.import_module(f"chiasm.{name}")
    if name in _ELSEWHERE:
        held = globals()[name] = getattr(importlib.import_module(_ELSEWHERE[name]), name)
        return held
    raise AttributeError(f"module 'chiasm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_FOLDERS, "__version__"})
