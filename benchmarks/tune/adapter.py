"""Target-aware last layers against frozen ones: pictures whose encoder has learned the labels, over re-drawn splits.

`python -m benchmarks.tune.adapter [PART ...] [--splits 3]`: the sentiment of tweets from their pictures (mvsa_single, 3
classes), ikea's types of product and colors of the same products from their pictures (those of at least ten products, a
series on one side), and COVID-19 against other pneumonia from the X-ray (covid_cxr, a patient on one side). Neither the
colors nor the X-rays were looked at while the adapter was designed. By the protocol of `benchmarks/fuse/classes.py`:
learned from training and validation rows, scored on the others. `early` reads the vectors of `effnet_image`, those of
`adapter` in their place, or both as two views. Of three tasks that swap adapters on one encoder (types, colors, X-rays)
also the last layers learned in full, which answer by a head of their own (`benchmarks/tune/_whole.py`).

Accuracy in %, log loss in nats; differences split by split, with Nadeau & Bengio's (2003) interval. Seconds of a fit
and MiB of what is kept of the frozen layers, in half precision.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from benchmarks._sets import only, pictures
from benchmarks._trials import SHARES, Figure, Runs, apart, arguments, finish, peak, protocol, say
from benchmarks._xrays import xrays
from benchmarks.tune._whole import Whole
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.target import Target
from chiasm.views import Views

LEAST = 10
FROZEN, TUNED, BOTH = "frozen", "tuned", "both"
"""What `early` reads."""
FULL = "full"
THREE = ("ikea", "ikea_color", "covid_cxr")
"""Tasks on one encoder, of which the last layers are learned in full too."""


def tweets() -> Views:
    views = pictures("mvsa_single", label="label")
    return only(views, ["image"])


def products() -> Views:
    return only(_frequent(pictures("ikea", label="type", group="name")), ["image"])


def colors() -> Views:
    """Of the same products."""
    views = pictures("ikea", label="color", group="name")
    return only(_frequent(views[np.isin(views.ids, products().ids)]), ["image"])


def _frequent(views: Views) -> Views:
    enough = [one for one, count in Counter(views.label).items() if one and count >= LEAST]
    return views[np.isin(views.label, enough)]


def lungs() -> Views:
    return only(xrays(offset=False)[0], ["image"])


PARTS: dict[str, tuple[str, Callable[[], Views]]] = {
    "mvsa_single": ("sentiment of tweets from the picture", tweets),
    "ikea": ("type of product from the picture", products),
    "ikea_color": ("color of product from the picture", colors),
    "covid_cxr": ("COVID-19 or other pneumonia from the X-ray", lungs),
}

FIGURES = [
    Figure(f"{name}.{how}", (name, "scores", how, "accuracy"), f"{what}, accuracy: {how}", "%", n="{n} splits")
    for name, (what, _) in PARTS.items()
    for how in (FROZEN, TUNED, BOTH, *([FULL] if name in THREE else []))
]
FIGURES += [
    Figure(
        f"{name}.{at}.{short}",
        (name, f"{measure} less {less}", how),
        f"{what}, {measure}: {how} less {less} on the same splits",
        unit,
        form,
        "{n} splits",
    )
    for name, (what, _) in PARTS.items()
    for at, how, less in (
        (TUNED, TUNED, FROZEN),
        (BOTH, BOTH, FROZEN),
        *([(FULL, FULL, FROZEN), ("over_full", TUNED, FULL)] if name in THREE else []),
    )
    for short, measure, unit, form in (("gain", "accuracy", "points", "+.1f"), ("loss", "log loss", "nats", "+.3f"))
]
FIGURES += [
    Figure(f"{name}.{short}", (name, "fit", short), f"{what}: {said}", unit, form, "{splits} splits")
    for name, (what, _) in PARTS.items()
    for short, said, unit, form in (
        ("full_share", "numbers of the layers learned in full over those of the encoder", "%", ".1f"),
        ("seconds", "processor seconds of a fit of the adapter, what lies below being cached", "s", ".0f"),
        ("kept", "splits in which the change was kept", "", ".0f"),
        ("cells", "what is cached of the frozen layers", "MiB", ".0f"),
        ("share", "numbers of the adapter over those of the encoder", "%", ".1f"),
        ("peak", "the most memory that the benchmark held, mapped files aside", "MiB", ".0f"),
    )
]


def scores(learned: Views, test: Views) -> dict[str, float]:
    """Of `early`, learned from some rows."""
    fuser = Early().fit(learned)
    return measured(fuser.target_, fuser.outputs(test), test.label)


def measured(target: Target, outputs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy and log loss of probabilities `(n, c)`."""
    truth = target.encode(labels)
    return {
        "accuracy": 100 * float((truth.argmax(axis=1) == outputs.argmax(axis=1)).mean()),
        "log loss": float(-target.gain(outputs, truth).mean()),
    }


def run(name: str, splits: int) -> dict[str, Any]:
    """Every way on the same splits of a pack."""
    raw = PARTS[name][1]()
    frozen = Encoding().fit_transform(raw)
    last = registry.make("encode", "effnet_image").last()
    cells = Encoding({"image": last.below}).fit_transform(raw)["image"]  # into the cache, before the clock runs
    target = Target("classes").fit(raw.label)
    found, seconds, kept, share, full = Runs(), [], 0, 0, 0
    for seed, split in protocol(raw, splits):
        learn = split != "test"
        adapter = registry.get("tune", "adapter")(seed=seed)
        encoding = Encoding({"image": adapter})
        started = time.process_time()
        encoding.fit(raw[learn])
        seconds.append(time.process_time() - started)
        tuned = encoding.transform(raw)
        both = frozen.replace({"image": frozen["image"], "tuned": tuned["image"]})
        for how, views in ((FROZEN, frozen), (TUNED, tuned), (BOTH, both)):
            found.add(how, scores(views[learn], views[~learn]))
        fitted = encoding.encoders_["image"]
        kept += fitted.chosen_["kept"]
        share = max(share, sum(one.size for one in fitted.added_.values()))
        say(name, seed, found.last("accuracy"), found.last("log loss", 3), fitted.chosen_)
        if name in THREE:
            whole = Whole(last, cells.items.some(cells.index), target.encode(raw.label), seed).fit(split)
            found.add(FULL, measured(target, whole.outputs(np.flatnonzero(~learn)), raw.label[~learn]))
            full = sum(one.size for one in whole.layers.values())
            say(name, seed, FULL, found.last("accuracy")[FULL], found.last("log loss", 3)[FULL], whole.chosen)
    result: dict[str, Any] = {"rows": len(raw), "classes": len(np.unique(raw.label)), "scores": found.spreads()}
    for measure, less in product(("accuracy", "log loss"), (FROZEN, FULL)):
        if less in found:
            result[f"{measure} less {less}"] = {
                how: apart(found[how][measure], found[less][measure], SHARES["test"], 1 - SHARES["test"])
                for how in found
                if how != less
            }
    result["fit"] = {
        "splits": splits,
        "seconds": float(np.mean(seconds)),
        "kept": kept,
        "cells": len(raw["image"].used) * cells.items.steps * cells.items.width * 2 / 2**20,
        "share": 100 * share / last.parameters,
        "full_share": 100 * full / last.parameters if full else None,
        "peak": peak(files=False),
    }
    return result


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=3)
    args = parser.parse_args()
    finish({name: run(name, args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
