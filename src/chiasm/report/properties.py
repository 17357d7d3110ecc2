"""The table of properties as lines for a person."""

from __future__ import annotations

from typing import Any

__all__ = ["lines"]


def lines(table: dict[str, Any]) -> list[str]:
    """The table of `properties` as lines for a person; figures in percent."""
    out = [f"properties: {table['rows']} held-out rows; 95 % intervals, resampled by id"]
    reasons = table["reasons"]
    if (modality := table["modality"]) is None:
        out.append(f"modality: not measured, {reasons['modality']}")
    else:
        out.append(f"modality: which view is a vector of? accuracy %, {100 * modality['best']:.1f} is best")
        out += _grid(
            [["", "as it is", "centered"]]
            + [
                [f"  {shown}", *(_percent(modality[how][kind]) for how in ("plain", "centered"))]
                for kind, shown in (("linear", "logistic regression"), ("neighbors", f"{modality['k']} neighbors"))
            ]
        )
        out += [
            f"  gap between the means of {' and '.join(g['views'])}: {g['distance']:.3f} (shuffled {g['shuffled']:.3f})"
            for g in modality["gap"]
        ]
    if (semantics := table["semantics"]) is None:
        out.append(f"semantics: not measured, {reasons['semantics']}")
    else:
        out.append("semantics: class mAP %")
        rows = [["", "this space", "plain statistics", "difference", "chance"]]
        for d in semantics["directions"]:
            cells = (_percent(d[name]) for name in ("mAP", "statistics", "difference"))
            rows.append([f"  {d['from']} -> {d['to']}", *cells, _percent(d["chance"])])
        out += _grid(rows)
    return out + _adaptability(table["adaptability"], reasons)


def _adaptability(tasks: dict[str, Any], reasons: dict[str, str]) -> list[str]:
    out = ["adaptability: the same vectors on three tasks, %"]
    rows = [["", "", "", "chance"]]
    if found := tasks["retrieve"]:
        rows.append(["  retrieve", "R@1", _percent(found["R@1"]), _percent(found["chance"])])
    for d in (tasks["classify"] or {}).get("directions", ()):
        name = f"  classify {d['to']}, learned on {d['from']}"
        rows.append([name, "accuracy", _percent(d["accuracy"]), _percent(d["majority"])])
        rows.append(["", "macro F1", _percent(d["macro_f1"]), _percent(d["majority_f1"])])
    for d in (tasks["cluster"] or {}).get("tables", ()):
        name = f"  cluster {d['views']}"
        rows.append([name, "accuracy", _percent(d["accuracy"]), _percent(d["shuffled_accuracy"])])
        rows.append(["", "NMI", _percent(d["NMI"]), _percent(d["shuffled_NMI"])])
    out += _grid(rows) if len(rows) > 1 else []
    return out + [f"  {name}: not measured, {reasons[name]}" for name, found in tasks.items() if found is None]


def _percent(entry: Any) -> str:
    if entry is None:
        return "-"
    if isinstance(entry, float):
        return f"{100 * entry:.1f}"
    return f"{100 * entry['value']:.1f} [{100 * entry['low']:.1f}, {100 * entry['high']:.1f}]"


def _grid(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    ]
