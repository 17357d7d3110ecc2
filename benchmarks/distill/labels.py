"""What a teacher's view is worth to a student at 5, 10, 25 and 100 % of the labels, and whether it was foretold.

`python -m benchmarks.distill.labels [SETTING ...] [foretold] [--splits 5]`. Re-drawn 60/20/20 splits with equal shares
of every class; of the rows that are learned from (80 %) a share has its label, all have both views; test rows are read
by the student alone. The student is a fuser (`early`) on one view; `alone` is the same without a teacher. The methods
were designed on web_news_zh, pictures, at 25 %; the other settings decide. Controls, both with soft labels: a teacher
whose rows were shuffled, and one of the student's own modality (pictures in effnet2_image, words in hashed_text).
`both` reads the teacher's view too, at the test as well: what no student has.

The forecast comes from the rows learned from alone: what the teacher is right more often than the student, times the
share of its answers that the student can see; below 0 counts as 0. Truth: what `soft_labels` gains over `alone`.
`foretold` compares the two over all settings that are saved, those of `benchmarks.distill.video` too; the shares of one
pack and direction are not independent, so its interval resamples whole packs and directions.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks._sets import only
from benchmarks._trials import RESULTS, Figure, Runs, apart, arguments, finish, protocol, say
from benchmarks.distill._teaching import PACKS, SHARES, fewer, read
from chiasm.distill.features import Features
from chiasm.distill.relations import Relations
from chiasm.distill.soft_labels import SoftLabels
from chiasm.fuse.early import Early
from chiasm.views import Column, Views

WORDS = {"image": "pictures", "text": "words"}
SETTINGS = {f"{pack}.{student}": (pack, student) for student in ("image", "text") for pack in PACKS}
METHODS: dict[str, Any] = {"soft_labels": SoftLabels, "features": Features, "relations": Relations}
CONTROLS = ("shuffled", "own modality")
COMPARED = (*METHODS, *CONTROLS)
FORETOLD = "forecasts and truths"
HALF = 0.5
"""Points from which on a forecast says yes."""

FIGURES = [
    *(
        Figure(
            f"{setting}.{share}.{name.replace(' ', '_')}",
            (setting, f"{share} %", "less alone", name),
            f"{pack}, {WORDS[student]} taught by {'words' if student == 'image' else 'pictures'}, {share} % of the "
            f"labels: {name} less alone",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for setting, (pack, student) in SETTINGS.items()
        for share in SHARES
        for name in COMPARED
    ),
    *(
        Figure(
            f"{setting}.{share}.over_{name.replace(' ', '_')}",
            (setting, f"{share} %", "soft_labels less", name),
            f"{pack}, {WORDS[student]} taught by {'words' if student == 'image' else 'pictures'}, {share} % of the "
            f"labels: soft_labels less {name}",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for setting, (pack, student) in SETTINGS.items()
        for share in SHARES
        for name in CONTROLS
    ),
    *(
        Figure(
            f"{setting}.{share}.{short}",
            (setting, f"{share} %", "accuracy", name),
            f"{pack}, {WORDS[student]}, {share} % of the labels: {words}",
            "%",
            ".1f",
            "{splits} splits",
        )
        for setting, (pack, student) in SETTINGS.items()
        for share in SHARES
        for short, name, words in (
            ("alone", "alone", "alone"),
            ("taught", "soft_labels", "taught by soft labels"),
            ("both", "both", "both views read"),
        )
    ),
    *(
        Figure(
            f"{setting}.{share}.forecast",
            (setting, f"{share} %", "forecast"),
            f"{pack}, {WORDS[student]}, {share} % of the labels: forecast of what a teacher gains",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for setting, (pack, student) in SETTINGS.items()
        for share in SHARES
    ),
    *(
        Figure(
            f"foretold.{short}",
            (FORETOLD, over, "correlation"),
            f"forecast and truth of what a teacher gains, {words}: rank correlation",
            "",
            ".2f",
            "{settings} settings",
        )
        for short, over, words in (
            ("all", "all", "whole packs and directions resampled"),
            ("here", "pictures and words", "pictures and words alone"),
            ("lips", "lips", "lips alone"),
        )
    ),
    *(
        Figure(f"foretold.{short}", (FORETOLD, "all", key), words, "", ".0f", "{settings} settings")
        for short, key, words in (
            ("yes", "yes", "forecasts of half a point or more"),
            ("yes_right", "yes, and so it was", "of these, truths whose interval lies above 0"),
            ("no", "no", "forecasts of less than half a point"),
            ("no_right", "no, and so it was", "of these, truths whose interval reaches to 0"),
            ("none", "truly no", "truths whose interval reaches to 0: right by always saying no"),
            ("settings", "settings", "forecasts and truths compared"),
        )
    ),
]


def run(setting: str, splits: int) -> dict[str, Any]:
    """Accuracy of every method by share, what each has more than the student alone, and the forecasts."""
    pack, student = SETTINGS[setting]
    views = read(pack, student)
    label = views.label.astype(object)
    result: dict[str, Any] = {}
    for share in SHARES:
        scores, forecasts = Runs(), []
        sizes = (1, 4)
        for seed, split in protocol(only(views, ["student", "teacher"]), splits):
            learned, test = np.flatnonzero(split != "test"), np.flatnonzero(split == "test")
            sizes = len(test), len(learned)
            kept = fewer(label, learned, share, seed)[learned]
            rest, truth = only(views[test], ["student"]), label[test]

            def right(fitted: Any, rows: Views, truth: np.ndarray = truth) -> dict[str, float]:
                return {"accuracy": 100 * float((fitted.predict(rows) == truth).mean())}

            def taught(part: Any, teacher: Column, learned: np.ndarray = learned, kept: np.ndarray = kept) -> Any:
                return part.fit(
                    views[learned].replace({"student": views[learned]["student"], "teacher": teacher}), kept
                )

            whole = views[learned]
            scores.add("alone", right(Early(seed=seed).fit(only(whole, ["student"]), kept), rest))
            pair = only(whole, ["student", "teacher"])
            scores.add("both", right(Early(seed=seed).fit(pair, kept), only(views[test], ["student", "teacher"])))
            make = partial(dict, teacher="teacher", student="early", seed=seed)
            for name, method in METHODS.items():
                fitted = taught(method(**make()), whole["teacher"])
                scores.add(name, right(fitted, rest))
                if name == "soft_labels":
                    forecasts.append(100 * fitted.forecast_["gain"])
            dealt = np.random.default_rng(seed).permutation(len(learned))
            shuffled = Column("vector", whole["teacher"].items, whole["teacher"].index[dealt])
            scores.add("shuffled", right(taught(SoftLabels(**make()), shuffled), rest))
            scores.add("own modality", right(taught(SoftLabels(**make()), whole["own"]), rest))
        alone, ours = scores["alone"]["accuracy"], scores["soft_labels"]["accuracy"]
        result[f"{share} %"] = {
            "splits": splits,
            "accuracy": {name: one["accuracy"] for name, one in scores.spreads().items()},
            "less alone": {name: apart(scores[name]["accuracy"], alone, *sizes) for name in COMPARED},
            "soft_labels less": {name: apart(ours, scores[name]["accuracy"], *sizes) for name in CONTROLS},
            "forecast": float(np.mean(forecasts)),
        }
        say(
            setting,
            share,
            {n: round(float(np.mean(v["accuracy"])), 1) for n, v in scores.items()},
            result[f"{share} %"]["forecast"],
        )
    return result


def foretold() -> dict[str, Any]:
    """How the forecasts and truths that are saved agree, those of `benchmarks.distill.video` (sound) among them."""
    groups: dict[str, list[tuple[float, dict[str, float]]]] = {}
    for file, by in (("labels", "soft_labels"), ("video", "sound")):
        saved = {one["id"]: one for one in json.loads((RESULTS / f"distill.{file}.json").read_text("utf-8"))}
        for name, one in saved.items():
            if name.endswith(".forecast"):
                setting = name.removesuffix(".forecast")
                groups.setdefault(setting.rpartition(".")[0], []).append((one["value"], saved[f"{setting}.{by}"]))
    told = {
        "pictures and words": [pairs for name, pairs in groups.items() if name.startswith("labels.")],
        "lips": [pairs for name, pairs in groups.items() if name.startswith("video.")],
    }
    told["all"] = [*told["pictures and words"], *told["lips"]]
    found: dict[str, Any] = {}
    for over, packs in told.items():
        pairs = [pair for pack in packs for pair in pack]
        says, gains = [forecast >= HALF for forecast, _ in pairs], [truth["low"] > 0 for _, truth in pairs]
        found[over] = {
            "correlation": {"value": _ranked(pairs)},
            "settings": len(pairs),
            "yes": sum(says),
            "yes, and so it was": sum(s and g for s, g in zip(says, gains, strict=True)),
            "no": len(says) - sum(says),
            "no, and so it was": sum(not s and not g for s, g in zip(says, gains, strict=True)),
            "truly no": len(gains) - sum(gains),
        }
    packs, rng = told["all"], np.random.default_rng(0)
    drawn = (rng.integers(0, len(packs), len(packs)) for _ in range(2000))
    ranks = [_ranked([pair for place in places for pair in packs[place]]) for places in drawn]
    low, high = np.nanquantile(ranks, [0.025, 0.975])
    found["all"]["correlation"] |= {"low": float(low), "high": float(high)}
    return found


def _ranked(pairs: list[tuple[float, dict[str, float]]]) -> float:
    """Spearman's rank correlation of forecasts and truths."""
    forecasts, truths = (rankdata(some) for some in zip(*((f, t["value"]) for f, t in pairs), strict=True))
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(forecasts, truths)[0, 1])


def main() -> None:
    parser = arguments(__doc__, [*SETTINGS, "foretold"])
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    parts = args.parts or [*SETTINGS, "foretold"]
    found: dict[str, Any] = {setting: run(setting, args.splits) for setting in parts if setting in SETTINGS}
    if "foretold" in parts:
        found[FORETOLD] = foretold()
    finish(found, FIGURES, args)


if __name__ == "__main__":
    main()
