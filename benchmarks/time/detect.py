"""What is unusual: broken pairs, odd rows, fights among surveillance clips, in films made of them, and live.

`python -m benchmarks.time.detect [pairs|rows|clips|films|live ...]`; all five without a name.

pairs: coco2k, 5 % of the captions moved to other pictures, ten times; learned from the broken table itself.
rows: scikit-learn's digits, breast cancer, wine and iris, each class once as normal; isolation forest beside.
clips: surv_fight, five folds of neighboring blocks; learned from normal clips alone, or from both labels.
films: 20 films of a test fold's clips in random order; verdicts by frame, alarms, their names and their delay.
live: frames through an operating system's pipe by the clock; the delay of the verdicts.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from typing import Any, ClassVar

import numpy as np

import chiasm
from benchmarks._shared import finish, pack
from chiasm.align.cca import CCA
from chiasm.encoding import Encoding
from chiasm.media.clips import Wants, decode
from chiasm.splits import cut
from chiasm.stats.dealing import cosine
from chiasm.stats.resample import Draws, difference, interval_of, redrawn_interval
from chiasm.tasks._detect.alarms import Alarm, found_spans, levels
from chiasm.tasks.detect import Detect
from chiasm.views import Column, Views

FOLDS = 5
BROKEN = 0.05
IOU = 0.3
FILMS, NORMAL, FIGHTS = 4, 16, 8
"""Films of a fold, and the clips of each."""

TEXTS = {"normal": "people walk by", "fight": "two people fight"}


def auroc(wrong: np.ndarray, values: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(wrong, values))


def within(wrong: np.ndarray, values: np.ndarray) -> float:
    """The share of wrong rows among as many as there are, the most unusual first."""
    return float(wrong[np.argsort(-values, kind="stable")[: wrong.sum()]].mean())


def drawn(values: list[float]) -> dict[str, float]:
    """Mean and 95 % interval over the draws, which share their rows."""
    return redrawn_interval(np.array(values), BROKEN, 1 - BROKEN)


def pairs() -> dict[str, Any]:
    """Broken captions: each sign alone, all together, and the plain cosine of the same spaces out of fold."""
    views = chiasm.read(pack("coco2k") / "data.parquet", text="caption", image="image", id="id")
    encoded = Encoding().fit(views).transform(views)
    figures: dict[str, list[tuple[float, float]]] = {}
    for seed in range(1, 11):
        rows = np.random.default_rng(seed).permutation(len(encoded))[: round(BROKEN * len(encoded))]
        column = encoded["caption"]
        index = column.index.copy()
        index[rows] = np.roll(index[rows], 1)
        caption = Column("text", column.items, index, labels=column.labels, digests=column.digests)
        broken = encoded.replace({**encoded.columns, "caption": caption})
        wrong = index != column.index
        Kept.held.clear()
        model = Detect(align=Kept()).fit(broken)
        fits = len(Kept.held)
        signs = model.signs(broken)
        tried = {
            "pairs": signs["caption, image"],
            "caption alone": signs["caption"],
            "image alone": signs["image"],
            "all together": model.outputs(broken),
            "cosine": -cosines(broken),
        }
        assert len(Kept.held) == fits  # the folds were the same
        for name, values in tried.items():
            figures.setdefault(name, []).append((auroc(wrong, values), within(wrong, values)))
        print(seed, {name: np.round(found[-1], 3).tolist() for name, found in figures.items()}, flush=True)
    table: dict[str, Any] = {"rows": len(encoded), "broken": int(wrong.sum()), "draws": 10}
    for name, found in figures.items():
        area, share = zip(*found, strict=True)
        table[name] = {"AUROC": drawn(list(area)), "precision at 5 %": drawn(list(share))}
    ours, theirs = np.array(figures["pairs"]), np.array(figures["cosine"])
    table["pairs - cosine"] = {
        "AUROC": drawn((ours - theirs)[:, 0].tolist()),
        "precision at 5 %": drawn((ours - theirs)[:, 1].tolist()),
    }
    return table


class Kept(CCA):
    """CCA that remembers its fits, so that the plain cosine is that of the same spaces."""

    held: ClassVar[dict[bytes, Any]] = {}

    def fit(self, views: Any, y: Any = None, *, val: Any = None) -> Any:
        key = views.ids.astype(str).tobytes()
        if key not in self.held:
            self.held[key] = CCA().fit(views)
        vars(self).update(self.held[key].learned())
        return self


def cosines(views: Views) -> np.ndarray:
    """`(n,)` the cosine of each row's pair in the space learned without its fold, the detector's folds."""
    fold = cut(views, {str(k): 1 for k in range(FOLDS)}, 0)
    out = np.empty(len(views))
    for k in range(FOLDS):
        space = Kept().fit(views[fold != str(k)]).transform(views[fold == str(k)])
        out[fold == str(k)] = cosine(space)[:, 0]
    return out


def rows() -> dict[str, Any]:
    """One class is normal, the others are unusual; learned from at most 120 rows of the class.

    Digits, breast cancer and wine were looked at when the two distances were chosen; iris was not.
    """
    from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
    from sklearn.ensemble import IsolationForest

    table = {}
    for load in (load_digits, load_breast_cancer, load_wine, load_iris):
        data = load()
        half = data.data.shape[1] // 2
        found: dict[str, list[Any]] = {"two views and their pair": [], "one view": [], "isolation forest": []}
        for normal in np.unique(data.target):
            mine = np.random.default_rng(0).permutation(np.flatnonzero(data.target == normal))
            learn = mine[: min(len(mine) // 2, 120)]
            held = np.setdiff1d(np.arange(len(data.data)), learn)
            parts = [{"left": data.data[r, :half], "right": data.data[r, half:]} for r in (learn, held)]
            values = (
                Detect().fit(parts[0]).outputs(parts[1]),
                Detect().fit({"all": data.data[learn]}).outputs({"all": data.data[held]}),
                -IsolationForest(random_state=0).fit(data.data[learn]).score_samples(data.data[held]),
            )
            draws = Draws(np.arange(len(held)), seed=int(normal))
            for name, one in zip(found, values, strict=True):
                found[name].append(draws.auc(data.target[held] != normal, one))
        mean = {
            name: (float(np.mean([v for v, _ in f])), np.mean([s for _, s in f], axis=0)) for name, f in found.items()
        }
        one = {name: interval_of(*figure) for name, figure in mean.items()}
        for name in list(found)[:2]:
            one[f"{name} - isolation forest"] = difference(mean[name], mean["isolation forest"])
        table[load.__name__.removeprefix("load_")] = {"classes": len(np.unique(data.target)), **one}
        print(load.__name__, table[load.__name__.removeprefix("load_")], flush=True)
    return table


def fights() -> tuple[Views, np.ndarray, list[str]]:
    """The clips of surv_fight, the fold of each, and the paths."""
    import pandas as pd

    home = pack("surv_fight")
    table = pd.read_parquet(home / "data.parquet")
    paths = [str(home / path) for path in table.video]
    views = Views({"video": Column("video", paths)}, table.id.to_numpy(), {"label": table.label.to_numpy(dtype=object)})
    return views, ((table.num.to_numpy() - 1) // 10) % FOLDS, paths


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
    views, fold, paths = fights()
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
    views, fold, paths = fights()
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
    views, fold, paths = fights()
    frames = [frame for path in paths[:12] for frame in decode(path, Wants(gray=(96, 128))).gray]
    table: dict[str, Any] = {}
    model = Detect({"video": "motion_video"}, normal="normal").fit(views[fold != 0])
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
    parts = {"pairs": pairs, "rows": rows, "clips": clips, "films": films, "live": live}
    named = [name for name in sys.argv[1:] if name in parts] or list(parts)
    finish({name: parts[name]() for name in named})


if __name__ == "__main__":
    main()
