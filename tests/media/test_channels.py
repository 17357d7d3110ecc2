"""Sound of several channels: equal ones are one, opposite ones do not cancel, silence is told, whatever the samples."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from _films import tone
from _media import write_video
from chiasm.encode.mel_audio import MelAudio
from chiasm.media.clips import Clip, Wants, decode, decode_many

pytest.importorskip("av")

S = Wants(rate=16000)
BITS = {8: "u1", 16: "<i2", 32: "<f4", 64: "<f8"}


def write(path: Path, samples: np.ndarray, rate: int = 22050, bits: int = 16, mask: int | None = None) -> str:
    """A wav file of `(s, channels)`: whole numbers of 8 or 16 bits, or floats; `mask` names its speakers."""
    n, kind = samples.shape[1], 3 if bits > 16 else 1
    made = np.rint(samples * 127 + 128) if bits == 8 else np.rint(samples * 32767) if bits == 16 else samples
    data, block = made.astype(BITS[bits]).tobytes(), n * bits // 8
    head = struct.pack("<HHIIHH", kind if mask is None else 0xFFFE, n, rate, rate * block, block, bits)
    if mask is not None:
        head += struct.pack("<HHIH", 22, bits, mask, kind) + bytes.fromhex("000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return str(path)


def codes(found) -> list[str]:
    return [note.code for note in found.notes]


@pytest.fixture(scope="module")
def one() -> np.ndarray:
    return tone(1.5, 22050) * np.linspace(0.2, 1.0, 33075, dtype=np.float32)


@pytest.mark.parametrize("count", [2, 3, 6, 16])
def test_equal_channels_give_exactly_what_one_gives(count: int, one: np.ndarray, tmp_path: Path) -> None:
    alone = decode(write(tmp_path / "1.wav", one[:, None]), S)
    many = decode(write(tmp_path / "n.wav", np.stack([one] * count, axis=1)), S)
    np.testing.assert_array_equal(many.sound, alone.sound)
    assert not many.notes
    assert np.abs(alone.sound).max() == pytest.approx(0.3, abs=0.01)
    describe = MelAudio().describe
    np.testing.assert_array_equal(describe(many), describe(alone))


def test_one_channel_among_silent_ones_gives_exactly_what_it_gives_alone(one: np.ndarray, tmp_path: Path) -> None:
    alone = decode(write(tmp_path / "1.wav", one[:, None]), S).sound
    center = np.zeros((len(one), 6), np.float32)
    center[:, 2] = one
    for name, samples, mask in (("center", center, 0x3F), ("left", center[:, 2:4], None)):
        np.testing.assert_array_equal(decode(write(tmp_path / f"{name}.wav", samples, mask=mask), S).sound, alone)


@pytest.mark.parametrize("weak", [1.0, 0.97])
def test_opposite_channels_are_heard_by_the_louder_one_and_told(weak: float, one: np.ndarray, tmp_path: Path) -> None:
    alone = decode(write(tmp_path / "1.wav", one[:, None]), S).sound
    found = decode(write(tmp_path / "anti.wav", np.stack([one, -weak * one], axis=1)), S)
    np.testing.assert_array_equal(found.sound, alone)
    assert codes(found) == ["one_channel"]
    found = decode(write(tmp_path / "anti.wav", np.stack([-weak * one, one], axis=1)), S)
    np.testing.assert_allclose(np.abs(found.sound), np.abs(alone), atol=2e-4)


def test_moments_are_judged_each_for_itself(one: np.ndarray, tmp_path: Path) -> None:
    other = np.concatenate([one, -one, 0 * one])
    path = write(tmp_path / "a.wav", np.stack([np.concatenate([one, one, 0 * one]), other], axis=1))
    moments = [Clip(path, start, start + 1.2) for start in (0.1, 1.6, 3.1)]
    found = decode_many(moments, S)
    assert [codes(each) for each in found] == [[], ["one_channel"], ["silent"]]
    for moment, each in zip(moments, found, strict=True):
        np.testing.assert_allclose(each.sound, decode(moment, S).sound, atol=2e-3)
    np.testing.assert_allclose(found[0].sound[800:-800], found[1].sound[800:-800], atol=2e-2)


def test_channels_that_have_nothing_to_do_with_one_another_are_mixed(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=(16000, 2)).astype(np.float32)
    wide = noise @ np.array([[1, -0.7], [0.7, 1]], np.float32)
    for samples in (noise, wide):
        found = decode(write(tmp_path / "a.wav", samples, 16000, 32), S)
        np.testing.assert_allclose(found.sound, samples.mean(axis=1), atol=1e-6)
        assert not found.notes


def test_the_channels_of_a_film_are_mixed_as_those_of_a_sound(tmp_path: Path) -> None:
    frames = np.full((10, 48, 64, 3), 90, np.uint8)
    path = write_video(tmp_path / "a.mkv", frames, sound=np.zeros(16000, np.float32))
    assert codes(decode(str(path), Wants(pictures=2, size=8) | S)) == ["silent"]


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_samples_of_every_kind_keep_their_scale_and_silence_is_silent(
    bits: int, one: np.ndarray, tmp_path: Path
) -> None:
    found = decode(write(tmp_path / "a.wav", one[:, None], 16000, bits), S)
    np.testing.assert_allclose(found.sound, one, atol=0.01 if bits == 8 else 1e-4)
    assert codes(decode(write(tmp_path / "0.wav", 0 * one[:, None], 16000, bits), S)) == ["silent"]


@pytest.mark.parametrize("rate", [4000, 7350, 37800, 192000, 384000])
def test_sounds_of_odd_rates_keep_their_pitch(rate: int, tmp_path: Path) -> None:
    whole = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)[:, None].astype(np.float32)
    found = decode(write(tmp_path / "a.wav", whole, rate), S)
    assert np.abs(np.fft.rfft(found.sound[:16000])).argmax() == 440
    assert not found.notes
