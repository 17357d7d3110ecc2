"""The score of questions about pictures as lines that a person reads: what is right, and what is without looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.score import percent

__all__ = ["asked", "out_of_fold"]

Table = Mapping[str, Any]


def asked(table: Table) -> list[str]:
    """Accuracy of everything and of every control, by kind of answer; unknown answers, pictures seen, out of fold."""
    more = f", {table['unlabeled']} without an answer left out" if table["unlabeled"] else ""
    lines = [
        f"ask: {table['rows']} questions of split {table['split']}{more}; right, %; 95 % intervals over pictures",
        *_grid(table),
        f"  {'the commonest answer':24}{100 * table['majority']:.1f}",
    ]
    for name, one in table["controls"].items():
        lines.append(f"over {name}: {_points(one['difference'])}")
    if table["blind"]:
        lines.append(f"answered by the question alone, since the picture did not pay: {', '.join(table['blind'])}")
    unknown = table["unknown"]
    if unknown["rows"]:
        told = f"{unknown['rows']} have answers that were not learned, and count as wrong"
        if "R@1" in unknown:
            told += f"; chosen from all {unknown['listed']} answers {percent(unknown['R@1'])} of them are right, "
            told += f"in the first ten {percent(unknown['R@10'])}; chosen from the {unknown['new']['listed']} new ones "
            told += f"{percent(unknown['new']['R@1'])} (chance {100 / unknown['new']['listed']:.1f})"
        lines.append(told)
    pictures = table["pictures"]
    if pictures["rows_seen"]:
        lines.append(f"{pictures['rows_seen']} of these rows show a picture that was learned from")
        if others := pictures["others"]:
            lines.append(f"  the {others['rows']} others: {_less(others)}")
        else:
            lines.append("  there are no others to score apart")
    return [*lines, out_of_fold(table["out_of_fold"])]


def out_of_fold(table: Table) -> str:
    """What the picture adds on rows that were learned from, in a sentence."""
    left = table.get("unlabeled")
    more = f" ({left} without an answer left out)" if left else ""
    return (
        f"out of fold on the {table['rows']} rows learned from{more}, pictures apart: {_less(table)} (where it is "
        "looked at was chosen by these same answers: rows that were not learned from tell)"
    )


def _grid(table: Table) -> list[str]:
    kinds = table["kinds"]
    rows = [["", "all", *(f"{kind} ({one['rows']})" for kind, one in kinds.items())]]
    rows.append(
        ["  question and picture", percent(table["accuracy"]), *(percent(one["all"]) for one in kinds.values())]
    )
    for name, control in table["controls"].items():
        rows.append([f"  {name}", percent(control["accuracy"]), *(percent(one[name]) for one in kinds.values())])
    wide = [max(len(row[i]) for row in rows) + 2 for i in range(len(rows[0]))]
    wide[0] = max(wide[0], 26)
    return ["".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]


def _less(table: Table) -> str:
    alone = table["controls"]["question alone"]
    return (
        f"{percent(table['accuracy'])}, question alone {percent(alone['accuracy'])}, "
        f"the picture adds {_points(alone['difference'])}"
    )


def _points(found: Table) -> str:
    if found["value"] is None or found["low"] is None:
        return "nothing that these rows can tell"
    return f"{100 * found['value']:+.1f} points [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
