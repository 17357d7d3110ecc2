"""Aligners learned on four shards and merged, beside one that saw everything: photographs and captions.

`python -m benchmarks.align.shards [coco2k] [--splits 3]`.

coco2k in default features, 80 % learned from, R@1 of the others (mean of both directions). The things learned from are
cut into four shards by chance. *One node* learns from all; *shard* is the one of the four that finds best among
the things of the other three (not those scored); *merged* is `Merged` of all four, *exact* is `merge`, where there is
one, *equal* one node's codes of as many bits as all shards' together. Everything at its defaults, nothing chosen.
Differences are paired over splits (Nadeau & Bengio 2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, Runs, apart, arguments, finish, redrawn, say
from chiasm import registry
from chiasm.align.merged import Merged
from chiasm.encoding import Encoding
from chiasm.views import Views

PARTS = ("coco2k",)
METHODS = ("cca", "vicreg", "hashing", "auto")
WAYS = {
    "node": "one node",
    "shard": "the best shard",
    "merged": "merged",
    "exact": "merged exactly",
    "equal": "one node, equal bits",
}
ONLY = {"exact": "cca", "equal": "hashing"}
"""Ways that one method alone has."""
SHARDS = 4
SHARES = {"train": 0.8, "test": 0.2}


def _ways(method: str) -> list[str]:
    return [way for way in WAYS if ONLY.get(way, method) == method]


def _less(method: str) -> list[str]:
    return [way for way in _ways(method) if way not in ("merged", "exact")]


FIGURES = [
    Figure(
        f"coco2k.{method}.{way}",
        ("coco2k", "found", f"{method} {way}", "R@1"),
        f"coco2k: {method}, {WAYS[way]}, R@1",
        "%",
        ".1f",
        "{n} splits",
        100,
    )
    for method in METHODS
    for way in _ways(method)
] + [
    Figure(
        f"coco2k.{method}.merged.less_{way}",
        ("coco2k", "merged less", f"{method} {way}"),
        f"coco2k: {method}, merged less {WAYS[way]}, R@1",
        "points",
        "+.1f",
        "{n} splits",
        100,
    )
    for method in METHODS
    for way in _less(method)
]


def found(method: str, learned: Views, held: Views, seed: int) -> dict[str, float]:
    """R@1 of each way on rows that none of them learned from."""
    whole = registry.fit(registry.make("align", method, seed=seed), learned)
    order = np.random.default_rng(seed).permutation(int(learned.codes.max()) + 1)
    shard = order[learned.codes] % SHARDS
    parts = [registry.fit(registry.make("align", method, seed=seed), learned[shard == one]) for one in range(SHARDS)]
    chosen = max(range(SHARDS), key=lambda one: float(parts[one].score(learned[shard != one])))
    scores = {"node": whole, "shard": parts[chosen], "merged": Merged.of(parts)}
    scored = {way: float(model.score(held)) for way, model in scores.items()}
    if method == "cca":
        first, *others = parts
        for other in others:
            first.merge(other)
        scored["exact"] = float(first.score(held))
    if method == "hashing":
        bits = sum(len(one.weights_["image"][0]) for one in parts)
        scored["equal"] = float(registry.make("align", method, seed=seed, k=bits).fit(learned).score(held))
    return scored


def part(splits: int) -> dict[str, Any]:
    """All methods over re-drawn splits."""
    views, runs = encoded(pictures("coco2k")), Runs()
    for seed, split in redrawn(views, SHARES, splits, Encoding().twins(views)):
        for method in METHODS:
            for way, value in found(method, views[split == "train"], views[split == "test"], seed).items():
                runs.add(f"{method} {way}", {"R@1": value})
            say("coco2k", seed, runs.last("R@1", 3))
    less = {
        f"{m} {way}": apart(runs[f"{m} merged"]["R@1"], runs[f"{m} {way}"]["R@1"], SHARES["test"], SHARES["train"])
        for m in METHODS
        for way in _less(m)
    }
    return {"found": runs.spreads(), "merged less": less}


def main() -> None:
    parser = arguments(__doc__, PARTS)
    parser.add_argument("--splits", type=int, default=3)
    args = parser.parse_args()
    finish({name: part(args.splits) for name in args.parts or PARTS}, FIGURES, args)


if __name__ == "__main__":
    main()
