"""What is decoded of audio and video is what was put in, at its time: whole, in moments, alone and in company."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _films import SOUNDS, film, gray_at, tone, wav
from chiasm import scale
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Wants, clip_content, decode, decode_many, one_decode, probe, runs

pytest.importorskip("av")

P, G, S = Wants(pictures=4, size=8), Wants(gray=(6, 8)), Wants(rate=8000)
LATE = {"ts": 0.031, "flv": 0.065, "webm": 0.002, "mp3": 0.004}
"""Seconds that a container's sound may come late: it does not tell how much its encoder put in front."""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """By its container, a film of 4 or of more seconds."""
    folder = tmp_path_factory.mktemp("films")

    def made(kind: str, seconds: float = 4.0) -> str:
        path = folder / f"{seconds:.0f}.{kind}"
        rate = 25 if kind == "ts" else 10  # the only rate of these that MPEG-2 knows
        return str(path) if path.exists() else film(path, seconds, rate, gop=40)

    return made


def lag(found: np.ndarray, known: np.ndarray) -> tuple[int, float]:
    """By how many samples a sound comes late, and the correlation with the known one there."""
    n = min(len(found), len(known))
    a, b = found[:n], known[:n]
    both = np.fft.irfft(np.fft.rfft(a, 2 * n) * np.fft.rfft(b, 2 * n).conj())
    at = int(both.argmax())
    return at if at < n else at - 2 * n, float(both[at] / np.sqrt((a**2).sum() * (b**2).sum()))


@pytest.mark.parametrize("kind", SOUNDS)
def test_every_container_gives_its_pictures_and_its_sound_at_their_times(kind: str, films: Any) -> None:
    found = decode(films(kind), P | G | S)
    assert not found.notes
    assert found.seconds == pytest.approx(4.0, abs=0.1)
    assert found.pictures.shape == (4, 8, 8, 3)
    np.testing.assert_allclose(found.picture_times, [0.5, 1.5, 2.5, 3.5], atol=0.11)
    shown = [gray_at(time, 4.0) for time in found.picture_times]
    np.testing.assert_allclose(found.pictures.mean(axis=(1, 2, 3)), shown, atol=5)
    assert found.gray.shape == (100 if kind == "ts" else 40, 6, 8)
    assert (np.diff(found.gray_times) > 0).all()
    assert (np.diff(found.gray.mean(axis=(1, 2))) >= 0).all()
    late, likeness = lag(found.sound, tone(4.0, 8000))
    assert 0 <= late <= 8000 * LATE.get(kind, 0)
    assert likeness > 0.98
    assert found.rate == 8000
    assert np.abs(found.sound).max() < 0.4


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_moment_is_that_part_of_the_file_however_far_it_lies(kind: str, films: Any) -> None:
    path = films(kind, 16.0)
    whole = decode(path, S).sound
    for start, end in ((0.0, 1.0), (2.7, 4.1), (8.3, 10.1), (13.66, 15.0)):
        found = decode(Clip(path, start, end), Wants(pictures=2, size=8) | S)
        assert not found.notes
        assert found.seconds == pytest.approx(end - start)
        shown = [gray_at(start + time, 16.0) for time in found.picture_times]
        np.testing.assert_allclose(found.pictures.mean(axis=(1, 2, 3)), shown, atol=3)
        middles = np.array([0.25, 0.75]) * (end - start)
        np.testing.assert_allclose(found.picture_times, middles, atol=0.11)
        late, likeness = lag(found.sound, whole[round(start * 8000) : round(end * 8000)])
        assert abs(late) <= 8
        assert likeness > 0.99


def test_compressed_sound_is_heard_at_its_time_and_moments_do_not_drift(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    known = tone(20.0, 16000)
    for kind in ("wav", "flac", "ogg", "mp3"):
        path = str(tmp_path / f"a.{kind}")
        soundfile.write(path, known, 16000)
        for start, end in ((0.0, 20.0), (6.0, 7.0), (14.5, 16.0)):
            late, likeness = lag(decode(Clip(path, start, end), S).sound, tone(end - start, 8000, start))
            assert abs(late) <= 8000 * LATE.get(kind, 0)
            assert likeness > 0.8 if kind == "mp3" else likeness > 0.98


def test_near_moments_are_decoded_in_one_pass_with_the_same_bits(films: Any) -> None:
    path = films("mp4", 16.0)
    moments = [Clip(path, start, start + 2.0) for start in np.arange(0.0, 12.0, 1.0)]
    assert [len(run) for run in runs([*moments, Clip(path, 0, 1), "b.mp4"])] == [12, 1, 1]
    together = decode_many(moments, P | G)
    for moment, found in zip(moments, together, strict=True):
        alone = decode(moment, P | G)
        np.testing.assert_array_equal(found.pictures, alone.pictures)
        np.testing.assert_array_equal(found.gray, alone.gray)
        np.testing.assert_allclose(found.gray_times, alone.gray_times, atol=1e-9)
    for moment, found in zip(moments, decode_many(moments, S), strict=True):
        np.testing.assert_allclose(found.sound, decode(moment, S).sound, atol=2e-3)  # a resampler starts elsewhere


def test_sound_behind_a_gap_stays_at_its_time(tmp_path: Path) -> None:
    import av

    path, gap = film(tmp_path / "a.mkv", 6.0, rate=16000), str(tmp_path / "gap.mkv")
    with av.open(path) as source, av.open(gap, "w") as copy:
        streams = {s.index: copy.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            lost = packet.stream.type == "audio" and packet.pts is not None and 2 < packet.pts * packet.time_base < 3.5
            if packet.size and not lost:
                packet.stream = streams[packet.stream_index]
                copy.mux(packet)
    found = decode(gap, S)
    assert len(found.sound) == pytest.approx(6 * 8000, abs=100)
    assert not found.sound[round(2.3 * 8000) : round(3.3 * 8000)].any()
    late, likeness = lag(found.sound[32000:40000], tone(1.0, 8000, 4.0))
    assert abs(late) <= 24
    assert likeness > 0.98


def test_a_bad_moment_does_not_take_its_neighbors_along(films: Any) -> None:
    path = films("mkv")
    good, beyond = decode_many([Clip(path, 2.0, 3.0), Clip(path, 9.0, 10.0)], P)
    assert good.pictures.shape == (4, 8, 8, 3)
    assert beyond.note.code == "empty_clip"


def test_bytes_are_decoded_like_the_file_that_they_come_from(films: Any) -> None:
    path = films("webm")
    file, memory = decode(path, P | S), decode(Path(path).read_bytes(), P | S)
    np.testing.assert_array_equal(file.pictures, memory.pictures)
    np.testing.assert_array_equal(file.sound, memory.sound)


def test_pictures_of_a_variable_rate_are_those_that_are_shown_at_the_time(tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.12, 1.0, 1.5, 1.52, 1.54, 3.9]
    path = film(tmp_path / "v.mkv", times=times)
    found = decode(path, P | G)
    np.testing.assert_allclose(found.picture_times, [0.12, 1.5, 1.54, 1.54], atol=2e-3)
    assert set(found.gray_times.round(2)) <= set(times)
    assert (np.diff(found.gray_times) > 0.035).all()


def test_no_more_gray_frames_are_kept_than_were_asked_for(tmp_path: Path) -> None:
    path = film(tmp_path / "fast.mkv", 2.0, 50, rate=0)
    assert len(decode(path, G).gray) == 50
    assert len(decode(path, Wants(gray=(6, 8), fps=10.0)).gray) == 20
    assert len(decode(path, Wants(gray=(6, 8), fps=100.0)).gray) == 100


def test_gray_stops_after_a_minute_and_says_so(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mkv", 70.0, 2, rate=0)
    found = decode(path, G)
    assert len(found.gray) == 120
    assert [(note.code, note.skipped) for note in found.notes] == [("cut", False)]
    assert len(decode(Clip(path, 61.0, 69.0), G).gray) == 16


def test_channels_become_one_and_deep_samples_keep_their_scale(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    left, right = tone(1.0, 16000), tone(1.0, 16000, 5.0)
    for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16000, subtype=subtype)
        found = decode(str(tmp_path / "two.wav"), Wants(rate=16000)).sound
        assert lag(found, (left + right) / 2)[1] > 0.9999
        np.testing.assert_allclose(found, (left + right) / 2, atol=1e-4)


def test_one_decode_serves_several_encoders(films: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(Path(films("mkv")).read_bytes())
    known = decode(str(path), S).sound
    with one_decode([P, G, S]):
        assert len(decode(str(path), P).pictures) == 4
        path.unlink()
        np.testing.assert_array_equal(decode(str(path), S).sound, known)
        assert len(decode(str(path), G).gray) == 40
    with pytest.raises(ChiasmError, match="missing"):
        decode(str(path), S)


def test_wants_are_joined_where_they_agree() -> None:
    joined = P | G | S
    assert joined == Wants(pictures=4, size=8, gray=(6, 8), rate=8000)
    assert P | P == P
    for one, other in ((P, Wants(pictures=8, size=8)), (S, Wants(rate=16000)), (G, Wants(gray=(6, 8), fps=5.0))):
        with pytest.raises(ChiasmError, match="wanted one way of reading"):
            _ = one | other


def test_the_key_of_a_clip_is_its_bytes_and_its_moment(films: Any, tmp_path: Path) -> None:
    path, copy = films("mp4"), tmp_path / "copy.mp4"
    copy.write_bytes(Path(path).read_bytes())
    assert clip_content(path) == clip_content(str(copy)) == clip_content(Clip(path))
    keys = {clip_content(item) for item in (path, Clip(path, 1.0), Clip(path, 0.0, 1.0), Clip(path, 1.0, 2.0))}
    assert len(keys) == 4
    assert clip_content(Clip(path, 1, 2)) == clip_content(Clip(str(copy), 1.0, 2.0))
    before = clip_content(str(copy))
    copy.write_bytes(copy.read_bytes() + b"\0")
    os.utime(copy, ns=(1, 1))
    assert clip_content(str(copy)) != before


def test_probe_tells_what_a_file_holds(films: Any, tmp_path: Path) -> None:
    facts = probe(films("mp4"))
    assert (facts.width, facts.height, facts.fps, facts.rate) == (64, 48, 10.0, 16000)
    assert facts.seconds == pytest.approx(4.0, abs=0.1)
    sound = probe(wav(tmp_path / "a.wav", tone(1.5, 22050), 22050))
    assert (sound.width, sound.fps, sound.rate, sound.notes) == (0, 0.0, 22050, [])
    assert sound.seconds == pytest.approx(1.5)


def test_many_at_once_give_what_each_gives_alone(films: Any) -> None:
    paths = [films(kind) for kind in ("mp4", "mkv", "avi")] * 4
    alone = [decode(path, P | S) for path in paths[:3]] * 4
    for found, known in zip(scale.threads(lambda path: decode(path, P | S), paths), alone, strict=True):
        np.testing.assert_array_equal(found.pictures, known.pictures)
        np.testing.assert_array_equal(found.sound, known.sound)


def test_nothing_is_imported_or_started_before_something_is_decoded() -> None:
    code = (
        "import sys, chiasm.media.clips, chiasm.media.children as c; "
        "print('av' in sys.modules, 'soundfile' in sys.modules, len(c._idle))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "0"]
