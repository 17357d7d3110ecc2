"""Align, then fuse; and weights by row: against plain early fusion, on tweets (3 classes) and Chinese news (10).

`python -m benchmarks.fuse.aligned [--splits 5] [--method NAME ...] [--json FILE]`: re-drawn 60/20/20 splits,
stratified, of
mvsa_single and web_news_zh, rows equal in every view kept together. No method needs validation rows, so each learns
from the 60 and the 20 % and is scored on the other 20 %:

- raw concat: `early` on the features as they are;
- aligned concat: `early` on the views mapped by CCA alone; raw + aligned concat: on both (the default of `aligned`);
- aligned attention, raw + aligned attention: the same two with `attention`;
- attention, gated: on the features as they are.

Accuracy and macro F1 in %, log loss in nats, seconds of a fit on one thread; accuracy of the same model where only one
view is there. Differences to raw concat, split by split, with Nadeau & Bengio's (2003) interval.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import chiasm
from benchmarks._shared import finish, pack, spread
from chiasm.encoding import Encoding
from chiasm.fuse.aligned import Aligned
from chiasm.fuse.attention import Attention
from chiasm.fuse.early import Early
from chiasm.fuse.gated import Gated
from chiasm.splits import cut
from chiasm.stats.answers import confusion, report
from chiasm.stats.resample import redrawn_interval
from chiasm.views import Column, Views

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
METHODS: dict[str, Callable[[], Any]] = {
    "raw concat": Early,
    "aligned concat": lambda: Aligned(keep="aligned"),
    "raw + aligned concat": Aligned,
    "aligned attention": lambda: Aligned(fuse="attention", keep="aligned"),
    "raw + aligned attention": lambda: Aligned(fuse="attention"),
    "attention": Attention,
    "gated": Gated,
}
BASE = "raw concat"


def encoded(views: Views) -> Views:
    """Views in the features of the default encoders, in memory. None of these encoders learns."""
    found = Encoding().fit(views).transform(views)
    columns = {
        n: Column(c.modality, np.asarray(c.items[np.arange(len(c.items))]), c.index) for n, c in found.columns.items()
    }
    return views.replace(columns)


def scores(fuser: Any, test: Views) -> dict[str, float]:
    """Of all views, and the accuracy of each alone."""
    truth = fuser.target_.encode(test.label)
    outputs = fuser.outputs(test)
    table = report(confusion(truth.argmax(axis=1), outputs.argmax(axis=1), truth.shape[1]))
    found = {
        "accuracy": 100 * table["accuracy"],
        "macro F1": 100 * table["macro"]["f1"],
        "log loss": float(-fuser.target_.gain(outputs, truth).mean()),
    }
    for name in test.names:
        found[f"{name} alone"] = 100 * float(fuser.score(test.replace({name: test[name]})))
    return found


def redrawn(name: str, splits: int, methods: list[str]) -> dict[str, Any]:
    """Every method on the same splits of a pack."""
    views = chiasm.read(pack(name) / "data.parquet", text="text", image="image", id="id", label="label")
    twins = Encoding().twins(views)
    views = encoded(views)
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(splits):
        split = cut(views, SHARES, seed, twins, stratify=views.label)
        for method in methods:
            started = time.process_time()
            fuser = METHODS[method]().fit(views[split != "test"])
            took = time.process_time() - started
            for measure, value in {**scores(fuser, views[split == "test"]), "seconds": took}.items():
                found.setdefault(method, {}).setdefault(measure, []).append(value)
        now = {method: round(values["accuracy"][-1], 1) for method, values in found.items()}
        print(time.strftime("%H:%M:%S"), name, seed, now, file=sys.stderr, flush=True)
    result: dict[str, Any] = {"rows": len(views), "classes": len(set(views.label))}
    result["scores"] = {m: {k: spread(v) for k, v in values.items()} for m, values in found.items()}
    for measure in ("accuracy", "log loss") if splits > 1 and BASE in found else ():
        result[f"{measure} minus {BASE}'s"] = {
            method: redrawn_interval(
                np.array(values[measure]) - found[BASE][measure], SHARES["test"], 1 - SHARES["test"]
            )
            for method, values in found.items()
            if method != BASE
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--method", action="append", choices=list(METHODS))
    args, _ = parser.parse_known_args()
    methods = args.method or list(METHODS)
    with threadpool_limits(1):
        finish({name: redrawn(name, args.splits, methods) for name in ("mvsa_single", "web_news_zh")})


if __name__ == "__main__":
    main()
