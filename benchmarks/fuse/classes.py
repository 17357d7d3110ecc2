"""Classes from several forms on real packs: does fusing pay, and is `auto` better than what scikit-learn's tools reach?

`python -m benchmarks.fuse.classes [PART ...] [--splits N]`; the parts are

- mvsa_single: sentiment of all 4,511 tweets, 3 classes; then the given split, and the strict 2,592 rows;
- web_news_zh: 10 classes; ikea: 50 types of product, a series of products in one part.

One protocol: 10 re-drawn 60/20/20 splits, stratified, rows equal in every view kept together. Every method chooses on
the validation rows or by cross-validation, learns from training and validation rows, and is scored on the test rows:

- VIEW alone: `auto` on one view, which is the same head as the fused one's;
- what scikit-learn reaches, tuned on the validation rows (`benchmarks/fuse/_plain.py`): logistic regression and an
  RBF-SVM on each view and on all, scaled by view, with and without PCA; averaged probabilities; stacking;
- best plain: of all of those, split by split, the one with the highest accuracy on the validation rows;
- auto.

Bar: the interval of auto - best plain above 0. Intervals over re-drawn splits are Nadeau & Bengio's (2003), which know
that the splits share rows.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks._sets import encoded, only, pictures, table
from benchmarks._trials import SHARES, Figure, apart, arguments, finish, protocol, say, spread
from benchmarks.fuse._plain import LEARNERS, METHODS, Plain
from chiasm.fuse.auto import Auto
from chiasm.stats.resample import Draws, difference, interval_of
from chiasm.views import Views

SPLITS = "all rows"
ROWS = {
    "mvsa_single": (("mvsa_single", SPLITS), "sentiment of tweets, 3 classes"),
    "mvsa_single.strict": (("mvsa_single", "strict rows"), "sentiment of tweets, the strict 2,592 rows"),
    "web_news_zh": (("web_news_zh",), "Chinese news, 10 classes"),
    "ikea": (("ikea",), "type of product, 50 types"),
}
VIEWS = ("text", "image", "description", "color", "size")
BEST = "best plain"
SHORT = {
    **{view: f"{view} alone" for view in VIEWS},
    **{f"{view}_{how.lower()}": f"{view}, {how}" for view in VIEWS for how in LEARNERS},
    **{how.lower(): how for how in METHODS},
    "plain": BEST,
    "auto": "auto",
}
"""By figure: the method."""
GAINS = {"gain": BEST, **{f"over_{short}": SHORT[short] for short in ("text", "image", "logistic", "svm", "stacked")}}
"""By figure: what `auto` is compared with."""
GIVEN = ("mvsa_single", "given split, once")
FIGURES = [
    Figure(f"{short}.{how}", (*at, "accuracy %", method), f"{what}: {method}", "%", n="{n} splits")
    for short, (at, what) in ROWS.items()
    for how, method in SHORT.items()
]
FIGURES += [
    Figure(f"{short}.{gain}", (*at, "auto minus", other), f"{what}: auto less {other}", "points", "+.1f", "{n} splits")
    for short, (at, what) in ROWS.items()
    for gain, other in GAINS.items()
]
FIGURES += [
    Figure(
        f"mvsa_single.given.{how}",
        (*GIVEN, *at),
        f"sentiment of tweets, given test split: {what}",
        unit,
        form,
        "{rows} rows",
        scale=100,
    )
    for how, at, what, unit, form in (
        ("auto", ("accuracy", "auto"), "auto", "%", ".1f"),
        ("plain", ("accuracy", BEST), BEST, "%", ".1f"),
        ("gain", ("auto minus", BEST), f"auto less {BEST}", "points", "+.1f"),
    )
]


def auto(views: Views, learn: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, str]:
    """What `auto` learns from some rows says of others, in the order of all classes; and what it chose."""
    fuser = Auto().fit(views[learn])
    found = fuser.outputs(views[rows])
    out = np.zeros((len(found), len(names)))
    out[:, [list(names).index(name) for name in fuser.target_.names_]] = found
    return out, fuser.chosen_["fuser"]


def answers(views: Views, split: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, tuple[str, str]]:
    """By method the test rows' scores; the truth; what `auto` chose and which plain method was best on "val" rows."""
    plain, test = Plain(views), split == "test"
    found, best = plain.outputs(split)
    found[BEST] = found[best]
    for name in views.names:
        found[f"{name} alone"], _ = auto(only(views, [name]), ~test, test, plain.names)
    found["auto"], chosen = auto(views, ~test, test, plain.names)
    return found, plain.y[test], (chosen, best)


def compared(views: Views, splits: int, title: str) -> dict[str, Any]:
    """Every method on re-drawn splits: accuracies, what `auto` gains over each, and in what share of the splits."""
    rows = encoded(views)
    right: dict[str, list[float]] = {}
    chosen: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for seed, split in protocol(views, splits):
        found, truth, choices = answers(rows, split)
        for counter, choice in zip(chosen, choices, strict=True):
            counter[choice] += 1
        for key, outputs in found.items():
            right.setdefault(key, []).append(100 * float((outputs.argmax(axis=1) == truth).mean()))
        say(title, seed, *choices, {key: round(values[-1], 1) for key, values in right.items()})
    counts = {"auto chose": dict(chosen[0]), f"{BEST} was": dict(chosen[1])}
    return {"rows": len(views), **counts, **gains(right)}


def gains(right: dict[str, list[float]]) -> dict[str, Any]:
    """Means of accuracies in %, and the differences of `auto` with intervals."""
    result: dict[str, Any] = {"accuracy %": {}, "auto minus": {}}
    for method, values in right.items():
        result["accuracy %"][method] = spread(values)
        if method != "auto" and len(values) > 1:
            won = round(float((np.array(right["auto"]) > values).mean()), 2)
            apart_by = apart(right["auto"], values, SHARES["test"], 1 - SHARES["test"])
            result["auto minus"][method] = {**apart_by, "splits won": won}
    if result["auto minus"]:
        result[f"bar: auto - {BEST} above 0"] = result["auto minus"][BEST]["low"] > 0
    return result


def mvsa_single(splits: int) -> dict[str, Any]:
    """All rows, the given split, the strict rows."""
    views = pictures("mvsa_single", label="label", split="split")
    result: dict[str, Any] = {SPLITS: compared(views, splits, "mvsa_single")}
    split = views.split
    found, truth, (chosen, best) = answers(encoded(views), split)
    draws = Draws(views.clusters[split == "test"])
    sampled = {key: draws.accuracy(truth, outputs.argmax(axis=1)) for key, outputs in found.items()}
    given: dict[str, Any] = {"rows": int((split == "test").sum()), "auto chose": chosen, f"{BEST} was": best}
    given["accuracy"] = {key: interval_of(*one) for key, one in sampled.items()}
    given["auto minus"] = {BEST: difference(sampled["auto"], sampled[BEST])}
    result["given split, once"] = given
    strict = pictures("mvsa_single", label="label", split="split", where={"consistent": "True"})
    result["strict rows"] = compared(strict, splits, "mvsa_single, strict")
    return result


def web_news_zh(splits: int) -> dict[str, Any]:
    """Ten classes of Chinese news."""
    return compared(pictures("web_news_zh", label="label"), splits, "web_news_zh")


def ikea(splits: int) -> dict[str, Any]:
    """The 50 most frequent types of product, from picture, description, color and size.

    The name is that of a series, whose members share descriptions. So it is no view, but the group that is not cut.
    """
    views = ikea_views()
    return {**compared(views, splits, "ikea"), "series": len(np.unique(views.clusters))}


def ikea_views() -> Views:
    types = Counter(table("ikea", "items.parquet")["type"])
    views = pictures("ikea", text=["description", "color", "size"], label="type", group="name")
    return views[np.isin(views.label, [name for name, _ in types.most_common(50)])]


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "mvsa_single": mvsa_single,
    "web_news_zh": web_news_zh,
    "ikea": ikea,
}


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)
    result: dict[str, Any] = {}
    for name in args.parts or PARTS:
        started = time.perf_counter()
        result[name] = PARTS[name](args.splits)
        result[name]["took, s"] = round(time.perf_counter() - started, 1)
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
