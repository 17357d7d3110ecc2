"""What every tuner shares: it keeps the contract of the part that it wraps."""

from __future__ import annotations

from typing import Any

__all__ = ["Tuner"]


class Tuner:
    """A part that teaches another, its parameter `encoder`, and stands where that one does.

    It inherits from the base of the other's kind too, whose promises it keeps.
    """

    encoder: Any
