"""The plots of a report as inline SVG: placed by matplotlib, colored and lettered by the page that holds them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from chiasm.report.text import TITLES, scale, shown, wide

__all__ = ["FULL", "HALF", "bars", "coverage", "coverage_points", "forest", "rates", "reliability"]

FULL, HALF = 9.0, 4.4
"""Widths in inches; the page shows an inch as about 107 pixels."""

# Colors that stand for the page's own, light or dark: no other part of a plot has them.
_INK, _SOFT, _LINE, _ACCENT, _GOOD, _BAD = "#010101", "#010102", "#010103", "#010104", "#010105", "#010106"
_VARIABLES = {_INK: "ink", _SOFT: "soft", _LINE: "line", _ACCENT: "accent", _GOOD: "good", _BAD: "bad"}

_FONT = 9
_LETTER = 0.073
"""Inches of an average letter; a Chinese one is two."""
_ROW, _ABOVE, _BELOW = 0.27, 0.16, 0.45
_TAGS = re.compile(r"<[^>]*>")
_HEAD = re.compile(r"\s*<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)
_DROPPED = re.compile(r'(?<=<svg)[^>]*(?= viewBox)|(?<=") xmlns=[^>]*(?=>)|font-family: [^;"]*;? ?|(?<=<g) id="[^"]*"')

Row = tuple[str, Mapping[str, Any]]
"""A label, and its value, low and high."""

P = ParamSpec("P")


def _drawn(draw: Callable[P, Any]) -> Callable[P, str]:
    """A function that gives a figure made one that gives its `<svg>`: no font, no address, no id that another has."""

    @wraps(draw)
    def plot(*args: P.args, **kwargs: P.kwargs) -> str:
        from matplotlib import rc_context

        settings = {
            "text.parse_math": False,
            "axes.unicode_minus": False,
            "font.size": _FONT,
            "axes.titlesize": _FONT,
            "svg.fonttype": "none",
            "svg.hashsalt": repr((draw.__name__, args, kwargs)),
        }
        out = io.StringIO()
        with rc_context(settings), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's fonts have it
            nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            draw(*args, **kwargs).savefig(out, format="svg", metadata=nothing, transparent=True)
        found = out.getvalue()
        return _TAGS.sub(_cleaned, _HEAD.sub("", found[found.index("<svg") :]))

    return plot


@_drawn
def bars(rows: Sequence[Row], metric: str, *, width: float = FULL, line: tuple[str, float] | None = None) -> Any:
    """Bars from zero with their intervals, figures beside; the first row stands out. `line`: a name and a value."""
    figure, axes, unit = _rows([*rows], metric, width)
    for place, (_, entry) in enumerate(rows):
        if entry["value"] is None:
            continue
        axes.barh(place, unit * entry["value"], 0.6, color=_ACCENT, alpha=0.85 if place == 0 else 0.4)
        if entry["low"] is not None:
            axes.plot((unit * entry["low"], unit * entry["high"]), (place, place), color=_INK, linewidth=1.2)
    low = min([0.0, *(unit * e["low"] for _, e in rows if e["low"] is not None)])
    high = max([0.0, *(unit * e[k] for _, e in rows for k in ("value", "high") if e[k] is not None)]) or unit
    axes.set_xlim(low - 0.02 * (high - low) * (low < 0), high + 0.03 * (high - low))
    if low < 0:
        axes.axvline(0, color=_SOFT, linewidth=0.8)
    if line is not None:
        axes.axvline(unit * line[1], color=_SOFT, linewidth=1, linestyle=":")
        axes.annotate(line[0], (unit * line[1], 1), (3, 2), axes.get_xaxis_transform(), "offset points", color=_SOFT)
    axes.set_xlabel(TITLES[metric], color=_SOFT)
    return figure


@_drawn
def forest(rows: Sequence[Row], metric: str, *, width: float = FULL, label: str = "") -> Any:
    """Differences with their intervals around a line at zero: green above it, red below, gray where it is inside."""
    figure, axes, unit = _rows(rows, metric, width, sign=True)
    ends = [0.0]
    for place, (_, entry) in enumerate(rows):
        if entry["value"] is None or entry["low"] is None:
            continue
        color = _GOOD if entry["low"] > 0 else _BAD if entry["high"] < 0 else _SOFT
        axes.plot((unit * entry["low"], unit * entry["high"]), (place, place), color=color, linewidth=2)
        axes.plot(unit * entry["value"], place, "o", color=color, markersize=5.5)
        ends += [unit * entry["low"], unit * entry["high"]]
    room = 0.06 * (max(ends) - min(ends) or 1)
    axes.set_xlim(min(ends) - room, max(ends) + room)
    axes.axvline(0, color=_INK, linewidth=1)
    axes.set_xlabel(label, color=_SOFT)
    return figure


@_drawn
def rates(by_rate: Mapping[str, float], whole: float, metric: str, *, base: float | None = None) -> Any:
    """The judged figure as ever more items are dropped; `whole` with all of them, `base` without any."""
    figure = _figure(HALF, 2.6)
    axes = figure.add_axes((0.13, 0.2, 0.83, 0.68))
    unit = scale(metric)
    values = [unit * whole, *(unit * v for v in by_rate.values())]
    names = ["none", *(_percents(rate) for rate in by_rate)]
    axes.plot(range(len(values)), values, "o-", color=_ACCENT, markersize=5, linewidth=1.8)
    for place, value in enumerate([whole, *by_rate.values()]):
        text = shown(metric, {"value": value, "low": None})
        axes.annotate(text, (place, unit * value), (0, 6), textcoords="offset points", ha="center", color=_INK)
    low, high = min([*values, *([] if base is None else [unit * base])]), max(values)
    room = 0.2 * (high - low or 1)
    axes.set_ylim(low - room / 2, high + room)
    axes.set_xlim(-0.35, len(values) - 0.65)
    if base is not None:
        axes.axhline(unit * base, color=_SOFT, linewidth=1, linestyle=":")
        axes.annotate("without any view", (0, unit * base), (0, 3), textcoords="offset points", color=_SOFT)
    axes.set_xticks(range(len(values)), names)
    axes.set_xlabel("share of items dropped at random", color=_SOFT)
    axes.set_title(TITLES[metric], loc="left", color=_SOFT)
    _plain(axes)
    return figure


@_drawn
def reliability(bins: Sequence[Mapping[str, Any]]) -> Any:
    """How often answers of a confidence are right, against the diagonal; below it, how many rows each bin has."""
    figure = _figure(HALF, 3.6)
    axes = figure.add_axes((0.13, 0.4, 0.83, 0.53))
    held = [b for b in bins if b["count"]]
    axes.plot((0, 100), (0, 100), color=_SOFT, linewidth=1, linestyle=":")
    sure, right = [100 * b["confidence"] for b in held], [100 * b["accuracy"] for b in held]
    axes.plot(sure, right, "-", color=_ACCENT, linewidth=1.8)
    most = max(b["count"] for b in held)
    for x, y, b in zip(sure, right, held, strict=True):
        axes.plot(x, y, "o", color=_ACCENT, markersize=3 + 4 * np.sqrt(b["count"] / most))
    axes.set_title("right, % of the answers in a bin", loc="left", color=_SOFT)
    axes.set_ylim(-3, 103)
    axes.set_xticklabels([])
    counts = figure.add_axes((0.13, 0.15, 0.83, 0.17))
    for b in held:
        middle, span = 50 * (b["low"] + b["high"]), 100 * (b["high"] - b["low"])
        counts.bar(middle, b["count"], 0.86 * span, color=_ACCENT, alpha=0.4)
        counts.annotate(
            str(b["count"]),
            (middle, b["count"]),
            (0, 1),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=_INK,
        )
    counts.set_ylim(0, 1.3 * most)
    counts.set_yticks([])
    counts.set_xlabel("confidence %, and rows in each bin", color=_SOFT)
    for one in (axes, counts):
        one.set_xlim(0, 100)
        _plain(one)
    return figure


def coverage_points(table: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(share of rows answered, share of wrong ones among them), rising: the edges of the bins and the stated errors.

    Exact at these points: answering every row whose confidence is above an edge.
    """
    points, rows, wrong = set(), 0.0, 0.0
    whole = sum(b["count"] for b in table["reliability"]["bins"])
    for b in reversed(table["reliability"]["bins"]):
        if b["count"]:
            rows, wrong = rows + b["count"], wrong + b["count"] * (1 - b["accuracy"])
            points.add((rows / whole, wrong / rows))
    known = {share for share, _ in points}
    for a in table["automation"].values():
        if a["share"] and not any(abs(a["share"] - share) < 1e-9 for share in known):
            points.add((a["share"], a["risk"]))
            known.add(a["share"])
    return sorted(points)


@_drawn
def coverage(table: Mapping[str, Any]) -> Any:
    """Errors among the rows answered without a person, from the surest on, with the stated errors marked."""
    figure = _figure(HALF, 3.6)
    axes = figure.add_axes((0.13, 0.15, 0.83, 0.78))
    points = np.array(coverage_points(table))
    axes.plot(100 * points[:, 0], 100 * points[:, 1], "-", color=_ACCENT, linewidth=1.8)
    axes.plot(100 * points[:, 0], 100 * points[:, 1], "o", color=_ACCENT, markersize=3)
    top = 115 * max(points[:, 1].max(), *(float(e) for e in table["automation"]))
    for error, found in table["automation"].items():
        axes.axhline(100 * float(error), color=_SOFT, linewidth=0.8, linestyle=":")
        if found["share"]:
            axes.plot(100 * found["share"], 100 * found["risk"], "o", color=_GOOD, markersize=6)
            axes.annotate(
                f"{100 * found['share']:.0f} %",
                (100 * found["share"], 100 * found["risk"]),
                (-3, 5),
                textcoords="offset points",
                ha="right",
                color=_GOOD,
            )
    axes.set_xlim(0, 102)
    axes.set_ylim(0, top or 1)
    axes.set_xlabel("rows answered without a person, %, surest first", color=_SOFT)
    axes.set_title("wrong, % of the rows answered", loc="left", color=_SOFT)
    _plain(axes)
    return figure


def _rows(rows: Sequence[Row], metric: str, width: float, sign: bool = False) -> tuple[Any, Any, float]:
    """Axes with a labeled line a row, the first on top, figures at the right; what its values are multiplied by."""
    texts = [shown(metric, entry, sign) for _, entry in rows]
    left = max(wide(label) for label, _ in rows) * _LETTER + 0.15
    right = max(len(text) for text in texts) * _LETTER + 0.15
    height = _ROW * len(rows) + _BELOW + _ABOVE
    figure = _figure(width, height)
    axes = figure.add_axes((left / width, _BELOW / height, 1 - (left + right) / width, _ROW * len(rows) / height))
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    for place, text in enumerate(texts):
        axes.text(1.015, place, text, va="center", color=_INK, transform=axes.get_yaxis_transform())
    _plain(axes, grid="x")
    axes.tick_params(axis="y", labelcolor=_INK)
    axes.spines["left"].set_visible(False)
    return figure, axes, scale(metric)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="none")


def _plain(axes: Any, grid: str = "y") -> None:
    """Thin gray lines one way, no frame."""
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=_LINE, linewidth=0.8)
    axes.tick_params(length=0, labelcolor=_SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)


def _cleaned(tag: re.Match[str]) -> str:
    found = _DROPPED.sub("", tag[0])
    for color, variable in _VARIABLES.items():
        found = found.replace(color, f"var(--{variable})")
    return found


def _percents(rate: str) -> str:
    low, high = rate.split("-")
    return f"{100 * float(low):.0f}–{100 * float(high):.0f} %"
