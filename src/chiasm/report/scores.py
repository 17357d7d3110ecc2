"""The scores of tasks as lines that a person reads: retrieve, match, link, detect, cluster, talk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.score import percent

__all__ = ["clustered", "detected", "linked", "matched", "retrieved", "talked"]

Table = Mapping[str, Any]


def retrieved(table: Table) -> list[str]:
    """R@1, 5, 10, median rank and mAP for every ordered pair of views, chance and the baseline below."""
    lines = [f"{table['task']}: {table['rows']} rows of split {table['split']}; 95 % intervals, resampled by id"]
    lines += _directions(table["directions"])
    for name, n in table.get("seen", {}).items():
        lines.append(f"no pair was learned; the model saw {n} of these items of {name!r}, without captions")
    if clean := table.get("clean"):
        lines.append(f"without the {clean['removed']} rows that share an item, or nearly, with training rows:")
        lines += _directions(clean["directions"]) if clean["directions"] else ["  too few to score"]
    return lines


def _directions(directions: Sequence[Table]) -> list[str]:
    rows = [["from -> to", "queries", "gallery", "R@1 %", "R@5 %", "R@10 %", "median rank", "mAP %"]]
    for d in directions:
        known = d.get("baseline")
        rank = d["median_rank"]
        rows.append(
            [f"{d['from']} -> {d['to']}", str(d["queries"]), str(d["gallery"])]
            + [percent(d[f"R@{k}"]) for k in (1, 5, 10)]
            + [f"{rank['value']:g} [{rank['low']:g}, {rank['high']:g}]", percent(d["mAP"])]
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


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def matched(table: Table) -> list[str]:
    """How well right pairs are told from wrong ones, beside the plain cosine."""
    wrong = " and ".join(f"{n} {kind}" for kind, n in table["wrong"].items())
    lines = [
        f"match: {table['pairs']} right pairs of split {table['split']}, {wrong} wrong ones; 95 % intervals, resampled "
        "by id and group",
        *_told(table),
    ]
    if clean := table.get("clean"):
        figures = _told(clean) if "auc" in clean else ["  too few to score"]
        shared = f"without the {clean['removed']} rows that share an item, or nearly, with rows learned from:"
        lines += [shared, *figures[:2]]
    return lines


def _told(table: Table) -> list[str]:
    against = ", ".join(
        f"{kind} {percent(e['auc'])} (cosine {100 * e['cosine']['value']:.1f})" for kind, e in table["against"].items()
    )
    chance = f"{100 * table['majority']:.1f}"
    return [
        f"AUC %                {percent(table['auc'])}   plain cosine {percent(table['cosine']['auc'])}, difference "
        f"{percent(table['difference']['auc'])}; chance 50.0",
        f"average precision %  {percent(table['average_precision'])}   plain cosine "
        f"{percent(table['cosine']['average_precision'])}",
        f"accuracy %           {percent(table['accuracy'])}   always yes or no {chance}",
        f"AUC % against wrong pairs of each kind: {against}",
        f"calibration: ECE {100 * table['ece']:.1f} %, log loss {table['log_loss']:.3f}, at as many wrong pairs as "
        "right ones",
    ]


def linked(table: Table) -> list[str]:
    """The share linked right, beside the nearest pair first and chance."""
    left, right = table["left"], table["right"]
    return [
        f"link: {left['items']} {left['view']} x {right['items']} {right['view']} of split {table['split']}, pairing "
        f"hidden, {table['known']} pairs known; 95 % intervals, resampled by id",
        f"linked right %  {percent(table['accuracy'])}",
        f"  greedy        {percent(table['greedy'])}   difference {percent(table['difference'])}",
        f"  chance        {100 * table['chance']:.1f}",
    ]


def detected(table: Table) -> list[str]:
    """How well unusual rows are told from normal ones, by each sign too."""
    alarms = table["alarms"]
    return [
        f"detect: {table['unusual']} unusual rows ({table['found']}) among {table['normal']} normal ones, split "
        f"{table['split']}; 95 % intervals, resampled by id and group",
        f"AUROC %              {percent(table['auroc'])}   chance 50.0",
        f"average precision %  {percent(table['average_precision'])}   chance {100 * table['share']:.1f}",
        f"at a rate of {100 * alarms['rate']:g} %: {100 * alarms['found']:.1f} % of the unusual rows found, "
        f"{100 * alarms['false']:.1f} % of the normal ones called unusual",
        *(f"  {name} alone: AUROC % {percent(one)}" for name, one in table["signs"].items()),
    ]


def clustered(table: Table) -> list[str]:
    """How alike groups and labels are, beside each view alone and chance."""
    lines = [
        f"cluster: {table['rows']} rows of split {table['split']}, {table['groups']} groups and {table['classes']} "
        "classes; 95 % intervals, resampled by id and group",
    ]
    for name, title in (("ari", "adjusted Rand index %    "), ("nmi", "mutual information, NMI %")):
        lines.append(f"{title}  {percent(table[name])}   at random {100 * table[f'chance_{name}']:.1f}")
        lines += [
            f"  {view} alone  {percent(one[name])}   difference {percent(one[f'{name}_difference'])}"
            for view, one in table["views_alone"].items()
        ]
    return lines


def talked(table: Table) -> list[str]:
    """A line a slot: right, sure, and right where sure."""
    lines = [f"talk: {table['rows']} utterances, each on its own; 95 % intervals, resampled by id and group"]
    for slot, one in table["slots"].items():
        right, sure, of_sure = (_share(one[name]) for name in ("accuracy", "sure", "right_of_sure"))
        lines.append(f"  {slot}: {right} right; sure of {sure}, of which {of_sure} right")
    lines.append(f"  the commonest value of each slot would be right in {100 * table['majority']:.1f} %")
    return lines


def _share(found: Mapping[str, float | None]) -> str:
    shown = percent(found)
    return "none" if shown == "-" else shown.replace(" [", " % [", 1)
