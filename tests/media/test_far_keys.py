"""Films of one key frame, clocks that do not begin at 0, sound that outlasts the pictures, covers, silent pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from _films import film, gray_at, tone
from _media import write_video
from chiasm.media.clips import Clip, Wants, decode, probe
from chiasm.media.film import read_film

av = pytest.importorskip("av")

P = Wants(pictures=2, size=8)


def later(source: str, path: Path, seconds: float) -> str:
    """A copy whose clock begins so many seconds later."""
    with av.open(source) as read, av.open(str(path), "w") as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in read.streams}
        for packet in read.demux():
            if packet.size:
                packet.pts += round(seconds / packet.time_base)
                packet.dts = packet.pts if packet.dts is None else packet.dts + round(seconds / packet.time_base)
                packet.stream = streams[packet.stream_index]
                copy.mux(packet)
    return str(path)


def one_key(path: Path, seconds: float, fps: int) -> str:
    """A film that grows brighter, all of whose frames need those before."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(
            {".ts": "mpeg2video", ".mpg": "mpeg2video", ".vob": "mpeg2video", ".flv": "flv"}.get(path.suffix, "mpeg4"),
            rate=fps,
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.bit_rate = 600, 2_000_000
        stream.options = {"sc_threshold": "1000000000"}
        for i in range(round(seconds * fps)):
            picture = np.full((48, 64, 3), gray_at(i / fps, seconds), np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return str(path)


@pytest.mark.parametrize(("kind", "fps"), [("ts", 25), ("mpg", 25), ("vob", 25), ("mp4", 10), ("flv", 10), ("avi", 10)])
def test_a_film_of_one_key_frame_is_read_to_its_end(kind: str, fps: int, tmp_path: Path) -> None:
    path = one_key(tmp_path / f"a.{kind}", 20.0, fps)
    with av.open(path) as file:
        assert sum(packet.is_keyframe for packet in file.demux(video=0)) <= 2  # and of mpeg the last, which is empty
    whole = decode(path, Wants(pictures=4, size=8))
    shown = [gray_at(time, 20.0) for time in (2.5, 7.5, 12.5, 17.5)]
    np.testing.assert_allclose(whole.pictures.mean(axis=(1, 2, 3)), shown, atol=6)
    assert not whole.notes
    for start in (9.0, 17.0):
        found = decode(Clip(path, start, start + 2), P | Wants(gray=(6, 8)))
        shown = [gray_at(start + time, 20.0) for time in (0.5, 1.5)]
        np.testing.assert_allclose(found.pictures.mean(axis=(1, 2, 3)), shown, atol=6)
        assert len(found.gray) == pytest.approx(2 * fps, abs=1)
        assert not found.notes


@pytest.mark.parametrize("kind", ["mkv", "ts", "flv"])
def test_a_clock_that_does_not_begin_at_0_changes_nothing(kind: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"a.{kind}", 12.0, 25, gop=40)
    late = later(path, tmp_path / f"late.{kind}", 3600.5)
    assert probe(late).seconds == pytest.approx(probe(path).seconds, abs=0.05)
    assert not probe(late).notes
    for item, other in ((path, late), (Clip(path, 8.0, 10.0), Clip(late, 8.0, 10.0))):
        one, two = decode(item, P | Wants(rate=8000)), decode(other, P | Wants(rate=8000))
        np.testing.assert_allclose(two.pictures.mean(axis=(1, 2, 3)), one.pictures.mean(axis=(1, 2, 3)), atol=3)
        np.testing.assert_allclose(two.picture_times, one.picture_times, atol=0.05)
        assert not two.notes


def test_sound_that_outlasts_the_pictures_leaves_the_last_one_and_says_so(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", 30.0, times=[i / 10 for i in range(30)])
    found = decode(path, Wants(pictures=4, size=8) | Wants(rate=8000))
    np.testing.assert_allclose(found.picture_times, 2.9, atol=0.01)
    assert [note.code for note in found.notes] == ["cut_short"]
    assert len(found.sound) == pytest.approx(30 * 8000, abs=100)
    read = read_film(path, lambda pictures: np.array([[one.mean()] for one in pictures]), 8, 0.5)
    assert "its pictures end at 3.0 s" in [note.message for note in read.notes]


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w", options={"id3v2_version": "3"}) as out:
        sound = out.add_stream("libmp3lame", rate=16000, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        packets = cover.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24"))
        packets += cover.encode(None)
        whole = av.AudioFrame.from_ndarray(tone(2.0, 16000)[None], format="fltp", layout="mono")
        whole.sample_rate = 16000
        fitting = av.AudioResampler(sound.format.name, "mono", 16000, 576)
        for frame in [*fitting.resample(whole), *fitting.resample(None)]:
            packets += sound.encode(frame)
        for packet in [*packets, *sound.encode(None)]:
            out.mux(packet)
    assert probe(str(path)).width == 0
    found = decode(str(path), Wants(rate=8000))
    assert len(found.sound) == pytest.approx(16000, abs=1500)


def test_a_film_of_silent_pieces_and_a_sound_is_not_called_silent(tmp_path: Path) -> None:
    frames = np.full((220, 48, 64, 3), 90, np.uint8)
    loud = np.zeros(22 * 16000, np.float32)
    loud[-16000:] = tone(1.0, 16000)
    for sound, silent in ((loud, False), (0 * loud, True)):
        path = write_video(tmp_path / f"{silent}.mkv", frames, sound=sound)
        read = read_film(str(path), lambda pictures: np.ones((len(pictures), 1)), 8, 1.0)
        assert ("silent" in [note.code for note in read.notes]) == silent
