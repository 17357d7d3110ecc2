"""Speech: the recognizer's answers, the vocabularies that it is given, voice activity, and words as features."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

import chiasm
from chiasm.media.speech import RATE, arpa, jsgf, resampled, transcribe, voiced, word_errors
from conftest import pack

pytest.importorskip("pocketsphinx")

DIGITS = "zero one two three four five six seven eight nine".split()
SAID = [("lucas", d) for d in range(10)] + [("theo", d) for d in range(10)]


@pytest.fixture(scope="module")
def digits():
    """20 recordings of the given training split: two speakers, ten digits each."""
    pytest.importorskip("av")
    from chiasm.media.clips import Wants, decode

    folder = pack("fsdd") / "audio"
    return [decode(str(folder / f"{d}_{speaker}_7.ogg"), Wants(rate=RATE)).sound for speaker, d in SAID]


def write_wav(path, sound):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return str(path)


def test_most_spoken_digits_are_recognized_when_the_grammar_is_known_and_the_confidence_tells_right_from_wrong(digits):
    heard = transcribe(digits, RATE, words=jsgf(DIGITS))
    right = np.array([h.text == DIGITS[d] for h, (_, d) in zip(heard, SAID, strict=True)])
    assert right.mean() >= 0.75  # chance is 0.1; 0.80 on the whole test split
    assert all(h.text in DIGITS and 0 < h.confidence <= 1 for h in heard)
    for one, sound in zip(heard, digits, strict=True):
        (word,) = one.words
        assert 0 <= word.start < word.end <= len(sound) / RATE + 0.01


def test_a_sound_has_the_same_words_and_confidences_alone_and_in_any_company(digits):
    whole = transcribe(digits[:8], RATE, words=jsgf(DIGITS))
    assert [transcribe([one], RATE, words=jsgf(DIGITS))[0] for one in digits[7::-1]] == whole[::-1]


def test_loudness_does_not_change_the_words(digits):
    quiet = transcribe([0.05 * one for one in digits[:8]], RATE, words=jsgf(DIGITS))
    assert [h.text for h in quiet] == [h.text for h in transcribe(digits[:8], RATE, words=jsgf(DIGITS))]


def test_only_the_words_of_the_list_are_heard_and_their_order_in_the_lines_is_learned(digits):
    three = np.concatenate([digits[d] for d in (1, 2, 3)])  # "one two three" by one speaker
    (heard,) = transcribe([three], RATE, words=["one two three", "three two one"])
    assert heard.text == "one two three"
    (other,) = transcribe([three], RATE, words=["four", "five", "nine"])
    assert set(other.text.split()) <= {"four", "five", "nine"}


def test_a_long_sound_is_recognized_in_pieces_whose_times_are_those_of_the_whole(digits):
    gap = np.zeros(3 * RATE, np.float32)
    order = [d for d in range(1, 10) if d != 6]
    places, parts, length = [], [], 0
    for d in order:
        parts += [gap, digits[d]]
        places.append((length + len(gap)) / RATE)
        length += len(gap) + len(digits[d])
    (heard,) = transcribe([np.concatenate(parts)], RATE, words=jsgf(DIGITS))
    assert length > 20 * RATE
    assert word_errors(" ".join(DIGITS[d] for d in order), heard.text)[0] <= 3
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    assert all(min(abs(start - place) for place in places) < 0.5 for start in starts)


def test_silence_and_an_empty_sound_hold_no_words_and_no_voice():
    for sound in (np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        assert [h.text for h in transcribe([sound], RATE, words=jsgf(DIGITS))] == [""]
        assert voiced(sound, RATE) == []


def test_voice_is_found_where_it_was_put_and_nowhere_else_at_either_rate(digits):
    said = np.concatenate([digits[7], digits[3], digits[9]])
    sound = np.concatenate([np.zeros(2 * RATE), said, np.zeros(2 * RATE)])
    sound += np.random.default_rng(0).normal(size=len(sound)) * said.std() / 10  # 20 dB
    stop = 2 + len(said) / RATE
    for spans in (voiced(sound, RATE), voiced(resampled(sound, RATE, 8000), 8000)):
        assert spans == sorted(spans)
        assert all(2 - 0.3 < start < end < stop + 0.5 for start, end in spans)
        assert sum(end - start for start, end in spans) > 0.5 * (stop - 2)


def test_errors_are_counted_as_a_slow_search_over_all_edits_counts_them():
    def slow(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))

    rng = np.random.default_rng(0)
    for _ in range(40):
        a, b = (rng.choice(list("xyz"), rng.integers(0, 6)).tolist() for _ in range(2))
        assert word_errors(" ".join(a), " ".join(b)) == (slow(a, b), len(a))


def test_the_bigram_model_gives_every_history_probabilities_that_sum_to_one():
    lines = ["set red now", "set blue now please", "lay red"]
    _, singles, doubles = (part.splitlines() for part in arpa(lines).split("grams:"))
    single = {w: (10 ** float(p), 10 ** float(b)) for p, w, b in (x.split() for x in singles if x.count(" ") == 2)}
    double = {(h, w): 10 ** float(p) for p, h, w in (x.split() for x in doubles if x.count(" ") == 2)}
    words = [w for w in single if w != "<s>"]
    assert sum(single[w][0] for w in words) == pytest.approx(1, abs=1e-4)
    for history in {h for h, _ in double}:
        total = sum(double.get((history, w), single[history][1] * single[w][0]) for w in words)
        assert total == pytest.approx(1, abs=1e-3)
    assert double["set", "red"] == pytest.approx(1 / 4, abs=1e-4)  # once of twice, two different words followed


def test_a_tone_keeps_its_pitch_at_another_rate():
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000).astype(np.float32)
    made = resampled(tone, 8000, RATE)
    assert len(made) == RATE
    assert np.abs(np.fft.rfft(made)).argmax() == 440


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"words": ["red", "zzqx"]}, "no pronunciation of zzqx"),
        ({"words": "#JSGF V1.0; grammar a; public <a> = (red | zzqx);"}, "no pronunciation of zzqx"),
        ({"words": "red"}, "JSGF grammar"),
        ({"words": "#JSGF V1.0; grammar a; public <a> = (red | ;"}, "cannot be read"),
        ({"words": []}, "wanted words"),
        ({"model": "kaldi"}, "'pocketsphinx' or 'whisper:FOLDER'"),
        ({"model": "whisper:nowhere"}, "Whisper model's files"),
        ({"model": "whisper:nowhere", "words": ["red"]}, "only for pocketsphinx"),
    ],
)
def test_what_cannot_be_recognized_with_is_refused_in_a_sentence(given, said):
    with pytest.raises(chiasm.ChiasmError, match=said):
        transcribe([np.zeros(RATE, np.float32)], RATE, **given)


def test_what_is_no_sound_is_refused_in_a_sentence():
    for sound in (np.full(RATE, np.nan), np.zeros((2, RATE))):
        with pytest.raises(chiasm.ChiasmError, match="mono sounds"):
            voiced(sound, RATE)


def tiny_whisper(folder: Path) -> Path:
    """A Whisper model of random weights with a tokenizer of 40 tokens."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    words = [chr(c) for c in range(ord("a"), ord("z") + 1)] + ["Ġ"]
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    vocab = {word: i for i, word in enumerate(words + special)}
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = t.WhisperConfig(
        vocab_size=len(vocab), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=24, num_mel_bins=8,
        pad_token_id=27, bos_token_id=27, eos_token_id=27, decoder_start_token_id=28,
    )  # fmt: skip
    model = t.WhisperForConditionalGeneration(config)
    model.generation_config.update(
        max_length=12, decoder_start_token_id=28, eos_token_id=27, pad_token_id=27, bos_token_id=27,
        no_timestamps_token_id=29, is_multilingual=False, return_timestamps=False, suppress_tokens=[28, 29],
        begin_suppress_tokens=[28, 29],
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer = t.WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    t.WhisperProcessor(t.WhisperFeatureExtractor(feature_size=8), tokenizer).save_pretrained(folder)
    return folder


def test_a_whisper_folder_answers_as_transformers_itself_does_and_only_from_its_own_files(tmp_path):
    t = pytest.importorskip("transformers")
    folder = tiny_whisper(tmp_path / "whisper")
    sound = np.random.default_rng(0).normal(size=RATE).astype(np.float32) / 10
    heard = transcribe([sound, np.zeros(0, np.float32)], RATE, model=f"whisper:{folder}")
    reader = t.WhisperProcessor.from_pretrained(folder)
    network = t.WhisperForConditionalGeneration.from_pretrained(folder)
    tokens = network.generate(reader(sound, sampling_rate=RATE, return_tensors="pt").input_features, do_sample=False)
    assert heard[0].text == reader.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    assert heard[0].text
    assert 0 < heard[0].confidence <= 1
    assert (heard[1].text, heard[1].confidence) == ("", 0.0)
    (folder / "vocab.json").write_text("{")
    for name in ("tokenizer.json", "model.safetensors"):
        (folder / name).unlink(missing_ok=True)
    other = folder.rename(tmp_path / "broken")
    with pytest.raises(chiasm.ChiasmError, match="Whisper"):
        transcribe([sound], RATE, model=f"whisper:{other}")


def test_spoken_words_have_the_vector_of_their_text_and_wordless_sounds_are_skipped(digits, tmp_path):
    from chiasm.encode.hashed_text import HashedText
    from chiasm.encode.speech_audio import SpeechAudio

    sounds = [np.concatenate([digits[1], digits[2]]), digits[7], np.zeros(RATE)]
    files = [write_wav(tmp_path / f"{i}.wav", sound) for i, sound in enumerate(sounds)]
    lines = ["one two", "seven", "three four"]
    encoder = SpeechAudio("hashed_text", words=lines)
    values, notes = encoder.attempt(files)
    assert [(i, n.code, n.skipped) for i, found in notes.items() for n in found] == [(2, "no_words", True)]
    assert np.array_equal(values[:2], HashedText().encode(["one two", "seven"]))
    assert np.array_equal(encoder.encode([files[0]])[0], values[0])
    (halves,) = SpeechAudio("hashed_text", words=lines, steps=2).encode(files[:1])
    np.testing.assert_allclose(halves.reshape(2, -1), HashedText().encode(["one", "two"]), atol=2e-4)  # half precision


@pytest.mark.slow
def test_a_text_encoder_that_learns_learns_from_what_was_recognized_and_is_saved_with_it(digits, tmp_path):
    from chiasm.encode.speech_audio import SpeechAudio

    files = [write_wav(tmp_path / f"{d}.wav", digits[d]) for d in (1, 7, 9)]
    encoder = SpeechAudio("bow_text", words=jsgf(DIGITS))
    before = encoder.fingerprint
    encoder.fit(files)
    assert sorted(encoder.text_encoder_.words_) == ["nine", "one", "seven"]
    assert encoder.fingerprint != before
    loaded = chiasm.load(chiasm.save(encoder, tmp_path / "model"))
    assert np.array_equal(loaded.encode(files), encoder.encode(files))
    assert loaded.fingerprint == encoder.fingerprint
    with pytest.raises(chiasm.ChiasmError, match="text encoder"):
        SpeechAudio("pixel_image").encode(files)


def test_the_command_line_prints_the_words_of_files(digits, tmp_path, run):
    file = write_wav(tmp_path / "seven.wav", digits[7])
    (tmp_path / "words.txt").write_text("\n".join(DIGITS))
    done = run("transcribe", file, "--words", str(tmp_path / "words.txt"), "--json")
    (found,) = json.loads(done.stdout)
    assert found["text"] == "seven"
    assert found["file"] == file
    plain = run("transcribe", file, str(tmp_path / "gone.wav"), "--words", str(tmp_path / "words.txt"))
    assert "seven" in plain.stdout
    assert "gone.wav" in plain.stderr
    assert plain.returncode == 1
