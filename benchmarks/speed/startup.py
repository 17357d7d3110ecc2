"""Whole processes: `chiasm --help`, and `chiasm search` on a saved model of 2,000 items; is torch imported?

`python -m benchmarks.speed.startup`: medians of 9 runs, beside a bare interpreter. Needs the pack coco2k.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._sets import pack
from benchmarks._trials import Figure, arguments, finish

BARE, HELP, SEARCH, PICTURE = "bare interpreter", "chiasm --help", "chiasm search, 1,997 items", "chiasm search --image"
FIGURES = [
    Figure(short, (key,), f"{what}, whole process, median", "s", ".2f", "{n} runs", interval="least and most")
    for short, key, what in (
        ("bare", BARE, "a bare Python interpreter"),
        ("help", HELP, "`chiasm --help`"),
        ("search", SEARCH, "`chiasm search` in 1,997 items"),
        ("picture", PICTURE, "`chiasm search` with a picture"),
    )
]


def seconds(command: list[str], runs: int = 9) -> dict[str, float]:
    taken = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    taken = taken[1:]
    return {
        "value": round(float(np.median(taken)), 3),
        "low": round(min(taken), 3),
        "high": round(max(taken), 3),
        "n": runs,
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    chiasm = [sys.executable, "-m", "chiasm"]
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "coco.chiasm")
        data = str(pack("coco2k") / "data.parquet")
        fit = [*chiasm, "fit", "retrieve", data, "--text", "caption", "--image", "image", "--id", "id", "--to", model]
        subprocess.run(fit, check=True, capture_output=True)
        search = [*chiasm, "search", model, "a dog in snow"]
        trace = subprocess.run(
            [sys.executable, "-X", "importtime", *search[1:]], capture_output=True, text=True, check=True
        )
        modules = {line.rsplit("|", 1)[-1].strip() for line in trace.stderr.splitlines()}
        finish(
            {
                BARE: seconds([sys.executable, "-c", "pass"]),
                HELP: seconds([*chiasm, "--help"]),
                SEARCH: seconds(search),
                PICTURE: seconds([*chiasm, "search", model, "--image", str(first_image())]),
                "torch imported by search": "torch" in modules,
                "sklearn imported by search": "sklearn" in modules,
            },
            FIGURES,
            args,
        )


def first_image() -> Path:
    return next((pack("coco2k") / "images").glob("*.webp"))


if __name__ == "__main__":
    main()
