"""A talking face and its voice: which sound belongs to which face, and what was said, from ears, eyes and both.

`python -m benchmarks.time.talking_face [PART ...] [--splits N]` on grid_s1: 800 clips of 3 s of one talker, each a
command in six slots. Frames as 24 x 32 gray cells and their changes (`pixels_video`), sound as the cepstrum of its mel
cepstrum, pitch and loudness (`mel_audio`), both in 75 steps of 40 ms. The parts are

- match: sound <-> face among 75, mean over 10 re-drawn 650/75/75 splits. `synchronous` against `cca` on mean and
  standard deviation over time of the same features, and on each of the two (the mean knows no time: what it finds is
  owed to light, pose and level), and on the principal components of all 75 steps side by side, which do know it (how
  many, with or without each clip's own mean over time, streams scaled to one variance or not), all choosing on the same
  validation rows; the test clips' sound moved around by 1 to 40 steps; *who is speaking*: a voice and k faces. Bar: 10
  x chance at R@1 both ways.
- streams: the same with each stream left out in turn: frame differences, pixels, displacement, loudness, mel. One
  setting for all (context 2, ridge 0.01, 32 coordinates), each stream scaled to one variance. At most 5 splits.
- slots: each slot of the command from sound, lips and both, by `early` on steps of 0.2 s, in 5 folds; clean, in babble
  (four other clips of the same voice) and in white noise, learned in the noise in which it is asked; also learned clean
  and asked in babble, and learned once for all of them, each training clip in one of the noises. Lips are the face's
  `synchronous` coordinates, learned with the clean sound of the training clips, no words; pixels are the principal
  components that they are made of. Bar: both never below the better one beyond noise. The settings (16 coordinates, 15
  steps, context 4) were looked at on 75 clips that are only ever learned from: the other 725 are scored.

Intervals of `match` and `streams` are Nadeau & Bengio's (2003) over re-drawn splits; of `slots` bootstraps over clips,
of differences in pairs.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from math import comb
from typing import Any

import numpy as np

from benchmarks._sets import SLOTS, files, table
from benchmarks._trials import Figure, apart, arguments, family, finish, say
from benchmarks.time._flat import Flat
from chiasm import scale
from chiasm.align.cca import CCA
from chiasm.align.synchronous import Synchronous
from chiasm.encode.mel_audio import MelAudio
from chiasm.encode.motion_video import MotionVideo
from chiasm.encode.pixels_video import PixelsVideo
from chiasm.fuse.early import Early
from chiasm.media.clips import Decoded, decode
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Column, Views, normalize

STEPS, COARSE = 75, 15
SHIFTS = (1, 2, 5, 10, 40)
NOISES = {"clean": None, "babble +0 dB": 0.0, "babble -10 dB": -10.0, "white -10 dB": -10.0}
ASKED = {"clean": ("clean", "babble -10 dB"), "in each": tuple(NOISES)}
LOOKED_AT = np.random.default_rng(0).permutation(800)[650:725]
"""The clips on which the settings of `slots` were looked at."""

Hits = Callable[[np.ndarray], float]
WAYS = {"voice": "sound -> face", "face": "face -> sound"}
POOLED, FLAT = "cca, mean and deviation", "cca, principal components of all steps"
MET = "which silent face belongs to a voice, of 75 clips of one talker"
SAID = "six slots of a command, mean accuracy"
NOISY = {"babble0": "babble +0 dB", "babble10": "babble -10 dB", "white10": "white -10 dB"}
SLOT_GAINS = {
    f"slots.gain.{short}{end}": (f"{noise}{learned}", f"both less the better one, {noise}{learned}")
    for short, noise in {"clean": "clean", **NOISY}.items()
    for end, learned in (("", ""), (".mixed", ", learned in each"))
}
SLOT_GAINS["slots.gain.unprepared"] = (
    "babble -10 dB, learned clean",
    "both less the better one, learned clean, babble -10 dB",
)
METHODS = {"synchronous": "synchronous", "cca": POOLED, "pca": FLAT} | {
    f"late{n}": f"sound {n * 40} ms late" for n in SHIFTS
}
MATCHED = {
    f"{short}.{way}": (method, direction, "R@1", f"{direction}, R@1 of {method}")
    for short, method in METHODS.items()
    for way, direction in WAYS.items()
}
STREAMS = ("pixels", "frame differences", "displacement", "mel", "loudness")
LESS = {f"less.{name.split()[-1]}": (f"without {name}", "minus all", f"R@1 changed without {name}") for name in STREAMS}
SPEAKING = {f"of{k}": ("synchronous", WAYS["voice"], f"of {k}", f"of {k} faces") for k in (2, 4)}
ACCURACY = {name: (f"{name}{clean}", name) for name, clean in (("lips", ""), ("sound", ", clean"), ("both", ", clean"))}
SHARE: dict[str, Any] = {"unit": "%", "n": "{n} splits", "scale": 100}
MORE: dict[str, Any] = {"unit": "points", "format": "+.1f", "scale": 100}
FIGURES = [
    *family(("match", "methods"), MET, MATCHED, **SHARE),
    *family(("match",), MET, {"chance": ("chance", "R@1", "R@1 by chance")}, unit="%", scale=100),
    *family(("match", "methods"), "who is speaking", SPEAKING, **SHARE),
    *(
        Figure(
            f"over_{short}.{way}",
            ("match", f"synchronous - {short} at R@1", direction),
            f"{MET}: {direction}, R@1 of synchronous less that of {method}",
            n="{n} splits",
            **MORE,
        )
        for short, method in (("cca", POOLED), ("pca", FLAT))
        for way, direction in WAYS.items()
    ),
    *family(("streams",), MET, {"streams": ("all", "R@1 both ways", "all streams, R@1 both ways")}, **SHARE),
    *family(("streams",), MET, LESS, n="{n} splits", **MORE),
    *(
        Figure(
            f"slots.{name}", ("slots", "accuracy", key, "mean"), f"{SAID}: {words}", "%", n="{clips} clips", scale=100
        )
        for name, (key, words) in ACCURACY.items()
    ),
    *(
        Figure(name, ("slots", "both - the better one", key, "mean"), f"{SAID}: {words}", n="{clips} clips", **MORE)
        for name, (key, words) in SLOT_GAINS.items()
    ),
    *family(
        ("slots", "lips - pixels"), SAID, {"slots.lips-pixels": ("mean", "lips less pixels")}, n="{clips} clips", **MORE
    ),
]


class Faces:
    """The pack: `(n, 75, d)` float32 of each stream, and the words."""

    def __init__(self) -> None:
        self.table = table("grid_s1")
        self.n = len(self.table["id"])
        self.paths = files("grid_s1", "video")
        self.video = self.shown(PixelsVideo(steps=STEPS))
        say("pixels", self.video.shape)
        self.mel = MelAudio(steps=STEPS)
        decoded = scale.threads(lambda item: decode(item, self.mel.wants), files("grid_s1", "audio"))
        self.sounds = [found.sound for found in decoded]
        self.audio = self.heard(self.sounds)
        say("sound", self.audio.shape)

    def shown(self, encoder: Any) -> np.ndarray:
        """`(n, 75, d)` of the videos."""
        made = scale.threads(lambda item: encoder.describe(decode(item, encoder.wants)), self.paths)
        return np.stack([np.asarray(one, np.float32).reshape(STEPS, -1) for one in made])

    def heard(self, sounds: list[np.ndarray]) -> np.ndarray:
        """`(n, 75, d)` of sounds."""
        made = scale.threads(lambda s: self.mel.describe(Decoded(len(s) / 16000, sound=s, rate=16000)), sounds)
        return np.stack([np.asarray(one, np.float32).reshape(STEPS, -1) for one in made])

    def noisy(self, kind: str, decibels: float, seed: int = 0) -> np.ndarray:
        """As `heard`, with noise added so that the sound is `decibels` above it; babble is four other clips."""
        rng = np.random.default_rng(seed)
        mixed = []
        for i, sound in enumerate(self.sounds):
            if kind == "white":
                noise = rng.normal(size=len(sound))
            else:
                others = rng.choice(np.delete(np.arange(self.n), i), 4, replace=False)
                noise = np.sum(
                    [np.roll(self.sounds[j], rng.integers(len(sound)))[: len(sound)] for j in others], axis=0
                )
            level = np.sqrt(np.square(sound).mean() / np.square(noise).mean()) * 10 ** (-decibels / 20)
            mixed.append((sound + level * noise).astype(np.float32))
        return self.heard(mixed)


def paired(audio: np.ndarray, video: np.ndarray) -> Views:
    """Two views `(n, ...)`, each row flat."""
    return Views({n: Column("vector", x.reshape(len(x), -1)) for n, x in (("audio", audio), ("video", video))})


def splits(n: int, count: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """650/75/75 rows, re-drawn."""
    orders = [np.random.default_rng(seed).permutation(n) for seed in range(count)]
    return [(order[: n - 150], order[n - 150 : n - 75], order[n - 75 :]) for order in orders]


def ranks(mapped: Views) -> dict[str, np.ndarray]:
    """The rank of the right one by direction, ties counted against it."""
    a, b = (normalize(mapped[name].items[mapped[name].index]) for name in ("audio", "video"))
    scores = a @ b.T
    right = np.diag(scores)
    return {"sound -> face": (scores >= right[:, None]).sum(axis=1), "face -> sound": (scores >= right).sum(axis=0)}


def among(rank: np.ndarray, k: int, gallery: int = 75) -> float:
    """How often the right one of k is first, its rivals drawn from the gallery: exact, over all draws."""
    return float(np.mean([comb(gallery - int(r), k - 1) / comb(gallery - 1, k - 1) for r in rank]))


MEASURES: dict[str, Hits] = {
    "R@1": lambda rank: float((rank <= 1).mean()),
    "R@5": lambda rank: float((rank <= 5).mean()),
    "of 2": lambda rank: among(rank, 2),
    "of 4": lambda rank: among(rank, 4),
}
CHANCE = {"R@1": 1 / 75, "R@5": 5 / 75, "of 2": 1 / 2, "of 4": 1 / 4}


def gathered(found: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Figures of each direction over splits, with their intervals."""
    return {
        direction: {
            name: apart([figure(one[direction]) for one in found], 0, 75, 650) for name, figure in MEASURES.items()
        }
        for direction in found[0]
    }


def pooled(steps: np.ndarray, kind: str) -> np.ndarray:
    """Over time: mean, standard deviation, or both."""
    both = {"mean": steps.mean(axis=1), "deviation": steps.std(axis=1)}
    return both[kind] if kind in both else np.concatenate(list(both.values()), axis=1)


def match(faces: Faces, count: int) -> dict[str, Any]:
    """Retrieval both ways, what a shift does, and who is speaking."""
    whole = paired(faces.audio, faces.video)
    plain = {
        f"cca, {kind}": paired(pooled(faces.audio, kind), pooled(faces.video, kind))
        for kind in ("mean and deviation", "mean", "deviation")
    }
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    flat, chosen, flat_chosen, seconds = Flat(faces.audio, faces.video), [], [], []
    for train, val, test in splits(faces.n, count):
        started = time.perf_counter()
        model = Synchronous(steps=STEPS).fit(whole[train], val=whole[val])
        seconds.append(time.perf_counter() - started)
        chosen.append(model.chosen_)
        found.setdefault("synchronous", []).append(ranks(model.transform(whole[test])))
        for shift in SHIFTS:
            moved = paired(np.roll(faces.audio[test], shift, axis=1), faces.video[test])
            found.setdefault(f"sound {shift * 40} ms late", []).append(ranks(model.transform(moved)))
        for name, views in plain.items():
            learned = CCA().fit(views[train], val=views[val])
            found.setdefault(name, []).append(ranks(learned.transform(views[test])))
        found.setdefault(FLAT, []).append(ranks(flat.fit(train, val).transform(test)))
        flat_chosen.append(flat.chosen)
        say("match", {n: round(MEASURES["R@1"](np.concatenate(list(r[-1].values()))), 3) for n, r in found.items()})
    hits = {
        name: {way: [MEASURES["R@1"](one[way]) for one in runs] for way in WAYS.values()}
        for name, runs in found.items()
    }
    gained = {
        f"synchronous - {short} at R@1": {
            way: apart(hits["synchronous"][way], hits[name][way], 75, 650) for way in WAYS.values()
        }
        for short, name in (("cca", POOLED), ("pca", FLAT))
    }
    return {
        "chance": {name: round(value, 4) for name, value in CHANCE.items()},
        "methods": {name: gathered(one) for name, one in found.items()},
        **gained,
        "chosen": chosen,
        "chosen for the components": flat_chosen,
        "fit_seconds": round(float(np.median(seconds)), 1),
    }


def streams(faces: Faces, count: int) -> dict[str, Any]:
    """Retrieval with each stream left out in turn."""
    cells = faces.video.shape[2] // 2
    held = {
        "pixels": faces.video[..., :cells],
        "frame differences": faces.video[..., cells:],
        "displacement": faces.shown(MotionVideo("displacement", steps=STEPS, fps=25.0)),
        "mel": faces.audio[..., 1:26],
        "loudness": faces.audio[..., [0, 26]],
    }
    sides = (("mel", "loudness"), ("pixels", "frame differences", "displacement"))
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for train, _, test in splits(faces.n, count):
        scaled = {}
        for name, steps in held.items():
            spread = np.sqrt(np.square(steps[train] - steps[train].mean(axis=1, keepdims=True)).sum(axis=2).mean())
            scaled[name] = steps / spread
        for left_out in (None, *held):
            sound, face = (np.concatenate([scaled[n] for n in side if n != left_out], axis=2) for side in sides)
            views = paired(sound, face)
            model = Synchronous(steps=STEPS, context=2, ridge=0.01, k=32).fit(views[train])
            name = "all" if left_out is None else f"without {left_out}"
            found.setdefault(name, []).append(ranks(model.transform(views[test])))
        say("streams", {n: round(MEASURES["R@1"](np.concatenate(list(r[-1].values()))), 3) for n, r in found.items()})

    def mean(one: Mapping[str, np.ndarray]) -> float:
        return MEASURES["R@1"](np.concatenate(list(one.values())))

    return {
        name: {
            "R@1 both ways": apart([mean(one) for one in runs], 0, 75, 650),
            "minus all": apart([mean(one) for one in runs], [mean(one) for one in found["all"]], 75, 650),
        }
        for name, runs in found.items()
    }


def coarse(steps: np.ndarray) -> np.ndarray:
    """`(n, 75, d)` -> `(n, 15 d)`: means of five steps."""
    return steps.reshape(len(steps), COARSE, STEPS // COARSE, -1).mean(axis=2).reshape(len(steps), -1)


def slots(faces: Faces) -> dict[str, Any]:
    """What was said, from sound, lips and both, clean and in noise."""
    scored = np.setdiff1d(np.arange(faces.n), LOOKED_AT)
    folds = np.array_split(np.random.default_rng(1).permutation(scored), 5)
    sounds = {}
    for name, decibels in NOISES.items():
        sounds[name] = coarse(faces.audio if decibels is None else faces.noisy(name.split()[0], decibels))
        say("slots", name)
    dealt = np.random.default_rng(2).integers(len(sounds), size=faces.n)
    taught = {**sounds, "in each": np.stack(list(sounds.values()))[dealt, np.arange(faces.n)]}
    whole = paired(faces.audio, faces.video)
    words = {slot: np.array(faces.table[slot], dtype=object).astype(str) for slot in SLOTS}
    right: dict[str, dict[str, np.ndarray]] = {}

    def answered(name: str, slot: str, rows: np.ndarray, predicted: np.ndarray) -> None:
        right.setdefault(name, {s: np.zeros(faces.n) for s in SLOTS})[slot][rows] = predicted == words[slot][rows]

    for test in folds:
        train = np.setdiff1d(np.arange(faces.n), test)
        model = Synchronous(steps=STEPS, context=4, ridge=0.01, k=16).fit(whole[train])
        lips = coarse(model.transform({"video": whole["video"].items})["video"].items.reshape(faces.n, STEPS, -1))
        reduced = faces.video - faces.video.mean(axis=1, keepdims=True)
        pixels = coarse(reduced @ model.bases_["video"])
        for slot in SLOTS:
            y = words[slot]
            commonest = max(sorted(set(y[train])), key=list(y[train]).count)
            answered("commonest", slot, test, np.full(len(test), commonest))
            answered(
                "pixels", slot, test, Early().fit({"pixels": pixels[train]}, y[train]).predict({"pixels": pixels[test]})
            )
            for learned, sound in taught.items():
                fused = Early().fit({"sound": sound[train], "lips": lips[train]}, y[train])
                if learned == "clean":
                    answered("lips", slot, test, fused.predict({"lips": lips[test]}))
                for asked in ASKED.get(learned, (learned,)):
                    views = {"sound": sounds[asked][test], "lips": lips[test]}
                    name = asked if asked == learned else f"{asked}, learned {learned}"
                    answered(f"sound, {name}", slot, test, fused.predict({"sound": views["sound"]}))
                    answered(f"both, {name}", slot, test, fused.predict(views))
        say("slots", {name: round(np.mean([one[s][test].mean() for s in SLOTS]), 3) for name, one in right.items()})
    draws = Draws(scored)

    def sampled(name: str, slot: str) -> Any:
        held = right[name]
        return draws.mean((np.mean(list(held.values()), axis=0) if slot == "mean" else held[slot])[scored])

    table = {n: {slot: interval_of(*sampled(n, slot)) for slot in (*SLOTS, "mean")} for n in right}
    against = {}
    for name in [one.removeprefix("both, ") for one in right if one.startswith("both, ")]:
        against[name] = {}
        for slot in (*SLOTS, "mean"):
            alone = {one: sampled(one, slot) for one in (f"sound, {name}", "lips")}
            better = max(alone, key=lambda one: alone[one][0])
            against[name][slot] = {"better": better, **difference(sampled(f"both, {name}", slot), alone[better])}
    return {
        "clips": len(scored),
        "accuracy": table,
        "both - the better one": against,
        "lips - pixels": {s: difference(sampled("lips", s), sampled("pixels", s)) for s in (*SLOTS, "mean")},
    }


def shown(result: dict[str, Any]) -> None:
    def cell(one: dict[str, Any]) -> str:
        return f"{100 * one['value']:5.1f} [{100 * one['low']:5.1f}, {100 * one['high']:5.1f}]"

    if "match" in result:
        for name, one in result["match"]["methods"].items():
            for direction, figures in one.items():
                print(f"{name:26s} {direction}  " + "  ".join(f"{n} {cell(v)}" for n, v in figures.items()))
        for short in ("cca", "pca"):
            for way, one in result["match"][f"synchronous - {short} at R@1"].items():
                print(f"synchronous - {short}          {way}  R@1 {cell(one)}")
    for name, one in result.get("streams", {}).items():
        print(f"{name:26s} " + "  ".join(f"{n} {cell(v)}" for n, v in one.items()))
    if "slots" in result:
        for part in ("accuracy", "both - the better one"):
            print(part)
            for name, one in result["slots"][part].items():
                print(f"{name:36s} " + "  ".join(f"{s[:7]} {cell(v)}" for s, v in one.items()))
        print("lips - pixels  " + "  ".join(f"{s[:7]} {cell(v)}" for s, v in result["slots"]["lips - pixels"].items()))


def main() -> None:
    parser = arguments(__doc__, ("match", "streams", "slots"))
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    faces = Faces()
    parts = args.parts or ["match", "streams", "slots"]
    result: dict[str, Any] = {"clips": faces.n}
    if "match" in parts:
        result["match"] = match(faces, args.splits)
    if "streams" in parts:
        result["streams"] = streams(faces, min(5, args.splits))
    if "slots" in parts:
        result["slots"] = slots(faces)
    shown(result)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
