"""What is heard: closed forms of the arrays, encoders of real and broken sounds, sound tracks of videos."""

import io
import wave
from fractions import Fraction

import numpy as np
import pytest

from chiasm import registry
from chiasm.encode import _sound as hear
from chiasm.encode.mel_audio import MelAudio
from chiasm.encode.sound_video import SoundVideo
from chiasm.encode.spectrogram_audio import SpectrogramAudio, _picture
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Decoded, decode
from chiasm.media.images import MediaError
from conftest import pack

RATE = hear.RATE


def tone(hertz, seconds=1.0, height=0.5):
    return (height * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def noise(seconds=1.0, height=0.1, seed=0):
    return (height * np.random.default_rng(seed).normal(size=int(seconds * RATE))).astype(np.float32)


def heard(sound):
    return Decoded(len(sound) / RATE, sound=sound, rate=RATE)


def wav(sound, rate=RATE):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def test_every_band_of_white_noise_holds_its_variance_whatever_the_window():
    for window in (0.025, 0.1):
        power = np.exp(hear.log_mel(noise(20), 40, window)[20:-20].astype(np.float64))
        np.testing.assert_allclose(power.mean(axis=0), 0.01, rtol=0.25)


def test_a_tone_is_loudest_in_the_band_around_its_frequency():
    top = 2595 * np.log10(1 + 8000 / 700)
    middles = 700 * (10 ** (np.linspace(0, top, 66)[1:-1] / 2595) - 1)
    for band in (10, 30, 60):
        assert hear.log_mel(tone(middles[band]))[50].argmax() == band


def test_the_rows_of_a_long_sound_are_those_of_a_slow_plain_transform():
    sound = noise(45)  # more windows than are transformed at a time
    found = hear.log_mel(sound)
    weights = np.hanning(402)[1:-1] / np.sqrt(np.square(np.hanning(402)[1:-1]).sum())
    assert found.shape == (4500, 64)
    for row in (3, 2620, 2621, 2622, 4490):
        middle = row * 160 + 80
        part = sound[middle - 200 : middle + 200].astype(np.float64)
        power = np.abs(np.fft.rfft(part * weights, 512)) ** 2
        np.testing.assert_allclose(found[row], np.log(power @ hear.mel_filters(64, 512) + 1e-8), atol=1e-3)


def test_the_slope_of_a_line_is_its_slope_and_a_cepstrum_undone_is_its_spectrum():
    line = np.arange(50)[:, None] * np.array([[2.0, -0.5]])
    np.testing.assert_allclose(hear.slope(line)[4:-4], np.tile([2.0, -0.5], (42, 1)), atol=1e-5)
    mel = hear.log_mel(noise())
    np.testing.assert_allclose(hear.mel_of(hear.cepstrum(mel, 64)), mel, atol=1e-4)


@pytest.mark.parametrize("hertz", [70, 110, 220, 390])
def test_the_pitch_of_a_buzz_is_its_period_and_noise_has_none(hertz):
    buzz = sum(tone(k * hertz, height=0.3 / k) for k in range(1, 8))
    middle = hear.pitch(buzz)[10:-10]
    np.testing.assert_allclose(100 * 2 ** middle[:, 0], hertz, rtol=0.01)
    assert middle[:, 1].min() > 0.9 > 0.5 > np.median(hear.pitch(noise())[:, 1])
    np.testing.assert_allclose(np.median(middle[:, 2]), np.log(np.square(buzz).mean()), atol=0.1)


def test_a_sound_that_swells_four_times_a_second_has_its_modulation_there():
    time = np.arange(3 * RATE) / RATE
    swelling = noise(3) * (1 + 0.9 * np.sin(2 * np.pi * 5.5 * time)).astype(np.float32)
    octaves = hear.modulation(hear.log_mel(swelling)).reshape(6, 8).mean(axis=1)  # 0.5-1, 1-2, 2-4, 4-8, ...
    assert octaves.argmax() == 3


AUDIO = [MelAudio(), MelAudio(steps=5), SpectrogramAudio(), SpectrogramAudio(seconds=0.5, steps=3)]


@pytest.mark.parametrize("encoder", AUDIO, ids=repr)
@pytest.mark.parametrize(
    "sound", [np.zeros(RATE, np.float32), tone(200, 0.01), noise(0.0001), np.ones(RATE, np.float32), noise(3.3)]
)
def test_silence_ten_milliseconds_one_sample_and_a_constant_give_finite_features_of_one_width(encoder, sound):
    shape = encoder.describe(heard(noise(1.5))).shape
    vector = encoder.describe(heard(sound))
    assert vector.shape == shape
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("encoder", [*AUDIO, SoundVideo("mel_audio")], ids=repr)
def test_no_sound_at_all_is_a_reason_code(encoder):
    with pytest.raises(MediaError) as error:
        encoder.over_time(heard(np.zeros(0, np.float32)))
    assert error.value.note.code == "no_sound"


def test_rows_over_time_follow_one_another_and_end_with_the_clip():
    for encoder in (MelAudio(), SpectrogramAudio()):
        for seconds in (0.3, 2.0, 5.005):
            steps = encoder.over_time(heard(noise(seconds)))
            assert len(steps.values) == len(steps.start) == len(steps.end)
            assert steps.start[0] == 0
            assert abs(steps.end[-1] - seconds) < 0.011
            assert (np.diff(steps.start) > 0).all()
            assert (steps.start[1:] <= steps.end[:-1] + 1e-9).all()


def test_steps_keep_the_order_that_pooling_forgets():
    low, high = tone(150, 1.0), tone(1500, 1.0)
    one, other = heard(np.concatenate([low, high])), heard(np.concatenate([high, low]))
    a, b = (MelAudio(steps=2).describe(sound).reshape(2, -1) for sound in (one, other))
    assert np.abs(a[0] - b[1]).max() < 0.1 * np.abs(a[0] - b[0]).max()


def test_a_picture_has_high_bands_on_top_and_its_loudest_spot_white():
    mel = np.full((10, 128), -20.0, np.float32)
    mel[4, 100] = 0
    shades = _picture(mel, 2, 6)
    assert shades.shape == (128, 6)
    assert shades.dtype == np.uint8
    assert np.unravel_index(shades.argmax(), shades.shape) == (27, 2)
    assert shades.max() == 255
    assert shades.min() == 0


def test_a_file_a_moment_of_it_and_its_bytes_are_encoded_alike(tmp_path):
    sound = noise(2.0)
    (tmp_path / "a.wav").write_bytes(wav(sound))
    path = str(tmp_path / "a.wav")
    whole, data, moment, late = MelAudio().encode([path, wav(sound), Clip(path, 0, 2), Clip(path, 1, 2)])
    np.testing.assert_array_equal(whole, data)
    np.testing.assert_allclose(whole, moment, atol=1e-4)
    np.testing.assert_allclose(whole, MelAudio().describe(heard(sound)), atol=0.05)
    assert np.abs(late - whole).max() > 0.1


def test_eight_kilohertz_and_sixteen_of_one_tone_sound_alike():
    fine, coarse = tone(440, 1.0), tone(440, 1.0)[::2]
    a, b = (decode(wav(sound, rate), MelAudio().wants) for sound, rate in ((fine, 16000), (coarse, 8000)))
    np.testing.assert_allclose(hear.pitch(a.sound)[10:-10, 0], hear.pitch(b.sound)[10:-10, 0], atol=0.01)


def film(sound):
    """An MP4 of five gray pictures a second, with a sound track where there is a sound."""
    av = pytest.importorskip("av")
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        seen = file.add_stream("mpeg4", rate=Fraction(5))
        seen.width = seen.height = 32
        seen.pix_fmt = "yuv420p"
        track = file.add_stream("aac", rate=RATE) if sound is not None else None
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * i, np.uint8), format="rgb24")
            file.mux(seen.encode(frame))
        file.mux(seen.encode(None))
        if track is not None:
            for start in range(0, len(sound) - 1023, 1024):
                block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts = RATE, start
                file.mux(track.encode(block))
            file.mux(track.encode(None))
    return out.getvalue()


def test_a_videos_sound_track_is_encoded_as_the_sound_and_a_silent_film_is_skipped():
    buzz = sum(tone(k * 130, 2.0, height=0.2 / k) for k in range(1, 5))
    values, notes = SoundVideo("mel_audio").attempt([film(buzz), film(None)])
    assert {i: [note.code for note in found] for i, found in notes.items()} == {1: ["no_sound"]}
    alone = MelAudio().encode([wav(buzz)])[0]
    track = decode(film(buzz), SoundVideo("mel_audio").wants).sound
    np.testing.assert_allclose(np.median(hear.pitch(track)[:, 0]), np.log2(1.3), atol=0.02)
    assert np.corrcoef(values[0], alone)[0, 1] > 0.9


def test_a_sound_track_takes_any_encoder_of_audio_and_no_other():
    assert SoundVideo("mel_audio", steps=3).describe(heard(noise())).shape == (3, 27)
    assert SoundVideo("mel_audio").fingerprint != SoundVideo().fingerprint
    with pytest.raises(ChiasmError, match="wanted the name of an encoder of audio"):
        SoundVideo("effnet_image").wants  # noqa: B018


def test_digits_spoken_by_one_voice_are_told_by_the_order_of_what_is_heard():
    table = pytest.importorskip("pandas").read_parquet(pack("fsdd") / "data.parquet")
    table = table[table.speaker == "theo"].groupby("digit").head(8)
    values = MelAudio(steps=8).encode([str(pack("fsdd") / path) for path in table.audio])
    learn = table["index"].to_numpy() < 12
    fuser = registry.get("fuse", "early")().fit({"sound": values[learn]}, table.text.to_numpy()[learn])
    assert fuser.score({"sound": values[~learn]}, table.text.to_numpy()[~learn]) > 0.8
