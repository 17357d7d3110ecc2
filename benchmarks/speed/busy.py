"""One new text answered, alone and beside busy processes: does it take longer than its share of the cores explains?

`python -m benchmarks.speed.busy`: a retrieve model of coco2k answers a text that it has not seen, 60 times in each of 5
rounds that take turns, alone and beside as many processes that only count as there are cores. The share: of c cores, 2
processes and ours on 2 cores leave it 2 / 3 of one, and so it may take 1.5 times as long. Bars: at most .06 s alone, at
most 1.5 times its share beside them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import chiasm
from benchmarks._sets import pack
from benchmarks._trials import Figure, arguments, finish
from chiasm import scale
from chiasm.tasks.retrieve import Retrieve

ROUNDS, TIMES = 5, 60
ALONE, BESIDE, RATIO = "alone", "beside busy processes", "ratio over the share"
FIGURES = [
    Figure(short, (key,), what, "s", ".3f", "{n} answers", interval="5 to 95 % of answers")
    for short, key, what in (
        ("alone", ALONE, "one new text answered, nothing else asked of the cores"),
        ("beside", BESIDE, "one new text answered beside a busy process a core"),
    )
]
FIGURES.append(
    Figure(
        "ratio",
        (RATIO,),
        "the same over what it takes alone, in units of what the share of cores explains",
        format=".2f",
        interval="least and most",
    )
)


@contextmanager
def neighbors(count: int) -> Iterator[None]:
    """So many processes that count, and end by themselves after five minutes."""
    count_up = "import time\nend = time.time() + 300\nwhile time.time() < end:\n    sum(range(10000))"
    busy = [subprocess.Popen([sys.executable, "-c", count_up]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def answered(model: Retrieve, name: str, first: int) -> list[float]:
    """Seconds of each of 60 answers to texts that nobody asked before."""
    seconds = []
    for number in range(first, first + TIMES):
        started = time.perf_counter()
        model.hits({name: [f"a dog that runs in the snow, number {number}"]}, k=5)
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    args = arguments(__doc__).parse_args()
    cores = scale.cores()
    with tempfile.TemporaryDirectory() as folder:
        source = pack("coco2k") / "data.parquet"
        views = chiasm.read(source, text="caption", image="image", id="id", split="split")
        Retrieve().fit(views).save(Path(folder) / "m")
        model = chiasm.load(Path(folder) / "m")
    answered(model, "caption", 0)
    taken: dict[str, list[float]] = {ALONE: [], BESIDE: []}
    ratios, share = [], (cores + 1) / cores
    for turn in range(ROUNDS):
        alone = answered(model, "caption", 1000 * turn + 100)
        with neighbors(cores):
            beside = answered(model, "caption", 1000 * turn + 500)
        taken[ALONE] += alone
        taken[BESIDE] += beside
        ratios.append(float(np.median(beside) / np.median(alone)) / share)
    found = {
        name: {
            "value": round(float(np.median(seconds)), 4),
            "low": round(float(np.quantile(seconds, 0.05)), 4),
            "high": round(float(np.quantile(seconds, 0.95)), 4),
            "n": len(seconds),
        }
        for name, seconds in taken.items()
    }
    ratio = {"value": round(float(np.median(ratios)), 3), "low": round(min(ratios), 3), "high": round(max(ratios), 3)}
    finish(
        {"cores": cores, **found, RATIO: ratio, "bar": found[ALONE]["value"] <= 0.06 and ratio["value"] <= 1.5},
        FIGURES,
        args,
    )


if __name__ == "__main__":
    main()
