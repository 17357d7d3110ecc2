"""Pictures, sounds and films: opened in one place each, with bounds; what cannot be read is told by a reason code."""

from chiasm.media.images import MediaError, Note

__all__ = ["MediaError", "Note"]
