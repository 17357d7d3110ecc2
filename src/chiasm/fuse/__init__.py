"""Fusers: several views -> one answer a row; one file, one method."""

from chiasm.fuse._fuser import Fuser

__all__ = ["Fuser"]
