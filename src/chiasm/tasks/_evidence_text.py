"""The table of a score of answers as lines for a terminal: one screen."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["lines"]

MOST_CLASSES = 12
"""With more classes the table of classes and the confusion matrix are left to --json and --report."""

_TITLES = {
    "accuracy": "accuracy %",
    "f1_macro": "F1 macro %",
    "f1_weighted": "F1 weighted %",
    "f1_micro": "F1 micro %",
    "average_precision": "mAP %",
    "auc": "AUC %",
    "r2": "R2",
    "mae": "MAE",
}


def lines(table: Mapping[str, Any]) -> list[str]:
    """What a person should see first."""
    more = f", {table['unlabeled']} without a label left out" if table["unlabeled"] else ""
    scored = f"{table['task']}: {table['rows']} rows of split {table['split']}{more}"
    out = [f"{scored}; 95 % intervals, resampled by id and group"]
    out += _grid([["", *(_TITLES[m] for m in table["metrics"])], *_models(table)])
    if table["leave_one_out"]:
        out += ["what each view adds (against the same method learned without it)"]
        out += [f"  {entry['verdict']}" for entry in table["leave_one_out"].values()]
    if table["cross_validated"]:
        out += [f"the same, out of fold on the {table['cross_validated']['rows']} rows learned from"]
        out += [f"  {entry['verdict']}" for entry in table["cross_validated"]["leave_one_out"].values()]
    if "missing" in table:
        out += _missing(table)
    if "classes" in table:
        out += _of_classes(table)
    elif table["task"] == "tag":
        out += _of_tags(table)
    elif "residual_90" in table:
        out += [f"90 % of the answers are within {table['residual_90']:.4g}"]
    if clean := table.get("clean"):
        values = ", ".join(f"{_TITLES[m]} {_value(m, clean[m])}" for m in table["metrics"] if m in clean)
        out += [f"without the {clean['removed']} rows that share an item with rows learned from: {values}"]
    for view, right in table["leaks"]["suspect_views"].items():
        out += [f"suspicious: {view} alone is right on {100 * right:.1f} % of held-out rows. Does it hold the label?"]
    s = table["seconds"]
    size = table["size"]
    fits = f"learned in {s['learning']:.1f} s (+{s['learning_each_alone_and_without']:.1f} s for the views alone)"
    out += [f"{fits}, scored in {s['scoring']:.1f} s; {size['parameters']:,} numbers, {size['MiB']:.1f} MiB"]
    return out


def _models(table: Mapping[str, Any]) -> list[list[str]]:
    names = table["metrics"]
    chosen = table["model"].get("fuser") or {}
    title = f"all views ({chosen['fuser']})" if chosen else "all views"
    rows = [[f"  {title}", *(_value(m, table[m]) for m in names)]]
    rows += [[f"  {v} alone", *(_value(m, e[m]) for m in names)] for v, e in table["views_alone"].items()]
    if len(table["leave_one_out"]) > 2:
        rows += [[f"  without {v}", *(_value(m, e[m]) for m in names)] for v, e in table["leave_one_out"].items()]
    if "majority" in table:
        first = {"classify": "the commonest class", "tag": "the commonest tags", "regress": "the mean"}[table["task"]]
        known = f"{100 * table['majority']:.1f}" if table["task"] != "regress" else f"{table['majority']:.3f}"
        rows += [[f"  {first}", known, *("" for _ in names[1:])]]
    return rows


def _missing(table: Mapping[str, Any]) -> list[str]:
    missing, figure = table["missing"], table["missing"]["figure"]
    only = missing["only"]
    shown = list(only.items())[:-1] if len(only) <= 7 else list(only.items())[: len(table["views_alone"])]
    out = [
        f"views dropped, {_TITLES[figure]} of the one model: "
        + "; ".join(f"only {v} {_value(figure, e)}" for v, e in shown)
    ]
    if "masks" in missing:
        by_rate = ", ".join(f"{_scaled(figure, v)} at {r}" for r, v in missing["masks"]["by_rate"].items())
        out += [f"  {missing['masks']['masks']} random masks by drop rate: {by_rate}"]
    moved = "; ".join(f"{v} {_value(figure, e, sign=True)}" for v, e in table["shuffled"].items())
    out += [f"one view dealt to other rows, change: {moved}", table["additive"]["verdict"]]
    if table["weights"]:
        out += ["weights: " + ", ".join(f"{v} {w:.2f}" for v, w in table["weights"].items())]
    return out


def _of_classes(table: Mapping[str, Any]) -> list[str]:
    loss = "" if table["log_loss"] is None else f", log loss {table['log_loss']:.3f}"
    shares = "; ".join(
        f"{100 * a['share']:.0f} % of rows at {100 * float(e):g} % error" for e, a in table["automation"].items()
    )
    out = [f"calibration: ECE {100 * table['ece']:.1f} %{loss}; could be answered without a person: {shares}"]
    names, report = table["classes"], table["report"]
    if len(names) <= MOST_CLASSES:
        rows = [["class", "precision", "recall", "F1", "support", "| answered as", *("" for _ in names[1:])]]
        rows[0][5:] = [f"| {names[0]}", *names[1:]]
        for name, entry, counts in zip(names, report["classes"], table["confusion"], strict=True):
            rows.append([name, *_four(entry), f"| {counts[0]}", *map(str, counts[1:])])
        for kind in ("micro", "macro", "weighted"):
            rows.append([kind, *_four(report[kind]), *("" for _ in names)])
        out += _grid([["  " + row[0], *row[1:]] for row in rows])
    if table["errors"]:
        out += ["most confident errors"]
        for error in table["errors"][:3]:
            items = "  ".join(_short(str(item)) for item in error["items"].values())
            out += [f"  {error['true']} answered as {error['answer']} ({100 * error['confidence']:.0f} %): {items}"]
    return out


def _of_tags(table: Mapping[str, Any]) -> list[str]:
    report = table["report"]
    tags = sorted(zip(report["names"], report["tags"], strict=True), key=lambda pair: -pair[1]["support"])
    rows = [["tag", "precision", "recall", "F1", "support"]]
    rows += [[name, *_four(entry)] for name, entry in tags[:MOST_CLASSES]]
    rows += [[kind, *_four(report[kind])] for kind in ("micro", "macro", "weighted")]
    left = len(tags) - MOST_CLASSES
    out = _grid([["  " + row[0], *row[1:]] for row in rows])
    return out + ([f"  and {left} more tags: --json"] if left > 0 else [])


def _four(entry: Mapping[str, Any]) -> list[str]:
    shown = [f"{100 * entry[k]:.1f}" if entry.get(k) is not None else "-" for k in ("precision", "recall", "f1")]
    return [*shown, str(entry["support"]) if entry.get("support") is not None else ""]


def _value(metric: str, entry: Mapping[str, Any], sign: bool = False) -> str:
    if entry["value"] is None:
        return "-"
    value = _scaled(metric, entry["value"], sign)
    if entry["low"] is None:
        return value
    return f"{value} [{_scaled(metric, entry['low'])}, {_scaled(metric, entry['high'])}]"


def _scaled(metric: str, value: float, sign: bool = False) -> str:
    if metric in ("r2", "mae"):
        return f"{value:+.3g}" if sign else f"{value:.3g}"
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def _short(text: str, most: int = 60) -> str:
    plain = "".join(c for c in " ".join(text.split()) if unicodedata.category(c) != "Cc")
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of one width each, counting Chinese characters as two."""
    widths = [max(_wide(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for row in rows:
        cells = [row[0] + " " * (widths[0] - _wide(row[0]))]
        cells += [" " * (w - _wide(cell)) + cell for cell, w in zip(row[1:], widths[1:], strict=True)]
        out.append("  ".join(cells).rstrip())
    return out


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
