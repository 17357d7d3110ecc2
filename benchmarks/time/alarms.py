"""Alarms: fights among surveillance clips, in films made of them, and live.

`python -m benchmarks.time.alarms [clips|films|live ...]`; all three without a name.

clips: surv_fight, five folds of neighboring blocks; learned from normal clips alone, or from both labels.
films: 20 films of a test fold's clips in random order; verdicts by frame, alarms, their names and their delay.
live: frames through an operating system's pipe by the clock; the delay of the verdicts.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from typing import Any

import numpy as np

from benchmarks._sets import fights
from benchmarks._trials import Figure, arguments, auroc, family, finish
from chiasm.media.clips import Wants, decode
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks._detect.alarms import Alarm, found_spans, levels
from chiasm.tasks.detect import Detect
from chiasm.views import Views

FOLDS = 5
IOU = 0.3
FILMS, NORMAL, FIGHTS = 4, 16, 8
"""Films of a fold, and the clips of each."""

TEXTS = {"normal": "people walk by", "fight": "two people fight"}
WAYS = {
    "labels": ("labels, motion", "learned from labels"),
    "normal": ("normal only, grid", "learned from normal clips alone"),
}
BY_WAY = {f"clips.{short}": (name, "AUROC", f"AUROC, {words}") for short, (name, words) in WAYS.items()}
FRAMES = {f"films.{short}": (name, "frame AUROC", f"frame AUROC, {words}") for short, (name, words) in WAYS.items()}
RAISED = {
    f"{named}.{short}.{figure}": (name, key, figure, f"{figure} of {key} at IoU 0.3, {words}")
    for short, (name, words) in WAYS.items()
    for named, key in (("alarms", "alarms"), ("named", "alarms named a fight"))
    for figure in ("precision", "recall")
}
DELAY = {
    "delay": (WAYS["labels"][0], "delay in seconds", "median", "an alarm after the start, median"),
    "delay.95": (WAYS["labels"][0], "delay in seconds", "95 %", "an alarm after the start, 95 % within"),
}
LIVE = {
    f"live.{fps}.{short}": (f"{fps} frames a second", key, f"{fps} frames a second, {words}")
    for fps in (12, 25)
    for short, key, words in (
        ("delay", "delay, 95 %", "95 % of verdicts within"),
        ("computed", "verdict computed in, 95 %", "95 % computed in"),
    )
}
FIGURES = [
    *family(("clips",), "fights among surveillance clips", BY_WAY, format=".3f", n="{clips} clips"),
    Figure(
        "clips.motion",
        ("clips", "amount of motion", "AUROC"),
        "fights among surveillance clips: AUROC, the mean amount of motion",
        "",
        ".3f",
        "{clips} clips",
    ),
    *family(("films",), "films of 50 s with known fights", FRAMES, format=".3f", n="{films} films"),
    *family(("films",), "films of 50 s with known fights", RAISED, format=".2f", n="{n} in {films} films"),
    *family(("films",), "films of 50 s with known fights", DELAY, unit="s", n="{n} alarms"),
    *family(("live",), "frames from a camera's pipe", LIVE, unit="s", format=".2f", n="{frames} frames"),
]


def detectors(views: Views, learn: np.ndarray) -> dict[str, Detect]:
    """Each way to learn from the rows `learn`."""
    made = {
        "normal only, grid": Detect({"video": "motion_video:grid"}, normal="normal"),
        "normal only, motion": Detect({"video": "motion_video"}, normal="normal"),
        "labels, motion": Detect({"video": "motion_video"}, normal="normal", learn="labels"),
    }
    return {name: model.fit(views[learn]) for name, model in made.items()}


def clips() -> dict[str, Any]:
    """AUROC of single clips, all folds together; intervals draw the 30 blocks of neighbors again."""
    views, number, paths = fights()
    fold = number % FOLDS
    wrong = views.label == "fight"
    block = np.array([f"{label} {place // 10}" for place, label in enumerate(views.label)])  # neighbors, drawn together
    values: dict[str, np.ndarray] = {}
    false: dict[str, list[float]] = {}
    for k in range(FOLDS):
        held = fold == k
        for name, model in detectors(views, ~held).items():
            values.setdefault(name, np.zeros(len(views)))[held] = model.outputs(views[held])
            called = model.answer(views[held])[0]
            false.setdefault(name, []).append(float(called[~wrong[held]].mean()))
    values["amount of motion"] = np.array([motion(path) for path in paths])
    table: dict[str, Any] = {"clips": len(views)}
    sampled, draws = {}, Draws(block)
    for name, one in values.items():
        sampled[name] = draws.auc(wrong, one)
        folds = [round(auroc(wrong[fold == k], one[fold == k]), 3) for k in range(FOLDS)]
        table[name] = {"AUROC": interval_of(*sampled[name]), "of each fold": folds}
        if name in false:
            table[name]["normal clips called unusual"] = round(float(np.mean(false[name])), 3)
        print(name, table[name], flush=True)
    for name in false:
        table[f"{name} - amount of motion"] = difference(sampled[name], sampled["amount of motion"])
    return table


def motion(path: str) -> float:
    gray = decode(path, Wants(gray=(96, 128))).gray.astype(np.float32)
    return float(np.abs(np.diff(gray, axis=0)).mean())


Film = tuple[list[np.ndarray], np.ndarray, list[tuple[float, float]]]
"""Frames, their times, and the spans of fights, in seconds."""


class Reel:
    """The decoded clips, and films made of them."""

    def __init__(self, paths: list[str]):
        self.clips = [decode(path, Wants(gray=(96, 128))) for path in paths]

    def film(self, chosen: np.ndarray, fight: np.ndarray, rng: np.random.Generator) -> Film:
        """Clips one after another in random order; the first begins somewhere in its first second."""
        frames: list[np.ndarray] = []
        times: list[float] = []
        spans: list[tuple[float, float]] = []
        start = -float(rng.uniform(0, 1))
        for i in rng.permutation(chosen).tolist():
            clip = self.clips[i]
            end = start + clip.seconds
            if fight[i]:
                if spans and spans[-1][1] == start:
                    spans[-1] = (spans[-1][0], end)
                else:
                    spans.append((max(start, 0.0), end))
            frames += list(clip.gray)
            times += (start + clip.gray_times).tolist()
            start = end
        kept = [i for i, at in enumerate(times) if at >= 0]
        return [frames[i] for i in kept], np.array([times[i] for i in kept]), spans


def watched(watch: Any, film: Film) -> tuple[np.ndarray, np.ndarray, list[Alarm]]:
    """Times that verdicts stand for, verdicts, and alarms."""
    at, values = [], []
    alarms: list[Alarm] = []
    for frame, time_ in zip(film[0], film[1].tolist(), strict=True):
        before = watch.verdicts
        alarms += watch.feed(time_, frame)
        if watch.verdicts > before:
            at.append(time_ - watch.window / 2)
            values.append(watch.surprise)
    alarms += watch.finish(float(film[1][-1]))
    return np.array(at), np.array(values), list({id(alarm): alarm for alarm in alarms}.values())


def films() -> dict[str, Any]:
    """Frames, alarms and their names, on films of test clips; levels from films of normal training clips."""
    views, block, paths = fights()
    fold = block % FOLDS
    fight = views.label == "fight"
    texts = np.array([TEXTS[label] for label in views.label], dtype=object)
    views = Views(views.columns, views.ids, {"label": texts})
    reel = Reel(paths)
    ways = {
        "normal only, grid": ({"video": "motion_video:grid"}, "normal"),
        "labels, motion": ({"video": "motion_video"}, "labels"),
    }

    def fitted(way: str, rows: np.ndarray) -> Detect:
        encoders, learn = ways[way]
        return Detect(encoders, normal=TEXTS["normal"], learn=learn).fit(views[rows])

    found: dict[str, dict[str, list[Any]]] = {way: {} for way in ways}
    number = 0
    for k in range(FOLDS):
        namer = fitted("labels, motion", fold != k)
        made = []
        rng = np.random.default_rng(k)
        for _ in range(FILMS):
            normal = rng.choice(np.flatnonzero((fold == k) & ~fight), NORMAL, replace=False)
            fights_ = rng.choice(np.flatnonzero((fold == k) & fight), FIGHTS, replace=False)
            made.append(reel.film(np.concatenate([normal, fights_]), fight, rng))
        for way in ways:
            model = fitted(way, fold != k)
            series = []
            for j in range(FOLDS):
                if j != k:
                    inner = fitted(way, (fold != k) & (fold != j))
                    some = np.random.default_rng(j).choice(np.flatnonzero((fold == j) & ~fight), NORMAL, replace=False)
                    quiet = reel.film(some, fight, np.random.default_rng(j))
                    series.append(watched(inner.watch(), quiet)[:2])
            high, low = levels(series, model.rate, 1.0)
            for place, film in enumerate(made):
                watch = model.watch(high=high, low=low, names=namer)
                at, values, alarms = watched(watch, film)
                note(found[way], number + place, film, at, values, alarms, high)
            print(k, way, f"levels {high:.2f} {low:.2f}", flush=True)
        number += FILMS
    table = {way: summed(notes) for way, notes in found.items()}
    for way, one in table.items():
        print(way, one, flush=True)
    return {"films": number, "iou": IOU, **table}


def note(
    notes: dict[str, list[Any]],
    number: int,
    film: Film,
    at: np.ndarray,
    values: np.ndarray,
    alarms: list[Alarm],
    high: float,
) -> None:
    """Add what a film showed."""
    _, times, spans = film
    true = np.any([(times >= a) & (times < b) for a, b in spans], axis=0)
    level = np.interp(times, at, values)
    for key, value in {"frame": auroc(true, level), "frames": len(times), "seconds": float(times[-1])}.items():
        notes.setdefault(key, []).append(value)
    named = [alarm for alarm in alarms if alarm.event == TEXTS["fight"]]
    for key, kept in (("", alarms), ("named ", named)):
        match = found_spans(kept, spans, IOU)
        right = {i for i, _ in match["pairs"]}
        hit = {j for _, j in match["pairs"]}
        notes.setdefault(f"{key}right", []).extend((number, i in right) for i in range(len(kept)))
        notes.setdefault(f"{key}hit", []).extend((number, j in hit) for j in range(len(spans)))
        if not key:
            notes.setdefault("delay", []).extend(kept[i].raised - spans[j][0] for i, j in match["pairs"])
            names = [(number, kept[i].event == TEXTS["fight"]) for i in range(len(kept)) if i in right]
            notes.setdefault("name of right", []).extend(names)
            names = [(number, kept[i].event == TEXTS["normal"]) for i in range(len(kept)) if i not in right]
            notes.setdefault("name of false", []).extend(names)


def summed(notes: dict[str, list[Any]]) -> dict[str, Any]:
    """Figures with intervals that draw whole films again."""

    def share(key: str) -> Any:
        if not notes[key]:
            return None
        film, true = zip(*notes[key], strict=True)
        return {**interval_of(*Draws(np.array(film)).mean(np.array(true, float))), "n": len(true)}

    delay = np.array(notes["delay"])
    return {
        "seconds": round(sum(notes["seconds"])),
        "frame AUROC": interval_of(*Draws(np.arange(len(notes["frame"]))).mean(np.array(notes["frame"]))),
        "alarms": {"precision": share("right"), "recall": share("hit")},
        "alarms named a fight": {"precision": share("named right"), "recall": share("named hit")},
        "right alarms named a fight": share("name of right"),
        "false alarms named as people walking by": share("name of false"),
        "delay in seconds": {
            "median": round(float(np.median(delay)), 2),
            "95 %": round(float(np.quantile(delay, 0.95)), 2),
            "n": len(delay),
        },
    }


def live() -> dict[str, Any]:
    """The delay from a frame's time to the verdict on it, by the clock, through a pipe."""
    views, block, paths = fights()
    frames = [frame for path in paths[:12] for frame in decode(path, Wants(gray=(96, 128))).gray]
    table: dict[str, Any] = {}
    model = Detect({"video": "motion_video"}, normal="normal").fit(views[block % FOLDS != 0])
    for fps in (12, 25):
        table[f"{fps} frames a second"] = streamed(model, frames, fps, 20.0)
    return table


def streamed(model: Detect, frames: list[np.ndarray], fps: int, seconds: float) -> dict[str, Any]:
    """Frames written to a pipe when they are due, read and judged at the other end, a verdict every half second."""
    reading, writing = os.pipe()
    began = time.perf_counter()

    def feed() -> None:
        with os.fdopen(writing, "wb") as pipe:
            for i in range(round(fps * seconds)):
                time.sleep(max(0.0, began + i / fps - time.perf_counter()))
                pipe.write(struct.pack("d", time.perf_counter() - began) + frames[i % len(frames)].tobytes())
                pipe.flush()

    thread = threading.Thread(target=feed)
    thread.start()
    watch = model.watch()
    size = frames[0].size
    waiting: list[float] = []
    delays: list[float] = []
    computed: list[float] = []
    with os.fdopen(reading, "rb") as pipe:
        while head := pipe.read(8):
            at = struct.unpack("d", head)[0]
            frame = np.frombuffer(pipe.read(size), np.uint8).reshape(frames[0].shape)
            waiting.append(at)
            before, started = watch.verdicts, time.perf_counter()
            watch.feed(at, frame)
            if watch.verdicts > before:
                now = time.perf_counter()
                computed.append(now - started)
                delays += [now - began - one for one in waiting if one >= watch.window]
                waiting = []
    thread.join()
    return {
        "frames": len(delays),
        "delay, median": round(float(np.median(delays)), 3),
        "delay, 95 %": round(float(np.quantile(delays, 0.95)), 3),
        "verdict computed in, 95 %": round(float(np.quantile(computed, 0.95)), 4),
        "verdicts": len(computed),
    }


def main() -> None:
    parts = {"clips": clips, "films": films, "live": live}
    args = arguments(__doc__, parts).parse_args()
    finish({name: parts[name]() for name in args.parts or parts}, FIGURES, args)


if __name__ == "__main__":
    main()
