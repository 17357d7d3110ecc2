"""The picture of a comparison: score against what was learned from, a line a method; a dot a method for one number."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.report.sheet import font_file

__all__ = ["Figure", "check_plot", "plot"]

_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#555555", "#bcbd22")
_DASHES = ("-", "--", ":", "-.")
_GRAY = "#777777"
_LABEL = 0.19
"""Inches from one method's name to the next."""
_MARGINS = 1.35
"""Inches above and below the axes."""

Lines = Mapping[str, np.ndarray]
"""By method, best first: `(p, 4)` of the number learned from, value, low, high."""


class Figure(NamedTuple):
    """What is drawn of a table: which figure of a cell, its words, and where the numbers learned from stand."""

    name: str = "rsum"
    label: str = "rsum: R@1 + R@5 + R@10 of all directions, points"
    sizes: str = "pairs"
    """Of the table's `data`: by size, how many pairs or rows were learned from."""
    unit: str = "pairs"
    scale: float = 1


def check_plot() -> None:
    """Raise a ChiasmError unless pictures can be drawn: asked before the work, not after."""
    if find_spec("matplotlib") is None:
        raise ChiasmError("a plot needs matplotlib, which is not installed: pip install matplotlib.")


def plot(table: Mapping[str, Any], path: str | Path, drawn: Figure = Figure()) -> Path:  # noqa: B008, it is a tuple
    """Draw a comparison's table as a PNG: a figure with bands of 95 % over what was learned from (log scale).

    Chance stands beside, where the table has it.

    Returns its path. Raises a ChiasmError when matplotlib is missing or when nothing was scored.
    """
    check_plot()
    from matplotlib.figure import Figure as Canvas

    data, seeds = table["data"], table["seeds"]
    found = {name: _points(cells, data[drawn.sizes], drawn) for name, cells in table["methods"].items()}
    names = sorted((name for name in found if len(found[name])), key=lambda name: -found[name][-1, 1])
    if not names:
        raise ChiasmError("nothing to draw: no method has a score (the reasons stand in the table).")
    lines = {name: found[name] for name in names}
    shown = np.unique(np.concatenate([points[:, 0] for points in lines.values()]))
    height = max(3.2 if len(shown) == 1 else 5.0, 1.3 * _LABEL * len(lines) + _MARGINS)
    figure = Canvas(figsize=(9, height), dpi=150, facecolor="white")
    wide = max(len(name) for name in names) * 0.0088 + 0.05
    if len(shown) == 1:
        axes = figure.add_axes((wide, 0.75 / height, 0.96 - wide, 1 - _MARGINS / height))
        _dots(axes, lines, data, drawn)
    else:
        axes = figure.add_axes((0.08, 0.75 / height, 0.92 - wide, 1 - _MARGINS / height))
        _lines(axes, lines, data, drawn, shown, _LABEL / (height - _MARGINS))
    things = "things" if drawn.unit == "pairs" else drawn.unit
    title = f"{' - '.join(data['views'])}: {data['scored']} held-out {things} ({table['split']}), {seeds} seed"
    axes.set_title(title + ("s" if seeds > 1 else "") + ", 95 % intervals", fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    _font(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(Path(path), [buffer.getvalue()])
    return Path(path)


def _points(cells: Mapping[str, Any], sizes: Mapping[str, int], drawn: Figure) -> np.ndarray:
    """`(p, 4)`: the number learned from, value, low, high of the cells that have a score, by rising number."""
    rows = {n: cells[size][drawn.name] for size, n in sizes.items() if cells[size].get(drawn.name)}
    known = [(n, r["value"], r["low"], r["high"]) for n, r in sorted(rows.items()) if r["value"] is not None]
    return np.array(known).reshape(-1, 4) * [1, *[drawn.scale] * 3]


def _chance(data: Mapping[str, Any], drawn: Figure) -> float | None:
    chance = data.get("chance", {}).get(drawn.name)
    return None if chance is None else float(chance)


def _range(lines: Lines, chance: float | None, above: float) -> tuple[float, float]:
    """What the axis of scores shows: from 0 where chance is known, else from just below the least."""
    top = max(chance or -np.inf, *(points[:, 3].max() for points in lines.values()))
    if chance is not None:
        return 0.0, top * above
    least = min(points[:, 2].min() for points in lines.values())
    room = max(top - least, 1e-9) * 0.05
    return least - room, top + room


def _dots(axes: Any, lines: Lines, data: Mapping[str, Any], drawn: Figure) -> None:
    """One number of pairs: a dot and an interval a method, best on top."""
    for place, points in enumerate(lines.values()):
        n, value, low, high = points[0]
        axes.plot((low, high), (place, place), color=_COLORS[0], alpha=0.5, linewidth=2)
        axes.plot(value, place, "o", color=_COLORS[0], markersize=5)
    axes.set_yticks(range(len(lines)), list(lines))
    axes.set_ylim(len(lines) - 0.4, -0.6)
    chance = _chance(data, drawn)
    axes.set_xlim(_range(lines, chance, 1.0)[0])
    if chance is not None:
        axes.axvline(chance, color=_GRAY, linestyle=":", linewidth=1)
        right = axes.get_xaxis_transform()
        axes.annotate("chance", (chance, 0), (3, 3), right, "offset points", color=_GRAY, fontsize=9)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_xlabel(f"{drawn.label}; {drawn.unit} to learn from: {_number(n, data, drawn)}")


def _number(n: float, data: Mapping[str, Any], drawn: Figure) -> str:
    return f"{int(n)}{' (all)' if n == data[drawn.sizes].get('all') else ''}"


def _lines(axes: Any, lines: Lines, data: Mapping[str, Any], drawn: Figure, shown: np.ndarray, gap: float) -> None:
    """Several numbers of pairs (`shown`): a line and a band a method, its name at the right."""
    colors = {name: _COLORS[i % len(_COLORS)] for i, name in enumerate(lines)}
    for i, (name, points) in enumerate(lines.items()):
        n, value, low, high = points.T
        axes.fill_between(n, low, high, color=colors[name], alpha=max(0.03, 0.12 - 0.01 * len(lines)), linewidth=0)
        dashes = _DASHES[i // len(_COLORS) % len(_DASHES)]
        axes.plot(n, value, dashes, color=colors[name], marker="o", markersize=4)
    axes.set_xscale("log")
    axes.minorticks_off()
    near = np.append(shown[1:] < 1.2 * shown[:-1], False)  # a number that would run into the next is left out
    axes.set_xticks(shown, ["" if close else _number(n, data, drawn) for n, close in zip(shown, near, strict=True)])
    axes.set_xlim(shown[0] / 1.08, shown[-1] * 1.03)
    chance = _chance(data, drawn)
    bottom, top = _range(lines, chance, 1.04)
    axes.set_ylim(bottom, top)
    right = axes.get_yaxis_transform()
    if chance is not None:
        axes.axhline(chance, color=_GRAY, linestyle=":", linewidth=1)
        axes.annotate("chance", (0.01, chance), (0, 2), right, "offset points", color=_GRAY, fontsize=9)
    ends = np.array([points[-1, 1] for points in lines.values()])
    places = _apart((ends - bottom) / (top - bottom), gap) * (top - bottom) + bottom
    for name, end, place in zip(lines, ends, places, strict=True):
        axes.plot((1, 1.02), (end, place), color=colors[name], linewidth=0.7, transform=right, clip_on=False)
        axes.text(1.025, place, name, color=colors[name], va="center", fontsize=9, transform=right)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_xlabel(f"{drawn.unit} to learn from (logarithmic)")
    axes.set_ylabel(drawn.label)


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Falling places in 0..1 moved as little as possible (least squares) so that neighbors are `gap` apart."""
    from scipy.optimize import isotonic_regression

    steps = gap * np.arange(len(places))
    moved: np.ndarray = isotonic_regression(places + steps, increasing=False).x - steps
    return moved + max(0.0, -moved.min()) - max(0.0, moved.max() - 1)


def _font(figure: Any) -> None:
    """A font with Chinese for the texts that need one."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    file = font_file() if texts else None
    if texts and file is None:
        raise ChiasmError("no font with Chinese characters: pip install 'chiasm[demo]' brings one.")
    for text in texts:
        text.set_fontproperties(FontProperties(fname=file, size=text.get_fontsize()))
