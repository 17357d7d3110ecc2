"""Films composed of real clips, photographs and sounds, with known cuts and scenes: what `summaries.py` reads."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._sets import pack, table

WIDE, HIGH, FPS, RATE, STEP = 256, 192, 12, 16000, 0.5


def rows(name: str) -> list[dict[str, Any]]:
    """A pack's table, a dict a row."""
    columns = table(name)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@dataclass
class Film:
    """A composed film and the truth about it."""

    path: Path
    cuts: np.ndarray
    """Seconds, `(shots - 1,)`."""
    spans: list[tuple[float, float, int]]
    """(start, end, scene) of each shot."""
    loud: list[int]
    """The shots that a sound event marks."""
    caption: str
    """Of one photo's scene."""
    scene: int
    """That scene."""

    @property
    def seconds(self) -> float:
        return self.spans[-1][1]

    def at(self, t: float) -> int:
        """The shot at a time."""
        return int(np.searchsorted(self.cuts, t, side="right"))


class Pools:
    """What films are drawn from: real clips, photos and sounds, of the training or of the test side."""

    def __init__(self, dev: bool):
        side = "train" if dev else "test"
        self.surv = [r for r in rows("surv_fight") if r["split"] == side]
        self.grid = [r for r in rows("grid_s1") if r["split"] == side]
        self.coco = [r for r in rows("coco2k") if r["split"] == ("val" if dev else "test")]
        self.esc = [r for r in rows("esc") if r["esc10"] and (r["fold"] in (1, 2) if dev else r["fold"] == 5)]


def frames_of(path: Path) -> np.ndarray:
    """All frames of a short clip, `(t, HIGH, WIDE, 3)`, at FPS."""
    import av

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        seen = [(float(f.time), f.to_ndarray(format="rgb24", width=WIDE, height=HIGH)) for f in file.decode(stream)]
    times = np.array([t for t, _ in seen]) - seen[0][0]
    wanted = np.arange(int((times[-1] + 1e-6) * FPS) + 1) / FPS
    return np.stack([seen[i][1] for i in np.searchsorted(times, wanted - 1e-6).clip(0, len(seen) - 1)])


def sound_of(path: Path) -> np.ndarray:
    """A short sound as float32 at RATE."""
    import soundfile

    sound, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    assert rate == RATE
    return sound.mean(axis=1)


def shot_of(kind: str, row: dict[str, Any], length: int, rng: np.random.Generator) -> np.ndarray:
    """A shot of so many frames: a clip played to and fro from somewhere, or a photo under a slowly moving camera."""
    if kind == "coco":
        photo = Image.open(pack("coco2k") / row["image"]).convert("RGB")
        w, h = photo.size
        first, last = rng.uniform(0.85, 1.0, 2)
        place = rng.uniform(0, 1, (2, 2))
        out = []
        for u in np.linspace(0, 1, length):
            share, (x, y) = first + u * (last - first), place[0] + u * (place[1] - place[0])
            left, top = x * (1 - share) * w, y * (1 - share) * h
            box = (left, top, left + share * w, top + share * h)
            out.append(np.asarray(photo.resize((WIDE, HIGH), Image.Resampling.BILINEAR, box)))
        return np.stack(out)
    clip = frames_of(pack("surv_fight" if kind == "surv" else "grid_s1") / row["video"])
    if kind == "grid":
        return clip[np.arange(length).clip(0, len(clip) - 1)]
    there = np.concatenate([np.arange(len(clip)), np.arange(len(clip) - 2, 0, -1)])
    return clip[there[(np.arange(length) + rng.integers(len(there))) % len(there)]]


def compose(path: Path, pools: Pools, seed: int, events: bool) -> Film:
    """A film of 20 shots from 10 scenes; three scenes return often. Events: noise, and three marked scenes."""
    rng = np.random.default_rng(seed)
    talkers = 0 if events else 1
    scenes: list[tuple[str, dict[str, Any]]] = [("coco", pools.coco[i]) for i in rng.choice(len(pools.coco), 5, False)]
    blocks = np.array([r["num"] // 10 + 1000 * (r["label"] == "fight") for r in pools.surv])
    for block in rng.choice(np.unique(blocks), 5 - talkers, False):  # neighbors may be one source film
        scenes.append(("surv", pools.surv[rng.choice(np.flatnonzero(blocks == block))]))
    scenes += [("grid", pools.grid[rng.integers(len(pools.grid))])] * talkers
    order = _order(rng, len(scenes), 20)
    parts, sounds, spans, start = [], [], [], 0.0
    marked = rng.choice(len(scenes), 3, False) if events else []
    loud = [int(rng.choice(np.flatnonzero(order == scene))) for scene in marked]
    level = 10 ** (np.cumsum(rng.normal(0, 1.5, len(order))) / 20)  # the noise drifts
    for i, scene in enumerate(order):
        kind, row = scenes[scene]
        length = 36 if kind == "grid" else int(rng.uniform(1.5, 5.0) * FPS)
        parts.append(shot_of(kind, row, length, rng))
        sound = rng.normal(0, 0.01 * level[i], int(length / FPS * RATE)).astype(np.float32)
        if kind == "grid":
            voice = sound_of(pack("grid_s1") / row["audio"])[: len(sound)]
            sound[: len(voice)] += voice
        if i in loud:
            event = sound_of(pack("esc") / pools.esc[rng.integers(len(pools.esc))]["audio"])
            size = min(len(sound), 2 * RATE)
            power = np.convolve(event**2, np.ones(size), "valid")
            event = event[(at := int(power.argmax())) : at + size]
            sound[:size] += event / np.sqrt(np.mean(event**2) + 1e-12) * 0.05 * rng.uniform(0.6, 1.6)
        sounds.append(sound)
        spans.append((start, start + length / FPS, int(scene)))
        start += length / FPS
    photo = int(rng.integers(5))
    write(path, np.concatenate(parts), np.concatenate(sounds).clip(-1, 1))
    cuts = np.array([s for s, _, _ in spans[1:]])
    return Film(path, cuts, spans, loud, scenes[photo][1]["caption"], photo)


def _order(rng: np.random.Generator, scenes: int, shots: int) -> np.ndarray:
    """Each scene once, the rest of the shots from three of them; no scene follows itself."""
    while True:
        often = rng.choice(scenes, 3, False)
        order = rng.permutation(np.concatenate([np.arange(scenes), rng.choice(often, shots - scenes)]))
        if (order[1:] != order[:-1]).all():
            return order


def write(path: Path, frames: np.ndarray, sound: np.ndarray) -> None:
    """An mp4 of H.264 and AAC."""
    import av

    with av.open(str(path), "w") as file:
        video = file.add_stream(
            "libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23", "threads": "1", "g": str(2 * FPS)}
        )
        video.width, video.height, video.pix_fmt = WIDE, HIGH, "yuv420p"
        audio = file.add_stream("aac", rate=RATE, layout="mono")
        for frame in frames:
            file.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        for start in range(0, len(sound), 1024):
            block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
            block.rate, block.pts = RATE, start
            file.mux(audio.encode(block))
        file.mux(video.encode(None))
        file.mux(audio.encode(None))


def prepared(seed: int, events: bool, dev: bool, pools: Pools, keep: Path) -> tuple[Film, Any]:
    """A film's truth, and what `Summarize.read` reads of it; kept, since composing and encoding take seconds each."""
    from chiasm.media.clips import Clip
    from chiasm.media.film import Film as Read
    from chiasm.tasks.summarize import Summarize

    file = keep / f"{'dev' if dev else 'test'}-{'events' if events else 'films'}-{seed}.npz"
    if not file.exists():
        with tempfile.TemporaryDirectory() as folder:
            film = compose(Path(folder) / "film.mp4", pools, seed, events)
            read = Summarize().read(film.path)
        assert not read.notes, read.notes
        facts = {"spans": film.spans, "loud": film.loud, "caption": film.caption, "scene": film.scene}
        seen = {"rows": read.rows, "loudness": read.loudness, "seconds": read.seconds, "step": read.step}
        np.savez(file, facts=json.dumps(facts), **seen)
    with np.load(file) as held:
        facts = json.loads(str(held["facts"]))
        read = Read(Clip("film.mp4"), float(held["seconds"]), float(held["step"]), held["rows"], held["loudness"])
    cuts = np.array([start for start, _, _ in facts["spans"][1:]])
    return Film(Path("film.mp4"), cuts, facts["spans"], facts["loud"], facts["caption"], facts["scene"]), read
