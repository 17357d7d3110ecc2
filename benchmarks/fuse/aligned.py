"""Align, then fuse: against plain early fusion, on tweets (3 classes) and Chinese news (10).

`python -m benchmarks.fuse.aligned [--splits 10] [--method NAME ...]`: mvsa_single and web_news_zh, by the protocol of
`benchmarks/fuse/classes.py`: each method learns from training and validation rows and is scored on the others:

- raw concat: `early` on the features as they are;
- aligned concat: `early` on the views mapped by CCA alone; raw + aligned concat: on both (the default of `aligned`).

Accuracy and macro F1 in %, log loss in nats, seconds of a fit on one thread; accuracy of the same model where only one
view is there. Differences to raw concat, split by split, with Nadeau & Bengio's (2003) interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks._sets import encoded, only, pictures
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, protocol, say
from chiasm.fuse.aligned import Aligned
from chiasm.fuse.early import Early
from chiasm.stats.answers import class_report, confusion
from chiasm.views import Views

METHODS: dict[str, Callable[[], Any]] = {
    "raw concat": Early,
    "aligned concat": lambda: Aligned(keep="aligned"),
    "raw + aligned concat": Aligned,
}
BASE = "raw concat"
SHORT = {
    "early": BASE,
    "aligned_alone": "aligned concat",
    "aligned": "raw + aligned concat",
}
"""By figure: the method."""

PACKS = {"mvsa_single": "sentiment of tweets", "web_news_zh": "Chinese news"}
FIGURES = [
    Figure(f"{name}.{short}", (name, "scores", method, "accuracy"), f"{what}, accuracy: {method}", "%", n="{n} splits")
    for name, what in PACKS.items()
    for short, method in SHORT.items()
]
FIGURES += [
    Figure(
        f"{name}.{short}.gain",
        (name, f"accuracy minus {BASE}'s", method),
        f"{what}, accuracy: {method} less `early` on the same splits",
        "points",
        "+.1f",
        "{n} splits",
    )
    for name, what in PACKS.items()
    for short, method in SHORT.items()
    if method != BASE
]


def scores(fuser: Any, test: Views) -> dict[str, float]:
    """Of all views, and the accuracy of each alone."""
    truth = fuser.target_.encode(test.label)
    outputs = fuser.outputs(test)
    table = class_report(confusion(truth.argmax(axis=1), outputs.argmax(axis=1), truth.shape[1]))
    found = {
        "accuracy": 100 * table["accuracy"],
        "macro F1": 100 * table["macro"]["f1"],
        "log loss": float(-fuser.target_.gain(outputs, truth).mean()),
    }
    for name in test.names:
        found[f"{name} alone"] = 100 * float(fuser.score(only(test, [name])))
    return found


def compared(name: str, splits: int, methods: list[str]) -> dict[str, Any]:
    """Every method on the same splits of a pack."""
    raw = pictures(name, label="label")
    views = encoded(raw)
    found = Runs()
    for seed, split in protocol(raw, splits):
        for method in methods:
            started = time.process_time()
            fuser = METHODS[method]().fit(views[split != "test"])
            took = time.process_time() - started
            found.add(method, {**scores(fuser, views[split == "test"]), "seconds": took})
        say(name, seed, found.last("accuracy"))
    result: dict[str, Any] = {"rows": len(views), "classes": len(set(views.label)), "scores": found.spreads()}
    for measure in ("accuracy", "log loss") if splits > 1 and BASE in found else ():
        result[f"{measure} minus {BASE}'s"] = {
            method: apart(values[measure], found[BASE][measure], SHARES["test"], 1 - SHARES["test"])
            for method, values in found.items()
            if method != BASE
        }
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--method", action="append", choices=list(METHODS))
    args = parser.parse_args()
    with threadpool_limits(1):
        finish({name: compared(name, args.splits, args.method or list(METHODS)) for name in PACKS}, FIGURES, args)


if __name__ == "__main__":
    main()
