"""A score as one page of HTML: the verdict first, then every figure of the table, drawn and in numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from chiasm.report.classes import confidence, numbers, of_classes
from chiasm.report.errors import errors
from chiasm.report.html import Html, card, document, el, grid, join, percent, section
from chiasm.report.text import SIMPLEST, TITLES, named, scale, scaled, shown
from chiasm.report.views import absent, added, scores, tone
from chiasm.views import Views

__all__ = ["page"]

Table = Mapping[str, Any]


def page(table: Table, wrong: Views | None = None, *, data: str = "", command: str = "") -> bytes:
    """One self-contained HTML file of a score of `classify`, `regress` or `tag`; what the table lacks is left out.

    It holds no script and asks for nothing from the network. All texts of the data are escaped.

    Args:
        table: a score's table. wrong: the raw rows of its `errors`, in their order (the task's `wrong`), for their
            pictures, texts and records to be shown; left out, their names are.
        data: what was scored, as the person named it. command: how the page was made.

    Raises a ChiasmError when `wrong` are other rows than the errors.
    """
    title = f"{table['task']}: {data}" if data else f"{table['task']}: score"
    sections = [
        _head(table, title),
        scores(table),
        added(table),
        absent(table),
        of_classes(table),
        confidence(table),
        numbers(table),
        errors(table["errors"], wrong) if table.get("errors") else None,
        _warnings(table),
        _cost(table),
        _made(table, command),
    ]
    return document(title, join(section for section in sections if section is not None))


def _head(table: Table, title: str) -> Html:
    """Title, the figure that is judged, and what each view adds, in words."""
    facts = [f"{table['rows']:,} rows of split {table['split']}"]
    if table["views_alone"]:
        facts.append(f"views: {', '.join(table['views_alone'])}")
    if table["unlabeled"]:
        facts.append(f"{table['unlabeled']:,} rows without a label left out")
    facts.append("all intervals are 95 %, by resampling whole ids and groups")
    judged, entry = table["judged"], table[table["judged"]]
    unit = " %" if scale(judged) == 100 else ""
    value = "-" if entry["value"] is None else scaled(judged, entry["value"]) + unit
    beside = [named(judged)]
    if entry["low"] is not None:
        beside.append(f"[{scaled(judged, entry['low'])}, {scaled(judged, entry['high'])}]")
    first = table["metrics"][0]
    beside.append("·" if first == judged else f"· {named(first)} {shown(first, table[first])},")
    beside.append(f"{SIMPLEST[table['task']]} gives {scaled(first, table['majority'])}")
    verdicts = [
        el("p", entry["verdict"], class_=f"verdict {tone(entry['difference'][judged])}")
        for entry in table["leave_one_out"].values()
    ] or [el("p", table["verdict"], class_="verdict")]
    return join(
        [
            el("h1", title),
            el("p", " · ".join(facts), class_="facts"),
            el("p", el("b", value), el("span", " ".join(beside)), class_="result"),
            *verdicts,
        ]
    )


def _warnings(table: Table) -> Html:
    """Leaks, views that may hold the label, and the score without what is shared."""
    leaks = table["leaks"]
    said = []
    for view, right in leaks["suspect_views"].items():
        said.append(f"{view} alone is right on {percent(right)} of held-out rows. Does it hold the label?")
    told = {
        "ids": "ids stand in training and test",
        "groups": "groups stand in training and test",
        "rows": "held-out rows equal a training row in every view",
        "fitted_rows": "scored rows are rows that the model was fitted on",
    }
    said += [f"{leaks[key]:,} {text}." for key, text in told.items() if leaks.get(key)]
    said += [f"{n:,} held-out rows share their {view} with training rows." for view, n in _some(leaks, "equal")]
    said += [f"{n:,} others have a nearly equal {view} there." for view, n in _some(leaks, "near")]
    parts = [el("p", text, class_="warn") for text in said]
    parts = parts or [el("p", "No shared items were found, and no view alone is right nearly always.")]
    if clean := table.get("clean"):
        known = [m for m in table["metrics"] if m in clean]
        rows = [["all scored rows", f"{table['rows']:,}", *(shown(m, table[m]) for m in known)]]
        rows.append(["without shared items", f"{clean['rows']:,}", *(shown(m, clean[m]) for m in known)])
        parts.append(card(grid(["", "rows", *(TITLES[m] for m in known)], rows)))
    return section("Leaks and suspicious views", "", *parts)


def _cost(table: Table) -> Html:
    """Seconds and size, the score beside them."""
    judged, seconds, size = table["judged"], table["seconds"], table["size"]
    known = {
        "encoding": "encoding, s",
        "learning": "learning, s",
        "learning_each_alone_and_without": "learning from fewer views, s",
        "scoring": "scoring, s",
    }
    head = ["", TITLES[judged], *(known.get(key, f"{key}, s") for key in seconds), "numbers learned", "MiB"]
    row = ["all views", shown(judged, table[judged]), *(f"{value:.2f}" for value in seconds.values())]
    row += [f"{size['parameters']:,}", f"{size['MiB']:.2f}"]
    return section("What it costs", "What is in the cache is not encoded again.", card(grid(head, [row])))


def _made(table: Table, command: str) -> Html:
    """What is needed to make it again."""
    model = table["model"]
    chosen = model.get("fuser") or {}
    parts = [el("p", f"Chosen out of fold to fuse the views: {chosen['fuser']}.")] if "fuser" in chosen else []
    facts = f"chiasm {version('chiasm')}, seed {table['seed']}. Intervals are 95 % ones of a cluster bootstrap: "
    drawn = "whole ids and groups are drawn again; differences are paired on the same rows."
    parts.append(el("p", f"{facts}{drawn} Few ids make them wider."))
    if command:
        parts.append(el("pre", el("code", command)))
    recipe = json.dumps(model, ensure_ascii=False, indent=1)
    parts.append(el("details", el("summary", "the model's recipe"), el("pre", el("code", recipe))))
    return section("How it was made", "", *parts)


def _some(leaks: Mapping[str, Any], key: str) -> Iterable[tuple[str, int]]:
    return ((view, n) for view, n in leaks.get(key, {}).items() if n)
