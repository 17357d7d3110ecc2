"""Shots and key frames: films composed of real clips, with known cuts and known highlights.

`python -m benchmarks.time.summaries [PART ...] [--films N]`; the parts are

- films: N films (32) of 20 shots from 10 scenes that return, some often and long, some once and short (surveillance
  clips, photos under a slowly moving camera, a talker with his own sound). Cuts found (F1 at one step of 0.5 s) against
  cuts at equal distances; key frames, as many as there are scenes (F1: a scene is found once), against uniform and
  random ones, with and without the sound track. And films of one shot of 30 s: how many cuts are found in them.
- events: N films of such scenes without the talker, under noise whose level drifts; three scenes are marked by a sound
  event (ESC-10, fold 5), once each. Key frames, k = 3, with and without the sound track, against uniform and random.
  One photo's caption is then given as words, k = 1 and k = 3: is its scene found? The space is learned from the 1,697
  other photos of coco2k; films hold photos of its test split alone.

Films are drawn by seed. Settings were chosen on other films, of training clips, photos and sounds (`--dev` shows
them), but for two: that loudness does not count beside words, and that a slow pan is no cut, followed a look at these.
Intervals: 95 %, over films drawn again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sets import pictures
from benchmarks._trials import arguments, family, finish, more_than, say
from benchmarks.time._films import FPS, STEP, Film, Pools, prepared, shot_of
from chiasm.stats.resample import Draws

CUTS, KEYS = "cuts, F1", "key frames, F1"
MARKED, NAMED = "scenes marked by a sound, F1 at k = 3", "scene of the words among 1"
SHOWN: dict[str, Any] = {"unit": "%", "n": "{films} films"}
FIGURES = [
    *family(
        ("films", CUTS, "%"),
        "cuts of composed films, F1",
        {
            "cuts": ("ours", "ours"),
            "cuts.plain": ("mean + 2 sd of neighbors", "mean + 2 deviations"),
            "cuts.equal": ("equal distances, true number", "equal distances"),
        },
        **SHOWN,
    ),
    *family(
        ("films", KEYS, "%"),
        "key frames of composed films, k = 10, F1",
        {"keys": ("pictures", "ours"), "keys.uniform": ("uniform", "uniform")},
        **SHOWN,
    ),
    *family(
        ("events", MARKED, "%"),
        "scenes marked by a sound, k = 3, F1",
        {
            "marked": ("pictures + sound", "with the sound track"),
            "marked.silent": ("pictures", "without it"),
            "marked.loudest": ("loudest", "the loudest steps"),
            "marked.uniform": ("uniform", "uniform"),
        },
        **SHOWN,
    ),
    *family(
        ("events", NAMED, "%"),
        "the scene of a caption, k = 1",
        {
            "named": ("words", "by words"),
            "named.none": ("no words", "without words"),
            "named.uniform": ("uniform", "uniform"),
        },
        **SHOWN,
    ),
]


def cut_f1(found: np.ndarray, true: np.ndarray) -> float:
    """F1 of cuts, each found one matched with at most one true one within a step."""
    left, hits = true.tolist(), 0
    for time_ in found.tolist():
        near = [t for t in left if abs(t - time_) <= STEP + 1e-6]
        if near:
            left.remove(min(near, key=lambda t: abs(t - time_)))
            hits += 1
    return 2 * hits / max(1, len(found) + len(true))


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
        CUTS: more_than(draws, cuts, "ours"),
        KEYS: more_than(draws, keys, "pictures"),
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

    views = pictures("coco2k", split="split")
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
        MARKED: more_than(draws, marked, "pictures + sound"),
        **{f"scene of the words among {k}": more_than(draws, of, "words") for k, of in named.items()},
        "scenes found at k = 10": more_than(draws, covered, "pictures + sound"),
    }


def main() -> None:
    parser = arguments(__doc__, ("films", "events"))
    parser.add_argument("--films", type=int, default=32)
    parser.add_argument("--dev", action="store_true", help="the films on which settings were chosen")
    parser.add_argument("--keep", type=Path, help="keep what was read of the films in this folder")
    args = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        keep = args.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        if "films" in (args.parts or ["films"]):
            result["films"] = films(args.films, args.dev, keep) | single(args.dev, keep)
        if "events" in (args.parts or ["events"]):
            result["events"] = events(args.films, args.dev, keep)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
