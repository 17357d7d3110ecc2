"""Aligners: several views -> one space that they share; one file, one method."""

from chiasm.align._aligner import Aligner, Linear

__all__ = ["Aligner", "Linear"]
