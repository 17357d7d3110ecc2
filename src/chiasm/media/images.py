"""The one place that opens media. Images now: Pillow behind a format list, size caps and reason codes."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from chiasm.errors import ChiasmError

__all__ = ["FORMATS", "IMAGE_SUFFIXES", "MediaError", "Note", "check_path", "content", "decode_image"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
MAX_PIXELS = 50_000_000
MAX_BYTES = 256 << 20
MAX_READS = 500_000
MAX_SCANS = 100
_LARGE = 5_000_000
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_one_large = threading.Lock()
# Damaged EXIF data is no news of an image that decodes. A filter here, since catch_warnings is not safe in threads:
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.\w+ImagePlugin$")
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")


@dataclass(frozen=True)
class Note:
    """A plain fact about one item that a user should know: why it was skipped, or what was altered."""

    code: str
    """A reason code: missing, denied, not_a_file, empty, too_big, not_an_image, too_many_pixels, broken, ..."""
    message: str
    skipped: bool = False


class MediaError(ChiasmError):
    """An item that cannot be used; `note` says why."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{message} [{code}]")
        self.note = Note(code, message, skipped=True)


def check_path(cell: str, root: Path) -> Path:
    """The path that a manifest's cell means: a place below `root`, symbolic links followed.

    Raises a ChiasmError for a URL and for a path that leaves the root: a manifest is never trusted that far.
    """
    if "://" in cell[:16]:
        raise ChiasmError(f"wanted a path of a file, got the URL {cell[:80]!r}: download the media first.")
    try:
        if "\0" in cell or len(os.fsencode(cell)) > 4096:
            raise ValueError
        path = Path(os.path.realpath(root / cell))
    except ValueError:  # also a lone surrogate, which no file's name can hold
        raise ChiasmError(f"wanted a path of a file, got {cell[:40]!r}.") from None
    if not path.is_relative_to(os.path.realpath(root)):
        raise ChiasmError(f"{cell!r} leaves the data's folder {root}: move the file there, or name a wider root='DIR'.")
    return path


def content(item: Any) -> bytes:
    """The bytes that make an image item what it is (its cache key): a file's bytes, or shape and pixels.

    Args:
        item: a path, encoded bytes, a PIL image, or a uint8 array `(h, w)` or `(h, w, 3)`.

    Raises a MediaError with a reason code when a file cannot be read.
    """
    if isinstance(item, bytes):
        return item
    if isinstance(item, str | os.PathLike):
        return _file_bytes(item)
    if not isinstance(item, Image.Image) and not _is_pixels(item):
        raise MediaError(
            "not_an_image", f"wanted a path, bytes, PIL image or uint8 array (h, w[, 3]), got {type(item).__name__}"
        )
    try:
        if isinstance(item, Image.Image):
            facts = (item.mode, item.size, item.getpalette(), item.info.get("transparency"), item.getexif().get(0x0112))
            return repr(facts).encode() + item.tobytes()
        return f"array{item.shape}".encode() + item.tobytes()
    except OSError as error:  # a PIL image reads its file only now
        raise MediaError("broken", f"damaged or cut short ({str(error)[:80]})") from None


def decode_image(item: Any, size: int | None) -> tuple[Image.Image, list[Note]]:
    """An image as RGB, and notes on what was altered.

    Args:
        item: as `content` takes it. size: the result has exactly `size x size` pixels (aspect not kept); None keeps
            every pixel, for a model that brings its own way of resizing.

    Rotated as EXIF says, transparent parts on white, 16-bit gray scaled (not clipped), the first frame of a film.
    Where a size is wanted, large JPEGs are decoded at a reduced scale, not below twice that size.

    Raises a MediaError: not_an_image, too_many_pixels, broken (truncated or damaged data), or `content`'s codes.
    """
    notes: list[Note] = []
    if _is_pixels(item):
        item = Image.fromarray(item)
    data = b"" if isinstance(item, Image.Image) else content(item)
    try:
        if isinstance(item, Image.Image):
            return _to_rgb(item, size, notes), notes
        with Image.open(_Counted(data), formats=FORMATS) as image:
            _check_pixels(image)
            if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > MAX_SCANS and _scans(data) > MAX_SCANS:
                raise MediaError("broken", f"more than {MAX_SCANS} scans")  # 30 ms each: made to hang us
            if getattr(image, "is_animated", False):  # n_frames would read every frame of a film
                notes.append(Note("first_frame", "used the first of several frames"))
            return _to_rgb(image, size, notes, draft=image.format == "JPEG"), notes
    except (MediaError, MemoryError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise MediaError("too_many_pixels", f"more than {MAX_PIXELS // 10**6} million pixels") from None
    except UnidentifiedImageError:
        raise MediaError("not_an_image", f"not one of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders of damaged data raise OSError, SyntaxError, struct.error, ...
        raise MediaError("broken", f"damaged or cut short ({str(error)[:80] or type(error).__name__})") from None


class _Counted(io.BytesIO):
    """Bytes that refuse to be read in more than `MAX_READS` pieces: millions of tiny blocks would take minutes."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise MediaError("broken", "too many small blocks")
        return super().read(size)


def _scans(data: bytes) -> int:
    """How many scans a JPEG has before its end marker; what is appended behind that is not counted."""
    at, found = 2, 0
    while (match := _MARKER.search(data, at)) and match[0] != b"\xff\xd9":
        found += match[0] == b"\xff\xda"
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    return found


def _is_pixels(item: Any) -> bool:
    """Whether an item is an array that is an image: uint8 `(h, w)`, or `(h, w, c)` of 3 or 4 channels."""
    if not isinstance(item, np.ndarray) or item.dtype != np.uint8 or not item.size:
        return False
    return item.ndim == 2 or (item.ndim == 3 and item.shape[2] in (3, 4))


def _file_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block us
    except FileNotFoundError:
        raise MediaError("missing", "no such file") from None
    except PermissionError:
        raise MediaError("denied", "no permission to read the file") from None
    except (OSError, ValueError) as error:
        raise MediaError("unreadable", getattr(error, "strerror", None) or str(error)) from None
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise MediaError("not_a_file", "not a regular file")
        if info.st_size == 0:
            raise MediaError("empty", "the file is empty")
        if info.st_size > MAX_BYTES:
            raise MediaError("too_big", f"{info.st_size >> 20} MiB, over the cap of {MAX_BYTES >> 20}")
        with open(handle, "rb", closefd=False) as file:
            return file.read(info.st_size + 1)  # a read allocates what it is asked for
    except OSError as error:
        raise MediaError("unreadable", error.strerror or str(error)) from None
    finally:
        os.close(handle)


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise MediaError("too_many_pixels", f"{width} x {height}, over {MAX_PIXELS // 10**6} million pixels")
    if not width or not height:
        raise MediaError("broken", "an image without pixels")


def _to_rgb(image: Image.Image, size: int | None, notes: list[Note], draft: bool = False) -> Image.Image:
    """Decode, flatten, resize, turn. One large image at a time: each may take most of a gigabyte."""
    _check_pixels(image)
    large = image.width * image.height > _LARGE
    wanted = size and (2 * size, 2 * size)  # twice, so that resizing still has to smooth
    box = image.draft("RGB", wanted) if draft and wanted else None
    if not image.info.get("progressive"):
        large = image.width * image.height > _LARGE  # what is left after draft
    with _one_large if large else contextlib.nullcontext():
        image.load()
        turn = _TURNS.get(image.getexif().get(0x0112, 1))
        if image.mode.startswith("I") or image.mode == "F":
            image = _shallow(image)
            notes.append(Note("depth", "16-bit gray scaled to 8 bits"))
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            clear = image if image.mode == "RGBA" else image.convert("RGBA")
            image = Image.new("RGB", clear.size, "white")
            image.paste(clear, mask=clear.getchannel("A"))
            del clear
        whole = box[1] if box else None  # at a reduced scale the last pixels reach beyond the picture's edge
        if image.mode != "RGB":
            image = image.convert("RGB")
        if size:
            image = image.resize((size, size), Image.Resampling.BICUBIC, whole, reducing_gap=3.0)
        return image if turn is None else image.transpose(turn)


def _shallow(image: Image.Image) -> Image.Image:
    """Deep gray as 8 bits, its transparent value (if it has one) as white."""
    deep = np.asarray(image)
    if not np.isfinite(deep).all():
        raise MediaError("broken", "pixel values that are not finite")
    gray = np.clip(deep // 257, 0, 255).astype(np.uint8)
    if (hidden := image.info.get("transparency")) is not None:
        gray[deep == hidden] = 255
    return Image.fromarray(gray)
