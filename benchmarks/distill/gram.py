"""What it costs to tell a teacher's features from a student's, out of fold: against the bare Gram products.

`python -m benchmarks.distill.gram [--rows 20000] [--rounds 5]`. 20,000 rows of 1,280 and 384 numbers (normal noise, the
teacher's partly told by the student's), both from memory; a ridge chosen, every row answered out of fold. The peer is
X'X and X'Y of the same rows, in the same process, in turns; both on one thread, then on as many as there are cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks._trials import Figure, against, arguments, finish, ratios
from chiasm.distill._regression import Regression
from chiasm.scale import cores
from chiasm.stats.blocks import Block

FIGURES = [
    Figure(
        f"ratio{short}",
        (part, "times the Gram products"),
        f"features told from features, 20,000 x (1,280, 384), {part}: of the time of the bare Gram products",
        "x",
        ".2f",
        n="{rounds} rounds",
        interval="least and most of the rounds",
    )
    for short, part in (("", "every thread"), (".one", "one thread"))
]


def run(rows: int, rounds: int) -> dict[str, Any]:
    """Seconds of both, and their ratio round by round."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 1280)).astype(np.float32)
    y = (x[:, :384] + 2 * rng.normal(size=(rows, 384))).astype(np.float32)
    folds = rng.permutation(rows) % 5
    held = {"x": Block(x, np.ones(rows, bool))}
    ways = {"ours": lambda: Regression().cross_fit(held, y, folds), "gram": lambda: (x.T @ x, x.T @ y)}
    result: dict[str, Any] = {"rounds": rounds}
    for part, threads in (("one thread", 1), ("every thread", cores())):
        with threadpool_limits(threads):
            seconds = ratios(ways, rounds)
        result[part] = {
            "times the Gram products": against(seconds, "gram")["ours"],
            "seconds": {name: float(np.median(values)) for name, values in seconds.items()},
        }
    return result


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    finish(run(args.rows, args.rounds), FIGURES, args)


if __name__ == "__main__":
    main()
