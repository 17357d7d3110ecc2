"""What a correction for hubs or for the modality gap is worth around `cca` and `ridge`, chosen on validation rows.

`python -m benchmarks.align.hubness [SET ...]`. The real sets of `pairs_needed.py` (rows that a pack marks as test are
left out), five cuts 70/10/20 each: an aligner is fitted on the 70, chooses on the 10, plain and inside `Corrected`, and
both rank the 20. Scores are the mean of R@1, 5, 10 over both directions, in points. Queries search everything outside
the pack's test rows through the exact index; times are interleaved, plain and corrected in turn.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np

from benchmarks._sets import SETS, encoded, without_test
from benchmarks._trials import Figure, arguments, finish, redrawn
from chiasm import registry
from chiasm.align.corrected import Corrected
from chiasm.encoding import Encoding
from chiasm.index.exact import Exact
from chiasm.stats.relevance import recall_sum
from chiasm.views import Views

ALIGNERS = ("cca", "ridge")
CUTS = 5
ROUNDS = 7
ASKED = 200
PARTS = {"train": 0.7, "val": 0.1, "other": 0.2}
REAL = [name for name in SETS if name != "simulator"]
FIGURES = [
    Figure(
        f"{name}.{aligner}",
        ("table", f"{name}, {aligner}", "change"),
        f"what a hub correction adds to `{aligner}` on {name}: held-out mean of R@1, 5, 10",
        "points",
        "+.2f",
        n="5 cuts",
    )
    for name in REAL
    for aligner in ALIGNERS
]


def score(aligner: Any, views: Views) -> float:
    """Mean R@1, 5, 10 over both directions, in points."""
    mapped = aligner.transform(views)
    return 100 * recall_sum(views, {name: column.items[column.used] for name, column in mapped.columns.items()})


def seconds(aligners: dict[str, Any], views: Views) -> dict[str, list[float]]:
    """Seconds a query of the exact index, by aligner, a number a round."""
    indexes, queries = {}, {}
    for name, aligner in aligners.items():
        mapped = aligner.transform(views)
        asker, gallery = mapped.columns.values()
        indexes[name] = Exact().add(np.arange(len(gallery.used)), gallery.items[gallery.used])
        queries[name] = asker.items[asker.used[:ASKED]]
    taken: dict[str, list[float]] = {name: [] for name in aligners}
    for turn in range(ROUNDS + 1):
        for name, index in indexes.items():
            started = time.perf_counter()
            for query in queries[name]:
                index.search(query, 10)
            if turn:  # the first round warms up
                taken[name].append((time.perf_counter() - started) / ASKED)
    return taken


def measure(name: str) -> list[dict[str, Any]]:
    """A row an aligner."""
    raw = without_test(name, SETS[name]())
    twins = Encoding().twins(raw)
    views = encoded(raw)
    rows = []
    for aligner in ALIGNERS:
        scores, chosen, times = [], Counter[str](), {"plain": [], "corrected": []}
        for seed, split in redrawn(views, PARTS, CUTS, twins):
            train, val, other = (views[split == part] for part in PARTS)
            plain = registry.get("align", aligner)(seed=seed).fit(train, val=val)
            corrected = Corrected(aligner, seed=seed).fit(train, val=val)
            scores.append([score(model, part) for part in (val, other) for model in (plain, corrected)])
            chosen[corrected.chosen_["correction"]] += 1
            for kind, taken in seconds({"plain": plain, "corrected": corrected}, views).items():
                times[kind] += taken
        points = np.array(scores)
        gain = points[:, 3] - points[:, 2]
        rows.append(
            {
                "set": name,
                "aligner": aligner,
                "rows": len(views),
                "validated before": round(float(points[:, 0].mean()), 1),
                "validated after": round(float(points[:, 1].mean()), 1),
                "validated least change": round(float((points[:, 1] - points[:, 0]).min()), 2),
                "held out before": round(float(points[:, 2].mean()), 1),
                "held out after": round(float(points[:, 3].mean()), 1),
                "change": round(float(gain.mean()), 2),
                "its standard error": round(float(gain.std(ddof=1) / np.sqrt(CUTS)), 2),
                "least": round(float(gain.min()), 2),
                "most": round(float(gain.max()), 2),
                "chosen": dict(chosen.most_common()),
                "microseconds a query before": round(1e6 * float(np.median(times["plain"])), 1),
                "microseconds a query after": round(1e6 * float(np.median(times["corrected"])), 1),
                "time ratio": round(float(np.median(np.divide(times["corrected"], times["plain"]))), 3),
            }
        )
    return rows


def line(row: dict[str, Any]) -> str:
    chosen = ", ".join(f"{name} {times}" for name, times in row["chosen"].items())
    return (
        f"{row['set']:12} {row['aligner']:6} {row['validated before']:6.1f} {row['validated after']:6.1f} "
        f"{row['held out before']:8.1f} {row['held out after']:6.1f} {row['change']:+6.2f} +- "
        f"{row['its standard error']:4.2f} ({row['least']:+.1f} .. {row['most']:+.1f})  {row['time ratio']:5.3f} "
        f"{row['microseconds a query before']:6.0f} us  {chosen}"
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("sets", nargs="*", default=REAL)
    args = parser.parse_args()
    print("set          align  valid. after held out  after change (of five cuts)       time  a query  chosen")
    rows: dict[str, dict[str, Any]] = {}
    for name in args.sets:
        for row in measure(name):
            rows[f"{name}, {row['aligner']}"] = row
            print(line(row), flush=True)
    never = all(row["validated least change"] >= 0 for row in rows.values())
    finish({"table": rows, "validated never falls": never}, FIGURES, args)


if __name__ == "__main__":
    main()
