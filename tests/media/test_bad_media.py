"""Audio and video that are damaged, lie or are made to harm: a reason code or a note, never a hang or another file."""

from __future__ import annotations

import ast
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import chiasm
from _films import SOUNDS, film, float_wav, tone, wav
from chiasm.encode._timed import Timed
from chiasm.media import MediaError, children, clips
from chiasm.media.clips import Clip, Decoded, Wants, decode, decode_many, probe

av = pytest.importorskip("av")

P, G, S = Wants(pictures=4, size=8), Wants(gray=(6, 8)), Wants(rate=8000)
MOV = b"\0\0\0\x18ftyp"
SECONDS = 10.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The bytes of a good film of ten seconds."""
    folder = tmp_path_factory.mktemp("films")

    def made(kind: str, **options: Any) -> bytes:
        path = folder / f"film{'_'.join(options)}.{kind}"
        if not path.exists():
            film(path, SECONDS, 25 if kind == "ts" else 10, **options)
        return path.read_bytes()

    return made


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Write a file; its path."""

    def written(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return written


def tried(item: Any, wants: Wants) -> tuple[Decoded | None, list[str]]:
    """What was decoded, and the codes of its notes; or nothing, and the reason code."""
    started = time.perf_counter()
    try:
        found = decode(item, wants)
        return found, [note.code for note in found.notes]
    except MediaError as error:
        assert error.note.skipped
        return None, [error.note.code]
    finally:
        assert time.perf_counter() - started < 25  # far below the deadline, on a busy machine


# What is cut short or damaged


@pytest.mark.parametrize("kind", SOUNDS)
def test_a_film_cut_in_half_is_refused_or_gives_its_first_half_with_a_note(kind: str, whole: Any, put: Any) -> None:
    data = whole(kind)
    found, codes = tried(put(f"half.{kind}", data[: len(data) // 2]), P | G | S)
    assert codes or kind == "ts"  # which may begin and end anywhere
    if found is None:
        assert codes == ["broken"]
        assert kind in ("mp4", "mov")  # their tables stand at the end
        return
    assert 4.0 < found.seconds < 6.0
    assert len(found.pictures) == 4
    assert (np.diff(found.pictures.mean(axis=(1, 2, 3))) > 10).all()
    assert set(codes) <= {"cut_short", "duration"}


def test_an_mp4_with_its_tables_in_front_gives_what_is_left_of_it(whole: Any, put: Any) -> None:
    data = whole("mp4", options={"movflags": "faststart"})
    found, codes = tried(put("half.mp4", data[: len(data) // 2]), P | S)
    assert found is not None
    assert 3.0 < found.seconds < 7.0
    assert "duration" in codes
    assert tried(Clip(put("half.mp4", data[: len(data) // 2]), 9.0, 10.0), P)[1] == ["empty_clip"]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_sound_cut_in_half_gives_its_first_half_with_a_note(kind: str, put: Any, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    noise = np.random.default_rng(0).normal(0, 0.1, 160_000)
    soundfile.write(tmp_path / f"a.{kind}", tone(SECONDS, 16000) + noise, 16000)
    data = (tmp_path / f"a.{kind}").read_bytes()
    found, codes = tried(put(f"half.{kind}", data[: len(data) // 2]), S)
    assert found is not None
    assert 3.0 < len(found.sound) / 8000 < 6.0
    assert codes
    assert set(codes) <= {"cut_short", "duration"}


def test_a_hole_in_the_middle_is_noted(whole: Any, put: Any) -> None:
    for kind, options in (("mkv", {}), ("mp4", {"options": {"movflags": "faststart"}})):
        data = bytearray(whole(kind, **options))
        middle = len(data) // 2
        data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
        found, codes = tried(put(f"hole.{kind}", bytes(data)), P | G | S)
        assert found is not None
        assert {"cut_short", "damaged"} & set(codes)


def test_pictures_that_end_long_before_the_sound_are_noted(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", SECONDS, times=[0.0, 0.1, 0.2, 0.3])
    found, codes = tried(path, P)
    assert found is not None
    assert found.seconds == pytest.approx(SECONDS, abs=0.1)
    assert codes == ["cut_short"]


# What is not there


def test_files_without_frames_without_sound_and_without_pictures_say_so(tmp_path: Path, whole: Any) -> None:
    for kind in ("mkv", "mp4", "avi", "mov"):
        with av.open(str(tmp_path / f"none.{kind}"), "w") as container:
            stream = container.add_stream("mpeg4", 10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
        found, codes = tried(str(tmp_path / f"none.{kind}"), P)
        assert found is None
        assert set(codes) <= {"no_picture", "no_media", "empty_clip", "broken"}
    assert tried(wav(tmp_path / "none.wav", np.zeros(0), 16000), S) == (None, ["empty_clip"])
    mute, dark = film(tmp_path / "mute.mp4", rate=0), film(tmp_path / "dark.mkv", fps=0)
    assert tried(mute, S) == (None, ["no_sound"])
    assert tried(dark, P) == tried(dark, G) == (None, ["no_picture"])
    assert tried(mute, P)[1] == tried(dark, S)[1] == []


@pytest.mark.parametrize("item", ["nowhere.mp4", "", "\0", b"", None, 3, ["a.mp4"], Clip("nowhere.wav", 1, 2)])
def test_what_is_no_file_has_a_reason_code(item: Any) -> None:
    assert tried(item, S)[1][0] in ("missing", "empty", "not_media", "unreadable", "not_a_file")


def test_a_fifo_a_device_a_folder_and_an_empty_file_are_refused_at_once(tmp_path: Path, put: Any) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    os.symlink(tmp_path / "fifo.mp4", tmp_path / "link.mp4")
    for path in (tmp_path / "fifo.mp4", tmp_path / "link.mp4", tmp_path, "/dev/zero"):
        assert tried(str(path), P) == (None, ["not_a_file"])
    assert tried(put("empty.wav", b""), S) == (None, ["empty"])


def test_random_bytes_behind_every_magic_are_refused() -> None:
    rng = np.random.default_rng(0)
    kinds = [(place, magic) for place, magic, _ in clips._MAGIC]
    kinds += [(0, b"G" + rng.bytes(187) + b"G"), (0, b"\xff\xfb"), (0, b"\xff\xf1")]
    for place, magic in kinds:
        for count in (0, 50, 30_000):
            data = bytearray(rng.bytes(place + len(magic) + count))
            data[place : place + len(magic)] = magic
            found, codes = tried(bytes(data), P | S)
            assert found is None, (magic, count)
            assert set(codes) <= {"broken", "not_media", "no_media", "no_sound", "no_picture", "empty_clip", "bad_rate"}


# What lies


def test_lying_durations_change_nothing_but_are_noted(whole: Any, put: Any) -> None:
    data = whole("mkv")
    at = data.find(b"\x44\x89\x88") + 3
    for told in (1e12, 1.0, -5.0, float("nan"), float("inf")):
        found, codes = tried(put("a.mkv", data[:at] + struct.pack(">d", told) + data[at + 8 :]), P | S)
        assert found is not None
        assert found.seconds == pytest.approx(SECONDS, abs=0.1)
        assert codes == (["duration"] if told in (1e12, 1.0) else [])
    data = whole("mp4")
    for box in (b"mvhd", b"mdhd"):
        at = data.find(box) + 20
        for value in (2**32 - 2, 1, 0):
            found, codes = tried(put("a.mp4", data[:at] + struct.pack(">I", value) + data[at + 4 :]), P | S)
            assert found is not None
            assert found.seconds == pytest.approx(SECONDS, abs=0.1)
            assert set(codes) <= {"duration"}


def test_lying_tables_of_an_mp4_do_not_hang_or_fill_the_memory(whole: Any, put: Any) -> None:
    data = whole("mp4")
    for box, place, value in (
        (b"mdhd", 16, 0),
        (b"mdhd", 16, 1),
        (b"stsz", 8, 2**30),
        (b"stsz", 12, 2**31),
        (b"stco", 12, 2**31),
        (b"stsc", 12, 2**31),
        (b"stts", 12, 2**31),
        (b"stts", 16, 2**31),
        (b"stts", 16, 0),
    ):
        at = data.find(box) + place
        found, codes = tried(put("a.mp4", data[:at] + struct.pack(">I", value) + data[at + 4 :]), P | G | S)
        if found is not None and abs(found.seconds - SECONDS) > 0.5:
            assert "duration" in codes


def test_the_header_of_a_wav_is_not_believed(put: Any) -> None:
    samples = tone(2.0, 16000)
    for claimed in (0, 10**6, 2**31, 2**32 - 1):
        found, _ = tried(put("a.wav", float_wav(samples, 16000, claimed)), S)
        assert found is not None
        assert len(found.sound) == 16000
    for rate in (1, 3999, 384_001, 2**30 - 1):
        assert tried(put("a.wav", float_wav(samples, rate)), S)[1] == ["bad_rate"]
    for rate in (4000, 384_000):
        assert tried(put("a.wav", float_wav(samples, rate)), S)[0] is not None


def test_samples_that_are_no_numbers_are_refused_and_loud_ones_are_limited_with_a_note(put: Any) -> None:
    samples = tone(2.0, 16000)
    for value in (np.nan, np.inf, -np.inf):
        samples[9000] = value
        assert tried(put("a.wav", float_wav(samples, 16000)), S) == (None, ["not_finite"])
        assert tried(Clip(put("a.wav", float_wav(samples, 16000)), 0.0, 0.1), S)[0] is not None  # not in this moment
    for factor in (100.0, 1e30):
        found, codes = tried(put("a.wav", float_wav(tone(2.0, 16000) * np.float32(factor), 16000)), S)
        assert found is not None
        assert np.abs(found.sound).max() <= 1.0
        assert len(codes) == 1


def test_what_is_wrong_elsewhere_in_a_file_does_not_touch_a_moment(put: Any, whole: Any) -> None:
    samples = tone(SECONDS, 16000)
    samples[100_000] = np.nan
    path = put("a.wav", float_wav(samples, 16000))
    clean, bad = decode_many([Clip(path, 4.0, 5.0), Clip(path, 6.0, 7.0)], S)
    assert isinstance(clean, Decoded)
    assert isinstance(bad, MediaError)
    np.testing.assert_array_equal(clean.sound, decode(Clip(path, 4.0, 5.0), S).sound)
    data = bytearray(whole("mkv"))
    data[len(data) // 2 : len(data) // 2 + 3000] = np.random.default_rng(0).bytes(3000)
    path = put("a.mkv", bytes(data))
    before, after = decode_many([Clip(path, 1.0, 2.0), Clip(path, 4.0, 6.0)], S)
    assert isinstance(before, Decoded)
    assert isinstance(after, Decoded)
    assert (before.notes, [note.code for note in after.notes]) == ([], ["damaged"])


def test_pictures_of_changing_size_are_read_to_the_end_and_noted(tmp_path: Path) -> None:
    for kind in ("ts", "mkv"):
        path = str(tmp_path / f"a.{kind}")
        with av.open(path, "w") as container:
            stream = container.add_stream("mpeg2video", 25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
            for part, (width, height) in enumerate(((64, 48), (96, 80), (32, 160))):
                coder = av.CodecContext.create("mpeg2video", "w")
                coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
                coder.time_base, coder.framerate, coder.max_b_frames = Fraction(1, 25), Fraction(25), 0
                picture = np.full((height, width, 3), 60 + 60 * part, np.uint8)
                packets = []
                for i in range(50):
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    frame.pts, frame.time_base = i, Fraction(1, 25)
                    packets += coder.encode(frame)
                for packet in packets + coder.encode(None):
                    packet.pts = packet.dts = packet.pts + 50 * part
                    packet.stream, packet.time_base = stream, Fraction(1, 25)
                    container.mux(packet)
        found, codes = tried(path, Wants(pictures=6, size=8) | G)
        assert found is not None
        np.testing.assert_allclose(found.pictures.mean(axis=(1, 2, 3)), [60, 60, 120, 120, 180, 180], atol=3)
        assert len(found.gray) >= 147  # a decoder may hold back one at each change
        assert codes == ["resized"]


# What is large


def gray_jpeg(width: int, height: int) -> bytes:
    """An even gray JPEG of any size: a block takes 6 bits, and nothing is kept in memory to make it."""
    made = io.BytesIO()
    Image.new("L", (8, 8), 128).save(made, "JPEG")
    data = bytearray(made.getvalue())
    frame, scan = data.find(b"\xff\xc0"), data.find(b"\xff\xda")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    scan += 2 + struct.unpack(">H", data[scan + 2 : scan + 4])[0]
    bits = -(-width // 8) * -(-height // 8) * 6
    return bytes(data[:scan]) + (b"\x28\xa2\x8a" * (bits // 24 + 1))[: -(-bits // 8)] + b"\xff\xd9"


def of_jpegs(path: Path, jpegs: list[bytes], width: int, height: int) -> str:
    """A film of ready-made JPEGs, ten a second, whose header tells this size."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", 10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        container.start_encoding()
        for i, jpeg in enumerate(jpegs):
            packet = av.Packet(jpeg)
            packet.pts = packet.dts = i
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 10), True
            container.mux(packet)
    return str(path)


def test_pictures_too_large_are_refused_wherever_the_size_is_told(tmp_path: Path, whole: Any, put: Any) -> None:
    small = gray_jpeg(64, 48)
    assert tried(of_jpegs(tmp_path / "a.mkv", [small, small], 64, 48), P)[0] is not None
    large = [gray_jpeg(8000, 8000)] * 2
    assert tried(of_jpegs(tmp_path / "b.mkv", large, 8000, 8000), P) == (None, ["too_many_pixels"])
    assert tried(of_jpegs(tmp_path / "c.mkv", large, 64, 48), P)[1] == ["too_many_pixels"]
    for side in (12_000, 20_000, 60_000):  # of a later picture
        path = of_jpegs(tmp_path / "d.mkv", [small, small, small, gray_jpeg(side, side)], 64, 48)
        started = time.perf_counter()
        found, codes = tried(path, P)
        assert time.perf_counter() - started < 3
        assert codes
        assert found is None or len(found.pictures) == 4
    assert tried(put("a.mkv", whole("mkv")), P)[1] == []  # the decoder lives


def test_three_hours_of_sound_are_read_in_part_and_by_moments_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "h.wav"
    path.write_bytes(float_wav(np.zeros(1, np.float32), 4000, claimed=3 * 3600 * 4000 * 4))
    os.truncate(path, path.stat().st_size + 3 * 3600 * 4000 * 4)
    with open(path, "r+b") as file:
        file.seek(44 + 10_000 * 4000 * 4)
        file.write(tone(3.0, 4000).tobytes())
    assert probe(str(path)).seconds == pytest.approx(3 * 3600, abs=1)
    found, codes = tried(str(path), S)
    assert found is not None
    assert (len(found.sound), codes) == (600 * 8000, ["silent", "cut"])
    moment, codes = tried(Clip(str(path), 10_000.0, 10_003.0), Wants(rate=4000))
    assert moment is not None
    assert codes == []
    np.testing.assert_allclose(moment.sound, tone(3.0, 4000), atol=1e-6)


def test_a_picture_in_an_hour_of_nothing_is_found_without_reading_it_all(tmp_path: Path) -> None:
    path = film(tmp_path / "gap.mkv", 3601.0, times=[0, 0.1, 0.2, 3600.0, 3600.1], rate=0)
    found, codes = tried(path, P | G)
    assert found is not None
    assert found.seconds == pytest.approx(3600.1, abs=1)
    assert len(found.gray) == 3
    assert "cut" in codes


MEASURED = """
import json, sys
from chiasm.media.clips import Wants, decode
from chiasm.media.images import MediaError

def peak():  # getrusage would count what the parent held when this process began
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024

decode(sys.argv[1], Wants(pictures=1, size=8))
before = peak()
for path in sys.argv[2:]:
    try:
        decode(path, Wants(pictures=4, size=8, gray=(6, 8), rate=8000))
    except MediaError:
        pass
print(json.dumps([before, peak()]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_the_memory_of_this_process_does_not_grow_with_what_a_file_holds(tmp_path: Path, whole: Any, put: Any) -> None:
    (tmp_path / "h.wav").write_bytes(float_wav(np.zeros(1, np.float32), 4000, claimed=3 * 3600 * 4000 * 4))
    os.truncate(tmp_path / "h.wav", 3 * 3600 * 4000 * 4)
    late = of_jpegs(tmp_path / "d.mkv", [gray_jpeg(64, 48)] * 3 + [gray_jpeg(9000, 9000)], 64, 48)
    large = of_jpegs(tmp_path / "e.mkv", [gray_jpeg(5000, 5000)] * 3, 5000, 5000)
    files = [put("a.mkv", whole("mkv")), str(tmp_path / "h.wav"), late, large]
    done = subprocess.run([sys.executable, "-c", MEASURED, *files], capture_output=True, text=True, check=True)
    before, after = ast.literal_eval(done.stdout)
    assert after - before < 64  # ten minutes of sound are 18


# What hangs or dies


def slow(folder: Path) -> str:
    """A film that takes seconds to decode."""
    return of_jpegs(folder / "slow.mkv", [gray_jpeg(6000, 6000)] * 60, 6000, 6000)


def test_what_takes_too_long_is_ended_and_the_next_file_is_decoded(
    tmp_path: Path, whole: Any, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, good = slow(tmp_path), put("a.mkv", whole("mkv"))
    decode(good, P)
    monkeypatch.setattr(children, "DEADLINE", 0.5)
    started = time.perf_counter()
    assert tried(path, G) == (None, ["timeout"])
    assert time.perf_counter() - started < 5
    monkeypatch.undo()
    assert len(decode(good, P).pictures) == 4


def test_a_decoder_that_is_killed_is_replaced(whole: Any, put: Any) -> None:
    good = put("a.mkv", whole("mkv"))
    known = decode(good, P).pictures
    for child in children._idle:
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
    codes = [tried(good, P)[1] for _ in range(len(children._idle) + 1)]
    assert codes[-1] == []
    np.testing.assert_array_equal(decode(good, P).pictures, known)


ORPHAN = """
import os, sys, threading, time
from chiasm.media import clips
threading.Thread(target=lambda: clips.decode(sys.argv[1], clips.Wants(gray=(6, 8))), daemon=True).start()
while True:
    time.sleep(0.2)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            facts = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(facts[1]) == os.getpid() and int(facts[11]) > 20:  # it has worked for 0.2 s
            print(pid, flush=True)
            os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_decoder_does_not_outlive_the_process_that_asked_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ORPHAN, slow(tmp_path)], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    until = time.perf_counter() + 3
    while time.perf_counter() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] == "Z":
                return  # ended; whoever inherited it has not looked yet
        except OSError:
            return
    os.kill(pid, signal.SIGKILL)
    pytest.fail("still decoding")


# What names another file or address


@pytest.fixture
def listener() -> Iterator[tuple[int, Callable[[], bool]]]:
    """A port, and whether anything connected to it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)

        def connected() -> bool:
            try:
                server.accept()
            except BlockingIOError:
                return False
            return True

        yield server.getsockname()[1], connected


def playlists(port: int, other: str) -> dict[str, str]:
    """Texts that make FFmpeg open an address or another file."""
    address = f"http://127.0.0.1:{port}/a"
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{address}.ts\n#EXTINF:4,\n{other}\n#EXT-X-ENDLIST\n",
        "hls of a file": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{other}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{other}'\nfile '{address}.mp4'\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT4S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1">'
        f"<BaseURL>{address}.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "asx": f'<asx version="3.0"><entry><ref href="{address}"/></entry></asx>',
    }


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "wav", "m3u8"])
def test_playlists_under_any_name_open_neither_an_address_nor_another_file(
    ending: str, listener: Any, whole: Any, put: Any
) -> None:
    port, connected = listener
    other = put("other.ts", whole("ts"))
    for text in playlists(port, other).values():
        assert tried(put(f"a.{ending}", text.encode()), P | S) == (None, ["not_media"])
        for magic in (MOV, b"\x1a\x45\xdf\xa3", b"ID3", b"OggS", b"G" + b"\n" * 187 + b"G\n", b"\xff\xe0"):
            assert tried(put(f"a.{ending}", magic + b"\n" + text.encode()), P | S)[0] is None
    assert not connected()


def test_an_hls_playlist_does_fetch_where_nothing_forbids_it(listener: Any, put: Any) -> None:
    port, connected = listener
    path = put("a.m3u8", playlists(port, "other.ts")["hls"].encode())
    code = "import av, sys; av.open(open(sys.argv[1], 'rb'), format='hls', timeout=1)"
    subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=False)
    assert connected()


@pytest.mark.parametrize("scheme", ["http://127.0.0.1:{port}/a.mp4", "file:{file}", "concat:{file}", "pipe:0", "-"])
def test_an_address_is_no_path(scheme: str, listener: Any, whole: Any, put: Any) -> None:
    port, connected = listener
    named = scheme.format(port=port, file=put("a.mp4", whole("mp4")))
    assert tried(named, P) == (None, ["missing"])
    assert not connected()


@pytest.mark.parametrize("name", ["concat:..|b.mp4", "a%03d.mp4", "http:,,a.mp4", "a\nb.mp4", "一.mp4", "\udcff.mp4"])
def test_a_files_name_is_never_read_as_a_protocol_or_a_pattern(
    name: str, whole: Any, put: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(name, whole("mp4"))
    assert tried(path, P)[1] == []
    monkeypatch.chdir(tmp_path)
    assert tried(name, P)[1] == []


def referring(film: bytes, other: str) -> bytes:
    """A mov whose pictures lie in another file: an alias with an absolute path in its table of data references."""
    path = other.encode()
    record = bytes(10 + 1 + 27 + 12 + 1 + 63 + 16 + 4 + 16) + struct.pack(">HH", 2, len(path)) + path
    record += b"\0" * (len(path) % 2) + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I", len(record) + 12) + b"alis\0\0\0\0" + record
    table = struct.pack(">I", len(entry) + 16) + b"dref\0\0\0\0" + struct.pack(">I", 1) + entry
    at = film.find(b"dref") - 4
    length = struct.unpack(">I", film[at : at + 4])[0]
    out = bytearray(film[:at] + table + film[at + length :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = film.rfind(box, 0, at) - 4
        told = struct.unpack(">I", film[place : place + 4])[0]
        out[place : place + 4] = struct.pack(">I", told + len(table) - length)
    data = out.find(b"mdat") - 4
    end = data + struct.unpack(">I", out[data : data + 4])[0]
    out[data + 8 : end] = bytes(end - data - 8)
    return bytes(out)


def test_a_mov_does_not_take_its_pictures_from_another_file(put: Any, tmp_path: Path) -> None:
    other = film(tmp_path / "other.mov", rate=0)
    path = put("a.mov", referring(Path(other).read_bytes(), other))
    allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(path, options=allowed) as container:
        assert sum(1 for _ in container.decode(video=0)) == 40  # so the reference is a good one
    assert tried(path, P) == (None, ["no_picture"])


# What follows for the rest of the system


def test_media_are_opened_in_one_place() -> None:
    for path in Path(chiasm.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "container.py":
            assert text.count("av.open(") == 1
            assert '"protocol_whitelist": "file,pipe"' in text
            continue
        if path.name in ("decoder.py", "reading.py"):  # the same process: resampling and filters, no file
            assert "av.open(" not in text
            continue
        if path.name == "toy.py":  # writes toy films and sounds to memory, and reads none
            assert text.count("av.open(") == text.count('av.open(out, "w"') == 1
            assert text.count("wave.open(") == text.count('wave.open(out, "wb")') == 1
            continue
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"av", "soundfile", "wave", "audioread", "cv2"}, path


def test_a_reason_says_no_path(put: Any, tmp_path: Path, whole: Any) -> None:
    half = put("a.mp4", whole("mp4")[:9000])
    for item in (half, half[:-4] + ".wav", Path(half).read_bytes(), str(tmp_path)):
        with pytest.raises(MediaError) as caught:
            decode(item, P)
        assert "/" not in caught.value.note.message
    first, second = ([str(tried_error(Path(half).read_bytes()))] for _ in range(2))
    assert first == second


def tried_error(item: Any) -> MediaError:
    """The error that an item raises."""
    (found,) = decode_many([item], P)
    assert isinstance(found, MediaError)
    return found


class Loudness(Timed):
    """The simplest encoder of sound."""

    modality = "audio"
    steps = 0

    @property
    def wants(self) -> Wants:
        return S

    def describe(self, decoded: Decoded) -> np.ndarray:
        return np.array([np.abs(decoded.sound).mean(), decoded.seconds])


def test_bad_files_are_skipped_with_their_code_and_leave_the_others_alone(tmp_path: Path, put: Any) -> None:
    good = [wav(tmp_path / f"{i}.wav", tone(1.0 + i, 16000), 16000) for i in range(3)]
    broken = put("nan.wav", float_wav(np.full(16000, np.nan, np.float32), 16000))
    items = [good[0], str(tmp_path / "no.wav"), good[1], broken, good[2], put("t.wav", b"#EXTM3U\n")]
    values, notes = Loudness().attempt(items)
    assert {i: note.code for i, (note,) in notes.items()} == {1: "missing", 3: "not_finite", 5: "not_media"}
    np.testing.assert_array_equal(values[[0, 2, 4]], Loudness().encode(good))
