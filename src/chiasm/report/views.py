"""What a report says of the views: how right each is, what it adds, what happens when it is absent or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.report import plots as plots
from chiasm.report.html import Html, card, el, grid, plot, section
from chiasm.report.text import SIMPLEST, TITLES, cut, named, scale, scaled, shown, wide

__all__ = ["absent", "added", "scores", "tone"]

_NAME, _SHORT = 24, 16
"""Columns of a view's name in a plot, full and half."""
_LABEL = 24
"""Columns of labels that leave room for bars in a plot of half the width."""
_TALL = 6
"""With more lines than these the plots of a column are taller than the curve beside them."""

Table = Mapping[str, Any]


def scores(table: Table) -> Html:
    """Bars of the judged figure, and every figure of every model."""
    judged = table["judged"]
    rows = [("all views", table), *((f"{cut(v, _NAME)} alone", e) for v, e in table["views_alone"].items())]
    if len(table["leave_one_out"]) > 2:  # of two, without one is the other alone
        rows += [(f"all but {cut(v, _NAME)}", e) for v, e in table["leave_one_out"].items()]
    drawn = [(label, entry[judged]) for label, entry in rows]
    line = None
    if judged == table["metrics"][0]:
        base = table["majority"]
        drawn.append((SIMPLEST[table["task"]], {"value": base, "low": None, "high": None}))
        line = ("", base) if table["task"] != "regress" else None
    elif judged == "auc":
        line = ("a coin", 0.5)
    figures = [[label, *(shown(m, entry[m]) for m in table["metrics"])] for label, entry in rows]
    if "majority" in table:
        base = scaled(table["metrics"][0], table["majority"])
        figures.append([SIMPLEST[table["task"]], base, *("" for _ in table["metrics"][1:])])
    return section(
        "How right the answers are",
        "The same method, learned anew from all views, from each alone and from all but each." if drawn[2:] else "",
        card(plot(plots.bars(drawn, judged, line=line), f"{named(judged)} by views")),
        card(grid(["", *(TITLES[m] for m in table["metrics"])], figures, strong=[0])),
    )


def added(table: Table) -> Html | None:
    """Paired differences: on the scored rows, and out of fold on the rows learned from."""
    if not table["leave_one_out"]:
        return None
    judged, crossed = table["judged"], table["cross_validated"]
    found = [(f"{cut(v, _NAME)}, scored rows", v, e["difference"]) for v, e in table["leave_one_out"].items()]
    if crossed:
        found += [(f"{cut(v, _NAME)}, out of fold", v, e["difference"]) for v, e in crossed["leave_one_out"].items()]
        found.sort(key=lambda entry: list(table["views_alone"]).index(entry[1]))
    drawn = [(label, d[judged]) for label, _, d in found]
    said = []
    if crossed:
        said = [el("h3", f"Out of fold, on the {crossed['rows']:,} rows learned from")]
        said += [
            el("p", e["verdict"], class_=f"said {tone(e['difference'][judged])}")
            for e in crossed["leave_one_out"].values()
        ]
    rows = [[label, *(shown(m, d[m], sign=True) for m in table["metrics"])] for label, _, d in found]
    label = f"{named(judged)}: with the view less without it, {'points' if scale(judged) == 100 else ''}".rstrip(", ")
    better = " MAE is turned round, so that more is always better." if "mae" in table["metrics"] else ""
    return section(
        "What each view adds",
        f"The fused model less the same method learned without the view, on the same rows (paired).{better} "
        "An interval that holds zero shows neither gain nor loss.",
        card(plot(plots.forest(drawn, judged, label=label), "differences by view")),
        *said,
        card(grid(["difference", *(TITLES[m] for m in table["metrics"])], rows)),
    )


def absent(table: Table) -> Html | None:
    """The one fused model with views dropped, dealt to other rows, or added up."""
    if "missing" not in table:
        return None
    missing, judged = table["missing"], table["missing"]["figure"]
    only = [(_kept(name), entry) for name, entry in missing["only"].items()]
    only.sort(key=lambda entry: -entry[0].count(" + "))
    only[0] = ("all views", only[0][1])
    short = max(wide(label) for label, _ in only) <= _LABEL
    width = plots.HALF if short else plots.FULL
    by_size = card(plot(plots.bars(only, judged, width=width), "the fused model, given only some views"))
    rest = []
    if "masks" in missing and table[judged]["value"] is not None:
        base = table["majority"] if judged == table["metrics"][0] else None
        drawn = plots.rates(missing["masks"]["by_rate"], table[judged]["value"], judged, base=base)
        mean = scaled(judged, missing["masks"]["mean"])
        note = el("p", f"{missing['masks']['masks']} random masks, mean {mean}", class_="key")
        rest.append(card(plot(drawn, "items dropped at random"), note))
    shuffled = [(cut(name, _SHORT), entry) for name, entry in table["shuffled"].items()]
    dealt = plots.forest(shuffled, judged, width=plots.HALF, label=f"change of {named(judged)}")
    additive = table["additive"]
    said = [el("p", additive["verdict"], class_="said")]
    if "model" in additive:
        said.append(
            el(
                "p",
                f"On {additive['rows']} rows that have every view the {named(judged)} of the model is "
                f"{shown(judged, additive['model'])}, of its best sum of one part a view "
                f"{shown(judged, additive['projection'])}.",
                class_="soft",
            )
        )
    if table["weights"]:
        weights = ", ".join(f"{v} {w:.2f}" for v, w in table["weights"].items())
        said.append(el("p", f"Weights of the views in the fused model: {weights}.", class_="soft"))
    left = el("div", *([by_size] if short else []), card(plot(dealt, "one view dealt to other rows")))
    interact = card(el("h3", "Do the views interact?"), *said)
    beside = bool(rest) and short and len(only) + len(shuffled) > _TALL  # there is room under the short plot
    right = el("div", *rest, *([interact] if beside else []))
    return section(
        "When views are absent or wrong",
        "One model, fitted once with every view, answers rows that lack some.",
        *([] if short else [by_size]),
        el("div", left, right, class_="pair columns") if rest else left,
        *([] if beside else [interact]),
    )


def _kept(names: str) -> str:
    """The views that are left, as short as a plot needs them."""
    views = names.split(" + ")
    return f"only {cut(views[0], _SHORT)}" if len(views) == 1 else cut(" + ".join(cut(v, _SHORT) for v in views), 60)


def tone(found: Mapping[str, Any]) -> str:
    """The class of a sentence: a gain, a loss, or neither."""
    if found["low"] is None:
        return ""
    return "gain" if found["low"] > 0 else "loss" if found["high"] < 0 else ""
