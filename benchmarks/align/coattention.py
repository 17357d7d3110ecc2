"""`coattention` over patches against `cca` on pooled features of the same encoders: R@1 on coco2k, re-drawn splits.

`python -m benchmarks.align.coattention`. Splits 1,497/200/300 by id, seeds 0-9; `effnet_image` gives 81 patches or
their pooled vector, `e5_text` one vector a caption. Both aligners choose on the 200 validation rows (`coattention` its
power on folds of the training rows), and rank the 300: mean R@1 of both directions in %,

- plain: by cosine of the pooled items; hubs: less the hub correction `csls` learned from training rows, for both alike;
- met: `coattention`'s score of every pair, its tokens looking at each other, of the plain best 20.

Differences split by split, with Nadeau & Bengio's (2003) interval. Powers, sharpness and what a pair is described by
were set on planted data.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from benchmarks._sets import COCO2K, pictures
from benchmarks._trials import Figure, apart, arguments, finish, redrawn, say, spread
from chiasm import registry
from chiasm.encoding import Encoding
from chiasm.stats.blocks import in_means
from chiasm.stats.hubness import csls
from chiasm.stats.ranking import ranks
from chiasm.stats.relevance import relevance
from chiasm.stats.reranking import best, reordered
from chiasm.views import Views, normalize

SPLITS = 10
METHODS = ("cca", "cca, hubs", "coattention", "coattention, hubs", "coattention, met")
SHORT = {"cca": "cca", "cca, hubs": "cca.hubs", "coattention": "pooled", "coattention, hubs": "pooled.hubs"}
SHORT["coattention, met"] = "met"
PAIRS = (("coattention", "cca"), ("coattention, hubs", "cca, hubs"), ("coattention, met", "cca"))
FIGURES = [
    Figure(SHORT[method], ("R@1", method), f"coco2k, mean R@1 of both directions: {method}", "%", n="{n} splits")
    for method in METHODS
]
FIGURES += [
    Figure(
        f"{SHORT[ours]}.gain",
        ("less", ours),
        f"coco2k, mean R@1 of both directions: {ours} less {theirs}",
        "points",
        "+.1f",
        "{n} splits",
    )
    for ours, theirs in PAIRS
]
FIGURES += [
    Figure("powered", ("powered",), "of ten splits those in which `coattention` weighs patches by length", "", ".0f"),
    Figure("looks", ("looks",), "of ten splits those in which pairs of patches count", "", ".0f"),
]


def units(aligner: Any, views: Views) -> dict[str, np.ndarray]:
    mapped = aligner.transform(views)
    return {name: normalize(np.asarray(c.items[c.used])) for name, c in mapped.columns.items()}


def recalled(unit: dict[str, np.ndarray], flat: Views, banks: dict[str, np.ndarray] | None, met: Any = None) -> float:
    """Mean R@1 of both directions, in %."""
    values = []
    for a, b in permutations(flat.columns, 2):
        queries, hits, starts = relevance(flat, a, b)  # type: ignore[misc]
        bias = np.zeros(len(unit[b]), np.float32) if banks is None else csls(unit[b], banks[a])
        asked = np.column_stack([unit[a][queries], np.ones(len(queries), np.float32)])
        change = None if met is None else met(a, b, queries)
        rank = ranks(asked, np.column_stack([unit[b], -bias]), hits, starts, change)
        values.append(100 * float(np.mean(rank <= 1)))
    return float(np.mean(values))


def meeting(model: Any, test: Views, flat: Views) -> Any:
    """What re-orders the best 20 by the score of pairs alone."""
    tokens = model.unpooled(test)

    def of(a: str, b: str, queries: np.ndarray) -> Any:
        asked, held = tokens[a].items.some(flat[a].used[queries]), tokens[b].items.some(flat[b].used)

        def change(block: slice, scores: np.ndarray) -> np.ndarray:
            places = best(scores)
            each = [
                model.met(a, asked.batch([block.start + row])[0][0], b, held.some(some))
                for row, some in enumerate(places)
            ]
            return reordered(scores, places, np.stack(each))

        return change

    return of


def main() -> None:
    args = arguments(__doc__).parse_args()
    raw = pictures("coco2k")
    pooled = Encoding().fit(raw).transform(raw)
    tokens = Encoding({"image": "effnet_image:pooled=False"}).fit(raw).transform(raw)
    found: dict[str, list[float]] = {method: [] for method in METHODS}
    powered = looks = 0
    for seed, split in redrawn(raw, COCO2K, SPLITS):
        for name, views in (("cca", pooled), ("coattention", tokens)):
            train, val, test = (views[split == part] for part in ("train", "val", "test"))
            model = registry.make("align", name, seed=seed).fit(train, val=val)
            unit, banks, flat = units(model, test), units(model, train), in_means(test)
            found[name].append(recalled(unit, flat, None))
            found[f"{name}, hubs"].append(recalled(unit, flat, banks))
        found["coattention, met"].append(recalled(unit, flat, None, meeting(model, test, flat)))
        powered, looks = powered + bool(model.power_), looks + bool(model.looks_)
        say(seed, {method: round(values[-1], 1) for method, values in found.items()}, model.chosen_)
    of = COCO2K["test"], COCO2K["train"]
    less = {ours: apart(found[ours], found[theirs], *of) for ours, theirs in PAIRS}
    each = {method: spread(values) for method, values in found.items()}
    finish({"R@1": each, "less": less, "powered": powered, "looks": looks}, FIGURES, args)


if __name__ == "__main__":
    main()
