"""`cca` against plain NumPy, the bare Gram products and cca_zoo, from memory-mapped features; and its memory.

`python -m benchmarks.speed.cca_speed`: n = 29,000, widths 1,280 and 384, k = 256, one process, rounds interleaved.
`python -m benchmarks.speed.cca_speed --memory`: peak memory of a fit (a child process each) at n = 29,000 and 290,000.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular, svd

from benchmarks._trials import Figure, again, against, arguments, finish, peak, ratios
from chiasm.align.cca import CCA
from chiasm.views import Column, Views

MIB = "peak of anonymous memory above start, MiB"
N, WIDTHS, K = 29_000, (1280, 384), 256
FIT = "`cca` fit, 29,000 x (1,280, 384), k = 256, memory-mapped"
ROUNDS = "least and most"
FIGURES = [
    Figure("seconds", ("chiasm", "median_seconds"), FIT, "s", ".2f", "{n} rounds"),
    Figure(
        "plain", ("plain numpy",), f"{FIT}: fifteen plain NumPy lines take", "x", ".2f", "{n} rounds", interval=ROUNDS
    ),
    Figure(
        "grams", ("gram products",), f"{FIT}: the bare Gram products take", "x", ".2f", "{n} rounds", interval=ROUNDS
    ),
    Figure("zoo", ("beside cca_zoo", "cca_zoo"), f"{FIT}: cca_zoo 4 takes", "x", ".1f", "{n} rounds", interval=ROUNDS),
    Figure(
        "zoo.gap",
        ("largest difference of correlations to cca_zoo",),
        "largest difference of correlations to cca_zoo's (float64, no ridge)",
        format=".0e",
    ),
    *(
        Figure(
            f"memory.{n}",
            ("memory", f"n = {n}", MIB),
            f"memory of a `cca` fit at n = {n:,}, above the start",
            "MiB",
            "+.0f",
        )
        for n in (N, 10 * N)
    ),
]


def make(folder: Path, n: int) -> list[Path]:
    """Two correlated float32 views on disk, written in chunks."""
    rng = np.random.default_rng(0)
    mixes = [rng.normal(size=(64, width)).astype(np.float32) for width in WIDTHS]
    paths = [folder / f"{n}-{width}.npy" for width in WIDTHS]
    maps = [np.lib.format.open_memmap(p, "w+", np.float32, (n, w)) for p, w in zip(paths, WIDTHS, strict=True)]
    for start in range(0, n, 10_000):
        z = rng.normal(size=(min(10_000, n - start), 64)).astype(np.float32)
        for out, mix in zip(maps, mixes, strict=True):
            out[start : start + len(z)] = z @ mix + 3 * rng.normal(size=(len(z), mix.shape[1])) + 1
    return paths


def plain(a: np.ndarray, b: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """The fifteen lines."""
    a, b = np.array(a), np.array(b)
    a -= a.mean(axis=0)
    b -= b.mean(axis=0)
    n = len(a)
    saa = (a.T @ a).astype(np.float64) / n
    sbb = (b.T @ b).astype(np.float64) / n
    sab = (a.T @ b).astype(np.float64) / n
    saa[np.diag_indices(len(saa))] += ridge * np.trace(saa) / len(saa)
    sbb[np.diag_indices(len(sbb))] += ridge * np.trace(sbb) / len(sbb)
    la, lb = cholesky(saa, lower=True), cholesky(sbb, lower=True)
    t = solve_triangular(lb, solve_triangular(la, sab, lower=True).T, lower=True).T
    u, rho, vt = svd(t, full_matrices=False)
    solve_triangular(la, u[:, :K], lower=True, trans="T")
    solve_triangular(lb, vt.T[:, :K], lower=True, trans="T")
    return rho[:K]


def grams(a: np.ndarray, b: np.ndarray) -> None:
    a, b = np.asarray(a), np.asarray(b)
    a.T @ a, b.T @ b, a.T @ b


def speed(folder: Path) -> dict[str, Any]:
    a, b = (np.load(path, mmap_mode="r") for path in make(folder, N))
    views = Views({"a": Column("vector", a), "b": Column("vector", b)})
    ours = CCA(k=K, ridge=1.0).fit(views)
    gap = float(np.abs(ours.correlations_ - plain(a, b)).max())
    functions = {
        "chiasm": lambda: CCA(k=K, ridge=1.0).fit(views),
        "plain numpy": lambda: plain(a, b),
        "gram products": lambda: grams(a, b),
    }
    result: dict[str, Any] = {"largest difference of correlations to plain": gap}
    result |= against(ratios(functions, 7), "chiasm")
    try:
        from cca_zoo.linear import CCA as Zoo
    except ImportError:
        result["cca_zoo"] = "not measured: pip install cca-zoo"
    else:
        peers = {
            "chiasm": functions["chiasm"],
            "cca_zoo": lambda: Zoo(n_components=K).fit([np.asarray(a), np.asarray(b)]),
        }
        exact = CCA(k=K, ridge=0.0, precision="float64").fit(views).correlations_
        x, y = Zoo(n_components=K).fit_transform([np.asarray(a, np.float64), np.asarray(b, np.float64)])
        zoo = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(K)]
        result["largest difference of correlations to cca_zoo"] = float(np.abs(np.sort(zoo)[::-1] - exact).max())
        result["beside cca_zoo"] = against(ratios(peers, 3), "chiasm")
    return result


def memory(folder: Path) -> dict[str, Any]:
    result = {}
    for n in (N, 10 * N):
        paths = make(folder, n)
        result[f"n = {n}"] = json.loads(again("--child", *map(str, paths)))
        for path in paths:
            path.unlink()
    return {"memory": result}


def child(paths: list[str]) -> None:
    a, b = (np.load(path, mmap_mode="r") for path in paths)
    views = Views({"a": Column("vector", a), "b": Column("vector", b)})
    before = peak(files=False)
    CCA(k=K, ridge=1.0).fit(views)
    print(json.dumps({MIB: round(peak(files=False) - before)}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", nargs="+", help="(a process of its own) the files of two views")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    if args.child:
        return child(args.child)
    with tempfile.TemporaryDirectory() as name:
        finish((memory if args.memory else speed)(Path(name)), FIGURES, args)


if __name__ == "__main__":
    main()
