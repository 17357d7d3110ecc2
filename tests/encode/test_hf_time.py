"""A user's own networks of sound and video against transformers' own answers, on arrays and on files."""

from __future__ import annotations

import json
import shutil
import socket
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import _tiny_time
import chiasm
from chiasm import registry
from chiasm.encode.hf_audio import HfAudio
from chiasm.encode.hf_audio_text import HfAudioText
from chiasm.encode.hf_video import HfVideo
from chiasm.encode.hf_video_text import HfVideoText
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip, Decoded, Wants, decode
from chiasm.media.images import MediaError
from chiasm.views import Column, Views

LACKING = registry.entries("encode")["hf_audio"].missing
if LACKING:
    pytest.skip(f"needs {', '.join(LACKING)}", allow_module_level=True)

TEXTS = ["a red circle", "blue squares on the white ground", "绿色的三角形"]
PADDED = {"ast": 20640, "clap": 24000, "clap_fused": 24000, "whisper": 32000}
"""Samples of the windows that the tiny networks pad to: 1.29 s, 1 s, 1 s, 2 s."""


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def sound(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """A tone that rises over noise."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    return (0.3 * np.sin(2 * np.pi * (300 + 200 * time) * time * (1 + seed)) + noise).astype(np.float32)


def heard(seconds: float, rate: int, seed: int = 0) -> Decoded:
    return Decoded(seconds, sound=sound(seconds, rate, seed), rate=rate)


def seen(count: int, seconds: float = 2.0, seed: int = 0) -> Decoded:
    pictures = np.random.default_rng(seed).integers(0, 256, (count, 36, 36, 3), dtype=np.uint8)
    return Decoded(seconds, pictures, (np.arange(count) + 0.5) * seconds / count)


def write_sound(path: Path, samples: np.ndarray, rate: int) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return str(path)


def write_video(path: Path, frames: int = 20, seed: int = 0, rate: int = 10) -> str:
    av = pytest.importorskip("av")
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            picture = np.full((48, 64, 3), 30 * (seed + 1), np.uint8)
            picture[10:30, 2 * i : 2 * i + 16] = rng.integers(100, 255, 3)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return str(path)


def reader(folder: Path) -> Any:
    from transformers import AutoFeatureExtractor

    return AutoFeatureExtractor.from_pretrained(folder)


def theirs(kind: str, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vector and the states over time of one window, written out over what transformers gives."""
    import torch
    from transformers import AutoModel

    folder = _tiny_time.tiny(kind)
    made, model = reader(folder), AutoModel.from_pretrained(folder).eval()
    options = {"truncation": "rand_trunc"} if kind == "clap" else {}
    inputs = made(samples, sampling_rate=made.sampling_rate, return_tensors="pt", **options)
    with torch.inference_mode():
        if kind.startswith("clap"):
            out = model.get_audio_features(**inputs)
            grid = out.last_hidden_state[0].numpy()  # (d, bands, t)
            states = np.array([grid[:, :, i].mean(1) for i in range(grid.shape[2])])
            states = states[: int(np.ceil(len(states) * len(samples) / PADDED[kind] - 1e-6))]
            return out.pooler_output[0].numpy(), states
        if kind == "whisper":
            states = model.encoder(inputs["input_features"]).last_hidden_state[0].numpy()
            states = states[: int(np.ceil(len(samples) / 320))]
            return states.mean(0), states
        out = model(inputs["input_values"])
        states = out.last_hidden_state[0].numpy()
        if kind != "ast":
            return states.mean(0), states
        times = (128 - 16) // 10 + 1
        states = np.array([states[2 + i :: times].mean(0) for i in range(times)])  # behind two class tokens
        return out.pooler_output[0].numpy(), states[: int(np.ceil(len(samples) / 1600))]


@pytest.mark.parametrize("kind", ["ast", "clap", "clap_fused", "hubert", "wav2vec2", "whisper"])
def test_a_sounds_vector_and_states_are_those_of_transformers(kind: str) -> None:
    encoder = HfAudio(str(_tiny_time.tiny(kind)))
    rate = encoder.wants.rate
    for seconds in (0.4, 0.93):
        decoded = heard(seconds, rate)
        vector, states = theirs(kind, decoded.sound)
        steps = encoder.over_time(decoded)
        np.testing.assert_allclose(encoder.describe(decoded), vector, atol=1e-5)
        np.testing.assert_allclose(steps.values, states, atol=1e-5)
        assert steps.start[0] == 0
        assert (steps.end > steps.start).all()
        np.testing.assert_allclose(steps.end[-1], seconds, atol=1e-9)
        np.testing.assert_array_equal(steps.start[1:], steps.end[:-1])


@pytest.mark.parametrize("kind", ["ast", "clap", "clap_fused", "whisper"])
def test_a_sound_beyond_the_window_is_the_mean_of_equal_parts_and_none_is_left_out(kind: str) -> None:
    encoder = HfAudio(str(_tiny_time.tiny(kind)))
    rate = encoder.wants.rate
    decoded = heard(2.4 * PADDED[kind] / rate, rate)
    thirds = np.split(decoded.sound, 3)
    known = [theirs(kind, part) for part in thirds]
    np.testing.assert_allclose(encoder.describe(decoded), np.mean([v for v, _ in known], axis=0), atol=1e-5)
    steps = encoder.over_time(decoded)
    np.testing.assert_allclose(steps.values, np.concatenate([s for _, s in known]), atol=1e-5)
    assert len(thirds[0]) / rate in steps.end
    np.testing.assert_array_equal(encoder.describe(decoded), encoder.describe(decoded))  # no random crop


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert"])
def test_a_minute_is_heard_in_two_calls(kind: str) -> None:
    encoder = HfAudio(str(_tiny_time.tiny(kind)))
    decoded = heard(60.0, 16000)
    known = np.mean([theirs(kind, half)[0] for half in np.split(decoded.sound, 2)], axis=0)
    np.testing.assert_allclose(encoder.describe(decoded), known, atol=1e-5)


def test_parts_over_time_see_where_a_sound_is() -> None:
    encoder = HfAudio(str(_tiny_time.tiny("wav2vec2")), steps=2)
    quiet, loud = sound(0.5, 16000, 1) * 0.01, sound(0.5, 16000)
    made = [
        encoder.describe(Decoded(1.0, sound=np.concatenate(order), rate=16000)).reshape(2, 16)
        for order in ([quiet, loud], [loud, quiet])
    ]
    apart = [np.abs(made[0][i] - made[1][j]).mean() for i, j in ((0, 1), (1, 0), (0, 0), (1, 1))]
    assert max(apart[:2]) < min(apart[2:])


def test_a_sound_too_short_for_any_network_is_skipped_and_nothing_else_is(tmp_path: Path) -> None:
    for kind in ("ast", "clap", "wav2vec2", "whisper"):
        encoder = HfAudio(str(_tiny_time.tiny(kind)))
        rate = encoder.wants.rate
        with pytest.raises(MediaError, match="too_short"):
            encoder.over_time(heard(0.04, rate))
        assert np.isfinite(encoder.describe(heard(0.051, rate))).all()
    files = [write_sound(tmp_path / f"{i}.wav", sound(s, 16000, i), 16000) for i, s in enumerate((0.5, 0.03, 0.7))]
    encoder = HfAudio(str(_tiny_time.tiny("wav2vec2")))
    values, notes = encoder.attempt(files)
    assert [(i, note.code, note.skipped) for i, (note,) in notes.items()] == [(1, "too_short", True)]
    np.testing.assert_array_equal(values[2], encoder.encode(files[2:])[0])


def test_files_are_heard_at_the_rate_of_the_folder_and_in_moments(tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", sound(2.0, 16000), 16000)
    encoder = HfAudio(str(_tiny_time.tiny("hubert")))
    with wave.open(file) as opened:
        samples = np.frombuffer(opened.readframes(32000), "<i2").astype(np.float32) / 32768
    np.testing.assert_allclose(encoder.encode([file])[0], theirs("hubert", samples)[0], atol=1e-5)
    np.testing.assert_allclose(encoder.tokens([file])[0], theirs("hubert", samples)[1], atol=1e-5)
    moment = encoder.encode([Clip(file, 0.5, 1.25)])[0]
    np.testing.assert_allclose(moment, theirs("hubert", samples[8000:20000])[0], atol=1e-5)
    clap = HfAudio(str(_tiny_time.tiny("clap")))
    assert len(decode(file, clap.wants).sound) == 48000


def processed(folder: Path, pictures: np.ndarray) -> Any:
    from transformers import AutoImageProcessor

    made = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return made(list(pictures), return_tensors="pt")["pixel_values"]


def test_a_videos_vector_and_states_are_those_of_transformers() -> None:
    import torch
    from transformers import AutoModel

    for kind, count in (("videomae", 8), ("xclip", 4)):
        folder = _tiny_time.tiny(kind)
        encoder, decoded = HfVideo(str(folder)), seen(count)
        assert encoder.wants == Wants(pictures=count, size=36)
        model, pixels = AutoModel.from_pretrained(folder).eval(), processed(folder, decoded.pictures)
        with torch.inference_mode():
            if kind == "videomae":
                patches = model(pixels).last_hidden_state[0].numpy()
                known, states = patches.mean(0), np.array([patches[16 * i : 16 * i + 16].mean(0) for i in range(4)])
            else:
                known = model.get_video_features(pixels).pooler_output[0].numpy()
                states = model.visual_projection(model.vision_model(pixels[0]).pooler_output).numpy()
        steps = encoder.over_time(decoded)
        np.testing.assert_allclose(encoder.describe(decoded), known, atol=1e-5)
        np.testing.assert_allclose(steps.values, states, atol=1e-5)
        assert steps.end.tolist() == [0.5, 1.0, 1.5, 2.0]
        assert HfVideo(str(folder), steps=2).describe(decoded).shape == (2, states.shape[1])


def test_a_clip_of_few_pictures_repeats_them_in_order() -> None:
    encoder = HfVideo(str(_tiny_time.tiny("xclip")))
    few = seen(2)
    filled = Decoded(few.seconds, few.pictures[[0, 0, 1, 1]], np.zeros(4))
    np.testing.assert_array_equal(encoder.describe(few), encoder.describe(filled))
    with pytest.raises(MediaError, match="no_picture"):
        encoder.describe(Decoded(1.0))


def test_video_files_have_the_same_bits_alone_and_in_company(tmp_path: Path) -> None:
    files = [write_video(tmp_path / f"{i}.mkv", seed=i) for i in range(3)]
    for kind in ("videomae", "xclip"):
        encoder = HfVideo(str(_tiny_time.tiny(kind)))
        together = encoder.encode([*files, Clip(files[0], 0.5, 1.5)])
        for i in range(3):
            np.testing.assert_array_equal(encoder.encode([files[i]])[0], together[i])
            np.testing.assert_array_equal(encoder.describe(decode(files[i], encoder.wants)), together[i])
        assert len(np.unique(together, axis=0)) == 4


def tokenized(folder: Path, texts: list[str]) -> Any:
    from transformers import AutoTokenizer

    return dict(AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", padding=True))


@pytest.mark.parametrize("kind", ["clap", "clap_fused"])
def test_the_cosine_of_a_sound_and_a_text_is_claps_own_score(kind: str) -> None:
    import torch
    from transformers import AutoModel

    folder = _tiny_time.tiny(kind)
    made, model = reader(folder), AutoModel.from_pretrained(folder).eval()
    sounds = [heard(0.8, 24000, seed) for seed in range(3)]
    text = HfAudioText(str(folder), modality="text").encode(TEXTS)
    ours = np.array([HfAudioText(str(folder)).describe(one) for one in sounds])
    options = {"truncation": "rand_trunc"} if kind == "clap" else {}
    for vector, one in zip(ours, sounds, strict=True):
        inputs = made(one.sound, sampling_rate=24000, return_tensors="pt", **options)
        words = tokenized(folder, TEXTS)
        words.pop("token_type_ids", None)
        with torch.inference_mode():
            out = model(**words, **inputs)
        known = out.logits_per_audio[0] / model.logit_scale_a.detach().exp()
        np.testing.assert_allclose(text @ vector, known, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    long = HfAudioText(str(folder)).describe(heard(3.3, 24000))
    np.testing.assert_allclose(np.linalg.norm(long), 1, atol=1e-6)


def test_x_clips_towers_are_its_own_two_vectors() -> None:
    import torch
    from transformers import AutoModel

    folder = _tiny_time.tiny("xclip")
    model, decoded = AutoModel.from_pretrained(folder).eval(), seen(4)
    words = tokenized(folder, TEXTS[:2])
    words.pop("token_type_ids", None)
    with torch.inference_mode():
        video = model.get_video_features(processed(folder, decoded.pictures)).pooler_output[0]
        text = model.get_text_features(**words).pooler_output
    np.testing.assert_allclose(HfVideoText(str(folder)).describe(decoded), video / video.norm(), atol=1e-5)
    found = HfVideoText(str(folder), modality="text").encode(TEXTS[:2])
    np.testing.assert_allclose(found, text / text.norm(dim=1, keepdim=True), atol=1e-5)


def test_sounds_and_videos_are_searched_by_words_through_one_folder_a_pair(tmp_path: Path) -> None:
    sounds = [write_sound(tmp_path / f"{i}.wav", sound(0.5, 24000, i), 24000) for i in range(3)]
    videos = [write_video(tmp_path / f"{i}.mkv", seed=i) for i in range(3)]
    for kind, modality, items in (("clap", "audio", sounds), ("xclip", "video", videos)):
        name = f"hf_{modality}_text:{_tiny_time.tiny(kind)}"
        views = Views({"clip": Column(modality, items), "caption": Column("text", TEXTS)})
        made = Encoding({"clip": name, "caption": name}).fit(views)
        assert [encoder.modality for encoder in made.encoders_.values()] == [modality, "text"]
        columns, report = made.apply(views)
        assert {column.width for column in columns.columns.values()} == {10}
        assert not [note for note in report.notes if note[2].skipped]
    with pytest.raises(ChiasmError, match="no tower of hf_audio_text named 'video'"):
        HfAudioText(str(_tiny_time.tiny("clap")), modality="video").encode(sounds)


def test_another_kind_of_model_is_refused_by_name(tmp_path: Path) -> None:
    clap, videomae = str(_tiny_time.tiny("clap")), str(_tiny_time.tiny("videomae"))
    with pytest.raises(ChiasmError, match=r"hf_audio: wanted a model of audio .* got 'videomae'"):
        HfAudio(videomae).encode(["a.wav"])
    with pytest.raises(ChiasmError, match=r"hf_video: wanted a model of video .* got 'clap'"):
        HfVideo(clap).encode(["a.mp4"])
    with pytest.raises(ChiasmError, match=r"hf_video_text: .* got 'videomae'"):
        HfVideoText(videomae, modality="text").encode(["a"])
    for kind, encoder, file in (("ast", HfAudio, "preprocessor_config.json"), ("xclip", HfVideo, "model.safetensors")):
        folder = Path(shutil.copytree(_tiny_time.tiny(kind), tmp_path / kind))
        (folder / file).unlink()
        with pytest.raises(ChiasmError, match=f"{encoder.__module__.rsplit('.', 1)[-1]}: "):
            encoder(str(folder)).encode(["a"])
    code = Path(shutil.copytree(_tiny_time.tiny("wav2vec2"), tmp_path / "code"))
    settings = json.loads((code / "config.json").read_text())
    changed = settings | {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (code / "config.json").write_text(json.dumps(changed))
    (code / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ChiasmError, match="cannot be used"):
        HfAudio(str(code)).encode(["a.wav"])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert"])
def test_weights_without_the_array_that_only_training_uses_are_whole(kind: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(_tiny_time.tiny(kind), tmp_path / kind))
    weights = load_file(folder / "model.safetensors")
    del weights["masked_spec_embed"]  # as in many published recognizers of speech
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    known = HfAudio(str(_tiny_time.tiny(kind))).describe(heard(0.5, 16000))
    np.testing.assert_array_equal(HfAudio(str(folder)).describe(heard(0.5, 16000)), known)


def test_fingerprint_and_saving_follow_the_folder(tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", sound(0.5, 16000), 16000)
    first, other = (HfAudio(str(_tiny_time.tiny("wav2vec2", seed))) for seed in (0, 1))
    assert len({first.fingerprint, other.fingerprint, HfAudio(first.model, steps=2).fingerprint}) == 3
    known = first.encode([file])
    chiasm.save(first, tmp_path / "saved")
    again = chiasm.load(tmp_path / "saved")
    assert repr(again) == repr(first)
    np.testing.assert_array_equal(again.encode([file]), known)
    assert not np.allclose(other.encode([file]), known)
