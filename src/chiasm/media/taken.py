"""When a picture was taken, where, and how large it is: what stands beside its pixels (EXIF, the header)."""

from __future__ import annotations

import contextlib
import datetime as dt
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from chiasm.media.boxes import exif_of, size_of
from chiasm.media.images import noted, odd_format

__all__ = ["taken"]

_MOST = 64 << 20
"""Bytes of a file beyond which its notes are not looked for."""
_LONGEST = 1 << 20
"""Pixels of a side that a damaged header may tell."""


def taken(path: Path, place: bool = False) -> dict[str, Any]:
    """What the camera noted: `taken` as "2024-05-03 12:00:01"; with `place` also `latitude` and `longitude` in degrees.

    `pixels`: [width, height] as it is shown, turned as EXIF or the boxes of HEIC say.

    Nothing for what is no picture, notes nothing, or what cannot be (February 30, 24:00:00, latitude 148). Nothing of
    the pixels is read.
    """
    try:
        if path.stat().st_size > _MOST:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notes, (width, height) = _notes(path)
            camera = notes.get_ifd(ExifTags.IFD.Exif)
            spot = notes.get_ifd(ExifTags.IFD.GPSInfo) if place else {}
    except Exception:  # whatever is wrong with a file's notes, its pixels may be read
        return {}
    found: dict[str, Any] = {}
    if 0 < width <= _LONGEST and 0 < height <= _LONGEST:
        found["pixels"] = [width, height]
    if moment := _moment((camera.get(ExifTags.Base.DateTimeOriginal), notes.get(ExifTags.Base.DateTime))):
        found["taken"] = moment
    for name, side, most in (("latitude", "S", 90), ("longitude", "W", 180)):
        key = ExifTags.GPS.GPSLatitude if name == "latitude" else ExifTags.GPS.GPSLongitude
        reference = ExifTags.GPS.GPSLatitudeRef if name == "latitude" else ExifTags.GPS.GPSLongitudeRef
        try:
            degrees, minutes, seconds = (float(part) for part in spot[key])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            continue
        value = degrees + minutes / 60 + seconds / 3600
        if abs(value) <= most:
            found[name] = -value if str(spot.get(reference, "")).strip("\0") == side else value
    return found


def _moment(notes: Iterable[Any]) -> str:
    """The first of some notes that is a moment, as it is kept; empty where none is."""
    for one in notes:
        day, _, clock = str(one or "").strip().strip("\0").partition(" ")
        try:
            return dt.datetime.strptime(f"{day.replace('-', ':')} {clock}", "%Y:%m:%d %H:%M:%S").isoformat(" ")
        except ValueError:
            continue
    return ""


def _notes(path: Path) -> tuple[Image.Exif, tuple[int, int]]:
    """EXIF, and width and height."""
    with open(path, "rb") as file:
        if odd_format(file.read(64)) not in ("AVIF", "HEIF"):  # their decoders are for a child process
            found: tuple[Image.Exif, tuple[int, int]] = noted(path)
            return found
        made = Image.Exif()
        if held := exif_of(file):
            made.load(held)
        size = 0, 0
        with contextlib.suppress(Exception):  # damaged boxes say nothing of the notes
            size = size_of(file)
        return made, size
