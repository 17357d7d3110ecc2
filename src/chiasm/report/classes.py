"""What a report says of the answers: class by class, how sure, how far off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.report import plots as plots
from chiasm.report.html import Html, card, el, grid, join, percent, plot, section
from chiasm.report.text import cut, wide

__all__ = ["confidence", "numbers", "of_classes"]

MOST_MATRIX = 50
"""With more classes the confusion matrix gives way to a list of the commonest confusions."""
ROOMY_MATRIX = 14
"""With more classes a cell of the matrix shows its count alone, its share by color."""
DENSE_MATRIX = 30
"""With more classes the cells are as small as their figures can be read."""
MOST_BESIDE = 6
"""With more classes the matrix stands below their table, not beside it."""
MOST_ROWS = 60
"""A longer table of classes or tags is folded away under its averages."""
MOST_CONFUSED = 25

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
    parts = [*tables, card(_matrix(names, table["confusion"]))]
    return section(
        "Class by class", note, *([el("div", *parts, class_="pair")] if len(names) <= MOST_BESIDE else parts)
    )


def _matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    """The confusion matrix: right answers blue, wrong ones red, as dark as their share of the row."""
    if len(names) > MOST_MATRIX:
        return _confused(names, counts)
    roomy, dense = len(names) <= ROOMY_MATRIX, len(names) > DENSE_MATRIX
    room = 16 if dense else 24
    lines = []
    for i, row in enumerate(counts):
        whole = sum(row)
        cells = []
        for j, count in enumerate(row):
            share = count / whole if whole else 0.0
            kind = " ".join(["right"] * (i == j) + ["full"] * (share > 0.8))
            known = {"class_": kind} if kind else {}
            percent = f"{100 * share:.0f} %" if share >= 0.005 else "<1 %"
            if not count:
                cells.append(el("td"))
                continue
            inner = [str(count), *([el("small", percent)] if roomy else [])]
            known["title"] = f"{names[i]} answered as {names[j]}: {count} of {whole} ({100 * share:.1f} %)"
            cells.append(el("td", *inner, **known, style=f"--p:{0.06 + 0.94 * share:.3f}"))
        lines.append(el("tr", el("th", cut(names[i], room), scope="row", title=names[i]), *cells))
    standing = not roomy or any(wide(name) > 10 for name in names)
    titles = [(name, {"class_": "turned"} if standing and wide(name) == len(name) else {}) for name in names]
    heads = [el("th", el("span", cut(name, room), **turned), scope="col", title=name) for name, turned in titles]
    head = el("tr", el("th", "true \\ answered"), *heads)
    kinds = ["heat", *["standing"] * standing, *["tall"] * (not roomy), *["dense"] * dense]
    table = el("table", el("thead", head), el("tbody", *lines), class_=" ".join(kinds))
    key = "A row is a true class, a column an answer: rows counted, as a share of the true class by color"
    more = " and below." if roomy else "; the share stands in each cell's tooltip."
    return join(
        [el("h3", "What was answered as what"), el("div", table, class_="scroll"), el("p", key + more, class_="key")]
    )


def _confused(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Html:
    """The commonest confusions, for more classes than a matrix can show."""
    pairs = [(n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if n and i != j]
    worst = sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))[:MOST_CONFUSED]
    rows = [[names[i], names[j], str(n), percent(n / sum(counts[i]))] for n, i, j in worst]
    title = f"The commonest of {len(pairs)} confusions"
    return join([el("h3", title), grid(["true", "answered", "rows", "of the true class"], rows)])


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
