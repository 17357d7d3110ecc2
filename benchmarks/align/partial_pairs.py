"""Pairs that are only partly there: the paired-fraction curve, and a third view that is reached through a hub.

`python -m benchmarks.align.partial_pairs [--method NAME ...] [--part curve|hub]`. Five cuts of the rows that no pack
marks as test.

1. coco2k: of the training things 1, 3, 10, 30 or 100 % keep their pair; the others become a picture alone and a caption
   alone. Each method learns from the pairs alone, and from the pairs and the unpaired rows. R@1, mean of both ways.
2. ikea (picture, description, product type): half of the training things give picture-description pairs, the other half
   description-type pairs; no thing has a picture and a type. Picture <-> type R@1, beside the same things complete, and
   beside chance. Types repeat: a hit is any item of the query's id.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import chiasm
from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, spread
from chiasm import registry
from chiasm.stats.ranking import chance_recall, ranks
from chiasm.stats.relevance import relevance
from chiasm.views import ABSENT, Column, Views, normalize

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = 5
METHODS = ("auto", "cca", "ridge", "sotalign")
CURVE, HUB = "coco2k, paired fraction, R@1 in points", "ikea, picture <-> type, R@1 in points"
FIGURES = [
    *(
        Figure(
            f"{share:g}.{method}.{short}",
            (CURVE, f"{share:.0%}", f"{method}, {label}"),
            f"coco2k, {share:.0%} of the training things keep their pair, `{method}`: {what}",
            unit,
            form,
            n="{n} cuts",
        )
        for share in SHARES
        for method in METHODS
        for short, label, what, unit, form in (
            ("pairs", "pairs alone", "R@1 both ways from the pairs alone", "%", ".1f"),
            ("gain", "gain", "what the unpaired rows add to R@1", "points", "+.1f"),
        )
    ),
    *(
        Figure(
            f"hub.{method}.{label.split()[0]}",
            (HUB, f"{method}, {label}"),
            f"ikea, picture <-> type, R@1 of `{method}`: {label}",
            "%",
            n="{n} cuts",
        )
        for method in METHODS[:3]
        for label in ("through the hub", "complete")
    ),
    Figure("hub.chance", (HUB, "chance"), "ikea, picture <-> type, R@1 by chance", "%", n="{n} cuts"),
]


def recall(aligner: Any, views: Views, a: str, b: str) -> tuple[float, float]:
    """Mean R@1 of both ways, and what chance gives."""
    mapped = aligner.transform(Views({name: views[name] for name in (a, b)}, views.ids))
    got, luck = [], []
    for x, y in ((a, b), (b, a)):
        queries, hits, starts = relevance(views, x, y)
        left, right = (normalize(mapped[name].items[views[name].used]) for name in (x, y))
        got.append(np.mean(ranks(left[queries], right, hits, starts) <= 1))
        luck.append(chance_recall(np.diff(np.append(starts, len(hits))), len(right), 1))
    return 100 * float(np.mean(got)), 100 * float(np.mean(luck))


def apart(views: Views, share: float, seed: int) -> tuple[Views, Views]:
    """The things that keep their pair, and all things with the others' pairs taken apart."""
    things = np.random.default_rng(seed).permutation(views.things)
    paired = np.isin(views.codes, things[: max(2, round(share * views.things))])
    alone = views[~paired]
    pieces = []
    for name in views.names:
        columns = {
            n: Column(c.modality, c.items, c.index if n == name else np.full(len(alone), ABSENT))
            for n, c in alone.columns.items()
        }
        pieces.append(Views(columns, [f"{name} {i}" for i in alone.ids]))
    kept = views[paired]
    return kept, Views.stack(Views(kept.columns, [str(i) for i in kept.ids]), *pieces)


def make(name: str, seed: int) -> Any:
    part = registry.get("align", name)()
    return part.set_params(seed=seed) if "seed" in part.get_params(deep=False) else part


def curve(methods: list[str]) -> dict[str, Any]:
    views = pictures("coco2k", split="split")
    views = encoded(views[views.split != "test"])
    out: dict[str, Any] = {}
    for share in SHARES:
        scores: dict[str, list[float]] = {}
        for seed, names in redrawn(views, {"train": 0.82, "held": 0.18}, SEEDS):
            train, held = views[names == "train"], views[names == "held"]
            few, all_rows = apart(train, share, seed)
            for method in methods:
                for label, rows in (("pairs alone", few), ("with unpaired rows", all_rows)):
                    if share == 1 and label != "pairs alone":
                        continue
                    aligner = make(method, seed).fit(rows)
                    scores.setdefault(f"{method}, {label}", []).append(recall(aligner, held, "caption", "image")[0])
        found = {name: spread(values) for name, values in scores.items()}
        for method in methods:
            if share < 1:
                pair = (scores[f"{method}, with unpaired rows"], scores[f"{method}, pairs alone"])
                found[f"{method}, gain"] = spread(np.subtract(*pair))
        print(share, few.things, {k: v["mean"] for k, v in found.items()}, flush=True)
        out[f"{share:.0%}"] = {"pairs": few.things, **found}
    return out


def hub(methods: list[str]) -> dict[str, Any]:
    views = encoded(pictures("ikea", text=["description", "type"]))
    scores: dict[str, list[float]] = {}
    for seed, names in redrawn(views, {"first": 0.4, "second": 0.4, "held": 0.2}, SEEDS):
        first, second, held = (views[names == name] for name in ("first", "second", "held"))
        parted = Views.stack(
            Views({name: first[name] for name in ("image", "description")}, first.ids),
            Views({name: second[name] for name in ("description", "type")}, second.ids),
        )
        whole = views[names != "held"]
        for method in methods:
            for label, rows in (("through the hub", parted), ("complete", whole)):
                try:
                    got, luck = recall(make(method, seed).fit(rows), held, "image", "type")
                except chiasm.ChiasmError as error:
                    print(f"{method}, {label}: {error}", flush=True)
                    continue
                scores.setdefault(f"{method}, {label}", []).append(got)
        scores.setdefault("chance", []).append(luck)
    found = {name: spread(values) for name, values in scores.items()}
    print({name: value["mean"] for name, value in found.items()}, flush=True)
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--method", action="append")
    parser.add_argument("--part", choices=("curve", "hub"))
    args = parser.parse_args()
    methods = args.method or list(METHODS)
    result = {}
    if args.part != "hub":
        result[CURVE] = curve(methods)
    if args.part != "curve":
        result[HUB] = hub([m for m in methods if m != "sotalign"])
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
