"""The one place that opens media. Images now: Pillow behind a format list, size caps and reason codes."""

from __future__ import annotations

import io
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from chiasm.errors import ChiasmError

__all__ = ["FORMATS", "IMAGE_SUFFIXES", "MediaError", "Note", "check_path", "content", "decode_image"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
MAX_PIXELS = 50_000_000
MAX_BYTES = 256 << 20


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
    if "\0" in cell or len(cell) > 4096:
        raise ChiasmError(f"wanted a path of a file, got {cell[:40]!r}.")
    path = Path(os.path.realpath(root / cell))
    if not path.is_relative_to(os.path.realpath(root)):
        raise ChiasmError(f"{cell!r} leaves the data's folder {root}: move the file there, or name a wider --root.")
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
        return _file_bytes(Path(item))
    if isinstance(item, Image.Image):
        return f"{item.mode}{item.size}".encode() + item.tobytes()
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim in (2, 3):
        return f"array{item.shape}".encode() + item.tobytes()
    raise MediaError(
        "not_an_image", f"wanted a path, bytes, PIL image or uint8 array (h, w[, 3]), got {type(item).__name__}"
    )


def decode_image(item: Any, size: int) -> tuple[Image.Image, list[Note]]:
    """An image as RGB of exactly `size x size` pixels (aspect not kept), and notes on what was altered.

    Rotated as EXIF says, transparent parts on white, 16-bit gray scaled (not clipped), the first frame of a film.
    Large JPEGs are decoded at a reduced scale not below the wanted size.

    Raises a MediaError: not_an_image, too_many_pixels, broken (truncated or damaged data), or `content`'s codes.
    """
    notes: list[Note] = []
    if isinstance(item, np.ndarray):
        item = Image.fromarray(item)
    if isinstance(item, Image.Image):
        _check_pixels(item)
        return _to_rgb(item, size, notes), notes
    data = content(item)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_pixels(image)
                if (frames := getattr(image, "n_frames", 1)) > 1:
                    notes.append(Note("first_frame", f"used the first of {frames} frames"))
                if image.format == "JPEG":
                    image.draft("RGB", (size, size))
                return _to_rgb(image, size, notes), notes
    except MediaError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise MediaError("too_many_pixels", f"more than {MAX_PIXELS // 10**6} million pixels") from None
    except UnidentifiedImageError:
        raise MediaError("not_an_image", f"not one of {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, OverflowError) as error:
        raise MediaError("broken", f"damaged or cut short ({str(error)[:80] or type(error).__name__})") from None


def _file_bytes(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block us
    except FileNotFoundError:
        raise MediaError("missing", "no such file") from None
    except PermissionError:
        raise MediaError("denied", "no permission to read the file") from None
    except OSError as error:
        raise MediaError("unreadable", error.strerror or str(error)) from None
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise MediaError("not_a_file", "not a regular file")
        if info.st_size == 0:
            raise MediaError("empty", "the file is empty")
        if info.st_size > MAX_BYTES:
            raise MediaError("too_big", f"{info.st_size >> 20} MiB, over the cap of {MAX_BYTES >> 20}")
        return file.read(MAX_BYTES)


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise MediaError("too_many_pixels", f"{width} x {height}, over {MAX_PIXELS // 10**6} million pixels")
    if not width or not height:
        raise MediaError("broken", "an image without pixels")


def _to_rgb(image: Image.Image, size: int, notes: list[Note]) -> Image.Image:
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image, dtype=np.float64)
        if not np.isfinite(deep).all():
            raise MediaError("broken", "pixel values that are not finite")
        image = Image.fromarray(np.clip(deep / 257.0, 0, 255).astype(np.uint8))
        notes.append(Note("depth", "16-bit gray scaled to 8 bits"))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
