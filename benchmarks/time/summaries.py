"""Shots, key frames and what is in a clip: films composed of real clips, with known cuts and known highlights.

`python -m benchmarks.time.summaries [PART ...] [--films N] [--json FILE]`; the parts are

- films: N films (32) of 20 shots from 10 scenes that return, some often and long, some once and short (surveillance
  clips, photos under a slowly moving camera, a talker with his own sound). Cuts found (F1 at one step of 0.5 s) against
  cuts at equal distances; key frames, as many as there are scenes (F1: a scene is found once), against uniform and
  random ones, with and without the sound track. And films of one shot of 30 s: how many cuts are found in them.
- events: N films of such scenes without the talker, under noise whose level drifts; three scenes are marked by a sound
  event (ESC-10, fold 5), once each. Key frames, k = 3, with and without the sound track, against uniform and random.
  One photo's caption is then given as words, k = 1 and k = 3: is its scene found? The space is learned from the 1,697
  other photos of coco2k; films hold photos of its test split alone.
- objects: names of the image encoder's own 1,000 classes against the nouns in coco2k's captions, all 1,997.
- fused: a photo, a sound and a caption of one of 10 kinds of things, the kind's own words taken out of the caption:
  each alone against the three together (`early`), 5 folds; no photo and no recording stands in two folds.

Films are drawn by seed. Settings were chosen on other films, of training clips, photos and sounds (`--dev` shows
them), but for two: that loudness does not count beside words, and that a slow pan is no cut, followed a look at these.
Intervals: 95 %, over films drawn again; of folds, over groups drawn again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

import chiasm
from benchmarks._shared import finish, pack
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Column, Views

WIDE, HIGH, FPS, RATE, STEP = 256, 192, 12, 16000, 0.5


def say(*words: Any) -> None:
    """Progress."""
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def rows(name: str) -> list[dict[str, Any]]:
    """A pack's table."""
    return pq.read_table(pack(name) / "data.parquet").to_pylist()


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


def cut_f1(found: np.ndarray, true: np.ndarray) -> float:
    """F1 of cuts, each found one matched with at most one true one within a step."""
    left, hits = true.tolist(), 0
    for time_ in found.tolist():
        near = [t for t in left if abs(t - time_) <= STEP + 1e-6]
        if near:
            left.remove(min(near, key=lambda t: abs(t - time_)))
            hits += 1
    return 2 * hits / max(1, len(found) + len(true))


def table(draws: Draws, values: dict[str, list[float]], ours: str) -> dict[str, Any]:
    """Means over films in % with intervals, and what `ours` has more, film by film."""
    sampled = {name: draws.mean(100 * np.array(one, dtype=float)) for name, one in values.items()}
    return {
        "%": {name: interval_of(*one) for name, one in sampled.items()},
        f"{ours} minus": {name: difference(sampled[ours], one) for name, one in sampled.items() if name != ours},
    }


def times_of(task: Any, read: Any, k: int, words: str | None = None) -> list[float]:
    """Times of key frames."""
    return [moment["time"] for moment in task.moments(read, k, words)]


def uniform(film: Film, k: int) -> np.ndarray:
    """The middles of k equal parts."""
    return (np.arange(k) + 0.5) * film.seconds / k


def films(count: int, dev: bool, keep: Path) -> dict[str, Any]:
    """Cuts, and key frames that find each scene once."""
    from chiasm.media.shots import changes, directions
    from chiasm.tasks.summarize import Summarize

    pools, rng = Pools(dev), np.random.default_rng(1)
    quiet, heard = Summarize(sound=0), Summarize()
    cuts: dict[str, list[float]] = {"ours": [], "mean + 2 sd of neighbors": [], "equal distances, true number": []}
    keys: dict[str, list[float]] = {"pictures": [], "pictures + sound": [], "uniform": [], "random": []}
    for seed in range(count):
        film, read = prepared(seed, False, dev, pools, keep)
        rows = directions(read.rows)
        moved = np.linalg.norm(np.diff(rows, axis=0), axis=1)
        plain = (np.flatnonzero(moved > moved.mean() + 2 * moved.std()) + 1) * read.step
        cuts["ours"].append(cut_f1(changes(rows) * read.step, film.cuts))
        cuts["mean + 2 sd of neighbors"].append(cut_f1(plain, film.cuts))
        equal = np.linspace(0, film.seconds, len(film.cuts) + 2)[1:-1]
        cuts["equal distances, true number"].append(cut_f1(equal, film.cuts))
        k = len({scene for _, _, scene in film.spans})

        def found(times: Any, film: Film = film, k: int = k) -> float:
            return len({film.spans[film.at(t)][2] for t in times}) / k  # as many as there are scenes: precision, recall

        keys["pictures"].append(found(times_of(quiet, read, k)))
        keys["pictures + sound"].append(found(times_of(heard, read, k)))
        keys["uniform"].append(found(uniform(film, k)))
        keys["random"].append(np.mean([found(rng.uniform(0, film.seconds, k)) for _ in range(200)]))
        say("films", seed, {name: round(float(np.mean(one)), 3) for name, one in (cuts | keys).items()})
    draws = Draws(np.arange(count))
    return {
        "films": count,
        "cuts, F1": table(draws, cuts, "ours"),
        "key frames, F1": table(draws, keys, "pictures"),
    }


def single(dev: bool, keep: Path) -> dict[str, Any]:
    """Films of one shot of 30 s: how many cuts are found where there are none."""
    from chiasm.encode.effnet_image import EffnetImage
    from chiasm.media.shots import changes, directions

    pools, rng, encoder = Pools(dev), np.random.default_rng(2), EffnetImage()
    found = {}
    for kind, pool in (("surv", pools.surv), ("coco", pools.coco)):
        each = []
        for i in rng.choice(len(pool), 8, False):
            file = keep / f"{'dev' if dev else 'test'}-single-{kind}-{i}.npy"
            if not file.exists():
                shot = shot_of(kind, pool[i], 30 * FPS, np.random.default_rng(int(i)))
                np.save(file, encoder.encode(list(shot[int(STEP * FPS / 2) :: int(STEP * FPS)])))
            each.append(len(changes(directions(np.load(file)))))
        found[{"surv": "surveillance clips to and fro", "coco": "photos, moving camera"}[kind]] = each
    return {"false cuts in films of one shot of 30 s (uncompressed)": found}


def events(count: int, dev: bool, keep: Path) -> dict[str, Any]:
    """Scenes marked by a sound, and a scene that words name."""
    from chiasm.tasks.retrieve import Retrieve
    from chiasm.tasks.summarize import Summarize

    views = chiasm.read(pack("coco2k") / "data.parquet", text="caption", image="image", id="id", split="split")
    space = Retrieve().fit(views[views.split != "test"])
    pools, rng = Pools(dev), np.random.default_rng(1)
    quiet, heard = Summarize(sound=0), Summarize()
    guided = Summarize(space=space)
    marked: dict[str, list[float]] = {
        "pictures + sound": [],
        "pictures": [],
        "loudest": [],
        "uniform": [],
        "random": [],
    }
    named: dict[int, dict[str, list[float]]] = {
        k: {"words": [], "no words": [], "uniform": [], "random": []} for k in (1, 3)
    }
    covered: dict[str, list[float]] = {"pictures": [], "pictures + sound": [], "uniform": []}
    for seed in range(count):
        film, read = prepared(seed, True, dev, pools, keep)

        def hit(times: Any, film: Film = film) -> float:
            return len({film.at(t) for t in times} & set(film.loud)) / 3

        def right(times: Any, film: Film = film) -> float:
            return float(any(film.spans[film.at(t)][2] == film.scene for t in times))

        def scenes(times: Any, film: Film = film) -> float:
            return len({film.spans[film.at(t)][2] for t in times}) / 10

        marked["pictures + sound"].append(hit(times_of(heard, read, 3)))
        marked["pictures"].append(hit(times_of(quiet, read, 3)))
        marked["loudest"].append(hit(read.times(np.argsort(-read.loudness)[:3])))
        marked["uniform"].append(hit(uniform(film, 3)))
        marked["random"].append(np.mean([hit(rng.uniform(0, film.seconds, 3)) for _ in range(200)]))
        for k, of in named.items():
            of["words"].append(right(times_of(guided, read, k, film.caption)))
            of["no words"].append(right(times_of(quiet, read, k)))
            of["uniform"].append(right(uniform(film, k)))
            of["random"].append(np.mean([right(rng.uniform(0, film.seconds, k)) for _ in range(200)]))
        covered["pictures"].append(scenes(times_of(quiet, read, 10)))
        covered["pictures + sound"].append(scenes(times_of(heard, read, 10)))
        covered["uniform"].append(scenes(uniform(film, 10)))
        say("events", seed, {n: round(float(np.mean(one)), 3) for n, one in {**marked, **named[1]}.items()})
    draws = Draws(np.arange(count))
    return {
        "films": count,
        "scenes marked by a sound, F1 at k = 3": table(draws, marked, "pictures + sound"),
        **{f"scene of the words among {k}": table(draws, of, "words") for k, of in named.items()},
        "scenes found at k = 10": table(draws, covered, "pictures + sound"),
    }


NOUNS: dict[str, tuple[str, list[int]]] = {
    "dog": (r"dogs?|pupp(?:y|ies)", [*range(151, 269)]),
    "cat": (r"cats?|kittens?", [*range(281, 286)]),
    "bird": (r"birds?|seagulls?|ducks?|geese|parrots?", [*range(7, 25), *range(80, 101), *range(127, 147)]),
    "elephant": (r"elephants?", [101, 385, 386]),
    "zebra": (r"zebras?", [340]),
    "bear": (r"bears?", [294, 295, 296, 297, 850]),
    "train": (r"trains?|locomotives?", [466, 547, 705, 820]),
    "airplane": (r"(?:air)?planes?|jets?|jetliners?|airliners?", [404, 895, 908]),
    "bus": (r"bus(?:es)?", [654, 779, 874]),
    "truck": (r"trucks?", [555, 569, 675, 717, 864, 867]),
    "boat": (r"boats?|ships?", [472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 914]),
    "clock": (r"clocks?", [409, 530, 892]),
    "toilet": (r"toilets?", [861, 999]),
    "pizza": (r"pizzas?", [963]),
    "umbrella": (r"umbrellas?", [879]),
    "laptop": (r"laptops?|computers?", [508, 527, 620, 664, 681, 782]),
    "stove": (r"stoves?|ovens?|microwaves?", [651, 827]),
    "refrigerator": (r"refrigerators?|fridges?", [760]),
    "banana": (r"bananas?", [954]),
    "vase": (r"vases?", [883]),
}
"""What both know: words in a caption, and numbers of the classes that they stand for."""


def objects(permutations: int = 200) -> dict[str, Any]:
    """Names of the image encoder's own classes against the nouns in captions."""
    from chiasm.encode.effnet_image import EffnetImage
    from chiasm.encoding import Encoding

    views = chiasm.read(pack("coco2k") / "data.parquet", text="caption", image="image", id="id")
    seen = Encoding().fit(views.replace({"image": views["image"]})).transform(views.replace({"image": views["image"]}))
    shares = EffnetImage().class_shares(np.asarray(seen["image"].take(seen["image"].index)))
    captions = [str(views["caption"].items[i]).lower() for i in views["caption"].index]
    true = np.array([[bool(re.search(rf"\b(?:{word})\b", c)) for word, _ in NOUNS.values()] for c in captions])
    order = np.argsort(-shares, axis=1)
    rng, draws = np.random.default_rng(0), Draws(np.arange(len(true)))
    result: dict[str, Any] = {"photos": len(true), "named in captions": int(true.sum())}
    for top in (1, 5):
        told = np.stack([np.isin(order[:, :top], kinds).any(axis=1) for _, kinds in NOUNS.values()], axis=1)
        chance = [_micro(true[rng.permutation(len(true))], told) for _ in range(permutations)]
        result[f"top {top}"] = {
            "precision": interval_of(*_ratio(draws, (true & told).sum(axis=1), told.sum(axis=1))),
            "recall": interval_of(*_ratio(draws, (true & told).sum(axis=1), true.sum(axis=1))),
            "chance: captions permuted, precision and recall": np.mean(chance, axis=0).round(4).tolist(),
            "by noun: named, told, both": {
                noun: [int(true[:, j].sum()), int(told[:, j].sum()), int((true & told)[:, j].sum())]
                for j, noun in enumerate(NOUNS)
            },
        }
    return result


def _ratio(draws: Draws, top: np.ndarray, bottom: np.ndarray) -> Any:
    above, below = draws.mean(top.astype(float)), draws.mean(bottom.astype(float))
    return above[0] / below[0], above[1] / below[1]


def _micro(true: np.ndarray, told: np.ndarray) -> tuple[float, float]:
    both = (true & told).sum()
    return both / max(1, told.sum()), both / max(1, true.sum())


KINDS = {
    "dog": (r"dogs?|pupp(?:y|ies)", ["dog"]),
    "cat": (r"cats?|kittens?", ["cat"]),
    "train": (r"trains?|locomotives?|railways?|railroads?", ["train"]),
    "airplane": (r"(?:air)?planes?|jets?|jetliners?|airliners?|aircraft|airports?", ["airplane"]),
    "clock": (r"clocks?", ["clock tick", "clock alarm"]),
    "toilet": (r"toilets?|urinals?|restrooms?", ["toilet flush"]),
    "sea": (r"oceans?|seas?|waves?|surf\w*|beach(?:es)?", ["sea waves"]),
    "bird": (r"birds?|ducks?|geese|parrots?|seagulls?", ["chirping birds", "crow"]),
    "keyboard": (r"keyboards?|laptops?|computers?", ["keyboard typing", "mouse click"]),
    "motor": (r"cars?|trucks?|bus(?:es)?|motorcycles?", ["engine", "car horn"]),
}
FOLDS, EACH = 5, 30


def fused() -> dict[str, Any]:
    """A photo, a sound and a caption of one kind of thing each: alone, and together."""
    from sklearn.model_selection import GroupKFold

    from chiasm.encoding import Encoding
    from chiasm.fuse.early import Early

    rng = np.random.default_rng(0)
    photos, sounds = rows("coco2k"), rows("esc")
    patterns = {kind: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for kind, (words, _) in KINDS.items()}
    made: list[dict[str, Any]] = []
    for kind, (_, labels) in KINDS.items():
        mine = [p for p in photos if [k for k, r in patterns.items() if r.search(p["caption"])] == [kind]]
        heard = [s for s in sounds if s["label"] in labels]
        sources = np.array([s["src_file"] for s in heard])
        fold = np.zeros(len(heard), dtype=int)
        for number, (_, part) in enumerate(GroupKFold(min(FOLDS, len(set(sources)))).split(sources, groups=sources)):
            fold[part] = number
        for i, at in enumerate(rng.permutation(len(mine))[:EACH]):
            number = i % (fold.max() + 1)  # a kind with fewer recordings than folds is absent from a test fold
            clip = heard[int(rng.choice(np.flatnonzero(fold == number)))]
            caption = patterns[kind].sub("thing", mine[at]["caption"])
            made.append({"kind": kind, "photo": mine[at], "clip": clip, "words": caption, "fold": number})
    columns = {
        "words": Column.from_cells("text", [m["words"] for m in made]),
        "photo": Column.from_cells("image", [str(pack("coco2k") / m["photo"]["image"]) for m in made]),
    }
    seen = Encoding().fit(Views(columns)).transform(Views(columns))
    read = {n: Column("vector", np.asarray(c.take(c.index))) for n, c in seen.columns.items()}
    read["sound"] = Column("vector", np.stack([_heard(m["clip"]) for m in made]))
    # the fuser's own folds must keep a recording on one side, or it trusts the sound too much
    source = np.array([m["clip"]["src_file"] for m in made], dtype=object)
    views = Views(read, facts={"group": source})
    truth = np.array([m["kind"] for m in made])
    fold = np.array([m["fold"] for m in made])
    sets = {"words": ["words"], "photo": ["photo"], "sound": ["sound"], "all": ["words", "photo", "sound"]}
    said = {name: np.full(len(made), "", dtype=object) for name in sets}
    for number in range(FOLDS):
        learn, test = fold != number, fold == number
        for name, used in sets.items():
            part = views.replace({view: views[view] for view in used})
            said[name][test] = Early().fit(part[learn], truth[learn]).predict(part[test])
        say("fused, fold", number)
    draws = Draws(source.astype(str))
    right = {name: (one == truth).astype(float).tolist() for name, one in said.items()}
    return {
        "things": len(made),
        "by kind: things, recordings": {
            kind: [int((truth == kind).sum()), len({m["clip"]["src_file"] for m in made if m["kind"] == kind})]
            for kind in KINDS
        },
        "commonest kind %": round(100 * float(np.mean(truth == max(set(truth), key=truth.tolist().count))), 1),
        "accuracy": table(draws, right, "all"),
    }


def _heard(clip: dict[str, Any]) -> np.ndarray:
    """Means and deviations over time of the log-mel spectrogram, its slopes too."""
    from chiasm.encode._sound import log_mel, slope

    mel = log_mel(sound_of(pack("esc") / clip["audio"]))
    turned = slope(mel)
    return np.concatenate([mel.mean(axis=0), mel.std(axis=0), turned.std(axis=0)])


PARTS = ("films", "events", "objects", "fused")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--films", type=int, default=32)
    parser.add_argument("--dev", action="store_true", help="the films on which settings were chosen")
    parser.add_argument("--json", type=Path)  # for `finish`
    parser.add_argument("--keep", type=Path, help="keep what was read of the films in this folder")
    known, _ = parser.parse_known_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        keep = known.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        for part in known.parts or PARTS:
            if part == "films":
                result[part] = films(known.films, known.dev, keep) | single(known.dev, keep)
            elif part == "events":
                result[part] = events(known.films, known.dev, keep)
            else:
                result[part] = objects() if part == "objects" else fused()
    finish(result)


if __name__ == "__main__":
    main()
