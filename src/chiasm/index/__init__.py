"""Indexes: vectors -> (keys, scores), higher is closer; one file, one index."""

from chiasm.index._index import Index

__all__ = ["Index"]
