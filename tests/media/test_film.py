"""A film over time: where it has no pictures (damaged, not begun, ended) there is no step, and a note says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _films import film
from chiasm.media import film as _film
from chiasm.media.clips import Wants, decode
from chiasm.media.film import read_film
from chiasm.tasks.summarize import Summarize

av = pytest.importorskip("av")


def brightness(pictures: Any) -> np.ndarray:
    return np.array([[float(np.mean(one))] for one in pictures])


def holed(source: str, path: Path, low: float, high: float, kind: str = "video") -> str:
    """A copy whose packets of some seconds hold zeros."""
    with av.open(source) as read, av.open(str(path), "w") as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in read.streams}
        for packet in read.demux():
            if not packet.size:
                continue
            stream = streams[packet.stream.index]
            if packet.stream.type == kind and low <= float(packet.pts * packet.time_base) < high:
                made = av.Packet(bytes(packet.size))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
                made.duration, made.is_keyframe = packet.duration, packet.is_keyframe
                packet = made
            packet.stream = stream
            copy.mux(packet)
    return str(path)


def test_a_hole_is_left_out_of_shots_scenes_and_scores_and_the_rest_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    path = holed(film(tmp_path / "a.mkv", 12.0, gop=10), tmp_path / "hole.mkv", 4.2, 7.5)
    for piece in (20.0, 5.0):  # the hole lies in one piece, or over the edge of two
        monkeypatch.setattr(_film, "_PIECE", piece)
        read = read_film(path, brightness, 8, 0.5)
        assert read.steps.tolist() == [*range(8), *range(15, 24)]
        assert len(np.unique(read.rows)) == len(read.rows) == len(read.loudness) == 17
        assert {note.code for note in read.notes} == {"damaged"}
        assert "from 4.2 to 7.5 s" in read.notes[0].message
    assert 8 in read.cuts()
    assert read.spans(np.array([[0, 8], [8, 17]])).tolist() == [[0.0, 4.0], [7.5, 12.0]]
    task = Summarize(encoder="pixel_image")
    for moment in task.answer(path, 6):
        assert moment["end"] <= 4.01 or moment["start"] >= 7.49
        assert not 4.2 <= moment["time"] < 7.5
    assert not any(start < 5 < end for start, end in task.shots(path))


def test_a_film_ends_where_its_pictures_do_and_begins_where_they_do(tmp_path: Path) -> None:
    short = film(tmp_path / "a.mkv", 10.0, times=[i / 10 for i in range(20)])
    read = read_film(short, brightness, 8, 0.5)
    assert (read.seconds, len(read.rows), len(read.loudness)) == (pytest.approx(2.0, abs=0.01), 4, 4)
    assert [note.message for note in read.notes] == ["its pictures end at 2.0 s"]
    assert all(moment["end"] <= 2.01 for moment in Summarize(encoder="pixel_image").answer(short, 6))
    late = film(tmp_path / "b.mkv", 6.0, times=[3 + i / 10 for i in range(30)])
    read = read_film(late, brightness, 8, 0.5)
    assert read.steps.tolist() == list(range(6, 12))
    assert [note.message for note in read.notes] == ["its pictures begin at 3.0 s"]


def test_a_picture_that_stands_for_seconds_is_shown_as_long(tmp_path: Path) -> None:
    slides = film(tmp_path / "a.mp4", 9.0, times=[0.0, 3.0, 6.0])
    read = read_film(slides, brightness, 8, 0.5)
    assert read.steps.tolist() == list(range(12))  # the last is said to last 0.1 s
    assert [note.message for note in read.notes] == ["its pictures end at 6.1 s"]


def test_sound_behind_a_hole_is_heard_and_what_is_missing_is_silent_and_told(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mkv", 8.0)
    path = holed(whole, tmp_path / "hole.mkv", 3.0, 4.0, "audio")
    heard, known = (decode(one, Wants(rate=8000)) for one in (path, whole))
    assert len(heard.sound) == pytest.approx(8 * 8000, abs=400)
    after = known.sound[40_000:44_000]
    assert min(np.abs(heard.sound[40_000 + late : 44_000 + late] - after).max() for late in range(40)) < 0.01
    assert np.abs(heard.sound[26_000:30_000]).max() < 0.01
    assert [note.code for note in heard.notes] == ["damaged"]
    assert not known.notes


def test_what_a_damaged_picture_leaves_behind_is_not_shown(tmp_path: Path) -> None:
    still = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"g": "20", "sc_threshold": "0", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for i in range(60):
            moved = np.roll(still, 2 * i, axis=1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    path = holed(str(tmp_path / "a.mkv"), tmp_path / "hole.mkv", 2.5, 2.6)  # one picture; a key frame every 2 s
    found = decode(path, Wants(pictures=12, size=32))
    ((low, high),) = found.gaps
    assert 2.3 <= low <= 2.75
    assert high == pytest.approx(4.0)
    assert read_film(path, brightness, 8, 0.5).steps.tolist()[-4:] == [8, 9, 10, 11]
