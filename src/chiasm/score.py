"""Score: a number that prints as the table behind it."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["Score"]


class Score(float):
    """A float (what scikit-learn compares) that carries its whole table.

    `print(score)` shows the table, `score.table` holds it as plain values, `score.to_json()` writes it.
    """

    table: dict[str, Any]

    def __new__(cls, value: float, table: dict[str, Any]) -> Score:
        """Make a float and hang the table on it."""
        score = super().__new__(cls, value)
        score.table = table
        return score

    def __getnewargs__(self) -> tuple[float, dict[str, Any]]:  # type: ignore[override]
        return float(self), self.table

    def to_json(self, indent: int | None = 1) -> str:
        """The table as JSON: fractions in 0..1, null for what does not exist."""
        return json.dumps(self.table, ensure_ascii=False, indent=indent)

    def __str__(self) -> str:
        return "\n".join(_lines(self.table))


def _lines(table: dict[str, Any]) -> list[str]:
    lines = [f"{table['task']}: {table['rows']} rows of split {table['split']}; 95 % intervals, resampled by id"]
    lines += _directions(table["directions"])
    if clean := table.get("clean"):
        lines.append(f"without the {clean['removed']} rows that share an item, or nearly, with training rows:")
        lines += _directions(clean["directions"]) if clean["directions"] else ["  too few to score"]
    return lines


def _directions(directions: list[dict[str, Any]]) -> list[str]:
    rows = [["from -> to", "queries", "gallery", "R@1 %", "R@5 %", "R@10 %", "median rank", "mAP %"]]
    for d in directions:
        known = d.get("baseline")
        rank = d["median_rank"]
        rows.append(
            [f"{d['from']} -> {d['to']}", str(d["queries"]), str(d["gallery"])]
            + [_percent(d[f"R@{k}"]) for k in (1, 5, 10)]
            + [f"{rank['value']:g} [{rank['low']:g}, {rank['high']:g}]", _percent(d["mAP"])]
        )
        rows.append(["  chance", "", "", *(_plain(d["chance"].get(f"R@{k}")) for k in (1, 5, 10)), "", ""])
        if known:
            rows.append([f"  {known['name']}", "", "", *(_plain(known.get(f"R@{k}")) for k in (1, 5, 10)), "", ""])
    if all(d["mAP"] is None for d in directions):  # no labels
        rows = [row[:-1] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)]
        out.append("  ".join(cells).rstrip())
    return out


def _percent(entry: dict[str, float] | None) -> str:
    if entry is None:
        return "-"
    return f"{100 * entry['value']:.1f} [{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
