"""surv_fight: fight or not, by what moves; each stream alone and dropped, frames in random order, and moving regions.

`python -m benchmarks.time.surveillance`. 300 clips in 5 folds of neighbors: a block is 10 neighbors by number within a
label (they may come from one film), fold = block modulo 5. Head: `early` (kernel ridge), everything chosen by
cross-validation of blocks inside the training folds. What `motion_video` computes was not: six designs were tried on
these folds (docs/log.md), so its figure flatters it. Baseline: mean absolute frame difference on 12 x 16 cells,
standardized, logistic regression, C by the likelihood of held-out blocks. Intervals and differences: bootstrap over the
30 blocks, paired.

Order: the frames of every clip at random, the times as they were; by the head that learned from films in order, and by
one that learned from shuffled films too.

Regions: a patch of real texture with a ragged outline crosses clips in which little moves; the mask is known. `moving`
was made with clips of even number, and is scored on odd ones; so was the threshold of the baseline, the plain absolute
difference to the frame before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks._sets import fights
from benchmarks._trials import Figure, arguments, finish
from chiasm.encode._motion import changes
from chiasm.encode.frames_video import FramesVideo
from chiasm.encode.motion_video import MotionVideo
from chiasm.encoding import Encoding
from chiasm.fuse.auto import Auto
from chiasm.fuse.early import Early
from chiasm.media.clips import Decoded, decode
from chiasm.media.regions import moving
from chiasm.stats.resample import Draws, Sampled, difference, interval_of
from chiasm.views import Column, Views

STREAMS = {
    "differences": MotionVideo("differences"),
    "displacement": MotionVideo("displacement"),
    "frames": FramesVideo(),
}
MOTION = ["differences", "displacement"]
STILLEST, PATCHES = 20, 3
TUNED = "grid of differences, logistic, C by inner folds (baseline)"
PLAIN = "grid of differences, logistic, C = 1"
WHOLE = "motion (differences + displacement)"
SHUFFLED = ("motion, tested on shuffled frames", "motion, learned from and tested on shuffled frames")
BEFORE = "difference to the frame before"
FIGHT, CLIPS = "fights in surveillance clips, folds of neighboring blocks", "{clips} clips, 30 blocks"
DESIGNED = "; six designs were tried on these folds"
TRIED = dict.fromkeys((WHOLE, "differences alone", "displacement alone", "all three", *SHUFFLED), DESIGNED)
FIGURES = [
    *(
        Figure(short, ("accuracy", name), f"{FIGHT}: {name}{TRIED.get(name, '')}", "%", n=CLIPS, scale=100)
        for short, name in (
            ("motion", WHOLE),
            ("plain", PLAIN),
            ("tuned", TUNED),
            ("differences", "differences alone"),
            ("displacement", "displacement alone"),
            ("pictures", "frames alone"),
            ("all", "all three"),
            ("shuffled", SHUFFLED[0]),
            ("shuffled.both", SHUFFLED[1]),
        )
    ),
    *(
        Figure(short, ("differences, paired", name), f"{FIGHT}: {name}{DESIGNED}", "points", "+.1f", CLIPS, 100)
        for short, name in (
            ("motion-plain", f"motion - {PLAIN}"),
            ("motion-tuned", f"motion - {TUNED}"),
            ("pictures.add", "all three - without frames"),
        )
    ),
    *(
        Figure(short, ("regions", key), f"the moving region on composed films, {what}", format=form, n="{films} films")
        for short, key, what, form in (
            ("region", "mean IoU, moving", "IoU", ".3f"),
            ("region.before", f"mean IoU, {BEFORE}", "IoU of plain frame differences", ".3f"),
        )
    ),
]


def crossed(views: Views, names: list[str], fold: np.ndarray, tested: Views | None = None, head: Any = None) -> Any:
    """`(n,)` the class of each clip by what was learned from the other folds; `tested` may hold the clips altered."""
    out = np.empty(len(views), dtype=object)
    chosen, other = ({n: v.columns[n] for n in names} for v in (views, tested or views))
    for one in np.unique(fold):
        inside, outside = fold != one, fold == one
        made = (head or Early)().fit(views.replace(chosen)[inside])
        out[outside] = made.predict(views.replace(other)[outside])
    return out


def plain(views: Views, cells: np.ndarray, fold: np.ndarray, fixed: bool = False) -> np.ndarray:
    """The baseline; `fixed`: without scaling, C = 1."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    out = np.empty(len(views), dtype=object)
    number = views.facts["block"]
    for one in np.unique(fold):
        rows = np.flatnonzero(fold != one)
        model: Any = LogisticRegression(max_iter=5000)
        if not fixed:
            inner = list(GroupKFold(4).split(rows, groups=number[rows]))
            grid = {"logisticregression__C": 10.0 ** np.arange(-5, 3)}
            model = make_pipeline(StandardScaler(), model)
            model = GridSearchCV(model, grid, cv=inner, scoring="neg_log_loss")
        out[fold == one] = model.fit(cells[rows], views.label[rows]).predict(cells[fold == one])
    return out


def motion(clips: list[Decoded], rng: np.random.Generator | None = None) -> dict[str, Column]:
    """The motion streams of decoded clips; with `rng`, of their frames in random order."""
    out = {}
    orders = [np.arange(len(c.gray)) if rng is None else rng.permutation(len(c.gray)) for c in clips]
    for name in MOTION:
        made = [
            STREAMS[name].describe(Decoded(c.seconds, gray=c.gray[order], gray_times=c.gray_times))
            for c, order in zip(clips, orders, strict=True)
        ]
        out[name] = Column("vector", np.stack(made))
    return out


def patch(rng: np.random.Generator, film: np.ndarray, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A film with a patch of another's middle frame on its way through, and where the patch is."""
    t, rows, columns = film.shape
    h = int(rng.uniform(0.25, 0.5) * rows)
    w = int(h * rng.uniform(0.5, 1.1))
    y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    edge = 0.75 + sum(rng.normal(0, 0.07) * np.cos(k * np.arctan2(y, x) + rng.uniform(0, 6.28)) for k in range(2, 6))
    shape = np.hypot(y, x) < edge
    top, left = rng.integers(rows - h + 1), rng.integers(columns - w + 1)
    pixels = texture[top : top + h, left : left + w]
    down = np.linspace(*rng.uniform(0, rows - h, 2), t).round().astype(int)
    across = np.linspace(rng.uniform(-0.2, 0.1) * columns, rng.uniform(0.9, 1.2) * columns - w, t).round().astype(int)
    across = across[::-1] if rng.random() < 0.5 else across
    wide, mask = np.pad(film, ((0, 0), (0, 0), (w, w))), np.zeros((t, rows, columns + 2 * w), dtype=bool)
    for i in range(t):
        place = i, slice(down[i], down[i] + h), slice(max(across[i], -w) + w, max(across[i], -w) + 2 * w)
        cut = wide[place].shape[1]
        wide[place][shape[:, :cut]] = pixels[:, :cut][shape[:, :cut]]
        mask[place] = shape[:, :cut]
    return wide[:, :, w:-w], mask[:, :, w:-w]


def composed(clips: list[Decoded], odd: bool, seed: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(clip, film, true mask) of patches in the stillest clips of odd or even number."""
    rng = np.random.default_rng(seed)
    mine = [i for i in range(len(clips)) if (i % 2 == 0) == odd]  # clip 0 has number 1
    for i in sorted(mine, key=lambda i: float(changes(clips[i].gray).mean()))[:STILLEST]:
        for _ in range(PATCHES):
            other = clips[rng.choice([j for j in mine if j != i])].gray
            yield i, *patch(rng, clips[i].gray, other[len(other) // 2])


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / (found | truth).sum())


def before(film: np.ndarray, threshold: int) -> np.ndarray:
    """The baseline: what differs from the frame before."""
    masks: np.ndarray = np.abs(np.diff(film.astype(np.int16), axis=0, prepend=film[:1])) > threshold
    return masks


def regions(clips: list[Decoded]) -> dict[str, Any]:
    ours, plain_, film = [], [], []
    even = list(composed(clips, odd=False, seed=1))
    tried = {t: np.mean([iou(before(f, t), m) for _, f, m in even]) for t in (2, 4, 8, 12, 16, 24)}
    threshold = max(tried, key=lambda t: tried[t])
    for i, frames, mask in composed(clips, odd=True, seed=2):
        film.append(i)
        ours.append(iou(moving(frames), mask))
        plain_.append(iou(before(frames, threshold), mask))
    draws = Draws(np.array(film))
    a, b = draws.mean(np.array(ours)), draws.mean(np.array(plain_))
    return {
        "films": len(film),
        "clips behind them": draws.clusters,
        "mean IoU, moving": interval_of(*a),
        f"mean IoU, {BEFORE}": interval_of(*b),
        "its threshold": threshold,
        "difference": difference(a, b),
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    raw, block, paths = fights()
    encoders = {**STREAMS, "grid": MotionVideo("grid")}
    fold = block % 5
    group = np.array([f"{label} {b}" for label, b in zip(raw.label, block, strict=True)])
    columns = {name: Column("video", paths) for name in encoders}
    views = Views(columns, raw.ids, {"label": raw.label, "group": group, "block": block})
    encoded = Encoding(encoders).fit_transform(views)
    clips = [decode(path, MotionVideo().wants) for path in paths]
    cells = np.stack([changes(c.gray).mean(axis=0).ravel() for c in clips])

    draws = Draws(group)
    every = list(STREAMS)
    answers = {
        TUNED: plain(encoded, cells, fold),
        PLAIN: plain(encoded, cells, fold, fixed=True),
        "grid of differences, early": crossed(encoded, ["grid"], fold),
        WHOLE: crossed(encoded, MOTION, fold),
        "all three": crossed(encoded, every, fold),
        "all three, auto": crossed(encoded, every, fold, head=Auto),
        **{f"{name} alone": crossed(encoded, [name], fold) for name in every},
        **{f"without {name}": crossed(encoded, [n for n in every if n != name], fold) for name in every},
    }
    ordered = encoded.replace(encoded.columns | motion(clips))
    mixed = encoded.replace(encoded.columns | motion(clips, np.random.default_rng(0)))
    again = encoded.replace(encoded.columns | motion(clips, np.random.default_rng(1)))
    answers[SHUFFLED[0]] = crossed(ordered, MOTION, fold, tested=mixed)
    answers[SHUFFLED[1]] = crossed(again, MOTION, fold, tested=mixed)
    scored: dict[str, Sampled] = {name: draws.accuracy(views.label, found) for name, found in answers.items()}

    def minus(one: str, other: str) -> dict[str, float | None]:
        return difference(scored[one], scored[other])

    differences = {
        f"motion - {name}": minus(WHOLE, name) for name in (TUNED, PLAIN, "frames alone", "all three", *SHUFFLED)
    }
    differences |= {f"all three - without {name}": minus("all three", f"without {name}") for name in every}
    print(f"{'what, 300 clips, 30 blocks':62} accuracy %")
    for name, found in scored.items():
        at = interval_of(*found)
        folds = [round(100 * float((answers[name] == views.label)[fold == f].mean())) for f in range(5)]
        print(f"{name:62} {_percent(at)}   by fold {folds}")
    for name, at in differences.items():
        print(f"{name:82} {_percent(at)}")
    long = np.concatenate([clips[0].gray] * 5)[:75]
    film = Decoded(6.25, gray=long, gray_times=np.arange(75) / 12)
    took = []
    for _ in range(9):
        started = time.process_time()
        MotionVideo().describe(film)
        took.append(1000 * (time.process_time() - started))
    finish(
        {
            "clips": len(views),
            "accuracy": {name: interval_of(*found) for name, found in scored.items()},
            "differences, paired": differences,
            "regions": regions(clips),
            "motion_video, ms of one core for 75 frames, median": round(float(np.median(took)), 1),
        },
        FIGURES,
        args,
    )


def _percent(at: dict[str, float | None]) -> str:
    return f"{100 * (at['value'] or 0):5.1f} [{100 * (at['low'] or 0):.1f}, {100 * (at['high'] or 0):.1f}]"


if __name__ == "__main__":
    main()
