"""Small pictures of media, made once and kept in memory for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from chiasm.media.images import MediaError
from chiasm.media.thumbnail import thumbnail
from chiasm.serve.limits import Refusal

__all__ = ["SIDES", "Stills"]

SIDES = (200, 400, 800, 1600)
"""Pixels of the longer side that can be had."""

_TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
}


class Stills:
    """JPEGs by content and size, so many bytes at most.

    Args:
        most: bytes that are kept. threads: stills that are made at once; each of a video has a process beside it.
    """

    def __init__(self, threads: int, most: int = 64 * 2**20):
        self.most = most
        self._turns = threading.BoundedSemaphore(threads)
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._guard = threading.Lock()

    def of(self, path: Path, kind: str, mark: str, side: int, at: float | None = None) -> bytes:
        """The JPEG of a file, of a video `at` seconds. Raises a Refusal where it has no picture."""
        with self._guard:
            if (kept := self._held.get(mark)) is not None:
                self._held.move_to_end(mark)
                return kept
        if kind == "audio":
            raise Refusal(404, "no_picture", "a sound has no picture.")
        try:
            with self._turns:
                made = thumbnail(path, kind, side, at)
        except MediaError as error:
            raise Refusal(404, error.note.code, "this file cannot be read any more.") from None
        with self._guard:
            if mark not in self._held:
                self._held[mark] = made
                self._bytes += len(made)
            while self._bytes > self.most:
                self._bytes -= len(self._held.popitem(last=False)[1])
        return made

    @staticmethod
    def playable(path: Path, kind: str) -> str:
        """The content type of a sound or video: by its name, and never one that a browser would run."""
        return _TYPES.get(path.suffix.lower(), "application/octet-stream")
