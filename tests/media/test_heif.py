"""HEIC pictures: how they are turned, and what their camera noted, read without a decoder."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from _pictures import HEIC
from chiasm.media.boxes import exif_of
from chiasm.media.images import decode_image
from chiasm.media.taken import taken

RED, WHITE = (200, 30, 30), (255, 255, 255)


def box(kind: bytes, held: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(held), kind) + held


def notes(turn: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    exif[0x0132] = "2023:07:08 09:10:11"
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    return exif.tobytes().removeprefix(b"Exif\0\0")


def heic(exif: bytes | None = None, turned: bool = False, inside: bool = False) -> bytes:
    """The picture of `HEIC` written anew: with notes, in a place of their own or in the box of facts, or turned."""
    config = HEIC[HEIC.index(b"hvcC") - 4 :]
    config = config[: struct.unpack(">I", config[:4])[0]]
    coded = HEIC[HEIC.index(b"mdat") + 4 :]
    noted = b"" if exif is None else struct.pack(">I", 6) + b"Exif\0\0" + exif

    def whole(picture: int, other: int) -> bytes:
        properties = config + box(b"ispe", bytes(4) + struct.pack(">II", 64, 64))
        properties += box(b"irot", b"\1") if turned else b""
        uses = b"\x81\x02\x83" if turned else b"\x81\x02"
        kept = box(b"ipco", properties) + box(b"ipma", bytes(4) + struct.pack(">IHB", 1, 1, len(uses)) + uses)
        items = box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 1, 0, b"hvc1") + b"\0")
        items += box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 2, 0, b"Exif") + b"\0") if noted else b""
        places = struct.pack(">HHHHII", 1, 0, 0, 1, picture, len(coded))
        places += struct.pack(">HHHHII", 2, inside, 0, 1, other, len(noted)) if noted else b""
        facts = box(b"hdlr", bytes(8) + b"pict" + bytes(13)) + box(b"pitm", bytes(4) + struct.pack(">H", 1))
        facts += box(b"iinf", bytes(4) + struct.pack(">H", 1 + bool(noted)) + items)
        facts += box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", 1 + bool(noted)) + places)
        facts += box(b"iprp", kept) + (box(b"idat", noted) if inside else b"")
        head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
        return head + box(b"meta", bytes(4) + facts) + box(b"mdat", coded + (b"" if inside else noted))

    start = len(whole(0, 0)) - len(coded) - (0 if inside else len(noted))
    return whole(start, 0 if inside else start + len(coded))


@pytest.mark.parametrize("inside", [False, True])
def test_when_and_where_a_heic_picture_was_taken_is_known_without_its_decoder(tmp_path: Path, inside: bool) -> None:
    file = tmp_path / "IMG_1.HEIC"
    file.write_bytes(heic(notes(), inside=inside))
    assert taken(file) == {"pixels": [64, 64], "taken": "2023-07-08 09:10:11"}
    spot = taken(file, place=True)
    assert (spot["latitude"], spot["longitude"]) == (pytest.approx(-33.86), pytest.approx(151.21))


def test_a_heic_picture_is_turned_as_its_file_says_and_not_again_by_its_notes() -> None:
    pytest.importorskip("pi_heif")

    def corners(data: bytes) -> list[bool]:
        """Whether the left, right, upper and lower halves are red."""
        pixels = np.asarray(decode_image(data, 8)[0]).astype(int)
        spots = pixels[4, 1], pixels[4, 6], pixels[1, 4], pixels[6, 4]
        return [bool(np.abs(spot - RED).max() < 40 and np.abs(spot - WHITE).max() > 40) for spot in spots]

    assert corners(heic())[:2] == [True, False]
    assert corners(heic(notes(turn=6)))[:2] == [True, False]
    assert corners(heic(turned=True))[2:] == [False, True]  # a quarter counter-clockwise: left goes down
    assert corners(heic(notes(turn=6), turned=True))[2:] == [False, True]


def test_how_large_a_heic_picture_is_shown_is_known_without_its_decoder(tmp_path: Path) -> None:
    for turned, size in ((False, [64, 40]), (True, [40, 64])):
        data = heic(notes(turn=6), turned).replace(struct.pack(">II", 64, 64), struct.pack(">II", 64, 40))
        (tmp_path / "a.heic").write_bytes(data)
        assert taken(tmp_path / "a.heic")["pixels"] == size


def test_an_avif_picture_tells_its_date_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2020:01:02 03:04:05"
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "AVIF", exif=exif)
    (tmp_path / "a.avif").write_bytes(out.getvalue())
    assert taken(tmp_path / "a.avif") == {"pixels": [32, 32], "taken": "2020-01-02 03:04:05"}


def test_whatever_is_damaged_there_are_just_no_notes(tmp_path: Path) -> None:
    whole = heic(notes())
    file = tmp_path / "broken.heic"
    rng = np.random.default_rng(0)
    file.write_bytes(heic())
    assert taken(file) == {"pixels": [64, 64]}
    told = 0
    for place in rng.integers(0, len(whole), 300).tolist():
        data = bytearray(whole)
        data[place] = int(rng.integers(256))
        file.write_bytes(bytes(data[: int(rng.integers(1, len(whole) + 1))]))
        found = taken(file, place=True)
        told += "taken" in found
        assert set(found) <= {"pixels", "taken", "latitude", "longitude"}
    assert told < 300
    with open(file, "wb") as held:
        held.write(struct.pack(">I4sQ", 1, b"meta", 2**62))
    with open(file, "rb") as held:
        assert exif_of(held) == b""


def test_a_list_of_thousands_of_millions_of_pieces_is_given_up(tmp_path: Path) -> None:
    items = box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 1, 0, b"Exif") + b"\0")
    pieces = struct.pack(">HHH", 1, 0, 65535) * 65535  # each of no size
    facts = box(b"iinf", bytes(4) + struct.pack(">H", 1) + items)
    facts += box(b"iloc", bytes(6) + struct.pack(">H", 65535) + pieces)
    file = tmp_path / "long.heic"
    file.write_bytes(box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + facts))
    assert taken(file) == {}
