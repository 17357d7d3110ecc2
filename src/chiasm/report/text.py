"""The table of a score of answers as lines for a terminal: one screen. Its figures are written as a report's too."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LEFT_OUT", "SIMPLEST", "TITLES", "cut", "foretold", "lines", "named", "scale", "scaled", "shown", "wide"]

MOST_CLASSES = 12
"""With more classes the table of classes and the confusion matrix are left to --json and --report."""

MOST_VIEWS = 5
MOST_LINES, MOST_WIDE = 45, 120

TITLES = {
    "accuracy": "accuracy %",
    "f1_macro": "F1 macro %",
    "f1_weighted": "F1 weighted %",
    "f1_micro": "F1 micro %",
    "average_precision": "mAP %",
    "auc": "AUC %",
    "r2": "R2",
    "mae": "MAE",
}

LEFT_OUT = "the teaching was left out: it did not help on held-out folds"

SIMPLEST = {"classify": "the commonest class", "tag": "the commonest tags", "regress": "the mean"}
"""By task, what the simplest answer is that ignores every view."""


def lines(table: Mapping[str, Any]) -> list[str]:
    """What a person should see first: at most `MOST_LINES` of `MOST_WIDE` columns, what is left out named."""
    more = f", {table['unlabeled']} without a label left out" if table["unlabeled"] else ""
    scored = f"{table['task']}: {counted(table['rows'])} of split {table['split']}{more}"
    blocks = {
        "scores": [f"{scored}; 95 % intervals, resampled by id and group", *_models(table)],
        "what each view adds": _adds(table["leave_one_out"], "what each view adds (over the same method without it)"),
        "what the teacher adds": _taught(table) if "taught" in table else [],
        "the same out of fold": _out_of_fold(table["cross_validated"]),
        "views dropped": _missing(table) if "missing" in table else [],
        "calibration": _calibration(table),
        "the table of classes": _of_classes(table) if "classes" in table else [],
        "the table of tags": _of_tags(table) if "names" in table.get("report", {}) else [],
        "errors": _errors(table.get("errors", [])),
        "warnings": _warnings(table),
        "cost": _cost(table),
    }
    blocks = {name: [part for line in block for part in _wrapped(line)] for name, block in blocks.items()}
    left: list[str] = []
    for name in ("the table of classes", "the table of tags", "the same out of fold", "errors", "views dropped"):
        if sum(map(len, blocks.values())) + bool(left) > MOST_LINES and blocks[name]:
            left.append(name)
            blocks[name] = []
    told = [f"left out here, in the JSON and the HTML report: {', '.join(left)}"] if left else []
    return [line for block in blocks.values() for line in block] + told


def _adds(entries: Mapping[str, Any], title: str) -> list[str]:
    return [title, *(f"  {entry['verdict']}" for entry in entries.values())] if entries else []


def _taught(table: Mapping[str, Any]) -> list[str]:
    """What the student has over itself without its teacher, and with others in its place."""
    taught, judged = table["taught"], table["judged"]
    out = [foretold(taught["by"], taught["forecast"])]
    same = [name for name, entry in taught["controls"].items() if taught["left_out"] and entry["same"]]
    if taught["left_out"]:
        out.append(LEFT_OUT + (f"; it answers the same {' and '.join(same)}" if same else ""))
    out.append(f"the student as it is taught, {named(judged)}, over it")
    for name, entry in taught["controls"].items():
        if name in same:
            continue
        less = shown(judged, entry["difference"][judged], sign=True)
        out.append(f"  {name} ({shown(judged, entry[judged])}): {less}")
    return out


def foretold(by: Sequence[str], told: Mapping[str, Any]) -> str:
    """The forecast in a sentence."""
    teacher = " and ".join(by)
    seen = f"it sees {100 * max(0.0, told['see']):.0f} % of what {teacher} would answer ({counted(told['rows'])})"
    if told["gain"] is None:
        return f"foretold: nothing, too few labeled rows have both {teacher} and the student's views; {seen}"
    right = f"right alone, on the {counted(told['judged'])} with a label and both, are {teacher} "
    right += f"{scaled('accuracy', told['teacher'])} % and the student {scaled('accuracy', told['student'])} %"
    return f"foretold, out of fold: {scaled('accuracy', told['gain'], True)} points; {right}; {seen}"


def _out_of_fold(crossed: Mapping[str, Any]) -> list[str]:
    if not crossed:
        return []
    return _adds(crossed["leave_one_out"], f"the same, out of fold on the {counted(crossed['rows'])} learned from")


def _calibration(table: Mapping[str, Any]) -> list[str]:
    if "residual_90" in table:
        return [f"90 % of the answers are within {table['residual_90']:.4g}"]
    if "ece" not in table:
        return []
    loss = "" if table["log_loss"] is None else f", log loss {table['log_loss']:.3f}"
    shares = "; ".join(
        f"{100 * a['share']:.0f} % of rows at {100 * float(e):g} % error" for e, a in table["automation"].items()
    )
    return [f"calibration: ECE {100 * table['ece']:.1f} %{loss}", f"could be answered without a person: {shares}"]


def _warnings(table: Mapping[str, Any]) -> list[str]:
    out = []
    if clean := table.get("clean"):
        values = "; ".join(f"{TITLES[m]} {shown(m, clean[m])}" for m in table["metrics"] if m in clean)
        out += [
            f"without the {counted(clean['removed'])} that share an item with rows learned from: {values or 'too few'}"
        ]
    for view, right in table["leaks"]["suspect_views"].items():
        out += [f"suspicious: {view} alone is right on {100 * right:.1f} % of held-out rows. Does it hold the label?"]
    return out


def _cost(table: Mapping[str, Any]) -> list[str]:
    s, size = table["seconds"], table["size"]
    fits = f"learned in {s['learning']:.1f} s (+{s['learning_each_alone_and_without']:.1f} s for the views alone)"
    return [f"{fits}, scored in {s['scoring']:.1f} s; {size['parameters']:,} numbers, {size['MiB']:.1f} MiB"]


def _models(table: Mapping[str, Any]) -> list[str]:
    names = table["metrics"]
    chosen = table["model"].get("fuser") or {}  # of `auto` a fuser's name; of other fusers what they chose, if anything
    title = f"all views ({chosen['fuser']})" if "fuser" in chosen else "all views"
    rows = [["", *(TITLES[m] for m in names)], [f"  {title}", *(shown(m, table[m]) for m in names)]]
    rows += [[f"  {cut(v)} alone", *(shown(m, e[m]) for m in names)] for v, e in table["views_alone"].items()]
    if 2 < len(table["leave_one_out"]) <= MOST_VIEWS:
        rows += [[f"  without {cut(v)}", *(shown(m, e[m]) for m in names)] for v, e in table["leave_one_out"].items()]
    if "majority" in table:
        known = f"{100 * table['majority']:.1f}" if table["task"] != "regress" else f"{table['majority']:.3f}"
        rows += [[f"  {SIMPLEST[table['task']]}", known, *("" for _ in names[1:])]]
    return _grid(rows)


def _missing(table: Mapping[str, Any]) -> list[str]:
    missing, figure = table["missing"], table["missing"]["figure"]
    only = missing["only"]
    few = list(only.items())[:-1] if len(only) <= 7 else list(only.items())[: len(table["views_alone"])]
    out = [
        f"views dropped, {TITLES[figure]} of the one model: "
        + "; ".join(f"only {v} {shown(figure, e)}" for v, e in few)
    ]
    if "masks" in missing:
        by_rate = ", ".join(f"{scaled(figure, v)} at {r}" for r, v in missing["masks"]["by_rate"].items())
        out += [f"  {missing['masks']['masks']} random masks by drop rate: {by_rate}"]
    moved = "; ".join(f"{v} {shown(figure, e, sign=True)}" for v, e in table["shuffled"].items())
    out += [f"one view dealt to other rows, change: {moved}", table["additive"]["verdict"]]
    if table["weights"]:
        out += ["weights: " + ", ".join(f"{v} {w:.2f}" for v, w in table["weights"].items())]
    return out


def _of_classes(table: Mapping[str, Any]) -> list[str]:
    names, report = table["classes"], table["report"]
    if len(names) > MOST_CLASSES:
        return []
    short = sum(max(wide(name), 5) + 2 for name in names) <= MOST_WIDE - 68
    titles = [cut(name, 20) if short else f"{i} {cut(name, 17)}" for i, name in enumerate(names, 1)]
    heads = names if short else list(map(str, range(1, len(names) + 1)))
    rows = [["class", "precision", "recall", "F1", "support", "answered |", *heads]]
    for title, entry, counts in zip(titles, report["classes"], table["confusion"], strict=True):
        rows.append([title, *_four(entry), "|", *map(str, counts)])
    rows += [[kind, *_four(report[kind]), "", *("" for _ in names)] for kind in ("micro", "macro", "weighted")]
    out = _grid([["  " + row[0], *row[1:]] for row in rows])
    return out if max(map(wide, out)) <= MOST_WIDE else _grid([["  " + row[0], *row[1:5]] for row in rows])


def _errors(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    out = ["most confident errors"] if errors else []
    for error in errors[:3]:
        items = "  ".join(cut(str(item), 60) for item in error["items"].values())
        line = f"  {error['true']} answered as {error['answer']} ({100 * error['confidence']:.0f} %): {items}"
        out += ["  " + cut(line, MOST_WIDE - 2)]
    return out


def _of_tags(table: Mapping[str, Any]) -> list[str]:
    report = table["report"]
    tags = sorted(zip(report["names"], report["tags"], strict=True), key=lambda pair: -pair[1]["support"])
    rows = [["tag", "precision", "recall", "F1", "support"]]
    rows += [[cut(name), *_four(entry)] for name, entry in tags[:MOST_CLASSES]]
    rows += [[kind, *_four(report[kind])] for kind in ("micro", "macro", "weighted")]
    left = len(tags) - MOST_CLASSES
    out = _grid([["  " + row[0], *row[1:]] for row in rows])
    return out + ([f"  and {left} more tags, in the JSON"] if left > 0 else [])


def _four(entry: Mapping[str, Any]) -> list[str]:
    shown = [f"{100 * entry[k]:.1f}" if entry.get(k) is not None else "-" for k in ("precision", "recall", "f1")]
    return [*shown, str(entry["support"]) if entry.get("support") is not None else ""]


def named(metric: str) -> str:
    """A figure's name without its unit."""
    return TITLES[metric].removesuffix(" %")


def counted(rows: int) -> str:
    """How many rows, in words."""
    return "1 row" if rows == 1 else f"{rows} rows"


def shown(metric: str, entry: Mapping[str, Any], sign: bool = False) -> str:
    """A value with its interval, as `71.3 [68.2, 74.3]`."""
    if entry["value"] is None:
        return "-"
    value = scaled(metric, entry["value"], sign)
    if entry["low"] is None:
        return value
    return f"{value} [{scaled(metric, entry['low'])}, {scaled(metric, entry['high'])}]"


def scaled(metric: str, value: float, sign: bool = False) -> str:
    """A figure as it is shown: of shares the hundredth parts, of what has a unit three digits."""
    if scale(metric) == 1:
        return f"{value:+.3g}" if sign else f"{value:.3g}"
    value = round(100 * value, 1) + 0.0  # no -0.0
    return f"{value:+.1f}" if sign else f"{value:.1f}"


def scale(metric: str) -> float:
    """What a figure is multiplied by to be shown: 100 for a share."""
    return 1.0 if metric in ("r2", "mae") else 100.0


def cut(text: str, most: int = 24) -> str:
    """A text on one line of at most so many columns, control characters dropped."""
    plain = "".join(c for c in " ".join(text.split()) if unicodedata.category(c) != "Cc")
    if wide(plain) <= most:
        return plain
    plain = plain[:most]
    while wide(plain) >= max(most, 1):
        plain = plain[:-1]
    return plain + "…"


def _wrapped(line: str) -> list[str]:
    """The line, broken at spaces into lines of at most `MOST_WIDE` columns, the further ones set in."""
    out = []
    while wide(line) > MOST_WIDE:
        end = len(line)
        while wide(line[:end]) > MOST_WIDE:
            end -= 1
        breaks = [place for place in (line.rfind("; ", 60, end) + 1, line.rfind(" ", 40, end)) if place > 0]
        end = breaks[0] if breaks else end
        out.append(line[:end])
        line = "    " + line[end:].lstrip()
    return [*out, line]


def _grid(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of one width each, counting Chinese characters as two."""
    widths = [max(wide(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for row in rows:
        cells = [row[0] + " " * (widths[0] - wide(row[0]))]
        cells += [" " * (w - wide(cell)) + cell for cell, w in zip(row[1:], widths[1:], strict=True)]
        out.append("  ".join(cells).rstrip())
    return out


def wide(text: str) -> int:
    """The columns that a text takes in a terminal, a Chinese character two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
