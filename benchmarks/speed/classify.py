"""Seconds of `classify` with `auto` on mvsa_single from cached features: the fit, and a score with all its evidence.

`python -m benchmarks.speed.classify [--rounds 3]`: a process a round, 2 threads. Bar: under 90 s together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks._sets import encoded, pack, pictures
from benchmarks._trials import Figure, arguments, finish, say

FIGURES = [
    Figure(
        "fit",
        ("medians", "fit"),
        "`classify` with `auto` on mvsa_single, cached features: fit",
        "s",
        n="{rounds} rounds",
    ),
    Figure(
        "score",
        ("medians", "score"),
        "`classify` with `auto` on mvsa_single, cached features: score with all its evidence",
        "s",
        n="{rounds} rounds",
    ),
]

_TIMED = """
import json, sys, time
import chiasm
from chiasm.tasks.classify import Classify
views = chiasm.read(sys.argv[1], text="text", image="image", id="id", label="label", split="split")
started = time.perf_counter()
model = Classify(allow_leaks=True).fit(views)
fitted = time.perf_counter()
score = model.score(views[views.split == "test"], split="test")
found = {"fit": fitted - started, "score": time.perf_counter() - fitted, "accuracy": float(score), **model.seconds_}
print(json.dumps({name: round(value, 3) for name, value in found.items()}))
"""


def seconds(rounds: int) -> dict[str, Any]:
    """Fit and score of `Classify`, a process a round, 2 threads."""
    encoded(pictures("mvsa_single"))  # so that the features are cached
    env = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    runs = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _TIMED, str(pack("mvsa_single") / "data.parquet")]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        say("seconds", runs[-1])
    total = float(np.median([run["fit"] + run["score"] for run in runs]))
    return {
        "rounds": rounds,
        "medians": {name: round(float(np.median([run[name] for run in runs])), 2) for name in runs[0]},
        "runs": runs,
        "fit + score, median": round(total, 1),
        "bar: under 90 s": total < 90,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    finish(seconds(args.rounds), FIGURES, args)


if __name__ == "__main__":
    main()
