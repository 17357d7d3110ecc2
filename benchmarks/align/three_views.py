"""Three views in one space: ikea's types, descriptions and pictures, over ten re-drawn splits.

`python -m benchmarks.align.three_views`. 70 / 10 / 20 % of the products to learn from, to choose on and to score;
products that are equal in every view stay on one side. R@1 between picture and type, beside ridge regression on the
same features and rows, chosen on the same validation rows. Types are shared: most of the scored products have one that
training has too, so the figures are repeated on those that share no item with training (some dozens a split).
Intervals over re-drawn splits are Nadeau & Bengio's (2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm.encoding import Encoding
from chiasm.tasks.retrieve import Retrieve

SPLITS, SHARES = 10, {"train": 0.7, "val": 0.1, "test": 0.2}
WAYS = {"image": ("image", "type"), "type": ("type", "image")}
FIGURES = [
    Figure(
        f"{short}{end}",
        (part, f"{start} -> {to}"),
        f"ikea, three views in one space, {start} -> {to}, R@1{what}",
        unit,
        form,
        "{n} splits",
        100,
    )
    for short, (start, to) in WAYS.items()
    for end, part, what, unit, form in (
        ("", "R@1", "", "%", ".1f"),
        (".ridge", "ridge regression", " of ridge regression", "%", ".1f"),
        (".gain", "gain", " less that of ridge regression", "points", "+.1f"),
        (".clean", "clean", ", rows that share no item with training", "%", ".1f"),
        (".clean.ridge", "clean, ridge regression", " of ridge regression, those rows", "%", ".1f"),
        (".clean.gain", "clean, gain", " less that of ridge regression, those rows", "points", "+.1f"),
    )
]
FIGURES += [
    Figure("rows", ("rows",), "ikea, three views in one space: rows scored a split", format=".0f", n="{n} splits"),
    Figure(
        "clean.rows", ("clean rows",), "of these, rows that share no item with training", format=".0f", n="{n} splits"
    ),
]


def main() -> None:
    args = arguments(__doc__).parse_args()
    views = pictures("ikea", text=["type", "description"])
    twins = Encoding().twins(views)
    views = encoded(views)
    runs, rows = Runs(), Runs()
    for seed, split in redrawn(views, SHARES, SPLITS, twins):
        views.facts["split"] = split
        model = Retrieve(seed=seed, allow_leaks=True).fit(views)
        table = model.score(views[split == "test"]).table
        rows.add("rows", {"whole": table["rows"], "clean": table["clean"]["rows"]})
        for part, held in (("whole", table), ("clean", table["clean"])):
            for found in held["directions"]:
                way = f"{found['from']} -> {found['to']}"
                runs.add(way, {part: found["R@1"]["value"], f"{part}, ridge": found["baseline"]["R@1"]})
        say("three_views", seed, {way: {m: round(100 * v[-1], 1) for m, v in of.items()} for way, of in runs.items()})

    def over(measure: str, less: str | None = None) -> dict[str, Any]:
        return {
            way: apart(of[measure], of[less] if less else np.zeros(SPLITS), SHARES["test"], SHARES["train"])
            for way, of in runs.items()
        }

    result = {
        "R@1": over("whole"),
        "ridge regression": over("whole, ridge"),
        "gain": over("whole", "whole, ridge"),
        "clean": over("clean"),
        "clean, ridge regression": over("clean, ridge"),
        "clean, gain": over("clean", "clean, ridge"),
        "rows": rows.spreads()["rows"]["whole"],
        "clean rows": rows.spreads()["rows"]["clean"],
    }
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
