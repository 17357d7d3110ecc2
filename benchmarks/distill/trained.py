"""Two more ways to teach beside the closed ones: InfoNCE to the teacher's vectors, and patches that the words name.

`python -m benchmarks.distill.trained [news xrays tweets] [--splits 3] [--shares 5 25 100]`: pictures taught by words on
the splits of `benchmarks.distill.labels`, at these shares of the labels. `contrastive` reads the pooled picture,
`attention` its patches; `features` are those of the other benchmark on the same rows, and all gains are over the same
student (`early`) untaught. `untold` is `attention` with a teacher whose rows were shuffled: what patches are worth by
themselves. Settings of `contrastive` were chosen on one split of news at 25 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._sets import only
from benchmarks._trials import Figure, Runs, apart, arguments, finish, protocol, say
from benchmarks.distill._teaching import PACKS, fewer, read
from chiasm.distill.attention import Attention
from chiasm.distill.contrastive import Contrastive
from chiasm.distill.features import Features
from chiasm.encode.effnet_image import EffnetImage
from chiasm.encoding import Encoding
from chiasm.fuse.early import Early
from chiasm.views import Column, Views

SETS = {"news": "web_news_zh", "xrays": "covid_cxr", "tweets": "mvsa_single"}
SHARES = (5, 25, 100)
METHODS: dict[str, Any] = {
    "features": Features,
    "contrastive": Contrastive,
    "attention": Attention,
    "untold": Attention,
}

FIGURES = [
    *(
        Figure(
            f"{pack}.{share}.{name}",
            (pack, f"{share} %", "less alone", name),
            f"{held}, pictures taught by words, {share} % of the labels: {name} less alone",
            "points",
            "+.1f",
            "{splits} splits",
        )
        for pack, held in SETS.items()
        for share in SHARES
        for name in METHODS
    ),
    *(
        Figure(
            f"{pack}.{share}.alone",
            (pack, f"{share} %", "accuracy", "alone"),
            f"{held}, pictures, {share} % of the labels: alone",
            "%",
            ".1f",
            "{splits} splits",
        )
        for pack, held in SETS.items()
        for share in SHARES
    ),
]


def run(pack: str, splits: int, shares: Sequence[int]) -> dict[str, Any]:
    views = read(SETS[pack], "image")
    raw = PACKS[SETS[pack]]()
    image = next(name for name, column in raw.columns.items() if column.modality == "image")
    text = next(name for name, column in raw.columns.items() if column.modality == "text")
    raw = raw[np.flatnonzero(raw.present(image) & raw.present(text))]
    patches = Encoding({image: EffnetImage(pooled=False)}).fit_transform(only(raw, [image]))[image]
    label = views.label.astype(object)
    result: dict[str, Any] = {}
    for share in shares:
        scores, sizes = Runs(), (1, 4)
        for seed, split in protocol(only(views, ["student", "teacher"]), splits):
            learned, test = np.flatnonzero(split != "test"), np.flatnonzero(split == "test")
            sizes = len(test), len(learned)
            kept, truth = fewer(label, learned, share, seed)[learned], label[test]
            dealt = np.random.default_rng(seed).permutation(len(learned))
            for name in ("alone", *METHODS):
                column = patches if name in ("attention", "untold") else views["student"]
                mine = Views({"student": column, "teacher": views["teacher"]}, views.ids)
                whole, rest = mine[learned], only(mine[test], ["student"])
                if name == "untold":
                    other = Column("vector", whole["teacher"].items, whole["teacher"].index[dealt])
                    whole = whole.replace({"student": whole["student"], "teacher": other})
                if name == "alone":
                    part: Any = Early(seed=seed).fit(only(whole, ["student"]), kept)
                else:
                    part = METHODS[name](teacher="teacher", student="early", seed=seed).fit(whole, kept)
                scores.add(name, {"accuracy": 100 * float((part.predict(rest) == truth).mean())})
            say(pack, share, seed, scores.last("accuracy"))
        alone = scores["alone"]["accuracy"]
        result[f"{share} %"] = {
            "splits": splits,
            "accuracy": {name: one["accuracy"] for name, one in scores.spreads().items()},
            "less alone": {name: apart(scores[name]["accuracy"], alone, *sizes) for name in METHODS},
        }
    return result


def main() -> None:
    parser = arguments(__doc__, SETS)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--shares", type=int, nargs="+", default=SHARES)
    args = parser.parse_args()
    finish({pack: run(pack, args.splits, args.shares) for pack in args.parts or SETS}, FIGURES, args)


if __name__ == "__main__":
    main()
