"""coco2k with the default settings: mean rsum over 10 re-drawn splits, then the given test split beside it.

`python -m benchmarks.search.coco2k`. rsum = R@1 + R@5 + R@10 both ways, in points of 600. Splits 1,497/200/300 by id,
seeds 0-9; ridge and k are chosen on each split's 200 validation rows. The given split decides nothing.

Most rows that a re-drawn split tests are rows that were looked at when `auto` was designed (the given training and
validation rows): their share is told beside the mean, and the figure of the given test rows, which no design saw.
"""

from __future__ import annotations

from typing import Any

from benchmarks._sets import COCO2K, pictures
from benchmarks._trials import Figure, arguments, finish, redrawn, rsum, spread
from chiasm.tasks.retrieve import Retrieve

WAYS = {"text": "caption -> image", "image": "image -> caption"}
FIGURES = [
    Figure(
        "rsum",
        ("rsum over 10 redrawn splits",),
        "coco2k, R@1 + R@5 + R@10 both ways, default settings",
        "of 600",
        n="{n} splits",
    ),
    Figure(
        "ridge",
        ("ridge regression, same splits",),
        "coco2k, R@1 + R@5 + R@10 both ways, ridge regression tuned alike",
        "of 600",
        n="{n} splits",
    ),
    Figure(
        "designed",
        ("re-drawn test rows that were looked at in design",),
        "coco2k, re-drawn test rows that were looked at when `auto` was designed",
        "%",
        ".0f",
        "{n} splits",
        100,
    ),
    *(
        Figure(
            f"given.{short}",
            (key,),
            f"coco2k, R@1 + R@5 + R@10 both ways, given test split, whose rows no design saw: {what}",
            "of 600",
            n="300 pairs, one split",
        )
        for short, key, what in (
            ("rsum", "given test split, rsum", "default settings"),
            ("ridge", "given test split, rsum of ridge regression", "ridge regression tuned alike"),
        )
    ),
    Figure("chance", ("chance, rsum",), "coco2k, R@1 + R@5 + R@10 both ways, by chance", "of 600", ".0f"),
    *(
        Figure(
            f"given.{start}.r{k}",
            ("given test split", way, f"R@{k}"),
            f"coco2k, given test split, {way}, R@{k}",
            "%",
            n="{queries} queries",
            scale=100,
        )
        for start, way in WAYS.items()
        for k in (1, 5, 10)
    ),
    *(
        Figure(
            f"given.chance.r{k}",
            ("given test split", WAYS["text"], "chance", f"R@{k}"),
            f"coco2k, given test split, R@{k} by chance",
            "%",
            scale=100,
        )
        for k in (1, 5, 10)
    ),
]


def given(table: dict[str, Any]) -> dict[str, Any]:
    """The directions of a score by name."""
    return {f"{d['from']} -> {d['to']}": d for d in table["directions"]}


def main() -> None:
    args = arguments(__doc__).parse_args()
    views = pictures("coco2k")
    looked_at = pictures("coco2k", split="split").split != "test"
    ours, ridge, designed, chosen = [], [], [], []
    for seed, split in redrawn(views, COCO2K, 10):
        views.facts["split"] = split
        model = Retrieve(seed=seed).fit(views)
        score = model.score(views[split == "test"])
        ours.append(rsum(score))
        ridge.append(rsum(score, baseline=True))
        designed.append(float(looked_at[split == "test"].mean()))
        chosen.append(model.aligner_.chosen_)
        print(f"seed {seed}: rsum {ours[-1]:.1f}, ridge regression {ridge[-1]:.1f}, {chosen[-1]}", flush=True)
    rows = pictures("coco2k", split="split")
    model = Retrieve().fit(rows)
    score = model.score(rows[rows.split == "test"], split="test")
    print(score)
    result = {
        "rsum over 10 redrawn splits": spread(ours),
        "ridge regression, same splits": spread(ridge),
        "difference": spread([a - b for a, b in zip(ours, ridge, strict=True)]),
        "re-drawn test rows that were looked at in design": spread(designed),
        "chance, rsum": round(sum(2 * 100 * k / COCO2K["test"] for k in (1, 5, 10)), 1),
        "given test split, rsum": round(rsum(score), 1),
        "given test split, rsum of ridge regression": round(rsum(score, baseline=True), 1),
        "given test split": given(score.table),
        "chosen": chosen,
    }
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
