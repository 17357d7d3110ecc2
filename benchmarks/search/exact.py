"""Exact search against NumPy and faiss Flat: one query, batches of 100, and a million vectors that lie on disk.

`python -m benchmarks.search.exact [one] [batch] [million]`; `--n 5000` for a quick look. Vectors are those of all
packs' distinct texts (e5_text, 384 numbers, in random order), less 200 that are the queries; k is 10. All take turns in
one process, each with all cores; the median of the rounds' ratios, with the least and most. Answers are compared with
sorting all cosines in double precision. NumPy: one product and argpartition. `before` is what `exact` did without the
package for whole numbers: products block by block, the best k compared again in double precision.

The million are the same vectors with noise (a tenth of their length), in a folder: what the process grows by when it
opens it, asks 16 single queries and a batch, and what adding one costs (median of 20, each on disk when it returns).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sets import encoded, texts
from benchmarks._trials import Figure, arguments, finish, say
from chiasm.index.exact import Exact

K, QUERIES, ROUNDS = 10, 200, 15
SET = "91,000 sentences"
WAYS = {"one": ("one query", 1), "batch": ("100 queries", 100)}
PEERS = {"numpy": "NumPy", "faiss": "faiss Flat", "before": "itself without the first pass"}
TURNS = f"least and most of {ROUNDS} rounds"
FIGURES = [
    *(
        Figure(
            f"{way}.{peer}",
            (way, peer),
            f"{SET}, {words}: `exact` is so many times as fast as {name}",
            "x",
            ".1f",
            interval=TURNS,
        )
        for way, (words, _) in WAYS.items()
        for peer, name in PEERS.items()
    ),
    *(
        Figure(f"{way}.equal", (way, "equal"), f"{SET}, {words}: answers that are the true ones", "%", ".2f", scale=100)
        for way, (words, _) in WAYS.items()
    ),
    Figure(
        "million.add", ("million", "add"), "a million vectors in a folder: adding one takes", "ms", ".0f", scale=1e3
    ),
    Figure("million.grown", ("million", "grown"), "a million vectors, 1,465 MiB: the process grows by", "MiB", ",.0f"),
    Figure("million.one", ("million", "one"), "a million vectors, one query", "ms", ".1f", scale=1e3),
    Figure("million.batch", ("million", "batch"), "a million vectors, 100 queries", "ms", ".0f", scale=1e3),
    Figure("million.open", ("million", "open"), "a million vectors: opening takes", "s", ".1f"),
]


def plain(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """NumPy's way: rows `(q, K)` of each query, the nearest first."""
    scores = (vectors @ queries[0])[None] if len(queries) == 1 else queries @ vectors.T  # the quicker of each
    found = np.argpartition(-scores, K, axis=1)[:, :K]
    return np.take_along_axis(found, np.argsort(-np.take_along_axis(scores, found, 1), axis=1), 1)


def true(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    held, found = vectors.astype(np.float64), []
    for query in queries.astype(np.float64):
        found.append(np.argsort(-(held @ query), kind="stable")[:K])
    return np.array(found)


def compared(vectors: np.ndarray, queries: np.ndarray, size: int) -> dict[str, Any]:
    import faiss

    faiss.cvar.distance_compute_blas_threshold = 1  # products for batches, which it would use from 128,000 queries on
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    ours, before = (Exact().add(np.arange(len(vectors)), vectors) for _ in range(2))
    before._coarse = lambda *_: None
    ways: dict[str, Callable[[np.ndarray], Any]] = {
        "ours": lambda q: ours.search(q, K)[0],
        "numpy": lambda q: plain(vectors, q),
        "faiss": lambda q: flat.search(q, K)[1],
        "before": lambda q: before.search(q, K)[0],
    }
    for ask in ways.values():
        ask(queries[:20])
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS):
        parts = [queries[(turn * size + i * size) % QUERIES :][:size] for i in range(10 if size == 1 else 1)]
        for name, ask in ways.items():
            times = []
            for part in parts:
                started = time.perf_counter()
                ask(part)
                times.append(time.perf_counter() - started)
            rounds[name].append(float(np.median(times)))
        say(turn, {name: round(1e3 * values[-1], 2) for name, values in rounds.items()})
    found = {}
    for peer in PEERS:
        ratio = np.array(rounds[peer]) / np.array(rounds["ours"])
        found[peer] = {"value": float(np.median(ratio)), "low": float(ratio.min()), "high": float(ratio.max())}
    answers = np.concatenate([ways["ours"](queries[i : i + size]) for i in range(0, QUERIES, size)])
    seconds = {name: float(np.median(values)) for name, values in rounds.items()}
    return {**found, "seconds": seconds, "equal": float((answers == true(vectors, queries)).mean())}


CHILD = """
import resource, sys, time, numpy as np
from chiasm.index.exact import Exact
def grown():
    told = [line for line in open("/proc/self/status") if line.startswith("RssAnon")]
    return int(told[0].split()[1]) / 1024
queries = np.load(sys.argv[2])
before = grown()
started = time.perf_counter(); index = Exact(path=sys.argv[1]); n = len(index); opened = time.perf_counter() - started
def timed(call, times):
    found = []
    for i in range(times):
        started = time.perf_counter(); call(i); found.append(time.perf_counter() - started)
    return float(np.median(found))
timed(lambda i: index.search(queries[i], 10), 20)
one = timed(lambda i: index.search(queries[i], 10), 20)
batch = timed(lambda i: index.search(queries[:100], 10), 5)
add = timed(lambda i: index.add([f"new {i}"], queries[i:i + 1]), 20)
after = timed(lambda i: index.search(queries[i], 10), 5)
print(n, opened, one, batch, add, after, grown() - before)
"""


def million(vectors: np.ndarray, queries: np.ndarray, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        index = Exact(path=Path(scratch) / "m")
        for start in range(0, n, 50_000):
            some = vectors[rng.integers(0, len(vectors), min(50_000, n - start))]
            noise = rng.normal(size=some.shape).astype(np.float32)
            made = some + 0.1 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
            index.add([f"{start + i}" for i in range(len(made))], made)
            say(f"{start + len(made):,} rows")
        np.save(Path(scratch) / "q.npy", queries)
        words = [sys.executable, "-c", CHILD, str(Path(scratch) / "m"), str(Path(scratch) / "q.npy")]
        done = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    names = ("n", "open", "one", "batch", "add", "one after adding", "grown")
    return dict(zip(names, map(float, done), strict=True))


def run(parts: list[str], most: int | None) -> dict[str, Any]:
    said = texts()
    vectors = np.asarray(encoded(said[np.arange(len(said))[:most]])["text"].items, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries, vectors = vectors[:QUERIES], np.ascontiguousarray(vectors[QUERIES:])
    result: dict[str, Any] = {"n": len(vectors)}
    for way, (_, size) in WAYS.items():
        if way in parts:
            result[way] = compared(vectors, queries, size)
    if "million" in parts:
        result["million"] = million(vectors, queries, 1_000_000 if most is None else 10 * most)
    return result


def main() -> None:
    parser = arguments(__doc__, [*WAYS, "million"])
    parser.add_argument("--n", type=int, help="so many vectors at most, for a quick look")
    args = parser.parse_args()
    finish(run(args.parts or [*WAYS, "million"], args.n), FIGURES, args)


if __name__ == "__main__":
    main()
