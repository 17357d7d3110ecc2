"""Odd pictures: TIFF, AVIF and HEIC, whose decoders run in a child process that they cannot take along."""

from __future__ import annotations

import tempfile

import numpy as np
from PIL import Image

from chiasm.media.children import ask
from chiasm.media.images import MediaError, Note, decode_here, odd_format, reads_heic

__all__ = ["decode_file", "decode_odd"]

_MOST = 44_000_000
"""The pixels that a child may hand over."""


def decode_odd(data: bytes, size: int | None) -> tuple[Image.Image, list[Note]]:
    """As `chiasm.media.images.decode_image`, by a child process of 2 GiB and 30 seconds."""
    if odd_format(data) == "HEIF" and not reads_heic():
        raise MediaError("no_decoder", "a HEIC picture: pip install 'chiasm[heic]' lets it be read")
    with tempfile.NamedTemporaryFile(prefix="chiasm-") as file:
        file.write(data)
        file.flush()
        (answer,) = ask({"do": "picture", "path": file.name, "size": size}, 1)
    if isinstance(answer, MediaError):
        raise answer
    header, arrays = answer
    return Image.fromarray(arrays["pixels"]), [Note(code, message) for code, message in header["notes"]]


def decode_file(path: str, size: int | None) -> tuple[str, str, list[tuple[str, str]], np.ndarray | None]:
    """In the child: the reason code and message of a file that cannot be used; or its notes and `(h, w, 3)` pixels."""
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with open(path, "rb") as file:
        data = file.read()
    if odd_format(data) == "HEIF":
        import pi_heif

        pi_heif.register_heif_opener()
    try:
        image, notes = decode_here(data, size)
    except MediaError as error:
        return error.note.code, error.note.message, [], None
    if image.width * image.height > _MOST:
        return "too_many_pixels", f"over {_MOST // 10**6} million pixels of {odd_format(data)}", [], None
    return "", "", [(note.code, note.message) for note in notes], np.asarray(image)
