"""Images: Pillow behind a format list, a bound on memory and reason codes; paths, notes and errors of all media."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import stat
import struct
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from chiasm.errors import ChiasmError

__all__ = [
    "FORMATS",
    "HEIC_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MediaError",
    "Note",
    "OutsideError",
    "check_path",
    "content",
    "decode_here",
    "decode_image",
    "is_deep",
    "noted",
    "odd_format",
    "reads_heic",
]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is always read; MPO is JPEG to Pillow, and HEIC comes with the extra heic."""
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".dib", ".apng", ".tif", ".tiff"),
    *(".avif", *HEIC_SUFFIXES),
)
MEMORY = 1 << 30
"""Bytes that decoding one picture may take."""
MAX_PIXELS = 300_000_000
_MAX_WORK = 5_000_000_000
"""Pixels times scans of a JPEG: some ten seconds."""
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


def reads_heic() -> bool:
    """Whether HEIC pictures can be read: whether pi-heif is there, which the extra heic brings."""
    return importlib.util.find_spec("pi_heif") is not None


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


class OutsideError(ChiasmError):
    """A path that leaves its root: `both` is the folder that holds it too, `linked` whether it leaves by a link."""

    def __init__(self, message: str, both: str, linked: bool):
        super().__init__(message)
        self.both, self.linked = both, linked


def check_path(cell: str, root: Path, start: Path | None = None) -> Path:
    """The path that a manifest's cell means: a place below `root`, symbolic links followed.

    Args:
        cell: a path relative to `start`, left out: to `root`; or an absolute one. root: what it may not leave.

    Raises a ChiasmError for a URL and for a path that leaves the root: a manifest is never trusted that far.
    """
    start = start or root
    if "://" in cell[:16]:
        raise ChiasmError(f"wanted a path of a file, got the URL {cell[:80]!r}: download the media first.")
    try:
        if "\0" in cell or len(os.fsencode(cell)) > 4096:
            raise ValueError
        path = Path(os.path.realpath(start / cell))
    except ValueError:  # also a lone surrogate, which no file's name can hold
        raise ChiasmError(f"wanted a path of a file, got {cell[:40]!r}.") from None
    top = os.path.realpath(root)
    if not path.is_relative_to(top):
        inside = Path(os.path.abspath(start / cell)).is_relative_to(os.path.abspath(root))
        linked = f" (by a link, to {path})" if inside else ""
        shown = cell if len(cell) <= 60 else f"{cell[:60]}..."
        both = os.path.commonpath([path, top])
        do = f"move the file there, or name a wider root='DIR' ({both} holds both)."
        raise OutsideError(f"{shown!r} leaves the data's folder {root}{linked}: {do}", both, inside)
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


def is_deep(item: Any, data: bytes) -> bool:
    """Whether an image may be gray of more than 8 bits, which is scaled otherwise than in releases before 0.2.

    Args:
        item: as `content` takes it. data: what `content` says of it.
    """
    if isinstance(item, Image.Image):
        return item.mode.startswith("I") or item.mode == "F"
    return odd_format(data) == "TIFF" or (data[:4] == b"\x89PNG" and data[24:26] == b"\x10\0")


def decode_image(item: Any, size: int | None) -> tuple[Image.Image, list[Note]]:
    """An image as RGB, and notes on what was altered.

    Args:
        item: as `content` takes it. size: the result has exactly `size x size` pixels (aspect not kept); None keeps
            every pixel, for a model that brings its own way of resizing.

    Rotated as EXIF says, transparent parts on white, deep gray scaled (not clipped), the first frame of a film, the
    first page of a TIFF. Where a size is wanted, large JPEGs are decoded at a reduced scale, not below twice that size.
    TIFF, AVIF and HEIC are decoded in a child process (`chiasm.media.odd`).

    Raises a MediaError: not_an_image, too_many_pixels (they would take more than 1 GiB to decode, or minutes), broken
    (truncated or damaged data), no_decoder (HEIC without the extra heic), or `content`'s codes.
    """
    if _is_pixels(item):
        item = Image.fromarray(item)
    data = b"" if isinstance(item, Image.Image) else content(item)
    if odd_format(data):
        from chiasm.media.odd import decode_odd

        return decode_odd(data, size)
    return decode_here(item if isinstance(item, Image.Image) else data, size)


def decode_here(item: Image.Image | bytes, size: int | None) -> tuple[Image.Image, list[Note]]:
    """As `decode_image`, of bytes or a PIL image, in this process whatever the format is."""
    notes: list[Note] = []
    try:
        if isinstance(item, Image.Image):
            return _to_rgb(item, size, notes), notes
        with _opened(item) as image:
            several = getattr(image, "is_animated", False)  # n_frames would read every frame of a film
            if several and image.format == "TIFF":
                notes.append(Note("first_page", "used the first of several pages"))
            elif several:
                notes.append(Note("first_frame", "used the first of several frames"))
            if image.format in ("JPEG", "MPO"):
                most = min(MAX_SCANS, _MAX_WORK // max(image.width * image.height, 1))
                if _marked(item) > most and _scans(item) > most:
                    raise MediaError("broken", f"more than {most} scans")  # 2 ns a pixel each: made to hang us
                return _to_rgb(image, size, notes, draft=True), notes
            return _to_rgb(image, size, notes), notes
    except (MediaError, MemoryError):
        raise
    except UnidentifiedImageError:
        if isinstance(item, bytes) and (format := odd_format(item)):
            raise MediaError("broken", f"a {format} that is damaged or cut short") from None
        raise MediaError("not_an_image", f"not one of {', '.join(FORMATS)}, HEIC") from None
    except Exception as error:  # decoders of damaged data raise OSError, SyntaxError, struct.error, ...
        raise MediaError("broken", f"damaged or cut short ({str(error)[:80] or type(error).__name__})") from None


def noted(path: Path) -> tuple[Any, tuple[int, int]]:
    """What a camera wrote beside the pixels of a file (EXIF), nothing of it decoded; width and height as shown."""
    with Image.open(path, formats=[*FORMATS, "MPO"]) as image:
        notes, size = image.getexif(), image.size  # which Pillow turns by itself for TIFF
        return notes, size[::-1] if image.format != "TIFF" and notes.get(0x0112) in range(5, 9) else size


def odd_format(data: bytes) -> str | None:
    """ "TIFF", "AVIF" or "HEIF" where data begin as these do: formats that only a child process opens."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[4:8] != b"ftyp":
        return None
    brands = [data[i : i + 4] for i in (8, *range(16, min(int.from_bytes(data[:4], "big"), 64), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIF" if {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"} & set(brands) else None


def _opened(data: bytes) -> Image.Image:
    """The image that data are, nothing of it decoded.

    As `Image.open`, without its warning and error on the number of pixels: the bound here is on memory.
    """
    Image.preinit()
    if not Image.OPEN.keys() >= set(FORMATS):
        Image.init()
    for name in (*FORMATS, "HEIF"):
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory is None or accept is None or accept(data[:16]) is not True:
            continue
        try:
            return factory(_Counted(data), "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # it begins as one and is none
            continue
    raise UnidentifiedImageError


class _Counted(io.BytesIO):
    """Bytes that refuse to be read in more than `MAX_READS` pieces: millions of tiny blocks would take minutes."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise MediaError("broken", "too many small blocks")
        return super().read(size)


def _marked(data: bytes) -> int:
    """How many times the marker of a scan stands in data, by NumPy: other threads go on meanwhile."""
    found, values = 0, np.frombuffer(data, np.uint8)
    for at in range(0, len(values), 1 << 20):
        part = values[at : at + (1 << 20) + 1]
        found += int(np.count_nonzero((part[:-1] == 0xFF) & (part[1:] == 0xDA)))
    return found


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


def _check_memory(image: Image.Image, whole: int, turned: bool) -> None:
    """A MediaError where an image would take more than `MEMORY` bytes to decode.

    Args:
        image: after `draft`. whole: its pixels before. turned: whether all its pixels will be turned.
    """
    pixels = image.width * image.height
    if not pixels:
        raise MediaError("broken", "an image without pixels")
    mode = image.mode
    stored = 1 if mode in ("1", "L", "P") else 2 if mode.startswith("I;16") else 4
    if mode.startswith("I") or mode == "F":
        each = 4 * stored + 5  # the array, two steps of scaling, 8 bits, RGB
    elif _is_clear(image):
        each = stored + 9  # RGBA, alpha, RGB
    else:
        each = stored if mode == "RGB" else stored + 4
    each += 8 if image.format == "WEBP" else 0  # what its decoder holds
    each += 4 if turned else 0
    held = 6 * whole if image.info.get("progressive") else 0  # its coefficients
    if pixels * each + held > MEMORY or whole > MAX_PIXELS:
        raise MediaError("too_many_pixels", f"{whole / 1e6:.0f} million pixels, which take over 1 GiB or too long")


def _is_clear(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _to_rgb(image: Image.Image, size: int | None, notes: list[Note], draft: bool = False) -> Image.Image:
    """Decode, flatten, resize, turn. One large image at a time: each may take most of a gigabyte."""
    pixels = image.width * image.height
    wanted = size and (2 * size, 2 * size)  # twice, so that resizing still has to smooth
    box = image.draft("RGB", wanted) if draft and wanted else None
    _check_memory(image, pixels, not size and image.getexif().get(0x0112, 1) in _TURNS)
    large = (pixels if image.info.get("progressive") else image.width * image.height) > _LARGE
    with _one_large if large else contextlib.nullcontext():
        image.load()
        turn = _TURNS.get(image.getexif().get(0x0112, 1))
        if image.mode.startswith("I") or image.mode == "F":
            image = _shallow(image, notes)
        if _is_clear(image):
            clear = image if image.mode == "RGBA" else image.convert("RGBA")
            if clear.getchannel("A").getextrema()[1] == 0:
                notes.append(Note("transparent", "every pixel is transparent: seen as white"))
            image = Image.new("RGB", clear.size, "white")
            image.paste(clear, mask=clear.getchannel("A"))
            del clear
        whole = box[1] if box else None  # at a reduced scale the last pixels reach beyond the picture's edge
        if image.mode != "RGB":
            image = image.convert("RGB")
        if size:
            image = image.resize((size, size), Image.Resampling.BICUBIC, whole, reducing_gap=3.0)
        return image if turn is None else image.transpose(turn)


def _shallow(image: Image.Image, notes: list[Note]) -> Image.Image:
    """Deep gray as 8 bits, its transparent value (if it has one) as white.

    Its scale begins at 0 and ends at the largest number of the fewest bits, 8 or more, that hold its largest value: 12
    bits in a file of 16 are told by no header, and would be black. Floats up to 1 end there. Where values are negative
    the scale begins as far below 0 as it ends above.
    """
    deep = np.asarray(image)
    if not np.isfinite(deep).all():
        raise MediaError("broken", "pixel values that are not finite")
    low, high = float(deep.min()), float(deep.max())
    most = max(-low, high)
    bits = max(8, int(np.ceil(most)).bit_length())
    end = 1.0 if image.mode == "F" and most <= 1 else 2.0**bits - 1
    start = -end if low < 0 else 0.0
    if not start and image.mode != "F" and bits <= 16:
        whole = deep.astype(np.int32)
        whole *= 255
        whole //= int(end)
        gray = whole.astype(np.uint8)
        few = "gray in more than 8 bits, the lowest 8 of which are used"
        notes.append(Note("depth", few if bits == 8 else f"{bits}-bit gray scaled to 8 bits"))
    else:
        gray = ((deep - np.float32(start)) * np.float32(255 / (end - start))).astype(np.uint8)
        notes.append(Note("depth", f"gray values from {start:g} to {end:g} scaled to 8 bits"))
    if (hidden := image.info.get("transparency")) is not None:
        gray[deep == hidden] = 255
    return Image.fromarray(gray)
