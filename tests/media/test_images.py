"""Every trap of image files that we know: what is shown is what a person would see, or a reason code says why not."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chiasm import scale
from chiasm.data.toy import shape_image
from chiasm.encode.pixel_image import PixelImage
from chiasm.errors import ChiasmError
from chiasm.media.images import FORMATS, MediaError, check_path, content, decode_image

RED, BLUE, WHITE = (200, 30, 30), (40, 70, 200), (255, 255, 255)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pixels(item: Any, size: int = 8) -> np.ndarray:
    return np.asarray(decode_image(item, size)[0]).astype(int)


def codes(item: Any) -> list[str]:
    """The codes of the notes, or of the reason why it cannot be used."""
    try:
        return [note.code for note in decode_image(item, 8)[1]]
    except MediaError as error:
        return [error.note.code if error.note.skipped else "not skipped"]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("format", "mode"),
    [(f, m) for f in FORMATS for m in ("RGB", "L", "P", "1") if f in "PNG GIF BMP TIFF" or m in ("RGB", "L")],
)
def test_a_plain_picture_looks_alike_in_every_format_and_mode(format: str, mode: str) -> None:
    plain = shape_image("red", "square", size=64, seed=3)
    item = encoded(plain.convert(mode), format, **({"quality": 95} if format in ("JPEG", "WEBP", "AVIF") else {}))
    wanted = np.asarray(plain.convert(mode).convert("RGB").resize((16, 16), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(pixels(item, 16) - wanted).mean() < 3
    assert codes(item) == []


def test_sixteen_bit_gray_is_scaled_and_not_clipped_to_white() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64), (64, 1)).astype(np.uint16)
    item = encoded(Image.fromarray(ramp), "PNG")
    shown = pixels(item, 64)[32, :, 0]
    np.testing.assert_allclose(shown, np.linspace(0, 255, 64), atol=1.5)
    assert codes(item) == ["depth"]
    clipped = np.asarray(Image.open(io.BytesIO(item)).convert("L"))[32]
    assert (clipped == 255).sum() > 50  # what Pillow's own conversion does


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
def test_gray_of_any_depth_in_sixteen_bits_is_seen_alike(bits: int) -> None:
    ramp = np.tile(np.linspace(0, 2**bits - 1, 64), (64, 1)).astype(np.uint16)
    item = encoded(Image.fromarray(ramp), "PNG")
    np.testing.assert_allclose(pixels(item, 64)[32, :, 0], np.linspace(0, 255, 64), atol=1.5)
    few = "gray in more than 8 bits, the lowest 8 of which are used"
    said = few if bits == 8 else f"{bits}-bit gray scaled to 8 bits"
    assert [note.message for note in decode_image(item, 8)[1]] == [said]
    assert decode_image(Image.open(io.BytesIO(item)), 8)[1] == decode_image(item, 8)[1]


def test_a_darker_picture_of_equal_depth_stays_darker_and_true_sixteen_bits_stay_as_they_were() -> None:
    for high in (4000, 2100):  # 12 bits both
        assert pixels(encoded(Image.fromarray(np.full((8, 8), high, np.uint16)), "PNG")).max() == 255 * high // 4095
    values = np.array([[0, 257, 300, 30_000, 65_534, 65_535]], np.uint16)
    shown = np.asarray(decode_image(encoded(Image.fromarray(values), "PNG"), None)[0])[0, :, 0]
    np.testing.assert_array_equal(shown, values[0] // 257)


def test_a_picture_that_shows_nothing_says_so() -> None:
    clear = encoded(Image.new("RGBA", (8, 8), (*RED, 0)), "PNG")
    assert pixels(clear).min() == 255
    assert codes(clear) == ["transparent"]
    assert codes(encoded(Image.new("RGBA", (8, 8), (*RED, 1)), "PNG")) == []


def test_the_cache_serves_no_deep_gray_as_it_was_scaled_before_and_keeps_all_else() -> None:
    from chiasm.encode._encoder import content_of

    deep = encoded(Image.fromarray(np.full((8, 8), 1000, np.uint16)), "PNG")
    assert content_of("image", deep) != deep
    for plain in (encoded(Image.new("L", (8, 8)), "PNG"), encoded(Image.new("RGB", (8, 8)), "JPEG")):
        assert content_of("image", plain) == plain


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_photo_is_turned_as_its_exif_says(format: str, orientation: int) -> None:
    upright = Image.new("RGB", (64, 64), WHITE)
    upright.paste(RED, (0, 0, 32, 32))
    upright.paste(BLUE, (32, 0, 64, 32))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that the viewer has to undo
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = pixels(encoded(stored, format, exif=exif, **({} if format in ("PNG", "TIFF") else {"quality": 95})))
    assert np.abs(shown[1, 1] - RED).max() < 25
    assert np.abs(shown[1, 6] - BLUE).max() < 25
    assert shown[6].min() > 225


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_transparent_parts_show_white_and_not_the_hidden_color(format: str) -> None:
    image = Image.new("RGBA", (64, 64), (*BLUE, 0))
    image.paste((*RED, 255), (0, 0, 32, 64))
    shown = pixels(encoded(image, format, **({"lossless": True, "exact": True} if format == "WEBP" else {})))
    assert np.abs(shown[:, 1] - RED).max() < 12
    assert shown[:, 6].min() == 255


def test_half_transparent_is_half_white() -> None:
    shown = pixels(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 127)), "PNG"))
    assert set(np.unique(shown)) == {128}


def test_transparency_of_palettes_gray_and_colors_is_honored() -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([*RED, *BLUE, 0, 0, 0])
    np.testing.assert_array_equal(pixels(encoded(palette, "PNG"))[4, 4], BLUE)
    for transparency in (1, bytes([255, 0, 255])):
        assert pixels(encoded(palette, "PNG", transparency=transparency)).min() == 255
    np.testing.assert_array_equal(pixels(encoded(palette, "PNG", transparency=bytes([0, 255])))[4, 4], BLUE)
    assert pixels(encoded(Image.new("L", (8, 8), 7), "PNG", transparency=7)).min() == 255
    assert pixels(encoded(Image.new("RGB", (8, 8), BLUE), "PNG", transparency=BLUE)).min() == 255
    assert pixels(encoded(Image.new("LA", (8, 8), (7, 0)), "PNG")).min() == 255
    deep = encoded(Image.fromarray(np.full((8, 8), 1000, np.uint16)), "PNG")
    assert pixels(deep).max() == 249
    assert pixels(deep[:33] + chunk(b"tRNS", struct.pack(">H", 1000)) + deep[33:]).min() == 255


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_a_film_the_first_frame_is_used_and_noted(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in (RED, BLUE, WHITE)]
    item = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert codes(item) == ["first_frame"]
    assert np.abs(pixels(item) - RED).max() < 12
    assert codes(encoded(frames[0], format)) == []


def test_cmyk_ycck_and_several_picture_jpegs_are_read() -> None:
    gray = np.array([128, 128, 128])
    cmyk = encoded(Image.new("RGB", (16, 16), tuple(gray)).convert("CMYK"), "JPEG", quality=95)
    assert np.abs(pixels(cmyk) - gray).max() < 6
    two = encoded(Image.new("RGB", (16, 16), RED), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    assert np.abs(pixels(two) - RED).max() < 12
    assert codes(two) == ["first_frame"]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_picture_cut_short_is_broken_and_never_shown_half(format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    whole = encoded(noise, format)
    assert codes(whole) == []
    for part in (0.4, 0.6, 0.95):
        assert codes(whole[: int(len(whole) * part)]) == ["broken"]
    found = {codes(whole[:length])[0] for length in range(1, 60)}
    assert found <= {"broken", "not_an_image"}


def test_what_is_no_picture_is_named_by_its_reason(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), RED)
    files = {
        "photo.jpg": encoded(image, "EPS"),  # Pillow would start Ghostscript
        "film.gif": encoded(image, "ICO"),
        "text.png": "這是文字".encode(),
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "zeros.bmp": bytes(5000),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        assert codes(tmp_path / name) == codes(data) == ["not_an_image"], name
    (tmp_path / "empty.png").touch()
    assert codes(tmp_path / "empty.png") == ["empty"]
    assert codes(b"") == ["not_an_image"]
    assert codes(tmp_path) == ["not_a_file"]
    assert codes(tmp_path / "nothing.png") == ["missing"]
    assert codes(str(tmp_path / "text.png" / "below")) == ["unreadable"]
    assert codes("/" + "x" * 300) == ["unreadable"]
    assert codes("a\0b") == ["unreadable"]
    assert codes("/dev/zero") == ["not_a_file"]
    for wrong in (None, 3, [1], np.zeros((4, 4)), np.zeros((4, 4, 7), "u1"), np.zeros((0, 4), "u1"), np.zeros(4, "u1")):
        assert codes(wrong) == ["not_an_image"]
        with pytest.raises(MediaError):
            content(wrong)


def test_a_file_larger_than_the_cap_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "big.png", "wb") as file:
        file.truncate(300 << 20)  # a hole: nothing is written
    started = time.monotonic()
    assert codes(tmp_path / "big.png") == ["too_big"]
    assert time.monotonic() - started < 0.5


def test_a_pipe_and_a_socket_do_not_block_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    started = time.monotonic()
    assert codes(tmp_path / "pipe.png") == ["not_a_file"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
        assert codes(tmp_path / "s.png") in (["unreadable"], ["not_a_file"])
    assert time.monotonic() - started < 0.5


def test_a_file_that_cannot_be_used_leaks_no_handle(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("x")
    (tmp_path / "empty.png").touch()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for item in (tmp_path, tmp_path / "text.png", tmp_path / "empty.png", tmp_path / "missing", "/dev/null"):
            codes(item)
    assert len(os.listdir("/proc/self/fd")) == before


MEASURE = """
import resource, sys, time
from pathlib import Path
from chiasm import scale
from chiasm.media.images import MediaError, decode_image
decode_image(Path(sys.argv[1]).read_bytes(), 8)
items = [Path(p) for p in sys.argv[2:]]
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
def one(item):
    try:
        return "ok" if decode_image(item, 8) else ""
    except MediaError as error:
        return error.note.code
found = list(scale.threads(one, items, 4))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(",".join(found), grown >> 10, time.monotonic() - started)
"""


def measured(tmp_path: Path, *items: bytes) -> tuple[str, int, float]:
    """The codes of hostile files decoded by four threads of a fresh process, MiB grown and seconds taken."""
    files = [tmp_path / "small.png"] + [tmp_path / f"{i}.png" for i in range(len(items))]
    for file, data in zip(files, [encoded(Image.new("RGB", (9, 9)), "PNG"), *items], strict=True):
        file.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, files)], capture_output=True, text=True, check=True, timeout=60
    )
    found, grown, seconds = done.stdout.split()
    return found, int(grown), float(seconds)


def test_a_header_that_declares_a_huge_picture_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    huge = [png_header(w, h) for w, h in ((20_000, 20_000), (2**31 - 1, 2**31 - 1), (300_000_001, 1), (20_000, 14_000))]
    bmp = bytearray(encoded(Image.new("RGB", (1, 1)), "BMP"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    gif = bytearray(encoded(Image.new("P", (1, 1)), "GIF"))
    gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    jpeg = bytearray(encoded(Image.new("RGB", (8, 8)), "JPEG"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 65_000, 65_000)
    found, grown, seconds = measured(tmp_path, *huge, bytes(bmp), bytes(gif), bytes(jpeg))
    assert found == ",".join(["too_many_pixels"] * 7)
    assert grown < 30
    assert seconds < 2


@pytest.mark.slow
def test_four_of_the_largest_pictures_at_once_stay_below_two_gigabytes(tmp_path: Path) -> None:
    side = 7000
    deep = encoded(Image.fromarray(np.full((side, side), 777, np.uint16)), "PNG", compress_level=1)
    clear = encoded(Image.new("RGBA", (side, side), (1, 2, 3, 4)), "PNG", compress_level=1)
    found, grown, seconds = measured(tmp_path, deep, clear, deep, clear)
    assert found == "ok,ok,ok,ok"
    assert grown < 1300
    assert seconds < 30


def test_files_made_to_hang_their_reader_are_refused_in_seconds(tmp_path: Path) -> None:
    small = Image.new("L", (8, 8), 100)
    png, jpeg, gif = (encoded(small, format) for format in ("PNG", "JPEG", "GIF"))
    plane = gif.rindex(b"\x2c")
    film = gif[:-1] + (gif[plane:-1]) * 300_000 + gif[-1:]
    scans = encoded(Image.new("L", (4000, 4000), 128), "JPEG", progressive=True, quality=50)
    scan = scans[scans.rindex(b"\xff\xda") : -2]
    hostile = {
        "many empty chunks": png[:33] + chunk(b"ruSt", b"") * 600_000 + png[33:],
        "many empty IDATs": png[:33] + chunk(b"IDAT", b"") * 600_000 + png[33:],
        "many markers": jpeg[:2] + b"\xff\xe5\x00\x02" * 600_000 + jpeg[2:],
        "many comments": gif[:plane] + b"\x21\xfe\x01a\x00" * 600_000 + gif[plane:],
        "five thousand scans of 16 megapixels": scans[:-2] + scan * 5000 + scans[-2:],
        "a text that unpacks to 128 megabytes": png[:33] + chunk(b"zTXt", b"k\0\0" + bomb()) + png[33:],
    }
    found, grown, seconds = measured(tmp_path, *hostile.values())
    assert dict(zip(hostile, found.split(","), strict=True)) == dict.fromkeys(hostile, "broken")
    assert grown < 400
    assert seconds < 15
    started = time.monotonic()
    assert codes(film) == ["first_frame"]  # a long film is fine: only its first frames are looked at
    assert time.monotonic() - started < 1


def bomb() -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([packer.compress(bytes(1 << 20)) for _ in range(128)] + [packer.flush()])


def test_progressive_photos_and_photos_with_a_film_behind_them_are_fine() -> None:
    noise = np.random.default_rng(0)
    image = Image.fromarray(noise.integers(0, 256, (200, 200, 3), np.uint8))
    progressive = encoded(image, "JPEG", progressive=True)
    assert progressive.count(b"\xff\xda") > 5
    trailer = noise.integers(0, 256, 20_000_000, np.uint8).tobytes()
    assert trailer.count(b"\xff\xda") > 200  # by chance
    assert codes(progressive) == codes(progressive + trailer) == []


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("shape", [(2400, 1800), (1000, 3000), (801, 799)])
def test_a_large_jpeg_read_at_reduced_scale_looks_like_one_read_in_full(mode: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (23, 31, 3), np.uint8))
    item = encoded(coarse.resize(shape, Image.Resampling.BICUBIC).convert(mode), "JPEG", quality=90)
    full = Image.open(io.BytesIO(item)).convert("RGB").resize((96, 96), Image.Resampling.BICUBIC)
    gap = np.abs(pixels(item, 96) - np.asarray(full).astype(int))
    assert gap.mean() < 1.5
    assert gap.max() < 25


def test_a_picture_has_one_key_for_its_bytes_and_another_where_it_looks_otherwise(tmp_path: Path) -> None:
    data = encoded(shape_image("red", "bar"), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    assert content(tmp_path / "a.png") == content(str(tmp_path / "a.png")) == content(data) == data
    red, blue = Image.new("P", (4, 4)), Image.new("P", (4, 4))
    red.putpalette(RED)
    blue.putpalette(BLUE)
    turned, clear = shape_image("red", "bar"), Image.new("L", (4, 4))
    turned.getexif()[0x0112] = 6
    clear.info["transparency"] = 0
    kinds = [
        red,
        blue,
        shape_image("red", "bar"),
        turned,
        Image.new("L", (4, 4)),
        clear,
        Image.new("L", (2, 8)),
        np.zeros((4, 4), np.uint8),
        np.zeros((2, 8), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
    ]
    shown = [content(kind) for kind in kinds]
    assert len(set(shown)) == len(kinds)
    assert shown == [content(kind.copy() if kind is not turned else kind) for kind in kinds]
    np.testing.assert_array_equal(pixels(np.asarray(turned)), pixels(shape_image("red", "bar")))


def test_an_open_pil_image_of_a_broken_file_is_named_broken_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.effect_noise((64, 64), 50), "PNG")[:900])
    with Image.open(tmp_path / "a.png") as lazy:
        assert codes(lazy) == ["broken"]
    with Image.open(tmp_path / "a.png") as lazy, pytest.raises(MediaError, match="broken"):
        content(lazy)
    nan = Image.fromarray(np.full((4, 4), np.nan, np.float32))
    assert codes(nan) == ["broken"]
    wide = Image.new("1", (20_000, 12_000))
    assert codes(wide) == ["too_many_pixels"]


def seeds() -> dict[str, bytes]:
    """A small valid file of every kind that takes its own way through the decoders."""
    image = shape_image("green", "circle", size=24)
    clear = image.convert("RGBA")
    clear.putalpha(90)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 6, "maker", {0x9003: "2026:01:01 00:00:00"}
    film = {"save_all": True, "append_images": [clear]}
    return {
        "jpeg": encoded(image, "JPEG", exif=exif),
        "progressive": encoded(image, "JPEG", progressive=True, comment=b"x"),
        "mpo": encoded(image, "MPO", save_all=True, append_images=[image]),
        "png": encoded(image, "PNG", exif=exif, dpi=(72, 72)),
        "palette": encoded(image.quantize(8), "PNG", transparency=1),
        "apng": encoded(clear, "PNG", **film),
        "deep": encoded(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)), "PNG"),
        "gif": encoded(clear, "GIF", **film),
        "webp": encoded(clear, "WEBP", exif=exif, **film),
        "bmp": encoded(image.quantize(8), "BMP"),
        "tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "avif": encoded(clear, "AVIF"),
    }


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", seeds())
def test_damaged_files_give_a_picture_or_a_reason_and_never_another_error(kind: str) -> None:
    rng = np.random.default_rng(0)
    whole = seeds()[kind]
    found = set()
    for case in range(150):
        damaged = bytearray(whole)
        if case % 3 == 0:
            del damaged[rng.integers(1, len(whole)) :]
        if case % 3 == 1:
            start = int(rng.integers(0, len(whole)))
            damaged[start : start + 20] = rng.bytes(int(rng.integers(0, 40)))
        for place in rng.integers(0, min(len(damaged), 1 + 400 * (case % 2 + 1)), size=rng.integers(1, 6)).tolist():
            damaged[place] ^= 1 << int(rng.integers(8))
        if kind == "png" and case % 2:
            damaged = resealed(damaged)
        try:
            image, _ = decode_image(bytes(damaged), 8)
            assert (image.mode, image.size) == ("RGB", (8, 8))
            found.add("ok")
        except MediaError as error:
            found.add(error.note.code)
    assert "broken" in found
    assert found <= {"ok", "broken", "not_an_image", "too_many_pixels"}


def resealed(data: bytearray) -> bytearray:
    """A damaged PNG with its chunks' checksums made right, so that the damage gets further in."""
    place = 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return data


MAGICS = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1\x00\x20Exif\0\0MM", b"GIF89a", b"BM"]


@pytest.mark.parametrize("magic", [*MAGICS, b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8X"], ids=repr)
def test_random_bytes_behind_an_image_s_first_bytes_give_a_reason(magic: bytes) -> None:
    rng = np.random.default_rng(0)
    for length in range(100):
        with pytest.raises(MediaError):
            decode_image(magic + rng.bytes(length), 8)


def test_damaged_exif_data_of_a_good_picture_is_no_news(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker of cameras"
    data = encoded(shape_image("red", "bar"), "JPEG", exif=exif)
    place = data.index(b"Exif\0\0") + 6
    (tmp_path / "a.jpg").write_bytes(data[: place + 18] + b"\x0f\xff\xff\xff" + data[place + 22 :])
    code = "import sys; from chiasm.media.images import decode_image; print(decode_image(sys.argv[1], 8)[1])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.jpg")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    with pytest.warns(UserWarning, match="Truncated"), Image.open(tmp_path / "a.jpg"):
        pass  # what Pillow says of it


def test_bad_files_among_good_ones_are_skipped_by_reason_and_the_good_ones_encoded(tmp_path: Path) -> None:
    good = [encoded(shape_image("red", shape), "PNG") for shape in ("circle", "bar")]
    items = [good[0], b"nonsense", tmp_path / "missing", good[1], tmp_path]
    values, notes = PixelImage().attempt(items)
    assert {i: [n.code for n in found] for i, found in notes.items()} == {
        1: ["not_an_image"],
        2: ["missing"],
        4: ["not_a_file"],
    }
    np.testing.assert_array_equal(values[[0, 3]], PixelImage().encode(good))
    with pytest.raises(ChiasmError, match=r"item 1.*not_an_image"):
        PixelImage().encode(items)


@pytest.mark.parametrize(
    "cell",
    [
        "http://example.org/a.png",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "s3://bucket/a.png",
        "../outside.png",
        "sub/../../outside.png",
        "/etc/passwd",
        "link.png",
        "folder/outside.png",
        "a\0b.png",
        "x" * 5000,
        "圖" * 2000,
        "\ud800.png",
        "loop",
    ],
    ids=lambda cell: ascii(cell)[:40],
)
def test_a_cell_that_is_no_path_below_the_root_is_refused(tmp_path: Path, cell: str) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside.png").touch()
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    if cell == "loop":  # below the root, and found unreadable when it is opened
        assert codes(check_path(cell, root)) == ["unreadable"]
        return
    with pytest.raises(ChiasmError, match=r"wanted a path|leaves the data's folder"):
        check_path(cell, root)


def test_a_path_below_the_root_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "inner").symlink_to("圖 1.png")
    for root in (tmp_path / "real", tmp_path / "root"):
        for cell in ("圖 1.png", "./圖 1.png", "sub/../圖 1.png", "inner", str(tmp_path / "root" / "圖 1.png")):
            assert check_path(cell, root) == tmp_path / "real" / "圖 1.png"
    assert check_path("udc\udcff.png", tmp_path) == tmp_path / "udc\udcff.png"  # a name that is no UTF-8


def test_many_threads_decode_alike() -> None:
    items = list(seeds().values()) * 8
    alone = [pixels(item) for item in items]
    for one, other in zip(alone, scale.threads(pixels, items, 8), strict=True):
        np.testing.assert_array_equal(one, other)
