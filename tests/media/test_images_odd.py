"""Formats of cameras, scanners and phones; pictures of a hundred megapixels; a bound on memory, whatever the format."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from _pictures import HEIC
from chiasm.data.toy import shape_image
from chiasm.media import children, images
from chiasm.media.clips import probe
from chiasm.media.images import MediaError, content, decode_image, odd_format

RED, WHITE = (200, 30, 30), (255, 255, 255)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def shown(item: Any) -> np.ndarray:
    return np.asarray(decode_image(item, 8)[0]).astype(int)


def codes(item: Any) -> list[str]:
    try:
        return [note.code for note in decode_image(item, 8)[1]]
    except MediaError as error:
        return [error.note.code]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_a_scan_is_read_the_first_of_its_pages_with_a_note(compression: str) -> None:
    pages = [Image.new("RGB", (40, 30), color) for color in (RED, WHITE)]
    one = encoded(pages[0], "TIFF", compression=compression)
    two = encoded(pages[0], "TIFF", compression=compression, save_all=True, append_images=pages[1:])
    assert np.abs(shown(one) - RED).max() < 8
    assert np.abs(shown(two) - RED).max() < 8
    assert (codes(one), codes(two)) == ([], ["first_page"])


@pytest.mark.parametrize(
    ("values", "start", "end"),
    [
        (np.linspace(0, 65535, 64).astype(np.uint16), 0, 65535),
        (np.linspace(0, 4095, 64).astype(np.uint16), 0, 4095),
        (np.linspace(0, 25_500, 64).astype(np.int32), 0, 32_767),
        (np.linspace(0, 0.6, 64).astype(np.float32), 0, 1),
        (np.linspace(0, 255, 64).astype(np.float32), 0, 255),
        (np.linspace(20, 1500, 64).astype(np.float32), 0, 2047),
        (np.linspace(-0.2, 1, 64).astype(np.float32), -1, 1),
        (np.linspace(-300, 3000, 64).astype(np.int32), -4095, 4095),
        (np.linspace(0, 100_000, 64).astype(np.int32), 0, 131_071),
    ],
    ids=["16 bit", "12 bit", "32 bit", "0 to 1", "0 to 255", "floats", "floats below 0", "below 0", "beyond 16 bit"],
)
def test_deep_gray_keeps_its_steps_by_one_rule_and_is_noted(values: np.ndarray, start: float, end: float) -> None:
    item = encoded(Image.fromarray(np.tile(values, (8, 1))), "TIFF")
    gray = np.asarray(decode_image(item, None)[0]).astype(int)[4, :, 0]
    np.testing.assert_allclose(gray, (values.astype(float) - start) / (end - start) * 255, atol=2)
    assert codes(item) == ["depth"]


def test_avif_and_mpo_are_read() -> None:
    plain = shape_image("red", "square", size=64)
    wanted = np.asarray(plain.resize((8, 8), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(shown(encoded(plain, "AVIF", quality=95)) - wanted).mean() < 4
    assert np.abs(shown(encoded(plain, "MPO", quality=95)) - wanted).mean() < 4


def test_heic_without_its_decoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # as if it were not there
    assert odd_format(HEIC) == "HEIF"
    assert codes(HEIC) == ["no_decoder"]
    with pytest.raises(MediaError, match=r"pip install 'chiasm\[heic\]'"):
        decode_image(HEIC, 8)


def test_heic_is_read_where_its_decoder_is_there() -> None:
    pytest.importorskip("pi_heif")
    pixels = shown(HEIC)
    assert np.abs(pixels[4, 1] - RED).max() < 12
    assert np.abs(pixels[4, 6] - WHITE).max() < 12
    assert codes(HEIC[:-30]) == ["broken"]


def test_odd_formats_are_decoded_in_a_child_and_one_that_dies_takes_nothing_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def ask(request: dict[str, Any], count: int) -> Any:
        asked.append(request["do"])
        return children.ask(request, count)

    monkeypatch.setattr("chiasm.media.odd.ask", ask)
    for format in ("TIFF", "AVIF", "PNG", "JPEG", "WEBP"):
        shown(encoded(Image.new("RGB", (9, 9), RED), format))
    assert asked == ["picture", "picture"]
    monkeypatch.setattr("chiasm.media.odd.ask", lambda request, count: [MediaError("broken", "its decoder died")])
    assert codes(encoded(Image.new("RGB", (9, 9)), "TIFF")) == ["broken"]


def large_jpeg(width: int, height: int, **options: Any) -> bytes:
    """A JPEG of so many pixels, upper half red, without its pixels in this process for longer than it is made."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width, height // 2))
    return encoded(image, "JPEG", quality=80, **options)


MEASURE = """
import resource, sys
from chiasm.media.images import MediaError, decode_image
decode_image(open(sys.argv[1], "rb").read(), 8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(decode_image(sys.argv[2], 288)[0].getpixel((100, 40)))
except MediaError as error:
    print(error.note.code)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
"""


def measured(tmp_path: Path, data: bytes) -> tuple[str, int]:
    (tmp_path / "small.jpg").write_bytes(large_jpeg(99, 99))
    (tmp_path / "item").write_bytes(data)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "small.jpg"), str(tmp_path / "item")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""  # no warning of Pillow's
    said, grown = done.stdout.splitlines()
    return said, int(grown)


@pytest.mark.parametrize("size", [(9000, 6000), (12_000, 9_000)], ids=["54 megapixels", "108 megapixels"])
def test_pictures_of_phones_are_read_within_little_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    said, grown = measured(tmp_path, large_jpeg(*size))
    assert np.abs(np.array(said.strip("()").split(","), int) - RED).max() < 4
    assert grown < 120


@pytest.mark.slow
def test_a_progressive_picture_of_a_phone_stays_within_the_bound(tmp_path: Path) -> None:
    said, grown = measured(tmp_path, large_jpeg(12_000, 9_000, progressive=True))
    assert said.startswith("(")
    assert grown < 1100


@pytest.mark.parametrize(
    ("format", "mode", "options", "code"),
    [
        ("PNG", "RGB", {}, []),
        ("PNG", "L", {}, []),
        ("PNG", "RGBA", {}, ["too_many_pixels"]),
        ("BMP", "RGB", {}, []),
        ("WEBP", "RGB", {}, ["too_many_pixels"]),
        ("JPEG", "RGB", {}, []),
        ("JPEG", "RGB", {"progressive": True}, ["too_many_pixels"]),
        ("MPO", "RGB", {}, []),
    ],
)
def test_what_takes_too_much_memory_is_refused_by_the_bytes_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, format: str, mode: str, options: dict[str, Any], code: list[str]
) -> None:
    monkeypatch.setattr(images, "MEMORY", 800_000)
    item = encoded(Image.new(mode, (400, 400)), format, **options)  # 160,000 pixels
    assert codes(item) == code
    if format == "MPO":
        with pytest.raises(MediaError, match="too_many_pixels"):  # not reduced where every pixel is wanted
            decode_image(encoded(Image.new(mode, (500, 500)), format), None)


def test_a_small_file_of_a_huge_scan_is_refused() -> None:
    bomb = encoded(Image.new("1", (20_000, 16_000)), "TIFF", compression="group4")
    assert len(bomb) < 100_000
    assert codes(bomb) == ["too_many_pixels"]


def test_a_wide_strip_is_judged_by_its_bytes_and_not_by_a_number_of_pixels() -> None:
    assert codes(encoded(Image.new("L", (60_000, 1000), 7), "PNG")) == []  # 60 megapixels


def test_keys_of_odd_pictures_are_their_bytes() -> None:
    item = encoded(Image.new("RGB", (9, 9), RED), "TIFF")
    assert content(item) == item


@pytest.mark.parametrize(
    ("suffix", "container", "codec"),
    [
        ("au", "au", "pcm_s16be"),
        ("aifc", "aiff", "pcm_mulaw"),
        ("caf", "caf", "pcm_s16le"),
        ("mp2", "mp2", "mp2"),
        ("m4b", "mp4", "aac"),
        ("weba", "webm", "libopus"),
        ("mka", "matroska", "pcm_s16le"),
        ("aac", "adts", "aac"),
        ("opus", "opus", "libopus"),
    ],
)
def test_sounds_of_every_listed_suffix_are_decoded(tmp_path: Path, suffix: str, container: str, codec: str) -> None:
    import av

    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        made = av.AudioResampler(stream.codec_context.format, "mono", 48_000, stream.codec_context.frame_size or None)
        for part in [*made.resample(frame), *made.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    assert probe(path).seconds == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("mode", ["0", "1"], ids=["188", "192 bytes a packet"])
def test_films_of_camcorders_are_decoded(tmp_path: Path, mode: str) -> None:
    import av

    path = os.fspath(tmp_path / "a.mts")
    with av.open(path, "w", format="mpegts", options={"mpegts_m2ts_mode": mode}) as file:
        stream: Any = file.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(25):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * i, np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    assert probe(path).seconds == pytest.approx(1, abs=0.05)
