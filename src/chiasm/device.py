"""Where networks run: `"auto"` is a GPU where torch sees one, else the CPU; it is decided when one is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from chiasm.allowed import DEVICE
from chiasm.errors import ChiasmError

__all__ = ["place", "preferring"]

_auto: ContextVar[str] = ContextVar("what 'auto' means for now", default="auto")


def place(device: str) -> str:
    """The device that a name means on this machine: "cpu", "cuda", or "cuda:1" where there are several GPUs.

    Raises a ChiasmError for other names, and for a GPU that torch does not see here.

    >>> place("cpu")
    'cpu'
    """
    if not DEVICE.holds(device):
        raise ChiasmError(f"wanted device to be {DEVICE.words}, got {device!r}.")
    chosen = _auto.get() if device == "auto" else device
    if chosen == "cpu":
        return chosen
    seen = _gpus()
    if chosen == "auto":
        return "cuda" if seen else "cpu"
    if int(chosen.partition(":")[2] or 0) >= seen:
        found = f"{seen} GPU{'s' if seen > 1 else ''}" if seen else "no GPU"
        raise ChiasmError(f"wanted device {chosen!r}, and torch sees {found} here: take device 'auto' or 'cpu'.")
    return chosen


@contextmanager
def preferring(device: str) -> Iterator[None]:
    """Within the block (and this thread) "auto" means this device; a ChiasmError, at once, where it is not there.

    >>> with preferring("cpu"):
    ...     place("auto")
    'cpu'
    """
    if device != "auto":  # which is decided when it is needed: torch takes a second to import
        place(device)
    before = _auto.set(device)
    try:
        yield
    finally:
        _auto.reset(before)


def _gpus() -> int:
    """How many GPUs torch sees; without torch none."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
