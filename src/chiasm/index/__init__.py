"""Indexes: vectors -> (keys, scores), higher is closer."""
