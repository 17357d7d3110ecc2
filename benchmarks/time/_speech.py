"""Sounds, noise, and the recognizer's answers, which are kept: what `speech`, `talk` and `voice_activity` share."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._sets import SLOTS, files, pack
from chiasm.cache import folder
from chiasm.encode._sound import log_mel
from chiasm.media.clips import Wants, decode
from chiasm.media.speech import RATE, Heard, Word, jsgf, transcribe, voiced

ACTORS = {"train": [1, 2, 3, 4, 5, 6, 7, 8, 9], "val": [10, 11, 12, 13, 14], "test": [15, 16, 17, 18, 19, 20]}
"""Of ravdess, who babble behind the turns of each split."""
NOISES = ("white 10", "babble 10", "white 0", "babble 0")


def kept() -> Path:
    """The folder of decoded sounds and recognized words, in the cache."""
    found = folder() / "benchmark-speech"
    found.mkdir(parents=True, exist_ok=True)
    return found


def sounds(name: str) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """A pack's table, and each row's sound at 16,000 samples a second."""
    table = pd.read_parquet(pack(name) / "data.parquet")
    file = kept() / f"{name}.npz"
    if not file.exists():
        held = [decode(path, Wants(rate=RATE)).sound for path in files(name, "audio")]
        np.savez(file, sound=np.concatenate(held), ends=np.cumsum([len(one) for one in held]))
    found = np.load(file)
    return table, np.split(found["sound"], found["ends"][:-1])


def babble(speakers: Sequence[int], seconds: float = 30.0) -> np.ndarray:
    """Eight clips of these ravdess actors at once, on and on."""
    table, held = sounds("ravdess")
    rng = np.random.default_rng(speakers[0])
    rows = np.flatnonzero(table.actor.isin(speakers))
    out = np.zeros(int(seconds * RATE))
    for _ in range(8):
        line = np.concatenate([held[i] / (held[i].std() + 1e-9) for i in rng.choice(rows, 14, replace=False)])
        out += np.resize(line, len(out))
    return out / out.std()


def noisy(held: Sequence[np.ndarray], noise: str, speakers: Sequence[int]) -> list[np.ndarray]:
    """Each sound with noise ("white 10", "babble 0": so many dB below it, both by their power over the clip)."""
    if noise == "clean":
        return list(held)
    kind, snr = noise.split()
    rng = np.random.default_rng(speakers[0])
    ground = babble(speakers) if kind == "babble" else rng.normal(size=30 * RATE)
    out = []
    for sound in held:
        start = rng.integers(len(ground) - len(sound))
        piece = ground[start : start + len(sound)]
        level = sound.std() / piece.std() * 10 ** (-float(snr) / 20)
        out.append((sound + level * piece).astype(np.float32))
    return out


def recognized(held: Sequence[np.ndarray], words: Any) -> tuple[list[Heard], float]:
    """What was recognized, from the cache where it is there; and processor seconds a second of sound."""
    key = hashlib.sha256(repr(words).encode())
    for sound in held:
        key.update(np.ascontiguousarray(sound).tobytes())
    file = kept() / f"{key.hexdigest()[:20]}.json"
    if file.exists():
        known = json.loads(file.read_text())
        found = [Heard(h["text"], h["confidence"], [Word(**w) for w in h["words"]]) for h in known["heard"]]
        return found, known["speed"]
    started = time.process_time()
    found = transcribe(held, RATE, words=words)
    speed = (time.process_time() - started) / (sum(map(len, held)) / RATE)
    plain = [{"text": h.text, "confidence": h.confidence, "words": [vars(w) for w in h.words]} for h in found]
    file.write_text(json.dumps({"heard": plain, "speed": speed}))
    return found, speed


def shown(found: dict[str, Any]) -> str:
    """A share with its interval, in %."""
    return f"{100 * found['value']:5.1f} [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"


def grid() -> tuple[pd.DataFrame, list[np.ndarray], dict[str, np.ndarray], str]:
    """grid_s1, its rows by split, and the grammar of its commands."""
    table, held = sounds("grid_s1")
    rows = {split: np.flatnonzero(table.split == split) for split in ("train", "val", "test")}
    return table, held, rows, jsgf(*(sorted(set(table[slot])) for slot in SLOTS))


def mel_steps(held: Sequence[np.ndarray], steps: int = 24) -> np.ndarray:
    """The mean log-mel spectrum in each of 24 equal parts of what is voiced, `(n, 24 * 64)`."""
    out = []
    for sound in held:
        spans = voiced(sound, RATE)
        cut = sound[int(spans[0][0] * RATE) : int(spans[-1][1] * RATE)] if spans else sound
        mel = log_mel(cut)
        mel = mel - mel.mean()
        parts = np.array_split(mel, steps) if len(mel) >= steps else [mel] * steps
        out.append(np.concatenate([part.mean(axis=0) for part in parts]))
    return np.array(out, np.float32)


def bag(texts: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Which of the known words stand in each text, `(n, d)`."""
    held = [set(text.split()) for text in texts]
    return np.array([[word in one for word in known] for one in held], np.float32)
