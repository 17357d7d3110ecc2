"""Comparison: what came out, as plain values, as tables for a person and as a picture."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.compare.cells import Cell
from chiasm.compare.resampling import Resampling, spread
from chiasm.encoding import Report
from chiasm.splits import Leaks
from chiasm.stats.clusters import Drawn

__all__ = ["AT", "Comparison", "Outcome", "aligned", "looks", "reasons", "tabulate"]

AT = (1, 5, 10)

Outcome = Sequence[Cell] | str
"""The cells of one method at one number of pairs, one a seed; or why there are none."""


@dataclass
class Comparison:
    """Every method's scores under the same pairs, seeds and budget.

    `print(comparison)` shows a table a number of pairs, `table` holds all as plain values, `to_json` writes it, `plot`
    draws score against pairs. With many methods some differences are marked by chance alone: one in 20.
    """

    table: dict[str, Any]
    store: Path
    """the folder of the cells."""
    found: int
    """cells that were on disk already."""
    made: int
    """cells that were computed now."""
    opened: int
    """how often the test rows had been opened before; 0 without `final`."""
    report: Report
    """what encoding did."""
    leaks: Leaks
    """what the scored rows share with the training rows."""

    def to_json(self, indent: int | None = 1) -> str:
        """The table as JSON: recalls are fractions in 0..1, rsum and differences are points."""
        return json.dumps(self.table, ensure_ascii=False, indent=indent)

    def plot(self, path: str | Path) -> Path:
        """Draw score against pairs as a PNG; needs matplotlib. Returns its path."""
        from chiasm.compare.plot import plot

        return plot(self.table, path)

    def __str__(self) -> str:
        return "\n".join(_lines(self.table))


def tabulate(
    outcomes: Mapping[tuple[str, str], Outcome],
    things: Sequence[Mapping[str, np.ndarray]],
    directions: Mapping[str, tuple[str, str]],
    default: str,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The `methods` and `differences` of a comparison's table.

    Args:
        outcomes: by (method, pairs). things: by seed, the thing of every query, by direction.
        directions: (from, to) by direction. default: the method that the others are compared with.
    """
    drawn = Resampling(np.concatenate([about[d] for about in things for d in directions]), len(things))
    methods: dict[str, Any] = {}
    first: dict[tuple[str, str], np.ndarray] = {}
    for (method, pairs), cells in outcomes.items():
        if isinstance(cells, str):
            methods.setdefault(method, {})[pairs] = {"error": cells}
            continue
        means = {d: drawn.means([_recalls(c.outcomes[d]) for c in cells], [t[d] for t in things]) for d in directions}
        whole = Drawn.of(np.mean(list(means.values()), axis=0), drawn.codes([t[d] for t in things for d in directions]))
        first[method, pairs] = whole[:, 0]
        methods.setdefault(method, {})[pairs] = {
            "rsum": spread(100 * len(means) * whole.sum(axis=1), 3),
            "R@1": spread(whole[:, 0]),
            "by_seed": [round(float(np.mean([np.mean(c.outcomes[d] <= 1) for d in directions])), 6) for c in cells],
            "directions": [
                {"from": a, "to": b, **{f"R@{k}": spread(means[d][:, i]) for i, k in enumerate(AT)}}
                for d, (a, b) in directions.items()
            ],
            "seconds": round(float(np.median([cell.seconds for cell in cells])), 4),
            "tried": int(np.median([cell.tried for cell in cells])),
        }
    differences = []
    for (method, pairs), recall in first.items():
        if method != default and (default, pairs) in first:
            found = spread(100 * (first[default, pairs] - recall), 4)
            between = {"difference": found["value"], "low": found["low"], "high": found["high"]}
            differences.append({"a": default, "b": method, "pairs": pairs, **between})
    return methods, differences


def _recalls(ranks: np.ndarray) -> np.ndarray:
    return np.stack([ranks <= k for k in AT], axis=1).astype(np.float32)


def _lines(table: dict[str, Any]) -> list[str]:
    data = table["data"]
    seeds = table["seeds"]
    lines = [
        f"{data['scored']} held-out things ({table['split']}), {seeds} seed{'s' if seeds > 1 else ''}; "
        "rsum: R@1 + R@5 + R@10 of all directions, in points",
        f"every method: {table['budget']}",
        "[95 % intervals: things and seeds resampled together, the same draws for all methods]",
    ]
    if "opened_before" in data:
        lines.append(looks(data["opened_before"]))
    for pairs, n in data["pairs"].items():
        lines += ["", f"{n} pairs" + (" (all)" if pairs == "all" else ""), *_table(table, pairs)]
    return lines


def looks(before: int) -> str:
    """What it means that the test rows had been opened so often."""
    if not before:
        return "the test rows were opened for the first time"
    times = "once" if before == 1 else f"{before} times"
    return f"the test rows had been opened {times} before: of what was chosen since then they are no test any more"


def _table(table: dict[str, Any], pairs: str) -> list[str]:
    """The lines of one number of pairs: methods from best to worst, then chance, then what failed."""
    cells = {name: of[pairs] for name, of in table["methods"].items()}
    good = sorted((name for name in cells if "error" not in cells[name]), key=lambda n: -cells[n]["rsum"]["value"])
    out = []
    if good:
        chance = table["data"]["chance"]
        ways = chance["directions"] if len(chance["directions"]) == 2 else []
        names = [f"{d['from']} -> {d['to']}" for d in ways]
        against = {d["b"]: d for d in table["differences"] if d["pairs"] == pairs}
        rows = [["method", "rsum", "R@1 %", *names, "seconds", "tried", f"R@1 minus {table['default']}'s"]]
        for name in good:
            cell = cells[name]
            by_way = [f"{100 * d['R@1']['value']:.1f}" for d in cell["directions"]][: len(ways)]
            recall = {k: 100 * v for k, v in cell["R@1"].items()}
            took = [f"{cell['seconds']:.3g}", str(cell["tried"] or "-")]
            rows.append([name, _spread(cell["rsum"]), _spread(recall), *by_way, *took, _against(against.get(name))])
        by_way = [f"{100 * d['R@1']:.1f}" for d in ways]
        rows.append(["chance", f"{chance['rsum']:.1f}", f"{100 * chance['R@1']:.1f}", *by_way, "", "", ""])
        out = aligned(rows)
    return out + reasons(cells)


def reasons(cells: Mapping[str, Any]) -> list[str]:
    """A line for each reason why some of the methods' cells hold no score."""
    found: dict[str, list[str]] = {}
    for name, cell in cells.items():
        if "error" in cell:
            found.setdefault(cell["error"], []).append(name)
    return [f"no score: {', '.join(names)}: {reason}" for reason, names in found.items()]


def _spread(entry: Mapping[str, float]) -> str:
    return f"{entry['value']:.1f} [{entry['low']:.1f}, {entry['high']:.1f}]"


def _against(found: Mapping[str, Any] | None) -> str:
    """A method minus the default, in points, marked when the whole interval is on one side of 0."""
    if found is None:
        return "-"
    value, low, high = -found["difference"], -found["high"], -found["low"]
    mark = "better" if low > 0 else "worse" if high < 0 else ""
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}] {mark:6s}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: the first column to the left, the others to the right, by width on a terminal."""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0] + " " * (widths[0] - _width(row[0]))]
        cells += [" " * (width - _width(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
