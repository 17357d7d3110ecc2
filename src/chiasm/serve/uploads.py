"""Files that were sent to ask with: kept for an hour in a folder that ends with the server."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from pathlib import Path

from chiasm.serve.limits import Refusal

__all__ = ["Uploads"]

LASTS = 3600.0
_MOST = 200
_BYTES = 2**30
_KINDS = ("image", "audio", "video")


class Uploads:
    """Some files by unguessable names; the oldest go first.

    Args:
        most: bytes of all together.
    """

    def __init__(self, most: int = _BYTES) -> None:
        self.most = most
        self._folder = Path(tempfile.mkdtemp(prefix="chiasm-asked-"))
        self._held: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._guard = threading.Lock()

    def draft(self, told: str) -> tuple[str, Path, str]:
        """A new name, where to write its file, and its kind by the content type that it was sent with.

        Raises a Refusal for a type that is no picture, sound or video.
        """
        kind = told.partition("/")[0].strip().lower()
        if kind not in _KINDS:
            raise Refusal(415, "not_media", "wanted a picture, a sound or a video, as its content type says.")
        name = secrets.token_urlsafe(16)
        return name, self._folder / name, kind

    def keep(self, name: str, kind: str) -> None:
        """A file was written whole. Raises a Refusal for one of no bytes."""
        if not (self._folder / name).stat().st_size:
            (self._folder / name).unlink()
            raise Refusal(422, "empty", "wanted a file as the body, got nothing.")
        with self._guard:
            self._held[name] = (time.monotonic() + LASTS, kind)
            gone = [one for one, (until, _) in self._held.items() if until < time.monotonic()]
            gone += list(self._held)[: max(0, len(self._held) - _MOST)]
            sizes = {one: (self._folder / one).stat().st_size for one in self._held}
            total = sum(sizes.values())
            for one, size in sizes.items():
                if total <= self.most or one == name:
                    break
                gone.append(one)
                total -= size
            for one in dict.fromkeys(gone):
                del self._held[one]
                (self._folder / one).unlink(missing_ok=True)

    def get(self, name: str) -> tuple[Path, str]:
        """A file and its kind. Raises a Refusal where there is none of that name any more."""
        with self._guard:
            _, kind = self._held.get(name, (0.0, ""))
        if not kind:
            raise Refusal(404, "upload", "there is no such upload, or not any more: send the file again.")
        return self._folder / name, kind

    def close(self) -> None:
        """Remove all."""
        shutil.rmtree(self._folder, ignore_errors=True)
