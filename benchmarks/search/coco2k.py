"""coco2k with the default settings: mean rsum over 10 re-drawn splits, then the given test split beside it.

`python -m benchmarks.search.coco2k`. rsum = R@1 + R@5 + R@10 both ways, in points of 600. Splits 1,497/200/300 by id,
seeds 0-9; ridge and k are chosen on each split's 200 validation rows. The given split decides nothing.
"""

from __future__ import annotations

import chiasm
from benchmarks._shared import finish, pack, spread
from chiasm.splits import cut
from chiasm.tasks.retrieve import Retrieve

SHARES = {"train": 1497, "val": 200, "test": 300}


def rsum(score: chiasm.tasks.retrieve.Score, baseline: bool = False) -> float:
    """R@1 + R@5 + R@10, both ways, in points."""
    directions = [d["baseline"] if baseline else d for d in score.table["directions"]]
    cells = [d[f"R@{k}"] for d in directions for k in (1, 5, 10)]
    return 100 * sum(cell if isinstance(cell, float) else cell["value"] for cell in cells)


def main() -> None:
    path = pack("coco2k") / "data.parquet"
    views = chiasm.read(path, text="caption", image="image", id="id")
    ours, ridge, chosen = [], [], []
    for seed in range(10):
        views.facts["split"] = split = cut(views, SHARES, seed)
        model = Retrieve(seed=seed).fit(views)
        score = model.score(views[split == "test"])
        ours.append(rsum(score))
        ridge.append(rsum(score, baseline=True))
        chosen.append(model.aligner_.chosen_)
        print(f"seed {seed}: rsum {ours[-1]:.1f}, ridge regression {ridge[-1]:.1f}, {chosen[-1]}", flush=True)
    given = chiasm.read(path, text="caption", image="image", id="id", split="split")
    model = Retrieve().fit(given)
    score = model.score(given[given.split == "test"], split="test")
    print(score)
    finish(
        {
            "rsum over 10 redrawn splits": spread(ours),
            "ridge regression, same splits": spread(ridge),
            "difference": spread([a - b for a, b in zip(ours, ridge, strict=True)]),
            "given test split, rsum": round(rsum(score), 1),
            "given test split": score.table["directions"],
            "chosen": chosen,
        }
    )


if __name__ == "__main__":
    main()
