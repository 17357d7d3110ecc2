"""`cca` on rows streamed from disk: constant memory; updates, merges and forgetting in time that the rows do not set.

`python -m benchmarks.speed.cca_update`: n = 113,000 and 1,000,000, widths 1,280 and 384, float32 memory maps (0.75 and
6.7 GB in the temporary directory, deleted in the end), ridge 3, k 256. `--rows 20000` for another n (repeats).

A child process each fits from disk and reports its seconds and its peak of anonymous memory. Then: partial_fit, forget
and merge of 1,000 rows on the fitted model, median seconds of 5 (each with its solution, the model fit to answer), and
how far the results lie from a fit of the same rows from the start, at float32 and float64 products.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._trials import Figure, again, arguments, finish, peak, say
from chiasm.align.cca import CCA
from chiasm.views import Column, Views

WIDTHS, LATENTS, RIDGE, K, BATCH = (1280, 384), 64, 3.0, 256, 1000
SIZES = (113_000, 1_000_000)
MIB = "peak of anonymous memory above start, MiB"
UPDATES = {
    "partial_fit": f"partial_fit of {BATCH} rows, seconds",
    "merge": f"merge of a shard of {BATCH} rows, seconds",
    "forget": f"forget {BATCH} rows, seconds",
}
FIGURES = [
    Figure(
        f"{n}.{precision}.{short}",
        (f"n = {n}", precision, key),
        f"`cca` of {n:,} x (1,280, 384), {precision}: {short} of {BATCH:,} rows",
        "s",
        ".2f",
        "5 times",
    )
    for n in SIZES
    for precision in ("float32", "float64")
    for short, key in UPDATES.items()
]
FIGURES += [
    Figure(
        f"{n}.{precision}.apart",
        (f"n = {n}", precision, "furthest from a refit"),
        f"`cca` of {n:,} rows, {precision}: updated against a refit, the product of the two maps, relative",
        format=".0e",
    )
    for n in SIZES
    for precision in ("float32", "float64")
]
FIGURES += [
    Figure(
        f"{n}.fit",
        (f"n = {n}", "fit in a process of its own", "seconds"),
        f"`cca` of {n:,} rows from disk: fit",
        "s",
        ".0f",
    )
    for n in SIZES
]


def make(folder: Path, n: int) -> list[Path]:
    """Two float32 views on disk, written in chunks, that share latents of falling strength."""
    rng = np.random.default_rng(0)
    strength = np.geomspace(4, 0.25, LATENTS)
    mixes = [(strength[:, None] * rng.normal(size=(LATENTS, width))).astype(np.float32) for width in WIDTHS]
    paths = [folder / f"{n}-{width}.npy" for width in WIDTHS]
    maps = [np.lib.format.open_memmap(p, "w+", np.float32, (n, w)) for p, w in zip(paths, WIDTHS, strict=True)]
    for start in range(0, n, 10_000):
        z = rng.standard_normal(size=(min(10_000, n - start), LATENTS), dtype=np.float32)
        for out, mix in zip(maps, mixes, strict=True):
            noise = rng.standard_normal(size=(len(z), mix.shape[1]), dtype=np.float32)
            out[start : start + len(z)] = z @ mix + 6 * noise + 1
    return paths


def read(paths: list[Any]) -> Views:
    a, b = (np.load(path, mmap_mode="r") for path in paths)
    return Views({"a": Column("vector", a), "b": Column("vector", b)})


def part(views: Views, start: int, stop: int) -> Views:
    """Rows as they would arrive: in memory."""
    columns = {name: Column("vector", np.array(column.items[start:stop])) for name, column in views.columns.items()}
    return Views(columns, np.arange(start, stop))


def seconds(act: Callable[[CCA], Any], model: CCA) -> float:
    """Median of 5, each on a fresh copy of the model."""
    taken = []
    for _ in range(5):
        mine = copy.deepcopy(model)
        started = time.perf_counter()
        act(mine)
        taken.append(time.perf_counter() - started)
    return round(float(np.median(taken)), 3)


def apart(one: CCA, two: CCA) -> dict[str, float]:
    """Differences relative to the second: of correlations, of what retrieval sees (W_a W_b'), and of the weights."""

    def relative(x: np.ndarray, y: np.ndarray) -> float:
        return float(f"{np.linalg.norm(x - y) / np.linalg.norm(y):.1e}")

    shared = [m.weights_["a"][:, :LATENTS] @ m.weights_["b"][:, :LATENTS].T for m in (one, two)]
    whole = [m.weights_["a"] @ m.weights_["b"].T for m in (one, two)]
    turned = one.weights_["a"] * np.sign((one.weights_["a"] * two.weights_["a"]).sum(axis=0))
    return {
        "correlations, largest difference": float(f"{np.abs(one.correlations_ - two.correlations_).max():.1e}"),
        "W_a W_b', relative": relative(*whole),
        f"W_a W_b' of the {LATENTS} planted directions, relative": relative(*shared),
        f"W_a of the {LATENTS} planted directions, relative": relative(
            turned[:, :LATENTS], two.weights_["a"][:, :LATENTS]
        ),
    }


def measure(paths: list[Path], n: int) -> dict[str, Any]:
    result: dict[str, Any] = {"fit in a process of its own": json.loads(again("--child", *map(str, paths)))}
    views = read(paths)
    for precision in ("float32", "float64"):
        model = CCA(k=K, ridge=RIDGE, precision=precision)
        first, last, batch = views[: n - BATCH], part(views, n - BATCH, n), part(views, 0, BATCH)
        shard = CCA(k=K, ridge=RIDGE, precision=precision).partial_fit(last)
        started = time.perf_counter()
        model.fit(first)
        fitted = round(time.perf_counter() - started, 2)
        whole, rest = (CCA(k=K, ridge=RIDGE, precision=precision).fit(v) for v in (views, views[BATCH:]))
        found: dict[str, Any] = {
            "fit, seconds": fitted,
            f"partial_fit of {BATCH} rows, seconds": seconds(lambda m, rows=last: m.partial_fit(rows), model),
            f"merge of a shard of {BATCH} rows, seconds": seconds(lambda m, other=shard: m.merge(other), model),
            f"forget {BATCH} rows, seconds": seconds(lambda m, rows=batch: m.forget(rows), whole),
            "partial_fit against a refit": apart(copy.deepcopy(model).partial_fit(last), whole),
            "merge against a refit": apart(model.merge(shard), whole),
            "forget against a refit": apart(whole.forget(batch), rest),
        }
        gaps = [one["W_a W_b', relative"] for key, one in found.items() if key.endswith("against a refit")]
        result[precision] = {**found, "furthest from a refit": max(gaps)}
    return result


def child(paths: list[str]) -> None:
    views = read(paths)
    before = peak(files=False)
    started = time.perf_counter()
    CCA(k=K, ridge=RIDGE).fit(views)
    taken = round(time.perf_counter() - started, 2)
    print(json.dumps({"seconds": taken, MIB: round(peak(files=False) - before)}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, action="append", help="default: 113,000 and 1,000,000")
    parser.add_argument("--child", nargs="+", help="(a process of its own) the files of two views")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    if args.child:
        return child(args.child)
    result = {}
    for n in args.rows or SIZES:
        with tempfile.TemporaryDirectory() as name:
            result[f"n = {n}"] = measure(make(Path(name), n), n)
            say(json.dumps(result[f"n = {n}"], indent=1))
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
