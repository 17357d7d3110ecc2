"""Decision-level fusion of tweets (mvsa_single) and Chinese news (web_news_zh): text and picture, re-drawn splits.

`python -m benchmarks.fuse.late [--splits 10]`. Frozen default features, the protocol of
`benchmarks/fuse/classes.py`: train and val rows are learned from, everything is chosen by cross-validation within them,
and the test rows are scored.
Accuracy, log loss in nats, and expected calibration error (15 bins) before and after one temperature that is learned
from out-of-fold answers. The intervals of differences are Nadeau & Bengio's (2003), since re-drawn splits share rows.

A cascade reads the text or the picture first. What it saves is the part of the encoders' processor seconds (measured
here on 64 items each) that the views which it did not look at would have taken.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks._sets import only, pictures
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, protocol
from chiasm.encode.e5_text import E5Text
from chiasm.encode.effnet_image import EffnetImage
from chiasm.encoding import Encoding
from chiasm.fuse.cascade import Cascade
from chiasm.fuse.early import Early
from chiasm.fuse.late import Late
from chiasm.fuse.stacking import Stacking
from chiasm.stats.answers import ece, log_loss
from chiasm.stats.calibration import Temperature
from chiasm.views import Views

PACKS = {"mvsa_single": "sentiment of tweets", "web_news_zh": "Chinese news"}
SHORT = {
    "text": "text",
    "image": "image",
    "average": "average",
    "weighted": "weighted",
    "product": "product",
    "cascade": "cascade, text first",
    "cascade_image": "cascade, image first",
    "stacking": "stacking",
    "early": "early",
}
"""By figure: the method."""

MEASURES = (
    ("", "accuracy", "accuracy", "%", ".1f", 100),
    (".loss", "log loss", "log loss in nats", "", ".3f", 1),
    (".ece", "ECE", "calibration error", "%", ".1f", 100),
)
AGAINST = (
    ("product", "text"),
    ("product", "average"),
    ("product", "weighted"),
    ("product", "early"),
    ("stacking", "product"),
    ("stacking", "early"),
    ("cascade, text first", "early"),
    ("cascade, image first", "early"),
)


FIGURES = [
    Figure(
        f"{name}.{short}{end}", (name, method, measure), f"{what}, {method}: {said}", unit, form, "{n} splits", scale
    )
    for name, what in PACKS.items()
    for short, method in SHORT.items()
    for end, measure, said, unit, form, scale in MEASURES
]
FIGURES += [
    Figure(
        f"{name}.{one}-{other}",
        (name, f"{SHORT[one]} - {SHORT[other]}: accuracy"),
        f"{what}, accuracy: {SHORT[one]} less {SHORT[other]}",
        "points",
        "+.1f",
        "{n} splits",
        100,
    )
    for name, what in PACKS.items()
    for one, other in (("product", "early"), ("stacking", "early"), ("cascade", "early"), ("cascade_image", "early"))
]
FIGURES += [
    Figure(
        f"{name}.cascade.{short}",
        (name, SHORT["cascade"], measure),
        f"{what}, cascade: {said}",
        "%",
        ".0f",
        "{n} splits",
        100,
    )
    for name, what in PACKS.items()
    for short, measure, said in (
        ("first", "answered by stage 1", "rows answered by the words alone"),
        ("saved", "encoder seconds saved", "encoder seconds saved"),
    )
]


def methods() -> dict[str, tuple[Any, tuple[str, ...]]]:
    both = ("text", "image")
    return {
        "text": (Early(), ("text",)),
        "image": (Early(), ("image",)),
        "average": (Late(combine="average"), both),
        "weighted": (Late(combine="weighted"), both),
        "product": (Late(), both),
        "cascade, text first": (Cascade(order=["text", "image"]), both),
        "cascade, image first": (Cascade(order=["image", "text"]), both),
        "stacking": (Stacking(), both),
        "early": (Early(), both),
    }


def seconds(views: Views) -> dict[str, float]:
    """Processor seconds an item of each encoder (whatever else runs), after a first call that loads it."""
    found = {}
    for name, encoder in (("text", E5Text()), ("image", EffnetImage())):
        items = views[name].take(views[name].used[:72])
        encoder.encode(items[:8])
        started = time.process_time()
        encoder.encode(items[8:])
        found[name] = (time.process_time() - started) / (len(items) - 8)
    return found


def run(name: str, splits: int) -> dict[str, Any]:
    raw = pictures(name, label="label")
    views = Encoding().fit_transform(raw)
    label = np.unique(views.label, return_inverse=True)[1]
    cost = seconds(raw)
    scores = Runs()
    for seed, split in protocol(raw, splits):
        learned, test = views[split != "test"], views[split == "test"]
        truth, inside = label[split == "test"], label[split != "test"]
        for method, (fuser, chosen) in methods().items():
            part, rest = only(learned, chosen), only(test, chosen)
            started = time.perf_counter()
            fuser.fit(part)
            took = time.perf_counter() - started
            found = fuser.predict_proba(rest)
            mended = Temperature().fit(fuser.crossed(part), inside).apply(found)
            held = {
                "accuracy": float((found.argmax(axis=1) == truth).mean()),
                "log loss": log_loss(truth, found),
                "ECE": ece(truth, found),
                "ECE after temperature": ece(truth, mended),
                "fit seconds": took,
            }
            if method.startswith("cascade"):
                share = float((fuser.trace(rest) == 1).mean())
                held["answered by stage 1"] = share
                held["encoder seconds saved"] = share * cost[fuser.order_[1]] / sum(cost.values())
            scores.add(method, held)
        print(name, seed, {m: [round(v[-1], 3) for v in held.values()] for m, held in scores.items()}, flush=True)
    result: dict[str, Any] = scores.spreads()
    result["encoder seconds an item"] = {view: round(value, 5) for view, value in cost.items()}
    for one, other in AGAINST:
        for measure in ("accuracy", "log loss", "ECE"):
            gap = apart(scores[one][measure], scores[other][measure], SHARES["test"], 1 - SHARES["test"])
            result[f"{one} - {other}: {measure}"] = gap
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--splits", type=int, default=10)
    args = parser.parse_args()
    finish({name: run(name, args.splits) for name in PACKS}, FIGURES, args)


if __name__ == "__main__":
    main()
