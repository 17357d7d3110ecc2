"""How large pictures and videos are, known from their headers: as they are once they are decoded and turned."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.media.clips import probe
from chiasm.media.images import decode_image
from chiasm.media.taken import taken
from chiasm.media.thumbnail import thumbnail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_is_as_large_as_it_is_shown_however_its_camera_was_held(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"a.{kind.lower()}"
    shown = set()
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.new("RGB", (48, 32), "red").save(file, kind, exif=exif)
        assert taken(file)["pixels"] == list(decode_image(str(file), None)[0].size)
        shown.add(tuple(taken(file)["pixels"]))
    assert shown == {(48, 32), (32, 48)}


def test_what_is_no_picture_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert taken(tmp_path / "a.png") == taken(tmp_path / "none.png") == {}


def write_film(path: Path, pixel: Fraction) -> str:
    """Half a second of 64 x 48 coded pixels, each so many times as wide as high."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = pixel
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize(
    ("pixel", "size"), [(Fraction(1), (64, 48)), (Fraction(2), (64, 24)), (Fraction(1, 2), (43, 64))]
)
def test_a_video_and_its_still_are_as_wide_as_it_is_shown(
    tmp_path: Path, pixel: Fraction, size: tuple[int, int]
) -> None:
    file = write_film(tmp_path / "a.mp4", Fraction(pixel))
    facts = probe(file)
    assert (facts.width, facts.height) == (64, 48)
    assert facts.aspect == pytest.approx(64 / 48 * pixel)
    assert Image.open(io.BytesIO(thumbnail(file, "video", 400))).size == size
    assert max(Image.open(io.BytesIO(thumbnail(file, "video", 32))).size) == 32
