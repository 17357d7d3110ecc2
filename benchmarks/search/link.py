"""Two collections linked one to one, the pairing of 300 held-out rows hidden: from 100 and all known pairs.

`python -m benchmarks.search.link`. coco2k (caption <-> photo, the given train + val rows) and ikea (description <->
picture), default encoders and settings, 5 random draws of the 300 and of the 100. Share of the 300 linked right: ours,
greedy (nearest pair first, by plain cosine, same features and aligner) and chance; mean and standard deviation over the
draws. Items of equal content (ikea has 940 descriptions for 2,187 products) count as right for one another. "without
rounds": no learning from its own links. `benchmarks/search/linkable.py` has collections of which no pair is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks._sets import encoded, pictures
from benchmarks._trials import Figure, arguments, finish, spread
from chiasm.tasks._link.assigning import hide
from chiasm.tasks.link import Link
from chiasm.views import Views

HELD = 300
DRAWS = 5
WORDS = {"coco2k": "caption", "ikea": "description"}
KNOWN = {"some": 100, "all": None}
"""Known pairs, by name; None: all but the hidden ones."""

FIGURES = [
    Figure(
        f"{name}.{known}{short}",
        (f"{name}, {'all' if count is None else count} pairs", measure),
        f"{name}, {HELD} things, {'all' if count is None else count} known pairs: {what}",
        "%",
        n="{n} draws",
        scale=100,
    )
    for name in WORDS
    for known, count in KNOWN.items()
    for short, measure, what in (
        ("", "accuracy", "linked right"),
        (".greedy", "greedy", "linked right by nearest first"),
        (".chance", "chance", "linked right by chance"),
    )
]


def scored(views: Views, known: np.ndarray, held: np.ndarray, seed: int, rounds: int = 3) -> dict[str, Any]:
    """Fit on the known rows and the hidden ones, score the hidden ones."""
    both = views[np.concatenate([known, held])]
    pool = hide(both, np.arange(len(both)) >= len(known))
    model = Link(rounds=rounds, seed=seed).fit(pool)
    # rows of equal content on both sides may be known and held (ikea): the score counts them, as a user would have them
    return model.score(views[held], allow_train=True).table


def summed(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """Means and spreads over the draws."""
    return {
        **{name: spread([t[name]["value"] for t in tables]) for name in ("accuracy", "greedy", "difference")},
        "chance": spread([t["chance"] for t in tables]),
        "rounds kept": [t["rounds"] for t in tables],
    }


def show(name: str, result: dict[str, Any]) -> None:
    cells = [f"{100 * result[n]['mean']:5.1f} ± {100 * result[n]['sd']:4.1f}" for n in ("accuracy", "greedy")]
    chance = 100 * result["chance"]["mean"]
    print(f"{name:34} {cells[0]:>14} {cells[1]:>14} {chance:6.1f}   rounds {result['rounds kept']}", flush=True)


def main() -> None:
    args = arguments(__doc__).parse_args()
    results: dict[str, Any] = {}
    print(f"{'':34} {'linked right %':>14} {'greedy %':>14} {'chance':>6}")
    for name, text in WORDS.items():
        split = "split" if name == "coco2k" else None
        views = pictures(name, split=split)
        if split:
            views = views[views.split != "test"]
            views.facts.pop("split")
        views = encoded(views)
        views = views[views.present(text) & views.present("image")]
        for known, rounds in ((100, 3), (100, 0), (None, 3), (None, 0)):
            tables = []
            for seed in range(DRAWS):
                order = np.random.default_rng(seed).permutation(len(views))
                tables.append(scored(views, order[HELD:][:known], order[:HELD], seed, rounds))
            label = f"{name}, {'all' if known is None else known} pairs" + ("" if rounds else ", without rounds")
            results[label] = summed(tables)
            show(label, results[label])
    finish(results, FIGURES, args)


if __name__ == "__main__":
    main()
