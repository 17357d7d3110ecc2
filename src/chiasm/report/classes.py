"""What a report says of the answers: class by class, how sure, how far off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.report import plots as plots
from chiasm.report.html import Html, card, el, grid, percent, plot, section
from chiasm.report.matrix import matrix

__all__ = ["confidence", "numbers", "of_classes"]

MOST_ROWS = 60
"""A longer table of classes or tags is folded away under its averages."""
Table = Mapping[str, Any]


def of_classes(table: Table) -> Html | None:
    """Precision, recall and F1 by class or tag; what was answered as what."""
    report = table["report"]
    of_tags = "names" in report
    if not of_tags and "classes" not in table:
        return None
    names = report["names"] if of_tags else table["classes"]
    rows = [[name, *_four(entry)] for name, entry in zip(names, report["tags" if of_tags else "classes"], strict=True)]
    means = [[kind, *_four(report[kind])] for kind in ("micro", "macro", "weighted")]
    head = ["tag" if of_tags else "class", "precision %", "recall %", "F1 %", "support"]
    if len(rows) <= MOST_ROWS:
        tables = [card(grid(head, [*rows, *means], strong=range(len(rows), len(rows) + 3)))]
    else:
        folded = el("details", el("summary", f"all {len(rows)} {'tags' if of_tags else 'classes'}"), grid(head, rows))
        tables = [card(grid(head, means), folded)]
    if of_tags:
        note = (
            f"Every tag of a row is right in {percent(report['subset_accuracy'])} of the rows; "
            f"{percent(report['hamming'])} of all yes-or-no decisions are wrong."
        )
        return section("Tag by tag", note, *tables)
    note = f"Balanced accuracy (the mean recall of the classes) is {percent(report['balanced_accuracy'])}."
    drawn, beside = matrix(names, table["confusion"])
    parts = [*tables, card(drawn)]
    return section("Class by class", note, *([el("div", *parts, class_="pair")] if beside else parts))


def confidence(table: Table) -> Html | None:
    """Calibration, and what could be answered without a person."""
    if "reliability" not in table:
        return None
    loss = "" if table["log_loss"] is None else f"; log loss {table['log_loss']:.3f}"
    shares = [
        [
            f"{100 * float(error):g} %",
            f"{100 * found['share']:.1f} %",
            "-" if found["threshold"] is None else f"{100 * found['threshold']:.1f} %",
            "-" if found["risk"] is None else f"{100 * found['risk']:.1f} %",
        ]
        for error, found in table["automation"].items()
    ]
    bins = [
        [
            f"{100 * b['low']:.0f}–{100 * b['high']:.0f} %",
            str(b["count"]),
            f"{100 * b['confidence']:.1f}",
            f"{100 * b['accuracy']:.1f}",
        ]
        for b in table["reliability"]["bins"]
        if b["count"]
    ]
    head = ["confidence", "rows", "mean confidence %", "right %"]
    return section(
        "Can the confidence be trusted?",
        f"Expected calibration error {percent(table['ece'])}{loss}. The thresholds were chosen on these very rows: on "
        "others somewhat more answers will be wrong.",
        el(
            "div",
            card(
                plot(plots.reliability(table["reliability"]["bins"]), "calibration"),
                el("details", el("summary", "as a table"), grid(head, bins)),
            ),
            card(
                plot(plots.coverage(table), "answering without a person"),
                grid(["wrong at most", "answered", "from confidence", "wrong"], shares),
            ),
            class_="pair",
        ),
    )


def numbers(table: Table) -> Html | None:
    """The further figures of a regression."""
    report = table["report"]
    if "rmse" not in report:
        return None
    known = {"r2": "R2", "mae": "MAE", "rmse": "RMSE", "spearman": "Spearman's rank correlation"}
    rows = [[title, "-" if report[key] is None else f"{report[key]:.4g}"] for key, title in known.items()]
    if "residual_90" in table:
        rows.append(["90 % of the answers are within", f"{table['residual_90']:.4g}"])
    return section("How far off the numbers are", "In the unit of the target.", card(grid([], rows)))


def _four(entry: Mapping[str, Any]) -> list[str]:
    values = [entry.get(key) for key in ("precision", "recall", "f1")]
    support = entry.get("support")
    return [*("-" if v is None else f"{100 * v:.1f}" for v in values), "" if support is None else f"{support:,}"]
