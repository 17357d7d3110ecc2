"""Find a moment: recordings and films composed of real clips; file, start and end are the answer.

`python -m benchmarks.search.moments [sounds|films]`.

*Sounds by words*: words <-> sounds are learned from four of the five folds of ESC-10; in recordings composed of the
fifth (eight clips of different classes, 1 to 4 s of other real sounds between them, so that no boundary lies on the
grid of windows), each class is asked for. Again by words that training did not have: another English name of the same
class, its Chinese name (both written down before they were tried), and the name of a class that was learned from
neither word nor sound (two classes at a time are kept out of training).

*Films by a picture*: an early picture <-> its clip is learned from four of five folds of surv_fight (blocks of ten
neighbors); in films of the fifth (ten of its clips, at most 2 s, 1 to 3 s of training clips between them), each clip is
asked for by its early picture.

A hit overlaps the truth by an intersection over union of at least 0.5. `Retrieve` searches windows that overlap by a
half, and of hits that overlap names the best. The plain way beside it: the same windows, aligner and correction for
hubs, nothing hidden; its first hit is the same one, so that only R@5 can differ. On the same windows also: ridge
regression from view to view (words), logistic regression of the class on the same features (words, C chosen by folds
inside training; it knows the ten classes, and no other words), and the cosine of the same image features, as they are
and less their training means (pictures). Windows side by side are no fair rival: two thirds of the places of a clip
have one that overlaps enough, so they can reach 66.7 %. `can` is the share of moments that a window meets at all, and
chance a window at random.
"""

from __future__ import annotations

import tempfile
import warnings
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import fights, pack
from benchmarks._trials import Figure, arguments, finish, say
from chiasm.fuse._fuser import folds_of
from chiasm.media.clips import Wants, decode
from chiasm.media.windows import overlap_of, suppress, windows
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views, normalize

RECORDINGS = 10
"""A fold."""
CLIPS = 8
SECONDS = 5.0
RATE = 16000
OTHER_NAMES = {
    "chainsaw": ("motor saw", "电锯"),
    "clock tick": ("wristwatch", "钟表滴答声"),
    "crackling fire": ("burning wood", "噼啪作响的篝火"),
    "crying baby": ("weeping infant", "婴儿啼哭"),
    "dog": ("hound barking", "狗叫"),
    "helicopter": ("chopper", "直升机"),
    "rain": ("downpour", "下雨"),
    "rooster": ("cockerel crowing", "公鸡打鸣"),
    "sea waves": ("surf on the beach", "海浪"),
    "sneezing": ("achoo", "打喷嚏"),
}
"""By class: another English name and a Chinese one."""
KEPT_OUT = 2
"""Classes at a time."""
HALF, PLAIN, SIDE = "windows overlapping by a half", "the same, nothing hidden", "windows side by side"
RIDGE, LOGISTIC = "the same windows, ridge regression", "the same windows, logistic regression of the class"
COSINE, CENTERED = "the same windows, cosine of the image features", "the same windows, cosine less training means"
SYNONYM, CHINESE, UNSEEN = "other English names", "Chinese names", "classes kept out of training"
CAN, CAN_SIDE, CHANCE = "can: half", "can: side by side", "chance, R@1"
OF_BOTH = {
    "r1": (f"{HALF}, R@1", "R@1"),
    "r5": (f"{HALF}, R@5", "R@5"),
    "plain.r5": (f"{PLAIN}, R@5", "R@5 of the same windows with nothing hidden"),
    "side": (f"{SIDE}, R@1", "R@1 of windows side by side"),
    "can": (CAN, "moments that a window meets, windows overlapping by a half"),
    "side.can": (CAN_SIDE, "moments that a window meets, windows side by side"),
    "chance": (CHANCE, "a window at random"),
}
OF_SOUNDS = {
    "ridge": (f"{RIDGE}, R@1", "R@1 of ridge regression, same windows"),
    "logistic": (f"{LOGISTIC}, R@1", "R@1 of logistic regression of the class, same windows"),
    "synonym": (f"{SYNONYM}, R@1", "R@1 by another English name that was not learned"),
    "chinese": (f"{CHINESE}, R@1", "R@1 by a Chinese name that was not learned"),
    "unseen": (f"{UNSEEN}, R@1", "R@1 of classes kept out of training"),
}
OF_FILMS = {
    "cosine": (f"{COSINE}, R@1", "R@1 of the cosine of the same image features, same windows"),
    "centered": (f"{CENTERED}, R@1", "R@1 of the cosine of the same image features less their training means"),
}
GAINS = {
    "sounds": {
        "hiding": (HALF, PLAIN, "R@5"),
        "over_logistic": (HALF, LOGISTIC, "R@1"),
        "over_ridge": (HALF, RIDGE, "R@1"),
        "synonym_less": (SYNONYM, HALF, "R@1"),
        "chinese_less": (CHINESE, HALF, "R@1"),
        "unseen_over_chance": (UNSEEN, "chance", "R@1"),
    },
    "films": {
        "hiding": (HALF, PLAIN, "R@5"),
        "over_cosine": (HALF, COSINE, "R@1"),
        "over_centered": (HALF, CENTERED, "R@1"),
    },
}
"""By part and figure: ours, the other, by what."""
ASKED = {
    "sounds": ("a moment of 5 s by a word in recordings of a minute", "recordings"),
    "films": ("a moment of 2 s of a film by a picture of it", "films"),
}
FIGURES = [
    Figure(
        f"{part}.{short}",
        (part, key),
        f"{ASKED[part][0]}, overlap of 0.5: {what}",
        "%",
        n=f"{{questions}} questions in {{{ASKED[part][1]}}} {ASKED[part][1]}",
        scale=100,
    )
    for part, kept in (("sounds", OF_BOTH | OF_SOUNDS), ("films", OF_BOTH | OF_FILMS))
    for short, (key, what) in kept.items()
]
FIGURES += [
    Figure(
        f"{part}.{short}",
        (part, "gains", short),
        f"{ASKED[part][0]}, overlap of 0.5: {measure} of {ours} less that of {other}",
        "points",
        "+.1f",
        f"{{questions}} questions in {{{ASKED[part][1]}}} {ASKED[part][1]}",
        100,
    )
    for part, gains in GAINS.items()
    for short, (ours, other, measure) in gains.items()
]

Span = tuple[float, float]


class Hits:
    """Whether each question was answered, by method, at 1 and 5, and the recording that each was asked in."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}
        self.groups: list[int] = []

    def asked(self, name: str, ranked: Sequence[Sequence[Span]], truth: Sequence[Span]) -> None:
        """The spans that a method names for each question, the best first."""
        for spans, true in zip(ranked, truth, strict=True):
            right = [overlap_of(span, true) >= 0.5 for span in spans[:5]]
            self.found.setdefault(f"{name}, R@1", []).append(float(right[0]))
            self.found.setdefault(f"{name}, R@5", []).append(float(any(right)))

    def met(self, half: Views, side: Views, truth: Sequence[Span], group: int) -> None:
        """What windows can reach, and chance."""
        for true in truth:
            at = {
                name: [overlap_of(s, true) >= 0.5 for s in spans_of(v)] for name, v in ((CAN, half), (CAN_SIDE, side))
            }
            for name, right in at.items():
                self.found.setdefault(name, []).append(float(any(right)))
            self.found.setdefault(CHANCE, []).append(float(np.mean(at[CAN])))
            self.groups.append(group)

    def told(self, part: str) -> dict[str, Any]:
        """Means with intervals by recording, and paired differences."""
        draws = Draws(np.array(self.groups))
        sampled = {name: draws.mean(np.array(values)) for name, values in self.found.items()}
        gains = {
            short: difference(sampled[f"{ours}, {measure}"], sampled[f"{other}, {measure}"])
            for short, (ours, other, measure) in GAINS[part].items()
        }
        over = {"questions": len(self.groups), ASKED[part][1]: len(set(self.groups))}
        return {name: interval_of(*one) for name, one in sampled.items()} | {"gains": gains} | over


def spans_of(within: Views) -> list[Span]:
    """Start and end of each window."""
    return list(zip(within.facts["start"].tolist(), within.facts["end"].tolist(), strict=True))


def searched(model: Retrieve, asked: dict[str, Any], to: str, within: Views) -> list[list[Span]]:
    """The spans of a search's hits."""
    return [[(hit["start"], hit["end"]) for hit in hits] for hits in model.hits(asked, to, 5, within)]


def by_score(scores: np.ndarray, within: Views, hide: bool = True) -> list[list[Span]]:
    """The spans of windows by falling scores `(q, w)`; `hide` leaves out what overlaps a better one."""
    spans, out = spans_of(within), []
    for row in scores:
        order = np.argsort(-row, kind="stable")
        moments = [("", *spans[i]) for i in order]
        out.append([spans[order[i]] for i in (suppress(moments, 5) if hide else range(5))])
    return out


def cosines(aligner: Any, asked: Views, within: Views, names: tuple[str, str]) -> np.ndarray:
    """`(q, w)` cosines of encoded questions and encoded windows in an aligner's space."""
    a, b = (aligner.transform(v)[name] for v, name in zip((asked, within), names, strict=True))
    found: np.ndarray = normalize(a.take(a.index)) @ normalize(b.take(b.index)).T
    return found


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


class Logistic:
    """Logistic regression of the class on standardized features; C by folds of `clusters`.

    All principal components are kept, which changes no answer and saves time.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, clusters: np.ndarray):
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        warnings.filterwarnings("ignore")  # of iterations that end early
        self.names, codes = np.unique(y, return_inverse=True)
        folds = folds_of(clusters, np.eye(len(self.names))[codes], "classes", 0, 4)
        right = []
        tried = [LogisticRegression(C=c, max_iter=300) for c in 10.0 ** np.arange(-5, 1, 0.5)]
        tried = [make_pipeline(StandardScaler(), PCA(svd_solver="full"), model) for model in tried]
        for model in tried:
            parts = [(folds != fold, folds == fold) for fold in np.unique(folds)]
            right.append(sum(int((model.fit(x[a], y[a]).predict(x[b]) == y[b]).sum()) for a, b in parts))
        self.model = tried[int(np.argmax(right))].fit(x, y)

    def scores(self, x: np.ndarray, asked: Sequence[str]) -> np.ndarray:
        """`(q, n)` the log odds of each asked class in rows `(n, d)`."""
        p = np.clip(self.model.predict_proba(x).T[np.searchsorted(self.names, asked)], 1e-12, 1 - 1e-12)
        return np.asarray(np.log(p) - np.log1p(-p))


def measure(folder: Path) -> dict[str, Any]:
    source = pack("esc") / "data.parquet"
    views = chiasm.read(source, text="label", audio="audio", id="id", split=None, where={"esc10": "True"})
    every = chiasm.read(source, text="label", audio="audio", id="id")
    cells = chiasm.read(source, text="label", audio="audio", id="id", label="fold", where={"esc10": "True"})
    takes = chiasm.read(source, audio="audio", id="id", label="label", group="src_file", where={"esc10": "True"})
    folds, classes = np.array([int(fold) for fold in cells.label]), takes.label.astype(str)
    names = set(views["label"].items)
    rows = every["label"].take(every["label"].index)
    pairs = zip(every["audio"].index, rows, strict=True)
    others = [every["audio"].items[p] for p, label in pairs if label not in names]
    hits = Hits()
    recording = 0
    for fold in range(1, 6):
        learn = np.flatnonzero(folds != fold)
        model = Retrieve(allow_leaks=True).fit(views[learn])
        sounds = model.encoding_.transform(views[learn])["audio"]
        logistic = Logistic(sounds.take(sounds.index), classes[learn], takes.clusters[learn])
        order = np.random.default_rng(100 + fold).permutation(sorted(names))
        without = {}
        for start in range(0, len(order), KEPT_OUT):
            out = order[start : start + KEPT_OUT]
            kept = Retrieve(allow_leaks=True, baseline=False).fit(views[learn[~np.isin(classes[learn], out)]])
            without |= dict.fromkeys(out.tolist(), kept)
        test = views[folds == fold]
        files: dict[str, list[str]] = {}
        for place, label in zip(test["audio"].index, test["label"].take(test["label"].index), strict=True):
            files.setdefault(label, []).append(test["audio"].items[place])
        rng = np.random.default_rng(fold)
        for _ in range(RECORDINGS):
            sound, said = compose(files, others, rng)
            path = write(folder / f"{fold}-{recording}.wav", sound)
            one = Views({"audio": Column("audio", [path], labels=["recording"])}, ["recording"])
            half, side = windows(one, "audio", SECONDS), windows(one, "audio", SECONDS, overlap=0.0)
            words, truth = [name for name, _, _ in said], [(start, end) for _, start, end in said]
            hits.asked(HALF, searched(model, {"label": words}, "audio", half), truth)
            hits.asked(SIDE, searched(model, {"label": words}, "audio", side), truth)
            for place, title in enumerate((SYNONYM, CHINESE)):
                other = [OTHER_NAMES[word][place] for word in words]
                hits.asked(title, searched(model, {"label": other}, "audio", half), truth)
            unseen = [searched(without[word], {"label": [word]}, "audio", half)[0] for word in words]
            hits.asked(UNSEEN, unseen, truth)
            heard = model.encoding_.transform(half)
            told = model.encoding_.transform(Views({"label": Column("text", words)}))
            for title, aligner, hide in ((PLAIN, model.aligner_, False), (RIDGE, model.baseline_, True)):
                hits.asked(title, by_score(cosines(aligner, told, heard, ("label", "audio")), half, hide), truth)
            x = heard["audio"].take(heard["audio"].index)
            hits.asked(LOGISTIC, by_score(logistic.scores(x, words), half), truth)
            hits.met(half, side, truth, recording)
            recording += 1
        say(f"fold {fold}", {name: round(100 * float(np.mean(values)), 1) for name, values in hits.found.items()})
    return hits.told("sounds")


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
    hits = Hits()
    for fold in range(5):
        learn, held = np.flatnonzero(block % 5 != fold), np.flatnonzero(block % 5 == fold)
        columns = {"still": Column("image", [first[i] for i in learn]), "clip": Column("video", files[learn].tolist())}
        model = Retrieve(allow_leaks=True).fit(Views(columns, learn))
        seen = model.encoding_.transform(Views(columns, learn))
        means = {name: column.take(column.index).mean(axis=0) for name, column in seen.columns.items()}
        rng = np.random.default_rng(fold)
        for _ in range(FILMS):
            chosen = rng.permutation(held)[:10]
            group = len(hits.groups)
            path = folder / f"{fold}-{group}.mp4"
            truth = film(path, files[chosen].tolist(), files[learn].tolist(), rng)
            one = Views({"clip": Column("video", [str(path)], labels=["film"])}, ["film"])
            half, side = windows(one, "clip", 2.0), windows(one, "clip", 2.0, overlap=0.0)
            asked = {"still": [first[i] for i in chosen]}
            hits.asked(HALF, searched(model, asked, "clip", half), truth)
            hits.asked(SIDE, searched(model, asked, "clip", side), truth)
            shown = model.encoding_.transform(half)
            still = model.encoding_.transform(Views({"still": Column("image", asked["still"])}))
            hits.asked(PLAIN, by_score(cosines(model.aligner_, still, shown, ("still", "clip")), half, False), truth)
            for title, less in ((COSINE, 0.0), (CENTERED, 1.0)):
                a, b = (v[n].take(v[n].index) - less * means[n] for v, n in ((still, "still"), (shown, "clip")))
                hits.asked(title, by_score(normalize(a) @ normalize(b).T, half), truth)
            hits.met(half, side, truth, group)
        say(f"films, fold {fold}", {name: round(100 * float(np.mean(v)), 1) for name, v in hits.found.items()})
    return hits.told("films")


def main() -> None:
    parts = {"sounds": measure, "films": films}
    args = arguments(__doc__, parts).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish({name: parts[name](Path(folder)) for name in args.parts or parts}, FIGURES, args)


if __name__ == "__main__":
    main()
