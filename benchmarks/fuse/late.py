"""Decision-level fusion of tweets (mvsa_single) and Chinese news (web_news_zh): text and picture, re-drawn splits.

`python -m benchmarks.fuse.late [--splits 10]`. Frozen default features. Each split is 60 / 20 / 20, drawn by id and
class;
train and val rows are learned from, everything is chosen by cross-validation within them, and the test rows are scored.
Accuracy, log loss in nats, and expected calibration error (15 bins) before and after one temperature that is learned
from out-of-fold answers. The intervals of differences are Nadeau & Bengio's (2003), since re-drawn splits share rows.

A cascade reads the text or the picture first. What it saves is the part of the encoders' processor seconds (measured
here on 64 items each) that the views which it did not look at would have taken.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import chiasm
from benchmarks._shared import finish, pack, spread
from chiasm.encode.e5_text import E5Text
from chiasm.encode.effnet_image import EffnetImage
from chiasm.encoding import Encoding
from chiasm.fuse.cascade import Cascade
from chiasm.fuse.early import Early
from chiasm.fuse.late import Late
from chiasm.fuse.stacking import Stacking
from chiasm.splits import cut
from chiasm.stats.answers import ece, log_loss
from chiasm.stats.calibration import Temperature
from chiasm.stats.resample import redrawn_interval
from chiasm.views import Views

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
PACKS = ("mvsa_single", "web_news_zh")
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
    raw = chiasm.read(pack(name) / "data.parquet", text="text", image="image", id="id", label="label")
    views = Encoding().fit_transform(raw)
    label = np.unique(views.label, return_inverse=True)[1]
    cost = seconds(raw)
    scores: dict[str, dict[str, list[float]]] = {}
    for seed in range(splits):
        split = cut(views, SHARES, seed, stratify=views.label)
        learned, test = views[split != "test"], views[split == "test"]
        truth, inside = label[split == "test"], label[split != "test"]
        for method, (fuser, chosen) in methods().items():
            part, rest = (v.replace({view: v[view] for view in chosen}) for v in (learned, test))
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
            for measure, value in held.items():
                scores.setdefault(method, {}).setdefault(measure, []).append(value)
        print(name, seed, {m: [round(v[-1], 3) for v in held.values()] for m, held in scores.items()}, flush=True)
    result: dict[str, Any] = {m: {k: spread(v) for k, v in held.items()} for m, held in scores.items()}
    result["encoder seconds an item"] = {view: round(value, 5) for view, value in cost.items()}
    for one, other in AGAINST:
        for measure in ("accuracy", "log loss", "ECE"):
            gap = np.array(scores[one][measure]) - np.array(scores[other][measure])
            result[f"{one} - {other}: {measure}"] = redrawn_interval(gap, SHARES["test"], 1 - SHARES["test"])
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=10)
    splits = parser.parse_known_args()[0].splits
    finish({name: run(name, splits) for name in PACKS})


if __name__ == "__main__":
    main()
