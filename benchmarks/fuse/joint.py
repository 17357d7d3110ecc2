"""Joint training on several losses against frozen `early` and `late`, its weights swept; several heads with few labels.

`python -m benchmarks.fuse.joint [PART ...] [--splits 5]`. Frozen default features; everything at its defaults but the
weights of the losses.

- mvsa_single (tweets, 3 classes) and ikea (types of product from picture and description; 8 products of a type and
  more), by the protocol of `benchmarks/fuse/classes.py`: learned from training and validation rows, scored on the
  others. `joint` with weights "equal", "learned" and four other choices of numbers; "swept" is, split by split, that of
  the fixed choices which out-of-fold answers to the rows learned from find best. As they come they stand beside the
  head of `early`; "alone" is the same networks without it, swept by their own out-of-fold answers. Pairs alone teach no
  answer: what they add is equal weights less "no pairs". On ikea also "end to end": equal weights, the last layers of
  the picture's encoder trained with the rest. Differences with Nadeau & Bengio's (2003) interval.
- few: 5 and 20 rows a class, at most 1,000 others to score: tweets, one head against three (the sentiment of the words
  and of the picture by themselves, from which the label was made), and types of product from picture and description,
  one head against two (its color, of colors that 20 products have). All losses weigh 1, so "one head" is the same
  network from scratch without further labels. Student's t over draws, which share few of the rows learned from but
  many of those scored.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._sets import encoded, only, pictures, products, table
from benchmarks._trials import SHARES, Figure, Runs, alone, apart, arguments, drawn, finish, gap, protocol, say
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.fuse.joint import Joint
from chiasm.fuse.late import Late
from chiasm.views import Views

PACKS = {"mvsa_single": "sentiment of tweets", "ikea": "types of product"}
WEIGHTS: dict[str, str | Sequence[float]] = {
    "equal": "equal",
    "learned": "learned",
    "fused": (1, 0, 0),
    "views": (0, 1, 0),
    "no pairs": (1, 1, 0),
    "a tenth of pairs": (1, 1, 0.1),
}
FIXED = [name for name, weights in WEIGHTS.items() if weights != "learned"]
TUNED = "end to end"
METHODS = [f"{name}{how}" for name in (*WEIGHTS, "swept", TUNED) for how in ("", ", alone")]
BARS = ("early", "late")
FEW, TEST, LEAST = (5, 20), 1000, 20
HEADS = {"mvsa_single": ("text_label", "image_label"), "ikea": ("color",)}
CURVE = ("early", "one head", "several heads", "one head, alone", "several heads, alone")


def short(method: str) -> str:
    return method.replace(", ", "_").replace(" ", "_")


FIGURES = [
    Figure(f"{name}.{short(m)}", (name, "scores", m, "accuracy"), f"{what}, accuracy: {m}", "%", n="{n} splits")
    for name, what in PACKS.items()
    for m in (*BARS, *METHODS)
]
FIGURES += [
    Figure(
        f"{name}.{short(m)}.less_{short(bar)}{'.loss' * (measure == 'log loss')}",
        (name, f"{measure} less", bar, m),
        f"{what}, {measure}: {m} less {bar}",
        "points" if measure == "accuracy" else "nats",
        "+.1f" if measure == "accuracy" else "+.3f",
        "{n} splits",
    )
    for name, what in PACKS.items()
    for measure in ("accuracy", "log loss")
    for bar in ((*BARS, "equal", "equal, alone", "learned", "learned, alone") if measure == "accuracy" else ("early",))
    for m in (*BARS, *METHODS)
    if m != bar and (bar in BARS or (m in METHODS and m.endswith("alone") == bar.endswith("alone")))
]
FIGURES += [
    Figure(f"{name}.seconds", (name, "scores", "equal", "seconds"), f"{what}: a fit, equal weights", "s", ".0f")
    for name, what in PACKS.items()
]
FIGURES += [
    Figure(
        f"few.{name}.{m}.{short(method)}",
        ("few", name, f"{m} rows a class", "accuracy %", method),
        f"{what}, {m} rows a class: {method}",
        "%",
        n="{n} draws",
    )
    for name, what in PACKS.items()
    for m in FEW
    for method in CURVE
]
FIGURES += [
    Figure(
        f"few.{name}.{m}.{short(method)}.gain",
        ("few", name, f"{m} rows a class", "less one head", method),
        f"{what}, {m} rows a class: {method} less one head{', alone' * method.endswith('alone')}",
        "points",
        "+.1f",
        "{n} draws",
        interval="95 %, Student's t over draws",
    )
    for name, what in PACKS.items()
    for m in FEW
    for method in CURVE
    if method.startswith("several")
]


class Weighed(Joint):
    """The same; the closed head beside it, which is one for all weights, is learned once a split."""

    known: ClassVar[list[Any]] = []

    def _closed(self, held: Any, truth: np.ndarray, folds: np.ndarray) -> Any:
        if not self.known:
            self.known.append(super()._closed(held, truth, folds))
        head, closed = self.known[0]
        return head, {subset: answers.copy() for subset, answers in closed.items()}


def scored(fuser: Any, test: Views) -> dict[str, float]:
    gained = fuser.target_.gain(fuser.outputs(test), fuser.target_.encode(test.label))
    return {"accuracy": 100 * float(fuser.score(test)), "log loss": float(-gained.mean())}


def crossed(fuser: Joint) -> float:
    """What out-of-fold answers gain on the rows that were learned from."""
    kept = fuser.folds_
    return float(fuser.target_.gain(kept.outputs_, kept.truth_).mean())


def fitted(name: str, found: Runs, learned: Views, test: Views, **params: Any) -> Joint:
    """A fit on one split, and what it scores with the closed head and without."""
    started = time.process_time()
    fuser = Weighed(**params).fit(learned)
    took = time.process_time() - started
    more = {"share": fuser.shares_[""], "seconds": took, "epochs": float(fuser.chosen_["epochs"])}
    found.add(name, {**scored(fuser, test), **more})
    found.add(f"{name}, alone", scored(alone(fuser), test))
    return fuser


def weighed(learned: Views, test: Views, found: Runs) -> None:
    """Every choice of weights on one split, and the one that the rows learned from find best."""
    made = {name: fitted(name, found, learned, test, weights=weights) for name, weights in WEIGHTS.items()}
    best = max(FIXED, key=lambda name: crossed(made[name]))
    best_alone = max(FIXED, key=lambda name: max(one["score"] for one in made[name].scores_))
    say("swept:", best, "| alone:", best_alone, "| learned:", made["learned"].chosen_)
    for how in ("", ", alone"):
        mine = found[f"{best_alone if how else best}{how}"]
        found.add(f"swept{how}", {measure: mine[measure][-1] for measure in ("accuracy", "log loss")})
    found.add("learned weights", {loss: float(w) for loss, w in made["learned"].chosen_["weights"].items()})


def run(name: str, splits: int) -> dict[str, Any]:
    raw, found = products() if name == "ikea" else pictures(name, label="label"), Runs()
    views = encoded(raw)
    below = registry.make("encode", "effnet_image").last().below
    cells = Encoding({"image": below}).fit_transform(only(raw, ["image"]))["image"] if name == "ikea" else None
    for seed, split in protocol(raw, splits):
        learn, test = split != "test", split == "test"
        Weighed.known.clear()
        found.add("early", scored(Early().fit(views[learn]), views[test]))
        found.add("late", scored(Late().fit(views[learn]), views[test]))
        weighed(views[learn], views[test], found)
        if cells is not None:
            below_last = views.replace({**views.columns, "image": cells})
            fuser = fitted(TUNED, found, below_last[learn], below_last[test], tuned="image")
            say(TUNED, fuser.chosen_, round(max(one["score"] for one in fuser.scores_), 3))
        say(name, seed, found.last("accuracy"), found.last("share"))
    about = {"rows": len(views), "classes": len(np.unique(views.label)), "scores": found.spreads()}
    return about | differences(found, (*BARS, "equal", "equal, alone", "learned", "learned, alone"))


def differences(found: Runs, bars: Sequence[str]) -> dict[str, Any]:
    """Accuracy and log loss of every method less those of some, split by split."""
    result: dict[str, Any] = {}
    for measure in ("accuracy", "log loss") if len(found["early"]["accuracy"]) > 1 else ():
        held = {method: of[measure] for method, of in found.items() if measure in of}
        result[f"{measure} less"] = {
            bar: {
                method: apart(values, held[bar], SHARES["test"], 1 - SHARES["test"])
                for method, values in held.items()
                if method != bar
            }
            for bar in bars
        }
    return result


def headed(name: str) -> Views:
    """A pack encoded, with what further heads learn among its facts."""
    raw = products() if name == "ikea" else pictures(name, label="label")
    cells = table(name, "items.parquet" if name == "ikea" else "data.parquet")
    facts = {}
    for column in HEADS[name]:
        counts = Counter(cells[column])
        by_id = {
            str(i): one if one and counts[one] >= LEAST else None
            for i, one in zip(cells["id"], cells[column], strict=True)
        }
        facts[column] = np.array([by_id[str(i)] for i in raw.ids], dtype=object)
    views = encoded(raw)
    return Views(views.columns, views.ids, {**views.facts, **facts})


def few(name: str, splits: int) -> dict[str, Any]:
    """One head against several, from few rows a class."""
    every = headed(name)
    also, result = HEADS[name], {}
    for m in FEW:
        enough = [one for one, count in Counter(every.label).items() if count >= m + 3]
        views, scores = every[np.isin(every.label, enough)], Runs()
        for seed in range(splits):
            learned, test = (views[rows] for rows in drawn(views, m, seed, TEST))
            scores.add("early", scored(Early(seed=seed).fit(learned), test))
            for head, names in {"one head": (), "several heads": also}.items():
                fuser = Joint(also=names, seed=seed).fit(learned)
                scores.add(head, scored(fuser, test))
                scores.add(f"{head}, alone", scored(alone(fuser), test))
        say("few", name, m, {method: round(float(np.mean(of["accuracy"])), 1) for method, of in scores.items()})
        spreads = {method: of["accuracy"] for method, of in scores.spreads().items()}
        result[f"{m} rows a class"] = {
            "rows": len(views),
            "classes": len(enough),
            "accuracy %": spreads,
            "less one head": {
                f"several heads{how}": gap(
                    scores[f"several heads{how}"]["accuracy"], scores[f"one head{how}"]["accuracy"]
                )
                for how in ("", ", alone")
            }
            if splits > 1
            else {},
        }
    return result


def main() -> None:
    parser = arguments(__doc__, (*PACKS, "few"))
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    parts = args.parts or [*PACKS, "few"]
    with threadpool_limits(1):
        result: dict[str, Any] = {name: run(name, args.splits) for name in PACKS if name in parts}
        if "few" in parts:
            result["few"] = {name: few(name, args.splits) for name in PACKS}
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
