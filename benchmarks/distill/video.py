"""What sound or words teach a student that sees lips: the command and the digit of a sentence, at few labels.

`python -m benchmarks.distill.video [command digit] [--splits 5]`. grid_s1, one talker, 800 clips: the student reads the
pixels of the lower face in 25 steps (silent), the teacher `mel_audio` in 25 steps, or which words the transcript has.
The transcript holds the answer itself: it is what a teacher is at best, and what transcribed clips without a label cost
nothing. Re-drawn 60/20/20 splits with equal shares of every class; of the rows that are learned from (80 %) a share has
its label, all have both views. The student is `early`; `alone` is the same without a teacher. Controls, with soft
labels: sound whose rows were shuffled, and a teacher of the student's own modality (`motion_video`, displacement).
Nothing was chosen here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import files, lower_face, table
from benchmarks._trials import Figure, Runs, apart, arguments, finish, protocol, say
from benchmarks.distill._teaching import SHARES, fewer
from chiasm import registry
from chiasm.distill.features import Features
from chiasm.distill.soft_labels import SoftLabels
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.views import Column, Views

STEPS = 25
SLOTS = ("command", "digit")
TAUGHT = {
    "sound": ("sound", SoftLabels),
    "sound features": ("sound", Features),
    "words": ("words", SoftLabels),
    "shuffled": ("shuffled", SoftLabels),
    "own modality": ("motion", SoftLabels),
}
"""By name the view that teaches, and how."""

FIGURES = [
    *(
        Figure(
            f"{slot}.{share}.{name.replace(' ', '_')}",
            (slot, f"{share} %", "less alone", name),
            f"grid_s1, {slot} from lips, {share} % of the labels: taught by {name}, less alone",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for slot in SLOTS
        for share in SHARES
        for name in TAUGHT
    ),
    *(
        Figure(
            f"{slot}.{share}.{name}",
            (slot, f"{share} %", "accuracy", name),
            f"grid_s1, {slot}, {share} % of the labels: {words}",
            "%",
            ".1f",
            "{splits} splits",
        )
        for slot in SLOTS
        for share in SHARES
        for name, words in (("alone", "lips alone"), ("heard", "the teacher itself, by sound"))
    ),
    *(
        Figure(
            f"{slot}.{share}.forecast",
            (slot, f"{share} %", "forecast"),
            f"grid_s1, {slot} from lips, {share} % of the labels: forecast of what sound gains",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for slot in SLOTS
        for share in SHARES
    ),
]


def read(slot: str) -> Views:
    """Clips with `student` and every teacher, labeled with a word of the sentence."""
    held = table("grid_s1")

    def encoded(name: str, modality: str, **asked: Any) -> Column:
        views = Views({"x": Column(modality, files("grid_s1", modality))})
        found = Encoding({"x": registry.get("encode", name)(**asked)}).fit_transform(views)["x"]
        return Column("vector", np.asarray(found.take(found.index)))

    said = np.array([sentence.split() for sentence in held["text"]])
    words = (said[:, :, None] == np.unique(said)).any(axis=1).astype(np.float32)
    columns = {
        "student": Column("vector", lower_face(STEPS)),
        "sound": encoded("mel_audio", "audio", steps=STEPS),
        "words": Column("vector", words),
        "motion": encoded("motion_video", "video", stream="displacement", steps=STEPS),
    }
    return Views(columns, facts={"label": np.array(held[slot], dtype=object)})


def run(slot: str, splits: int) -> dict[str, Any]:
    views = read(slot)
    label = views.label
    result: dict[str, Any] = {}
    for share in SHARES:
        scores, forecasts, sizes = Runs(), [], (1, 4)
        for seed, split in protocol(views.replace({"student": views["student"]}), splits):
            learned, test = np.flatnonzero(split != "test"), np.flatnonzero(split == "test")
            sizes = len(test), len(learned)
            kept = fewer(label, learned, share, seed)[learned]
            whole, rest, truth = views[learned], views[test], label[test]
            dealt = np.random.default_rng(seed).permutation(len(learned))
            teachers = {
                **whole.columns,
                "shuffled": Column("vector", whole["sound"].items, whole["sound"].index[dealt]),
            }

            def right(fitted: Any, name: str, rest: Views = rest, truth: np.ndarray = truth) -> dict[str, float]:
                said = fitted.predict(rest.replace({name: rest[name]}))
                return {"accuracy": 100 * float((said == truth).mean())}

            for name, view in (("alone", "student"), ("heard", "sound")):
                scores.add(name, right(Early(seed=seed).fit(whole.replace({view: whole[view]}), kept), view))
            for name, (teacher, method) in TAUGHT.items():
                pair = whole.replace({"student": whole["student"], "teacher": teachers[teacher]})
                part = method(teacher="teacher", student="early", seed=seed).fit(pair, kept)
                scores.add(name, right(part, "student"))
                if name == "sound":
                    forecasts.append(100 * part.forecast_["gain"])
            say(slot, share, seed, scores.last("accuracy"))
        alone = scores["alone"]["accuracy"]
        result[f"{share} %"] = {
            "splits": splits,
            "accuracy": {name: one["accuracy"] for name, one in scores.spreads().items()},
            "less alone": {name: apart(scores[name]["accuracy"], alone, *sizes) for name in TAUGHT},
            "forecast": float(np.mean(forecasts)),
        }
    return result


def main() -> None:
    parser = arguments(__doc__, SLOTS)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    finish({slot: run(slot, args.splits) for slot in args.parts or SLOTS}, FIGURES, args)


if __name__ == "__main__":
    main()
