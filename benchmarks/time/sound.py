"""What is told from sound alone: ESC-10 (places, animals, things), fsdd (spoken digits), ravdess (emotions in speech).

`python -m benchmarks.time.sound [PART ...]`; the parts are

- esc: 400 clips, 10 classes, the 5 official folds. Bar: 92 %, or else the paired difference to logistic regression.
  Published for these folds (Piczak 2015): random forest 72.7, people 95.7.
- fsdd: 1,200 digits of 6 speakers, the given split (bar: 97 %), and six folds with one speaker each held out.
- ravdess: 1,200 clips, 8 emotions, 20 actors, two left out at a time. Bar: 45 %; the commonest class is 13 %.

Views: `mel` (statistics of cepstrum, pitch, loudness), `steps` (the same over time in 8 parts), `picture` and `long`
(spectrograms of 2 s and of 5 s through the image encoder). Each alone by `early`; all by `early`, which is held against
the bars, and by `auto` where that takes no minutes (esc, and the given split of fsdd). Beside it, on the same folds,
scikit-learn's logistic regression on all of the same views and on the 5 s picture alone. Its columns are standardized;
whether each view is then scaled to the same spread as a whole, and C, are chosen by folds inside the training folds.
`order`: the 8 parts of `steps` shuffled in every clip, for the scored rows only and for all.

The encoders' settings were chosen without the scored rows of ESC-10 (on the 40 other classes of the pack) and of fsdd
(on training rows), and of ravdess on actors 1-10: the figure of actors 11-20 stands beside the whole.

Intervals draw whole recordings (esc), clips (fsdd) or actors (ravdess) again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import only, pack, table
from benchmarks._trials import Figure, arguments, finish, say
from chiasm import registry
from chiasm.encode.mel_audio import MelAudio
from chiasm.encode.spectrogram_audio import SpectrogramAudio
from chiasm.encoding import Encoding
from chiasm.fuse._fuser import folds_of
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Column, Views

STEPS = 8
ENCODERS = {
    "mel": MelAudio(),
    "steps": MelAudio(steps=STEPS),
    "picture": SpectrogramAudio(),
    "long": SpectrogramAudio(seconds=5.0),
}
STRENGTHS = {"columns": 10.0 ** np.arange(-5, 0.5, 0.5), "views": 10.0 ** np.arange(-2, 4, 0.5)}
"""The values of C by what is scaled: each column to unit variance, or then each view to unit variance as a whole."""
BASELINE, PICTURE = "logistic on all views", "logistic on long"


SOUNDS = {
    "esc": (("esc",), "sounds into 10 classes (ESC-10, 5 official folds)"),
    "digits.given": (("fsdd", "given split"), "spoken digits, given split"),
    "digits.other": (("fsdd", "a speaker held out"), "spoken digits, a speaker left out"),
    "ravdess": (("ravdess",), "emotion in speech (ravdess), two actors left out, 8 emotions"),
}
READ = {
    "mel": ("mel", "statistics of cepstrum, pitch, loudness"),
    "steps": ("steps", "the same over time in 8 parts"),
    "2s": ("picture", "pictures of 2 s"),
    "5s": ("long", "pictures of 5 s"),
    "all": ("early", "all views of a recording, `early`"),
    "logistic.all": (BASELINE, "all views of a recording, logistic regression"),
    "logistic": (PICTURE, "logistic regression on pictures of 5 s"),
}
FIGURES = [
    Figure(f"{short}.{how}", (*at, "accuracy", view), f"{what}: {words}", "%", n="{rows} clips", scale=100)
    for short, (at, what) in SOUNDS.items()
    for how, (view, words) in READ.items()
]
FIGURES += [
    Figure(
        "esc.auto",
        ("esc", "accuracy", "auto"),
        f"{SOUNDS['esc'][1]}: all views, `auto`",
        "%",
        n="{rows} clips",
        scale=100,
    ),
    Figure(
        "esc.auto.gain",
        ("esc", "auto minus", BASELINE),
        f"{SOUNDS['esc'][1]}: all views by `auto`, less logistic regression on all views",
        "points",
        "+.1f",
        "{rows} clips",
        100,
    ),
]
FIGURES += [
    Figure(
        f"{short}.{gain}",
        (*at, "early minus", other),
        f"{what}: all views by `early`, less {words}",
        "points",
        "+.1f",
        "{rows} clips",
        100,
    )
    for short, (at, what) in SOUNDS.items()
    for gain, other, words in (
        ("gain", BASELINE, "logistic regression on all views"),
        ("gain.picture", PICTURE, "logistic regression on pictures of 5 s"),
    )
]
FIGURES += [
    Figure(
        "digits.gain",
        ("fsdd", "given split", "early minus", "mel"),
        "spoken digits, given split, all views less mel alone",
        "points",
        "+.1f",
        "{rows} clips",
        100,
    ),
    Figure(
        "ravdess.late",
        ("ravdess", "actors 11-20", "early"),
        "emotion in speech, all views, actors 11 to 20 alone",
        "%",
        n="{rows} clips",
        scale=100,
    ),
    Figure(
        "ravdess.chance",
        ("ravdess", "commonest class"),
        "emotion in speech, the commonest class",
        "%",
        n="{rows} clips",
        scale=100,
    ),
]
FIGURES += [
    Figure(
        f"{short}.shuffled",
        (*at, "accuracy", "scored clips shuffled"),
        f"{what}: the 8 parts shuffled in scored clips",
        "%",
        n="{rows} clips",
        scale=100,
    )
    for short, at, what in (
        ("esc", ("esc", "order"), "ESC-10"),
        ("digits.given", ("fsdd", "order, given split"), "spoken digits, given split"),
        ("ravdess", ("ravdess", "order"), "emotion in speech"),
    )
]


def features(
    name: str, label: str, *, group: str | None = None, where: Mapping[str, str] | None = None, without: str = ""
) -> Views:
    """A pack's rows in the features of every encoder (but one), in memory."""
    encoders = {view: encoder for view, encoder in ENCODERS.items() if view != without}
    audio = dict.fromkeys(encoders, "audio")
    views = chiasm.read(pack(name) / "data.parquet", audio=audio, id="id", label=label, group=group, where=where)
    found, report = Encoding(encoders).fit(views).apply(views, lambda view, done, n: say(name, view, done, n))
    say(name, report.as_dict())
    columns = {n: Column("vector", c.take(np.arange(len(c.items))), c.index) for n, c in found.columns.items()}
    return views.replace(columns)


def facts(name: str, column: str, views: Views) -> np.ndarray:
    """A column of the pack's table by the rows' ids."""
    held = table(name)
    of = dict(zip(map(str, held["id"]), held[column], strict=True))
    return np.array([of[str(i)] for i in views.ids])


def logistic(views: Views, learn: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Answers of scikit-learn's logistic regression on all views; scaling and C by cross-validation in `learn`.

    It sees the views in a basis of the space that the rows of `learn` span, which changes no answer: the penalty is
    the same in every basis.
    """
    from sklearn.linear_model import LogisticRegression

    warnings.filterwarnings("ignore")  # of iterations that end early
    names, y = np.unique(views.label, return_inverse=True)
    folds = folds_of(views.clusters[learn], np.eye(len(names))[y[learn]], "classes", 0, 4)
    tried: list[tuple[int, float, np.ndarray]] = []
    for how in list(STRENGTHS)[: 1 if len(views.columns) == 1 else None]:
        x = spanned(views, learn, how)
        right: list[int] = []
        models = {f: LogisticRegression(max_iter=300, warm_start=True) for f in np.unique(folds)}
        for c in STRENGTHS[how]:
            right.append(0)
            for f, model in models.items():
                rows, held = learn[folds != f], learn[folds == f]
                model.set_params(C=c).fit(x[rows], y[rows])
                right[-1] += int((model.predict(x[held]) == y[held]).sum())
            tried.append((right[-1], c, x))
            if len(right) > 2 and max(right[-2:]) < max(right):
                break
    _, c, x = max(tried, key=lambda one: one[0])  # the first of equals
    return np.asarray(names[LogisticRegression(C=c, max_iter=300).fit(x[learn], y[learn]).predict(x[test])])


def spanned(views: Views, learn: np.ndarray, how: str) -> np.ndarray:
    """`(n, r)` all views side by side, scaled by what `learn` shows, in a basis of the space that its rows span."""
    blocks = []
    for column in views.columns.values():
        x = column.take(column.index).astype(np.float64)
        mean, spread = x[learn].mean(axis=0), x[learn].std(axis=0)
        x = (x - mean) / np.where(spread > 1e-6, spread, np.inf)
        blocks.append(x / np.sqrt(column.width) if how == "views" else x)
    x = np.hstack(blocks)
    turn = np.linalg.svd(x[learn], full_matrices=False)[2]
    return np.asarray(x @ turn.T)


def answers(views: Views, folds: np.ndarray, methods: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Every method's answer to each row of a fold >= 0 by what it learned without the fold; what `auto` chose."""
    test = folds >= 0
    out = {name: np.full(len(views), "", dtype=object) for name in [*views.names, *methods]}
    chosen = []
    for fold in np.unique(folds[test]):
        learn, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        for name in out:
            if name in (BASELINE, PICTURE):
                out[name][asked] = logistic(only(views, ["long"]) if name == PICTURE else views, learn, asked)
                continue
            part = only(views, [name]) if name in views.names else views
            fuser = registry.get("fuse", name if name == "auto" else "early")().fit(part[learn])
            out[name][asked] = fuser.predict(part[asked])
            if name == "auto":
                chosen.append(fuser.chosen_["fuser"])
        told = folds[test] <= fold
        say("fold", fold, {n: round(100 * float((a == views.label)[test][told].mean()), 1) for n, a in out.items()})
    return out, chosen


def figures(
    views: Views, folds: np.ndarray, clusters: np.ndarray, methods: Sequence[str] = ("early",)
) -> dict[str, Any]:
    """Accuracies with intervals, and what fusing has over each view alone and over the baseline."""
    found, chosen = answers(views, folds, methods)
    test = np.flatnonzero(folds >= 0)
    draws, truth = Draws(clusters[test]), views.label[test]
    sampled = {name: draws.accuracy(truth, answer[test]) for name, answer in found.items()}
    fused = [name for name in methods if name not in (BASELINE, PICTURE)]
    others = [name for name in found if name not in fused]
    return {
        "rows": len(test),
        "clusters": len(np.unique(clusters[test])),
        "accuracy": {name: interval_of(*one) for name, one in sampled.items()},
        "auto chose": chosen,
        **{f"{m} minus": {name: difference(sampled[m], sampled[name]) for name in others} for m in fused},
        "folds": {
            name: [round(float((answer == views.label)[folds == f].mean()), 3) for f in np.unique(folds[test])]
            for name, answer in found.items()
            if name in methods
        },
        "right": {name: answer == views.label for name, answer in found.items()},
    }


def reached(found: dict[str, Any], bar: float) -> dict[str, Any]:
    """Whether `early` is at a bar."""
    return {"bar": bar, "early": found["accuracy"]["early"], "reached": found["accuracy"]["early"]["value"] >= bar}


def order(views: Views, folds: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    """Accuracy of `steps` alone as it is, with the parts of the scored clips shuffled, and with those of all."""
    column = views["steps"]
    values = column.take(column.index)
    cut = values.reshape(len(values), STEPS, -1)
    rng = np.random.default_rng(0)
    mixed = np.stack([one[rng.permutation(STEPS)] for one in cut]).reshape(values.shape)
    test = np.flatnonzero(folds >= 0)
    draws, sampled = Draws(clusters[test]), {}
    for title, seen, asked_of in (
        ("as it is", values, values),
        ("scored clips shuffled", values, mixed),
        ("all clips shuffled", mixed, mixed),
    ):
        out = np.full(len(views), "", dtype=object)
        for fold in np.unique(folds[test]):
            learn, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            part = views.replace({"steps": Column("vector", seen)})
            fuser = registry.get("fuse", "early")().fit(part[learn])
            out[asked] = fuser.predict({"steps": asked_of[asked]})
        sampled[title] = draws.accuracy(views.label[test], out[test])
    first = sampled["as it is"]
    return {
        "rows": len(test),
        "accuracy": {title: interval_of(*one) for title, one in sampled.items()},
        "as it is minus": {t: difference(first, one) for t, one in sampled.items() if one is not first},
    }


def esc() -> dict[str, Any]:
    """ESC-10, its five folds."""
    views = features("esc", "label", group="src_file", where={"esc10": "True"})
    folds = facts("esc", "fold", views).astype(int)
    found = figures(views, folds, views.clusters, ("early", "auto", BASELINE, PICTURE))
    del found["right"]
    return {**found, "order": order(views, folds, views.clusters), "bar": reached(found, 0.92)}


def fsdd() -> dict[str, Any]:
    """Spoken digits: the given split, then a speaker held out at a time."""
    views = features("fsdd", "text", without="long")  # no clip is longer than 2.3 s
    given = np.where(facts("fsdd", "split", views) == "test", 0, -1)
    speakers, who = np.unique(facts("fsdd", "speaker", views), return_inverse=True)
    rows = np.arange(len(views))
    one, shuffled = figures(views, given, rows, ("early", "auto", BASELINE)), order(views, given, rows)
    views.facts["group"] = speakers[who]  # what is weighed and chosen is so for voices that were not heard before
    other = figures(views, who, rows, ("early", BASELINE))
    for found in (one, other):
        del found["right"]
    return {
        "given split": one,
        "order, given split": shuffled,
        "a speaker held out": {"speakers": speakers.tolist(), **other},
        "bar": reached(one, 0.97),
    }


def ravdess() -> dict[str, Any]:
    """Emotions of actors who were not heard before."""
    views = features("ravdess", "emotion", group="actor")
    actor = facts("ravdess", "actor", views).astype(int)
    folds = (actor - 1) // 2
    found = figures(views, folds, actor, ("early", BASELINE))
    late = np.flatnonzero(actor > 10)
    right = found.pop("right")
    draws = Draws(actor[late])
    return {
        **found,
        "commonest class": round(float(np.unique(views.label, return_counts=True)[1].max() / len(views)), 3),
        "actors 11-20": {
            "rows": len(late),
            **{name: interval_of(*draws.mean(one[late])) for name, one in right.items()},
        },
        "order": order(views, folds, actor),
        "bar": reached(found, 0.45),
    }


PARTS = {"esc": esc, "fsdd": fsdd, "ravdess": ravdess}


def main() -> None:
    args = arguments(__doc__, PARTS).parse_args()
    finish({name: PARTS[name]() for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
