"""Find a moment: recordings and films composed of real clips; file, start and end are the answer.

`python -m benchmarks.search.moments [sounds|films]`.

*Sounds by words*: words <-> sounds are learned from four of the five folds of ESC-10; in recordings composed of the
fifth (eight clips of different classes, 1 to 4 s of other real sounds between them, so that no boundary lies on the
grid of windows), each class is asked for.

*Films by a picture*: an early picture <-> its clip is learned from four of five folds of surv_fight (blocks of ten
neighbors); in films of the fifth (ten of its clips, at most 2 s, 1 to 3 s of training clips between them), each clip is
asked for by its early picture.

A hit overlaps the truth by an intersection over union of at least 0.5. Beside it: windows side by side, and chance (a
window at random).
"""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import fights, pack
from benchmarks._trials import Figure, arguments, finish
from chiasm.media.clips import Wants, decode
from chiasm.media.windows import overlap_of, windows
from chiasm.stats.resample import Draws, interval_of
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

RECORDINGS = 10
"""A fold."""
CLIPS = 8
SECONDS = 5.0
RATE = 16000
HALF, SIDE = "windows overlapping by a half", "windows side by side"
OF_SOUNDS = {
    "sounds.r1": (f"{HALF}, R@1", "R@1"),
    "sounds.r5": (f"{HALF}, R@5", "R@5"),
    "sounds.side": (f"{SIDE}, R@1", "R@1 of windows side by side"),
    "sounds.chance": ("chance, R@1", "a window at random"),
}
OF_FILMS = {
    "films.r1": ("R@1", "R@1"),
    "films.r5": ("R@5", "R@5"),
    "films.side": ("side by side, R@1", "R@1 of windows side by side"),
    "films.chance": ("chance, R@1", "a window at random"),
}
FIGURES = [
    Figure(
        short,
        (part, key),
        f"{asked}, overlap of 0.5: {what}",
        "%",
        n=f"{{questions}} questions in {{{over}}} {over}",
        scale=100,
    )
    for part, asked, over, kept in (
        ("sounds", "a moment of 5 s by a word in recordings of a minute", "recordings", OF_SOUNDS),
        ("films", "a moment of 2 s of a film by a picture of it", "films", OF_FILMS),
    )
    for short, (key, what) in kept.items()
]


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
    kinds = (HALF, SIDE)
    found: dict[str, list[float]] = {f"{kind}, R@{k}": [] for kind in kinds for k in (1, 5)} | {"chance, R@1": []}
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


FILMS = 6
"""A fold."""
SIZE = (144, 192)


def film(path: Path, clips: list[str], others: list[str], rng: np.random.Generator) -> list[tuple[float, float]]:
    """One film of whole clips with other footage between them, at 12 pictures a second: where each clip lies."""
    import av

    def frames(file: str, seconds: float) -> list[np.ndarray]:
        with av.open(file) as source:
            found = [frame.reformat(SIZE[1], SIZE[0], "rgb24").to_ndarray() for frame in source.decode(video=0)]
        return found[: round(seconds * 12)]

    truth, at = [], 0
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=12)
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for clip in clips:
            between, whole = frames(str(rng.choice(others)), rng.uniform(1, 3)), frames(clip, 2.0)
            truth.append(((at + len(between)) / 12, (at + len(between) + len(whole)) / 12))
            at += len(between) + len(whole)
            for picture in between + whole:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return truth


def films(folder: Path) -> dict[str, Any]:
    _, block, paths = fights()
    files = np.array(paths)
    first = [decode(str(f), Wants(gray=None, pictures=24)).pictures[0] for f in files]
    found: dict[str, list[float]] = {"R@1": [], "R@5": [], "side by side, R@1": [], "chance, R@1": []}
    groups: list[int] = []
    for fold in range(5):
        learn, held = np.flatnonzero(block % 5 != fold), np.flatnonzero(block % 5 == fold)
        columns = {"still": Column("image", [first[i] for i in learn]), "clip": Column("video", files[learn].tolist())}
        model = Retrieve(allow_leaks=True).fit(Views(columns, learn))
        rng = np.random.default_rng(fold)
        for _ in range(FILMS):
            chosen = rng.permutation(held)[:10]
            path = folder / f"{fold}-{len(groups)}.mp4"
            truth = film(path, files[chosen].tolist(), files[learn].tolist(), rng)
            one = Views({"clip": Column("video", [str(path)], labels=["film"])}, ["film"])
            cuts = windows(one, "clip", 2.0), windows(one, "clip", 2.0, overlap=0.0)
            asked = {"still": [first[i] for i in chosen]}
            for names, within in zip((("R@1", "R@5"), ("side by side, R@1",)), cuts, strict=True):
                for hits, span in zip(model.hits(asked, "clip", 5, within), truth, strict=True):
                    right = [overlap_of((hit["start"], hit["end"]), span) >= 0.5 for hit in hits]
                    for name in names:
                        found[name].append(float(right[0] if name.endswith("R@1") else any(right)))
            spans = list(zip(cuts[0].facts["start"], cuts[0].facts["end"], strict=True))
            found["chance, R@1"] += [float(np.mean([overlap_of(s, span) >= 0.5 for s in spans])) for span in truth]
            groups += [len(groups)] * len(truth)
        print(f"films, fold {fold}: R@1 {np.mean(found['R@1']):.3f}", flush=True)
    draws = Draws(np.array(groups))
    return {name: interval_of(*draws.mean(np.array(values))) for name, values in found.items()} | {
        "films": 5 * FILMS,
        "questions": len(groups),
    }


def main() -> None:
    parts = {"sounds": measure, "films": films}
    args = arguments(__doc__, parts).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish({name: parts[name](Path(folder)) for name in args.parts or parts}, FIGURES, args)


if __name__ == "__main__":
    main()
