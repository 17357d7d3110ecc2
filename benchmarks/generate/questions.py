"""Questions about pictures: what is right with the picture and without, and how the designs compare.

`python -m benchmarks.generate.questions [published] [disjoint] [designs] [easy_vqa] [nlvr]`. Every model is
`chiasm fit ask`; ridges and the rest are chosen by cross-validation within the rows learned from, in folds that cut no
picture. The controls are those that `chiasm score` prints.

- published: vqa_rad as published, learned from 1,797 rows; 202 of the 203 test pictures are learned from too.
- disjoint: vqa_rad, all 2,248 rows in five parts that share no picture; each is answered by a model of the other four.
- designs: vqa_rad, what is right out of fold on the 1,797 rows, pictures apart, by encoders and heads.
- easy_vqa: as published.
- nlvr: learned from its train and val rows, in folds that cut no sentence either; test as published.

Pictures are in `effnet_image+pixel_image`, chosen by `designs`. vqa_rad's test was looked at four times while this was
made: with `effnet_image` alone (40.1 %, question alone 41.9), and before a kind
could do without the picture (40.6, 42.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import pack, table
from benchmarks._trials import Figure, arguments, finish, say
from benchmarks.generate._questions import BEST, RAD, quiet, rad
from chiasm.splits import cut
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.tasks.ask import Ask
from chiasm.views import Views

NLVR = {"text": "sentence", "image": "image", "label": "label", "id": "id", "split": "split", "group": "sentence"}
DESIGNS: dict[str, dict[str, Any]] = {
    "meaning, pooled": {},
    "one head": {"route": "none"},
    "words, pooled": {"encoders": {"question": "tfidf_text"}},
    "words and meaning, pooled": {"encoders": {"question": "e5_text+tfidf_text"}},
    "meaning, pixels": {"encoders": {"image": "pixel_image"}},
    "meaning, pooled and pixels": {"encoders": {"image": "effnet_image+pixel_image"}},
    "meaning, patches": {"encoders": {"image": "effnet_image:pooled=False"}},
    "meaning, small pictures": {"encoders": {"image": "effnet_image:size=160"}},
    "words and meaning, pooled and pixels": {
        "encoders": {"question": "e5_text+tfidf_text", "image": "effnet_image+pixel_image"}
    },
    "meaning, pooled and pixels, looked at where it pays": {
        "encoders": {"image": "effnet_image+pixel_image"},
        "looks": "chosen",
    },
}
"""The parameters of `Ask` in each; the picture is always looked at unless a design says otherwise."""
CONTROLS = ("question alone", "picture alone", "blank picture", "shuffled picture")
KINDS = ("yes or no", "other")


def _figures() -> list[Figure]:
    found = []
    sets = {
        "published": ("vqa_rad, published test", CONTROLS),
        "disjoint": ("vqa_rad, pictures apart", CONTROLS[:2]),
        "easy_vqa": ("easy_vqa, published test", CONTROLS),
        "nlvr": ("nlvr, published test", CONTROLS),
    }
    for part, (what, controls) in sets.items():
        how: dict[str, Any] = {"unit": "%", "n": "{rows} questions, {clusters} pictures", "scale": 100.0}
        found.append(Figure(part, (part, "accuracy"), f"{what}: right", **how))
        for name in controls:
            short = f"{part}.{name.replace(' ', '_')}"
            found.append(Figure(short, (part, "controls", name, "accuracy"), f"{what}: right, {name}", **how))
            less = {**how, "unit": "points", "format": "+.1f"}
            found.append(
                Figure(f"{short}.less", (part, "controls", name, "difference"), f"{what}: less {name}", **less)
            )
        for kind in KINDS if part in ("published", "disjoint", "easy_vqa") else ():
            for name in ("all", "question alone"):
                short = f"{part}.{kind.replace(' ', '_')}.{name.replace(' ', '_')}"
                found.append(Figure(short, (part, "kinds", kind, name), f"{what}, {kind}: right, {name}", **how))
    for name in ("R@1", "R@10"):
        at = ("published", "unknown", name)
        what = f"vqa_rad, answers not learned, among all answers: {name}"
        found.append(Figure(f"published.new.{name}", at, what, unit="%", n="{listed} answers", scale=100.0))
    at = ("published", "unknown", "new", "R@1")
    what = "vqa_rad, answers not learned, among the new ones"
    found.append(Figure("published.new", at, what, unit="%", n="{listed} answers", scale=100.0))
    for name in ("all", "question alone"):
        short = f"published.closed.{name.replace(' ', '_')}"
        what = f"vqa_rad, questions that the pack calls closed: right, {name}"
        found.append(Figure(short, ("published", "closed", name), what, unit="%", n="{rows} questions", scale=100.0))
    for name in DESIGNS:
        how = {"unit": "%", "n": "{rows} questions, out of fold", "scale": 100.0}
        short = f"designs.{name.replace(', ', '.').replace(' ', '_')}"
        found.append(Figure(short, ("designs", name, "accuracy"), f"vqa_rad, design {name}: right", **how))
        at = ("designs", name, "controls", "question alone", "difference")
        less = {**how, "unit": "points", "format": "+.1f"}
        found.append(Figure(f"{short}.less", at, f"vqa_rad, design {name}: less question alone", **less))
    return found


FIGURES = _figures()


def published(views: Views, closed: bool = False) -> dict[str, Any]:
    """Learned from the rows of train and val, scored on test."""
    learned = views[np.isin(views.split, ["train", "val"])]
    model = quiet(lambda: Ask(encoders=BEST).fit(learned))
    say("learned", model.crossed_["accuracy"], model.crossed_["controls"]["question alone"])
    test = views[views.split == "test"]
    result = quiet(lambda: model.score(test, allow_train=True))
    say(str(result))
    return {**result.table, **({"closed": closed_of(model, test)} if closed else {})}


def closed_of(model: Ask, test: Views) -> dict[str, Any]:
    """What is right of vqa_rad's questions that the pack itself calls closed."""
    facts = table("vqa_rad")
    kind = dict(zip(facts["id"], facts["answer_type"], strict=True))
    rows = test[np.array([kind[one] == "CLOSED" for one in test.ids])]
    draws = Draws(rows["image"].index)
    found = quiet(lambda: model.judged(rows))
    return {"rows": len(rows), **{n: interval_of(*draws.mean(found[n])) for n in ("all", "question alone")}}


def disjoint(views: Views, parts: int = 5) -> dict[str, Any]:
    """Every row answered by a model that was learned without its picture."""
    pictures = views["image"].index.astype(str).astype(object)
    whole = Views(views.columns, views.ids, {"label": views.label, "group": pictures})
    split = cut(whole, {str(k): 1 for k in range(parts)}, 0)
    right: dict[str, np.ndarray] = {name: np.zeros(len(whole)) for name in ("all", *CONTROLS[:2])}
    kinds = np.empty(len(whole), dtype=object)
    for k in range(parts):
        model, mine = quiet(lambda k=k: Ask(encoders=BEST).fit(whole[split != str(k)])), split == str(k)
        found = quiet(lambda model=model, mine=mine: model.judged(whole[mine]))
        for name in right:
            right[name][mine] = found[name]
        kinds[mine] = found["kind"]
        say("disjoint", k, {name: round(100 * float(one[mine].mean()), 1) for name, one in right.items()})
    draws = Draws(whole.clusters)
    sampled = {name: draws.mean(one) for name, one in right.items()}
    of_kind = {}
    for kind in KINDS:
        mine = kinds == kind
        part = Draws(whole.clusters[mine])
        of_kind[kind] = {name: interval_of(*part.mean(one[mine])) for name, one in right.items()}
    return {
        "rows": len(whole),
        "clusters": int(draws.clusters),
        "accuracy": interval_of(*sampled["all"]),
        "controls": {
            name: {"accuracy": interval_of(*sampled[name]), "difference": difference(sampled["all"], sampled[name])}
            for name in CONTROLS[:2]
        },
        "kinds": of_kind,
    }


def designs(views: Views, names: Iterable[str] = DESIGNS) -> dict[str, Any]:
    """What designs have right on the rows learned from, out of fold, pictures apart."""
    found = {}
    learned = views[views.split == "train"]
    for name, how in ((name, DESIGNS[name]) for name in names):
        found[name] = quiet(lambda how=how: Ask(**{"looks": "always", **how}).fit(learned)).crossed_
        less = found[name]["controls"]["question alone"]
        say(name, found[name]["accuracy"], less["accuracy"]["value"], less["difference"])
    return found


def main() -> None:
    """Run the parts."""
    parts = {
        "published": lambda: published(rad(), closed=True),
        "disjoint": lambda: disjoint(rad()),
        "designs": lambda: designs(rad(), args.design or DESIGNS),
        "easy_vqa": lambda: published(chiasm.read(pack("easy_vqa") / "data.parquet", **RAD)),
        "nlvr": lambda: published(chiasm.read(pack("nlvr") / "data.parquet", **NLVR)),
    }
    parser = arguments(__doc__, parts)
    parser.add_argument("--design", action="append", choices=DESIGNS, help="of designs this one alone; repeat")
    args = parser.parse_args()
    finish({name: parts[name]() for name in args.parts or parts}, FIGURES, args)


if __name__ == "__main__":
    main()
