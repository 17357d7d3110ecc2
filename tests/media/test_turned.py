"""Films that were held sideways or mirrored are read as players show them: pictures, motion, regions, sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _media import write_video
from chiasm.media.clips import Clip, Wants, decode, probe
from chiasm.media.film import picture_at, read_film
from chiasm.media.regions import passages

av = pytest.importorskip("av")

P, G = Wants(pictures=2, size=32), Wants(gray=(24, 32))
LEVELS = np.array([[20, 90], [160, 230]], np.uint8)
"""Of the quarters of the coded picture, from the top."""
TURNS = [
    (90, False, False),
    (180, False, False),
    (270, False, False),
    (0, True, False),
    (0, False, True),
    (90, True, False),
]


def turned(picture: np.ndarray, degrees: int, across: bool, down: bool) -> np.ndarray:
    """Turned to the left, then mirrored."""
    made = np.rot90(picture, degrees // 90)
    return made[:: -1 if down else 1, :: -1 if across else 1]


def held(path: Path, source: Path, turn: tuple[int, bool, bool] | None = None, tag: str = "") -> str:
    """A copy with a display matrix, or with a tag `rotate` instead."""
    with av.open(str(source)) as read, av.open(str(path), "w") as copy:
        stream: Any = copy.add_stream_from_template(read.streams.video[0])
        if turn:
            stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        if tag:
            stream.metadata["rotate"] = tag
        for packet in read.demux():
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    return str(path)


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of four quarters, 96 x 64, in which a white square goes down the left side."""
    frames = np.repeat(np.repeat(LEVELS, 32, axis=0), 48, axis=1)[None].repeat(30, axis=0)
    frames = np.repeat(frames[..., None], 3, axis=3).copy()
    return write_video(tmp_path_factory.mktemp("held") / "film.mov", frames)


def quarters(picture: np.ndarray) -> np.ndarray:
    """The gray level in the middle of each quarter."""
    gray = picture if picture.ndim == 2 else picture.mean(axis=2)
    h, w = gray.shape
    return np.array([[gray[y * h // 4, x * w // 4] for x in (1, 3)] for y in (1, 3)], float)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["mov", "mp4", "mkv"])
def test_pictures_and_gray_frames_are_turned_as_players_show_them(
    kind: str, turn: tuple[int, bool, bool], upright: Path, tmp_path: Path
) -> None:
    if kind == "mkv" and turn[1:] != (False, False):
        pytest.skip("Matroska tells a turn and no mirror")
    path = held(tmp_path / f"a.{kind}", upright, turn)
    shown = turned(LEVELS, *turn)
    found = decode(path, P | G)
    assert found.pictures.shape == (2, 32, 32, 3)
    assert found.gray.shape == (30, 24, 32)
    np.testing.assert_allclose(quarters(found.pictures[1]), shown, atol=6)
    np.testing.assert_allclose(quarters(found.gray[7]), shown, atol=6)
    facts = probe(path)
    assert (facts.width, facts.height) == ((64, 96) if turn[0] in (90, 270) else (96, 64))
    moment = decode(Clip(path, 1.0, 2.0), P)
    np.testing.assert_allclose(quarters(moment.pictures[0]), shown, atol=6)


def test_a_tag_turns_clockwise_where_there_is_no_matrix(upright: Path, tmp_path: Path) -> None:
    path = held(tmp_path / "a.mkv", upright, tag="90")
    np.testing.assert_allclose(quarters(decode(path, P).pictures[0]), np.rot90(LEVELS, -1), atol=6)
    assert probe(path)[1:3] == (64, 96)
    odd = held(tmp_path / "b.mkv", upright, tag="sideways")
    np.testing.assert_allclose(quarters(decode(odd, P).pictures[0]), LEVELS, atol=6)


def test_a_sheet_has_the_shape_that_is_shown(upright: Path, tmp_path: Path) -> None:
    path = held(tmp_path / "a.mov", upright, (270, False, False))
    film = read_film(path, lambda pictures: np.array([[quarters(one)[0, 0]] for one in pictures]), 32, 1.0)
    assert (film.width, film.height) == (64, 96)
    np.testing.assert_allclose(film.rows, np.rot90(LEVELS, 3)[0, 0], atol=6)
    picture = picture_at(film, 1.5)
    assert picture.shape == (288, 192, 3)
    np.testing.assert_allclose(quarters(picture), np.rot90(LEVELS, 3), atol=6)


def test_a_moving_region_lies_where_it_is_seen(tmp_path: Path) -> None:
    frames = np.full((40, 96, 128, 3), 90, np.uint8)
    for i in range(40):
        frames[i, 8:24, 3 * i : 3 * i + 12] = 240  # along the top
    path = write_video(tmp_path / "film.mov", frames)
    (flat,) = passages(str(path))
    (left,) = passages(held(tmp_path / "a.mov", path, (90, False, False)))  # the top is now on the left
    assert flat["box"][3] < 0.35 < flat["box"][2]
    assert left["box"][2] < 0.35 < left["box"][3]
