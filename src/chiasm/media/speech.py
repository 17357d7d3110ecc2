"""Speech: where in a sound someone speaks, and the words that were said, by a recognizer that needs no download."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd, log10
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import ChiasmError

__all__ = ["Heard", "Word", "jsgf", "transcribe", "vocabulary", "voiced", "word_errors"]

RATE = 16000
LONGEST = 20.0
"""Seconds that are recognized in one piece; longer sounds are cut in their pauses."""
_QUIET = 0.3
"""Seconds of near silence put around a sound; `_FLOOR` is the level of the noise below all of it. Of 180 training
digits at 8,000 samples a second 63 % were right without the silence, 80 % with; 76 % without the noise, 81 % with."""
_FLOOR = 0.01
_LEVEL = 0.05
_AGREE = 0.7
"""By F1 on speech put into noise, composed of training recordings; the package's own 0.9 lost short words."""

_lock = threading.Lock()
_decoders: dict[Any, Any] = {}


@dataclass(frozen=True)
class Word:
    """A recognized word: when it was said (seconds), and how sure the recognizer is (0..1)."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Heard:
    """What was recognized of a sound: the text ("" for none) and how sure the recognizer is (0..1)."""

    text: str
    confidence: float
    words: list[Word] = field(default_factory=list)
    """Each word with its times; a Whisper model gives none."""


def transcribe(
    sounds: Sequence[np.ndarray],
    rate: int,
    model: str = "pocketsphinx",
    words: str | Sequence[str] | None = None,
) -> list[Heard]:
    """The words of each of n sounds.

    "pocketsphinx" (US English, its models ship inside the package) suits commands and small vocabularies: say which
    words can come, and it finds them. Free speech it recognizes poorly (docs/time.md): bring a Whisper folder.

    Args:
        sounds: n mono sounds `(s,)`, -1..1. rate: samples a second.
        model: "pocketsphinx", or "whisper:FOLDER" for transformers files on this machine.
        words: what can be said, for pocketsphinx: a JSGF grammar, or lines (words, example phrases), from which a
            bigram model is made; only their words are ever heard. None: the package's general English.

    Returns n `Heard`. The confidence is the mean posterior of the words among the recognizer's alternatives (of a
    Whisper model, the geometric mean of its tokens' probabilities); it is not calibrated.

    Raises a ChiasmError for another model, for a word without a pronunciation, and for a grammar that is none.
    """
    heard = []
    name, _, folder = model.partition(":")
    if name == "whisper" and folder:
        if words is not None:
            raise ChiasmError("wanted words only for pocketsphinx, got them for a Whisper model: leave them out.")
        return _whisper(sounds, rate, folder)
    if model != "pocketsphinx":
        raise ChiasmError(f"wanted the model 'pocketsphinx' or 'whisper:FOLDER', got {model!r}.")
    with _lock:  # a decoder holds the state of one utterance
        decoder = _decoder(words)
        for sound in sounds:
            sound = resampled(sound, rate)
            pieces = [_recognized(decoder, sound[a:b], a / RATE) for a, b in _pieces(sound)]
            heard.append(_joined([word for piece in pieces for word in piece]))
    return heard


def voiced(sound: np.ndarray, rate: int, strict: int = 3) -> list[tuple[float, float]]:
    """Where someone speaks: spans (start, end) in seconds, in order and apart.

    pocketsphinx's voice activity detector (a Gaussian mixture over the energies of six bands, 30 ms at a time) and its
    endpointer (a change counts once 70 % of 0.3 s agree, so shorter pauses stay inside a span). Choose it where noise
    comes near the speech; in quiet recordings a threshold on loudness finds the ends better
    (benchmarks/time/voice_activity.py). Music and babble are often taken for speech.

    Args:
        sound: `(s,)`, -1..1. rate: samples a second.
        strict: 0 to 3, how much is needed to call a frame speech; below 2, steady noise was. 3 did best
            on training recordings put into white noise and everyday sounds.

    Source: the WebRTC project's detector (Google, 2011), as packaged by pocketsphinx.
    """
    if strict not in range(4):
        raise ChiasmError(f"wanted strict from 0 to 3, got {strict}.")
    sound = _leveled(resampled(sound, rate))
    if not len(sound):
        return []
    pointer = _package().Endpointer(ratio=_AGREE, vad_mode=strict, sample_rate=RATE)
    size = pointer.frame_bytes // 2
    # 0.6 s of silence at both ends let the endpointer settle, so that speech from the first sample on is found.
    edge = np.zeros(20 * size)
    raw = _raw(np.concatenate([edge, sound, edge]))
    spans, start = [], 0.0
    for place in range(0, len(raw) - 2 * size + 1, 2 * size):
        was = pointer.in_speech
        pointer.process(raw[place : place + 2 * size])
        if pointer.in_speech and not was:
            start = pointer.speech_start
        elif was and not pointer.in_speech:
            spans.append((start, pointer.speech_end))
    if pointer.in_speech:
        spans.append((start, len(raw) / 2 / RATE))
    shift, length = len(edge) / RATE, len(sound) / RATE
    cut = [(min(max(a - shift, 0.0), length), min(max(b - shift, 0.0), length)) for a, b in spans]
    return [(round(a, 3), round(b, 3)) for a, b in cut if b > a]


def jsgf(*choices: Sequence[str]) -> str:
    """A grammar of one word or phrase of each list, in order.

    >>> jsgf(["lay", "set"], ["red", "blue"])
    '#JSGF V1.0; grammar words; public <all> = (lay | set) (red | blue);'
    """
    parts = " ".join("(" + " | ".join(one) + ")" for one in choices)
    return f"#JSGF V1.0; grammar words; public <all> = {parts};"


def vocabulary(lines: Sequence[str]) -> list[str]:
    """The distinct words of some lines in small letters, in order of the alphabet.

    >>> vocabulary(["Set red", "lay red, now!"])
    ['lay', 'now', 'red', 'set']
    """
    return sorted({word for line in lines for word in _words(line)})


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Insertions, deletions and substitutions that make `said` what was heard, and the number of words said.

    The word error rate is the sum of the first over the sum of the second; it can exceed 1.

    >>> word_errors("set red now", "set bed right now")
    (2, 3)
    """
    true, found = _words(said), _words(heard)
    row = list(range(len(found) + 1))
    for i, word in enumerate(true, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(found, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
    return row[-1], len(true)


def resampled(sound: np.ndarray, rate: int, to: int = RATE) -> np.ndarray:
    """A mono sound `(s,)` at another rate; a ChiasmError for what is no sound."""
    sound = np.asarray(sound, dtype=np.float32)
    if sound.ndim != 1 or rate <= 0 or not np.isfinite(sound).all():
        raise ChiasmError(
            f"wanted mono sounds (s,) of finite numbers at a rate above 0, got {sound.shape} at {rate}: decode first."
        )
    if rate == to or not len(sound):
        return sound
    from scipy.signal import resample_poly

    common = gcd(int(rate), to)
    made: np.ndarray = resample_poly(sound, to // common, int(rate) // common).astype(np.float32)
    return made


def _words(line: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", line.lower())


def _leveled(sound: np.ndarray) -> np.ndarray:
    """The sound at one loudness, so that a quiet recording is no other sound."""
    power = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0
    return sound * (_LEVEL / power) if power > 1e-7 else sound * 0.0


def _raw(sound: np.ndarray) -> bytes:
    made: bytes = (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()
    return made


def _pieces(sound: np.ndarray) -> list[tuple[int, int]]:
    """Where to cut, in samples: short sounds nowhere, long ones in their pauses and after `LONGEST` seconds."""
    if len(sound) <= LONGEST * RATE:
        return [(0, len(sound))] if len(sound) else []
    step = int(LONGEST * RATE)
    spans = [(int(a * RATE), int(b * RATE)) for a, b in voiced(sound, RATE)]
    return [(place, min(place + step, b)) for a, b in spans for place in range(a, b, step)]


def _recognized(decoder: Any, sound: np.ndarray, shift: float) -> list[Word]:
    """The words of one piece that starts `shift` seconds into its sound."""
    edge = np.zeros(int(_QUIET * RATE))
    whole = np.concatenate([edge, _leveled(sound), edge])
    whole += np.random.default_rng(0).normal(size=len(whole)) * _FLOOR * _LEVEL  # the same noise: the same answer
    decoder.reinit_feat()  # forgets the noise of the last utterance: an answer depends on no other
    decoder.start_utt()
    decoder.process_raw(_raw(whole), False, True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    found = []
    length = len(sound) / RATE
    for part in decoder.seg():
        if part.word[0] in "<[" or part.word == "(NULL)":
            continue
        start, end = (min(max(f / 100 - _QUIET, 0.0), length) + shift for f in (part.start_frame, part.end_frame + 1))
        word = re.sub(r"\(\d+\)$", "", part.word)  # another pronunciation of the same word
        found.append(Word(word, round(start, 2), round(end, 2), round(min(max(float(part.prob), 0.0), 1.0), 4)))
    return found


def _joined(words: list[Word]) -> Heard:
    sure = float(np.mean([word.confidence for word in words])) if words else 0.0
    return Heard(" ".join(word.word for word in words), round(sure, 4), words)


def _package() -> Any:
    try:
        import pocketsphinx
    except ImportError:
        raise ChiasmError("speech needs pocketsphinx, which is not installed: pip install pocketsphinx.") from None
    return pocketsphinx


def _decoder(words: str | Sequence[str] | None) -> Any:
    """A decoder for what can be said, kept for the next call."""
    key = words if words is None or isinstance(words, str) else tuple(words)
    if key not in _decoders:
        Decoder = _package().Decoder
        options = {"loglevel": "FATAL"}
        if key is None:
            made = Decoder(**options)
        elif isinstance(key, str):
            made = _grammar(Decoder(lm=None, **options), key)
        else:
            made = _bigrams(Decoder, options, key)
        if len(_decoders) > 3:
            _decoders.clear()
        _decoders[key] = made
    return _decoders[key]


def _grammar(decoder: Any, text: str) -> Any:
    if not text.lstrip().startswith("#JSGF"):
        raise ChiasmError(f"wanted a JSGF grammar ('#JSGF V1.0; ...') or a list of words, got {text[:60]!r}.")
    body = " ".join(rule.partition("=")[2] for rule in text.split(";"))
    words = set(re.findall(r"[a-z][a-z']*", re.sub(r"<[^>]*>|/[^/]*/|\{[^}]*\}", " ", body)))
    _pronounced({word for word in words if decoder.lookup_word(word) is None})
    try:
        decoder.add_jsgf_string("words", text)
        decoder.activate_search("words")
    except (RuntimeError, ValueError, KeyError) as error:
        raise ChiasmError(f"this JSGF grammar cannot be read ({error}): {text[:80]!r}.") from None
    return decoder


def _bigrams(decoder: Any, options: dict[str, Any], lines: Sequence[str]) -> Any:
    known = vocabulary(lines)
    if not known:
        raise ChiasmError("wanted words that can be said, got none.")
    # Only these words' lines of the dictionary: with all 134,000 a decoder takes 20 s to make instead of 0.2 s.
    wanted = set(known)
    whole = Path(_package().get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8")
    held = [line for line in whole.splitlines() if line.partition(" ")[0].partition("(")[0] in wanted]
    _pronounced(wanted - {line.partition(" ")[0] for line in held})
    with tempfile.TemporaryDirectory() as folder:
        model, spoken = Path(folder) / "words.lm", Path(folder) / "words.dict"
        model.write_text(arpa(lines), encoding="utf-8")
        spoken.write_text("\n".join(held) + "\n", encoding="utf-8")
        return decoder(lm=str(model), dict=str(spoken), **options)


def _pronounced(unknown: set[str]) -> None:
    """A ChiasmError where there are words that have no pronunciation."""
    if unknown:
        raise ChiasmError(
            f"no pronunciation of {', '.join(sorted(unknown)[:8])}: pocketsphinx knows the English words of its CMU "
            "dictionary, in small letters (write numbers as words)."
        )


def arpa(lines: Sequence[str]) -> str:
    """A bigram model of the lines in the ARPA format: Witten-Bell, backing off to equally likely words.

    With c(h) words seen after h, t(h) of them different: P(w | h) = c(h, w) / (c(h) + t(h)) for a pair that was seen,
    and the rest is shared equally by the words that were not.

    Source: Witten & Bell 1991.
    """
    pairs: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if words := _words(line):
            for one, two in zip(["<s>", *words], [*words, "</s>"], strict=True):
                pairs[one][two] += 1
    known = [*vocabulary(lines), "</s>"]
    even = 1 / len(known)
    singles = []
    for word in ["<s>", *known]:
        seen = pairs.get(word)
        back = 0.0
        if seen:
            rest = len(seen) / (seen.total() + len(seen))
            back = log10(rest / max(1 - even * len(seen), 1e-6))
        singles.append(f"{-99.0 if word == '<s>' else log10(even):.5f} {word} {back:.5f}")
    doubles = [
        f"{log10(count / (seen.total() + len(seen))):.5f} {one} {two}"
        for one, seen in sorted(pairs.items())
        for two, count in sorted(seen.items())
    ]
    head = f"\\data\\\nngram 1={len(singles)}\nngram 2={len(doubles)}\n"
    return "\n".join([head, "\\1-grams:", *singles, "", "\\2-grams:", *doubles, "", "\\end\\", ""])


def _whisper(sounds: Sequence[np.ndarray], rate: int, folder: str) -> list[Heard]:
    """The texts by a Whisper model's own files, 30 s at a time, without a network."""
    with _lock:
        key = ("whisper", str(Path(folder).resolve()))
        if key not in _decoders:
            _decoders[key] = _open_whisper(Path(folder))
        reader, network = _decoders[key]
    import torch

    heard = []
    for sound in sounds:
        sound = resampled(sound, rate)
        texts, logs = [], []
        for place in range(0, len(sound), 30 * RATE):
            mel = reader(sound[place : place + 30 * RATE], sampling_rate=RATE, return_tensors="pt").input_features
            with torch.inference_mode():
                made = network.generate(mel, return_dict_in_generate=True, output_scores=True, do_sample=False)
                sure = network.compute_transition_scores(made.sequences, made.scores, normalize_logits=True)
            texts.append(reader.batch_decode(made.sequences, skip_special_tokens=True)[0].strip())
            logs.extend(sure[0][torch.isfinite(sure[0])].tolist())
        text = " ".join(text for text in texts if text)
        heard.append(Heard(text, round(float(np.exp(np.mean(logs))), 4) if text and logs else 0.0))
    return heard


def _open_whisper(folder: Path) -> tuple[Any, Any]:
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise ChiasmError(
            f"wanted a folder with a Whisper model's files (config.json, *.safetensors, its tokenizer), got {folder}."
        )
    try:
        import torch
        from transformers import WhisperForConditionalGeneration, WhisperProcessor
        from transformers.utils import logging
    except ImportError:
        raise ChiasmError("whisper: needs transformers, which is not installed: pip install 'chiasm[hf]'.") from None
    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        own = {"local_files_only": True, "trust_remote_code": False}
        reader = WhisperProcessor.from_pretrained(folder, **own)
        network = WhisperForConditionalGeneration.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, **own
        )
    except Exception as error:  # transformers has no error of its own for a folder that it cannot use
        said = " ".join(str(error).split())[:160]
        raise ChiasmError(f"whisper: {folder} cannot be used ({said}): copy the whole folder.") from error
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
    return reader, network.eval().requires_grad_(False)
