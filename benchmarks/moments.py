"""Find a moment by words: recordings of a minute, composed of real sounds; file, start and end are the answer.

`python benchmarks/moments.py`. The five folds of ESC-10: words <-> sounds are learned from four folds; in recordings
composed of the fifth (eight clips of different classes, 1 to 4 s of other real sounds between them, so that no boundary
lies on the grid of windows), each class is asked for. A hit overlaps the truth by an intersection over union of at
least 0.5. Beside it: windows side by side, and chance (a window at random).
"""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from _shared import finish, pack

import chiasm
from chiasm.clips import Wants, decode
from chiasm.moments import overlap_of, windows
from chiasm.resample import Draws, interval_of
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RECORDINGS = 10
"""A fold."""
CLIPS = 8
SECONDS = 5.0
RATE = 16000


def compose(files: dict[str, list[str]], others: list[str], rng: np.random.Generator) -> tuple[np.ndarray, list]:
    """One recording `(s,)` and its truth: (class, start, end)."""
    pieces: list[np.ndarray] = []
    truth, at = [], 0
    for name in rng.permutation(sorted(files))[:CLIPS]:
        between = decode(str(rng.choice(others)), Wants(rate=RATE)).sound
        gap = between[: int(rng.uniform(1, 4) * RATE)]
        clip = decode(str(rng.choice(files[name])), Wants(rate=RATE)).sound
        pieces += [gap, clip]
        truth.append((str(name), (at + len(gap)) / RATE, (at + len(gap) + len(clip)) / RATE))
        at += len(gap) + len(clip)
    return np.concatenate(pieces), truth


def write(path: Path, sound: np.ndarray) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return str(path)


def measure(folder: Path) -> dict[str, Any]:
    source = pack("esc") / "data.parquet"
    views = chiasm.read(source, text="label", audio="audio", id="id", split=None, where={"esc10": "True"})
    every = chiasm.read(source, text="label", audio="audio", id="id")
    cells = chiasm.read(source, text="label", audio="audio", id="id", label="fold", where={"esc10": "True"})
    folds = cells.label.astype(int)
    names = set(views["label"].items)
    rows = every["label"].take(every["label"].index)
    pairs = zip(every["audio"].index, rows, strict=True)
    others = [every["audio"].items[p] for p, label in pairs if label not in names]
    kinds = ("windows overlapping by a half", "windows side by side", "chance")
    found: dict[str, list[float]] = {f"{kind}, R@{k}": [] for kind in kinds[:2] for k in (1, 5)} | {"chance, R@1": []}
    groups: list[int] = []
    recording = 0
    for fold in range(1, 6):
        model = Retrieve(allow_leaks=True).fit(views[folds != fold])
        test = views[folds == fold]
        files: dict[str, list[str]] = {}
        for place, label in zip(test["audio"].index, test["label"].take(test["label"].index), strict=True):
            files.setdefault(label, []).append(test["audio"].items[place])
        rng = np.random.default_rng(fold)
        for _ in range(RECORDINGS):
            sound, truth = compose(files, others, rng)
            path = write(folder / f"{fold}-{recording}.wav", sound)
            one = Views({"audio": Column("audio", [path], labels=["recording"])}, ["recording"])
            cuts = {kinds[0]: windows(one, "audio", SECONDS), kinds[1]: windows(one, "audio", SECONDS, overlap=0.0)}
            asked = {"label": [name for name, _, _ in truth]}
            for kind, within in cuts.items():
                for hits, (_, start, end) in zip(model.hits(asked, "audio", 5, within), truth, strict=True):
                    right = [overlap_of((hit["start"], hit["end"]), (start, end)) >= 0.5 for hit in hits]
                    found[f"{kind}, R@1"].append(float(right[0]))
                    found[f"{kind}, R@5"].append(float(any(right)))
            spans = list(zip(cuts[kinds[0]].facts["start"], cuts[kinds[0]].facts["end"], strict=True))
            for _, start, end in truth:
                found["chance, R@1"].append(float(np.mean([overlap_of(s, (start, end)) >= 0.5 for s in spans])))
            groups += [recording] * len(truth)
            recording += 1
            print(f"fold {fold}, recording {recording}: R@1 {np.mean(found[f'{kinds[0]}, R@1']):.3f}", flush=True)
    draws = Draws(np.array(groups))
    return {name: interval_of(*draws.mean(np.array(values))) for name, values in found.items()} | {
        "recordings": recording,
        "questions": len(groups),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        finish(measure(Path(folder)))


if __name__ == "__main__":
    main()
